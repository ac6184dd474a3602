/* SPDX-License-Identifier: Apache-2.0
 * kanon.c - cutting at medians, with the rows in the order of every quasi-identifier. */
#include "privacy/kanon.h"

#include <math.h>
#include <string.h>

#include "engine/arena.h"
#include "privacy/kanon_table.h"

/* Every cut halves a class or makes a column of it constant, but for one that takes few rows off a crowded value; of these
 * there are at most two for each column between two halvings. */
enum { STACK_MAX = (2 * DV_KANON_QUASI_MAX + 1) * 32, TRIMS_MAX = 64 };

enum mark { MARK_NONE, MARK_CLASS, MARK_OUT };

struct slice {
    uint32_t from, to;
};

struct work {
    const struct dv_kanon_table *table;
    const struct dv_kanon_rules *rules;
    uint32_t *order[DV_KANON_QUASI_MAX]; /* [rows] each: the rows of a slice, sorted by that column */
    uint32_t *spare;                     /* [rows] */
    uint8_t *right;                      /* [rows]: which half of a cut a row goes to */
    uint8_t *mark;                       /* [rows]: what begins at this place of order[0] */
    uint32_t *stamps;                    /* [rows]: when a subject was last counted */
    uint32_t stamp;
    uint32_t outliers_left, trims_left;
    struct dv_diversity diversity;
    struct slice stack[STACK_MAX];
    uint32_t depth;
};

static uint32_t code_at(const struct work *work, uint32_t column, uint32_t place)
{
    return work->table->quasi[column].codes[work->order[column][place]];
}

/* The rows by their ranks: counted, not compared. */
static void sort_by(struct work *work, uint32_t column, uint32_t *counts)
{
    const struct dv_kanon_column *quasi = &work->table->quasi[column];
    memset(counts, 0, (quasi->values + 1) * sizeof *counts);
    for (uint32_t row = 0; row < work->table->rows; row++)
        counts[quasi->codes[row] + 1]++;
    for (uint32_t i = 1; i <= quasi->values; i++)
        counts[i] += counts[i - 1];
    for (uint32_t row = 0; row < work->table->rows; row++)
        work->order[column][counts[quasi->codes[row]]++] = row;
}

static dv_rc init(struct work *work, struct dv_arena *arena)
{
    uint32_t rows = work->table->rows;
    work->spare = dv_arena_zeroed(arena, rows + 2, sizeof *work->spare);
    work->right = dv_arena_zeroed(arena, rows + 1, 1);
    work->mark = dv_arena_zeroed(arena, rows + 1, 1);
    work->stamps = dv_arena_zeroed(arena, rows + 1, sizeof *work->stamps);
    if (work->spare == NULL || work->right == NULL || work->mark == NULL || work->stamps == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < work->table->quasi_count; i++) {
        work->order[i] = dv_arena_alloc(arena, (rows + 1) * sizeof *work->order[i]);
        if (work->order[i] == NULL)
            return DV_E_MEMORY;
        sort_by(work, i, work->spare);
    }
    if (work->rules->sensitive == NULL)
        return DV_OK;
    return dv_diversity_init(&work->diversity, work->rules->sensitive, rows, arena);
}

/* Whether there are k subjects among the rows; it looks no further than that. */
static bool has_k(struct work *work, const uint32_t *rows, uint32_t count)
{
    uint32_t k = work->rules->k;
    const uint32_t *subjects = work->table->subjects;
    if (subjects == NULL || count < k)
        return count >= k;
    uint32_t found = 0;
    work->stamp++;
    for (uint32_t i = 0; i < count && found < k; i++) {
        uint32_t subject = subjects[rows[i]];
        if (subject == DV_KANON_NOBODY || work->stamps[subject] == work->stamp)
            continue;
        work->stamps[subject] = work->stamp;
        found++;
    }
    return found >= k;
}

static bool is_diverse(struct work *work)
{
    const struct dv_kanon_rules *rules = work->rules;
    if (rules->l <= 0)
        return true;
    switch (rules->diversity) {
    case DV_DIVERSITY_DISTINCT: return dv_diversity_distinct(&work->diversity) >= rules->l;
    case DV_DIVERSITY_ENTROPY: return dv_diversity_entropy(&work->diversity) >= rules->l - 1e-9;
    default: return dv_diversity_recursive(&work->diversity, (uint32_t)rules->l) < rules->c;
    }
}

