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
#include <string.h>

#include "operators/aggregate_dp_plan.h"

/* How much is done at once. */
enum { GROUPS_AT_ONCE = 4096, ROWS_AT_ONCE = 16 };

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

static uint32_t contributions(const struct dv_dp_draft *draft)
{
    return draft->plan->tally.records_max * draft->factor;
}

static dv_rc test_table(struct dv_dp_draft *draft)
{
    const struct dv_dp_plan *plan = draft->plan;
    const struct dv_tally *tally = draft->tally;
    int64_t people = (int64_t)tally->subject_count + tally->full;
    int64_t noised = 0;
    draft->factor = dv_tally_has_table(&plan->tally) ? 2 : 1;
    if (plan->test_nano == 0)
        return DV_OK;
    DV_TRY(dv_dp_laplace(draft->noise, people, 1, plan->test_nano, &noised));
    if (noised <= (int64_t)plan->tally.subjects_max - plan->test_margin)
        draft->factor = 1;
    return DV_OK;
}

/* ---- which groups ---- */

/* With two persons changed, each step from one to none may fail: δ for both, and e^ε on the way back. */
static int64_t threshold(const struct dv_dp_draft *draft)
{
    const struct dv_dp_plan *plan = draft->plan;
    double groups = plan->tally.groups_of_one;
    double scale = groups * draft->factor / ((double)plan->part_nano / DV_DP_NANO);
    double delta = draft->factor == 1 ? plan->choice_delta : plan->choice_delta / (1 + exp(plan->epsilon));
    return 1 + (int64_t)ceil(scale * log(groups / delta) * (1 + 1e-12));
}

/* Larger ones first; equal ones by a secret hash, not by who came first. */
static bool is_before(const struct dv_dp_chosen *left, const struct dv_dp_chosen *right)
{
    if (left->people != right->people)
        return left->people > right->people;
    return left->group->hash < right->group->hash;
}

/* Those that are shown, in their order; most groups are smaller than the last of them. */
static void keep(struct dv_dp_draft *draft, struct dv_dp_chosen chosen)
{
    uint32_t top = draft->plan->top;
    uint32_t at = draft->count;
    while (at > 0 && is_before(&chosen, &draft->chosen[at - 1]))
        at--;
    if (at == top)
        return;
    uint32_t last = draft->count < top ? draft->count : top - 1;
    memmove(&draft->chosen[at + 1], &draft->chosen[at], (last - at) * sizeof chosen);
    draft->chosen[at] = chosen;
    draft->count = last + 1;
}

/* Goes through all places that there are for groups, taken or not: how many parts it takes says nothing of the data. */
static dv_rc choose(struct dv_dp_draft *draft)
{
    const struct dv_dp_plan *plan = draft->plan;
    const struct dv_tally *tally = draft->tally;
    int64_t least = threshold(draft);
    uint32_t left = plan->tally.groups_max - draft->looked_at;
    uint32_t end = draft->looked_at + (left < GROUPS_AT_ONCE ? left : GROUPS_AT_ONCE);
    for (uint32_t i = draft->looked_at; i < end && i < tally->group_count; i++) {
        struct dv_dp_chosen chosen = { .group = tally->groups[i] };
        DV_TRY(dv_dp_laplace(draft->noise, chosen.group->counters[DV_TALLY_SUBJECTS],
                             (uint64_t)plan->tally.groups_of_one * draft->factor, plan->part_nano, &chosen.people));
        if (chosen.people >= least)
            keep(draft, chosen);
    }
    draft->looked_at = end;
    return end < plan->tally.groups_max ? DV_HOLD : DV_OK;
}

/* ---- what is said of one ---- */

static dv_rc put_count(const struct dv_dp_draft *draft, struct cursor *cursor, const struct dv_dp_chosen *chosen)
{
    const struct dv_tally_plan *tally = &draft->plan->tally;
    int64_t noised = chosen->people;
    if (!tally->is_open || tally->records_max > 1)
        DV_TRY(dv_dp_laplace(draft->noise, chosen->group->counters[DV_TALLY_RECORDS], contributions(draft),
                             draft->plan->part_nano, &noised));
    put_int(cursor, noised);
    return DV_OK;
}

