/* SPDX-License-Identifier: Apache-2.0
 * connectors_world.h - a loop, a directory of its own and scripted system calls, for the tests of the connectors. */
#ifndef DV_TESTS_CONNECTORS_WORLD_H
#define DV_TESTS_CONNECTORS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connectors/sys.h"
#include "engine/loop.h"

/* One test's surroundings. */
struct world {
    uv_loop_t uv;
    struct dv_loop_real loop;
    char directory[64];
};

/* For cmocka: *state is the world, whose directory is empty; and the end, where no handle may be left. */
int world_setup(void **state);
int world_teardown(void **state);

/* A path in the world's directory; the newest eight are valid. */
const char *world_path(const struct world *world, const char *name);

/* Runs the loop until `*flag`, for 10 s at most, and fails the test otherwise. */
void world_run_until(struct world *world, const bool *flag);
/* The same for a number that grows. */
void world_run_while_less(struct world *world, const uint64_t *number, uint64_t target);
void world_run_ms(struct world *world, uint64_t ms);
/* Until nothing comes back any more into the memory of who has closed: then it may be used again. */
void world_run_dry(struct world *world);

/* Writes and reads a whole file of the test's; world_size() is -1 if there is none. */
void world_write(const char *path, const void *bytes, size_t length);
size_t world_read(const char *path, void *bytes, size_t size);
long world_size(const char *path);

/* Bytes to be freed, with room for eight more. */
char *random_bytes(size_t length, uint64_t seed);

/* A standard descriptor becomes `fd` for the length of a test: what to restore it with. */
int swap_standard(int standard, int fd);
void restore_standard(int standard, int saved);

/* The system calls with faults. Counted from 1, over all threads; 0: never. */
struct faults {
    int write_error;        /* every write fails with this errno while it is not 0 */
    unsigned write_short;   /* each write takes at most so many bytes, if not 0 */
    unsigned sync_fails_at; /* the n-th fdatasync or fsync fails with EIO */
    int open_error;         /* every open for writing fails with this errno */
    int rename_error;
    int read_error;
    bool cache_off;                /* nothing is in the kernel's memory: every read takes a worker */
    bool sync_held;                /* an fdatasync that has begun lasts as long as this is set */
    unsigned writes, syncs, opens; /* counted as they begin */
    unsigned synced;               /* fdatasync calls that are over */
};

/* The table and its script; the script is zero at the start of each test. */
extern const struct dv_sys faulty_sys;
struct faults *faults(void);

#endif
