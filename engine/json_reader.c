/* SPDX-License-Identifier: Apache-2.0
 * json_reader.c - JSON objects into rows, by the schema.
 *
 * Records of one source have their fields in the same order, so the reader remembers which column followed which and
 * compares a name with the expected one, whole words at a time. Only a surprise is looked up. */
#include <string.h>

#include "engine/id.h"
#include "engine/json.h"
#include "engine/json_read.h"
#include "engine/json_value.h"
#include "engine/json_walk.h"
#include "engine/memory.h"

enum {
    NO_COLUMN = DV_COLUMNS_MAX, /* "the object begins", "no guess" or "not in the schema" */
    KEY_WORDS = 4,
    KEY_BYTES = KEY_WORDS * 8,
    COLUMN_SLOTS = 512,
    MASK_WORDS = DV_COLUMNS_MAX / 64,
};

_Static_assert((int)KEY_BYTES <= (int)DV_JSON_PADDING, "a name at the end of the text is compared by whole words");

/* A column's name with its quotes, to be compared with 8 bytes of the text at a time. */
struct key {
    uint64_t bytes[KEY_WORDS];
    uint64_t mask[KEY_WORDS]; /* zero behind the closing quote */
    uint32_t length;          /* with quotes; longer than KEY_BYTES: the words do not suffice */
};

struct dv_json_reader {
    const struct dv_schema *schema;
    size_t record_bytes_max;
    struct dv_json_tokens tokens;
    struct dv_json_names names;
    uint64_t required[MASK_WORDS];
    uint8_t next[NO_COLUMN + 1]; /* the column that followed each one last */
    uint8_t slots[COLUMN_SLOTS]; /* columns by the hash of their names */
    struct key keys[NO_COLUMN + 1];
};

/* One record being read. */
struct record {
    struct dv_json_reader *reader;
    struct dv_json_walk walk;
    struct dv_batch *batch;
    uint32_t row;
    uint32_t last; /* the column before */
    uint64_t seen[MASK_WORDS];
    uint64_t present[MASK_WORDS];
    char *extra; /* the object of the fields that no schema names, while it grows */
    uint32_t extra_length;
};

static void make_key(struct key *key, const struct dv_column *column)
{
    char text[KEY_BYTES] = { '"' };
    unsigned char mask[KEY_BYTES] = { 0 };
    key->length = column->name_length + 2;
    if (key->length <= KEY_BYTES) {
        memcpy(text + 1, column->name, column->name_length);
        text[key->length - 1] = '"';
        memset(mask, 0xff, key->length);
    }
    memcpy(key->bytes, text, sizeof text);
    memcpy(key->mask, mask, sizeof mask);
}

static uint32_t slot_of(const char *name, uint32_t length)
{
    return (uint32_t)dv_hash64(name, length, 0) % COLUMN_SLOTS;
}

static void add_column(struct dv_json_reader *reader, uint32_t index)
{
    const struct dv_column *column = &reader->schema->columns[index];
    make_key(&reader->keys[index], column);
    if ((int32_t)index == reader->schema->extra)
        return;
    uint32_t slot = slot_of(column->name, column->name_length);
    while (reader->slots[slot] != NO_COLUMN)
        slot = (slot + 1) % COLUMN_SLOTS;
    reader->slots[slot] = (uint8_t)index;
    if (column->required)
        reader->required[index / 64] |= (uint64_t)1 << (index % 64);
}

static void add_columns(struct dv_json_reader *reader)
{
    memset(reader->next, NO_COLUMN, sizeof reader->next);
    memset(reader->slots, NO_COLUMN, sizeof reader->slots);
    /* 0xff is in no UTF-8 text: what stands for "no column" equals no name. */
    memset(&reader->keys[NO_COLUMN], 0xff, sizeof reader->keys[NO_COLUMN]);
    reader->keys[NO_COLUMN].length = 0;
    for (uint32_t i = 0; i < reader->schema->column_count; i++)
        add_column(reader, i);
}

