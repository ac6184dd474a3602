/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_file.c - files and pipes are read and appended whole, in order, off the loop, and every fault of the
 * disk ends in a known state.
 * shows: ING-13 STO-1 STO-2 */
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

#include "connectors/file.h"
#include "engine/random.h"
#include "tests/unit/connectors_world.h"

enum { RECORD_MAX = 64 * 1024, BIG = 3 * 1024 * 1024, WINDOW = 1024 * 1024 };

/* ---- reading ---- */

static void set_flag(void *data)
{
    *(bool *)data = true;
}

static void open_reader(struct world *world, struct dv_reader *reader, const char *path, bool follow)
{
    struct dv_error error = { 0 };
    struct dv_reader_options options = {
        .loop = &world->loop.base, .sys = &faulty_sys, .path = path, .record_max = RECORD_MAX, .follow = follow
    };
    if (dv_reader_open(reader, &options, &error) != DV_OK)
        fail_msg("%s", error.text);
}

/* What more() says once it no longer says LATER. */
static enum dv_more more(struct world *world, struct dv_reader *reader)
{
    enum dv_more answer = dv_reader_more(reader);
    while (answer == DV_MORE_LATER) {
        bool told = false;
        dv_reader_request(reader, set_flag, &told);
        world_run_until(world, &told);
        answer = dv_reader_more(reader);
    }
    return answer;
}

/* Reads to the end, taking `step` bytes at a time and leaving the rest of each chunk in front of the next one. */
static size_t read_all(struct world *world, struct dv_reader *reader, char *out, size_t step)
{
    size_t total = 0;
    for (bool ended = false; !ended;) {
        size_t unread = 0;
        const char *text = dv_reader_text(reader, &unread);
        size_t part = unread < step ? unread : step;
        assert_int_equal(reader->offset, total);
        if (part == step || (part > 0 && reader->state == DV_READER_ENDED)) {
            memcpy(out + total, text, part);
            total += part;
            dv_reader_take(reader, part);
        } else {
            ended = more(world, reader) == DV_MORE_END && part == 0;
        }
    }
    return total;
}

static char *random_bytes(size_t length, uint64_t seed)
{
    struct dv_random random;
    char *bytes = malloc(length + 8);
    assert_non_null(bytes);
    dv_random_seed(&random, seed);
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = dv_random_u64(&random);
        memcpy(bytes + at, &word, sizeof word);
    }
    return bytes;
}

static void close_reader(struct world *world, struct dv_reader *reader)
{
    dv_reader_close(reader);
    do
        world_run_ms(world, 2);
    while (reader->job.busy);
}

static void test_reads_what_was_written(void **state)
{
    struct world *world = *state;
    const size_t lengths[] = { 0, 1, DV_FILE_BUFFER - 1, DV_FILE_BUFFER, DV_FILE_BUFFER + 1, BIG };
    const size_t steps[] = { 1000, RECORD_MAX };
    const char *path = world_path(world, "in");
    char *out = malloc(BIG);
    for (size_t i = 0; i < 24; i++) {
        size_t length = lengths[i / 4];
        char *bytes = random_bytes(length, i);
        struct dv_reader reader;
        faults()->cache_off = i % 4 >= 2;
        world_write(path, bytes, length);
        open_reader(world, &reader, path, false);
        assert_int_equal(reader.facts.size, length);
        assert_true(reader.facts.regular);
        assert_int_equal(read_all(world, &reader, out, steps[i % 2]), length);
        assert_memory_equal(out, bytes, length);
        close_reader(world, &reader);
        free(bytes);
    }
    free(out);
}

