/* SPDX-License-Identifier: Apache-2.0
 * aggregate_margins.c - lays groups out as a table, adds up its lines, and shows what is left when enough is hidden. */
#include "operators/aggregate_margins.h"

#include <stdlib.h>

#include "operators/aggregate_group.h"
#include "privacy/suppress.h"

/* Cells come first among the arcs, in the order of window->groups and the pool behind them, then the totals. */
struct table {
    struct dv_window *window;
    uint32_t cell_count;
    struct dv_total *totals; /* the grand total, then lines as they are found */
    uint32_t total_count;
    uint32_t (*lines_of)[2]; /* of each cell: indices into totals */
    struct dv_suppress_arc *arcs;
};

static uint32_t cells_max(const struct dv_window *window)
{
    return window->plan->groups_max + 1;
}

static uint32_t totals_max(const struct dv_window *window)
{
    return 2 * cells_max(window) + 1;
}

size_t dv_margins_bytes(const struct dv_window *window)
{
    size_t total = sizeof(struct dv_total) + (window->mark_mask + 1) * sizeof(uint64_t);
    size_t arc = sizeof(struct dv_suppress_arc) + 128; /* with what dv_suppress() needs for it and its nodes */
    return totals_max(window) * total + (totals_max(window) + cells_max(window)) * arc +
           cells_max(window) * 2 * sizeof(uint32_t) + DV_ARENA_CHUNK;
}

static const struct dv_group *cell_at(const struct table *table, uint32_t index)
{
    const struct dv_window *window = table->window;
    return index < window->group_count ? window->groups[index] : &window->pool;
}

static bool is_line(const struct dv_window *window, const struct dv_total *total, uint32_t axis,
                    const struct dv_group *group)
{
    bool unnamed = group == &window->pool;
    if (total->axis != axis || unnamed || total->unnamed)
        return total->axis == axis && unnamed && total->unnamed;
    const struct dv_cell *value = &group->by[axis];
    if (!value->present || !total->value.present)
        return value->present == total->value.present;
    if (window->plan->schema->columns[window->plan->by[axis]].type != DV_TYPE_TEXT)
        return value->integer == total->value.integer;
    return value->length == total->value.length && memcmp(value->text, total->value.text, value->length) == 0;
}

/* The index of a new total; UINT32_MAX: the arena is full. */
static uint32_t add_total(struct table *table, uint32_t axis, const struct dv_group *group)
{
    struct dv_window *window = table->window;
    struct dv_total *total = &table->totals[table->total_count];
    DV_ASSERT(table->total_count < totals_max(window));
    total->axis = axis;
    total->unnamed = group == &window->pool;
    if (group != NULL && !total->unnamed)
        total->value = group->by[axis];
    if (!dv_subjects_init(&total->subjects, window, &window->arena))
        return UINT32_MAX;
    return table->total_count++;
}

static uint32_t line_of(struct table *table, uint32_t axis, const struct dv_group *group)
{
    for (uint32_t i = 1; i < table->total_count; i++)
        if (is_line(table->window, &table->totals[i], axis, group))
            return i;
    return add_total(table, axis, group);
}

static void count(struct table *table, uint32_t index, const struct dv_group *group)
{
    struct dv_total *total = &table->totals[index];
    total->count += group->count;
    dv_subjects_merge(&total->subjects, &group->subjects, table->window);
}

static dv_rc lay_out(struct table *table)
{
    struct dv_window *window = table->window;
    table->cell_count = window->group_count + (window->pool.count != 0);
    table->totals = dv_arena_zeroed(&window->arena, totals_max(window), sizeof *table->totals);
    table->lines_of = dv_arena_zeroed(&window->arena, table->cell_count, sizeof *table->lines_of);
    if (table->totals == NULL || table->lines_of == NULL || add_total(table, 2, NULL) != 0)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < table->cell_count; i++) {
        const struct dv_group *group = cell_at(table, i);
        count(table, 0, group);
        for (uint32_t axis = 0; axis < 2; axis++) {
            uint32_t line = line_of(table, axis, group);
            if (line == UINT32_MAX)
                return DV_E_MEMORY;
            table->lines_of[i][axis] = line;
            count(table, line, group);
        }
    }
    return DV_OK;
}

/* Nodes: the line of total i is node i + 1; node 0 is the row of totals and node 1 the column of totals. */
static void make_arcs(struct table *table)
{
    struct dv_window *window = table->window;
    for (uint32_t i = 0; i < table->cell_count; i++) {
        const struct dv_group *group = cell_at(table, i);
        table->arcs[i] = (struct dv_suppress_arc){ .tail = table->lines_of[i][0] + 1, .head = table->lines_of[i][1] + 1,
                                                   .cost = group->count, .hidden = group == &window->pool,
                                                   .small = group->subjects.count < window->plan->k };
    }
    for (uint32_t i = 0; i < table->total_count; i++) {
        const struct dv_total *total = &table->totals[i];
        struct dv_suppress_arc *arc = &table->arcs[table->cell_count + i];
        *arc = (struct dv_suppress_arc){ .cost = total->count, .small = total->subjects.count < window->plan->k,
                                         .hidden = total->unnamed };
        arc->tail = total->axis == 0 ? 1 : total->axis == 1 ? i + 1 : 0;
        arc->head = total->axis == 0 ? i + 1 : total->axis == 1 ? 0 : 1;
    }
}

static int compare(const void *a, const void *b, void *data)
{
    const struct dv_suppress_arc *arcs = data;
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    if (arcs[left].cost != arcs[right].cost)
        return arcs[left].cost > arcs[right].cost ? -1 : 1;
    return left > right ? -1 : left < right; /* a total before its only cell */
}

/* Hides what is not among the `top` largest. */
static dv_rc hide_rest(struct table *table)
{
    struct dv_window *window = table->window;
    uint32_t arc_count = table->cell_count + table->total_count;
    uint32_t *order = dv_arena_zeroed(&window->arena, arc_count, sizeof *order);
    if (order == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < arc_count; i++)
        order[i] = i;
    qsort_r(order, arc_count, sizeof *order, compare, table->arcs);
    for (uint32_t i = window->plan->top; i < arc_count; i++)
        table->arcs[order[i]].hidden = true;
    return DV_OK;
}

static dv_rc choose(struct table *table)
{
    struct dv_window *window = table->window;
    DV_TRY(lay_out(table));
    uint32_t arc_count = table->cell_count + table->total_count;
    table->arcs = dv_arena_zeroed(&window->arena, arc_count, sizeof *table->arcs);
    if (table->arcs == NULL)
        return DV_E_MEMORY;
    make_arcs(table);
    DV_TRY(hide_rest(table));
    return dv_suppress(table->arcs, arc_count, table->total_count + 1, &window->arena);
}

struct dv_window_report dv_margins_close(struct dv_window *window)
{
    struct table table = { .window = window };
    struct dv_window_report report = { 0 };
    dv_rc rc = choose(&table);
    for (uint32_t i = 0; !dv_is_error(rc) && i < window->group_count; i++)
        if (!table.arcs[i].hidden)
            window->groups[report.shown++] = window->groups[i];
    for (uint32_t i = 0; !dv_is_error(rc) && i < table.total_count; i++)
        if (!table.arcs[table.cell_count + i].hidden)
            window->totals[report.totals++] = &table.totals[i];
    report.suppressed = window->group_count - report.shown;
    return report;
}
