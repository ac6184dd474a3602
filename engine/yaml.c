/* SPDX-License-Identifier: Apache-2.0
 * yaml.c - libfyaml's events made into our tree; what is refused is refused while they come. */
#include "engine/yaml.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/expand.h"
#include "engine/text.h"
#include "engine/yaml_check.h"

/* An open map or list. */
struct level {
    struct dv_yaml *node;
    struct dv_yaml *last;
    const char *key; /* of a map: read, its value is still to come */
    struct dv_place key_place;
};

/* One parse. `stopped`: nothing can be made of the rest; the reason is among the findings. */
struct builder {
    struct dv_arena *arena;
    struct dv_diags *diags;
    const char *name;
    struct dv_span text;
    struct level levels[DV_YAML_LEVELS_MAX];
    size_t depth;
    size_t nodes;
    struct dv_yaml *root;
    bool stopped;
};

static struct dv_place whole_file(const char *name)
{
    return (struct dv_place){ .file = name, .length = 1 };
}

static void stop(struct builder *builder, struct dv_place place, const char *code, const char *message)
{
    dv_diags_add(builder->diags, place, code, NULL, NULL, "%s", message);
    builder->stopped = true;
}

/* Characters to underline: up to the end of the token, but not past its first line. */
static uint32_t characters(const struct builder *builder, size_t start, size_t end)
{
    size_t limit = end < builder->text.length ? end : builder->text.length;
    size_t length = 0;
    while (start + length < limit && strchr("\r\n", builder->text.text[start + length]) == NULL)
        length++;
    size_t count = length != 0 ? dv_utf8_count(builder->text.text + start, length) : 0;
    return count > 1 ? (uint32_t)count : 1;
}

/* Where an event is. libfyaml gives none for an empty value: then it is where its key is. */
static struct dv_place place_of(const struct builder *builder, struct fy_token *token)
{
    const struct fy_mark *start = token != NULL ? fy_token_start_mark(token) : NULL;
    const struct fy_mark *end = token != NULL ? fy_token_end_mark(token) : NULL;
    if (start != NULL && start->line >= 0 && start->column >= 0) {
        uint32_t length = end != NULL ? characters(builder, start->input_pos, end->input_pos) : 1;
        return (struct dv_place){ builder->name, (uint32_t)start->line + 1, (uint32_t)start->column + 1, length };
    }
    if (builder->depth == 0)
        return (struct dv_place){ builder->name, 1, 1, 1 };
    const struct level *level = &builder->levels[builder->depth - 1];
    return level->key != NULL ? level->key_place : level->node->place;
}

static struct dv_yaml *new_node(struct builder *builder, enum dv_yaml_kind kind, struct dv_place place)
{
    if (++builder->nodes > DV_YAML_NODES_MAX) {
        stop(builder, place, "C007", "the file has more than 100,000 values");
        return NULL;
    }
    struct dv_yaml *node = dv_arena_zeroed(builder->arena, 1, sizeof *node);
    if (node == NULL) {
        stop(builder, place, "C007", "out of memory");
        return NULL;
    }
    node->kind = kind;
    node->place = place;
    return node;
}

/* Puts a node where it belongs: under the pending key, behind the last item, or at the root. */
static void attach(struct builder *builder, struct dv_yaml *node)
{
    if (builder->depth == 0) {
        DV_ASSERT(builder->root == NULL);
        builder->root = node;
        return;
    }
    struct level *level = &builder->levels[builder->depth - 1];
    if (level->node->kind == DV_YAML_MAP) {
        DV_ASSERT(level->key != NULL);
        node->key = level->key;
        node->key_place = level->key_place;
        level->key = NULL;
    }
    if (level->last != NULL)
        level->last->next = node;
    else
        level->node->first = node;
    level->last = node;
    level->node->count++;
}

static bool wants_key(const struct builder *builder)
{
    if (builder->depth == 0)
        return false;
    const struct level *level = &builder->levels[builder->depth - 1];
    return level->node->kind == DV_YAML_MAP && level->key == NULL;
}

