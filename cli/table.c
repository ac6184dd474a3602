/* SPDX-License-Identifier: Apache-2.0
 * table.c - a file into columns. */
#include "cli/table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "engine/csv.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/pool.h"
#include "privacy/kanon_table.h"

enum { FILE_BYTES_MAX = 1 << 30, FIELDS_MAX = 4096, NUMBER_MAX = 64, LINE_BYTES_MAX = 16 * 1024 * 1024 };

static const size_t arena_bytes = (size_t)16 << 30; /* a limit; what is held is what the file needs */

/* The whole file, with the padding that the JSON reader wants behind it. */
static dv_rc read_file(FILE *file, char **ret_text, size_t *ret_length)
{
    size_t room = 1 << 16, length = 0;
    char *text = dv_memory_alloc(room + DV_JSON_PADDING);
    while (text != NULL) {
        size_t got = fread(text + length, 1, room - length, file);
        length += got;
        if (got == 0 || length > FILE_BYTES_MAX)
            break;
        if (length < room)
            continue;
        char *larger = dv_memory_alloc(2 * room + DV_JSON_PADDING);
        if (larger != NULL)
            memcpy(larger, text, length);
        dv_memory_free(text);
        text = larger;
        room *= 2;
    }
    *ret_text = text;
    *ret_length = length;
    return text == NULL ? DV_E_MEMORY : length > FILE_BYTES_MAX ? DV_E_LIMIT : ferror(file) != 0 ? DV_E_IO : DV_OK;
}

/* No file has more records than line ends, plus one. */
static dv_rc make_cells(struct dv_table *table, size_t length, struct dv_error *error)
{
    size_t lines = 1;
    for (const char *at = table->text; (at = memchr(at, '\n', length - (size_t)(at - table->text))) != NULL; at++)
        lines++;
    if (lines > DV_KANON_ROWS_MAX)
        return dv_error_set(error, DV_E_LIMIT, "the file has more than %d lines", DV_KANON_ROWS_MAX);
    for (uint32_t i = 0; i < table->column_count; i++) {
        table->cells[i] = dv_arena_zeroed(&table->arena, lines, sizeof(struct dv_cell));
        if (table->cells[i] == NULL)
            return dv_error_set(error, DV_E_MEMORY, "no memory for %zu rows", lines);
    }
    return DV_OK;
}

static dv_rc malformed(const struct dv_csv *csv, struct dv_error *error)
{
    return dv_error_set(error, DV_E_SYNTAX, "line %llu: a quoted field is not closed, or goes on behind its end",
                        (unsigned long long)csv->line);
}

static bool is_named(const struct dv_cell *cell, const char *name)
{
    return cell->length == strlen(name) && (cell->length == 0 || memcmp(cell->text, name, cell->length) == 0);
}

/* Which column of the table each field is: number + 1, or 0. */
static dv_rc read_header(struct dv_table *table, struct dv_csv *csv, uint8_t *columns, uint32_t *ret_fields,
                         struct dv_error *error)
{
    bool found[DV_TABLE_COLUMNS_MAX] = { false };
    struct dv_cell cell;
    enum dv_csv_step step = DV_CSV_FIELD;
    for (uint32_t field = 0; step == DV_CSV_FIELD; field++) {
        step = dv_csv_next(csv, &cell);
        if (step == DV_CSV_QUOTE)
            return malformed(csv, error);
        if (field == FIELDS_MAX)
            return dv_error_set(error, DV_E_LIMIT, "the first line names more than %d columns", FIELDS_MAX);
        for (uint32_t i = 0; i < table->column_count; i++) {
            if (!is_named(&cell, table->names[i]))
                continue;
            if (found[i])
                return dv_error_set(error, DV_E_DATA, "the first line names column '%s' twice", table->names[i]);
            found[i] = true;
            columns[field] = (uint8_t)(i + 1);
        }
        *ret_fields = field + 1;
    }
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!found[i])
            return dv_error_set(error, DV_E_DATA, "the first line names no column '%s'", table->names[i]);
    return DV_OK;
}

static dv_rc read_csv(struct dv_table *table, size_t length, struct dv_error *error)
{
    struct dv_csv csv;
    uint8_t columns[FIELDS_MAX] = { 0 };
    uint32_t fields = 0, field = 0;
    struct dv_cell cell;
    dv_csv_init(&csv, table->text, length);
    DV_TRY(read_header(table, &csv, columns, &fields, error));
    for (enum dv_csv_step step; (step = dv_csv_next(&csv, &cell)) != DV_CSV_END;) {
        if (step == DV_CSV_QUOTE)
            return malformed(&csv, error);
        if (field < fields && columns[field] != 0)
            table->cells[columns[field] - 1][table->rows] = cell;
        field++;
        if (step == DV_CSV_FIELD)
            continue;
        if (field != fields)
            return dv_error_set(error, DV_E_SYNTAX, "line %llu: %u fields, but the first line names %u",
                                (unsigned long long)csv.line, field, fields);
        field = 0;
        table->rows++;
    }
    return DV_OK;
}

static const struct dv_schema *make_schema(struct dv_table *table)
{
    const struct dv_label label = { .class = DV_CLASS_DIRECT_ID, .form = DV_FORM_PLAIN };
    struct dv_schema *schema = dv_schema_new(&table->arena, "table", table->column_count + 1);
    if (schema == NULL)
        return NULL;
    for (uint32_t i = 0; i < table->column_count; i++)
        (void)dv_schema_add(schema, table->names[i], DV_TYPE_JSON, label);
    (void)dv_schema_add(schema, DV_EXTRA_COLUMN, DV_TYPE_JSON, label);
    schema->extra = (int32_t)table->column_count;
    return schema;
}

