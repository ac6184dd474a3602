/* SPDX-License-Identifier: Apache-2.0
 * aggregate_group.c - counting within a group. */
#include "operators/aggregate_group.h"

#include "engine/id.h"

static const uint64_t MULTIPLIER = UINT64_C(0x9E3779B97F4A7C15);

static bool is_text(const struct dv_window *window, uint32_t column)
{
    return window->plan->schema->columns[column].type == DV_TYPE_TEXT;
}

static size_t marks_bytes(const struct dv_window *window)
{
    return (window->mark_mask + 1) * sizeof(uint64_t);
}

size_t dv_group_bytes(const struct dv_window *window)
{
    const struct dv_window_plan *plan = window->plan;
    size_t sketch = plan->quantile >= 0 ? sizeof(struct dv_sketch) + marks_bytes(window) : 0;
    size_t sums = plan->sum_count * (sizeof(struct dv_sum) + marks_bytes(window));
    return sizeof(struct dv_group) + marks_bytes(window) + sketch + sums + plan->by_count * DV_WINDOW_KEY_MAX + 64;
}

bool dv_subjects_init(struct dv_subjects *subjects, const struct dv_window *window, struct dv_arena *arena)
{
    subjects->marks = dv_arena_zeroed(arena, window->mark_mask + 1, sizeof *subjects->marks);
    return subjects->marks != NULL;
}

bool dv_group_init(struct dv_group *group, const struct dv_window *window, struct dv_arena *arena)
{
    const struct dv_window_plan *plan = window->plan;
    bool complete = dv_subjects_init(&group->subjects, window, arena);
    group->sums = dv_arena_zeroed(arena, plan->sum_count, sizeof *group->sums);
    complete = complete && group->sums != NULL;
    for (uint32_t i = 0; complete && i < plan->sum_count; i++)
        complete = dv_subjects_init(&group->sums[i].subjects, window, arena);
    if (!complete || plan->quantile < 0)
        return complete;
    group->sketch = dv_arena_zeroed(arena, 1, sizeof *group->sketch);
    return group->sketch != NULL && dv_subjects_init(&group->sketched, window, arena);
}

bool dv_group_name(struct dv_group *group, struct dv_window *window, const struct dv_batch *batch, uint32_t row)
{
    for (uint32_t i = 0; i < window->plan->by_count; i++) {
        uint32_t column = window->plan->by[i];
        const struct dv_cell *cell = &dv_batch_cells(batch, column)[row];
        group->by[i] = *cell;
        if (!cell->present || !is_text(window, column))
            continue;
        if (cell->length > DV_WINDOW_KEY_MAX)
            return false;
        char *text = dv_arena_text(&window->arena, cell->length);
        if (text == NULL)
            return false;
        if (cell->length != 0)
            memcpy(text, cell->text, cell->length);
        group->by[i].text = text;
    }
    return true;
}

static uint64_t hash_cell(const struct dv_window *window, uint32_t column, const struct dv_cell *cell, uint64_t seed)
{
    if (is_text(window, column))
        return dv_hash64(cell->text, cell->length, seed);
    return dv_hash64(&cell->integer, sizeof cell->integer, seed);
}

uint64_t dv_group_hash(const struct dv_window *window, const struct dv_batch *batch, uint32_t row)
{
    uint64_t hash = window->seed;
    for (uint32_t i = 0; i < window->plan->by_count; i++) {
        uint32_t column = window->plan->by[i];
        const struct dv_cell *cell = &dv_batch_cells(batch, column)[row];
        hash = cell->present ? hash_cell(window, column, cell, hash) : dv_hash64(NULL, 0, hash);
    }
    return hash;
}

bool dv_group_is(const struct dv_group *group, const struct dv_window *window, const struct dv_batch *batch,
                 uint32_t row)
{
    for (uint32_t i = 0; i < window->plan->by_count; i++) {
        uint32_t column = window->plan->by[i];
        const struct dv_cell *cell = &dv_batch_cells(batch, column)[row];
        const struct dv_cell *name = &group->by[i];
        if (cell->present != name->present)
            return false;
        if (!cell->present)
            continue;
        bool same = is_text(window, column)
                        ? cell->length == name->length && memcmp(cell->text, name->text, cell->length) == 0
                        : cell->integer == name->integer;
        if (!same)
            return false;
    }
    return true;
}