/* Whether the rows may be a class. */
static bool may_stand(struct work *work, const uint32_t *rows, uint32_t count)
{
    if (count == 0 || !has_k(work, rows, count))
        return false;
    if (work->rules->sensitive == NULL)
        return true;
    dv_diversity_load(&work->diversity, rows, count);
    if (work->rules->t < 1 && dv_diversity_distance(&work->diversity) > work->rules->t)
        return false;
    return is_diverse(work);
}

/* Where the values of the slice lie on the column's line, as a share of the whole of it. */
static double width_of(const struct work *work, uint32_t column, struct slice slice)
{
    const struct dv_kanon_column *quasi = &work->table->quasi[column];
    uint32_t low = code_at(work, column, slice.from);
    uint32_t high = code_at(work, column, slice.to - 1);
    if (low == high)
        return 0;
    if (quasi->at == NULL)
        return (double)(high - low) / (quasi->values - 1);
    if (quasi->missing && low == 0)
        return 1; /* it can only be shown as "anything" */
    double whole = quasi->at[quasi->values - 1] - quasi->at[quasi->missing];
    double share = (quasi->at[high] - quasi->at[low]) / whole;
    return isfinite(share) && share > 0 ? share : 1;
}

/* The first place in the slice whose rank is at least `code`. */
static uint32_t place_of(const struct work *work, uint32_t column, struct slice slice, uint32_t code)
{
    while (slice.from < slice.to) {
        uint32_t middle = slice.from + (slice.to - slice.from) / 2;
        if (code_at(work, column, middle) < code)
            slice.from = middle + 1;
        else
            slice.to = middle;
    }
    return slice.from;
}

/* Parts the rows of the slice in every order, as they stand on the two sides of `cut` in one of them. */
static void part(struct work *work, uint32_t column, struct slice slice, uint32_t cut)
{
    for (uint32_t i = slice.from; i < slice.to; i++)
        work->right[work->order[column][i]] = i >= cut;
    for (uint32_t other = 0; other < work->table->quasi_count; other++) {
        uint32_t *order = work->order[other];
        uint32_t left = slice.from, moved = 0;
        for (uint32_t i = slice.from; i < slice.to; i++) {
            if (work->right[order[i]])
                work->spare[moved++] = order[i];
            else
                order[left++] = order[i];
        }
        DV_ASSERT(left == cut && left + moved == slice.to);
        memcpy(&order[left], work->spare, moved * sizeof *order);
    }
}

static bool both_may_stand(struct work *work, uint32_t column, struct slice slice, uint32_t cut)
{
    const uint32_t *rows = work->order[column];
    return may_stand(work, &rows[slice.from], cut - slice.from) && may_stand(work, &rows[cut], slice.to - cut);
}

/* Where the column can be cut, next to its median; 0: nowhere, since no cut is at the beginning. */
static uint32_t find_cut(struct work *work, uint32_t column, struct slice slice)
{
    uint32_t middle = slice.from + (slice.to - slice.from) / 2;
    uint32_t code = code_at(work, column, middle);
    uint32_t below = place_of(work, column, slice, code);
    uint32_t above = place_of(work, column, slice, code + 1);
    uint32_t cuts[3] = { middle, below, above };
    if (above - middle < middle - below) {
        cuts[1] = above;
        cuts[2] = below;
    }
    for (uint32_t i = work->rules->is_relaxed ? 0 : 1; i < 3; i++)
        if (cuts[i] > slice.from && cuts[i] < slice.to && both_may_stand(work, column, slice, cuts[i]))
            return cuts[i];
    return 0;
}

/* The columns that are not constant in the slice, the widest first. */
static uint32_t columns_by_width(const struct work *work, struct slice slice, uint32_t *columns)
{
    double width[DV_KANON_QUASI_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < work->table->quasi_count; i++) {
        double mine = width_of(work, i, slice);
        if (mine == 0)
            continue;
        uint32_t at = count++;
        for (; at > 0 && width[at - 1] < mine; at--) {
            width[at] = width[at - 1];
            columns[at] = columns[at - 1];
        }
        width[at] = mine;
        columns[at] = i;
    }
    return count;
}

static void push(struct work *work, uint32_t from, uint32_t to)
{
    DV_ASSERT(work->depth < STACK_MAX && from < to);
    work->stack[work->depth++] = (struct slice){ from, to };
}

