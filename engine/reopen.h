/* SPDX-License-Identifier: Apache-2.0
 * reopen.h - nodes that a reload closed: freed when the loop has let go of them, or opened again as they were. */
#ifndef DV_ENGINE_REOPEN_H
#define DV_ENGINE_REOPEN_H

#include <stdbool.h>

struct dv_graph;
struct dv_node;

/* The closed node is freed as soon as may be. It is in no graph's table any more. */
void dv_reopen_bury(struct dv_node *node);

/* Opens again what is closed, each node as its file described it; false: not all of it. */
bool dv_reopen(struct dv_graph *graph);

#endif