static void test_head_and_seek(void **state)
{
    struct world *world = *state;
    struct dv_reader reader;
    char head[8] = { 0 };
    char out[16];
    world_write(world_path(world, "in"), "0123456789", 10);
    open_reader(world, &reader, world_path(world, "in"), false);
    assert_int_equal(dv_reader_head(&reader, head, 4), 4);
    assert_memory_equal(head, "0123", 4);
    dv_reader_seek(&reader, 7);
    while (more(world, &reader) != DV_MORE_END)
        ;
    size_t unread = 0;
    const char *text = dv_reader_text(&reader, &unread);
    assert_int_equal(unread, 3);
    memcpy(out, text, 3);
    assert_memory_equal(out, "789", 3);
    assert_int_equal(reader.offset, 7);
    close_reader(world, &reader);
}

static void test_what_cannot_be_read(void **state)
{
    struct world *world = *state;
    struct dv_reader reader;
    struct dv_error error = { 0 };
    struct dv_reader_options options = {
        .loop = &world->loop.base, .sys = &faulty_sys, .path = world_path(world, "not-there"), .record_max = RECORD_MAX
    };
    assert_int_equal(dv_reader_open(&reader, &options, &error), DV_E_MISSING);
    options.path = world->directory;
    assert_int_equal(dv_reader_open(&reader, &options, &error), DV_E_CONFIG);
    assert_non_null(strstr(error.text, "directory"));
}

static void test_a_bad_disk_is_tried_again(void **state)
{
    struct world *world = *state;
    struct dv_reader reader;
    bool told = false;
    world_write(world_path(world, "in"), "0123456789", 10);
    open_reader(world, &reader, world_path(world, "in"), false);
    __atomic_store_n(&faults()->read_error, EIO, __ATOMIC_SEQ_CST);
    assert_int_equal(dv_reader_more(&reader), DV_MORE_LATER);
    dv_reader_request(&reader, set_flag, &told);
    world_run_ms(world, 150);
    assert_false(told);
    for (int i = 0; i < 100 && dv_reader_waits(&reader) == NULL; i++)
        world_run_ms(world, 1);
    assert_string_equal(dv_reader_waits(&reader), "the device reports an error");
    __atomic_store_n(&faults()->read_error, 0, __ATOMIC_SEQ_CST);
    world_run_until(world, &told);
    assert_int_equal(dv_reader_more(&reader), DV_MORE_BYTES);
    assert_null(dv_reader_waits(&reader));
    close_reader(world, &reader);
}

static void append_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void assert_shows(struct dv_reader *reader, const char *expected)
{
    size_t unread = 0;
    const char *text = dv_reader_text(reader, &unread);
    assert_int_equal(unread, strlen(expected));
    assert_memory_equal(text, expected, unread);
}

/* Runs until the end of a file that was renamed was met once; its writer may still hold it open. */
static void await_first_end(struct world *world, struct dv_reader *reader)
{
    assert_int_equal(dv_reader_more(reader), DV_MORE_LATER);
    for (int i = 0; i < 1000 && reader->gone == 0; i++)
        world_run_ms(world, 1);
    assert_int_equal(reader->gone, 1);
}

static void follow_growth_cutting_and_replacement(void **state)
{
    struct world *world = *state;
    const char *path = world_path(world, "in");
    struct dv_reader reader;
    append_text(path, "one\n");
    open_reader(world, &reader, path, true);
    assert_int_equal(more(world, &reader), DV_MORE_BYTES);
    assert_shows(&reader, "one\n");
    append_text(path, "two\n");
    assert_int_equal(more(world, &reader), DV_MORE_BYTES);
    assert_shows(&reader, "one\ntwo\n");
    dv_reader_take(&reader, 8);
    assert_int_equal(truncate(path, 0), 0);
    append_text(path, "3\n");
    assert_int_equal(more(world, &reader), DV_MORE_RESTART);
    dv_reader_restart(&reader);
    assert_int_equal(reader.offset, 0);
    assert_int_equal(more(world, &reader), DV_MORE_BYTES);
    assert_shows(&reader, "3\n");
    uint64_t inode = reader.facts.inode;
    assert_int_equal(rename(path, world_path(world, "in.1")), 0);
    append_text(path, "new\n");
    await_first_end(world, &reader);
    append_text(world_path(world, "in.1"), "late\n");
    assert_int_equal(more(world, &reader), DV_MORE_BYTES);
    assert_shows(&reader, "3\nlate\n");
    assert_int_equal(more(world, &reader), DV_MORE_RESTART);
    dv_reader_restart(&reader);
    assert_true(reader.facts.inode != inode);
    assert_int_equal(more(world, &reader), DV_MORE_BYTES);
    assert_shows(&reader, "new\n");
    close_reader(world, &reader);
}

