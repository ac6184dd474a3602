/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_reader.c - files and pipes are read whole, in order, off the loop, also while they grow, are cut and
 * replaced.
 * shows: ING-13 */
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
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/file.h"
#include "tests/unit/connectors_world.h"

enum { RECORD_MAX = 64 * 1024, BIG = 3 * 1024 * 1024 };

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

static void close_reader(struct world *world, struct dv_reader *reader)
{
    dv_reader_close(reader);
    world_run_dry(world);
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
    for (int i = 0; i < 10000 && dv_reader_waits(&reader) == NULL; i++)
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
