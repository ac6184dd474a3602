/* SPDX-License-Identifier: Apache-2.0
 * flow_world.h - a graph of the tests' own operators under a simulated clock, for the tests of how batches flow: a source of numbers, one that
 * edits, a window; and a run of them that must come to its end. */
#ifndef DV_TESTS_FLOW_WORLD_H
#define DV_TESTS_FLOW_WORLD_H

#include "engine/node.h"

enum { BATCHES = 12, ROWS = 16, WINDOW_MS = 5 };

/* What the operators do and see; lent to the nodes as a service. Zero-initialise; first member of what a test adds. */
struct flow {
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph;
    uint32_t made, settled;
    uint32_t window_fails; /* so often a window cannot fill its batch */
    bool done;
    dv_rc rc;
};

/* Of a node in a run. */
struct flow *flow_of(struct dv_node *node);

/* A source's state, or the first member of it. Batch n, from 0, has the numbers from n * 100 + 1 on, and position n. */
struct flow_source { uint32_t made; };

dv_rc flow_source_transfer(struct dv_node *node, struct dv_shape *shape);
dv_rc flow_source_process(struct dv_node *node, struct dv_batch *batch);
void flow_source_settle(struct dv_node *node, const struct dv_receipt *receipt);

/* All outputs are as the input; and a sink has none. */
dv_rc flow_same(struct dv_node *node, struct dv_shape *shape);
dv_rc flow_sink_transfer(struct dv_node *node, struct dv_shape *shape);

/* Writes every value anew. */
dv_rc flow_edit_process(struct dv_node *node, struct dv_batch *batch);

/* `source`; `edit`; and `window`, which says what it has absorbed in two batches, of which the second carries the receipts. */
extern const struct dv_operator flow_source, flow_edit, flow_window;

/* Reads a graph, runs it as far as it goes, and frees it: what a run does at once that must come to its end. */
bool flow_load(struct flow *flow, const struct dv_operator *const *operators, const char *nodes);
void flow_go(struct flow *flow);
void flow_unload(struct flow *flow);

/* Runs to the end and frees it: the end must have come, and no batch may be missing or too many. */
void flow_end(struct flow *flow);

#endif