static void test_follows_growth_cutting_and_replacement(void **state)
{
    follow_growth_cutting_and_replacement(state);
}

static void test_follows_a_file_that_is_not_in_memory(void **state)
{
    faults()->cache_off = true;
    follow_growth_cutting_and_replacement(state);
}

static void test_reads_a_named_pipe_whose_writer_comes_late(void **state)
{
    struct world *world = *state;
    const char *path = world_path(world, "pipe");
    struct dv_reader reader;
    assert_int_equal(mkfifo(path, 0600), 0);
    open_reader(world, &reader, path, false);
    assert_int_equal(dv_reader_more(&reader), DV_MORE_LATER);
    world_run_ms(world, 50);
    assert_int_equal(dv_reader_more(&reader), DV_MORE_LATER);
    int writer = open(path, O_WRONLY);
    assert_int_equal(write(writer, "one\n", 4), 4);
    assert_int_equal(more(world, &reader), DV_MORE_BYTES);
    assert_shows(&reader, "one\n");
    assert_int_equal(dv_reader_more(&reader), DV_MORE_LATER);
    assert_int_equal(write(writer, "two\n", 4), 4);
    assert_int_equal(more(world, &reader), DV_MORE_BYTES);
    assert_int_equal(close(writer), 0);
    assert_int_equal(more(world, &reader), DV_MORE_END);
    assert_shows(&reader, "one\ntwo\n");
    close_reader(world, &reader);
}

/* Standard input becomes `fd` for the length of a test. */
static int swap_standard(int standard, int fd)
{
    int saved = dup(standard);
    assert_true(saved >= 0 && dup2(fd, standard) == standard);
    return saved;
}

static void restore_standard(int standard, int saved)
{
    assert_int_equal(dup2(saved, standard), standard);
    assert_int_equal(close(saved), 0);
}

static void test_reads_standard_input(void **state)
{
    struct world *world = *state;
    struct dv_reader reader;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int saved = swap_standard(STDIN_FILENO, ends[0]);
    assert_int_equal(write(ends[1], "one\n", 4), 4);
    open_reader(world, &reader, "-", true);
    assert_false(reader.options.follow);
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(more(world, &reader), DV_MORE_BYTES);
    assert_shows(&reader, "one\n");
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(more(world, &reader), DV_MORE_END);
    close_reader(world, &reader);
    restore_standard(STDIN_FILENO, saved);
    assert_int_equal(close(ends[0]), 0);
}

static void test_reads_nothing_from_the_null_device(void **state)
{
    struct world *world = *state;
    struct dv_reader reader;
    open_reader(world, &reader, "/dev/null", true);
    assert_false(reader.streamed);
    assert_int_equal(more(world, &reader), DV_MORE_END);
    close_reader(world, &reader);
}

/* ---- appending ---- */

struct sink {
    struct dv_appender appender;
    unsigned told;
    bool moved;
};

static void on_progress(void *data)
{
    struct sink *sink = data;
    sink->told++;
    sink->moved = true;
}

static struct dv_appender_options how(struct world *world, struct sink *sink, const char *path)
{
    *sink = (struct sink){ 0 };
    return (struct dv_appender_options){ .loop = &world->loop.base,
                                         .sys = &faulty_sys,
                                         .name = "out",
                                         .path = path,
                                         .sync = true,
                                         .progress = on_progress,
                                         .data = sink };
}