/* Anchors and tags are named one by one and then passed over, so that all of them are found at once. */
static void refuse_properties(struct builder *builder, struct fy_token *anchor, struct fy_token *tag)
{
    if (anchor != NULL)
        dv_diags_add(builder->diags, place_of(builder, anchor), "C002", NULL, "write the value out where it is used",
                     "anchors are not allowed");
    if (tag != NULL)
        dv_diags_add(builder->diags, place_of(builder, tag), "C002", NULL, "leave the tag out", "tags are not allowed");
}

static void open_level(struct builder *builder, enum dv_yaml_kind kind, struct fy_token *token)
{
    struct dv_place place = place_of(builder, token);
    place.length = 1;
    if (wants_key(builder)) {
        stop(builder, place, "C002", "a key must be a plain word, not a map or a list");
        return;
    }
    if (builder->depth == DV_YAML_LEVELS_MAX) {
        stop(builder, place, "C007", "more than 64 levels deep");
        return;
    }
    struct dv_yaml *node = new_node(builder, kind, place);
    if (node == NULL)
        return;
    attach(builder, node);
    builder->levels[builder->depth++] = (struct level){ .node = node };
}

static void close_level(struct builder *builder)
{
    DV_ASSERT(builder->depth > 0);
    builder->depth--;
    const struct dv_yaml *node = builder->levels[builder->depth].node;
    if (node->kind == DV_YAML_MAP && !dv_yaml_check_duplicates(node, builder->diags))
        builder->stopped = true;
}

/* libfyaml 0.7.12 counts a scalar in one place and writes it in another; where the two differ (two quotes in a row
 * inside single quotes are one case) its own fy_token_get_text() leaks and gives back memory that nobody wrote. So the
 * pieces are copied here, and a scalar whose pieces do not add up is refused. -1: they do not. */
static ssize_t copy_pieces(struct fy_token_iter *iterator, char *buffer, size_t size)
{
    size_t used = 0;
    int failed = 0;
    const struct fy_iter_chunk *piece = NULL;
    while ((piece = fy_token_iter_chunk_next(iterator, piece, &failed)) != NULL) {
        if (piece->len > size - used)
            return -1;
        memcpy(buffer + used, piece->str, piece->len);
        used += piece->len;
    }
    return failed == 0 && used == size ? (ssize_t)used : -1;
}

static bool refuse_scalar(struct builder *builder, struct dv_place place)
{
    dv_diags_add(builder->diags, place, "C002", NULL, "write it in double quotes", "this value cannot be read safely");
    builder->stopped = true;
    return false;
}

/* A copy of a scalar's text. Escapes are resolved, so that "\0" can appear here although the file has no NUL. */
static bool scalar_text(struct builder *builder, struct fy_token *token, struct dv_place place, struct dv_span *ret)
{
    size_t length = fy_token_get_text_length(token);
    if (length > DV_YAML_BYTES_MAX)
        return refuse_scalar(builder, place);
    char *copy = dv_arena_text(builder->arena, length + 1);
    struct fy_token_iter *iterator = copy != NULL ? fy_token_iter_create(token) : NULL;
    if (iterator == NULL) {
        stop(builder, place, "C007", "out of memory");
        return false;
    }
    ssize_t copied = copy_pieces(iterator, copy, length);
    fy_token_iter_destroy(iterator);
    if (copied < 0)
        return refuse_scalar(builder, place);
    copy[length] = '\0';
    if (memchr(copy, '\0', length) != NULL)
        dv_diags_add(builder->diags, place, "C002", NULL, NULL, "NUL characters are not allowed");
    else if (dv_utf8_valid(copy, length) != length)
        dv_diags_add(builder->diags, place, "C001", NULL, NULL, "not UTF-8");
    *ret = (struct dv_span){ copy, length };
    return true;
}

