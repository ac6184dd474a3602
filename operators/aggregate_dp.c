/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp.c - windows of noised answers: the clock, the charge, the release. */
#include "operators/aggregate_dp.h"

#include "connectors/purse.h"
#include "engine/crash.h"
#include "engine/id.h"
#include "engine/log.h"
#include "operators/aggregate_dp_answer.h"
#include "operators/aggregate_dp_plan.h"

enum { BETWEEN_PARTS_MS = 1 };

static const char *const spent_reason = "its privacy budget is spent: windows are dropped";

/* A node at work. */
struct dv_aggregate_dp {
    struct dv_node *node;
    const struct dv_dp_plan *plan;
    struct dv_tally tally;
    struct dv_noise noise;
    struct dv_purse purse;
    struct dv_keep keep;
    struct dv_timer timer;
    struct dv_aggregate_span span;
    struct dv_dp_tree *trees; /* one for each listed group, or NULL */
    int64_t period_end_ms;    /* of the trees; 0: there are none */
    int64_t trees_start_ms;
    uint64_t origin;       /* random: ids must not tell which record came first */
    struct dv_batch *held; /* the batch that waits for the charge, and then is written */
    struct dv_dp_draft draft;
    struct dv_timer next_part; /* of the draft: the loop sees to others between two of them */
    bool ends_early;
};

/* ---- the beginning ---- */

const struct dv_dp_plan *dv_aggregate_dp_transfer(struct dv_node *node, struct dv_shape *shape, const struct dv_yaml *dp,
                                                  const struct dv_aggregate_spec *spec, int64_t window_ms)
{
    struct dv_dp_plan *plan = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *plan);
    if (plan == NULL || dv_is_error(dv_dp_plan(node, shape, dp, spec, window_ms, plan)))
        return NULL;
    shape->out[0] = plan->schema;
    return plan;
}

void dv_aggregate_dp_spends(const struct dv_dp_plan *plan, struct dv_spending *ret)
{
    *ret = (struct dv_spending){
        .epsilon_nano = plan->epsilon_nano,
        .delta = plan->test_nano != 0 || plan->tally.is_open ? plan->delta : 0,
        .every_ms = plan->continual ? plan->period_ms : plan->window_ms,
        .dataset = plan->dataset,
    };
}

static int64_t floor_of(int64_t time_ms, int64_t length_ms)
{
    return time_ms - time_ms % length_ms;
}

/* The next window begins where the last one ended. */
static void schedule(struct dv_aggregate_dp *dp, int64_t start_ms)
{
    int64_t now_ms = dv_wall_ms(dv_node_loop(dp->node));
    int64_t from_ms = now_ms > start_ms ? now_ms : start_ms;
    dp->span.start_ms = start_ms;
    dp->span.end_ms = floor_of(from_ms, dp->plan->window_ms) + dp->plan->window_ms;
    dp->ends_early = false;
    dv_timer_start(&dp->timer, (uint64_t)(dp->span.end_ms - now_ms));
}

static void window_ends(struct dv_timer *timer)
{
    dv_want(timer->data);
}

static dv_rc random_numbers(struct dv_noise *noise, uint64_t *ret, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        dv_wide drawn = 0;
        DV_TRY(dv_noise_below(noise, (dv_wide)1 << 64, &drawn));
        ret[i] = (uint64_t)drawn;
    }
    return DV_OK;
}

static dv_rc make_tally(struct dv_node *node, struct dv_aggregate_dp *dp)
{
    const struct dv_dp_plan *plan = dp->plan;
    struct dv_arena *arena = dv_node_arena(node);
    uint64_t seeds[4] = { 0 };
    if (dv_is_error(random_numbers(&dp->noise, seeds, 4)))
        return dv_fail(node, DV_E_FAILED, "the system gives no random bits");
    dp->origin = seeds[3];
    if (dv_is_error(dv_tally_init(&dp->tally, &plan->tally, arena, seeds)))
        return dv_fail(node, DV_E_MEMORY, "no memory for %u people", plan->tally.subjects_max);
    for (uint32_t i = 0; i < plan->listed_count; i++)
        if (!dv_tally_list(&dp->tally, plan->listed[i], arena))
            return dv_fail(node, DV_E_MEMORY, "no memory for %u groups", plan->listed_count);
    dp->trees = plan->continual ? dv_arena_zeroed(arena, plan->listed_count, sizeof *dp->trees) : NULL;
    return plan->continual && dp->trees == NULL ? dv_fail(node, DV_E_MEMORY, "no memory for the counts") : DV_OK;
}

