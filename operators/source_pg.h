/* SPDX-License-Identifier: Apache-2.0
 * source_pg.h - where a `source from: pg` reads, for the command that makes its reader known to the table. */
#ifndef DV_OPERATORS_SOURCE_PG_H
#define DV_OPERATORS_SOURCE_PG_H

#include "connectors/pg_schema.h"
#include "engine/operator.h"

/* The configuration of the node's store, and who reads it; texts are the node's. */
struct dv_pg_config dv_source_pg_config(const struct dv_node *node);
struct dv_pg_reader dv_source_pg_reader(const struct dv_node *node);

#endif
