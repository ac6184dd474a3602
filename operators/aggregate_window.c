/* SPDX-License-Identifier: Apache-2.0
 * aggregate_window.c - a hash table of groups that never refuses a record. */
#include "operators/aggregate_window.h"

#include <math.h>
#include <stdlib.h>

#include "operators/aggregate_group.h"
#include "operators/aggregate_margins.h"

/* The least power of two that is not below `count`. */
static uint32_t power_of_two(uint32_t count)
{
    uint32_t size = 8;
    while (size < count)
        size *= 2;
    return size;
}

dv_rc dv_window_init(struct dv_window *window, const struct dv_window_plan *plan, struct dv_arena *arena, uint64_t seed)
{
    DV_ASSERT(plan->k > 0 && plan->top > 0 && plan->top <= DV_WINDOW_TOP_MAX && plan->groups_max > 0);
    DV_ASSERT(plan->by_count <= DV_WINDOW_BY_MAX && plan->sum_count <= DV_WINDOW_SUMS_MAX);
    window->plan = plan;
    window->seed = seed;
    window->slot_mask = power_of_two(2 * plan->groups_max) - 1;
    window->mark_mask = power_of_two(2 * plan->k) - 1;
    window->groups = dv_arena_zeroed(arena, plan->groups_max, sizeof(struct dv_group *));
    window->slots = dv_arena_zeroed(arena, window->slot_mask + 1, sizeof *window->slots);
    window->totals = dv_arena_zeroed(arena, plan->margins ? plan->top : 1, sizeof *window->totals);
    if (window->totals == NULL || window->groups == NULL || window->slots == NULL || !dv_group_init(&window->pool, window, arena))
        return DV_E_MEMORY;
    /* A chunk's end may go to waste, which is what the quarter is for. */
    size_t bytes = plan->groups_max * dv_group_bytes(window) + (plan->margins ? dv_margins_bytes(window) : 0);
    dv_arena_init(&window->arena, bytes + bytes / 4 + DV_ARENA_CHUNK);
    return DV_OK;
}

void dv_window_free(struct dv_window *window)
{
    dv_arena_free(&window->arena);
}

/* A new group for the row, or NULL if there is no room for it. */
static struct dv_group *add_group(struct dv_window *window, const struct dv_batch *batch, uint32_t row, uint64_t hash)
{
    if (window->group_count == window->plan->groups_max)
        return NULL;
    struct dv_group *group = dv_arena_zeroed(&window->arena, 1, sizeof *group);
    if (group == NULL || !dv_group_init(group, window, &window->arena) ||
        !dv_group_name(group, window, batch, row))
        return NULL;
    group->hash = hash;
    group->serial = window->serial++;
    window->groups[window->group_count++] = group;
    return group;
}

static struct dv_group *find_group(struct dv_window *window, const struct dv_batch *batch, uint32_t row)
{
    uint64_t hash = dv_group_hash(window, batch, row);
    uint32_t slot = (uint32_t)(hash >> 32) & window->slot_mask;
    /* Half of the slots stay empty, so the walk ends. */
    for (; window->slots[slot] != 0; slot = (slot + 1) & window->slot_mask) {
        struct dv_group *group = window->groups[window->slots[slot] - 1];
        if (group->hash == hash && dv_group_is(group, window, batch, row))
            return group;
    }
    struct dv_group *group = add_group(window, batch, row, hash);
    if (group == NULL)
        return &window->pool;
    window->slots[slot] = window->group_count;
    return group;
}

void dv_window_add_rows(struct dv_window *window, const struct dv_batch *batch, uint32_t from, uint32_t to)
{
    DV_ASSERT(batch->schema->column_count == window->plan->schema->column_count && from <= to && to <= batch->rows);
    for (uint32_t row = from; row < to; row++)
        dv_group_add(find_group(window, batch, row), window, batch, row);
    window->records += to - from;
}

void dv_window_add(struct dv_window *window, const struct dv_batch *batch)
{
    dv_window_add_rows(window, batch, 0, batch->rows);
}

/* Larger groups first; of two equal ones the older. */
static int compare(const void *a, const void *b)
{
    const struct dv_group *left = *(struct dv_group *const *)a;
    const struct dv_group *right = *(struct dv_group *const *)b;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return left->serial < right->serial ? -1 : 1;
}

struct dv_window_report dv_window_close(struct dv_window *window)
{
    const struct dv_window_plan *plan = window->plan;
    struct dv_window_report report = { 0 };
    qsort(window->groups, window->group_count, sizeof(struct dv_group *), compare);
    if (plan->margins)
        return dv_margins_close(window);
    for (uint32_t i = 0; i < window->group_count; i++) {
        struct dv_group *group = window->groups[i];
        bool small = group->subjects.count < plan->k;
        report.suppressed += small;
        if (small || report.shown == plan->top)
            dv_group_merge(&window->pool, group, window);
        else
            window->groups[report.shown++] = group;
    }
    bool pool = window->pool.count != 0;
    while (pool && window->pool.subjects.count < plan->k && report.shown > 0)
        dv_group_merge(&window->pool, window->groups[--report.shown], window);
    report.pooled = pool && window->pool.subjects.count >= plan->k;
    return report;
}

bool dv_group_shows_sum(const struct dv_window *window, const struct dv_group *group, uint32_t sum)
{
    DV_ASSERT(sum < window->plan->sum_count);
    return !group->sums[sum].spilled && group->sums[sum].subjects.count >= window->plan->k;
}

bool dv_group_shows_quantile(const struct dv_window *window, const struct dv_group *group, double q)
{
    DV_ASSERT(group->sketch != NULL);
    double beyond = floor((double)group->sketch->count * fmin(q, 1 - q));
    return group->sketched.count >= window->plan->k && beyond >= window->plan->k;
}

void dv_window_reset(struct dv_window *window)
{
    dv_arena_reset(&window->arena);
    dv_group_clear(&window->pool, window);
    memset(window->slots, 0, (window->slot_mask + 1) * sizeof *window->slots);
    window->group_count = 0;
    window->records = 0;
    window->serial = 0;
}
