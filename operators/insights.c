/* SPDX-License-Identifier: Apache-2.0
 * insights.c - says what is remarkable in the windows of an aggregate: what rises, what strays, what shifts, and what to do.
 *
 * Each batch is a window. It is judged against what was learnt from those before (operators/insights_find.h), which is kept
 * in memory only: a restart learns anew, and until enough is known nothing but the largest groups is told. A window with
 * nothing to say is dropped. A window that comes twice, because a node behind failed, is judged twice and learnt twice; the
 * medians do not mind. */
#include <inttypes.h>
#include <string.h>

#include "engine/id.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/insights_rows.h"

enum { MEMORY_MAX = 64 * 1024 * 1024 };

struct insights {
    int season;
    int test;
    int64_t history, learn, min_count, top, groups;
    double alpha, growth, shift, drift;
    const struct dv_yaml *rules_options;
    struct dv_insights_columns columns;
    struct dv_insights_rules rules;
    struct dv_insights_plan plan;
    struct dv_insights *found; /* NULL until open */
};

static const struct dv_option options[] = {
    { "season", DV_ENUM, offsetof(struct insights, season), .initial = "none", .values = "none|day|week",
      .help = "What is usual is learnt over the last windows, for each hour of the day, or for each hour of the week (UTC)." },
    { "history", DV_INT, offsetof(struct insights, history), .initial = "12", .min = 3, .max = DV_BASELINE_HISTORY_MAX,
      .help = "How many days or weeks are remembered; without a season, how many windows." },
    { "learn", DV_INT, offsetof(struct insights, learn), .initial = "4", .min = 3, .max = DV_BASELINE_HISTORY_MAX,
      .help = "How many of them must be known before anything is judged." },
    { "alpha", DV_FLOAT, offsetof(struct insights, alpha), .initial = "0.0001", .min = 0, .max = 1,
      .help = "Share of false discoveries among what is told of a window (Benjamini-Hochberg)." },
    { "test", DV_ENUM, offsetof(struct insights, test), .initial = "count", .values = "count|share",
      .help = "Growth of a group's count (negative binomial), or of its share of the window (beta-binomial), which does not "
              "mind if all groups grow." },
    { "min_count", DV_INT, offsetof(struct insights, min_count), .initial = "10", .min = DV_K_MIN, .max = 1000000,
      .help = "Groups with fewer records in the window are not judged." },
    { "growth", DV_FLOAT, offsetof(struct insights, growth), .initial = "1.5", .min = 1, .max = 1000,
      .help = "Smallest growth that is told: the count over the usual one." },
    { "shift", DV_FLOAT, offsetof(struct insights, shift), .initial = "1.5", .min = 1, .max = 1000,
      .help = "Smallest change of a sum's mean or of a quantile that is told: 1.5 times the usual, or the usual 1.5 times it." },
    { "drift", DV_FLOAT, offsetof(struct insights, drift), .initial = "0.2", .min = 0, .max = 1000,
      .help = "Smallest change of the groups' shares that is told: population stability index." },
    { "top", DV_INT, offsetof(struct insights, top), .initial = "3", .min = 0, .max = 32,
      .help = "How many of the largest groups are told of each window." },
    { "groups", DV_INT, offsetof(struct insights, groups), .initial = "256", .min = 1, .max = 4096,
      .help = "How many groups are remembered; further ones are not judged, and counted in the figure `untracked`." },
    { "rules", DV_TREE, offsetof(struct insights, rules_options),
      .help = "Severity and recommendation by kind and size: [{ kind: emerging, from: 2, severity: warning, say: \"…\" }]; "
              "kinds that are not named keep the rules that are built in." },
    { 0 },
};

static void make_plan(struct insights *insights)
{
    insights->plan = (struct dv_insights_plan){
        .baseline = { .season = insights->season, .history = (uint32_t)insights->history, .learn = (uint32_t)insights->learn },
        .test = insights->test,
        .alpha = insights->alpha,
        .min_count = (double)insights->min_count,
        .k = insights->columns.k,
        .growth = insights->growth,
        .shift = insights->shift,
        .drift = insights->drift,
        .top = (uint32_t)insights->top,
        .groups = (uint32_t)insights->groups,
        .measures = insights->columns.measure_count,
    };
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct insights *insights = dv_state(node);
    DV_TRY(dv_insights_columns(node, shape, &insights->columns));
    DV_TRY(dv_insights_rules_read(node, insights->rules_options, &insights->rules));
    if (insights->learn > insights->history)
        return dv_refuse(node, "learn", "C213", NULL, "`learn` is more than `history`, so nothing would ever be judged");
    make_plan(insights);
    size_t bytes = dv_insights_plan(&insights->plan);
    if (bytes > MEMORY_MAX)
        return dv_refuse(node, "groups", "C214", "lower `groups` or `history`",
                         "the past of %" PRId64 " groups would take %zu MiB; there can be %d", insights->groups,
                         bytes / 1024 / 1024, MEMORY_MAX / 1024 / 1024);
    shape->out[0] = insights->columns.out;
    shape->subjects = insights->columns.k;
    return DV_OK;
}

static dv_rc open_node(struct dv_node *node)
{
    struct insights *insights = dv_state(node);
    uint64_t seed = dv_now_ns(dv_node_loop(node)) ^ (uint64_t)(uintptr_t)insights;
    insights->found = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *insights->found);
    if (insights->found == NULL ||
        dv_is_error(dv_insights_init(insights->found, &insights->plan, dv_node_arena(node), seed)))
        return dv_fail(node, DV_E_MEMORY, "no memory for %" PRId64 " groups", insights->groups);
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct insights *insights = dv_state(node);
    struct dv_insight said[DV_INSIGHTS_SAID_MAX];
    struct dv_insights_room room = { .rows = NULL };
    uint32_t rows[DV_INSIGHTS_ROWS_MAX];
    if (batch->rows == batch->rejected_count)
        return DV_DROP;
    const struct dv_insights_window *window = dv_insights_read(&insights->columns, batch, dv_node_scratch(node), rows);
    if (window == NULL || dv_is_error(dv_insights_room(batch, &room)))
        return dv_fail(node, DV_E_MEMORY, "no memory to judge a window of %u rows", batch->rows);
    uint64_t origin = dv_hash64(dv_node_name(node), strlen(dv_node_name(node)), 0);
    struct dv_insights_said told = {
        .plan = &insights->plan,
        .rules = &insights->rules,
        .window = window,
        .rows = rows,
        .insights = said,
        .count = dv_insights_window(insights->found, window, said),
        .origin = dv_hash64(batch->row[0].id, sizeof batch->row[0].id, origin),
    };
    if (told.count == 0)
        return DV_DROP;
    if (dv_is_error(dv_insights_write(&insights->columns, &told, &room, batch)))
        return dv_fail(node, DV_E_MEMORY, "no memory for the columns of insights");
    return DV_PASS;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct insights *insights = dv_state(node);
    if (insights->found == NULL || index > 2)
        return false;
    const struct dv_gauge gauges[] = {
        { "windows", (double)insights->found->windows },
        { "tracked", insights->found->place_count },
        { "untracked", (double)insights->found->untracked },
    };
    *ret = gauges[index];
    return true;
}

const struct dv_operator dv_operator_insights = {
    .name = "insights",
    .summary = "Says what is remarkable in the windows of an aggregate: what rises, strays or shifts, and what to do.",
    .options = options,
    .size = sizeof(struct insights),
    .edits = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .gauge = gauge,
};
