/* SPDX-License-Identifier: Apache-2.0
 * fuzz_snowflake.c - whatever Snowflake answers, packed or not, is read within its bytes; what gets out has its form. Whatever texts
 * are sent, as many come out of the array that holds them; a row is one line; and a statement is read to its end. */
#include <stdint.h>
#include <string.h>

#include "connectors/snowflake_array.h"
#include "connectors/snowflake_internal.h"
#include "connectors/snowflake_sql.h"
#include "engine/json.h"
#include "engine/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char words[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
static const char hosts[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:";

static void check_printable(const char *text, size_t most)
{
    DV_ASSERT(strlen(text) <= most);
    for (; *text != '\0'; text++)
        DV_ASSERT(*text > ' ' && *text < 0x7f);
}

static void read_fault(struct dv_snowflake_answer *answer, unsigned status)
{
    char code[DV_SNOWFLAKE_CODE_MAX];
    dv_snowflake_answer_code(answer, code);
    DV_ASSERT(strspn(code, words) == strlen(code));
    for (int side = DV_SNOWFLAKE_SQL; side <= DV_SNOWFLAKE_CHANNEL; side++) {
        struct dv_snowflake_verdict verdict = dv_snowflake_judge((enum dv_snowflake_side)side, status, code, "");
        DV_ASSERT((verdict.rc == DV_OK) == (verdict.reason == NULL));
        DV_ASSERT(verdict.action != DV_SNOWFLAKE_FINE || status < 300);
    }
}

static void read_words(struct dv_snowflake_answer *answer)
{
    char host[DV_SNOWFLAKE_HOST_MAX + 1], token[64];
    if (dv_snowflake_answer_host(answer, host))
        DV_ASSERT(strspn(host, hosts) == strlen(host) && host[0] != '\0');
    if (dv_snowflake_answer_word(answer, "token", token, sizeof token))
        check_printable(token, sizeof token - 1);
}

static void read_state(struct dv_snowflake_answer *answer, dv_doc_at at)
{
    struct dv_snowflake_channel_state state;
    if (!dv_snowflake_answer_state(answer, at, &state))
        return;
    check_printable(state.offset, DV_SNOWFLAKE_OFFSET_MAX);
    check_printable(state.errors_up_to, DV_SNOWFLAKE_OFFSET_MAX);
    DV_ASSERT(state.found && state.code[0] != '\0' && state.errors < UINT64_C(1) << 54);
}

static void on_columns(struct dv_snowflake_statement *statement, const struct dv_snowflake_column *columns, uint32_t count)
{
    const struct dv_snowflake_talk *talk = statement->data;
    DV_ASSERT(columns == talk->columns && count == talk->cell_count);
}

/* One line, whatever its values are. */
static void write_row(const struct dv_snowflake_talk *talk, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_snowflake_writer writer = { 0 };
    DV_ASSERT(dv_snowflake_writer_begin(&writer, talk->columns, count, true) == DV_OK &&
              dv_snowflake_writer_row(&writer, talk->columns, cells, count) == DV_OK);
    DV_ASSERT(writer.row.bytes[0] == '{' && writer.row.bytes[writer.row.used - 1] == '}');
    for (size_t i = 0; i < writer.row.used; i++)
        DV_ASSERT((unsigned char)writer.row.bytes[i] >= ' ');
    dv_snowflake_writer_free(&writer);
}

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    const struct dv_snowflake_talk *talk = statement->data;
    char room[DV_SNOWFLAKE_VALUE_MAX];
    DV_ASSERT(count == talk->cell_count);
    for (uint32_t i = 0; i < count; i++) {
        DV_ASSERT(cells[i].at != NULL || cells[i].length == 0);
        struct dv_snowflake_text text = dv_snowflake_value_text(talk->columns[i].kind, cells[i], room);
        DV_ASSERT(text.at == cells[i].at || (text.at == room && strlen(room) == text.length));
    }
    if (statement->rows <= 4)
        write_row(talk, cells, count);
}

