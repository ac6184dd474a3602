/* SPDX-License-Identifier: Apache-2.0
 * spending.h - what a graph's answers can cost in privacy at most, before it runs: `budget:` at the top of its file.
 *
 * Nodes that charge an account release at most one answer in each of their windows. Over a period the ε of all of them add
 * up, or, at a δ, their ρ do (zero-concentrated composition, Bun and Steinke 2016: an answer of ε is ε²/2-concentrated);
 * the smaller counts. What a stop or a reload ends early comes on top, and is charged like the rest. */
#ifndef DV_CLI_SPENDING_H
#define DV_CLI_SPENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_arena;
struct dv_diags;
struct dv_graph;

/* `budget: { epsilon: 10, delta: 1e-6, per: 24h }`; all zero: there is none. */
struct dv_spending_limit {
    double epsilon, delta;
    int64_t per_ms;
};

/* What the graph's file says. DV_E_CONFIG after a finding. */
DV_CHECKED dv_rc dv_spending_limit(const struct dv_graph *graph, struct dv_spending_limit *ret, struct dv_arena *arena,
                                   struct dv_diags *diags);

/* Whether the graph stays within its `budget:`, if it has one: DV_E_CONFIG (it is wrong) or DV_E_LEAK (the graph would spend
 * more) after a finding. */
DV_CHECKED dv_rc dv_spending_check(const struct dv_graph *graph, struct dv_diags *diags);

/* Prints what each node costs, what is left on its account and how long that lasts, and the whole; nothing for a graph that
 * spends nothing. */
void dv_spending_print(const struct dv_graph *graph);

/* The same as one JSON document, of a graph that spends nothing, too; false: no memory. */
bool dv_spending_print_json(const struct dv_graph *graph, struct dv_arena *arena);

#endif
