/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_torn.c - what a crash tore is cut off at the last whole record, and a foreign or damaged file is set
 * aside whole.
 * shows: STO-1 STO-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/random.h"
#include "tests/unit/connectors_sink.h"
#include "tests/unit/connectors_world.h"

enum { BIG = 3 * 1024 * 1024, WINDOW = 1024 * 1024 };

static void assert_repaired(struct world *world, const char *found, const char *kept)
{
    struct sink sink;
    const char *path = world_path(world, "out");
    world_write(path, found, strlen(found));
    struct dv_appender_options options = sink_options(world, &sink, path);
    options.first = '{';
    sink_open_with(&sink, &options);
    assert_false(sink.appender.quarantined);
    assert_int_equal(sink.appender.repaired, strlen(found) - strlen(kept));
    assert_true(sink_put(&sink, "{\"new\":1}\n", 10));
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, 10);
    sink_close(world, &sink);
    char expected[256];
    (void)snprintf(expected, sizeof expected, "%s{\"new\":1}\n", kept);
    assert_file(path, expected);
}

static void test_torn_lines_are_cut_off(void **state)
{
    struct world *world = *state;
    assert_repaired(world, "", "");
    assert_repaired(world, "{\"a\":1}\n", "{\"a\":1}\n");
    assert_repaired(world, "{\"a\":1}\n{\"b\":", "{\"a\":1}\n");
    assert_repaired(world, "{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n");
    assert_repaired(world, "{\"a", "");
}

static void test_a_foreign_file_is_set_aside_whole(void **state)
{
    struct world *world = *state;
    const char *path = world_path(world, "out");
    for (int i = 1; i <= 2; i++) {
        struct sink sink;
        world_write(path, "my diary, without an end", 24);
        struct dv_appender_options options = sink_options(world, &sink, path);
        options.first = '{';
        sink_open_with(&sink, &options);
        assert_true(sink.appender.quarantined);
        assert_int_equal(world_size(path), 0);
        sink_close(world, &sink);
        assert_file(world_path(world, i == 1 ? "out.corrupt" : "out.corrupt.2"), "my diary, without an end");
    }
}

/* Records of the test: one byte 'R', two bytes of length, the body. */
static size_t record_length(const uint8_t *bytes, size_t length)
{
    if (length > 0 && bytes[0] != 'R')
        return SIZE_MAX;
    return length < 3 ? 0 : 3u + ((size_t)bytes[1] << 8 | bytes[2]);
}

/* Writes a record of `length` bytes, its head with them. */
static size_t put_record(char *to, size_t length)
{
    to[0] = 'R';
    to[1] = (char)((length - 3) >> 8);
    to[2] = (char)(length - 3);
    return length;
}

/* Many records of many lengths, cut at a random place: every whole record stays, and nothing else. */
static void test_torn_records_are_cut_off(void **state)
{
    struct world *world = *state;
    const char *path = world_path(world, "out");
    uint64_t seed = getenv("DV_SEED") != NULL ? strtoull(getenv("DV_SEED"), NULL, 0) : (uint64_t)uv_hrtime();
    struct dv_random random;
    dv_random_seed(&random, seed);
    print_message("seed: DV_SEED=%llu\n", (unsigned long long)seed);
    char *bytes = random_bytes(BIG, seed);
    for (int round = 0; round < 30; round++) {
        size_t whole = 0;
        size_t cut = (size_t)dv_random_below(&random, BIG - 70000);
        for (size_t at = 0; at < BIG - 70000;) {
            size_t body = (size_t)dv_random_below(&random, 65536);
            at += put_record(bytes + at, 3 + body);
            whole = at <= cut ? at : whole;
        }
        struct sink sink;
        world_write(path, bytes, cut);
        struct dv_appender_options options = sink_options(world, &sink, path);
        options.record = record_length;
        sink_open_with(&sink, &options);
        assert_false(sink.appender.quarantined);
        sink_close(world, &sink);
        assert_int_equal(world_size(path), whole);
    }
    free(bytes);
}

/* Files whose windows of 1 MiB end inside a record's head, inside its body, and with a record. */
static void test_whole_records_over_windows_are_kept(void **state)
{
    struct world *world = *state;
    const char *path = world_path(world, "out");
    const size_t first[] = { WINDOW - 2, WINDOW - 1, WINDOW - 1000, WINDOW };
    char *bytes = calloc(1, BIG);
    assert_non_null(bytes);
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        size_t at = 0;
        while (at < first[i]) {
            size_t length = first[i] - at < 60000 ? first[i] - at : 50000;
            at += put_record(bytes + at, length);
        }
        at += put_record(bytes + at, 2000);
        struct sink sink;
        world_write(path, bytes, at);
        struct dv_appender_options options = sink_options(world, &sink, path);
        options.record = record_length;
        sink_open_with(&sink, &options);
        assert_false(sink.appender.quarantined);
        assert_int_equal(sink.appender.repaired, 0);
        sink_close(world, &sink);
        assert_int_equal(world_size(path), at);
    }
    free(bytes);
}

static void test_a_damaged_record_sets_the_file_aside(void **state)
{
    struct world *world = *state;
    struct sink sink;
    world_write(world_path(world, "out"), "R\0\1xR\0\1yQ\0\1z", 12);
    struct dv_appender_options options = sink_options(world, &sink, world_path(world, "out"));
    options.record = record_length;
    sink_open_with(&sink, &options);
    assert_true(sink.appender.quarantined);
    assert_int_equal(world_size(world_path(world, "out.corrupt")), 12);
    sink_close(world, &sink);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_torn_lines_are_cut_off),
        TEST(test_a_foreign_file_is_set_aside_whole),
        TEST(test_torn_records_are_cut_off),
        TEST(test_whole_records_over_windows_are_kept),
        TEST(test_a_damaged_record_sets_the_file_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
