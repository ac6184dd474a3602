/* SPDX-License-Identifier: Apache-2.0
 * insights_find.h - what is remarkable in a window of groups, compared with those before it. No I/O, no clock.
 *
 * Each group that is shown is tested for growth (its count against what is usual at this hour) and each of its measures for
 * being unusual (robust z); the window as a whole for drift (its groups' shares). All tests of a window are one family, whose
 * false discoveries are held at `alpha` by Benjamini and Hochberg. Something is said only if it is large as well as
 * improbable.
 *
 * A group that is not shown had at most as many records as the smallest that is shown beside a pool, or fewer than k: that
 * bound is learnt as its count, so a group that comes out of the pool is not news. All groups that were never seen share one
 * such past, which a new group begins with.
 *
 * There are `groups` places. A group for which there is none is not tested and is counted in `untracked`, until one that has
 * not been shown for the whole of the history gives up its place.
 *
 * Privacy. All that is said is computed from rows that may be shown already, each of k subjects or more, and windows have no
 * record in common; so whoever has the rows learns nothing new. On top of that growth is told only if the count is at least
 * k above the usual one: no difference between what two windows tell is made by fewer. */
#ifndef DV_OPERATORS_INSIGHTS_FIND_H
#define DV_OPERATORS_INSIGHTS_FIND_H

#include "operators/insights_baseline.h"

enum { DV_INSIGHTS_MEASURES_MAX = 8, DV_INSIGHTS_KEY_MAX = 320, DV_INSIGHTS_ROWS_MAX = 256, DV_INSIGHTS_SAID_MAX = 64 };

enum dv_insight_kind { DV_INSIGHT_EMERGING, DV_INSIGHT_ANOMALY, DV_INSIGHT_DRIFT, DV_INSIGHT_TOP, DV_INSIGHT_KINDS };

/* How growth is tested: counts against counts (negative binomial), or shares of the window (beta-binomial). */
enum dv_insights_test { DV_INSIGHTS_COUNT, DV_INSIGHTS_SHARE };

/* Fixed for the life of a graph. */
struct dv_insights_plan {
    struct dv_baseline_plan baseline; /* `series` is filled by dv_insights_plan() */
    int test;                         /* enum dv_insights_test */
    double alpha;
    double min_count, k;
    double growth; /* count / usual */
    double shift;  /* measure / usual, or usual / measure */
    double drift;  /* population stability index */
    uint32_t top;
    uint32_t groups;
    uint32_t measures;
};

/* A group of a window. */
struct dv_insights_row {
    const char *key; /* what it is told apart by */
    uint32_t key_length;
    double count;
    double measures[DV_INSIGHTS_MEASURES_MAX]; /* NaN: not there */
};

/* A window as `aggregate` gives it. */
struct dv_insights_window {
    int64_t start_ms, end_ms;
    const struct dv_insights_row *rows; /* without the pool */
    uint32_t row_count;                 /* at most DV_INSIGHTS_ROWS_MAX */
    double pool;                        /* records of the pool, NaN if it is not shown */
    bool suppressed;                    /* there are groups that are not shown */
};

/* One thing to say. What a kind does not have is NaN. */
struct dv_insight {
    enum dv_insight_kind kind;
    int32_t row;     /* of the window, or -1: the window as a whole */
    int32_t measure; /* or -1: the count */
    double observed, expected;
    double effect; /* emerging, anomaly: observed / expected; drift: the index; top: the share of the window's records */
    double score;  /* standard deviations; drift: chi-square */
    double p, q;
    uint32_t windows; /* behind `expected` */
};

/* How large it is: the effect, or one over it where less than usual counts as much as more. */
double dv_insight_size(const struct dv_insight *insight);

struct dv_insights_place;

/* Zero it and call dv_insights_init(). */
struct dv_insights {
    struct dv_insights_plan plan;
    struct dv_baseline baseline;
    struct dv_insights_place *places;
    uint32_t *heads; /* chains of places, plus 1 */
    uint32_t head_mask;
    uint32_t place_count;
    int64_t usual_ms; /* length of the first window: counts of others are compared in proportion */
    uint64_t windows;
    uint64_t untracked; /* groups of windows that found no place */
    uint64_t seed;
    struct dv_insight found[DV_INSIGHTS_ROWS_MAX * (1 + DV_INSIGHTS_MEASURES_MAX) + 1];
    double deviations[DV_INSIGHTS_ROWS_MAX * (1 + DV_INSIGHTS_MEASURES_MAX) + 1]; /* of each, as dv_baseline_deviates() takes it */
    double p[DV_INSIGHTS_ROWS_MAX * (1 + DV_INSIGHTS_MEASURES_MAX) + 1];
    double q[DV_INSIGHTS_ROWS_MAX * (1 + DV_INSIGHTS_MEASURES_MAX) + 1];
    uint32_t order[DV_INSIGHTS_ROWS_MAX * (1 + DV_INSIGHTS_MEASURES_MAX) + 1];
    uint32_t found_count;
};

/* Fills what follows from the rest of the plan; gives back the bytes that dv_insights_init() takes beside the struct. */
size_t dv_insights_plan(struct dv_insights_plan *plan);

/* Takes all memory from `arena`; `seed` keeps the table's order secret. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_insights_init(struct dv_insights *insights, const struct dv_insights_plan *plan,
                                  struct dv_arena *arena, uint64_t seed);

/* Judges a window and then learns from it. Fills `ret`, the least probable first, then the `top` largest groups; returns how
 * many, at most DV_INSIGHTS_SAID_MAX. */
uint32_t dv_insights_window(struct dv_insights *insights, const struct dv_insights_window *window,
                            struct dv_insight ret[DV_INSIGHTS_SAID_MAX]);

#endif
