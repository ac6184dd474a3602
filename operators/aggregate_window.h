/* SPDX-License-Identifier: Apache-2.0
 * aggregate_window.h - the groups of one tumbling window, and which of them may be shown.
 *
 * A group may be shown when at least k different subjects are in it (k records, if the schema has no subject), and so
 * may each of its sums and quantiles. All other groups are pooled: those below k, those beyond the `top` largest, and
 * what came when the table was full. The pool is shown as one row if it holds k subjects itself; while it does not,
 * the smallest shown group goes into it, so that nobody who knows a total can subtract his way to a small group.
 *
 * Adding never fails: a group for which there is no room is pooled at once. */
#ifndef DV_OPERATORS_AGGREGATE_WINDOW_H
#define DV_OPERATORS_AGGREGATE_WINDOW_H

#include <stdbool.h>

#include "engine/batch.h"
#include "engine/error.h"
#include "operators/aggregate_sketch.h"

enum { DV_WINDOW_BY_MAX = 2, DV_WINDOW_SUMS_MAX = 8, DV_WINDOW_KEY_MAX = 256, DV_WINDOW_TOP_MAX = DV_BATCH_ROWS - 1 };

/* When a window began and ended, in ms since 1970, the end excluded. */
struct dv_aggregate_span {
    int64_t start_ms, end_ms;
};

/* What is counted; fixed for the life of the graph. Columns are indices into the input's schema. */
struct dv_window_plan {
    uint32_t by[DV_WINDOW_BY_MAX];
    uint32_t by_count;
    uint32_t sums[DV_WINDOW_SUMS_MAX]; /* int or float */
    uint32_t sum_count;
    int32_t quantile; /* int or float, or -1 */
    int32_t subject;  /* or -1: each record is a subject of its own */
    uint32_t k;
    uint32_t top;        /* shown groups, at most DV_WINDOW_TOP_MAX */
    uint32_t groups_max; /* tracked groups */
    bool margins;        /* with totals: aggregate_margins.h */
    const struct dv_schema *schema;
};

/* Different subjects, counted exactly up to k: a hash table of at most k marks. */
struct dv_subjects {
    uint64_t *marks;
    uint32_t count;
};

/* A column's sum within a group. */
struct dv_sum {
    int64_t integer; /* of an int column */
    double number;   /* of a float column */
    bool spilled;    /* the integer passed 64 bits */
    struct dv_subjects subjects;
};

/* One group of a window. */
struct dv_group {
    struct dv_cell by[DV_WINDOW_BY_MAX];
    uint64_t hash;
    uint64_t serial; /* in order of appearance, so that equal groups are shown in a stable order */
    uint64_t count;  /* of records */
    struct dv_subjects subjects;
    struct dv_sum *sums;
    struct dv_sketch *sketch; /* NULL without quantiles */
    struct dv_subjects sketched;
};

struct dv_total;

/* A window. Zero it and call dv_window_init(). */
struct dv_window {
    const struct dv_window_plan *plan;
    struct dv_arena arena; /* the groups of this window; wiped at its end */
    struct dv_group pool;
    struct dv_group **groups; /* groups_max */
    uint32_t group_count;
    const struct dv_total **totals; /* with margins: `top` of them */
    uint32_t *slots; /* hash table of indices into groups, plus 1 */
    uint32_t slot_mask;
    uint32_t mark_mask; /* of every dv_subjects */
    uint64_t seed;
    uint64_t serial;
    uint64_t records;
};

/* What may be shown at the end. The first `shown` of window->groups, in order, then the pool if `pooled`, then `totals`. */
struct dv_window_report {
    uint32_t shown;
    bool pooled;
    uint32_t totals;     /* with margins; then there is no pool */
    uint32_t suppressed; /* groups with fewer than k subjects; with margins those that are hidden, for whichever reason */
};

/* Takes all tables from `arena`, so that later windows cannot fail. `plan` stays the caller's; `seed` keeps the hash
 * table's order secret from who writes the records. DV_E_MEMORY when the arena is full. */
DV_CHECKED dv_rc dv_window_init(struct dv_window *window, const struct dv_window_plan *plan, struct dv_arena *arena,
                                uint64_t seed);

/* Gives the groups' memory back. */
void dv_window_free(struct dv_window *window);

/* Counts every row of `batch`, which has the plan's schema; or rows `from` to `to`, the end excluded. */
void dv_window_add(struct dv_window *window, const struct dv_batch *batch);
void dv_window_add_rows(struct dv_window *window, const struct dv_batch *batch, uint32_t from, uint32_t to);

/* Sorts the groups by size and pools what may not be shown. Once, at the end of the window. */
struct dv_window_report dv_window_close(struct dv_window *window);

/* Whether sum `sum` of a shown group may be shown, and so quantile `q`: it must leave k values on either side. */
bool dv_group_shows_sum(const struct dv_window *window, const struct dv_group *group, uint32_t sum);
bool dv_group_shows_quantile(const struct dv_window *window, const struct dv_group *group, double q);

/* Forgets everything and begins the next window. */
void dv_window_reset(struct dv_window *window);

#endif