static dv_rc put_numbers(const struct dv_dp_draft *draft, struct cursor *cursor, const int64_t *counters)
{
    const struct dv_tally_plan *tally = &draft->plan->tally;
    double value = 0;
    for (uint32_t i = 0; i < tally->sum_count; i++) {
        DV_TRY(dv_dp_sum(draft->noise, &tally->sums[i].range, counters[tally->at_sums + i], contributions(draft),
                         draft->plan->part_nano, &value));
        put_number(cursor, value);
    }
    for (uint32_t i = 0; i < tally->mean_count; i++) {
        const int64_t *mean = &counters[tally->at_means + 2 * i];
        DV_TRY(dv_dp_mean(draft->noise, &tally->means[i].range, mean[0], mean[1], contributions(draft),
                          draft->plan->part_nano, &value));
        put_number(cursor, value);
    }
    return DV_OK;
}

static dv_rc put_bins(const struct dv_dp_draft *draft, struct cursor *cursor, const int64_t *counters)
{
    const struct dv_tally_plan *tally = &draft->plan->tally;
    int64_t noised[DV_TALLY_EDGES_MAX + 1] = { 0 };
    if (tally->histogram < 0)
        return DV_OK;
    DV_TRY(dv_dp_histogram(draft->noise, &counters[tally->at_bins], tally->edge_count + 1, contributions(draft),
                           draft->plan->part_nano, noised));
    for (uint32_t i = 0; i <= tally->edge_count; i++)
        put_int(cursor, noised[i]);
    return DV_OK;
}

static dv_rc put_quantiles(const struct dv_dp_draft *draft, struct cursor *cursor, const int64_t *counters)
{
    const struct dv_dp_plan *plan = draft->plan;
    const struct dv_tally_plan *tally = &plan->tally;
    for (uint32_t i = 0; i < plan->quantile_count; i++) {
        uint32_t bin = 0;
        DV_TRY(dv_dp_quantile(draft->noise, &counters[tally->at_ranks], tally->rank_count, plan->quantiles[i],
                              contributions(draft), plan->part_nano, &bin));
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

static dv_rc put_row(const struct dv_dp_draft *draft, struct cursor *cursor, const struct dv_dp_chosen *chosen)
{
    DV_TRY(put_by(&draft->plan->tally, cursor, chosen->group));
    DV_TRY(put_count(draft, cursor, chosen));
    DV_TRY(put_numbers(draft, cursor, chosen->group->counters));
    DV_TRY(put_bins(draft, cursor, chosen->group->counters));
    return put_quantiles(draft, cursor, chosen->group->counters);
}

static struct cursor begin_row(struct dv_batch *batch, uint32_t row, struct dv_aggregate_span span)
{
    struct cursor cursor = { .batch = batch, .row = row };
    put_int(&cursor, span.start_ms);
    put_int(&cursor, span.end_ms);
    return cursor;
}

void dv_dp_draft_begin(struct dv_dp_draft *draft, const struct dv_dp_plan *plan, const struct dv_tally *tally,
                       struct dv_noise *noise, struct dv_aggregate_span span, struct dv_batch *batch)
{
    *draft = (struct dv_dp_draft){ .plan = plan, .tally = tally, .noise = noise, .span = span, .batch = batch };
    DV_ASSERT(plan->top > 0 && plan->top <= DV_BATCH_ROWS && batch->rows == 0);
    if (plan->tally.is_open)
        return;
    DV_ASSERT(tally->group_count <= DV_BATCH_ROWS);
    draft->looked_at = plan->tally.groups_max;
    draft->count = tally->group_count;
    for (uint32_t i = 0; i < draft->count; i++)
        draft->chosen[i].group = tally->groups[i];
}

static dv_rc put_rows(struct dv_dp_draft *draft)
{
    uint32_t end = draft->count - draft->row > ROWS_AT_ONCE ? draft->row + ROWS_AT_ONCE : draft->count;
    for (; draft->row < end; draft->row++) {
        struct cursor cursor = begin_row(draft->batch, draft->row, draft->span);
        DV_TRY(put_row(draft, &cursor, &draft->chosen[draft->row]));
    }
    return draft->row < draft->count ? DV_HOLD : DV_OK;
}

dv_rc dv_dp_draft_go_on(struct dv_dp_draft *draft)
{
    if (draft->factor == 0)
        DV_TRY(test_table(draft));
    dv_rc rc = draft->looked_at < draft->plan->tally.groups_max ? choose(draft) : DV_OK;
    if (rc == DV_OK)
        rc = put_rows(draft);
    if (rc != DV_OK)
        return rc;
    if (draft->count == 0)
        (void)begin_row(draft->batch, 0, draft->span);
    draft->batch->rows = draft->count > 0 ? draft->count : 1;
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
