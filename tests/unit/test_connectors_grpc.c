/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_grpc.c - gRPC's own formats: frames, time-outs, texts, binary metadata, and buffers with an end.
 *
 * shows: ING-1 GW-7 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/grpc_wire.h"

static void frames_messages(void **state)
{
    uint8_t bytes[DV_GRPC_PREFIX + 300] = { 0 };
    size_t length = 7;
    (void)state;
    dv_grpc_prefix(bytes, 300);
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(dv_grpc_framed(bytes, i, 300, &length), DV_GRPC_FRAMED_PART);
    assert_int_equal(dv_grpc_framed(bytes, sizeof bytes, 300, &length), DV_GRPC_FRAMED_WHOLE);
    assert_int_equal(length, 300);
    assert_int_equal(dv_grpc_framed(bytes, DV_GRPC_PREFIX, 299, &length), DV_GRPC_FRAMED_LONG);
    bytes[0] = 1;
    assert_int_equal(dv_grpc_framed(bytes, sizeof bytes, 300, &length), DV_GRPC_FRAMED_COMPRESSED);
    bytes[0] = 2;
    assert_int_equal(dv_grpc_framed(bytes, 1, 300, &length), DV_GRPC_FRAMED_BROKEN);
    memset(bytes, 0xFF, DV_GRPC_PREFIX);
    bytes[0] = 0;
    assert_int_equal(dv_grpc_framed(bytes, sizeof bytes, 300, &length), DV_GRPC_FRAMED_LONG);
    assert_int_equal(length, UINT32_MAX);
}

static void reads_timeouts(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = { { "1H", 3600000 }, { "2M", 120000 }, { "3S", 3000 }, { "4m", 4 }, { "5001u", 6 }, { "1n", 1 },
                 { "0S", 0 }, { "99999999H", 359999996400000 } };
    static const char *const wrong[] = { "", "1", "S", "-1S", "+1S", "1s", "123456789S", "1.5S", " 1S", "1SS" };
    uint64_t ms = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(dv_grpc_timeout_parse(good[i].text, strlen(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(dv_grpc_timeout_parse(wrong[i], strlen(wrong[i]), &ms));
}

static void writes_texts(void **state)
{
    char out[DV_GRPC_TEXT_MAX], longest[2 * DV_GRPC_TEXT_MAX];
    (void)state;
    size_t length = dv_grpc_percent_encode(out, "100% of \xC3\xA9\n~");
    assert_int_equal(length, strlen("100%25 of %C3%A9%0A~"));
    assert_memory_equal(out, "100%25 of %C3%A9%0A~", length);
    memset(longest, '%', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(dv_grpc_percent_encode(out, longest), DV_GRPC_TEXT_MAX / 3 * 3);
    assert_int_equal(dv_grpc_percent_encode(out, ""), 0);
}

static void knows_binary_metadata(void **state)
{
    static const char *const good[] = { "", "YQ==", "YQ", "YWI", "YWJj", "YQ,YWI=,YWJj" };
    static const char *const wrong[] = { "Y", "YQ=", "!!!!", "YQ==x", "YR", "YQ YQ", "YQ,!" };
    char longest[1000];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!dv_grpc_binary_is_sound(good[i], strlen(good[i])))
            fail_msg("refused '%s'", good[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (dv_grpc_binary_is_sound(wrong[i], strlen(wrong[i])))
            fail_msg("took '%s'", wrong[i]);
    memset(longest, 'A', sizeof longest);
    assert_true(dv_grpc_binary_is_sound(longest, sizeof longest));
    longest[700] = '=';
    assert_false(dv_grpc_binary_is_sound(longest, sizeof longest));
}

static void buffers_are_bounded_and_wiped(void **state)
{
    struct dv_grpc_budget budget = { .max = 8192 };
    struct dv_grpc_buffer one = { 0 }, other = { 0 };
    uint8_t bytes[3000];
    (void)state;
    memset(bytes, 'x', sizeof bytes);
    assert_true(dv_grpc_buffer_add(&one, bytes, sizeof bytes, &budget));
    assert_true(dv_grpc_buffer_add(&other, bytes, sizeof bytes, &budget));
    assert_int_equal(budget.used, 8192);
    assert_false(dv_grpc_buffer_add(&other, bytes, sizeof bytes, &budget));
    assert_int_equal(dv_grpc_buffer_length(&other), sizeof bytes);
    dv_grpc_buffer_drop(&one, 2000);
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(one.bytes[i], 0);
    assert_true(dv_grpc_buffer_add(&one, bytes, 2500, &budget)); /* moved to the front */
    assert_int_equal(dv_grpc_buffer_length(&one), 3500);
    assert_int_equal(dv_grpc_buffer_front(&one)[3499], 'x');
    dv_grpc_buffer_clear(&one, true, &budget);
    dv_grpc_buffer_clear(&other, true, &budget);
    assert_int_equal(budget.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_messages),       cmocka_unit_test(reads_timeouts),
        cmocka_unit_test(writes_texts),          cmocka_unit_test(knows_binary_metadata),
        cmocka_unit_test(buffers_are_bounded_and_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
