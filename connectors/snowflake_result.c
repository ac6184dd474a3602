/* SPDX-License-Identifier: Apache-2.0
 * snowflake_result.c - a statement as JSON, and its result out of JSON. */
#include <stdio.h>
#include <string.h>

#include "connectors/snowflake_internal.h"
#include "engine/json.h"
#include "engine/memory.h"

enum { BODY_FIRST = 4096, BIND_BYTES = 64, ESCAPES = 6 /* bytes that one may become */, MS_PER_S = 1000 };

/* ---- the request ---- */

uint64_t dv_snowflake_statement_bytes(const struct dv_snowflake_statement *statement)
{
    uint64_t bytes = strlen(statement->sql) + (statement->tag != NULL ? strlen(statement->tag) : 0);
    for (uint32_t i = 0; i < statement->bind_count; i++)
        bytes += statement->binds[i].value.length + BIND_BYTES;
    return bytes;
}

static void put(struct dv_json *json, const char *name, const char *value)
{
    if (value == NULL)
        return;
    dv_json_key(json, name);
    dv_json_string(json, value);
}

static void put_binds(struct dv_json *json, const struct dv_snowflake_statement *statement)
{
    char name[16];
    dv_json_key(json, "bindings");
    dv_json_open(json, '{');
    for (uint32_t i = 0; i < statement->bind_count; i++) {
        const struct dv_snowflake_bind *bind = &statement->binds[i];
        (void)snprintf(name, sizeof name, "%u", i + 1);
        dv_json_key(json, name);
        dv_json_open(json, '{');
        put(json, "type", bind->type != NULL ? bind->type : "TEXT");
        dv_json_key(json, "value");
        if (bind->value.at == NULL)
            dv_json_null(json);
        else
            dv_json_text(json, bind->value.at, bind->value.length);
        dv_json_close(json, '}');
    }
    dv_json_close(json, '}');
}

static void put_parameters(struct dv_json *json, const struct dv_snowflake_statement *statement)
{
    char count[16];
    dv_json_key(json, "parameters");
    dv_json_open(json, '{');
    put(json, "query_tag", statement->tag);
    (void)snprintf(count, sizeof count, "%u", statement->statements);
    put(json, "multi_statement_count", statement->statements > 1 ? count : NULL);
    dv_json_close(json, '}');
}

static uint32_t total_ms(const struct dv_snowflake_talk *talk)
{
    const struct dv_snowflake_statement *statement = talk->statement;
    return statement->total_ms != 0 ? statement->total_ms : talk->snowflake->config.deadlines.total_ms;
}

/* Snowflake gives it up when we do. */
static void write_body(const struct dv_snowflake_talk *talk, struct dv_json *json)
{
    const struct dv_snowflake_config *config = &talk->snowflake->config;
    const struct dv_snowflake_statement *statement = talk->statement;
    dv_json_open(json, '{');
    put(json, "statement", statement->sql);
    dv_json_key(json, "timeout");
    dv_json_uint(json, (total_ms(talk) + MS_PER_S - 1) / MS_PER_S);
    put(json, "database", config->database);
    put(json, "schema", config->schema);
    put(json, "warehouse", config->warehouse);
    put(json, "role", config->role);
    if (statement->bind_count > 0)
        put_binds(json, statement);
    if (statement->tag != NULL || statement->statements > 1)
        put_parameters(json, statement);
    dv_json_close(json, '}');
}

/* Escapes make a text longer: the room grows until it suffices. */
bool dv_snowflake_write(struct dv_snowflake_talk *talk)
{
    uint64_t bytes = dv_snowflake_statement_bytes(talk->statement);
    size_t most = 2 * (BODY_FIRST + ESCAPES * (size_t)bytes);
    for (size_t size = BODY_FIRST + (size_t)bytes; size <= most; size *= 2) {
        struct dv_json json;
        dv_sse_text_free(&talk->body);
        talk->body.bytes = dv_memory_alloc(size);
        if (talk->body.bytes == NULL)
            return false;
        talk->body.size = size;
        dv_json_init(&json, talk->body.bytes, size);
        write_body(talk, &json);
        talk->body.used = dv_json_length(&json);
        if (!json.full)
            return true;
    }
    return false;
}

/* ---- the answer ---- */

static bool is_handle(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return text[strspn(text, allowed)] == '\0';
}

void dv_snowflake_note_handle(struct dv_snowflake_talk *talk)
{
    char handle[DV_SNOWFLAKE_HANDLE_MAX + 1];
    dv_doc_at at = dv_snowflake_answer_in(&talk->call.answer, "statementHandle");
    if (dv_snowflake_answer_text(&talk->call.answer, at, handle, sizeof handle) && is_handle(handle))
        memcpy(talk->handle, handle, sizeof handle);
}

static uint64_t number_in(struct dv_doc *doc, dv_doc_at object, const char *name)
{
    int64_t number = 0;
    return dv_doc_whole(doc, dv_doc_in(doc, object, name), &number) && number > 0 ? (uint64_t)number : 0;
}

static uint32_t count_of(const struct dv_doc *doc, dv_doc_at array, uint32_t most)
{
    uint32_t count = 0;
    for (dv_doc_at at = dv_doc_first(doc, array); at != NULL && count <= most; at = dv_doc_next(doc, at))
        count++;
    return count;
}

static dv_rc no_result(const char **ret_reason)
{
    *ret_reason = "the answer is no result of a statement";
    return DV_E_DATA;
}