struct dv_json_reader *dv_json_reader_new(const struct dv_schema *schema, size_t record_bytes_max)
{
    DV_ASSERT(schema->column_count <= DV_COLUMNS_MAX && record_bytes_max < UINT32_MAX);
    struct dv_json_reader *reader = dv_memory_zeroed(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->schema = schema;
    reader->record_bytes_max = record_bytes_max;
    add_columns(reader);
    bool named = !dv_is_error(dv_json_names_init(&reader->names));
    if (!named || !dv_json_tokens_init(&reader->tokens, record_bytes_max)) {
        dv_json_reader_free(reader);
        return NULL;
    }
    return reader;
}

void dv_json_reader_free(struct dv_json_reader *reader)
{
    if (reader == NULL)
        return;
    dv_json_tokens_free(&reader->tokens);
    dv_json_names_free(&reader->names);
    dv_memory_free(reader);
}

static uint64_t load_word(const char *at)
{
    uint64_t word = 0;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline bool long_key_matches(const struct record *record, uint32_t column, const char *text)
{
    const struct dv_column *named = &record->reader->schema->columns[column];
    uint32_t room = record->walk.at[1] - record->walk.at[0];
    return room >= named->name_length + 2 && text[0] == '"' && text[named->name_length + 1] == '"' &&
           memcmp(text + 1, named->name, named->name_length) == 0;
}

/* Whether the name at the walk is that of `column`. */
static inline bool key_matches(const struct record *record, uint32_t column, const char *text)
{
    const struct key *key = &record->reader->keys[column];
    uint64_t differs = (load_word(text) ^ key->bytes[0]) & key->mask[0];
    differs |= (load_word(text + 8) ^ key->bytes[1]) & key->mask[1];
    if (key->length > 16) {
        differs |= (load_word(text + 16) ^ key->bytes[2]) & key->mask[2];
        differs |= (load_word(text + 24) ^ key->bytes[3]) & key->mask[3];
        if (key->length > KEY_BYTES)
            return long_key_matches(record, column, text);
    }
    return differs == 0;
}

static uint32_t look_up(const struct dv_json_reader *reader, struct dv_json_span name)
{
    uint32_t slot = slot_of(name.start, name.length);
    for (; reader->slots[slot] != NO_COLUMN; slot = (slot + 1) % COLUMN_SLOTS) {
        const struct dv_column *column = &reader->schema->columns[reader->slots[slot]];
        if (column->name_length == name.length && memcmp(column->name, name.start, name.length) == 0)
            return reader->slots[slot];
    }
    return NO_COLUMN;
}

/* Takes a name that was not expected and finds its column, or NO_COLUMN. */
static dv_rc surprise(struct record *record, uint32_t *ret_column)
{
    struct dv_json_reader *reader = record->reader;
    struct dv_json_span name;
    if (!dv_json_take_string(&record->walk, &name))
        return dv_json_malformed(&record->walk);
    struct dv_json_span plain = name;
    if (name.escaped)
        DV_TRY(dv_json_unescape(&record->walk, &plain));
    *ret_column = look_up(reader, plain);
    if (name.escaped)
        dv_json_forget(&record->walk, plain);
    if (*ret_column != NO_COLUMN)
        reader->next[record->last] = (uint8_t)*ret_column;
    else
        DV_TRY(dv_json_names_add(&record->walk, 0, name));
    return DV_OK;
}

/* Takes the name at the walk. An optional field that is left out is no surprise: what follows it is tried too. */
static inline dv_rc take_name(struct record *record, uint32_t *ret_column)
{
    const char *text = record->walk.text + *record->walk.at;
    uint32_t guess = record->reader->next[record->last];
    if (!key_matches(record, guess, text)) {
        guess = record->reader->next[guess];
        if (!key_matches(record, guess, text))
            return surprise(record, ret_column);
    }
    *ret_column = guess;
    record->walk.at++;
    return DV_OK;
}

static inline dv_rc take_value(struct record *record, const struct dv_column *column, struct dv_cell *cell)
{
    /* Most values are texts without escapes: those never leave this file. */
    struct dv_json_span span;
    if (column->type != DV_TYPE_TEXT || !dv_json_take_string(&record->walk, &span))
        return dv_json_take_value(&record->walk, column, cell);
    if (span.escaped)
        DV_TRY(dv_json_unescape(&record->walk, &span));
    *cell = (struct dv_cell){ .text = span.start, .length = span.length, .present = 1 };
    return DV_OK;
}

/* A member that no column takes is kept as it stands. The whole text is room enough for all of them. */
static dv_rc take_extra(struct record *record, const char *start)
{
    struct dv_json_walk *walk = &record->walk;
    if (record->reader->schema->extra < 0)
        return dv_json_refuse(walk, DV_E_DATA, "a field that the schema does not name");
    DV_TRY(dv_json_skip(walk, 1));
    if (record->extra == NULL)
        record->extra = dv_arena_text(walk->arena, *walk->end);
    if (record->extra == NULL)
        return dv_json_refuse(walk, DV_E_MEMORY, "the batch's memory is used up");
    size_t length = (size_t)(dv_json_value_end(walk) - start);
    record->extra[record->extra_length] = record->extra_length == 0 ? '{' : ',';
    dv_json_copy_flat(record->extra + record->extra_length + 1, start, length);
    record->extra_length += (uint32_t)length + 1;
    return DV_OK;
}

static inline dv_rc take_column(struct record *record, uint32_t index)
{
    uint64_t bit = (uint64_t)1 << (index % 64);
    if ((record->seen[index / 64] & bit) != 0)
        return dv_json_refuse(&record->walk, DV_E_SYNTAX, "a name stands twice in one object");
    record->seen[index / 64] |= bit;
    record->last = index;
    if (dv_json_peek(&record->walk) == 'n')
        return dv_json_take_word(&record->walk, "null", 4);
    record->present[index / 64] |= bit;
    return take_value(record, &record->reader->schema->columns[index], &record->batch->cells[index][record->row]);
}

static inline dv_rc take_member(struct record *record)
{
    struct dv_json_walk *walk = &record->walk;
    if (walk->end - walk->at < 4)
        return dv_json_malformed(walk);
    const char *start = walk->text + *walk->at;
    uint32_t column = NO_COLUMN;
    DV_TRY(take_name(record, &column));
    if (!dv_json_take_colon(walk))
        return dv_json_malformed(walk);
    return column == NO_COLUMN ? take_extra(record, start) : take_column(record, column);
}

static dv_rc take_members(struct record *record)
{
    bool more = !dv_json_closes(&record->walk, '}');
    while (more) {
        DV_TRY(take_member(record));
        if (!dv_json_next_element(&record->walk, '}', &more))
            return dv_json_malformed(&record->walk);
    }
    if (record->walk.at != record->walk.end)
        return dv_json_refuse(&record->walk, DV_E_SYNTAX, "more text behind the object");
    return DV_OK;
}

static void finish_extra(struct record *record)
{
    uint32_t column = (uint32_t)record->reader->schema->extra;
    uint32_t length = record->extra_length;
    record->extra[length++] = '}';
    dv_arena_trim(record->walk.arena, record->extra, *record->walk.end, length);
    record->batch->cells[column][record->row] =
        (struct dv_cell){ .text = record->extra, .length = length, .present = 1 };
    record->present[column / 64] |= (uint64_t)1 << (column % 64);
}

static dv_rc finish(struct record *record)
{
    if (record->extra != NULL)
        finish_extra(record);
    uint32_t columns = record->reader->schema->column_count;
    for (uint32_t word = 0; word < MASK_WORDS && word * 64 < columns; word++) {
        if ((record->reader->required[word] & ~record->present[word]) != 0)
            return dv_json_refuse(&record->walk, DV_E_DATA, "a required field is missing");
        uint64_t all = columns - word * 64 >= 64 ? UINT64_MAX : ((uint64_t)1 << (columns % 64)) - 1;
        for (uint64_t left = all & ~record->present[word]; left != 0; left &= left - 1)
            record->batch->cells[word * 64 + (uint32_t)__builtin_ctzll(left)][record->row].present = 0;
    }
    return DV_OK;
}

static const char *fault_reason(enum dv_json_fault fault)
{
    switch (fault) {
    case DV_JSON_EMPTY: return "an empty text";
    case DV_JSON_UTF8: return "not UTF-8";
    case DV_JSON_UNCLOSED: return "a string that does not end";
    case DV_JSON_CONTROL: return "a control character in a string";
    default: return "malformed JSON";
    }
}

static dv_rc read_record(struct record *record, size_t length)
{
    struct dv_json_reader *reader = record->reader;
    struct dv_json_walk *walk = &record->walk;
    if (length > reader->record_bytes_max)
        return dv_json_refuse(walk, DV_E_LIMIT, "the record is longer than the limit");
    enum dv_json_fault fault = dv_json_tokens_find(&reader->tokens, walk->text, length);
    if (fault != DV_JSON_FINE)
        return dv_json_refuse(walk, DV_E_SYNTAX, fault_reason(fault));
    walk->at = reader->tokens.at;
    walk->end = reader->tokens.at + reader->tokens.count;
    walk->backslash = dv_json_find_backslash(walk, walk->text);
    dv_json_names_next(&reader->names);
    if (dv_json_peek(walk) != '{')
        return dv_json_refuse(walk, DV_E_SYNTAX, "not a JSON object");
    walk->at++;
    DV_TRY(take_members(record));
    return finish(record);
}

dv_rc dv_json_reader_in_place(struct dv_json_reader *reader, const char *text, size_t length, struct dv_batch *batch,
                              uint32_t row, const char **ret_reason)
{
    DV_ASSERT(row < DV_BATCH_ROWS && ret_reason != NULL);
    struct record record = {
        .reader = reader,
        .walk = { .text = text, .arena = &batch->arena, .names = &reader->names, .reason = "" },
        .batch = batch,
        .row = row,
        .last = NO_COLUMN,
    };
    dv_rc rc = read_record(&record, length);
    *ret_reason = record.walk.reason;
    return rc;
}

dv_rc dv_json_reader_record(struct dv_json_reader *reader, const char *text, size_t length, struct dv_batch *batch,
                            uint32_t row, const char **ret_reason)
{
    if (length > reader->record_bytes_max) {
        *ret_reason = "the record is longer than the limit";
        return DV_E_LIMIT;
    }
    char *copy = dv_arena_text(&batch->arena, length + DV_JSON_PADDING);
    if (copy == NULL) {
        *ret_reason = "the batch's memory is used up";
        return DV_E_MEMORY;
    }
    memcpy(copy, text, length);
    /* The padding need only be readable: what is taken next may have it. */
    dv_arena_trim(&batch->arena, copy, length + DV_JSON_PADDING, length);
    return dv_json_reader_in_place(reader, copy, length, batch, row, ret_reason);
}
