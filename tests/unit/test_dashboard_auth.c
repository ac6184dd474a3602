/* SPDX-License-Identifier: Apache-2.0
 * test_dashboard_auth.c - who is let in, and where the server may listen.
 *
 * shows: SEC-1 RAG-11 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "connectors/listen.h"
#include "dashboard/server/auth.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static struct dv_span span(const char *text)
{
    return (struct dv_span){ text, text != NULL ? strlen(text) : 0 };
}

static int judge(const struct dv_auth *auth, const char *host, const char *authorization, enum dv_access access)
{
    struct dv_head head = { .host = span(host), .authorization = span(authorization) };
    return dv_auth_judge(auth, &head, DV_HEAD_SOUND, access).status;
}

static struct dv_auth with_token(bool loopback)
{
    struct dv_auth auth;
    struct dv_error error = { 0 };
    assert_int_equal(setenv("DV_TEST_TOKEN", TOKEN, 1), 0);
    assert_int_equal(dv_auth_init(&auth, loopback, "env:DV_TEST_TOKEN", &error), DV_OK);
    assert_true(auth.token.is_set);
    return auth;
}

static void wants_the_token(void **state)
{
    (void)state;
    struct dv_auth auth = with_token(false);
    assert_int_equal(judge(&auth, "x", "Bearer " TOKEN, DV_ACCESS_TOKEN), 0);
    assert_int_equal(judge(&auth, "x", "bearer " TOKEN, DV_ACCESS_TOKEN), 0);
    assert_int_equal(judge(&auth, "x", NULL, DV_ACCESS_TOKEN), 401);
    assert_int_equal(judge(&auth, "x", "", DV_ACCESS_TOKEN), 401);
    assert_int_equal(judge(&auth, "x", "Bearer ", DV_ACCESS_TOKEN), 401);
    assert_int_equal(judge(&auth, "x", "Basic " TOKEN, DV_ACCESS_TOKEN), 401);
    assert_int_equal(judge(&auth, "x", "Bearer " TOKEN "0", DV_ACCESS_TOKEN), 401);
    assert_int_equal(judge(&auth, "x", "Bearer 0123456789abcdef", DV_ACCESS_TOKEN), 401);
    assert_int_equal(judge(&auth, "x", NULL, DV_ACCESS_OPEN), 0);
}

static void shows_details_only_to_the_trusted(void **state)
{
    (void)state;
    struct dv_auth auth = with_token(true);
    struct dv_head head = { .host = span("localhost") };
    assert_false(dv_auth_judge(&auth, &head, DV_HEAD_SOUND, DV_ACCESS_OPEN).trusted);
    head.authorization = span("Bearer " TOKEN);
    assert_true(dv_auth_judge(&auth, &head, DV_HEAD_SOUND, DV_ACCESS_OPEN).trusted);
    struct dv_error error = { 0 };
    assert_int_equal(dv_auth_init(&auth, true, NULL, &error), DV_OK);
    head.authorization = span(NULL);
    assert_true(dv_auth_judge(&auth, &head, DV_HEAD_SOUND, DV_ACCESS_TOKEN).trusted);
}

static void guards_against_rebinding(void **state)
{
    (void)state;
    struct dv_auth auth;
    struct dv_error error = { 0 };
    assert_int_equal(dv_auth_init(&auth, true, NULL, &error), DV_OK);
    static const char *const good[] = { "localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:9" };
    static const char *const bad[] = { "evil.example", "localhost.evil", "127.0.0.1.evil", "[::2]", "::1", ":80" };
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(judge(&auth, good[i], NULL, DV_ACCESS_TOKEN), 0);
        assert_int_equal(judge(&auth, bad[i], NULL, DV_ACCESS_OPEN), 421);
    }
    auth.loopback = false;
    assert_int_equal(judge(&auth, "vault.example", NULL, DV_ACCESS_OPEN), 0);
}

/* A page of another origin cannot make its reader's browser change anything here, whatever the browser may send along. */
static void guards_against_forged_requests(void **state)
{
    (void)state;
    static const struct {
        const char *method, *origin, *site;
        int status;
    } cases[] = {
        { "POST", NULL, NULL, 0 },
        { "POST", "http://localhost:8080", NULL, 0 },
        { "POST", "https://LOCALHOST:8080", "same-origin", 0 },
        { "POST", NULL, "none", 0 },
        { "POST", "http://localhost", NULL, 403 },
        { "POST", "http://localhost:8081", NULL, 403 },
        { "POST", "http://localhost:8080.evil.example", NULL, 403 },
        { "POST", "ftp://localhost:8080", NULL, 403 },
        { "POST", "null", NULL, 403 },
        { "POST", "", NULL, 403 },
        { "POST", "http://localhost:8080", "cross-site", 403 },
        { "DELETE", NULL, "same-site", 403 },
        { "GET", "https://evil.example", "cross-site", 0 },
        { "HEAD", "https://evil.example", NULL, 0 },
    };
    struct dv_auth auth = { .loopback = true };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dv_head head = { .host = span("localhost:8080"), .method = span(cases[i].method),
                                .origin = span(cases[i].origin), .fetch_site = span(cases[i].site) };
        assert_int_equal(dv_auth_judge(&auth, &head, DV_HEAD_SOUND, DV_ACCESS_TOKEN).status, cases[i].status);
    }
}

