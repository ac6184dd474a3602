/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_answer.c - bodies, codes, words and states, and the tables of faults.
 *
 * shows: SNO-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "connectors/snowflake_internal.h"
#include "engine/memory.h"

static void take(struct dv_snowflake_answer *answer, const char *body, size_t length)
{
    assert_true(dv_snowflake_answer_begin(answer));
    assert_true(dv_snowflake_answer_add(answer, body, length));
    assert_int_equal(dv_snowflake_answer_end(answer), DV_OK);
}

static void reads_codes_of_every_shape(void **state)
{
    static const struct {
        const char *body, *code;
    } rows[] = {
        { "{\"code\":\"STALE_CONTINUATION_TOKEN_SEQUENCER\",\"message\":\"x\"}", "STALE_CONTINUATION_TOKEN_SEQUENCER" },
        { "{\"error_code\":\"ERR_X\",\"message\":\"x\"}", "ERR_X" },
        { "\"ERR_GENERAL_EXCEPTION_RETRY_REQUEST\"", "ERR_GENERAL_EXCEPTION_RETRY_REQUEST" },
        { " \"ERR_X\"\n", "ERR_X" },
        { "{\"code\":\"390144\"}", "390144" },
        { "{\"code\":390144}", "390144" },
        { "{\"code\":904}", "000904" },
        { "{\"status_code\":4,\"message\":\"x\"}", "STATUS_CODE_4" },
        { "{\"status_code\":0,\"message\":\"Success\"}", "" },
        { "{\"status_code\":-4}", "" },
        { "{\"code\":null,\"error_code\":\"A\"}", "A" },
        { "{\"code\":\"a secret, with blanks\"}", "" },
        { "{\"code\":\"<b>\"}", "" },
        { "{\"code\":{}}", "" },
        { "[\"ERR_X\"]", "" },
        { "ERR_X", "" },
        { "\"A\",\"B\"", "" },
        { "<html>503</html>", "" },
        { "", "" },
        { "{\"code\":", "" },
    };
    struct dv_snowflake_answer answer = { 0 };
    char code[DV_SNOWFLAKE_CODE_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        take(&answer, rows[i].body, strlen(rows[i].body));
        dv_snowflake_answer_code(&answer, code);
        assert_string_equal(code, rows[i].code);
    }
    dv_snowflake_answer_free(&answer);
}

static void reads_hosts_of_every_shape(void **state)
{
    static const struct {
        const char *body, *host;
    } rows[] = {
        { "{\"hostname\":\"ingest.example.com\"}", "ingest.example.com" },
        { "\"a_b.example.com\"", "a-b.example.com" },
        { "a_b.example.com\n", "a-b.example.com" },
        { "localhost:1234", "localhost:1234" },
        { "{\"hostname\":\"127.0.0.1:1\"}", "127.0.0.1:1" },
        { "{\"hostname\":\"\"}", NULL },
        { "{\"hostname\":\"evil.example/path\"}", NULL },
        { "{\"hostname\":\"user@evil.example\"}", NULL },
        { "{\"hostname\":\"https://a.example\"}", NULL },
        { "a b", NULL },
        { "a:", NULL },
        { "a:123456", NULL },
        { "a:1x", NULL },
        { "-a", NULL },
        { ".a", NULL },
        { "{}", NULL },
        { "[]", NULL },
        { "\"\"", NULL },
        { "", NULL },
        { "a\nb", NULL },
    };
    struct dv_snowflake_answer answer = { 0 };
    char host[DV_SNOWFLAKE_HOST_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        take(&answer, rows[i].body, strlen(rows[i].body));
        assert_int_equal(dv_snowflake_answer_host(&answer, host), rows[i].host != NULL);
        if (rows[i].host != NULL)
            assert_string_equal(host, rows[i].host);
    }
    dv_snowflake_answer_free(&answer);
}

