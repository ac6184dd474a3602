/* SPDX-License-Identifier: Apache-2.0
 * reload_plan.h - which nodes of a running graph stay when its file is another, and which go. */
#ifndef DV_ENGINE_RELOAD_PLAN_H
#define DV_ENGINE_RELOAD_PLAN_H

#include "engine/graph.h"

struct dv_node;

/* The plan. */
struct dv_plan {
    struct dv_node *kept[DV_NODES_MAX]; /* by place in the new graph: the running node that stays; NULL: it is new */
    bool goes[DV_NODES_MAX];            /* by place in the running graph: it is closed */
};

/* Compares the running graph with the one its file describes now. */
void dv_plan_make(struct dv_plan *plan, const struct dv_graph *from, const struct dv_graph *to, uint32_t renewed);

/* Whether the batches that sources hold now find their slots behind the new links. If not, the sources without a slot go,
 * too. */
bool dv_plan_fits(struct dv_plan *plan, const struct dv_graph *from, const struct dv_graph *to);

/* The node of that name, or NULL. */
struct dv_node *dv_plan_find(const struct dv_graph *graph, const char *name);

#endif