static bool is_none_text(const char *text)
{
    return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static void take_key(struct builder *builder, struct fy_token *token, struct dv_place place)
{
    struct dv_span text;
    if (!scalar_text(builder, token, place, &text))
        return;
    if (fy_token_scalar_style(token) == FYSS_PLAIN && is_none_text(text.text))
        dv_diags_add(builder->diags, place, "C002", NULL, NULL, "a key must be a word");
    if (strcmp(text.text, "<<") == 0)
        dv_diags_add(builder->diags, place, "C002", NULL, "write the keys out", "merge keys are not allowed");
    struct level *level = &builder->levels[builder->depth - 1];
    level->key = text.text;
    level->key_place = place;
}

static void take_value(struct builder *builder, struct fy_token *token, struct dv_place place)
{
    struct dv_yaml *node = new_node(builder, DV_YAML_SCALAR, place);
    struct dv_span raw;
    if (node == NULL || !scalar_text(builder, token, place, &raw))
        return;
    struct dv_span value;
    node->faulty = !dv_expand(raw, place, builder->arena, builder->diags, &value);
    if (node->faulty)
        value = raw;
    node->expanded = value.text != raw.text;
    node->text = value.text;
    node->length = value.length;
    node->plain = fy_token_scalar_style(token) == FYSS_PLAIN && (value.text == raw.text || value.length == 0);
    attach(builder, node);
}

static void take_scalar(struct builder *builder, struct fy_token *token)
{
    struct dv_place place = place_of(builder, token);
    if (wants_key(builder))
        take_key(builder, token, place);
    else
        take_value(builder, token, place);
}

static void take_alias(struct builder *builder, struct fy_token *token)
{
    struct dv_place place = place_of(builder, token);
    if (wants_key(builder)) {
        stop(builder, place, "C002", "aliases are not allowed");
        return;
    }
    dv_diags_add(builder->diags, place, "C002", NULL, "write the value out", "aliases are not allowed");
    struct dv_yaml *node = new_node(builder, DV_YAML_SCALAR, place);
    if (node == NULL)
        return;
    node->text = "";
    node->faulty = true;
    attach(builder, node);
}

static void take_document(struct builder *builder, const struct fy_event *event)
{
    struct fy_token *token = event->document_start.document_start;
    if (builder->root != NULL)
        stop(builder, place_of(builder, token), "C002", "one file holds one document");
}

static void take_event(struct builder *builder, const struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        take_document(builder, event);
        break;
    case FYET_MAPPING_START:
        refuse_properties(builder, event->mapping_start.anchor, event->mapping_start.tag);
        open_level(builder, DV_YAML_MAP, event->mapping_start.mapping_start);
        break;
    case FYET_SEQUENCE_START:
        refuse_properties(builder, event->sequence_start.anchor, event->sequence_start.tag);
        open_level(builder, DV_YAML_LIST, event->sequence_start.sequence_start);
        break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        close_level(builder);
        break;
    case FYET_SCALAR:
        refuse_properties(builder, event->scalar.anchor, event->scalar.tag);
        take_scalar(builder, event->scalar.value);
        break;
    case FYET_ALIAS:
        take_alias(builder, event->alias.anchor);
        break;
    default:
        break;
    }
}

/* `{ a: ${B} }` is the usual mistake: inside braces the '{' of an unquoted variable opens a map. */
static bool has_variable(struct dv_span text, uint32_t line)
{
    const char *at = text.text;
    const char *end = text.text + text.length;
    for (; line > 1 && at < end; line--) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        at = next != NULL ? next + 1 : end;
    }
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    return memmem(at, (size_t)((line_end != NULL ? line_end : end) - at), "${", 2) != NULL;
}

/* libfyaml's later errors follow from its first, so only that one is told. */
static void tell_syntax_error(struct builder *builder, struct fy_diag *diag)
{
    void *iterator = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &iterator);
    if (error == NULL || error->msg == NULL) {
        stop(builder, whole_file(builder->name), "C001", "malformed YAML");
        return;
    }
    uint32_t line = error->line > 0 ? (uint32_t)error->line : 1;
    uint32_t column = error->column > 0 ? (uint32_t)error->column : 1;
    const char *help = has_variable(builder->text, line) ? "put a value with a variable in quotes: \"${NAME}\"" : NULL;
    dv_diags_add(builder->diags, (struct dv_place){ builder->name, line, column, 1 }, "C001", NULL, help,
                 "malformed YAML: %s", error->msg);
    builder->stopped = true;
}

