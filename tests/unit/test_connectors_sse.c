/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_sse.c - events and lines from streams, whatever their line ends and however they are cut.
 *
 * shows: RAG-5 RAG-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/sse_read.h"
#include "engine/memory.h"

struct events {
    char text[4096]; /* each event between brackets; "!" before those that are errors */
    unsigned count, stop_at;
};

static bool take(void *data, const struct dv_sse_event *event)
{
    struct events *events = data;
    size_t length = strlen(events->text);
    (void)snprintf(events->text + length, sizeof events->text - length, "%s[%.*s]", event->error ? "!" : "",
                   (int)event->length, event->text);
    return ++events->count != events->stop_at;
}

static dv_rc read_in(const char *text, size_t piece, enum dv_sse_form form, struct events *events)
{
    struct dv_sse_reader reader;
    size_t length = strlen(text);
    dv_rc rc = DV_OK;
    dv_sse_init(&reader, form, take, events);
    reader.event_max = 32;
    reader.events_max = 6;
    for (size_t at = 0; at < length && rc == DV_OK; at += piece)
        rc = dv_sse_feed(&reader, text + at, length - at < piece ? length - at : piece);
    if (rc == DV_OK)
        rc = dv_sse_end(&reader);
    assert_true((rc == DV_OK) == (reader.reason == NULL));
    dv_sse_free(&reader);
    return rc;
}

static void expect(const char *text, enum dv_sse_form form, dv_rc rc, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        struct events events = { .text = "" };
        assert_int_equal(read_in(text, piece, form, &events), rc);
        assert_string_equal(events.text, expected);
    }
}

static void reads_events(void **state)
{
    (void)state;
    expect("", DV_SSE_EVENTS, DV_OK, "");
    expect("data: a\n\ndata:b\n\n", DV_SSE_EVENTS, DV_OK, "[a][b]");
    expect("data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", DV_SSE_EVENTS, DV_OK, "[a][b][c]");
    expect("data: one\ndata: two\ndata:  three\n\n", DV_SSE_EVENTS, DV_OK, "[one\ntwo\n three]");
    expect(": comment\nid: 7\nretry: 1\nfoo\ndata: x\n\n\n\n", DV_SSE_EVENTS, DV_OK, "[x]");
    expect("\xef\xbb\xbf"
           "data: \xf0\x9f\x98\x80\xc3\xa4\n\n",
           DV_SSE_EVENTS, DV_OK, "[\xf0\x9f\x98\x80\xc3\xa4]");
    expect("data\n\ndata:\n\n", DV_SSE_EVENTS, DV_OK, "[][]");
    expect("id: 3\n\n", DV_SSE_EVENTS, DV_OK, "");
}

static void gives_what_stands_before_the_end(void **state)
{
    (void)state;
    expect("data: a\n\ndata: b\n", DV_SSE_EVENTS, DV_OK, "[a][b]");
    expect("data: a\n\ndata: b", DV_SSE_EVENTS, DV_OK, "[a][b]");
    expect("data: a\r", DV_SSE_EVENTS, DV_OK, "[a]");
}

static void tells_errors(void **state)
{
    (void)state;
    expect("event: error\ndata: a\n\nevent: other\ndata: b\n\n", DV_SSE_EVENTS, DV_OK, "![a][b]");
    expect("error: {}\n\ndata: b\n\n", DV_SSE_EVENTS, DV_OK, "![{}][b]");
}

static void reads_lines(void **state)
{
    (void)state;
    expect("{\"a\":1}\r\n\r\n{\"b\":2}\rdata: x", DV_SSE_LINES, DV_OK, "[{\"a\":1}][{\"b\":2}][data: x]");
}

static void keeps_to_its_limits(void **state)
{
    (void)state;
    expect("data: 12345678901234567890123456\n\n", DV_SSE_EVENTS, DV_OK, "[12345678901234567890123456]");
    expect("data: 123456789012345678901234567\n\n", DV_SSE_EVENTS, DV_E_LIMIT, "");
    expect("data: 12345678901234567890\ndata: 12345678901234567890\n\n", DV_SSE_EVENTS, DV_E_LIMIT, "");
    expect("data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\ndata: 5\n\ndata: 6\n\ndata: 7\n\n", DV_SSE_EVENTS, DV_E_LIMIT,
           "[1][2][3][4][5][6]");
    expect("123456789012345678901234567890123", DV_SSE_LINES, DV_E_LIMIT, "");
}

static void ends_when_no_more_is_wanted(void **state)
{
    struct events events = { .text = "", .stop_at = 2 };
    (void)state;
    assert_int_equal(read_in("data: 1\n\ndata: 2\n\ndata: 3\n\n", 100, DV_SSE_EVENTS, &events), DV_E_DATA);
    assert_string_equal(events.text, "[1][2]");
}

static void survives_failing_memory(void **state)
{
    unsigned failed = 0;
    (void)state;
    for (uint64_t nth = 1; nth <= 4; nth++) {
        struct events events = { .text = "" };
        dv_memory_fail_at(nth);
        dv_rc rc = read_in("data: 1\ndata: 2\n\n", 3, DV_SSE_EVENTS, &events);
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY);
        failed += rc == DV_E_MEMORY;
    }
    assert_int_equal(failed, 2); /* the line's and the event's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_events),
        cmocka_unit_test(gives_what_stands_before_the_end),
        cmocka_unit_test(tells_errors),
        cmocka_unit_test(reads_lines),
        cmocka_unit_test(keeps_to_its_limits),
        cmocka_unit_test(ends_when_no_more_is_wanted),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
