/* SPDX-License-Identifier: Apache-2.0
 * spending.c - adds up what windows cost. */
#include "cli/spending.h"

#include <math.h>
#include <stdio.h>

#include "connectors/ledger.h"
#include "engine/diag.h"
#include "engine/graph.h"
#include "engine/operator.h"
#include "engine/yaml.h"
#include "privacy/dp.h"

enum { DAY_MS = 86400000, HOUR_MS = 3600000, MINUTE_MS = 60000, SECOND_MS = 1000 };

/* `budget: { epsilon: 10, delta: 1e-6, per: 24h }` */
struct limit {
    double epsilon, delta;
    int64_t per_ms;
};

static const struct dv_option options[] = {
    { "epsilon", DV_FLOAT, offsetof(struct limit, epsilon), .flags = DV_REQUIRED, .min = 0, .max = 1000,
      .help = "What all answers of a period may cost together." },
    { "delta", DV_FLOAT, offsetof(struct limit, delta), .initial = "0", .min = 0, .max = 1,
      .help = "The chance that the promise fails, for all answers of a period together." },
    { "per", DV_DURATION, offsetof(struct limit, per_ms), .initial = "1d", .min = 1000, .max = INT64_C(366) * DAY_MS,
      .help = "The period." },
    { 0 },
};

/* What all nodes cost in a period. */
struct total {
    int64_t basic_nano, rho_nano;
    double delta;
    uint32_t nodes;
};

/* n × nano, without wrapping. */
static int64_t times(int64_t nano, int64_t n)
{
    int64_t product = 0;
    return __builtin_mul_overflow(nano, n, &product) ? INT64_MAX : product;
}

static bool spends(const struct dv_node *node, struct dv_spending *ret)
{
    const struct dv_operator *op = dv_node_operator(node);
    return op->spends != NULL && op->spends(node, ret);
}

static struct total add_up(const struct dv_graph *graph, int64_t per_ms)
{
    struct total total = { 0 };
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        struct dv_spending one = { 0 };
        if (!spends(dv_graph_node(graph, i), &one))
            continue;
        int64_t answers = (per_ms + one.every_ms - 1) / one.every_ms;
        total.nodes++;
        total.basic_nano = dv_dp_spend(total.basic_nano, times(one.epsilon_nano, answers));
        total.rho_nano = dv_dp_spend(total.rho_nano, times(dv_dp_rho_of_pure(one.epsilon_nano), answers));
        total.delta += one.delta * (double)answers;
    }
    return total;
}

/* The smaller of both sums; the second needs a δ that the answers leave over. */
static int64_t bound_of(const struct total *total, double delta)
{
    double left = delta - total->delta;
    if (!(left > 0 && left < 1))
        return total->basic_nano;
    int64_t concentrated = dv_dp_epsilon_of_rho(total->rho_nano, left);
    return concentrated < total->basic_nano ? concentrated : total->basic_nano;
}

static dv_rc read_limit(const struct dv_graph *graph, struct limit *ret, struct dv_arena *arena, struct dv_diags *diags)
{
    const struct dv_yaml *tree = dv_graph_settings(graph)->budget;
    return dv_options_parse(options, ret, tree, NULL, "setting 'budget'", arena, diags);
}

dv_rc dv_spending_check(const struct dv_graph *graph, struct dv_diags *diags)
{
    const struct dv_yaml *tree = dv_graph_settings(graph)->budget;
    struct limit limit = { 0 };
    if (tree == NULL)
        return DV_OK;
    DV_TRY(read_limit(graph, &limit, diags->arena, diags));
    struct total total = add_up(graph, limit.per_ms);
    int64_t bound = bound_of(&total, limit.delta);
    if (total.delta > limit.delta) {
        dv_diags_add(diags, tree->key_place, "P109", NULL, "say a larger `delta` here, or smaller ones at the nodes",
                     "the answers of a period could add up to δ = %.3g, and the budget is %.3g", total.delta, limit.delta);
        return DV_E_LEAK;
    }
    if ((double)bound <= limit.epsilon * DV_DP_NANO)
        return DV_OK;
    dv_diags_add(diags, tree->key_place, "P108", NULL, "make windows longer, their epsilon smaller, or the budget larger",
                 "the answers of a period could cost ε = %.4g, and the budget is %.4g", (double)bound / DV_DP_NANO,
                 limit.epsilon);
    return DV_E_LEAK;
}

static void print_time(int64_t ms)
{
    const char *unit = ms >= 2 * DAY_MS ? "d" : ms >= 2 * HOUR_MS ? "h" : ms >= 2 * MINUTE_MS ? "min" : "s";
    int64_t length = ms >= 2 * DAY_MS ? DAY_MS : ms >= 2 * HOUR_MS ? HOUR_MS : ms >= 2 * MINUTE_MS ? MINUTE_MS : SECOND_MS;
    (void)printf("%lld %s", (long long)(ms / length), unit);
}

static void print_node(const struct dv_graph *graph, const struct dv_node *node, const struct dv_spending *one)
{
    const struct dv_graph_settings *settings = dv_graph_settings(graph);
    const struct dv_account account = { &dv_sys_real, settings->state, settings->tenant, one->dataset, dv_node_name(node) };
    struct dv_budget budget = { 0 };
    struct dv_error error = { 0 };
    (void)printf("privacy: %s spends ε = %s every ", dv_node_name(node), dv_ledger_decimal(one->epsilon_nano).text);
    print_time(one->every_ms);
    dv_rc rc = dv_ledger_read(&account, &budget, &error);
    int64_t left = budget.limit_nano > budget.spent_nano ? budget.limit_nano - budget.spent_nano : 0;
    if (rc != DV_OK) {
        (void)printf("; its account (%s) cannot be charged: %s\n", one->dataset, dv_rc_text(rc));
        return;
    }
    (void)printf("; %s of its account (%s) is left, for ", dv_ledger_decimal(left).text, one->dataset);
    print_time(times(one->every_ms, left / one->epsilon_nano));
    (void)printf("\n");
}

void dv_spending_print(const struct dv_graph *graph)
{
    struct limit limit = { .per_ms = DAY_MS };
    struct dv_arena arena;
    struct dv_diags diags;
    dv_arena_init(&arena, DV_ARENA_CHUNK);
    dv_diags_init(&diags, &arena);
    if (dv_graph_settings(graph)->budget != NULL)
        (void)!read_limit(graph, &limit, &arena, &diags); /* it was read before, without findings */
    struct total total = add_up(graph, limit.per_ms);
    dv_arena_free(&arena);
    if (total.nodes == 0)
        return;
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        struct dv_spending one = { 0 };
        if (spends(dv_graph_node(graph, i), &one))
            print_node(graph, dv_graph_node(graph, i), &one);
    }
    (void)printf("privacy: all answers of ");
    print_time(limit.per_ms);
    (void)printf(" together cost at most ε = %.4g", (double)bound_of(&total, limit.delta) / DV_DP_NANO);
    if (total.delta > 0 || limit.delta > 0)
        (void)printf(" at δ = %.3g", total.delta > limit.delta ? total.delta : limit.delta);
    (void)printf("\n");
}
