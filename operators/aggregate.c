/* SPDX-License-Identifier: Apache-2.0
 * aggregate.c - counts records in groups over windows of time, and shows only groups of k.
 *
 * Windows begin at multiples of their length. Those of processing time end on a timer; what comes while a closed window still
 * waits for the nodes behind it belongs to that window, whose end then says so. Those of the records' own time end as
 * operators/aggregate_time.h says; the rows of a batch that are for later windows wait until the open one is told. The records'
 * receipts are kept and given on with the window's one batch, so a source settles them when all windows of a batch are durable.
 * With `dp:` another operator stands behind this name: operators/aggregate_dp.h. */
#include "engine/id.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/aggregate_dp.h"
#include "operators/aggregate_schema.h"
#include "operators/aggregate_time.h"

enum { TIME_ARRIVAL, TIME_RECORD };
enum { LOOK_MS = 1000, AGAIN_MS = 50 }; /* how often a window of records' time looks whether it is in the way; and at most, whether input waits */

struct aggregate {
    struct dv_aggregate_spec spec;
    int64_t window_ms;
    int time_kind;
    struct dv_window window;
    struct dv_keep keep;
    struct dv_timer timer;
    uint64_t left_ms; /* of TIME_RECORD: from the timer's next end to that of the window by the clock */
    struct dv_aggregate_span span;
    int64_t last_ms; /* when the newest record was counted */
    uint64_t origin; /* tells the rows of two windows with the same beginning apart: hash of node and first record */
    bool opened;
    struct dv_aggregate_time time; /* of TIME_RECORD */
    struct dv_batch *rest;         /* whose rows from `rest_from` on are for later windows than the open one; or NULL */
    uint32_t rest_from;
    struct dv_keep next; /* the receipt of `rest`, taken before the open window is told */
    const struct dv_yaml *dp_options; /* NULL: no noise, but groups of k */
    const struct dv_dp_plan *dp_plan;
    struct dv_aggregate_dp *dp;
};

static const struct dv_option options[] = {
    { "window", DV_DURATION, offsetof(struct aggregate, window_ms), .initial = "5s", .min = 100, .max = 86400000,
      .help = "Length of a window; windows begin at multiples of it." },
    { "time", DV_ENUM, offsetof(struct aggregate, time_kind), .initial = "arrival", .values = "arrival|record",
      .help = "A record is counted in the window in which it arrives here, or in that of its own time: when it entered its "
              "stream, or was stored. So a backlog of one stream falls into the windows it is of." },
    { "lateness", DV_DURATION, offsetof(struct aggregate, time.lateness_ms), .initial = "1s", .max = 86400000,
      .help = "With `time: record`: how long after its end, and after the last record, a window is told even if no later record came." },
    { "by", DV_STRS, offsetof(struct aggregate, spec.by),
      .help = "At most 2 columns whose values name a group; no direct identifier and no free text." },
    { "sums", DV_STRS, offsetof(struct aggregate, spec.sums),
      .help = "At most 8 number columns to sum in each group." },
    { "quantiles", DV_TREE, offsetof(struct aggregate, spec.quantiles),
      .help = "Quantiles of one number column: { column: age, of: [0.5, 0.95] }, within 1 % where values spread less "
              "than 165 to 1." },
    { "k", DV_INT, offsetof(struct aggregate, spec.k), .initial = "5", .min = DV_K_MIN, .max = 1000,
      .help = "Smallest group that is shown: different subjects, or records where the schema has no subject." },
    { "top", DV_INT, offsetof(struct aggregate, spec.top), .initial = "100", .min = 1, .max = DV_WINDOW_TOP_MAX,
      .help = "How many groups are shown, the largest first; the rest is pooled as `other`." },
    { "groups", DV_INT, offsetof(struct aggregate, spec.groups), .initial = "4096", .min = 1, .max = 65536,
      .help = "How many groups are counted apart in a window; records of further ones are counted in `other`." },
    { "margins", DV_BOOL, offsetof(struct aggregate, spec.margins), .initial = "false",
      .help = "With two columns in `by`: the totals of their values, too, and of all. What would make a small group computable is "
              "hidden; at most 512 groups are counted apart, and there is no row of the rest." },
    { "dp", DV_TREE, offsetof(struct aggregate, dp_options),
      .help = "Noised answers instead of groups of k: { epsilon: 0.5, groups: { ward: [A, B] } }, charged to a budget; "
              "docs/privacy.md has its options." },
    { 0 },
};

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct aggregate *aggregate = dv_state(node);
    shape->counts.any = true;
    shape->counts.noised = aggregate->dp_options != NULL;
    aggregate->time.window_ms = aggregate->window_ms;
    if (aggregate->dp_options != NULL) {
        DV_TRY(dv_aggregate_read(node, shape, &aggregate->spec));
        if (aggregate->spec.margins)
            return dv_refuse(node, "margins", "C113", "leave it out: totals with noise are an aggregate of their own",
                             "`margins` hides numbers, and with `dp` none is hidden");
        if (aggregate->time_kind == TIME_RECORD)
            return dv_refuse(node, "time", "C113", "leave it out: what is charged is charged by the clock",
                             "the times of records would decide how often an answer with noise is paid for");
        aggregate->dp_plan = dv_aggregate_dp_transfer(node, shape, aggregate->dp_options, &aggregate->spec, aggregate->window_ms);
        return aggregate->dp_plan != NULL ? DV_OK : DV_E_CONFIG;
    }
    DV_TRY(dv_aggregate_plan(node, shape, &aggregate->spec));
    shape->out[0] = aggregate->spec.schema;
    shape->subjects = aggregate->spec.plan.k;
    shape->counts.margins = aggregate->spec.margins;
    shape->counts.by = aggregate->spec.by;
    shape->counts.sums = aggregate->spec.sums;
    return DV_OK;
}

