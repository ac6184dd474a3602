/* SPDX-License-Identifier: Apache-2.0
 * json_reader.c - JSON objects into rows, by the schema.
 *
 * Records of one source have their fields in the same order, so the reader remembers which column followed which and
 * compares a name with the expected one, whole words at a time. Only a surprise is looked up. */
#include "engine/json_reading.h"
#include "engine/json_value.h"
#include "engine/memory.h"

struct dv_json_reader *dv_json_reader_new(const struct dv_schema *schema, size_t record_bytes_max)
{
    DV_ASSERT(schema->column_count <= DV_COLUMNS_MAX && record_bytes_max < UINT32_MAX);
    struct dv_json_reader *reader = dv_memory_zeroed(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->schema = schema;
    reader->record_bytes_max = record_bytes_max;
    dv_json_paths_init(reader);
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
    dv_memory_free(reader->caught);
    dv_memory_free(reader);
}

dv_rc dv_json_surprise(struct dv_json_record *record, uint32_t parent, uint64_t object, uint16_t *predicted,
                       uint32_t *ret_id)
{
    struct dv_json_span name;
    if (!dv_json_take_string(&record->walk, &name))
        return dv_json_malformed(&record->walk);
    struct dv_json_span plain = name;
    if (name.escaped)
        DV_TRY(dv_json_unescape(&record->walk, &plain));
    *ret_id = dv_json_path_find(record->reader, parent, plain);
    if (name.escaped)
        dv_json_forget(&record->walk, plain);
    if (*ret_id != DV_JSON_NONE)
        *predicted = (uint16_t)*ret_id;
    else
        DV_TRY(dv_json_names_add(&record->walk, object, name));
    return DV_OK;
}

/* Takes the name at the walk. An optional field that is left out is no surprise: what follows it is tried too. */
static inline dv_rc take_name(struct dv_json_record *record, uint32_t *ret_id)
{
    struct dv_json_reader *reader = record->reader;
    const char *text = record->walk.text + *record->walk.at;
    uint32_t guess = reader->next[record->last];
    if (!dv_json_key_matches(record, guess, text)) {
        guess = reader->next[guess];
        if (!dv_json_key_matches(record, guess, text))
            return dv_json_surprise(record, DV_JSON_NONE, 0, &reader->next[record->last], ret_id);
    }
    *ret_id = guess;
    record->walk.at++;
    return DV_OK;
}

static inline dv_rc take_value(struct dv_json_record *record, const struct dv_column *column, struct dv_cell *cell)
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

static inline dv_rc take_column(struct dv_json_record *record, uint32_t index)
{
    uint64_t bit = (uint64_t)1 << (index % 64);
    if ((record->seen[index / 64] & bit) != 0)
        return dv_json_refuse(&record->walk, DV_E_SYNTAX, "a name stands twice in one object");
    record->seen[index / 64] |= bit;
    if (dv_json_peek(&record->walk) == 'n')
        return dv_json_take_word(&record->walk, "null", 4);
    record->present[index / 64] |= bit;
    return take_value(record, &record->reader->schema->columns[index], &record->batch->cells[index][record->row]);
}

dv_rc dv_json_take_column(struct dv_json_record *record, uint32_t index)
{
    return take_column(record, index);
}

/* An object or a list that paths lead into, or what no column takes. */
static dv_rc take_other(struct dv_json_record *record, uint32_t id, const char *start)
{
    if (id == DV_JSON_NONE)
        return dv_json_take_extra(record, NULL, start);
    struct dv_json_step *step = dv_json_step_of(record->reader, id);
    if (step->seen == record->stamp)
        return dv_json_refuse(&record->walk, DV_E_SYNTAX, "a name stands twice in one object");
    step->seen = record->stamp;
    record->last = id;
    return dv_json_take_step(record, NULL, id);
}

static inline dv_rc take_member(struct dv_json_record *record)
{
    struct dv_json_walk *walk = &record->walk;
    if (walk->end - walk->at < 4)
        return dv_json_malformed(walk);
    const char *start = walk->text + *walk->at;
    uint32_t id = DV_JSON_NONE;
    DV_TRY(take_name(record, &id));
    if (!dv_json_take_colon(walk))
        return dv_json_malformed(walk);
    if (__builtin_expect(id >= DV_JSON_NONE, 0))
        return take_other(record, id, start);
    record->last = id;
    return take_column(record, id);
}

static dv_rc take_members(struct dv_json_record *record)
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

static void finish_extra(struct dv_json_record *record)
{
    uint32_t column = (uint32_t)record->reader->schema->extra;
    uint32_t length = record->extra_length;
    record->extra[length++] = '}';
    dv_arena_trim(record->walk.arena, record->extra, *record->walk.end, length);
    record->batch->cells[column][record->row] =
        (struct dv_cell){ .text = record->extra, .length = length, .present = 1 };
    record->present[column / 64] |= (uint64_t)1 << (column % 64);
}

static dv_rc finish(struct dv_json_record *record)
{
    if (record->extra != NULL)
        finish_extra(record);
    if (record->reader->caught_count != 0)
        DV_TRY(dv_json_finish_lists(record));
    uint32_t columns = record->reader->schema->column_count;
    for (uint32_t word = 0; word < DV_JSON_MASK_WORDS && word * 64 < columns; word++) {
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

static dv_rc read_record(struct dv_json_record *record, size_t length)
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
    record->stamp = ++reader->stamp;
    reader->caught_count = 0;
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
    struct dv_json_record record = {
        .reader = reader,
        .walk = { .text = text, .arena = &batch->arena, .names = &reader->names, .reason = "" },
        .batch = batch,
        .row = row,
        .last = DV_JSON_NONE,
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