static void charged(void *data, dv_rc rc);
static void write_part(struct dv_timer *timer);

/* A run that could release nothing at all does not begin. */
static dv_rc open_purse(struct dv_node *node, struct dv_aggregate_dp *dp)
{
    const struct dv_bank *bank = dv_node_service(node, DV_SERVICE_BANK);
    const struct dv_account account = { .tenant = dv_node_tenant(node),
                                        .dataset = dp->plan->dataset,
                                        .operator= dv_node_name(node) };
    if (bank == NULL)
        return dv_fail(node, DV_E_FAILED, "there is nowhere to keep privacy budgets");
    dv_rc rc = dv_purse_open(&dp->purse, dv_node_loop(node), bank, &account, charged, dp);
    if (rc == DV_OK && dp->purse.budget.limit_nano - dp->purse.budget.spent_nano < dp->plan->epsilon_nano)
        rc = dv_error_set(&dp->purse.error, DV_E_BUDGET,
                          "the privacy budget of %s of dataset %s is spent: %s of %s; `datavault budget set` gives it more",
                          account.operator, account.dataset, dv_ledger_decimal(dp->purse.budget.spent_nano).text,
                          dv_ledger_decimal(dp->purse.budget.limit_nano).text);
    bool drops = rc == DV_E_BUDGET && dp->plan->when_spent == DV_WHEN_SPENT_DROP;
    dv_note_spent(node, drops);
    return rc == DV_OK || drops ? DV_OK : dv_fail(node, rc, "%s", dp->purse.error.text);
}

dv_rc dv_aggregate_dp_open(struct dv_node *node, const struct dv_dp_plan *plan, struct dv_aggregate_dp **ret)
{
    struct dv_aggregate_dp *dp = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *dp);
    *ret = dp;
    if (dp == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for a window");
    dp->node = node;
    dp->plan = plan;
    dv_timer_init(dv_node_loop(node), &dp->timer, window_ends, node);
    dv_timer_init(dv_node_loop(node), &dp->next_part, write_part, dp);
    dv_noise_init(&dp->noise);
    DV_TRY(make_tally(node, dp));
    DV_TRY(open_purse(node, dp));
    schedule(dp, dv_wall_ms(dv_node_loop(node)));
    return DV_OK;
}

void dv_aggregate_dp_close(struct dv_aggregate_dp *dp)
{
    if (dp == NULL)
        return;
    dv_timer_close(&dp->timer);
    dv_timer_close(&dp->next_part);
    dv_purse_close(&dp->purse);
    dv_tally_free(&dp->tally);
    dv_noise_wipe(&dp->noise);
}

const char *dv_aggregate_dp_waits(const struct dv_aggregate_dp *dp)
{
    bool is_spent = dp != NULL && dp->purse.error.code == DV_E_BUDGET;
    return is_spent && dp->plan->when_spent == DV_WHEN_SPENT_DROP ? spent_reason : NULL;
}

/* ---- the end of a window ---- */

/* What the window is said to end at: a boundary, unless something ended it before. */
static void close_span(struct dv_aggregate_dp *dp)
{
    int64_t now_ms = dv_wall_ms(dv_node_loop(dp->node));
    int64_t passed_ms = floor_of(now_ms, dp->plan->window_ms);
    if (dp->ends_early && now_ms < dp->span.end_ms)
        dp->span.end_ms = now_ms > dp->span.start_ms ? now_ms : dp->span.start_ms + 1;
    else if (passed_ms > dp->span.end_ms)
        dp->span.end_ms = passed_ms;
}

/* The window is over, whatever became of it. */
static void turn_over(struct dv_aggregate_dp *dp, struct dv_batch *batch)
{
    bool tree_goes_on = dp->period_end_ms > dp->span.end_ms;
    dp->period_end_ms = tree_goes_on ? dp->period_end_ms : 0;
    dv_note_left_out(dp->node, dp->tally.left_out);
    dv_tally_reset(&dp->tally, tree_goes_on);
    dv_give_receipts(dp->node, &dp->keep, batch);
    schedule(dp, dp->span.end_ms);
}

static dv_rc begin_trees(struct dv_aggregate_dp *dp)
{
    DV_TRY(dv_dp_trees_begin(dp->plan, dp->trees));
    dp->trees_start_ms = dp->span.start_ms;
    dp->period_end_ms = floor_of(dp->span.start_ms, dp->plan->period_ms) + dp->plan->period_ms;
    return DV_OK;
}