/* One line as the next row; `batch` is for the reader. */
static dv_rc take_line(struct dv_table *table, struct dv_json_reader *reader, struct dv_batch *batch, const char *line,
                       size_t length, const char **ret_reason)
{
    batch->rows = 1;
    DV_TRY(dv_json_reader_record(reader, line, length, batch, 0, ret_reason));
    for (uint32_t i = 0; i < table->column_count; i++) {
        struct dv_cell cell = dv_batch_cells(batch, i)[0];
        if (cell.present)
            cell.text = dv_arena_copy(&table->arena, cell.text, cell.length);
        if (cell.present && cell.text == NULL)
            return DV_E_MEMORY;
        table->cells[i][table->rows] = cell;
    }
    table->rows++;
    return DV_OK;
}

static dv_rc take_lines(struct dv_table *table, size_t length, struct dv_json_reader *reader, struct dv_pool *pool,
                        const struct dv_schema *schema, struct dv_error *error)
{
    const char *end = table->text + length;
    unsigned long long number = 1;
    for (const char *at = table->text; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = (size_t)((stop != NULL ? stop : end) - at);
        const char *reason = "memory is short";
        if (bytes > 0 && !(bytes == 1 && *at == '\r')) {
            struct dv_batch *batch = dv_pool_take(pool, schema, "default");
            dv_rc rc = batch != NULL ? take_line(table, reader, batch, at, bytes, &reason) : DV_E_MEMORY;
            if (batch != NULL)
                dv_batch_unref(batch);
            if (dv_is_error(rc))
                return dv_error_set(error, rc, "line %llu: %s", number, reason);
        }
        at += bytes + 1;
    }
    return DV_OK;
}

static dv_rc read_jsonl(struct dv_table *table, size_t length, struct dv_error *error)
{
    struct dv_pool pool = { 0 };
    const struct dv_schema *schema = make_schema(table);
    struct dv_json_reader *reader = schema != NULL ? dv_json_reader_new(schema, LINE_BYTES_MAX) : NULL;
    dv_rc rc = reader != NULL ? dv_pool_init(&pool, 1, 4 * (size_t)LINE_BYTES_MAX) : DV_E_MEMORY;
    if (rc == DV_OK)
        rc = take_lines(table, length, reader, &pool, schema, error);
    dv_json_reader_free(reader);
    dv_pool_free(&pool);
    return rc;
}

/* A decimal number, in any of the ways that tables have them. */
static bool parse_number(const struct dv_cell *cell, double *ret)
{
    char text[NUMBER_MAX + 1];
    char *end = NULL;
    if (cell->length == 0 || cell->length > NUMBER_MAX)
        return false;
    memcpy(text, cell->text, cell->length);
    text[cell->length] = '\0';
    if (strspn(text, "0123456789.eE+-") != cell->length)
        return false;
    *ret = strtod(text, &end);
    return end == text + cell->length && isfinite(*ret);
}

static bool are_numbers(const struct dv_cell *cells, uint32_t rows)
{
    bool any = false;
    for (uint32_t row = 0; row < rows; row++) {
        double number = 0;
        if (cells[row].present && !parse_number(&cells[row], &number))
            return false;
        any = any || cells[row].present;
    }
    return any;
}

static void settle_types(struct dv_table *table)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        table->is_number[i] = are_numbers(table->cells[i], table->rows);
        for (uint32_t row = 0; table->is_number[i] && row < table->rows; row++) {
            double number = 0;
            struct dv_cell *cell = &table->cells[i][row];
            if (cell->present && parse_number(cell, &number))
                cell->number = number;
        }
    }
}

/* A column that no record has is a misspelt one. */
static dv_rc check_columns(const struct dv_table *table, struct dv_error *error)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        bool any = table->rows == 0;
        for (uint32_t row = 0; row < table->rows && !any; row++)
            any = table->cells[i][row].present != 0;
        if (!any)
            return dv_error_set(error, DV_E_DATA, "no record has a value of column '%s'", table->names[i]);
    }
    return DV_OK;
}

dv_rc dv_table_read(struct dv_table *table, const char *path, struct dv_error *error)
{
    DV_ASSERT(table->column_count <= DV_TABLE_COLUMNS_MAX);
    size_t length = 0, name = strlen(path);
    dv_arena_init(&table->arena, arena_bytes);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return dv_error_set(error, errno == ENOENT ? DV_E_MISSING : DV_E_IO, "%s: %s", path, strerror(errno));
    dv_rc rc = read_file(file, &table->text, &length);
    (void)fclose(file);
    if (dv_is_error(rc))
        return dv_error_set(error, rc, "%s: %s", path, rc == DV_E_LIMIT ? "more than 1 GiB" : dv_rc_text(rc));
    DV_TRY(make_cells(table, length, error));
    bool is_csv = name >= 4 && strcmp(path + name - 4, ".csv") == 0;
    rc = is_csv ? read_csv(table, length, error) : read_jsonl(table, length, error);
    DV_TRY(rc);
    DV_TRY(check_columns(table, error));
    settle_types(table);
    return DV_OK;
}

void dv_table_free(struct dv_table *table)
{
    dv_arena_free(&table->arena);
    dv_memory_free(table->text);
}