static void reads_words_that_fit(void **state)
{
    struct dv_snowflake_answer answer = { 0 };
    char out[9];
    (void)state;
    take(&answer, "{\"token\":\"abc.def\"}", 19);
    assert_true(dv_snowflake_answer_word(&answer, "token", out, sizeof out));
    assert_string_equal(out, "abc.def");
    take(&answer, "12345678", 8);
    assert_true(dv_snowflake_answer_word(&answer, "token", out, sizeof out));
    take(&answer, "123456789", 9);
    assert_false(dv_snowflake_answer_word(&answer, "token", out, sizeof out));
    take(&answer, "{\"token\":\"123456789\"}", 21);
    assert_false(dv_snowflake_answer_word(&answer, "token", out, sizeof out));
    take(&answer, "{\"token\":\"a\\r\\nb\"}", 18);
    assert_false(dv_snowflake_answer_word(&answer, "token", out, sizeof out));
    take(&answer, "{\"token\":\"\xc3\xa4\"}", 14);
    assert_false(dv_snowflake_answer_word(&answer, "token", out, sizeof out));
    dv_snowflake_answer_free(&answer);
}

#define STATE(more) "{\"channel_status_code\":\"SUCCESS\"" more "}"

static void reads_states_of_channels(void **state)
{
    static const struct {
        const char *body;
        bool sound;
        const char *offset;
        uint64_t errors;
        const char *up_to;
    } rows[] = {
        { STATE(",\"last_committed_offset_token\":\"0007\",\"rows_error_count\":3"), true, "0007", 3, "" },
        { STATE(",\"last_committed_offset_token\":null,\"rows_errors\":4"), true, "", 4, "" },
        { STATE(",\"rows_error_count\":\"12\",\"last_error_offset_upper_bound\":\"9\""), true, "", 12, "9" },
        { STATE(",\"last_committed_offset_token\":\"\",\"rows_error_count\":0"), true, "", 0, "" },
        { STATE(",\"last_committed_offset_token\":\"7\""), false, "", 0, "" }, /* how many were refused is not told */
        { STATE(",\"rows_error_count\":null"), true, "", 0, "" },
        { STATE(",\"rows_error_count\":null,\"last_committed_offset_token\":null"), true, "", 0, "" },
        { STATE(",\"rows_error_count\":null,\"last_committed_offset_token\":\"7\""), false, "", 0, "" }, /* nor is it here */
        { STATE(",\"rows_errors\":null,\"last_committed_offset_token\":\"7\""), false, "", 0, "" },
        { STATE(",\"rows_error_count\":null,\"rows_errors\":4,\"last_committed_offset_token\":\"7\""), true, "7", 4, "" },
        { STATE(",\"rows_error_count\":null,\"rows_errors\":-1"), false, "", 0, "" },
        { STATE(",\"rows_error_count\":-1"), false, "", 0, "" },
        { STATE(",\"rows_error_count\":1.5"), false, "", 0, "" },
        { STATE(",\"rows_error_count\":\"1x\""), false, "", 0, "" },
        { STATE(",\"rows_error_count\":\"\""), false, "", 0, "" },
        { STATE(",\"rows_error_count\":\"1234567890123456\""), false, "", 0, "" },
        { STATE(",\"last_committed_offset_token\":7"), false, "", 0, "" },
        { STATE(",\"last_committed_offset_token\":\"a b\""), false, "", 0, "" },
        { "{\"last_committed_offset_token\":\"7\"}", false, "", 0, "" },
        { "{}", false, "", 0, "" },
        { "null", false, "", 0, "" },
        { "7", false, "", 0, "" },
        { "nothing", false, "", 0, "" },
    };
    struct dv_snowflake_answer answer = { 0 };
    struct dv_snowflake_channel_state channel;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        take(&answer, rows[i].body, strlen(rows[i].body));
        assert_int_equal(dv_snowflake_answer_state(&answer, answer.root, &channel), rows[i].sound);
        if (!rows[i].sound)
            continue;
        assert_string_equal(channel.offset, rows[i].offset);
        assert_int_equal(channel.errors, rows[i].errors);
        assert_string_equal(channel.errors_up_to, rows[i].up_to);
        assert_string_equal(channel.code, "SUCCESS");
    }
    assert_false(dv_snowflake_answer_state(&answer, NULL, &channel));
    dv_snowflake_answer_free(&answer);
}