static void read_stats(struct dv_snowflake_talk *talk)
{
    struct dv_doc *doc = &talk->call.answer.doc;
    dv_doc_at stats = dv_snowflake_answer_in(&talk->call.answer, "stats");
    talk->statement->inserted = number_in(doc, stats, "numRowsInserted");
    talk->statement->updated = number_in(doc, stats, "numRowsUpdated");
    talk->statement->deleted = number_in(doc, stats, "numRowsDeleted");
}

/* ---- columns ---- */

static struct dv_snowflake_text text_in(struct dv_doc *doc, dv_doc_at object, const char *name)
{
    struct dv_snowflake_text text = { 0 };
    if (!dv_doc_text(doc, dv_doc_in(doc, object, name), &text.at, &text.length))
        text = (struct dv_snowflake_text){ "", 0 };
    return text;
}

/* The names are copied: the answers behind the first do not hold them. */
static bool keep_columns(struct dv_snowflake_talk *talk, dv_doc_at types)
{
    struct dv_doc *doc = &talk->call.answer.doc;
    size_t bytes = 0, heads = talk->cell_count * sizeof *talk->columns;
    for (dv_doc_at at = dv_doc_first(doc, types); at != NULL; at = dv_doc_next(doc, at))
        bytes += text_in(doc, at, "name").length;
    dv_memory_free(talk->columns);
    talk->columns = dv_memory_zeroed(1, heads + bytes + 1);
    if (talk->columns == NULL)
        return false;
    char *room = (char *)talk->columns + heads;
    struct dv_snowflake_column *column = talk->columns;
    for (dv_doc_at at = dv_doc_first(doc, types); at != NULL; at = dv_doc_next(doc, at), column++) {
        struct dv_snowflake_text name = text_in(doc, at, "name"), type = text_in(doc, at, "type");
        memcpy(room, name.at, name.length);
        column->name = (struct dv_snowflake_text){ room, name.length };
        column->kind = dv_snowflake_kind_of(type.at, type.length);
        room += name.length;
    }
    return true;
}

static bool tell_columns(struct dv_snowflake_talk *talk, dv_doc_at types)
{
    struct dv_snowflake_statement *statement = talk->statement;
    if (statement->on_columns == NULL)
        return true;
    if (!keep_columns(talk, types))
        return false;
    statement->on_columns(statement, talk->columns, talk->cell_count);
    return true;
}

dv_rc dv_snowflake_read_head(struct dv_snowflake_talk *talk, const char **ret_reason)
{
    struct dv_doc *doc = &talk->call.answer.doc;
    dv_doc_at head = dv_snowflake_answer_in(&talk->call.answer, "resultSetMetaData");
    int64_t rows = 0;
    bool wanted = talk->statement->on_row != NULL || talk->statement->on_columns != NULL;
    if (talk->call.answer.root == NULL || dv_doc_count(doc, talk->call.answer.root) == 0 ||
        (wanted && dv_doc_is_null(doc, dv_doc_in(doc, head, "rowType")) &&
         dv_doc_is_null(doc, dv_snowflake_answer_in(&talk->call.answer, "stats"))))
        return no_result(ret_reason);
    read_stats(talk);
    talk->partition = 0;
    talk->partitions = count_of(doc, dv_doc_in(doc, head, "partitionInfo"), DV_SNOWFLAKE_PARTITIONS_MAX);
    talk->counted = dv_doc_whole(doc, dv_doc_in(doc, head, "numRows"), &rows) && rows >= 0;
    talk->rows = (uint64_t)rows;
    talk->cell_count = count_of(doc, dv_doc_in(doc, head, "rowType"), DV_SNOWFLAKE_COLUMNS_MAX);
    *ret_reason = "the result has too many columns or partitions";
    if (talk->cell_count > DV_SNOWFLAKE_COLUMNS_MAX || talk->partitions > DV_SNOWFLAKE_PARTITIONS_MAX)
        return DV_E_LIMIT;
    dv_snowflake_note_handle(talk);
    if (talk->partitions > 1 && talk->handle[0] == '\0')
        return no_result(ret_reason); /* the others could not be asked for */
    *ret_reason = "no memory for a row";
    dv_memory_free(talk->cells);
    talk->cells = dv_memory_zeroed(talk->cell_count, sizeof *talk->cells);
    return talk->cells != NULL && tell_columns(talk, dv_doc_in(doc, head, "rowType")) ? DV_OK : DV_E_MEMORY;
}

/* Every value is a text, or null. */
static bool read_row(struct dv_snowflake_talk *talk, dv_doc_at row)
{
    struct dv_doc *doc = &talk->call.answer.doc;
    uint32_t count = 0;
    for (dv_doc_at at = dv_doc_first(doc, row); at != NULL; at = dv_doc_next(doc, at), count++) {
        struct dv_snowflake_text cell = { 0 };
        if (count >= talk->cell_count || (!dv_doc_is_null(doc, at) && !dv_doc_text(doc, at, &cell.at, &cell.length)))
            return false;
        talk->cells[count] = cell;
    }
    return count == talk->cell_count;
}

dv_rc dv_snowflake_read_rows(struct dv_snowflake_talk *talk, const char **ret_reason)
{
    struct dv_doc *doc = &talk->call.answer.doc;
    struct dv_snowflake_statement *statement = talk->statement;
    dv_doc_at data = dv_snowflake_answer_in(&talk->call.answer, "data");
    if (talk->partition > 0 && data == NULL)
        return no_result(ret_reason);
    for (dv_doc_at row = dv_doc_first(doc, data); row != NULL && !talk->gone; row = dv_doc_next(doc, row)) {
        if (!read_row(talk, row))
            return no_result(ret_reason);
        statement->rows++;
        statement->on_row(statement, talk->cells, talk->cell_count);
    }
    return DV_OK;
}