static void open_with(struct sink *sink, const struct dv_appender_options *options)
{
    struct dv_error error = { 0 };
    if (dv_appender_open(&sink->appender, options, &error) != DV_OK)
        fail_msg("%s", error.text);
}

static void open_sink(struct world *world, struct sink *sink, const char *path)
{
    struct dv_appender_options options = how(world, sink, path);
    open_with(sink, &options);
}

static bool put(struct sink *sink, const void *bytes, size_t length)
{
    bool never = false;
    char *room = dv_appender_room(&sink->appender, length, &never);
    assert_false(never);
    if (room == NULL)
        return false;
    memcpy(room, bytes, length);
    dv_appender_filled(&sink->appender, length);
    return true;
}

static void close_sink(struct world *world, struct sink *sink)
{
    dv_appender_close(&sink->appender);
    do
        world_run_ms(world, 2);
    while (sink->appender.job.busy);
}

static void assert_file(const char *path, const char *expected)
{
    char found[256];
    size_t length = world_read(path, found, sizeof found);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(found, expected, length);
}

static void test_appends_in_order_and_in_groups(void **state)
{
    struct world *world = *state;
    struct sink sink;
    const char *path = world_path(world, "deep/out");
    open_sink(world, &sink, path);
    unsigned syncs = faults()->syncs;
    assert_int_equal(syncs, 1); /* of the directory */
    char *expected = malloc(BIG);
    size_t total = 0;
    for (uint32_t i = 0; total < BIG - 100; i++) {
        char record[64];
        int length = snprintf(record, sizeof record, "{\"n\":%u,\"filling\":\"................\"}\n", i);
        while (!put(&sink, record, (size_t)length)) {
            sink.moved = false;
            world_run_until(world, &sink.moved);
        }
        memcpy(expected + total, record, (size_t)length);
        total += (size_t)length;
    }
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, total);
    assert_in_range(faults()->syncs - syncs, BIG / DV_FILE_BUFFER, 2 * BIG / DV_FILE_BUFFER);
    close_sink(world, &sink);
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
    open_sink(world, &sink, world_path(world, "out"));
    assert_true(put(&sink, "one\n", 4));
    dv_appender_flush_soon(&sink.appender);
    assert_int_equal(sink.appender.state, DV_APPENDER_IDLE);
    assert_true(put(&sink, "two\n", 4));
    dv_appender_flush_soon(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, 8);
    assert_int_equal(faults()->writes, 1);
    assert_file(world_path(world, "out"), "one\ntwo\n");
    close_sink(world, &sink);
}

