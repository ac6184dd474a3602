/* SPDX-License-Identifier: Apache-2.0
 * spending.c - adds up what windows cost. */
#include "cli/spending.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "connectors/ledger.h"
#include "engine/diag.h"
#include "engine/graph.h"
#include "engine/json.h"
#include "engine/operator.h"
#include "engine/yaml.h"
#include "privacy/dp.h"

enum { DAY_MS = 86400000, HOUR_MS = 3600000, MINUTE_MS = 60000, SECOND_MS = 1000, JSON_BYTES = 128 * 1024 };

static const struct dv_option options[] = {
    { "epsilon", DV_FLOAT, offsetof(struct dv_spending_limit, epsilon), .flags = DV_REQUIRED, .min = 0, .max = 1000,
      .help = "What all answers of a period may cost together." },
    { "delta", DV_FLOAT, offsetof(struct dv_spending_limit, delta), .initial = "0", .min = 0, .max = 1,
      .help = "The chance that the promise fails, for all answers of a period together." },
    { "per", DV_DURATION, offsetof(struct dv_spending_limit, per_ms), .initial = "1d", .min = 1000, .max = INT64_C(366) * DAY_MS,
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

dv_rc dv_spending_limit(const struct dv_graph *graph, struct dv_spending_limit *ret, struct dv_arena *arena,
                        struct dv_diags *diags)
{
    const struct dv_yaml *tree = dv_graph_settings(graph)->budget;
    *ret = (struct dv_spending_limit){ 0 };
    return tree != NULL ? dv_options_parse(options, ret, tree, NULL, "setting 'budget'", arena, diags) : DV_OK;
}

dv_rc dv_spending_check(const struct dv_graph *graph, struct dv_diags *diags)
{
    const struct dv_yaml *tree = dv_graph_settings(graph)->budget;
    struct dv_spending_limit limit = { 0 };
    if (tree == NULL)
        return DV_OK;
    DV_TRY(dv_spending_limit(graph, &limit, diags->arena, diags));
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

/* What is left of a node's account; 0 after an error. */
static dv_rc read_account(const struct dv_graph *graph, const struct dv_node *node, const struct dv_spending *one,
                          struct dv_budget *ret, int64_t *ret_left_nano)
{
    const struct dv_graph_settings *settings = dv_graph_settings(graph);
    const struct dv_account account = { &dv_sys_real, settings->state, settings->tenant, one->dataset, dv_node_name(node) };
    struct dv_error error = { 0 };
    dv_rc rc = dv_ledger_read(&account, ret, &error);
    bool is_over = rc != DV_OK || ret->spent_nano >= ret->limit_nano;
    *ret_left_nano = is_over ? 0 : ret->limit_nano - ret->spent_nano;
    return rc;
}

static void print_node(const struct dv_graph *graph, const struct dv_node *node, const struct dv_spending *one)
{
    struct dv_budget budget = { 0 };
    int64_t left = 0;
    (void)printf("privacy: %s spends ε = %s every ", dv_node_name(node), dv_ledger_decimal(one->epsilon_nano).text);
    print_time(one->every_ms);
    dv_rc rc = read_account(graph, node, one, &budget, &left);
    if (rc != DV_OK) {
        (void)printf("; its account (%s) cannot be charged: %s\n", one->dataset, dv_rc_text(rc));
        return;
    }
    (void)printf("; %s of its account (%s) is left, for ", dv_ledger_decimal(left).text, one->dataset);
    print_time(times(one->every_ms, left / one->epsilon_nano));
    (void)printf("\n");
}

/* The graph's `budget`, or a day without a limit; false if it has none. */
static bool limit_of(const struct dv_graph *graph, struct dv_spending_limit *ret)
{
    struct dv_arena arena;
    struct dv_diags diags;
    *ret = (struct dv_spending_limit){ .per_ms = DAY_MS };
    if (dv_graph_settings(graph)->budget == NULL)
        return false;
    dv_arena_init(&arena, DV_ARENA_CHUNK);
    dv_diags_init(&diags, &arena);
    (void)!dv_spending_limit(graph, ret, &arena, &diags); /* it was read before, without findings */
    dv_arena_free(&arena);
    return true;
}

void dv_spending_print(const struct dv_graph *graph)
{
    struct dv_spending_limit limit;
    (void)limit_of(graph, &limit);
    struct total total = add_up(graph, limit.per_ms);
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

/* ---- the same for programs ---- */

static void add_nano(struct dv_json *json, const char *key, int64_t nano)
{
    struct dv_decimal decimal = dv_ledger_decimal(nano);
    dv_json_key(json, key);
    dv_json_raw(json, decimal.text, strlen(decimal.text));
}

static void add_float(struct dv_json *json, const char *key, double value)
{
    dv_json_key(json, key);
    dv_json_float(json, value);
}

static void add_int(struct dv_json *json, const char *key, int64_t value)
{
    dv_json_key(json, key);
    dv_json_int(json, value);
}

static void add_node(struct dv_json *json, const struct dv_graph *graph, const struct dv_node *node,
                     const struct dv_spending *one)
{
    struct dv_budget budget = { 0 };
    int64_t left = 0;
    dv_rc rc = read_account(graph, node, one, &budget, &left);
    dv_json_open(json, '{');
    dv_json_key(json, "dataset");
    dv_json_string(json, one->dataset);
    dv_json_key(json, "operator");
    dv_json_string(json, dv_node_name(node));
    add_nano(json, "epsilon", one->epsilon_nano);
    add_float(json, "delta", one->delta);
    add_int(json, "every_ms", one->every_ms);
    if (rc == DV_OK) {
        add_nano(json, "limit", budget.limit_nano);
        add_nano(json, "spent", budget.spent_nano);
        add_nano(json, "left", left);
    } else {
        dv_json_key(json, "error");
        dv_json_string(json, dv_rc_text(rc));
    }
    add_int(json, "answers_left", left / one->epsilon_nano);
    add_int(json, "lasts_ms", times(one->every_ms, left / one->epsilon_nano));
    dv_json_close(json, '}');
}

static void add_whole(struct dv_json *json, const struct dv_graph *graph, const struct dv_spending_limit *limit, bool is_limited)
{
    struct total total = add_up(graph, limit->per_ms);
    add_int(json, "per_ms", limit->per_ms);
    add_nano(json, "epsilon", bound_of(&total, limit->delta));
    add_float(json, "delta", total.delta > limit->delta ? total.delta : limit->delta);
    dv_json_key(json, "budget");
    if (!is_limited) {
        dv_json_null(json);
        return;
    }
    dv_json_open(json, '{');
    add_float(json, "epsilon", limit->epsilon);
    add_float(json, "delta", limit->delta);
    dv_json_close(json, '}');
}

bool dv_spending_print_json(const struct dv_graph *graph, struct dv_arena *arena)
{
    struct dv_spending_limit limit;
    struct dv_json json;
    bool is_limited = limit_of(graph, &limit);
    char *text = dv_arena_alloc(arena, JSON_BYTES);
    if (text == NULL)
        return false;
    dv_json_init(&json, text, JSON_BYTES);
    dv_json_open(&json, '{');
    dv_json_key(&json, "tenant");
    dv_json_string(&json, dv_graph_settings(graph)->tenant);
    dv_json_key(&json, "nodes");
    dv_json_open(&json, '[');
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        struct dv_spending one = { 0 };
        if (spends(dv_graph_node(graph, i), &one))
            add_node(&json, graph, dv_graph_node(graph, i), &one);
    }
    dv_json_close(&json, ']');
    add_whole(&json, graph, &limit, is_limited);
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full); /* at most 64 nodes, of less than 1 KiB each */
    (void)printf("%.*s\n", (int)dv_json_length(&json), text);
    return true;
}
