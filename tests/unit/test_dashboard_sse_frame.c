/* SPDX-License-Identifier: Apache-2.0
 * test_dashboard_sse_frame.c - frames of the event stream, and the ids clients come back with.
 *
 * shows: MIS-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dashboard/server/sse_frame.h"

enum { EPOCH = 0xabc };
#define EPOCH_TEXT "0000000000000abc"

static void writes_a_frame(void **state)
{
    (void)state;
    char out[512];
    struct dv_event event = { .id = 42, .name = "live", .json = "{\"a\":1}", .length = 7 };
    size_t length = dv_sse_frame(out, EPOCH, &event);
    assert_true(length <= dv_sse_frame_bound(&event));
    out[length] = '\0';
    assert_string_equal(out, "id: " EPOCH_TEXT "-42\nevent: live\ndata: {\"a\":1}\n\n");
}

static void keeps_the_bound_at_the_extremes(void **state)
{
    (void)state;
    static char out[DV_SSE_PENDING];
    char name[129];
    memset(name, 'n', 128);
    name[128] = '\0';
    struct dv_event event = { .id = UINT64_MAX, .name = name, .json = "", .length = 0 };
    size_t length = dv_sse_frame(out, UINT64_MAX, &event);
    assert_true(length <= dv_sse_frame_bound(&event));
    assert_memory_equal(out, "id: ffffffffffffffff-18446744073709551615\n", 42);
}

static void replaces_what_is_too_large(void **state)
{
    (void)state;
    static char out[DV_SSE_PENDING];
    static char json[DV_SSE_PENDING + 1];
    memset(json, 'j', sizeof json);
    struct dv_event event = { .id = 7, .name = "live", .json = json, .length = DV_SSE_PENDING };
    assert_true(dv_sse_frame_bound(&event) < 256);
    size_t length = dv_sse_frame(out, EPOCH, &event);
    out[length] = '\0';
    assert_string_equal(out, "id: " EPOCH_TEXT "-7\nevent: skipped\ndata: {\"node\":\"live\",\"bytes\":65536}\n\n");
    event.length = DV_SSE_PENDING - 200;
    assert_true(dv_sse_frame_bound(&event) <= DV_SSE_PENDING);
    assert_true(dv_sse_frame(out, EPOCH, &event) > event.length);
}

static bool parse(const char *text, uint64_t *seq)
{
    return dv_sse_parse_id((struct dv_span){ text, text != NULL ? strlen(text) : 0 }, EPOCH, seq);
}

static void parses_ids(void **state)
{
    (void)state;
    uint64_t seq = 0;
    assert_true(parse(EPOCH_TEXT "-42", &seq));
    assert_int_equal(seq, 42);
    assert_true(parse(EPOCH_TEXT "-0", &seq));
    static const char *const wrong[] = { NULL,
                                         "",
                                         "42",
                                         EPOCH_TEXT,
                                         EPOCH_TEXT "-",
                                         EPOCH_TEXT "-x",
                                         EPOCH_TEXT "-1 ",
                                         EPOCH_TEXT "--1",
                                         "0000000000000abd-42",
                                         EPOCH_TEXT "-99999999999999999999" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(parse(wrong[i], &seq));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_frame),
        cmocka_unit_test(keeps_the_bound_at_the_extremes),
        cmocka_unit_test(replaces_what_is_too_large),
        cmocka_unit_test(parses_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
