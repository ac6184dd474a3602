/* SPDX-License-Identifier: Apache-2.0
 * insights_baseline.h - what is usual for a figure at this hour: medians over the last visits of the hour.
 *
 * Time is cut into slots: the hours of a day or of a week (UTC), or, without a season, one slot only. Each time that a slot
 * comes round is a visit; without a season each window is one. A series keeps the mean of its figure over each of the last
 * `history` visits of each slot; what it expects is their median, so that fewer than half of them, gone wrong, do not move
 * it, and what goes on for longer becomes usual. The visit under way is never part of what it is compared with.
 *
 * How far a figure strays is learnt over all hours: of each window in which something was expected, the last 64 deviations
 * are kept, and their median is the measure. All memory is taken at the start, (series * slots * history) floats. */
#ifndef DV_OPERATORS_INSIGHTS_BASELINE_H
#define DV_OPERATORS_INSIGHTS_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_arena;

enum dv_season { DV_SEASON_NONE, DV_SEASON_DAY, DV_SEASON_WEEK };

enum { DV_BASELINE_HISTORY_MAX = 52, DV_BASELINE_DEVIATIONS = 64, DV_BASELINE_DEVIATIONS_MIN = 8 };

/* Fixed for the life of a graph. */
struct dv_baseline_plan {
    int season;       /* enum dv_season */
    uint32_t history; /* visits kept of each slot, 1 to DV_BASELINE_HISTORY_MAX */
    uint32_t learn;   /* visits before anything is expected, 1 to `history` */
    uint32_t series;
};

/* One figure of one group. */
struct dv_series {
    float *visits; /* slots * history: the mean of each visit; NaN: the figure was not there */
    double sum;    /* of the visit under way, and of how many windows */
    uint32_t windows;
    double usual;  /* cached: the median of the slot, NaN if not enough is known */
    uint32_t deviation_count;
    float deviations[DV_BASELINE_DEVIATIONS];
};

/* Zero it and call dv_baseline_init(). */
struct dv_baseline {
    struct dv_baseline_plan plan;
    uint32_t slots;
    uint32_t slot;           /* of the visit under way */
    bool begun;
    int64_t visit;           /* its number since 1970; without a season a count of windows */
    uint32_t visit_windows;  /* windows in it so far */
    uint64_t *visit_counts;  /* of each slot, since the start */
    uint32_t *window_counts; /* slots * history: windows of each visit */
    struct dv_series *series;
};

/* The bytes that dv_baseline_init() takes. */
size_t dv_baseline_bytes(const struct dv_baseline_plan *plan);

/* Takes all memory from `arena`; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_baseline_init(struct dv_baseline *baseline, const struct dv_baseline_plan *plan,
                                  struct dv_arena *arena);

/* A window begins, at `start_ms` since 1970: ends the visit under way if this one is in another. */
void dv_baseline_window(struct dv_baseline *baseline, int64_t start_ms);

/* What is usual for a series in this window; NaN if fewer than `learn` visits are known. */
double dv_baseline_usual(const struct dv_baseline *baseline, uint32_t series);

/* How many windows stand behind that. */
uint32_t dv_baseline_windows(const struct dv_baseline *baseline);

/* Learns the figure of this window; a NaN is not one. */
void dv_baseline_learn(struct dv_baseline *baseline, uint32_t series, double figure);

/* Learns how far this window's figure was from the usual one, in the caller's measure. */
void dv_baseline_deviates(struct dv_baseline *baseline, uint32_t series, double deviation);

/* The median of the absolute deviations; NaN while fewer than DV_BASELINE_DEVIATIONS_MIN are known. */
double dv_baseline_deviation(const struct dv_baseline *baseline, uint32_t series);

/* Gives a series the past of another. */
void dv_baseline_copy(struct dv_baseline *baseline, uint32_t to, uint32_t from);

/* The median of `count` numbers, which it sorts; NaN of none. */
double dv_median(double *numbers, uint32_t count);

#endif
