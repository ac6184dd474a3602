/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_sql.h - the sink into Snowflake by statements: its second mode. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_SQL_H
#define DV_OPERATORS_SINK_SNOWFLAKE_SQL_H

#include "engine/error.h"

enum { DV_SNOW_REQUESTS_MAX = 8 };

struct dv_batch;
struct dv_node;
struct dv_schema;
struct dv_snow_options;
struct dv_snow_sql;
struct dv_snowflake;

/* Opens the mode over an account, for records of these columns; *ret is in the node's arena, and to be closed, also after an error
 * unless it is still NULL. Close it before the account. */
DV_CHECKED dv_rc dv_snow_sql_open(struct dv_node *node, const struct dv_snow_options *options, const struct dv_schema *columns,
                                  struct dv_snowflake *snowflake, struct dv_snow_sql **ret);
void dv_snow_sql_close(struct dv_snow_sql *sql);

/* For `.process` and `.waits`. */
DV_CHECKED dv_rc dv_snow_sql_take(struct dv_snow_sql *sql, struct dv_batch *batch);
const char *dv_snow_sql_waits(const struct dv_snow_sql *sql);

#endif
