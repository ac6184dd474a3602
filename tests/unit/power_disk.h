/* SPDX-License-Identifier: Apache-2.0
 * power_disk.h - a disk whose power can go, under the accounts of ε: real files, and beside them what of them is durable.
 *
 * Several programs share it. Each change of the disk may be the last one of the program that asks for it: it is killed
 * there, before the change or after it, and what it asks for later fails. After a cut of the power the files are what was
 * synced; of what was not, some or other part. Only account files are known to it: replaced whole, `FILE.new` first. */
#ifndef DV_TESTS_POWER_DISK_H
#define DV_TESTS_POWER_DISK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connectors/ledger.h"
#include "connectors/sys.h"
#include "engine/random.h"

enum { POWER_FILES = 4, POWER_PROGRAMS = 4, POWER_FDS = 256 };

/* What a file holds. */
struct power_bytes {
    char text[DV_LEDGER_BYTES];
    size_t length;
    bool there, whole; /* whole: its bytes are synced */
};

struct power_file {
    char path[PATH_MAX];
    struct power_bytes seen;    /* what programs read now */
    struct power_bytes durable; /* what stays whatever comes */
    struct power_bytes fresh;   /* FILE.new */
};

struct power_program {
    bool dead;
    int64_t life;      /* changes until it dies; -1: it does not */
    unsigned faults;   /* how many of a hundred syncs and renames fail */
    unsigned failed;   /* that did */
};

/* One disk at a time: the system calls have no place for another. */
struct power_disk {
    struct dv_sys sys; /* for dv_account and dv_bank */
    struct dv_random random;
    struct power_program programs[POWER_PROGRAMS];
    unsigned running; /* whose calls come now */
    struct power_file files[POWER_FILES];
    unsigned file_count;
    int open_file[POWER_FDS]; /* by descriptor: 1 + the file whose .new it is, or 0 */
    uint64_t changes;
    /* Told of each new content of a file, before any program can see it. */
    void (*changed)(const struct power_file *file, const struct power_bytes *next, void *data);
    void *data;
};

extern struct power_disk power_disk;

/* An empty disk. What lies in the directories of earlier ones is not in it: its programs use new ones. */
void power_disk_begin(uint64_t seed);

/* The power goes and comes back: every program is dead, and the files are what a disk may have kept of them. */
void power_disk_cut(void);

/* A program begins anew. */
void power_disk_start(unsigned program, unsigned faults);

#endif