static dv_rc answer_trees(struct dv_aggregate_dp *dp, struct dv_batch *batch)
{
    if (dp->period_end_ms == 0)
        DV_TRY(begin_trees(dp));
    struct dv_aggregate_span span = { dp->trees_start_ms, dp->span.end_ms };
    return dv_dp_trees_answer(dp->plan, &dp->tally, dp->trees, &dp->noise, span, batch);
}

/* It is paid for, and written unless `rc` is an error. */
static dv_rc release(struct dv_aggregate_dp *dp, struct dv_batch *batch, dv_rc rc)
{
    if (dv_is_error(rc)) {
        batch->rows = 0;
        return dv_fail(dp->node, DV_E_FAILED, "a window was charged and cannot be released: %s", dv_rc_text(rc));
    }
    for (uint32_t row = 0; row < batch->rows; row++) {
        batch->row[row].created_ms = dp->span.end_ms;
        dv_id_make(batch->row[row].id, (uint64_t)dp->span.end_ms, row, dp->origin);
    }
    DV_CRASH_POINT("aggregate.noised");
    turn_over(dp, batch);
    return DV_PASS;
}

/* The answer to a charge that was refused. An error that may heal is tried again, with the same window. */
static dv_rc refused(struct dv_aggregate_dp *dp, struct dv_batch *batch, dv_rc rc)
{
    struct dv_node *node = dp->node;
    if (rc != DV_E_BUDGET || dp->plan->when_spent == DV_WHEN_SPENT_STOP)
        return dv_fail(node, rc, "%s", dp->purse.error.text);
    dv_log(DV_LOG_WARN, "aggregate.withheld", DV_LOG_NAMED("node", dv_node_name(node)), DV_LOG_REASON("why", rc));
    dv_note_withheld(node);
    turn_over(dp, batch);
    return DV_DROP;
}

static void finish(struct dv_aggregate_dp *dp, dv_rc answer)
{
    struct dv_batch *batch = dp->held;
    dp->held = NULL;
    dv_finish(dp->node, batch, answer);
}

/* Nothing comes into the tally meanwhile: the node holds a batch. */
static void write_part(struct dv_timer *timer)
{
    struct dv_aggregate_dp *dp = timer->data;
    dv_rc rc = dv_dp_draft_go_on(&dp->draft);
    if (rc == DV_HOLD)
        dv_timer_start(&dp->next_part, BETWEEN_PARTS_MS);
    else
        finish(dp, release(dp, dp->held, rc));
}

static void charged(void *data, dv_rc rc)
{
    struct dv_aggregate_dp *dp = data;
    dv_note_spent(dp->node, rc == DV_E_BUDGET);
    if (rc != DV_OK) {
        finish(dp, refused(dp, dp->held, rc));
        return;
    }
    dp->purse.error = (struct dv_error){ 0 };
    if (dp->plan->continual) {
        finish(dp, release(dp, dp->held, answer_trees(dp, dp->held)));
        return;
    }
    dv_dp_draft_begin(&dp->draft, dp->plan, &dp->tally, &dp->noise, dp->span, dp->held);
    write_part(&dp->next_part);
}

/* Counts over time are paid for when they begin. */
static bool is_paid(const struct dv_aggregate_dp *dp)
{
    return dp->plan->continual && dp->period_end_ms != 0 && dp->trees[0].step < dp->trees[0].steps_max;
}

static dv_rc end_window(struct dv_aggregate_dp *dp, struct dv_batch *batch)
{
    close_span(dp);
    if (is_paid(dp))
        return release(dp, batch, answer_trees(dp, batch));
    dp->period_end_ms = 0;
    dp->held = batch;
    dv_purse_charge(&dp->purse, dp->plan->epsilon_nano);
    return DV_HOLD;
}

static dv_rc absorb(struct dv_aggregate_dp *dp, struct dv_batch *batch)
{
    if (dv_is_error(dv_keep_receipt(dp->node, &dp->keep, batch)))
        return dv_fail(dp->node, DV_E_FULL, "the graph keeps as many receipts as it can");
    if (dv_is_error(dv_tally_add(&dp->tally, batch)))
        return dv_fail(dp->node, DV_E_FAILED, "no memory for a window's groups");
    return DV_DROP;
}

dv_rc dv_aggregate_dp_process(struct dv_aggregate_dp *dp, struct dv_batch *batch)
{
    if (batch != NULL)
        return batch->rows == 0 ? end_window(dp, batch) : absorb(dp, batch);
    dp->ends_early = true;
    dv_want(dp->node);
    return DV_DROP;
}
