/* SPDX-License-Identifier: Apache-2.0
 * test_dashboard_head.c - request heads that are sound, and those that two programs could read in two ways.
 *
 * shows: GW-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dashboard/server/head.h"

#define HOST "Host: localhost\r\n"

static enum dv_head_fault scan(const char *text, struct dv_head *head)
{
    return dv_head_scan(text, strlen(text), head);
}

static void reads_what_the_server_uses(void **state)
{
    (void)state;
    struct dv_head head;
    assert_int_equal(scan("GET /v1/graph?a=b HTTP/1.1\r\nhost: localhost:8080 \r\nAuthorization: Bearer x\r\n"
                          "accept:text/plain\r\nIf-None-Match: \"a\"\r\nLast-Event-ID: 1-2\r\n\r\nmore",
                          &head),
                     DV_HEAD_SOUND);
    assert_true(dv_span_is(head.method, "GET"));
    assert_true(dv_span_is(head.path, "/v1/graph"));
    assert_true(dv_span_is(head.query, "a=b"));
    assert_true(dv_span_is(head.host, "localhost:8080"));
    assert_true(dv_span_is(head.authorization, "Bearer x"));
    assert_true(dv_span_is(head.accept, "text/plain"));
    assert_true(dv_span_is(head.if_none_match, "\"a\""));
    assert_true(dv_span_is(head.last_event_id, "1-2"));
    assert_int_equal(scan("\r\nGET / HTTP/1.0\r\n" HOST "\r\n", &head), DV_HEAD_SOUND);
    assert_int_equal(scan("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", &head), DV_HEAD_SOUND);
}

static void reads_what_comes_with_a_body(void **state)
{
    (void)state;
    struct dv_head head;
    assert_int_equal(scan("POST /v1/ingest HTTP/1.1\r\n" HOST "content-length: 0042\r\nContent-Type: application/json\r\n"
                          "Idempotency-Key: \"a-b\"\r\nOrigin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n\r\n",
                          &head),
                     DV_HEAD_BODY);
    assert_true(head.has_body && head.body_length == 42 && head.codings == 0 && !head.is_encoded);
    assert_true(dv_span_is(head.content_type, "application/json"));
    assert_true(dv_span_is(head.idempotency_key, "\"a-b\""));
    assert_true(dv_span_is(head.origin, "http://localhost"));
    assert_true(dv_span_is(head.fetch_site, "same-origin"));
    assert_int_equal(scan("POST / HTTP/1.1\r\n" HOST "Content-Encoding: identity\r\ncontent-encoding: br\r\n\r\n", &head),
                     DV_HEAD_SOUND);
    assert_true(head.is_encoded);
}

struct bad {
    enum dv_head_fault fault;
    const char *text;
};

static void refuses(void **state)
{
    (void)state;
    static const struct bad cases[] = {
        { DV_HEAD_MALFORMED, "" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\r\n" HOST },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\n" HOST "\r\n" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\r\nHost: localhost\n\n" },
        { DV_HEAD_MALFORMED, "GET / HTTP/2.0\r\n" HOST "\r\n" },
        { DV_HEAD_MALFORMED, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
        { DV_HEAD_MALFORMED, "GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n" },
        { DV_HEAD_MALFORMED, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n" },
        { DV_HEAD_MALFORMED, "GET /a#b HTTP/1.1\r\n" HOST "\r\n" },
        { DV_HEAD_MALFORMED, "GET /\x80 HTTP/1.1\r\n" HOST "\r\n" },
        { DV_HEAD_MALFORMED, "GET /a b HTTP/1.1\r\n" HOST "\r\n" },
        { DV_HEAD_MALFORMED, "G(T / HTTP/1.1\r\n" HOST "\r\n" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\r\n" HOST "a b: c\r\n\r\n" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\r\n" HOST "a : c\r\n\r\n" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\r\n" HOST "a: b\r\n folded\r\n\r\n" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\r\n" HOST "a: b\x01\r\n\r\n" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n" },
        { DV_HEAD_MALFORMED, "GET / HTTP/1.1\r\n" HOST "Authorization: a\r\nAuthorization: b\r\n\r\n" },
        { DV_HEAD_HOST, "GET / HTTP/1.1\r\n\r\n" },
        { DV_HEAD_HOST, "GET / HTTP/1.1\r\nHost:\r\n\r\n" },
        { DV_HEAD_HOST, "GET / HTTP/1.1\r\n" HOST HOST "\r\n" },
        { DV_HEAD_LENGTH, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" },
        { DV_HEAD_LENGTH, "GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" },
        { DV_HEAD_LENGTH, "GET / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n" },
        { DV_HEAD_LENGTH, "GET / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n" },
        { DV_HEAD_LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n" },
        { DV_HEAD_LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n" },
        { DV_HEAD_LENGTH, "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\n" },
        { DV_HEAD_MALFORMED, "POST / HTTP/1.1\r\n" HOST "Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n" },
        { DV_HEAD_MALFORMED, "POST / HTTP/1.1\r\n" HOST "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n" },
        { DV_HEAD_MALFORMED, "POST / HTTP/1.1\r\n" HOST "Origin: http://localhost\r\nOrigin: null\r\n\r\n" },
        { DV_HEAD_LENGTH, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" },
        { DV_HEAD_BODY, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" },
        { DV_HEAD_BODY, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dv_head head;
        enum dv_head_fault fault = scan(cases[i].text, &head);
        if (fault != cases[i].fault)
            fail_msg("case %zu: %d instead of %d", i, (int)fault, (int)cases[i].fault);
    }
}

static void keeps_the_limits(void **state)
{
    (void)state;
    static char text[DV_HEAD_BYTES * 2];
    char target[DV_TARGET_MAX + 2] = "/";
    struct dv_head head;
    memset(target + 1, 'a', DV_TARGET_MAX - 1);
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    assert_int_equal(scan(text, &head), DV_HEAD_SOUND);
    target[DV_TARGET_MAX] = 'a';
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    assert_int_equal(scan(text, &head), DV_HEAD_TARGET_LONG);

    size_t at = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "a: ");
    memset(text + at, 'v', DV_HEAD_BYTES);
    (void)snprintf(text + at + DV_HEAD_BYTES, 8, "\r\n\r\n");
    assert_int_equal(scan(text, &head), DV_HEAD_LARGE);

    at = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 1; i < DV_HEAD_LINES; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "a: b\r\n");
    (void)snprintf(text + at, sizeof text - at, "\r\n");
    assert_int_equal(scan(text, &head), DV_HEAD_SOUND);
    (void)snprintf(text + at, sizeof text - at, "a: b\r\n\r\n");
    assert_int_equal(scan(text, &head), DV_HEAD_LARGE);
}

/* Whatever the bytes, the scan stays within them (the sanitizer looks) and never takes a body for none. */
static void survives_any_bytes(void **state)
{
    (void)state;
    static const char sound[] = "GET /v1/events?x HTTP/1.1\r\n" HOST "Content-Length: 7\r\nAccept: */*\r\n\r\n";
    unsigned seed = 3;
    for (int round = 0; round < 200000; round++) {
        size_t size = (size_t)rand_r(&seed) % sizeof sound;
        char *text = malloc(size + 1);
        assert_non_null(text);
        memcpy(text, sound, size);
        for (int i = rand_r(&seed) % 4; i > 0 && size > 0; i--)
            text[(size_t)rand_r(&seed) % size] = (char)rand_r(&seed);
        struct dv_head head;
        enum dv_head_fault fault = dv_head_scan(text, size, &head);
        assert_true(fault != DV_HEAD_SOUND || (head.hosts == 1 && !head.has_body));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_server_uses),
        cmocka_unit_test(reads_what_comes_with_a_body),
        cmocka_unit_test(refuses),
        cmocka_unit_test(keeps_the_limits),
        cmocka_unit_test(survives_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
