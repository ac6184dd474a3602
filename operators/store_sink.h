/* SPDX-License-Identifier: Apache-2.0
 * store_sink.h - what all sinks of sealed records share: from batches to puts of a store, and the answers back. */
#ifndef DV_OPERATORS_STORE_SINK_H
#define DV_OPERATORS_STORE_SINK_H

#include "connectors/store.h"
#include "engine/operator.h"

enum { DV_STORE_SINK_HELD_MAX = 8 };

struct dv_store_sink;

/* A batch that is being stored. */
struct dv_store_slot {
    struct dv_store_request request;
    struct dv_store_sink *sink;
    struct dv_batch *batch; /* NULL: free */
    struct dv_store_row *rows;
};

/* The first part of a sink's state; zero at first. */
struct dv_store_sink {
    struct dv_node *node;
    struct dv_store *store;
    uint32_t held_max;
    struct dv_store_slot slots[DV_STORE_SINK_HELD_MAX];
};

/* The transfer of such a sink: only the sealed schema enters. */
dv_rc dv_store_sink_transfer(struct dv_node *node, struct dv_shape *shape);

/* The store of a node of this kind; NULL: it is of another kind, or not open yet. */
struct dv_store *dv_store_of_node(const struct dv_node *node);

/* Whether a node is of this kind. */
bool dv_node_keeps_blobs(const struct dv_node *node);

/* Takes the memory for `held_max` batches at a time; before the store is opened. */
DV_CHECKED dv_rc dv_store_sink_open(struct dv_store_sink *sink, struct dv_node *node, struct dv_store *store,
                                    uint32_t held_max);

/* The process() of such a sink. */
dv_rc dv_store_sink_process(struct dv_store_sink *sink, struct dv_batch *batch);

#endif