/* An offset that is too long must not be cut: it would be another one. */
static void refuses_an_offset_that_is_too_long(void **state)
{
    struct dv_snowflake_answer answer = { 0 };
    struct dv_snowflake_channel_state channel;
    char body[400] = STATE(",\"rows_error_count\":0,\"last_committed_offset_token\":\""), *at = body + strlen(body) - 1;
    (void)state;
    memset(at, '7', DV_SNOWFLAKE_OFFSET_MAX);
    memcpy(at + DV_SNOWFLAKE_OFFSET_MAX, "\"}", 3);
    take(&answer, body, strlen(body));
    assert_true(dv_snowflake_answer_state(&answer, answer.root, &channel));
    assert_int_equal(strlen(channel.offset), DV_SNOWFLAKE_OFFSET_MAX);
    memcpy(at + DV_SNOWFLAKE_OFFSET_MAX, "7\"}", 4);
    take(&answer, body, strlen(body));
    assert_false(dv_snowflake_answer_state(&answer, answer.root, &channel));
    dv_snowflake_answer_free(&answer);
}

/* ---- packed bodies ---- */

static size_t gzip(const char *text, size_t length, char *out, size_t size)
{
    z_stream stream = { 0 };
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)text;
    stream.avail_in = (uInt)length;
    stream.next_out = (unsigned char *)out;
    stream.avail_out = (uInt)size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t used = size - stream.avail_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return used;
}

static dv_rc give(struct dv_snowflake_answer *answer, const char *bytes, size_t length)
{
    assert_true(dv_snowflake_answer_begin(answer));
    assert_true(dv_snowflake_answer_add(answer, bytes, length));
    return dv_snowflake_answer_end(answer);
}

static void unpacks(void **state)
{
    struct dv_snowflake_answer answer = { 0 };
    char packed[200], code[DV_SNOWFLAKE_CODE_MAX];
    size_t length = gzip("{\"code\":\"A\"}", 12, packed, sizeof packed - 1);
    (void)state;
    take(&answer, packed, length);
    dv_snowflake_answer_code(&answer, code);
    assert_string_equal(code, "A");
    for (size_t cut = 2; cut < length; cut++)
        assert_int_equal(give(&answer, packed, cut), DV_E_DATA);
    packed[length] = 'x'; /* and nothing behind it */
    assert_int_equal(give(&answer, packed, length + 1), DV_E_DATA);
    packed[length / 2] ^= 1;
    assert_int_equal(give(&answer, packed, length), DV_E_DATA);
    dv_snowflake_answer_free(&answer);
}

/* A small body that would unpack to more than the limit. */
static void refuses_a_bomb(void **state)
{
    struct dv_snowflake_answer answer = { 0 };
    const size_t size = (size_t)DV_SNOWFLAKE_ANSWER_MAX + 1;
    char *zeros = calloc(1, size), *packed = malloc(1 << 20);
    (void)state;
    size_t length = gzip(zeros, size, packed, 1 << 20);
    assert_int_equal(give(&answer, packed, length), DV_E_LIMIT);
    free(zeros);
    free(packed);
    dv_snowflake_answer_free(&answer);
}

static void survives_without_memory(void **state)
{
    char packed[200];
    size_t length = gzip("{\"code\":\"A\\u00e4\"}", 18, packed, sizeof packed);
    unsigned tries = 0;
    bool done = false;
    (void)state;
    while (!done) {
        struct dv_snowflake_answer answer = { 0 };
        char code[DV_SNOWFLAKE_CODE_MAX];
        dv_memory_fail_at(++tries);
        bool fine = dv_snowflake_answer_begin(&answer) && dv_snowflake_answer_add(&answer, packed, length);
        dv_rc rc = fine ? dv_snowflake_answer_end(&answer) : DV_E_MEMORY;
        if (rc == DV_OK)
            dv_snowflake_answer_code(&answer, code);
        done = rc == DV_OK && tries > 20;
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY);
        dv_snowflake_answer_free(&answer);
    }
}

/* ---- the tables ---- */

