/* SPDX-License-Identifier: Apache-2.0
 * json_doc.c - looking into a JSON text by the places of its tokens. */
#include "engine/json_doc.h"

#include <string.h>

enum { ROOM_FIRST = 16 * 1024 };

dv_rc dv_doc_init(struct dv_doc *doc, size_t bytes_max)
{
    DV_ASSERT(bytes_max > 0 && bytes_max < UINT32_MAX / 2);
    *doc = (struct dv_doc){ .bytes_max = bytes_max };
    dv_arena_init(&doc->arena, 2 * bytes_max + DV_ARENA_CHUNK);
    return dv_json_names_init(&doc->names);
}

void dv_doc_free(struct dv_doc *doc)
{
    if (doc->bytes_max == 0)
        return;
    dv_json_tokens_free(&doc->tokens);
    dv_json_names_free(&doc->names);
    dv_arena_free(&doc->arena);
    *doc = (struct dv_doc){ 0 };
}

/* The finder of tokens has its memory from the start, so it is made anew for a longer text. */
static dv_rc make_room(struct dv_doc *doc, size_t length)
{
    size_t room = doc->bytes_room != 0 ? doc->bytes_room : ROOM_FIRST;
    if (length > doc->bytes_max)
        return DV_E_LIMIT;
    if (length <= doc->bytes_room)
        return DV_OK;
    while (room < length)
        room *= 2;
    dv_json_tokens_free(&doc->tokens);
    doc->bytes_room = 0;
    if (!dv_json_tokens_init(&doc->tokens, room))
        return DV_E_MEMORY;
    doc->bytes_room = room;
    return DV_OK;
}

void dv_doc_forget(struct dv_doc *doc)
{
    doc->walk = (struct dv_json_walk){ 0 };
    dv_arena_reset(&doc->arena);
}

dv_rc dv_doc_read(struct dv_doc *doc, const char *text, size_t length)
{
    struct dv_json_walk *walk = &doc->walk;
    dv_doc_forget(doc);
    if (length == 0)
        return DV_E_SYNTAX;
    DV_TRY(make_room(doc, length));
    if (dv_json_tokens_find(&doc->tokens, text, length) != DV_JSON_FINE)
        return DV_E_SYNTAX;
    const uint32_t *start = doc->tokens.at;
    *walk = (struct dv_json_walk){
        .text = text, .at = start, .end = start + doc->tokens.count, .arena = &doc->arena, .names = &doc->names
    };
    walk->backslash = dv_json_find_backslash(walk, text);
    dv_json_names_next(&doc->names);
    char first = doc->tokens.count > 0 ? text[*start] : '\0';
    dv_rc rc = first == '{' || first == '[' ? dv_json_skip(walk, 0) : DV_E_SYNTAX;
    if (rc == DV_OK && walk->at != walk->end)
        rc = DV_E_SYNTAX;
    if (rc != DV_OK)
        dv_doc_forget(doc);
    return rc;
}

dv_doc_at dv_doc_root(const struct dv_doc *doc)
{
    return doc->walk.text != NULL ? doc->tokens.at : NULL;
}

static char first_of(const struct dv_doc *doc, dv_doc_at value)
{
    return value != NULL ? doc->walk.text[*value] : '\0';
}

/* The token behind a value. What was checked needs only its brackets counted. */
static dv_doc_at behind(const struct dv_doc *doc, dv_doc_at value)
{
    unsigned depth = 0;
    do {
        char first = first_of(doc, value);
        depth += first == '{' || first == '[';
        depth -= first == '}' || first == ']';
        value++;
    } while (depth > 0);
    return value;
}

static bool span_at(struct dv_doc *doc, dv_doc_at value, struct dv_json_span *ret_span)
{
    struct dv_json_walk walk = doc->walk;
    if (first_of(doc, value) != '"')
        return false;
    walk.at = value;
    walk.backslash = walk.text + *walk.end; /* places are looked into in any order: it is looked for here */
    if (!dv_json_take_string(&walk, ret_span))
        return false;
    ret_span->escaped = memchr(ret_span->start, '\\', ret_span->length) != NULL;
    return !ret_span->escaped || dv_json_unescape(&walk, ret_span) == DV_OK;
}

static bool is_text(const struct dv_json_span *span, const char *text)
{
    return span->length == strlen(text) && memcmp(span->start, text, span->length) == 0;
}

dv_doc_at dv_doc_in(struct dv_doc *doc, dv_doc_at object, const char *name)
{
    if (first_of(doc, object) != '{')
        return NULL;
    for (dv_doc_at key = object + 1; first_of(doc, key) == '"';) {
        struct dv_json_span span;
        if (span_at(doc, key, &span) && is_text(&span, name))
            return key + 2; /* behind the colon */
        dv_doc_at end = behind(doc, key + 2);
        key = first_of(doc, end) == ',' ? end + 1 : end;
    }
    return NULL;
}

size_t dv_doc_count(const struct dv_doc *doc, dv_doc_at object)
{
    size_t count = 0;
    if (first_of(doc, object) != '{')
        return 0;
    for (dv_doc_at key = object + 1; first_of(doc, key) == '"'; count++) {
        dv_doc_at end = behind(doc, key + 2);
        key = first_of(doc, end) == ',' ? end + 1 : end;
    }
    return count;
}

dv_doc_at dv_doc_first(const struct dv_doc *doc, dv_doc_at array)
{
    return first_of(doc, array) == '[' && first_of(doc, array + 1) != ']' ? array + 1 : NULL;
}

dv_doc_at dv_doc_next(const struct dv_doc *doc, dv_doc_at element)
{
    if (element == NULL)
        return NULL;
    dv_doc_at end = behind(doc, element);
    return end < doc->walk.end && first_of(doc, end) == ',' ? end + 1 : NULL;
}

bool dv_doc_text(struct dv_doc *doc, dv_doc_at value, const char **ret_text, size_t *ret_length)
{
    struct dv_json_span span;
    if (!span_at(doc, value, &span))
        return false;
    *ret_text = span.start;
    *ret_length = span.length;
    return true;
}

bool dv_doc_says(struct dv_doc *doc, dv_doc_at value, const char *text)
{
    struct dv_json_span span;
    return span_at(doc, value, &span) && is_text(&span, text);
}

static bool number_at(const struct dv_doc *doc, dv_doc_at value, double *ret_number, bool *ret_whole)
{
    char first = first_of(doc, value);
    if (first != '-' && (first < '0' || first > '9'))
        return false;
    const char *text = doc->walk.text + *value;
    const char *end = dv_json_number_end(text, ret_whole);
    return end != NULL && dv_json_parse_float(text, (size_t)(end - text), ret_number);
}

bool dv_doc_number(const struct dv_doc *doc, dv_doc_at value, double *ret_number)
{
    bool whole = false;
    return number_at(doc, value, ret_number, &whole);
}

bool dv_doc_whole(const struct dv_doc *doc, dv_doc_at value, int64_t *ret_number)
{
    static const double exact = 9007199254740992.0; /* 2^53 */
    double number = 0;
    bool whole = false;
    if (!number_at(doc, value, &number, &whole) || !whole || number > exact || number < -exact)
        return false;
    *ret_number = (int64_t)number;
    return true;
}

bool dv_doc_is_true(const struct dv_doc *doc, dv_doc_at value)
{
    return first_of(doc, value) == 't';
}

bool dv_doc_is_null(const struct dv_doc *doc, dv_doc_at value)
{
    return value == NULL || first_of(doc, value) == 'n';
}