/* Marks are never 0. Two subjects with one mark count once, which errs to the side of privacy. */
static void add_mark(struct dv_subjects *subjects, const struct dv_window *window, uint64_t mark)
{
    DV_ASSERT(mark != 0);
    if (subjects->count >= window->plan->k)
        return;
    uint32_t slot = (uint32_t)((mark * MULTIPLIER) >> 32) & window->mark_mask;
    while (subjects->marks[slot] != 0 && subjects->marks[slot] != mark)
        slot = (slot + 1) & window->mark_mask;
    if (subjects->marks[slot] == mark)
        return;
    subjects->marks[slot] = mark;
    subjects->count++;
}

void dv_subjects_merge(struct dv_subjects *subjects, const struct dv_subjects *from, const struct dv_window *window)
{
    for (uint32_t slot = 0; slot <= window->mark_mask; slot++) {
        if (from->marks[slot] != 0)
            add_mark(subjects, window, from->marks[slot]);
    }
}

/* The mark of the row's subject, or 0: the record has none, and so helps no group to k. */
static uint64_t mark_of(struct dv_window *window, const struct dv_batch *batch, uint32_t row)
{
    int32_t column = window->plan->subject;
    if (column < 0)
        return (++window->serial << 1) | 1u;
    const struct dv_cell *cell = &dv_batch_cells(batch, (uint32_t)column)[row];
    if (!cell->present)
        return 0;
    return hash_cell(window, (uint32_t)column, cell, window->seed) | 1u;
}

static double number_of(const struct dv_window *window, uint32_t column, const struct dv_cell *cell)
{
    return window->plan->schema->columns[column].type == DV_TYPE_INT ? (double)cell->integer : cell->number;
}

static void add_to_sum(struct dv_sum *sum, int64_t integer, double number)
{
    sum->spilled = __builtin_add_overflow(sum->integer, integer, &sum->integer) || sum->spilled;
    sum->number += number;
}

void dv_group_add(struct dv_group *group, struct dv_window *window, const struct dv_batch *batch, uint32_t row)
{
    const struct dv_window_plan *plan = window->plan;
    uint64_t mark = mark_of(window, batch, row);
    group->count++;
    if (mark != 0)
        add_mark(&group->subjects, window, mark);
    for (uint32_t i = 0; i < plan->sum_count; i++) {
        const struct dv_cell *cell = &dv_batch_cells(batch, plan->sums[i])[row];
        if (!cell->present)
            continue;
        bool is_int = plan->schema->columns[plan->sums[i]].type == DV_TYPE_INT;
        add_to_sum(&group->sums[i], is_int ? cell->integer : 0, is_int ? 0 : cell->number);
        if (mark != 0)
            add_mark(&group->sums[i].subjects, window, mark);
    }
    if (plan->quantile < 0)
        return;
    const struct dv_cell *cell = &dv_batch_cells(batch, (uint32_t)plan->quantile)[row];
    if (!cell->present)
        return;
    dv_sketch_add(group->sketch, number_of(window, (uint32_t)plan->quantile, cell));
    if (mark != 0)
        add_mark(&group->sketched, window, mark);
}

void dv_group_merge(struct dv_group *group, const struct dv_group *from, const struct dv_window *window)
{
    DV_ASSERT(group != from);
    group->count += from->count;
    dv_subjects_merge(&group->subjects, &from->subjects, window);
    for (uint32_t i = 0; i < window->plan->sum_count; i++) {
        add_to_sum(&group->sums[i], from->sums[i].integer, from->sums[i].number);
        group->sums[i].spilled = group->sums[i].spilled || from->sums[i].spilled;
        dv_subjects_merge(&group->sums[i].subjects, &from->sums[i].subjects, window);
    }
    if (group->sketch == NULL)
        return;
    dv_sketch_merge(group->sketch, from->sketch);
    dv_subjects_merge(&group->sketched, &from->sketched, window);
}

static void clear_subjects(struct dv_subjects *subjects, const struct dv_window *window)
{
    memset(subjects->marks, 0, marks_bytes(window));
    subjects->count = 0;
}

void dv_group_clear(struct dv_group *group, const struct dv_window *window)
{
    group->count = 0;
    clear_subjects(&group->subjects, window);
    for (uint32_t i = 0; i < window->plan->sum_count; i++) {
        clear_subjects(&group->sums[i].subjects, window);
        group->sums[i].integer = 0;
        group->sums[i].number = 0;
        group->sums[i].spilled = false;
    }
    if (group->sketch == NULL)
        return;
    explicit_bzero(group->sketch, sizeof *group->sketch);
    clear_subjects(&group->sketched, window);
}
