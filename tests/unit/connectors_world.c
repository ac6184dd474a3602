/* SPDX-License-Identifier: Apache-2.0
 * connectors_world.c - a loop, a directory of its own and scripted system calls, for the tests of the connectors. */
#include "tests/unit/connectors_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include "engine/log.h"
#include "engine/random.h"

static struct faults script;

struct faults *faults(void)
{
    return &script;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
    int error = __atomic_load_n(&script.open_error, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&script.opens, 1, __ATOMIC_SEQ_CST);
    if (error != 0 && (flags & O_ACCMODE) != O_RDONLY) {
        errno = error;
        return -1;
    }
    return dv_sys_real.open(path, flags, mode);
}

static ssize_t faulty_pread(int fd, void *buffer, size_t size, off_t offset)
{
    int error = __atomic_load_n(&script.read_error, __ATOMIC_SEQ_CST);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return dv_sys_real.pread(fd, buffer, size, offset);
}

static ssize_t faulty_pread_cached(int fd, void *buffer, size_t size, off_t offset)
{
    int error = script.cache_off ? EAGAIN : __atomic_load_n(&script.read_error, __ATOMIC_SEQ_CST);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return dv_sys_real.pread_cached(fd, buffer, size, offset);
}

/* How much of a write goes through; -1: none, with errno. */
static ssize_t allowed(size_t size)
{
    int error = __atomic_load_n(&script.write_error, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&script.writes, 1, __ATOMIC_SEQ_CST);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return script.write_short != 0 && size > script.write_short ? (ssize_t)script.write_short : (ssize_t)size;
}

static ssize_t faulty_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
    ssize_t part = allowed(size);
    return part < 0 ? -1 : dv_sys_real.pwrite(fd, buffer, (size_t)part, offset);
}

static ssize_t faulty_write(int fd, const void *buffer, size_t size)
{
    ssize_t part = allowed(size);
    return part < 0 ? -1 : dv_sys_real.write(fd, buffer, (size_t)part);
}

static bool sync_fails(void)
{
    unsigned count = __atomic_add_fetch(&script.syncs, 1, __ATOMIC_SEQ_CST);
    errno = EIO;
    return count == script.sync_fails_at;
}

static int faulty_fdatasync(int fd)
{
    bool fails = sync_fails();
    while (__atomic_load_n(&script.sync_held, __ATOMIC_SEQ_CST))
        (void)usleep(1000);
    int result = dv_sys_real.fdatasync(fd);
    __atomic_add_fetch(&script.synced, 1, __ATOMIC_SEQ_CST);
    errno = fails ? EIO : errno;
    return fails ? -1 : result;
}

static int faulty_fsync(int fd)
{
    return sync_fails() ? -1 : dv_sys_real.fsync(fd);
}

static int faulty_rename(const char *from, const char *to)
{
    errno = script.rename_error;
    return script.rename_error != 0 ? -1 : dv_sys_real.rename(from, to);
}

static int real_ftruncate(int fd, off_t length)
{
    return dv_sys_real.ftruncate(fd, length);
}

static int real_close(int fd)
{
    return dv_sys_real.close(fd);
}

const struct dv_sys faulty_sys = {
    .open = faulty_open,
    .pread = faulty_pread,
    .pread_cached = faulty_pread_cached,
    .pwrite = faulty_pwrite,
    .write = faulty_write,
    .ftruncate = real_ftruncate,
    .fdatasync = faulty_fdatasync,
    .fsync = faulty_fsync,
    .rename = faulty_rename,
    .close = real_close,
};

int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    script = (struct faults){ 0 };
    dv_log_setup(DV_LOG_ERROR, false);
    (void)snprintf(world->directory, sizeof world->directory, "/tmp/dv-connectors-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    assert_int_equal(uv_loop_init(&world->uv), 0);
    assert_int_equal(dv_loop_real_init(&world->loop, &world->uv), DV_OK);
    *state = world;
    return 0;
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about;
    (void)kind;
    (void)ftw;
    return remove(path);
}

int world_teardown(void **state)
{
    struct world *world = *state;
    dv_loop_real_close(&world->loop);
    assert_int_equal(uv_run(&world->uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&world->uv), 0);
    assert_int_equal(nftw(world->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(world);
    return 0;
}

const char *world_path(const struct world *world, const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", world->directory, name);
    return path;
}

static void on_deadline(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* One turn of the loop that a deadline can end. */
static void run_until(struct world *world, bool (*done)(const void *), const void *data, uint64_t ms, bool must)
{
    bool late = false;
    uv_timer_t timer;
    assert_int_equal(uv_timer_init(&world->uv, &timer), 0);
    timer.data = &late;
    uv_update_time(&world->uv);
    assert_int_equal(uv_timer_start(&timer, on_deadline, ms, 0), 0);
    while (!late && !done(data))
        (void)uv_run(&world->uv, UV_RUN_ONCE);
    bool reached = done(data);
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&world->uv, UV_RUN_NOWAIT);
    if (must && !reached)
        fail_msg("nothing happened for %llu ms", (unsigned long long)ms);
}

static bool is_set(const void *data)
{
    return *(const bool *)data;
}

void world_run_until(struct world *world, const bool *flag)
{
    run_until(world, is_set, flag, 10000, true);
}

struct target {
    const uint64_t *number;
    uint64_t target;
};

static bool has_reached(const void *data)
{
    const struct target *target = data;
    return *target->number >= target->target;
}

void world_run_while_less(struct world *world, const uint64_t *number, uint64_t target)
{
    struct target wanted = { number, target };
    run_until(world, has_reached, &wanted, 10000, true);
}

static bool never(const void *data)
{
    (void)data;
    return false;
}

void world_run_ms(struct world *world, uint64_t ms)
{
    run_until(world, never, NULL, ms, false);
}

void world_run_dry(struct world *world)
{
    do
        world_run_ms(world, 1);
    while (world->loop.base.away > 0);
}

void world_write(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

size_t world_read(const char *path, void *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(bytes, 1, size, file);
    assert_int_equal(fclose(file), 0);
    return length;
}

long world_size(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 ? (long)about.st_size : -1;
}

char *random_bytes(size_t length, uint64_t seed)
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

int swap_standard(int standard, int fd)
{
    int saved = dup(standard);
    assert_true(saved >= 0 && dup2(fd, standard) == standard);
    return saved;
}

void restore_standard(int standard, int saved)
{
    assert_int_equal(dup2(saved, standard), standard);
    assert_int_equal(close(saved), 0);
}
