/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp_answer.c - the noise of a window.
 *
 * Why ε. All groups of a window share no record, and a person has at most m = records_max in all of them, so each kind of
 * answer, taken over all groups, changes by at most m counts (or m ranges) in all, and costs its part of ε once. Quantiles
 * are chosen by permute-and-flip with m, and a group in which a person has fewer costs in proportion. The parts add up.
 *
 * The table of subjects may be full, and then one person more can push out another (aggregate_dp_tally.h): two persons'
 * records change. So contributions count twice, unless it was shown first that the table was not full: the number of
 * people, which one person changes by 1, plus noise, must leave `test_margin` places. With a full table, or a neighbour's,
 * that happens with a probability of at most the test's δ (propose, test, release: Dwork and Lei 2009).
 *
 * Groups that are not listed appear only if their number of people, noised, reaches 1 + t (Korolova et al. 2009; Wilson et
 * al. 2020). A group that one person alone is in has 1, and its noise reaches t with a probability of at most exp(-t/b) for
 * scale b; he is in at most g such groups, so t = b·ln(g/δ). */
#include "operators/aggregate_dp_answer.h"

#include <math.h>
#include <stdlib.h>

#include "operators/aggregate_dp_plan.h"
#include "operators/aggregate_schema.h"

/* One window's noise. */
struct draw {
    const struct dv_dp_plan *plan;
    struct dv_noise *noise;
    uint32_t factor; /* 2: the table may have been full */
};

/* A group that is shown, with what its people were counted to be. */
struct chosen {
    const struct dv_tally_group *group;
    int64_t people;
};

/* Where the next value of a row goes. */
struct cursor {
    struct dv_batch *batch;
    uint32_t row, column;
};

static struct dv_cell *next(struct cursor *cursor)
{
    DV_ASSERT(cursor->column < cursor->batch->schema->column_count);
    return &cursor->batch->cells[cursor->column++][cursor->row];
}

static void put_int(struct cursor *cursor, int64_t value)
{
    *next(cursor) = (struct dv_cell){ .integer = value, .present = 1 };
}

static void put_number(struct cursor *cursor, double value)
{
    *next(cursor) = (struct dv_cell){ .number = value, .present = 1 };
}

static uint32_t contributions(const struct draw *draw)
{
    return draw->plan->tally.records_max * draw->factor;
}

static dv_rc test_table(struct draw *draw, const struct dv_tally *tally)
{
    const struct dv_dp_plan *plan = draw->plan;
    int64_t people = (int64_t)tally->subject_count + tally->full;
    int64_t noised = 0;
    draw->factor = dv_tally_has_table(&plan->tally) ? 2 : 1;
    if (plan->test_nano == 0)
        return DV_OK;
    DV_TRY(dv_dp_laplace(draw->noise, people, 1, plan->test_nano, &noised));
    if (noised <= (int64_t)plan->tally.subjects_max - plan->test_margin)
        draw->factor = 1;
    return DV_OK;
}

/* ---- which groups ---- */

/* With two persons changed, each step from one to none may fail: δ for both, and e^ε on the way back. */
static int64_t threshold(const struct draw *draw)
{
    const struct dv_dp_plan *plan = draw->plan;
    double groups = plan->tally.groups_of_one;
    double scale = groups * draw->factor / ((double)plan->part_nano / DV_DP_NANO);
    double delta = draw->factor == 1 ? plan->choice_delta : plan->choice_delta / (1 + exp(plan->epsilon));
    return 1 + (int64_t)ceil(scale * log(groups / delta) * (1 + 1e-12));
}

/* Larger ones first; equal ones by a secret hash, not by who came first. */
static int compare(const void *a, const void *b)
{
    const struct chosen *left = a;
    const struct chosen *right = b;
    if (left->people != right->people)
        return left->people > right->people ? -1 : 1;
    return left->group->hash < right->group->hash ? -1 : left->group->hash > right->group->hash;
}

static dv_rc choose(const struct draw *draw, const struct dv_tally *tally, struct chosen *ret, uint32_t *ret_count)
{
    const struct dv_dp_plan *plan = draw->plan;
    int64_t least = threshold(draw);
    uint32_t count = 0;
    for (uint32_t i = 0; i < tally->group_count; i++) {
        struct chosen chosen = { .group = tally->groups[i] };
        DV_TRY(dv_dp_laplace(draw->noise, chosen.group->counters[DV_TALLY_SUBJECTS],
                             (uint64_t)plan->tally.groups_of_one * draw->factor, plan->part_nano, &chosen.people));
        if (chosen.people >= least)
            ret[count++] = chosen;
    }
    qsort(ret, count, sizeof *ret, compare);
    *ret_count = count < plan->top ? count : plan->top;
    return DV_OK;
}

/* ---- what is said of one ---- */

static dv_rc put_count(const struct draw *draw, struct cursor *cursor, const struct chosen *chosen)
{
    const struct dv_tally_plan *tally = &draw->plan->tally;
    int64_t noised = chosen->people;
    if (!tally->is_open || tally->records_max > 1)
        DV_TRY(dv_dp_laplace(draw->noise, chosen->group->counters[DV_TALLY_RECORDS], contributions(draw),
                             draw->plan->part_nano, &noised));
    put_int(cursor, noised);
    return DV_OK;
}

static dv_rc put_numbers(const struct draw *draw, struct cursor *cursor, const int64_t *counters)
{
    const struct dv_tally_plan *tally = &draw->plan->tally;
    double value = 0;
    for (uint32_t i = 0; i < tally->sum_count; i++) {
        DV_TRY(dv_dp_sum(draw->noise, &tally->sums[i].range, counters[tally->at_sums + i], contributions(draw),
                         draw->plan->part_nano, &value));
        put_number(cursor, value);
    }
    for (uint32_t i = 0; i < tally->mean_count; i++) {
        const int64_t *mean = &counters[tally->at_means + 2 * i];
        DV_TRY(dv_dp_mean(draw->noise, &tally->means[i].range, mean[0], mean[1], contributions(draw),
                          draw->plan->part_nano, &value));
        put_number(cursor, value);
    }
    return DV_OK;
}

