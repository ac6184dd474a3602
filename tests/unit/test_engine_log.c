/* SPDX-License-Identifier: Apache-2.0
 * test_engine_log.c - lines in both forms, and the pairs that must not get through.
 *
 * shows: OBS-4 PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/log.h"

enum { TEXT_BYTES = 4096 };

/* Swaps standard error for a pipe while one line is written. */
static void capture(char text[TEXT_BYTES], enum dv_log_level level, const char *event, const struct dv_log_pair *pairs)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    dv_log_write(level, event, pairs);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    (void)close(ends[1]);
    ssize_t length = read(ends[0], text, TEXT_BYTES - 1);
    assert_true(length >= 0);
    text[length] = '\0';
    (void)close(ends[0]);
}

static const struct dv_log_pair end = { NULL, DV_LOG_END, 0, NULL };

static void writes_pairs(void **state)
{
    (void)state;
    dv_log_setup(DV_LOG_INFO, false);
    const struct dv_log_pair pairs[] = { DV_LOG_NUMBER("port", -8080), DV_LOG_NAMED("node", "live"),
                                         DV_LOG_REASON("why", DV_E_IO), DV_LOG_LITERAL("how", "at once"), end };
    char text[TEXT_BYTES];
    capture(text, DV_LOG_INFO, "server.start", pairs);
    assert_non_null(strstr(text, "Z info  server.start port=-8080 node=live why=DV_E_IO how=at once\n"));
    assert_int_equal(strcspn(text, "Z"), strlen("2026-01-01T00:00:00.000"));
}

static void writes_json(void **state)
{
    (void)state;
    dv_log_setup(DV_LOG_DEBUG, true);
    const struct dv_log_pair pairs[] = { DV_LOG_NUMBER("port", 1), DV_LOG_NAMED("node", "a.b"), end };
    char text[TEXT_BYTES];
    capture(text, DV_LOG_DEBUG, "x", pairs);
    assert_memory_equal(text, "{\"time\":\"", 9);
    assert_non_null(strstr(text, "\"level\":\"debug\",\"event\":\"x\",\"port\":1,\"node\":\"a.b\"}\n"));
}

static void hides_what_is_no_name(void **state)
{
    (void)state;
    dv_log_setup(DV_LOG_INFO, true);
    const struct dv_log_pair pairs[] = { DV_LOG_NAMED("node", "Jane Doe"), DV_LOG_NAMED("other", NULL),
                                         { "code", DV_LOG_CODE, 9999, NULL }, { "w", DV_LOG_WORD, 0, "a\"b\n" }, end };
    char text[TEXT_BYTES];
    capture(text, DV_LOG_ERROR, "x", pairs);
    assert_non_null(strstr(text, "\"node\":\"?\",\"other\":\"?\",\"code\":\"?\",\"w\":\"?\"}\n"));
    assert_null(strstr(text, "Jane"));
}

static void keeps_the_threshold(void **state)
{
    (void)state;
    dv_log_setup(DV_LOG_WARN, false);
    char text[TEXT_BYTES];
    capture(text, DV_LOG_INFO, "x", &end);
    assert_string_equal(text, "");
    capture(text, DV_LOG_WARN, "x", &end);
    assert_string_not_equal(text, "");
}

static void stays_one_line_when_long(void **state)
{
    (void)state;
    dv_log_setup(DV_LOG_INFO, true);
    struct dv_log_pair pairs[64];
    for (int i = 0; i < 63; i++)
        pairs[i] = DV_LOG_LITERAL("a-key-of-some-length", "a literal that is long enough to fill the line in the end");
    pairs[63] = end;
    char text[TEXT_BYTES];
    capture(text, DV_LOG_INFO, "x", pairs);
    size_t length = strlen(text);
    assert_true(length > 1000 && length <= 2048);
    assert_string_equal(text + length - 3, "\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_pairs),        cmocka_unit_test(writes_json),
        cmocka_unit_test(hides_what_is_no_name), cmocka_unit_test(keeps_the_threshold),
        cmocka_unit_test(stays_one_line_when_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