static void read_result(struct dv_snowflake_answer *answer)
{
    struct dv_snowflake_statement statement = { .on_columns = on_columns, .on_row = on_row };
    struct dv_snowflake_talk talk = { .statement = &statement, .call.answer = *answer };
    const char *reason = NULL;
    statement.data = &talk;
    dv_rc rc = dv_snowflake_read_head(&talk, &reason);
    if (rc == DV_OK)
        rc = dv_snowflake_read_rows(&talk, &reason);
    DV_ASSERT(rc == DV_OK || reason != NULL);
    check_printable(talk.handle, DV_SNOWFLAKE_HANDLE_MAX);
    dv_memory_free(talk.cells);
    dv_memory_free(talk.columns);
    *answer = talk.call.answer;
}

static uint32_t add_texts(struct dv_snowflake_array *array, const char *text, size_t length)
{
    uint32_t count = 0;
    for (size_t at = 0; at < length; count++) {
        size_t piece = 1 + (size_t)(unsigned char)text[at] % 64, most = 8 * 64;
        struct dv_json json;
        char copy[64];
        piece = piece < length - at ? piece : length - at;
        for (size_t i = 0; i < piece; i++)
            copy[i] = text[at + i] != '\0' ? text[at + i] : '0'; /* a record has no NUL */
        char *room = dv_snowflake_array_room(array, most);
        DV_ASSERT(room != NULL);
        dv_json_init(&json, room, most);
        dv_json_text(&json, copy, piece);
        DV_ASSERT(!json.full && dv_snowflake_array_add(array, dv_json_length(&json)) == DV_OK);
        at += piece;
    }
    return count;
}

static void send_texts(const char *text, size_t length)
{
    struct dv_snowflake_array array = { 0 };
    struct dv_doc doc = { 0 };
    uint32_t count = add_texts(&array, text, length), found = 0;
    struct dv_snowflake_text whole = dv_snowflake_array_end(&array);
    char *copy = dv_memory_zeroed(1, whole.length + DV_JSON_PADDING);
    DV_ASSERT(copy != NULL && dv_doc_init(&doc, whole.length) == DV_OK);
    memcpy(copy, whole.at, whole.length);
    DV_ASSERT(dv_doc_read(&doc, copy, whole.length) == DV_OK);
    for (dv_doc_at at = dv_doc_first(&doc, dv_doc_root(&doc)); at != NULL; at = dv_doc_next(&doc, at))
        found++;
    DV_ASSERT(found == count);
    dv_doc_free(&doc);
    dv_memory_free(copy);
    dv_snowflake_array_free(&array);
}

static void read_statement(const char *text, size_t length)
{
    char *sql = dv_memory_zeroed(1, length + 1);
    uint32_t marks = 0;
    DV_ASSERT(sql != NULL);
    memcpy(sql, text, length);
    const char *fault = dv_snowflake_sql_fault(sql, &marks);
    DV_ASSERT(marks <= length && (fault != NULL || strlen(sql) >= strlen("SHOW")));
    dv_memory_free(sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned statuses[] = { 200, 202, 400, 401, 404, 409, 413, 422, 429, 500, 503, 0 };
    struct dv_snowflake_answer answer = { 0 };
    if (size == 0)
        return 0;
    const char *body = (const char *)data + 1;
    size_t half = (size - 1) / 2;
    DV_ASSERT(dv_snowflake_answer_begin(&answer));
    DV_ASSERT(dv_snowflake_answer_add(&answer, body, half));
    DV_ASSERT(dv_snowflake_answer_add(&answer, body + half, size - 1 - half));
    if (dv_snowflake_answer_end(&answer) == DV_OK) {
        read_fault(&answer, statuses[data[0] % (sizeof statuses / sizeof statuses[0])]);
        read_words(&answer);
        read_state(&answer, answer.root);
        read_state(&answer, dv_doc_in(&answer.doc, dv_snowflake_answer_in(&answer, "channel_statuses"), "c"));
        read_result(&answer);
    }
    dv_snowflake_answer_free(&answer);
    read_statement(body, size - 1);
    send_texts(body, size - 1 < 64 * 1024 ? size - 1 : 64 * 1024);
    return 0;
}