static void tells_faults_by_status(void **state)
{
    (void)state;
    static const int statuses[] = {
        [DV_HEAD_MALFORMED] = 400, [DV_HEAD_TARGET_LONG] = 414, [DV_HEAD_LARGE] = 431,
        [DV_HEAD_HOST] = 400,      [DV_HEAD_LENGTH] = 400,      [DV_HEAD_BODY] = 413,
    };
    struct dv_auth auth = { 0 };
    struct dv_head head = { 0 };
    for (int fault = DV_HEAD_MALFORMED; fault <= DV_HEAD_BODY; fault++) {
        struct dv_verdict verdict = dv_auth_judge(&auth, &head, (enum dv_head_fault)fault, DV_ACCESS_OPEN);
        assert_int_equal(verdict.status, statuses[fault]);
        assert_non_null(verdict.detail);
        assert_false(verdict.trusted);
    }
}

static void refuses_weak_tokens(void **state)
{
    (void)state;
    struct dv_auth auth;
    struct dv_error error = { 0 };
    assert_int_equal(setenv("DV_TEST_TOKEN", "short", 1), 0);
    assert_int_equal(dv_auth_init(&auth, false, "env:DV_TEST_TOKEN", &error), DV_E_CONFIG);
    assert_null(strstr(error.text, "short\""));
    assert_int_equal(setenv("DV_TEST_TOKEN", "0123456789 abcdef 0123", 1), 0);
    assert_int_equal(dv_auth_init(&auth, false, "env:DV_TEST_TOKEN", &error), DV_E_CONFIG);
    assert_null(strstr(error.text, "abcdef"));
    assert_true(dv_is_error(dv_auth_init(&auth, false, "env:DV_NO_SUCH_TOKEN", &error)));
    assert_false(auth.token.is_set);
}

static void parses_addresses(void **state)
{
    (void)state;
    struct dv_listen where;
    struct dv_error error = { 0 };
    static const char *const loopback[] = { "127.0.0.1:8080", "127.9.9.9:0", "localhost:1", "[::1]:65535",
                                            "[::ffff:127.0.0.1]:80" };
    static const char *const open[] = { "0.0.0.0:8080", "[::]:80", "10.0.0.1:1", "[fe80::1]:1" };
    static const char *const wrong[] = { "",           ":80",      "127.0.0.1",    "127.0.0.1:", "127.0.0.1:65536",
                                         "::1:80",     "[::1]",    "[::1:80",      "vault:80",   "127.0.0.1:8o",
                                         "1.2.3:8080", "[]:80",    "127.0.0.1:-1", "127.1:80",   "999.1.1.1:80" };
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++) {
        assert_int_equal(dv_listen_parse(loopback[i], &where, &error), DV_OK);
        assert_true(where.loopback);
        assert_int_equal(dv_listen_rule(&where, loopback[i], false, false, &error), DV_OK);
    }
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        assert_int_equal(dv_listen_parse(open[i], &where, &error), DV_OK);
        assert_false(where.loopback);
        assert_int_equal(dv_listen_rule(&where, open[i], false, true, &error), DV_E_CONFIG);
        assert_int_equal(dv_listen_rule(&where, open[i], true, false, &error), DV_E_CONFIG);
        assert_int_equal(dv_listen_rule(&where, open[i], true, true, &error), DV_OK);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (dv_listen_parse(wrong[i], &where, &error) != DV_E_CONFIG)
            fail_msg("took '%s'", wrong[i]);
}

static void binds_once(void **state)
{
    (void)state;
    struct dv_listen where;
    struct dv_error error = { 0 };
    int fd = -1;
    int other = -1;
    assert_int_equal(dv_listen_parse("127.0.0.1:0", &where, &error), DV_OK);
    assert_int_equal(dv_listen_bind(&where, "127.0.0.1:0", &fd, &error), DV_OK);
    uint16_t port = dv_listen_port(fd);
    assert_true(port != 0);
    ((struct sockaddr_in *)&where.address)->sin_port = htons(port);
    assert_int_equal(dv_listen_bind(&where, "taken", &other, &error), DV_E_IO);
    assert_non_null(strstr(error.text, "set another `listen`"));
    (void)close(fd);
}

/* Whose conversations are whose hangs on it. */
static void names_whoever_shows_a_token(void **state)
{
    (void)state;
    uint8_t local[DV_WHO_MAX], one[DV_WHO_MAX], again[DV_WHO_MAX], other[DV_WHO_MAX];
    struct dv_error error = { 0 };
    struct dv_auth open, first = with_token(false), second = with_token(true), third;
    assert_int_equal(dv_auth_init(&open, true, NULL, &error), DV_OK);
    assert_int_equal(setenv("DV_TEST_TOKEN", TOKEN "0", 1), 0);
    assert_int_equal(dv_auth_init(&third, false, "env:DV_TEST_TOKEN", &error), DV_OK);
    size_t length = dv_auth_who(&first, one);
    assert_true(length < DV_WHO_MAX && dv_auth_who(&open, local) < length);
    assert_int_equal(dv_auth_who(&second, again), length);
    assert_int_equal(dv_auth_who(&third, other), length);
    assert_memory_equal(one, again, length);
    assert_memory_not_equal(one, other, length);
    assert_memory_equal(local, "local", 5);
    assert_null(memmem(one, length, TOKEN, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wants_the_token),       cmocka_unit_test(shows_details_only_to_the_trusted),
        cmocka_unit_test(guards_against_rebinding), cmocka_unit_test(guards_against_forged_requests),
        cmocka_unit_test(tells_faults_by_status),
        cmocka_unit_test(refuses_weak_tokens),   cmocka_unit_test(parses_addresses),
        cmocka_unit_test(binds_once),            cmocka_unit_test(names_whoever_shows_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
