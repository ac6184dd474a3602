/* SPDX-License-Identifier: Apache-2.0
 * exit_guard.h - what looks at the records that reach an exit, before the exit does: filled in by the rooms above.
 *
 * The labels prove where a column may go; they cannot know what somebody typed into it. An exit whose operator has a guard is
 * offered a batch only after the guard has looked at it. Rows with findings are changed or taken out in a batch of the
 * exit's own, so that other readers see nothing of it. The engine knows no types: it counts them by number. */
#ifndef DV_ENGINE_EXIT_GUARD_H
#define DV_ENGINE_EXIT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_batch;
struct dv_node;
struct dv_option;
struct dv_schema;

#define DV_GUARD_OFF "off"

/* What `check` tells of a guard. All texts are literals or in the graph's arena. */
struct dv_guard_account {
    const char *word;   /* "block", DV_GUARD_OFF */
    const char *fields; /* the columns that it looks at, or "(none)" */
    const char *types;  /* what it looks for, parted by ", " */
    const char *why;
};

/* A kind of guard. Const. `state` is `size` bytes, filled from the options under `guard:` of the node. */
struct dv_exit_guard {
    const struct dv_option *options;
    size_t size;
    /* While the file is loaded: chooses among the columns that leave, which are all, or some, of a batch's, `in`. Findings as
     * from transfer(). */
    dv_rc (*load)(struct dv_node *node, void *state, const struct dv_schema *leaving, const struct dv_schema *in);
    /* Whether there is anything to look at, and whether it may change batches. */
    bool (*looks)(const void *state);
    bool (*edits)(const void *state);
    struct dv_guard_account (*account)(const void *state);
    /* Only if it looks: */
    dv_rc (*open)(struct dv_node *node, void *state);
    /* Looks at a batch that others may read; adds to counts[type]. True: mend() is to be called. */
    bool (*look)(struct dv_node *node, void *state, const struct dv_batch *batch, uint64_t *counts);
    /* Changes the rows with findings, or rejects them. The batch has no other reader. */
    dv_rc (*mend)(struct dv_node *node, void *state, struct dv_batch *batch);
    void (*close)(void *state);
    const char *(*type_name)(uint32_t type); /* NULL: no such type */
};

/* During load(): what the nodes before the exit name by `sought`, the first `max` of it; gives how much there is. A reload that
 * changes the files of such a node makes the exit anew, too. */
uint32_t dv_exit_guard_sought(struct dv_node *node, const void **ret_sought, uint32_t max);

#endif