/* Leaves out the few beyond the middle of a number column's range, if the others may stand without them. */
static bool trim(struct work *work, uint32_t column, struct slice *slice)
{
    const struct dv_kanon_column *quasi = &work->table->quasi[column];
    uint32_t low = code_at(work, column, slice->from);
    if (quasi->at == NULL || (quasi->missing && low == 0))
        return false;
    double middle = quasi->at[low] / 2 + quasi->at[code_at(work, column, slice->to - 1)] / 2;
    uint32_t cut = slice->from;
    while (cut < slice->to && quasi->at[code_at(work, column, cut)] <= middle)
        cut++;
    bool is_upper = slice->to - cut < cut - slice->from;
    struct slice few = is_upper ? (struct slice){ cut, slice->to } : (struct slice){ slice->from, cut };
    struct slice rest = is_upper ? (struct slice){ slice->from, cut } : (struct slice){ cut, slice->to };
    uint32_t count = few.to - few.from;
    if (count == 0 || count > work->outliers_left || rest.from == rest.to ||
        !may_stand(work, &work->order[column][rest.from], rest.to - rest.from))
        return false;
    part(work, column, *slice, cut);
    work->outliers_left -= count;
    work->trims_left--;
    work->mark[few.from] = MARK_OUT;
    *slice = rest;
    return true;
}

/* What cannot be cut is a class; once without its outliers it may be cut after all. */
static void settle(struct work *work, struct slice slice, const uint32_t *columns, uint32_t count)
{
    bool trimmed = false;
    for (uint32_t i = 0; i < count && work->trims_left > 0; i++)
        trimmed = trim(work, columns[i], &slice) || trimmed;
    if (trimmed)
        push(work, slice.from, slice.to);
    else
        work->mark[slice.from] = MARK_CLASS;
}

static void cut_slice(struct work *work, struct slice slice)
{
    uint32_t columns[DV_KANON_QUASI_MAX];
    uint32_t count = columns_by_width(work, slice, columns);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t cut = find_cut(work, columns[i], slice);
        if (cut == 0)
            continue;
        part(work, columns[i], slice, cut);
        push(work, cut, slice.to);
        push(work, slice.from, cut);
        return;
    }
    settle(work, slice, columns, count);
}

/* Classes in the order of their places, then what was left out. */
static void collect(const struct work *work, struct dv_kanon_classes *ret)
{
    uint32_t rows = work->table->rows;
    uint32_t kept = 0, out = 0;
    enum mark now = MARK_OUT; /* without any mark, all is out */
    for (uint32_t i = 0; i < rows; i++) {
        if (work->mark[i] != MARK_NONE)
            now = (enum mark)work->mark[i];
        if (work->mark[i] == MARK_CLASS)
            ret->from[ret->count++] = kept;
        if (now == MARK_CLASS)
            ret->rows[kept++] = work->order[0][i];
        else
            work->spare[out++] = work->order[0][i];
    }
    ret->from[ret->count] = kept;
    ret->suppressed = out;
    memcpy(&ret->rows[kept], work->spare, out * sizeof *work->spare);
}

dv_rc dv_kanon_partition(const struct dv_kanon_table *table, const struct dv_kanon_rules *rules, struct dv_arena *arena,
                         struct dv_kanon_classes *ret)
{
    DV_ASSERT(rules->k > 0 && table->quasi_count > 0 && table->quasi_count <= DV_KANON_QUASI_MAX);
    struct work *work = dv_arena_zeroed(arena, 1, sizeof *work);
    *ret = (struct dv_kanon_classes){ .rows = dv_arena_zeroed(arena, table->rows + 1, sizeof *ret->rows),
                                      .from = dv_arena_zeroed(arena, table->rows + 1, sizeof *ret->from) };
    if (work == NULL || ret->rows == NULL || ret->from == NULL)
        return DV_E_MEMORY;
    work->table = table;
    work->rules = rules;
    work->outliers_left = rules->outliers_max;
    work->trims_left = TRIMS_MAX;
    DV_TRY(init(work, arena));
    if (table->rows > 0 && may_stand(work, work->order[0], table->rows))
        push(work, 0, table->rows);
    while (work->depth > 0)
        cut_slice(work, work->stack[--work->depth]);
    collect(work, ret);
    return DV_OK;
}
