/* SPDX-License-Identifier: Apache-2.0
 * aggregate.c - counts records in groups over windows of time, and shows only groups of k.
 *
 * Windows are of processing time, beginning at multiples of their length, and end on a timer. What comes while a closed
 * window still waits for the nodes behind it belongs to that window, whose end then says so. The records' receipts are
 * kept and given on with the window's one batch, so a source settles them when the window is durable. With `dp:` another
 * operator stands behind this name: operators/aggregate_dp.h. */
#include "engine/id.h"
#include "engine/operator.h"
#include "operators/aggregate_dp.h"
#include "operators/aggregate_schema.h"

struct aggregate {
    struct dv_aggregate_spec spec;
    int64_t window_ms;
    struct dv_window window;
    struct dv_keep keep;
    struct dv_timer timer;
    struct dv_aggregate_span span;
    int64_t last_ms; /* when the newest record was counted */
    uint64_t origin; /* tells the rows of two windows with the same beginning apart: hash of node and first record */
    bool opened;
    const struct dv_yaml *dp_options; /* NULL: no noise, but groups of k */
    const struct dv_dp_plan *dp_plan;
    struct dv_aggregate_dp *dp;
};

static const struct dv_option options[] = {
    { "window", DV_DURATION, offsetof(struct aggregate, window_ms), .initial = "5s", .min = 100, .max = 86400000,
      .help = "Length of a window; windows begin at multiples of it." },
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
    if (aggregate->dp_options != NULL) {
        DV_TRY(dv_aggregate_read(node, shape, &aggregate->spec));
        if (aggregate->spec.margins)
            return dv_refuse(node, "margins", "C113", "leave it out: totals with noise are an aggregate of their own",
                             "`margins` hides numbers, and with `dp` none is hidden");
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

static void window_ends(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    const struct aggregate *aggregate = dv_state(node);
    if (aggregate->window.records > 0)
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

static void begin(struct dv_node *node, const struct dv_batch *batch, int64_t now_ms)
{
    struct aggregate *aggregate = dv_state(node);
    int64_t boundary = now_ms - now_ms % aggregate->window_ms;
    aggregate->span.end_ms = boundary + aggregate->window_ms;
    bool late = aggregate->last_ms > boundary && aggregate->last_ms <= now_ms;
    aggregate->span.start_ms = late ? aggregate->last_ms : boundary;
    aggregate->origin = dv_hash64(dv_node_name(node), strlen(dv_node_name(node)), 0);
    aggregate->origin = dv_hash64(batch->row[0].id, sizeof batch->row[0].id, aggregate->origin);
    dv_timer_start(&aggregate->timer, (uint64_t)(aggregate->span.end_ms - now_ms));
}

static dv_rc absorb(struct dv_node *node, struct dv_batch *batch)
{
    struct aggregate *aggregate = dv_state(node);
    int64_t now_ms = dv_wall_ms(dv_node_loop(node));
    if (dv_is_error(dv_keep_receipt(node, &aggregate->keep, batch)))
        return dv_fail(node, DV_E_FULL, "the graph keeps as many receipts as it can");
    if (aggregate->window.records == 0)
        begin(node, batch, now_ms);
    dv_window_add(&aggregate->window, batch);
    aggregate->last_ms = now_ms;
    return DV_DROP;
}

static dv_rc emit(struct dv_node *node, struct dv_batch *batch)
{
    struct aggregate *aggregate = dv_state(node);
    DV_ASSERT(aggregate->window.records > 0); /* only what has something to say asks for a batch */
    if (aggregate->last_ms >= aggregate->span.end_ms)
        aggregate->span.end_ms = aggregate->last_ms + 1;
    struct dv_window_report report = dv_window_close(&aggregate->window);
    if (dv_is_error(dv_aggregate_fill(&aggregate->spec, &aggregate->window, report, aggregate->span, batch)))
        return dv_fail(node, DV_E_MEMORY, "a window's %u rows do not fit a batch", batch->rows);
    for (uint32_t row = 0; row < batch->rows; row++) {
        batch->row[row].created_ms = aggregate->span.end_ms;
        dv_id_make(batch->row[row].id, (uint64_t)aggregate->span.start_ms, row, aggregate->origin);
    }
    dv_give_receipts(node, &aggregate->keep, batch);
    dv_window_reset(&aggregate->window);
    dv_timer_stop(&aggregate->timer);
    return DV_PASS;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct aggregate *aggregate = dv_state(node);
    if (aggregate->dp != NULL)
        return dv_aggregate_dp_process(aggregate->dp, batch);
    if (batch != NULL)
        return batch->rows == 0 ? emit(node, batch) : absorb(node, batch);
    if (aggregate->window.records > 0)
        dv_want(node);
    return DV_DROP;
}

static const char *waits(struct dv_node *node)
{
    const struct aggregate *aggregate = dv_state(node);
    return dv_aggregate_dp_waits(aggregate->dp);
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
    .close = close_node,
};
