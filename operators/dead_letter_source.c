/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_source.c - letters into batches, and marks when those are settled. */
#include "operators/dead_letter_source.h"

#include "engine/graph.h"
#include "engine/id.h"
#include "engine/log.h"
#include "engine/memory.h"

enum {
    GROUP_LETTERS = 2 * DV_BATCH_ROWS, /* those of a batch and doubles of them */
    LOOKED_MAX = 1024,                 /* letters looked at in one call */
    JSON_FIRST_BYTES = 64 * 1024,
    LOGGED_MAX = 20,
};

struct dv_letter_group {
    uint64_t number;
    uint32_t count;
    struct dv_letter_key keys[GROUP_LETTERS];
    struct dv_letter_group *next;
};

static dv_rc open_node(struct dv_node *node)
{
    struct dv_letter_source *source = dv_state(node);
    struct dv_error error = { 0 };
    dv_rc rc = dv_letter_scan_open(&source->scan, source->replay->path, source->replay->keyring, &error);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "%s", error.text);
}

static dv_rc make_json(struct dv_node *node, struct dv_letter_source *source, size_t bytes)
{
    if (source->json != NULL && bytes <= source->json_bytes)
        return DV_OK;
    dv_json_reader_free(source->json);
    source->json_bytes = bytes > JSON_FIRST_BYTES ? bytes : JSON_FIRST_BYTES;
    source->json = dv_json_reader_new(dv_node_schema_out(node, 0), source->json_bytes);
    return source->json != NULL ? DV_OK : dv_fail(node, DV_E_FAILED, "no memory for the parser");
}

/* It stays as it is: a letter of it would say the same again. */
static void tell_unfit(const struct dv_node *node, struct dv_letter_source *source, dv_rc rc, const char *reason)
{
    const struct dv_log_pair why = { "reason", DV_LOG_WORD, 0, reason };
    if (source->replay->unfit++ < LOGGED_MAX)
        dv_log(DV_LOG_WARN, "dlq.unfit", DV_LOG_NAMED("node", dv_node_name(node)),
               DV_LOG_NUMBER("offset", source->letter.place_offset), DV_LOG_NUMBER("line", source->letter.place_line),
               DV_LOG_REASON("code", rc), why);
}

/* Reads the letter's payload into the next row. DV_E_MEMORY: it may fit into an empty batch. */
static dv_rc parse(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_letter_source *source = dv_state(node);
    const struct dv_letter_view *letter = &source->letter;
    struct dv_bytes payload = letter->schema.at != NULL ? letter->record : letter->raw;
    const char *reason = "the record does not fit into a batch";
    DV_TRY(make_json(node, source, payload.length));
    char *text = dv_arena_text(&batch->arena, payload.length + DV_JSON_PADDING);
    dv_rc rc = DV_E_MEMORY;
    if (text != NULL) {
        (void)dv_bytes_put((uint8_t *)text, payload.at, payload.length);
        memset(text + payload.length, 0, DV_JSON_PADDING);
        dv_arena_trim(&batch->arena, text, payload.length + DV_JSON_PADDING, payload.length);
        rc = dv_json_reader_in_place(source->json, text, payload.length, batch, batch->rows, &reason);
    }
    if (rc == DV_E_MEMORY && batch->rows > 0)
        return DV_E_MEMORY;
    if (rc != DV_OK) {
        tell_unfit(node, source, rc, reason);
        return DV_DROP;
    }
    struct dv_row *row = &batch->row[batch->rows++];
    *row =
        (struct dv_row){ .offset = letter->place_offset, .line = letter->place_line, .created_ms = letter->created_ms };
    memcpy(row->id, letter->key.id, sizeof row->id);
    return DV_OK;
}

/* Whether the record was fed to this node already; else it is noted. */
static dv_rc note_fed(struct dv_letter_source *source, bool *ret_doubled)
{
    struct dv_letter_key key = { 0 };
    uint64_t node = dv_hash64(source->letter.node.at, source->letter.node.length, 0);
    memcpy(key.id, source->letter.key.id, sizeof key.id);
    memcpy(key.nonce, &node, sizeof node);
    *ret_doubled = dv_marks_get(&source->replay->fed_ids, &key) != DV_LETTER_OPEN;
    return *ret_doubled ? DV_OK : dv_marks_put(&source->replay->fed_ids, &key, DV_LETTER_REPLAYED);
}