/* Of windows of records' time. */
static void ends_in(struct aggregate *aggregate, uint64_t left_ms)
{
    uint64_t step_ms = left_ms < LOOK_MS ? left_ms : LOOK_MS;
    aggregate->left_ms = left_ms - step_ms;
    dv_timer_start(&aggregate->timer, step_ms);
}

/* A window that keeps what others need to send is told before its time, and goes on as one more of its span. */
static void own_time_ends(struct dv_node *node)
{
    struct aggregate *aggregate = dv_state(node);
    int64_t lateness_ms = aggregate->time.lateness_ms;
    bool starves = dv_input_starves(node);
    if (!starves && aggregate->left_ms > 0)
        ends_in(aggregate, aggregate->left_ms);
    else if (!starves && dv_input_waits(node)) /* it is this node that is late, not the records */
        ends_in(aggregate, lateness_ms > AGAIN_MS ? (uint64_t)lateness_ms : AGAIN_MS);
    else
        dv_want(node);
}

static void window_ends(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    const struct aggregate *aggregate = dv_state(node);
    if (aggregate->window.records == 0)
        return;
    if (aggregate->time_kind == TIME_RECORD)
        own_time_ends(node);
    else
        dv_want(node);
}

static dv_rc open_node(struct dv_node *node)
{
    struct aggregate *aggregate = dv_state(node);
    if (aggregate->dp_plan != NULL)
        return dv_aggregate_dp_open(node, aggregate->dp_plan, &aggregate->dp);
    uint64_t seed = dv_now_ns(dv_node_loop(node)) ^ (uint64_t)(uintptr_t)aggregate;
    if (dv_is_error(dv_window_init(&aggregate->window, &aggregate->spec.plan, dv_node_arena(node), seed)))
        return dv_fail(node, DV_E_MEMORY, "no memory for %u groups", aggregate->spec.plan.groups_max);
    dv_timer_init(dv_node_loop(node), &aggregate->timer, window_ends, node);
    aggregate->opened = true;
    return DV_OK;
}

static void set_origin(struct dv_node *node, const struct dv_batch *batch, uint32_t row)
{
    struct aggregate *aggregate = dv_state(node);
    aggregate->origin = dv_hash64(dv_node_name(node), strlen(dv_node_name(node)), 0);
    aggregate->origin = dv_hash64(batch->row[row].id, sizeof batch->row[row].id, aggregate->origin);
}

static void begin(struct dv_node *node, const struct dv_batch *batch, int64_t now_ms)
{
    struct aggregate *aggregate = dv_state(node);
    int64_t boundary = now_ms - now_ms % aggregate->window_ms;
    aggregate->span.end_ms = boundary + aggregate->window_ms;
    bool late = aggregate->last_ms > boundary && aggregate->last_ms <= now_ms;
    aggregate->span.start_ms = late ? aggregate->last_ms : boundary;
    set_origin(node, batch, 0);
    dv_timer_start(&aggregate->timer, (uint64_t)(aggregate->span.end_ms - now_ms));
}

/* Counts what belongs to the window that is open; what does not waits in `rest`, and nothing else comes in before it:
 * the runner sees to what a node wants first. */
static void count_own_time(struct dv_node *node, struct dv_batch *batch, uint32_t from)
{
    struct aggregate *aggregate = dv_state(node);
    int64_t now_ms = dv_wall_ms(dv_node_loop(node));
    uint32_t to = dv_aggregate_time_take(&aggregate->time, batch, from, now_ms);
    if (to > from && aggregate->window.records == 0)
        set_origin(node, batch, from);
    dv_window_add_rows(&aggregate->window, batch, from, to);
    aggregate->span = aggregate->time.span;
    aggregate->rest = to < batch->rows ? batch : NULL;
    aggregate->rest_from = to;
    if (aggregate->rest != NULL)
        dv_want(node);
    else
        ends_in(aggregate, dv_aggregate_time_left(&aggregate->time, now_ms));
}

static dv_rc no_receipts(struct dv_node *node)
{
    return dv_fail(node, DV_E_FULL, "the graph keeps as many receipts as it can");
}

static dv_rc absorb_own_time(struct dv_node *node, struct dv_batch *batch)
{
    struct aggregate *aggregate = dv_state(node);
    if (aggregate->rest != NULL)
        return dv_fail(node, DV_E_FULL, "a window waits for its room, and the next one's records with it");
    if (dv_is_error(dv_keep_receipt(node, &aggregate->keep, batch)))
        return no_receipts(node);
    count_own_time(node, batch, 0);
    if (aggregate->rest != NULL)
        (void)dv_batch_ref(batch);
    return DV_DROP;
}

