/* SPDX-License-Identifier: Apache-2.0
 * reopen.h - nodes that a reload closed: freed when the loop has let go of them, or opened again as they were. */
#ifndef DV_ENGINE_REOPEN_H
#define DV_ENGINE_REOPEN_H

#include <stdbool.h>

struct dv_graph;
struct dv_node;

/* The closed node is freed as soon as may be. It is in no graph's table any more. */
void dv_reopen_bury(struct dv_node *node);

/* Opens again what is closed, each node as its file described it; false: not all of it. What fails may open later, but a
 * node whose privacy budget is spent and that does not go on without: *ret_spent is one of those, or NULL. */
bool dv_reopen(struct dv_graph *graph, struct dv_node **ret_spent);

#endif
