/* SPDX-License-Identifier: Apache-2.0
 * checkpoint.h - how far a source has come, in a small file that is replaced whole: `<directory>/<node>.checkpoint`.
 *
 * A save writes a new file beside the old one, syncs it, renames it and syncs the directory, all in a worker job; a
 * crash leaves the old state or the new one. A file that is damaged in any bit is set aside as `.corrupt` and counts as
 * none: the source then starts at its beginning, and what it delivers again meets its own ids in the stores.
 *
 * The text, in one spelling only:
 *
 *     datavault checkpoint 1
 *     source 0123456789abcdef
 *     offset 123456
 *     line 789
 *     records 780
 *     check 0123456789abcdef
 */
#ifndef DV_CONNECTORS_CHECKPOINT_H
#define DV_CONNECTORS_CHECKPOINT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "connectors/job.h"
#include "connectors/sys.h"
#include "engine/loop.h"

enum { DV_CHECKPOINT_EVERY_MS = 200, DV_CHECKPOINT_RETRY_MS = 1000, DV_CHECKPOINT_BYTES = 192 };

/* What is kept. */
struct dv_checkpoint {
    uint64_t source;  /* hash that names the file the offsets belong to */
    uint64_t offset;  /* all before it is durable downstream */
    uint64_t line;    /* lines before it */
    uint64_t records; /* records before it */
};

enum dv_checkpoint_state {
    DV_CHECKPOINT_CLOSED,
    DV_CHECKPOINT_IDLE,
    DV_CHECKPOINT_PAUSING, /* for the timer: saved a moment ago, or a save failed */
    DV_CHECKPOINT_SAVING,
    DV_CHECKPOINT_STATES
};

struct dv_checkpoint_options {
    struct dv_loop *loop;
    const struct dv_sys *sys;    /* &dv_sys_real */
    const char *directory;       /* made with mode 0700 if it is missing */
    const char *name;            /* of the node: a DV_NAME */
    void (*resumed)(void *data); /* from the loop: saves succeed again; may be NULL */
    void *data;
};

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). */
struct dv_checkpoints {
    struct dv_checkpoint_options options;
    enum dv_checkpoint_state state;
    struct dv_checkpoint newest; /* to be saved */
    struct dv_checkpoint saving; /* the worker's */
    bool dirty;                  /* `newest` is newer than what was saved */
    bool quarantined;            /* open() set a damaged file aside */
    int error;                   /* errno of the last save, or 0; the worker's while it saves */
    const char *reason;          /* why nothing is saved, a literal, or NULL */
    struct dv_job job;
    struct dv_timer timer;
    char path[PATH_MAX];
    char fresh[PATH_MAX]; /* the file beside it that becomes it */
};

/* Opens and reads what is there into *ret; *ret_found is false if there is nothing, or nothing sound. Errors: DV_E_IO,
 * DV_E_FULL: the directory cannot be made or read. */
DV_CHECKED dv_rc dv_checkpoint_open(struct dv_checkpoints *checkpoints, const struct dv_checkpoint_options *options,
                                    struct dv_checkpoint *ret, bool *ret_found, struct dv_error *error);

/* Notes how far the source has come; it is saved soon, at most every DV_CHECKPOINT_EVERY_MS, and at the close. */
void dv_checkpoint_save(struct dv_checkpoints *checkpoints, const struct dv_checkpoint *checkpoint);

/* Why nothing is saved, a literal, or NULL. Saves are tried again until one succeeds. */
const char *dv_checkpoint_waits(const struct dv_checkpoints *checkpoints);

/* Saves what is newest, which may block, and closes. DV_E_IO or DV_E_FULL if that failed: what was saved before stays.
 * Accepts a zeroed object. */
dv_rc dv_checkpoint_close(struct dv_checkpoints *checkpoints);

/* The file's text, and back; the latter is false for anything but what the former writes. */
size_t dv_checkpoint_print(const struct dv_checkpoint *checkpoint, char text[DV_CHECKPOINT_BYTES]);
bool dv_checkpoint_parse(struct dv_checkpoint *ret, const char *text, size_t length);

#endif
