/* SPDX-License-Identifier: Apache-2.0
 * insights_baseline.c - rings of visits, and medians over them. */
#include "operators/insights_baseline.h"

#include <math.h>
#include <string.h>

#include "engine/arena.h"

_Static_assert((int)DV_BASELINE_HISTORY_MAX <= (int)DV_BASELINE_DEVIATIONS, "median_of() holds either");

enum { HOUR_MS = 3600000, DAY_HOURS = 24, WEEK_HOURS = 168, MONDAY_HOURS = 72 }; /* 1970 began on a Thursday */

static uint32_t slots_of(int season)
{
    return season == DV_SEASON_NONE ? 1 : season == DV_SEASON_DAY ? DAY_HOURS : WEEK_HOURS;
}

static size_t cells_of(const struct dv_baseline_plan *plan)
{
    return (size_t)slots_of(plan->season) * plan->history;
}

size_t dv_baseline_bytes(const struct dv_baseline_plan *plan)
{
    size_t series = sizeof(struct dv_series) + cells_of(plan) * sizeof(float);
    return plan->series * series + cells_of(plan) * (sizeof(uint32_t) + sizeof(uint64_t));
}

dv_rc dv_baseline_init(struct dv_baseline *baseline, const struct dv_baseline_plan *plan, struct dv_arena *arena)
{
    size_t cells = cells_of(plan);
    DV_ASSERT(plan->history > 0 && plan->history <= DV_BASELINE_HISTORY_MAX && plan->learn <= plan->history);
    baseline->plan = *plan;
    baseline->slots = slots_of(plan->season);
    baseline->visit_counts = dv_arena_zeroed(arena, baseline->slots, sizeof *baseline->visit_counts);
    baseline->window_counts = dv_arena_zeroed(arena, cells, sizeof *baseline->window_counts);
    baseline->series = dv_arena_zeroed(arena, plan->series, sizeof *baseline->series);
    if (baseline->visit_counts == NULL || baseline->window_counts == NULL || baseline->series == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < plan->series; i++) {
        struct dv_series *series = &baseline->series[i];
        series->usual = NAN;
        series->visits = dv_arena_zeroed(arena, cells, sizeof *series->visits);
        if (series->visits == NULL)
            return DV_E_MEMORY;
        for (size_t cell = 0; cell < cells; cell++)
            series->visits[cell] = NAN;
    }
    return DV_OK;
}

double dv_median(double *numbers, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        double number = numbers[i];
        uint32_t at = i;
        for (; at > 0 && numbers[at - 1] > number; at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = number;
    }
    if (count == 0)
        return NAN;
    return (numbers[(count - 1) / 2] + numbers[count / 2]) / 2;
}

static double median_of(const float *from, uint32_t count, uint32_t at_least)
{
    double numbers[DV_BASELINE_DEVIATIONS]; /* the longer of both */
    uint32_t known = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!isnan(from[i]))
            numbers[known++] = (double)from[i];
    return known >= at_least ? dv_median(numbers, known) : NAN;
}

static void end_visit(struct dv_baseline *baseline)
{
    size_t cell = (size_t)baseline->slot * baseline->plan.history +
                  baseline->visit_counts[baseline->slot]++ % baseline->plan.history;
    baseline->window_counts[cell] = baseline->visit_windows;
    for (uint32_t i = 0; i < baseline->plan.series; i++) {
        struct dv_series *series = &baseline->series[i];
        series->visits[cell] = series->windows > 0 ? (float)(series->sum / series->windows) : NAN;
        series->sum = 0;
        series->windows = 0;
    }
    baseline->visit_windows = 0;
}

static void find_usual(struct dv_baseline *baseline, uint32_t i)
{
    const struct dv_baseline_plan *plan = &baseline->plan;
    struct dv_series *series = &baseline->series[i];
    series->usual = median_of(series->visits + (size_t)baseline->slot * plan->history, plan->history, plan->learn);
}

void dv_baseline_window(struct dv_baseline *baseline, int64_t start_ms)
{
    int64_t hour = start_ms / HOUR_MS;
    int64_t visit = baseline->plan.season == DV_SEASON_NONE ? baseline->visit + 1 : hour;
    if (!baseline->begun || visit != baseline->visit) {
        if (baseline->begun)
            end_visit(baseline);
        int64_t slot = (hour + MONDAY_HOURS) % (int64_t)baseline->slots;
        baseline->slot = (uint32_t)(slot < 0 ? slot + baseline->slots : slot);
        baseline->visit = visit;
        baseline->begun = true;
        for (uint32_t i = 0; i < baseline->plan.series; i++)
            find_usual(baseline, i);
    }
    baseline->visit_windows++;
}

double dv_baseline_usual(const struct dv_baseline *baseline, uint32_t series)
{
    return baseline->series[series].usual;
}

uint32_t dv_baseline_windows(const struct dv_baseline *baseline)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < baseline->plan.history; i++)
        sum += baseline->window_counts[(size_t)baseline->slot * baseline->plan.history + i];
    return sum;
}

void dv_baseline_learn(struct dv_baseline *baseline, uint32_t series, double figure)
{
    if (isnan(figure))
        return;
    baseline->series[series].sum += figure;
    baseline->series[series].windows++;
}

void dv_baseline_deviates(struct dv_baseline *baseline, uint32_t series, double deviation)
{
    struct dv_series *at = &baseline->series[series];
    if (!isnan(deviation))
        at->deviations[at->deviation_count++ % DV_BASELINE_DEVIATIONS] = (float)fabs(deviation);
}

double dv_baseline_deviation(const struct dv_baseline *baseline, uint32_t series)
{
    const struct dv_series *at = &baseline->series[series];
    uint32_t known = at->deviation_count < DV_BASELINE_DEVIATIONS ? at->deviation_count : DV_BASELINE_DEVIATIONS;
    return median_of(at->deviations, known, DV_BASELINE_DEVIATIONS_MIN);
}

void dv_baseline_copy(struct dv_baseline *baseline, uint32_t to, uint32_t from)
{
    struct dv_series *target = &baseline->series[to];
    float *visits = target->visits;
    memcpy(visits, baseline->series[from].visits, cells_of(&baseline->plan) * sizeof *visits);
    *target = baseline->series[from];
    target->visits = visits;
}