static void test_short_writes_are_finished(void **state)
{
    struct world *world = *state;
    struct sink sink;
    faults()->write_short = 7;
    open_sink(world, &sink, world_path(world, "out"));
    assert_true(put(&sink, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n", 24));
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, 24);
    assert_int_equal(faults()->writes, 4);
    close_sink(world, &sink);
    assert_file(world_path(world, "out"), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
}

static void test_a_record_larger_than_the_buffers(void **state)
{
    struct world *world = *state;
    struct sink sink;
    bool never = false;
    char *bytes = random_bytes(BIG, 7);
    open_sink(world, &sink, world_path(world, "out"));
    assert_true(put(&sink, "{\n", 2));
    assert_false(put(&sink, bytes, DV_FILE_BUFFER) && put(&sink, bytes, DV_FILE_BUFFER));
    world_run_while_less(world, &sink.appender.durable, sink.appender.accepted);
    uint64_t before = sink.appender.accepted;
    assert_true(put(&sink, bytes, BIG));
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, before + BIG);
    assert_null(dv_appender_room(&sink.appender, (size_t)DV_FILE_RECORD_MAX + 1, &never));
    assert_true(never);
    assert_true(put(&sink, "}\n", 2));
    close_sink(world, &sink);
    free(bytes);
}

static void test_an_elastic_buffer_grows_while_a_write_runs(void **state)
{
    struct world *world = *state;
    struct sink sink;
    char *bytes = random_bytes(BIG, 8);
    struct dv_appender_options options = how(world, &sink, world_path(world, "out"));
    options.elastic = true;
    open_with(&sink, &options);
    for (size_t at = 0; at < BIG; at += 4096) {
        assert_true(put(&sink, bytes + at, 4096));
        dv_appender_flush(&sink.appender);
    }
    world_run_while_less(world, &sink.appender.durable, BIG);
    close_sink(world, &sink);
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
    open_sink(world, &sink, world_path(world, "out"));
    __atomic_store_n(&faults()->write_error, ENOSPC, __ATOMIC_SEQ_CST);
    assert_true(put(&sink, "{\"a\":1}\n", 8));
    dv_appender_flush(&sink.appender);
    world_run_until(world, &sink.moved);
    assert_string_equal(dv_appender_waits(&sink.appender), "no space left on device");
    assert_false(dv_appender_failed(&sink.appender));
    assert_true(put(&sink, "{\"b\":2}\n", 8));
    world_run_ms(world, 300);
    assert_int_equal(sink.appender.durable, 0);
    __atomic_store_n(&faults()->write_error, 0, __ATOMIC_SEQ_CST);
    world_run_while_less(world, &sink.appender.durable, 16);
    assert_null(dv_appender_waits(&sink.appender));
    close_sink(world, &sink);
    assert_file(world_path(world, "out"), "{\"a\":1}\n{\"b\":2}\n");
}

static void test_a_failed_sync_is_final(void **state)
{
    struct world *world = *state;
    struct sink sink;
    bool never = false;
    open_sink(world, &sink, world_path(world, "out"));
    faults()->sync_fails_at = faults()->syncs + 2;
    assert_true(put(&sink, "{\"a\":1}\n", 8));
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, 8);
    sink.moved = false;
    assert_true(put(&sink, "{\"b\":2}\n", 8));
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
    close_sink(world, &sink);
}

/* The worker reads the appender's buffer: it must have ended when close() gives that back. */
static void test_close_waits_for_the_worker(void **state)
{
    struct world *world = *state;
    struct sink sink;
    open_sink(world, &sink, world_path(world, "out"));
    faults()->sync_ms = 100;
    unsigned before = faults()->syncs;
    assert_true(put(&sink, "{\"a\":1}\n", 8));
    dv_appender_flush(&sink.appender);
    for (int i = 0; i < 1000 && __atomic_load_n(&faults()->syncs, __ATOMIC_SEQ_CST) == before; i++)
        (void)usleep(1000);
    assert_int_equal(faults()->synced, 0);
    dv_appender_close(&sink.appender);
    assert_int_equal(faults()->synced, 1);
    close_sink(world, &sink);
    assert_false(sink.moved);
    assert_file(world_path(world, "out"), "{\"a\":1}\n");
}

static void test_two_writers_are_refused(void **state)
{
    struct world *world = *state;
    struct sink first;
    struct sink second;
    struct dv_error error = { 0 };
    open_sink(world, &first, world_path(world, "out"));
    struct dv_appender_options options = how(world, &second, world_path(world, "out"));
    assert_int_equal(dv_appender_open(&second.appender, &options, &error), DV_E_CONFIG);
    assert_non_null(strstr(error.text, "another process"));
    close_sink(world, &first);
}

/* ---- torn ends ---- */

