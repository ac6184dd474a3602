/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_appender.c - files and pipes are appended whole, in order, in groups, and every fault of the disk
 * ends in a known state.
 * shows: STO-1 STO-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/connectors_sink.h"
#include "tests/unit/connectors_world.h"

enum { BIG = 3 * 1024 * 1024 };

static void test_appends_in_order_and_in_groups(void **state)
{
    struct world *world = *state;
    struct sink sink;
    const char *path = world_path(world, "deep/out");
    sink_open(world, &sink, path);
    unsigned syncs = faults()->syncs;
    assert_int_equal(syncs, 1); /* of the directory */
    char *expected = malloc(BIG);
    size_t total = 0;
    for (uint32_t i = 0; total < BIG - 100; i++) {
        char record[64];
        int length = snprintf(record, sizeof record, "{\"n\":%u,\"filling\":\"................\"}\n", i);
        while (!sink_put(&sink, record, (size_t)length)) {
            sink.moved = false;
            world_run_until(world, &sink.moved);
        }
        memcpy(expected + total, record, (size_t)length);
        total += (size_t)length;
    }
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, total);
    assert_in_range(faults()->syncs - syncs, BIG / DV_FILE_BUFFER, 2 * BIG / DV_FILE_BUFFER);
    sink_close(world, &sink);
    char *found = malloc(BIG);
    assert_int_equal(world_read(path, found, BIG), total);
    assert_memory_equal(found, expected, total);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    free(found);
    free(expected);
}

/* Two records and two wishes within one turn of the loop are one write; a full buffer does not wait for the turn. */
static void test_a_flush_put_off_takes_all_of_a_turn(void **state)
{
    struct world *world = *state;
    struct sink sink;
    sink_open(world, &sink, world_path(world, "out"));
    assert_true(sink_put(&sink, "one\n", 4));
    dv_appender_flush_soon(&sink.appender);
    assert_int_equal(sink.appender.state, DV_APPENDER_IDLE);
    assert_true(sink_put(&sink, "two\n", 4));
    dv_appender_flush_soon(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, 8);
    assert_int_equal(faults()->writes, 1);
    assert_file(world_path(world, "out"), "one\ntwo\n");
    sink_close(world, &sink);
}

