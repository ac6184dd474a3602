/* SPDX-License-Identifier: Apache-2.0
 * sink_pg.h - where a sink-pg stores, for commands that look there without running the graph. */
#ifndef DV_OPERATORS_SINK_PG_H
#define DV_OPERATORS_SINK_PG_H

#include "connectors/pg.h"
#include "engine/operator.h"

/* The configuration of a sink-pg's store; texts are the node's. */
struct dv_pg_config dv_sink_pg_config(const struct dv_node *node);

#endif