static dv_rc put_bins(const struct draw *draw, struct cursor *cursor, const int64_t *counters)
{
    const struct dv_tally_plan *tally = &draw->plan->tally;
    int64_t noised[DV_TALLY_EDGES_MAX + 1] = { 0 };
    if (tally->histogram < 0)
        return DV_OK;
    DV_TRY(dv_dp_histogram(draw->noise, &counters[tally->at_bins], tally->edge_count + 1, contributions(draw),
                           draw->plan->part_nano, noised));
    for (uint32_t i = 0; i <= tally->edge_count; i++)
        put_int(cursor, noised[i]);
    return DV_OK;
}

static dv_rc put_quantiles(const struct draw *draw, struct cursor *cursor, const int64_t *counters)
{
    const struct dv_dp_plan *plan = draw->plan;
    const struct dv_tally_plan *tally = &plan->tally;
    for (uint32_t i = 0; i < plan->quantile_count; i++) {
        uint32_t bin = 0;
        DV_TRY(dv_dp_quantile(draw->noise, &counters[tally->at_ranks], tally->rank_count, plan->quantiles[i],
                              contributions(draw), plan->part_nano, &bin));
        double width = (tally->high - tally->low) / tally->rank_count;
        bool is_whole = tally->schema->columns[tally->quantile].type == DV_TYPE_INT && width == 1;
        put_number(cursor, tally->low + (bin + (is_whole ? 0 : 0.5)) * width);
    }
    return DV_OK;
}

static dv_rc put_by(const struct dv_tally_plan *plan, struct cursor *cursor, const struct dv_tally_group *group)
{
    for (uint32_t i = 0; i < plan->by_count; i++) {
        struct dv_cell *cell = next(cursor);
        *cell = group->by[i];
        if (!cell->present || plan->schema->columns[plan->by[i]].type != DV_TYPE_TEXT)
            continue;
        cell->text = dv_arena_copy(&cursor->batch->arena, group->by[i].text, group->by[i].length);
        if (cell->text == NULL)
            return DV_E_MEMORY;
    }
    return DV_OK;
}

static dv_rc put_row(const struct draw *draw, struct cursor *cursor, const struct chosen *chosen)
{
    DV_TRY(put_by(&draw->plan->tally, cursor, chosen->group));
    DV_TRY(put_count(draw, cursor, chosen));
    DV_TRY(put_numbers(draw, cursor, chosen->group->counters));
    DV_TRY(put_bins(draw, cursor, chosen->group->counters));
    return put_quantiles(draw, cursor, chosen->group->counters);
}

static struct cursor begin_row(struct dv_batch *batch, uint32_t row, struct dv_aggregate_span span)
{
    struct cursor cursor = { .batch = batch, .row = row };
    put_int(&cursor, span.start_ms);
    put_int(&cursor, span.end_ms);
    return cursor;
}

dv_rc dv_dp_answer(const struct dv_dp_plan *plan, const struct dv_tally *tally, struct dv_noise *noise,
                   struct dv_aggregate_span span, struct dv_arena *scratch, struct dv_batch *batch)
{
    struct draw draw = { .plan = plan, .noise = noise };
    struct chosen *chosen = dv_arena_zeroed(scratch, tally->group_count + 1, sizeof *chosen);
    uint32_t count = tally->group_count;
    if (chosen == NULL)
        return DV_E_MEMORY;
    DV_TRY(test_table(&draw, tally));
    if (plan->tally.is_open)
        DV_TRY(choose(&draw, tally, chosen, &count));
    else
        for (uint32_t i = 0; i < count; i++)
            chosen[i].group = tally->groups[i];
    DV_ASSERT(count <= DV_BATCH_ROWS);
    batch->rows = count > 0 ? count : 1;
    for (uint32_t row = 0; row < batch->rows; row++) {
        struct cursor cursor = begin_row(batch, row, span);
        if (count > 0)
            DV_TRY(put_row(&draw, &cursor, &chosen[row]));
    }
    return DV_OK;
}

/* ---- counts over time ---- */

/* No test of the table: its noise is drawn once for all steps, and the table may fill up after it. */
dv_rc dv_dp_trees_begin(const struct dv_dp_plan *plan, struct dv_dp_tree *trees)
{
    uint32_t factor = dv_tally_has_table(&plan->tally) ? 2 : 1;
    for (uint32_t i = 0; i < plan->listed_count; i++)
        DV_TRY(dv_dp_tree_begin(&trees[i], plan->steps, plan->tally.records_max * factor, plan->part_nano));
    return DV_OK;
}

dv_rc dv_dp_trees_answer(const struct dv_dp_plan *plan, const struct dv_tally *tally, struct dv_dp_tree *trees,
                         struct dv_noise *noise, struct dv_aggregate_span span, struct dv_batch *batch)
{
    batch->rows = plan->listed_count;
    for (uint32_t row = 0; row < plan->listed_count; row++) {
        struct cursor cursor = begin_row(batch, row, span);
        int64_t noised = 0;
        DV_TRY(dv_dp_tree_next(&trees[row], noise, tally->groups[row]->counters[DV_TALLY_RECORDS], &noised));
        DV_TRY(put_by(&plan->tally, &cursor, tally->groups[row]));
        put_int(&cursor, noised);
    }
    return DV_OK;
}
