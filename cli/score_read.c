/* SPDX-License-Identifier: Apache-2.0
 * score_read.c - marked texts out of JSON. */
#include "cli/score_read.h"

#include <string.h>

#include "cli/lines.h"
#include "engine/json.h"

enum { LINE_ID, LINE_TEXT, LINE_SOURCE, LINE_SPANS, SPAN_START = 0, SPAN_END, SPAN_TYPE, SPAN_SCORE, SPAN_BYTES_MAX = 4096 };

struct field {
    const char *name;
    enum dv_type type;
};

static const struct dv_schema *make_schema(struct dv_arena *arena, const struct field *fields, uint32_t count)
{
    const struct dv_label label = { .class = DV_CLASS_FREE_TEXT, .form = DV_FORM_PLAIN };
    struct dv_schema *schema = dv_schema_new(arena, "marks", count + 1);
    if (schema == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        (void)dv_schema_add(schema, fields[i].name, fields[i].type, label);
    (void)dv_schema_add(schema, DV_EXTRA_COLUMN, DV_TYPE_JSON, label);
    schema->extra = (int32_t)count;
    return schema;
}

dv_rc dv_score_reader_open(struct dv_score_reader *reader)
{
    static const struct field line[] = { { "id", DV_TYPE_JSON }, { "text", DV_TYPE_TEXT }, { "source", DV_TYPE_TEXT }, { "spans", DV_TYPE_JSON } };
    static const struct field span[] = { { "start", DV_TYPE_INT }, { "end", DV_TYPE_INT }, { "type", DV_TYPE_TEXT }, { "score", DV_TYPE_FLOAT } };
    dv_arena_init(&reader->schemas, 1024 * 1024);
    reader->line_schema = make_schema(&reader->schemas, line, 4);
    reader->span_schema = make_schema(&reader->schemas, span, 4);
    if (reader->line_schema == NULL || reader->span_schema == NULL)
        return DV_E_MEMORY;
    reader->lines = dv_json_reader_new(reader->line_schema, DV_LINE_BYTES_MAX);
    reader->spans = dv_json_reader_new(reader->span_schema, SPAN_BYTES_MAX);
    if (reader->lines == NULL || reader->spans == NULL)
        return DV_E_MEMORY;
    return dv_pool_init(&reader->pool, 2, 8 * (size_t)DV_LINE_BYTES_MAX);
}

void dv_score_reader_close(struct dv_score_reader *reader)
{
    dv_json_reader_free(reader->lines);
    dv_json_reader_free(reader->spans);
    dv_pool_free(&reader->pool);
    dv_arena_free(&reader->schemas);
}

/* Behind the object that begins at `at`; the text is JSON that was checked. */
static const char *object_end(const char *at, const char *end)
{
    int depth = 0;
    bool quoted = false;
    for (; at < end; at++) {
        if (quoted && *at == '\\')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && (*at == '{' || *at == '['))
            depth++;
        else if (!quoted && (*at == '}' || *at == ']') && --depth == 0)
            return at + 1;
    }
    return end;
}

/* The next object of an array at *at, or NULL; *ret_odd is set if there is something else. */
static const char *next_object(const char **at, const char *end, bool *ret_odd)
{
    while (*at < end && (**at == ',' || **at == ' ' || **at == '\t' || **at == '\n' || **at == '\r'))
        (*at)++;
    const char *start = *at;
    *ret_odd = start < end && *start != '{';
    if (start == end || *ret_odd)
        return NULL;
    *at = object_end(start, end);
    return start;
}

/* A span's fields out of row 0 of `row`; its type's name goes into `arena`. */
static dv_rc take_span(const struct dv_batch *row, struct dv_arena *arena, struct dv_mark *mark, const char **ret_reason)
{
    const struct dv_cell *type = dv_batch_cells(row, SPAN_TYPE), *score = dv_batch_cells(row, SPAN_SCORE);
    const struct dv_cell *start = dv_batch_cells(row, SPAN_START), *end = dv_batch_cells(row, SPAN_END);
    *ret_reason = "a span without \"start\", \"end\" or \"type\"";
    if (!type->present || !start->present || !end->present)
        return DV_E_DATA;
    char *name = dv_arena_copy(arena, type->text, type->length);
    if (name == NULL)
        return DV_E_MEMORY;
    mark->start = start->integer;
    mark->end = end->integer;
    mark->score = score->present ? score->number : 0.0;
    dv_mark_name(mark, name);
    return DV_OK;
}

static dv_rc read_span(struct dv_score_reader *reader, const char *text, size_t length, struct dv_arena *arena, struct dv_mark *mark,
                       const char **ret_reason)
{
    char padded[SPAN_BYTES_MAX + DV_JSON_PADDING] = "";
    *ret_reason = "a span is longer than 4096 bytes";
    if (length > SPAN_BYTES_MAX)
        return DV_E_LIMIT;
    memcpy(padded, text, length);
    struct dv_batch *row = dv_pool_take(&reader->pool, reader->span_schema, "default");
    if (row == NULL)
        return DV_E_MEMORY;
    row->rows = 1;
    dv_rc rc = dv_json_reader_record(reader->spans, padded, length, row, 0, ret_reason);
    if (rc == DV_OK)
        rc = take_span(row, arena, mark, ret_reason);
    dv_batch_unref(row);
    return rc;
}

static dv_rc read_spans(struct dv_score_reader *reader, const struct dv_cell *cell, struct dv_score_line *line, const char **ret_reason)
{
    const char *end = cell->text + cell->length - 1, *start = NULL;
    bool odd = cell->text[0] != '[';
    size_t count = 0;
    for (const char *at = cell->text + 1; !odd && next_object(&at, end, &odd) != NULL;)
        count++;
    *ret_reason = "\"spans\" needs a list of objects";
    if (odd)
        return DV_E_DATA;
    line->marks = dv_arena_zeroed(&line->batch->arena, count + 1, sizeof *line->marks);
    if (line->marks == NULL)
        return DV_E_MEMORY;
    for (const char *at = cell->text + 1; (start = next_object(&at, end, &odd)) != NULL; line->count++) {
        struct dv_mark *mark = &line->marks[line->count];
        mark->order = (uint32_t)line->count;
        DV_TRY(read_span(reader, start, (size_t)(at - start), &line->batch->arena, mark, ret_reason));
    }
    return DV_OK;
}

dv_rc dv_score_read(struct dv_score_reader *reader, const char *line, size_t length, struct dv_score_line *ret_line,
                    const char **ret_reason)
{
    *ret_line = (struct dv_score_line){ .batch = dv_pool_take(&reader->pool, reader->line_schema, "default") };
    *ret_reason = "no memory";
    if (ret_line->batch == NULL)
        return DV_E_MEMORY;
    ret_line->batch->rows = 1;
    dv_rc rc = dv_json_reader_record(reader->lines, line, length, ret_line->batch, 0, ret_reason);
    ret_line->id = dv_batch_cells(ret_line->batch, LINE_ID);
    ret_line->text = dv_batch_cells(ret_line->batch, LINE_TEXT);
    ret_line->source = dv_batch_cells(ret_line->batch, LINE_SOURCE);
    const struct dv_cell *spans = dv_batch_cells(ret_line->batch, LINE_SPANS);
    if (rc == DV_OK && (!ret_line->id->present || !spans->present)) {
        *ret_reason = "there is no \"id\" or no \"spans\"";
        rc = DV_E_DATA;
    }
    if (rc == DV_OK)
        rc = read_spans(reader, spans, ret_line, ret_reason);
    if (rc != DV_OK)
        dv_batch_unref(ret_line->batch);
    return rc;
}