static dv_rc absorb(struct dv_node *node, struct dv_batch *batch)
{
    struct aggregate *aggregate = dv_state(node);
    int64_t now_ms = dv_wall_ms(dv_node_loop(node));
    if (dv_is_error(dv_keep_receipt(node, &aggregate->keep, batch)))
        return no_receipts(node);
    if (aggregate->window.records == 0)
        begin(node, batch, now_ms);
    dv_window_add(&aggregate->window, batch);
    aggregate->last_ms = now_ms;
    return DV_DROP;
}

/* The rows of the window's batch. */
static dv_rc fill(struct dv_node *node, struct dv_batch *batch)
{
    struct aggregate *aggregate = dv_state(node);
    struct dv_window_report report = dv_window_close(&aggregate->window);
    if (dv_is_error(dv_aggregate_fill(&aggregate->spec, &aggregate->window, report, aggregate->span, batch)))
        return dv_fail(node, DV_E_MEMORY, "a window's %u rows do not fit a batch", batch->rows);
    for (uint32_t row = 0; row < batch->rows; row++) {
        batch->row[row].created_ms = aggregate->span.end_ms - (aggregate->time_kind == TIME_RECORD); /* it is of its window itself */
        dv_id_make(batch->row[row].id, (uint64_t)aggregate->span.start_ms, row, aggregate->origin);
    }
    return DV_OK;
}

/* The window is told: the next one begins with what waited for it. */
static void turn_over(struct dv_node *node, struct dv_batch *batch)
{
    struct aggregate *aggregate = dv_state(node);
    struct dv_batch *rest = aggregate->rest;
    dv_give_receipts(node, &aggregate->keep, batch);
    aggregate->keep = aggregate->next;
    aggregate->next = (struct dv_keep){ 0 };
    dv_window_reset(&aggregate->window);
    dv_timer_stop(&aggregate->timer);
    if (aggregate->time_kind != TIME_RECORD)
        return;
    dv_aggregate_time_told(&aggregate->time);
    if (rest == NULL)
        return;
    count_own_time(node, rest, aggregate->rest_from);
    if (aggregate->rest == NULL)
        dv_batch_unref(rest);
}

static dv_rc emit(struct dv_node *node, struct dv_batch *batch)
{
    struct aggregate *aggregate = dv_state(node);
    DV_ASSERT(aggregate->window.records > 0); /* only what has something to say asks for a batch */
    if (aggregate->time_kind == TIME_ARRIVAL && aggregate->last_ms >= aggregate->span.end_ms)
        aggregate->span.end_ms = aggregate->last_ms + 1;
    bool waits = aggregate->rest != NULL && aggregate->next.count == 0; /* before the window is closed, which is done once */
    if (waits && dv_is_error(dv_keep_receipt(node, &aggregate->next, aggregate->rest)))
        return no_receipts(node);
    DV_TRY(fill(node, batch));
    turn_over(node, batch);
    return DV_PASS;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct aggregate *aggregate = dv_state(node);
    if (aggregate->dp != NULL)
        return dv_aggregate_dp_process(aggregate->dp, batch);
    if (batch != NULL && batch->rows == 0)
        return emit(node, batch);
    if (batch != NULL)
        return aggregate->time_kind == TIME_RECORD ? absorb_own_time(node, batch) : absorb(node, batch);
    if (aggregate->window.records > 0)
        dv_want(node);
    return DV_DROP;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct aggregate *aggregate = dv_state(node);
    if (aggregate->time_kind != TIME_RECORD || index > 0)
        return false;
    *ret = (struct dv_gauge){ "late", (double)aggregate->time.late };
    return true;
}

static const char *waits(struct dv_node *node)
{
    const struct aggregate *aggregate = dv_state(node);
    const char *reason = dv_aggregate_dp_waits(aggregate->dp);
    bool in_the_way = aggregate->keep.count > 0 && dv_input_starves(node);
    return reason == NULL && in_the_way ? "windows keep as many receipts as there are; what comes waits until one is told" : reason;
}

static bool spends(const struct dv_node *node, struct dv_spending *ret)
{
    const struct aggregate *aggregate = dv_state(node);
    if (aggregate->dp_plan != NULL)
        dv_aggregate_dp_spends(aggregate->dp_plan, ret);
    return aggregate->dp_plan != NULL;
}

static void close_node(struct dv_node *node)
{
    struct aggregate *aggregate = dv_state(node);
    dv_aggregate_dp_close(aggregate->dp);
    if (!aggregate->opened)
        return;
    dv_timer_close(&aggregate->timer);
    dv_window_free(&aggregate->window);
}

const struct dv_operator dv_operator_aggregate = {
    .name = "aggregate",
    .summary = "Counts records in groups over windows of time, and shows only groups of k, or noised answers.",
    .options = options,
    .size = sizeof(struct aggregate),
    .makes = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .spends = spends,
    .gauge = gauge,
    .close = close_node,
};