static void run(struct builder *builder, struct fy_parser *parser, struct fy_diag *diag)
{
    if (fy_parser_set_string(parser, builder->text.text, builder->text.length) != 0) {
        stop(builder, whole_file(builder->name), "C007", "out of memory");
        return;
    }
    struct fy_event *event = NULL;
    while (!builder->stopped && (event = fy_parser_parse(parser)) != NULL) {
        take_event(builder, event);
        fy_parser_event_free(parser, event);
    }
    if (!builder->stopped && fy_parser_get_stream_error(parser))
        tell_syntax_error(builder, diag);
    else if (!builder->stopped && builder->root == NULL)
        stop(builder, whole_file(builder->name), "C005", "the file is empty");
}

static void discard(struct fy_diag *diag, void *user, const char *text, size_t length)
{
    (void)diag;
    (void)user;
    (void)text;
    (void)length;
}

/* Findings come from the collected errors: libfyaml by itself would print to standard error. */
static void parse(struct builder *builder)
{
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.output_fn = discard;
    diag_cfg.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (diag == NULL) {
        stop(builder, whole_file(builder->name), "C007", "out of memory");
        return;
    }
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg cfg = {
        .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
        .diag = diag,
    };
    struct fy_parser *parser = fy_parser_create(&cfg);
    if (parser != NULL)
        run(builder, parser, diag);
    else
        stop(builder, whole_file(builder->name), "C007", "out of memory");
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
}

/* libfyaml gets a copy that ends with a newline and a NUL: 0.7.12 reads past an escape or a block sign at the end. */
struct dv_yaml *dv_yaml_parse_partial(const char *name, const char *text, size_t length, struct dv_arena *arena,
                                      struct dv_diags *diags)
{
    DV_ASSERT(name != NULL && (text != NULL || length == 0));
    const char *kept_name = dv_arena_copy(diags->arena, name, strlen(name));
    if (kept_name == NULL) {
        dv_diags_add(diags, (struct dv_place){ .length = 1 }, "C007", NULL, NULL, "out of memory");
        return NULL;
    }
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        length -= 3;
    }
    dv_diags_source(diags, kept_name, text, length);
    if (!dv_yaml_check_text(kept_name, text, length, diags))
        return NULL;
    struct builder *builder = dv_arena_zeroed(arena, 1, sizeof *builder);
    bool has_end = length != 0 && text[length - 1] == '\n';
    const char *ended = dv_arena_printf(arena, "%.*s%s", (int)length, length != 0 ? text : "", has_end ? "" : "\n");
    if (builder == NULL || ended == NULL) {
        dv_diags_add(diags, whole_file(kept_name), "C007", NULL, NULL, "out of memory");
        return NULL;
    }
    *builder = (struct builder){
        .arena = arena, .diags = diags, .name = kept_name, .text = { ended, has_end ? length : length + 1 }
    };
    parse(builder);
    return builder->stopped ? NULL : builder->root;
}

struct dv_yaml *dv_yaml_parse(const char *name, const char *text, size_t length, struct dv_arena *arena,
                              struct dv_diags *diags)
{
    uint32_t before = diags->count;
    struct dv_yaml *root = dv_yaml_parse_partial(name, text, length, arena, diags);
    return diags->count == before ? root : NULL;
}

const struct dv_yaml *dv_yaml_get(const struct dv_yaml *map, const char *key)
{
    if (map == NULL || map->kind != DV_YAML_MAP)
        return NULL;
    for (const struct dv_yaml *child = map->first; child != NULL; child = child->next) {
        if (strcmp(child->key, key) == 0)
            return child;
    }
    return NULL;
}

const char *dv_yaml_shown(const struct dv_yaml *scalar)
{
    DV_ASSERT(scalar->kind == DV_YAML_SCALAR);
    return scalar->expanded ? "(what a variable gave)" : scalar->text;
}

bool dv_yaml_is_none(const struct dv_yaml *node)
{
    return node != NULL && node->kind == DV_YAML_SCALAR && node->plain && is_none_text(node->text);
}