static void assert_repaired(struct world *world, const char *found, const char *kept)
{
    struct sink sink;
    const char *path = world_path(world, "out");
    world_write(path, found, strlen(found));
    struct dv_appender_options options = how(world, &sink, path);
    options.first = '{';
    open_with(&sink, &options);
    assert_false(sink.appender.quarantined);
    assert_int_equal(sink.appender.repaired, strlen(found) - strlen(kept));
    assert_true(put(&sink, "{\"new\":1}\n", 10));
    dv_appender_flush(&sink.appender);
    world_run_while_less(world, &sink.appender.durable, 10);
    close_sink(world, &sink);
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
        struct dv_appender_options options = how(world, &sink, path);
        options.first = '{';
        open_with(&sink, &options);
        assert_true(sink.appender.quarantined);
        assert_int_equal(world_size(path), 0);
        close_sink(world, &sink);
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
        struct dv_appender_options options = how(world, &sink, path);
        options.record = record_length;
        open_with(&sink, &options);
        assert_false(sink.appender.quarantined);
        close_sink(world, &sink);
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
        struct dv_appender_options options = how(world, &sink, path);
        options.record = record_length;
        open_with(&sink, &options);
        assert_false(sink.appender.quarantined);
        assert_int_equal(sink.appender.repaired, 0);
        close_sink(world, &sink);
        assert_int_equal(world_size(path), at);
    }
    free(bytes);
}

static void test_a_damaged_record_sets_the_file_aside(void **state)
{
    struct world *world = *state;
    struct sink sink;
    world_write(world_path(world, "out"), "R\0\1xR\0\1yQ\0\1z", 12);
    struct dv_appender_options options = how(world, &sink, world_path(world, "out"));
    options.record = record_length;
    open_with(&sink, &options);
    assert_true(sink.appender.quarantined);
    assert_int_equal(world_size(world_path(world, "out.corrupt")), 12);
    close_sink(world, &sink);
}

/* ---- pipes ---- */

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
    open_sink(world, &sink, "-");
    bool streamed = sink.appender.streamed;
    int shared = fcntl(STDOUT_FILENO, F_GETFL);
    bool took = put(&sink, bytes, DV_FILE_BUFFER);
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
    took = took && put(&sink, "x", 1);
    dv_appender_flush(&sink.appender);
    world_run_until(world, &sink.moved);
    bool failed = dv_appender_failed(&sink.appender);
    close_sink(world, &sink);
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
    open_sink(world, &sink, "/dev/full");
    assert_true(put(&sink, "{}\n", 3));
    dv_appender_flush(&sink.appender);
    world_run_until(world, &sink.moved);
    assert_string_equal(dv_appender_waits(&sink.appender), "no space left on device");
    close_sink(world, &sink);
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
    open_sink(world, &sink, path);
    size_t total = 0;
    while (dv_appender_waits(&sink.appender) == NULL) {
        if (put(&sink, bytes + total, 16384))
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
    close_sink(world, &sink);
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
        TEST(test_reads_what_was_written),
        TEST(test_head_and_seek),
        TEST(test_what_cannot_be_read),
        TEST(test_a_bad_disk_is_tried_again),
        TEST(test_follows_growth_cutting_and_replacement),
        TEST(test_follows_a_file_that_is_not_in_memory),
        TEST(test_reads_a_named_pipe_whose_writer_comes_late),
        TEST(test_reads_standard_input),
        TEST(test_reads_nothing_from_the_null_device),
        TEST(test_appends_in_order_and_in_groups),
        TEST(test_a_flush_put_off_takes_all_of_a_turn),
        TEST(test_short_writes_are_finished),
        TEST(test_a_record_larger_than_the_buffers),
        TEST(test_an_elastic_buffer_grows_while_a_write_runs),
        TEST(test_no_space_is_waited_out),
        TEST(test_a_failed_sync_is_final),
        TEST(test_close_waits_for_the_worker),
        TEST(test_two_writers_are_refused),
        TEST(test_torn_lines_are_cut_off),
        TEST(test_a_foreign_file_is_set_aside_whole),
        TEST(test_torn_records_are_cut_off),
        TEST(test_whole_records_over_windows_are_kept),
        TEST(test_a_damaged_record_sets_the_file_aside),
        TEST(test_writes_standard_output_to_a_slow_pipe),
        TEST(test_a_full_device),
        TEST(test_a_small_disk_fills_and_is_emptied),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