static void test_short_writes_are_finished(void **state)
{
    struct world *world = *state;
    struct sink sink;
    faults()->write_short = 7;
    sink_open(world, &sink, world_path(world, "out"));
    assert_true(sink_put(&sink, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n", 24));
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, 24);
    assert_int_equal(faults()->writes, 4);
    sink_close(world, &sink);
    assert_file(world_path(world, "out"), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
}

static void test_a_record_larger_than_the_buffers(void **state)
{
    struct world *world = *state;
    struct sink sink;
    bool never = false;
    char *bytes = random_bytes(BIG, 7);
    sink_open(world, &sink, world_path(world, "out"));
    assert_true(sink_put(&sink, "{\n", 2));
    assert_false(sink_put(&sink, bytes, DV_FILE_BUFFER) && sink_put(&sink, bytes, DV_FILE_BUFFER));
    world_run_while_less(world, &sink.appender.durable, sink.appender.accepted);
    uint64_t before = sink.appender.accepted;
    assert_true(sink_put(&sink, bytes, BIG));
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, before + BIG);
    assert_null(dv_appender_room(&sink.appender, (size_t)DV_FILE_RECORD_MAX + 1, &never));
    assert_true(never);
    assert_true(sink_put(&sink, "}\n", 2));
    sink_close(world, &sink);
    free(bytes);
}

static void test_an_elastic_buffer_grows_while_a_write_runs(void **state)
{
    struct world *world = *state;
    struct sink sink;
    char *bytes = random_bytes(BIG, 8);
    struct dv_appender_options options = sink_options(world, &sink, world_path(world, "out"));
    options.elastic = true;
    sink_open_with(&sink, &options);
    for (size_t at = 0; at < BIG; at += 4096) {
        assert_true(sink_put(&sink, bytes + at, 4096));
        dv_appender_flush(&sink.appender);
    }
    world_run_while_less(world, &sink.appender.durable, BIG);
    sink_close(world, &sink);
    char *found = malloc(BIG);
    assert_int_equal(world_read(world_path(world, "out"), found, BIG), BIG);
    assert_memory_equal(found, bytes, BIG);
    free(found);
    free(bytes);
}

static void test_no_space_is_waited_out(void **state)
{
    struct world *world = *state;
    struct sink sink;
    sink_open(world, &sink, world_path(world, "out"));
    __atomic_store_n(&faults()->write_error, ENOSPC, __ATOMIC_SEQ_CST);
    assert_true(sink_put(&sink, "{\"a\":1}\n", 8));
    dv_appender_flush(&sink.appender);
    world_run_until(world, &sink.moved);
    assert_string_equal(dv_appender_waits(&sink.appender), "no space left on device");
    assert_false(dv_appender_failed(&sink.appender));
    assert_true(sink_put(&sink, "{\"b\":2}\n", 8));
    world_run_ms(world, 300);
    assert_int_equal(sink.appender.durable, 0);
    __atomic_store_n(&faults()->write_error, 0, __ATOMIC_SEQ_CST);
    world_run_while_less(world, &sink.appender.durable, 16);
    assert_null(dv_appender_waits(&sink.appender));
    sink_close(world, &sink);
    assert_file(world_path(world, "out"), "{\"a\":1}\n{\"b\":2}\n");
}

static void test_a_failed_sync_is_final(void **state)
{
    struct world *world = *state;
    struct sink sink;
    bool never = false;
    sink_open(world, &sink, world_path(world, "out"));
    faults()->sync_fails_at = faults()->syncs + 2;
    assert_true(sink_put(&sink, "{\"a\":1}\n", 8));
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, 8);
    sink.moved = false;
    assert_true(sink_put(&sink, "{\"b\":2}\n", 8));
    dv_appender_flush(&sink.appender);
    world_run_until(world, &sink.moved);
    assert_true(dv_appender_failed(&sink.appender));
    assert_string_equal(dv_appender_waits(&sink.appender), "a sync failed: what is on the disk is unknown");
    unsigned syncs = faults()->syncs;
    assert_null(dv_appender_room(&sink.appender, 1, &never));
    assert_true(never);
    dv_appender_flush(&sink.appender);
    world_run_ms(world, 200);
    assert_int_equal(faults()->syncs, syncs);
    assert_int_equal(sink.appender.durable, 8);
    sink_close(world, &sink);
}

static void let_go_soon(void *data)
{
    (void)data;
    (void)usleep(100000);
    __atomic_store_n(&faults()->sync_held, false, __ATOMIC_SEQ_CST);
}

/* The worker reads the appender's buffer: it must have ended when close() gives that back. */
static void test_close_waits_for_the_worker(void **state)
{
    struct world *world = *state;
    struct sink sink;
    sink_open(world, &sink, world_path(world, "out"));
    uv_thread_t other;
    unsigned before = faults()->syncs;
    faults()->sync_held = true;
    assert_true(sink_put(&sink, "{\"a\":1}\n", 8));
    dv_appender_flush(&sink.appender);
    for (int i = 0; i < 10000 && __atomic_load_n(&faults()->syncs, __ATOMIC_SEQ_CST) == before; i++)
        (void)usleep(1000);
    assert_int_equal(__atomic_load_n(&faults()->syncs, __ATOMIC_SEQ_CST), before + 1);
    assert_int_equal(__atomic_load_n(&faults()->synced, __ATOMIC_SEQ_CST), 0);
    assert_int_equal(uv_thread_create(&other, let_go_soon, NULL), 0);
    dv_appender_close(&sink.appender);
    assert_int_equal(faults()->synced, 1);
    assert_int_equal(uv_thread_join(&other), 0);
    sink_close(world, &sink);
    assert_false(sink.moved);
    assert_file(world_path(world, "out"), "{\"a\":1}\n");
}

static void test_two_writers_are_refused(void **state)
{
    struct world *world = *state;
    struct sink first;
    struct sink second;
    struct dv_error error = { 0 };
    sink_open(world, &first, world_path(world, "out"));
    struct dv_appender_options options = sink_options(world, &second, world_path(world, "out"));
    assert_int_equal(dv_appender_open(&second.appender, &options, &error), DV_E_CONFIG);
    assert_non_null(strstr(error.text, "another process"));
    sink_close(world, &first);
}

/* ---- pipes and devices ---- */