static const struct judged {
    enum dv_snowflake_side side;
    unsigned status;
    const char *code, *sqlstate;
    enum dv_snowflake_action action;
    dv_rc rc;
} judged[] = {
    /* the sheet of channels, line by line */
    { DV_SNOWFLAKE_CHANNEL, 200, "", "", DV_SNOWFLAKE_FINE, DV_OK },
    { DV_SNOWFLAKE_CHANNEL, 400, "STALE_CONTINUATION_TOKEN_SEQUENCER", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 400, "ERR_STALE_CONTINUATION_TOKEN_SEQUENCER", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_OPEN_CHANNEL_IN_PROGRESS", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_CHANNEL_HAS_UNCOMMITTED_DATA", "", DV_SNOWFLAKE_SETTLE, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_CHANNEL_MUST_BE_REOPENED", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_CHANNEL_MUST_BE_REOPENED_DUE_TO_ROW_SEQ_GAP", "", DV_SNOWFLAKE_REOPEN,
      DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_CHANNEL_HAS_INVALID_ROW_SEQUENCER", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_CHANNEL_HAS_INVALID_CLIENT_SEQUENCER", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_SOMETHING_NEW", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 404, "ERR_PIPE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 404, "ERR_TABLE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 404, "ERR_TABLE_DOES_NOT_EXIST_NOT_AUTHORIZED", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 400, "ERR_PIPE_DOES_NOT_EXIST_OR_IS_NOT_AUTHORIZED", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 400, "ERR_SCHEMA_DOES_NOT_EXIST_NOT_AUTHORIZED", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 400, "ERR_DATABASE_DOES_NOT_EXIST_OR_NOT_AUTHORIZED", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 404, "ERR_CHANNEL_DOES_NOT_EXIST_OR_NOT_AUTHORIZED", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 404, "ERR_CHANNEL_DOES_NOT_EXIST_OR_IS_NOT_AUTHORIZED", "", DV_SNOWFLAKE_REOPEN,
      DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 404, "ERR_CHANNEL_DOES_NOT_EXIST_NOT_AUTHORIZED", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 404, "ERR_CHANNEL_DOES_NOT", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_PIPE_IN_INVALID_STATE", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 409, "ERR_PIPE_IN_INVALID_STATE_FOR_NOW", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 400, "ERR_CHANNEL_LIMIT_EXCEEDED_FOR_TABLE", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 400, "TABLE_OR_COLUMN_TYPE_NOT_SUPPORTED", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 404, "", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 401, "", "", DV_SNOWFLAKE_RENEW, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 403, "", "", DV_SNOWFLAKE_RENEW, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 408, "", "", DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 429, "", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 429, "ReceiverSaturated", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 503, "ERR_RECEIVER_SATURATED", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 503, "MemoryThresholdExceeded", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 503, "MemoryThresholdExceededInContainer", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 400, "HttpRetryableClientError", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 500, "ERR_GENERAL_EXCEPTION_RETRY_REQUEST", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 503, "ERR_GENERAL_EXCEPTION_RETRY_REQUEST", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 429, "390701", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 500, "", "", DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 504, "", "", DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 413, "", "", DV_SNOWFLAKE_LARGE, DV_E_LIMIT },
    { DV_SNOWFLAKE_CHANNEL, 400, "", "", DV_SNOWFLAKE_LARGE, DV_E_DATA },
    { DV_SNOWFLAKE_CHANNEL, 422, "", "", DV_SNOWFLAKE_LARGE, DV_E_DATA },
    { DV_SNOWFLAKE_CHANNEL, 410, "", "", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_CHANNEL, 415, "ERR_NEW", "", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_CHANNEL, 400, "ERR_INVALID_CONTINUATION_TOKEN", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 200, "STATUS_CODE_3", "", DV_SNOWFLAKE_RENEW, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 200, "STATUS_CODE_4", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 200, "STATUS_CODE_7", "", DV_SNOWFLAKE_REOPEN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_CHANNEL, 400, "STATUS_CODE_7", "", DV_SNOWFLAKE_LARGE, DV_E_DATA },
    { DV_SNOWFLAKE_SQL, 200, "STATUS_CODE_7", "", DV_SNOWFLAKE_FINE, DV_OK },
    { DV_SNOWFLAKE_CHANNEL, 301, "", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_CHANNEL, 0, "", "", DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY },
    /* the sheet of statements */
    { DV_SNOWFLAKE_SQL, 200, "090001", "00000", DV_SNOWFLAKE_FINE, DV_OK },
    { DV_SNOWFLAKE_SQL, 200, "391908", "", DV_SNOWFLAKE_STOP, DV_E_LIMIT },
    { DV_SNOWFLAKE_SQL, 202, "333334", "", DV_SNOWFLAKE_RUNNING, DV_OK },
    { DV_SNOWFLAKE_SQL, 400, "390142", "", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_SQL, 400, "391902", "", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_SQL, 400, "", "", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_SQL, 401, "390144", "", DV_SNOWFLAKE_RENEW, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 401, "390303", "", DV_SNOWFLAKE_RENEW, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 401, "390318", "", DV_SNOWFLAKE_RENEW, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 401, "", "", DV_SNOWFLAKE_RENEW, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 403, "", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 404, "", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 405, "", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 408, "", "", DV_SNOWFLAKE_STOP, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_SQL, 415, "", "", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_SQL, 422, "000904", "42000", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 422, "100037", "22018", DV_SNOWFLAKE_STOP, DV_E_DATA },
    { DV_SNOWFLAKE_SQL, 422, "100038", "22018", DV_SNOWFLAKE_STOP, DV_E_DATA },
    { DV_SNOWFLAKE_SQL, 422, "999999", "23001", DV_SNOWFLAKE_STOP, DV_E_DATA },
    { DV_SNOWFLAKE_SQL, 422, "999999", "42601", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 422, "999999", "02000", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 422, "999999", "", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_SQL, 422, "001795", "42601", DV_SNOWFLAKE_STOP, DV_E_LIMIT },
    { DV_SNOWFLAKE_SQL, 422, "391918", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 422, "391920", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
    { DV_SNOWFLAKE_SQL, 422, "000709", "", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_SQL, 422, "000604", "57014", DV_SNOWFLAKE_STOP, DV_E_FAILED },
    { DV_SNOWFLAKE_SQL, 429, "390505", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_SQL, 429, "", "", DV_SNOWFLAKE_AGAIN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_SQL, 500, "", "", DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_SQL, 503, "", "", DV_SNOWFLAKE_UNKNOWN, DV_E_DEPENDENCY },
    { DV_SNOWFLAKE_SQL, 522, "", "", DV_SNOWFLAKE_STOP, DV_E_CONFIG },
};

static void judges_by_the_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof judged / sizeof judged[0]; i++) {
        struct dv_snowflake_verdict verdict =
            dv_snowflake_judge(judged[i].side, judged[i].status, judged[i].code, judged[i].sqlstate);
        if (verdict.action != judged[i].action || verdict.rc != judged[i].rc)
            fail_msg("row %zu: action %d, %s", i, (int)verdict.action, dv_rc_name(verdict.rc));
        assert_int_equal(verdict.reason == NULL, verdict.rc == DV_OK);
    }
}

static void escapes_names(void **state)
{
    char out[16];
    (void)state;
    assert_true(dv_snowflake_escape("T-STREAMING", out, sizeof out));
    assert_string_equal(out, "T-STREAMING");
    assert_true(dv_snowflake_escape("a b/\xc3\xa4", out, sizeof out));
    assert_string_equal(out, "a%20b%2F%C3%A4");
    assert_false(dv_snowflake_escape("a b/\xc3\xa4\xc3", out, sizeof out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_codes_of_every_shape),
        cmocka_unit_test(reads_hosts_of_every_shape),
        cmocka_unit_test(reads_words_that_fit),
        cmocka_unit_test(reads_states_of_channels),
        cmocka_unit_test(refuses_an_offset_that_is_too_long),
        cmocka_unit_test(unpacks),
        cmocka_unit_test(refuses_a_bomb),
        cmocka_unit_test(survives_without_memory),
        cmocka_unit_test(judges_by_the_tables),
        cmocka_unit_test(escapes_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