static bool is_meant(const struct dv_letter_source *source)
{
    const struct dv_letter_view *letter = &source->letter;
    bool here = source->rejected_by == NULL || dv_bytes_equal(letter->node, dv_bytes_text(source->rejected_by));
    return letter->opened == DV_OK && letter->state == DV_LETTER_OPEN && !letter->notice && here &&
           source->replay->wanted(source->replay->data, letter);
}

/* Takes the letter at hand into batch and group. DV_E_MEMORY: no room in this batch. */
static dv_rc take(struct dv_node *node, struct dv_batch *batch, struct dv_letter_group *group)
{
    struct dv_letter_source *source = dv_state(node);
    bool doubled = false;
    if (!is_meant(source))
        return DV_OK;
    if (!source->kept && dv_is_error(note_fed(source, &doubled)))
        return dv_fail(node, DV_E_FAILED, "no memory for the ids of so many letters");
    dv_rc rc = doubled ? DV_OK : parse(node, batch);
    if (rc == DV_DROP)
        return DV_OK;
    DV_TRY(rc);
    source->replay->fed += !doubled;
    source->replay->doubled += doubled;
    group->keys[group->count++] = source->letter.key;
    return DV_OK;
}

/* The next letter, unless the last one waits still. */
static dv_rc advance(struct dv_node *node)
{
    struct dv_letter_source *source = dv_state(node);
    struct dv_error error = { 0 };
    if (source->kept)
        return DV_OK;
    dv_rc rc = dv_letter_scan_next(&source->scan, &source->letter, &source->ended, &error);
    return rc == DV_OK ? DV_OK : dv_fail(node, DV_E_FAILED, "%s", error.text);
}

static dv_rc fill(struct dv_node *node, struct dv_batch *batch, struct dv_letter_group *group)
{
    struct dv_letter_source *source = dv_state(node);
    for (unsigned looked = 0; looked < LOOKED_MAX && batch->rows < DV_BATCH_ROWS && group->count < GROUP_LETTERS;
         looked++) {
        DV_TRY(advance(node));
        if (source->ended) {
            dv_end(node);
            return DV_OK;
        }
        dv_rc rc = take(node, batch, group);
        source->kept = rc == DV_E_MEMORY;
        if (source->kept)
            return DV_OK;
        DV_TRY(rc);
    }
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_letter_source *source = dv_state(node);
    struct dv_letter_group *group = dv_memory_zeroed(1, sizeof *group);
    if (group == NULL)
        return dv_fail(node, DV_E_FAILED, "no memory for what is in flight");
    dv_rc rc = fill(node, batch, group);
    if (rc != DV_OK || group->count == 0) {
        dv_memory_free(group);
        return rc != DV_OK ? rc : DV_DROP;
    }
    group->number = source->group_number++;
    group->next = source->groups;
    source->groups = group;
    dv_claim(node, batch, group->number, group->number);
    return DV_PASS;
}

static void mark(struct dv_letter_source *source, const struct dv_letter_group *group, int64_t now_ms)
{
    struct dv_letter_replay *replay = source->replay;
    for (uint32_t i = 0; i < group->count; i++) {
        const struct dv_mark replayed = { group->keys[i], DV_LETTER_REPLAYED, now_ms };
        if (dv_marker_put(replay->marker, &replayed) != DV_OK)
            replay->unmarked++;
    }
    dv_marker_flush(replay->marker);
}

static void settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    struct dv_letter_source *source = dv_state(node);
    for (struct dv_letter_group **at = &source->groups; *at != NULL; at = &(*at)->next) {
        struct dv_letter_group *group = *at;
        if (group->number != receipt->first)
            continue;
        *at = group->next;
        if (!receipt->failed)
            mark(source, group, dv_wall_ms(dv_node_loop(node)));
        dv_memory_free(group);
        return;
    }
}

static void stop(struct dv_node *node)
{
    struct dv_letter_source *source = dv_state(node);
    if (!source->ended)
        dv_end(node);
    source->ended = true;
}

static void close_node(struct dv_node *node)
{
    struct dv_letter_source *source = dv_state(node);
    while (source->groups != NULL) {
        struct dv_letter_group *group = source->groups;
        source->groups = group->next;
        dv_memory_free(group);
    }
    dv_letter_scan_close(&source->scan);
    dv_json_reader_free(source->json);
    source->json = NULL;
}

const struct dv_operator dv_operator_dead_letters = {
    .name = "dead-letters",
    .summary = "Feeds rejected records again.",
    .size = sizeof(struct dv_letter_source),
    .source = true,
    .makes = true,
    .open = open_node,
    .process = process,
    .settle = settle,
    .stop = stop,
    .close = close_node,
};