static void test_writes_standard_output_to_a_slow_pipe(void **state)
{
    struct world *world = *state;
    struct sink sink;
    int ends[2];
    static char drained[4096];
    char *bytes = random_bytes(BIG, 9);
    size_t read_so_far = 0;
    assert_int_equal(pipe(ends), 0);
    (void)fflush(stdout);
    int saved = swap_standard(STDOUT_FILENO, ends[1]);
    sink_open(world, &sink, "-");
    bool streamed = sink.appender.streamed;
    int shared = fcntl(STDOUT_FILENO, F_GETFL);
    bool took = sink_put(&sink, bytes, DV_FILE_BUFFER);
    dv_appender_flush(&sink.appender);
    bool same = true;
    while (took && read_so_far < DV_FILE_BUFFER) {
        world_run_ms(world, 1);
        ssize_t got = read(ends[0], drained, sizeof drained);
        same = same && got > 0 && memcmp(drained, bytes + read_so_far, (size_t)got) == 0;
        read_so_far += (size_t)got;
    }
    world_run_while_less(world, &sink.appender.durable, DV_FILE_BUFFER);
    sink.moved = false;
    (void)close(ends[0]);
    took = took && sink_put(&sink, "x", 1);
    dv_appender_flush(&sink.appender);
    world_run_until(world, &sink.moved);
    bool failed = dv_appender_failed(&sink.appender);
    sink_close(world, &sink);
    restore_standard(STDOUT_FILENO, saved);
    (void)close(ends[1]);
    free(bytes);
    assert_true(streamed && took && same && failed);
    assert_int_equal(shared & O_NONBLOCK, 0);
}

static void test_a_full_device(void **state)
{
    struct world *world = *state;
    struct sink sink;
    sink_open(world, &sink, "/dev/full");
    assert_true(sink_put(&sink, "{}\n", 3));
    dv_appender_flush(&sink.appender);
    world_run_until(world, &sink.moved);
    assert_string_equal(dv_appender_waits(&sink.appender), "no space left on device");
    sink_close(world, &sink);
}

/* A real disk of 1 MB that fills up, and goes on within 5 s of getting space. */
static void test_a_small_disk_fills_and_is_emptied(void **state)
{
    struct world *world = *state;
    const char *disk = world_path(world, "disk");
    struct sink sink;
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=1m") != 0) {
        print_message("skipped: a tmpfs cannot be mounted here (%s)\n", strerror(errno));
        skip();
    }
    static char ballast[600 * 1024];
    const char *path = world_path(world, "disk/out");
    const char *filler = world_path(world, "disk/ballast");
    world_write(filler, ballast, sizeof ballast);
    char *bytes = random_bytes(BIG, 11);
    sink_open(world, &sink, path);
    size_t total = 0;
    while (dv_appender_waits(&sink.appender) == NULL) {
        if (sink_put(&sink, bytes + total, 16384))
            total += 16384;
        dv_appender_flush(&sink.appender);
        world_run_ms(world, 1);
    }
    assert_string_equal(dv_appender_waits(&sink.appender), "no space left on device");
    assert_true(sink.appender.durable < total);
    assert_int_equal(remove(filler), 0);
    uint64_t start = uv_hrtime();
    world_run_while_less(world, &sink.appender.durable, total);
    assert_true(uv_hrtime() - start < UINT64_C(5000000000));
    sink_close(world, &sink);
    char *found = malloc(BIG);
    assert_int_equal(world_read(path, found, BIG), total);
    assert_memory_equal(found, bytes, total);
    free(found);
    free(bytes);
    assert_int_equal(umount(disk), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_appends_in_order_and_in_groups),
        TEST(test_a_flush_put_off_takes_all_of_a_turn),
        TEST(test_short_writes_are_finished),
        TEST(test_a_record_larger_than_the_buffers),
        TEST(test_an_elastic_buffer_grows_while_a_write_runs),
        TEST(test_no_space_is_waited_out),
        TEST(test_a_failed_sync_is_final),
        TEST(test_close_waits_for_the_worker),
        TEST(test_two_writers_are_refused),
        TEST(test_writes_standard_output_to_a_slow_pipe),
        TEST(test_a_full_device),
        TEST(test_a_small_disk_fills_and_is_emptied),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
