/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_sql.h - the sink into Snowflake by statements: its second mode.
 *
 * What Snowflake refuses is sent in halves until a record stands alone. That it is refused does not prove it wrong: the service, the
 * statement or the table may be at fault, and no code tells which (22018 is a bad value, and a column whose type was changed). So
 *
 *  1. what tells of the service itself (dv_snowflake_is_disturbed()) is no refusal: the same is sent again, for as long as it takes;
 *  2. the same statement must pass without any record, which proves service, statement and rights as they are now, for each record anew;
 *  3. the table must still take such records: it is looked at as before the first row (a column that has become NOT NULL or of
 *     another type passes 2), at the first record that is refused of a request, and at the request's end if there were more;
 *  4. the record must be refused once more, under another id, which leaves out what came and went;
 *  5. others must have passed, and not as what was in the table already: if all records of a request of several are refused, or of two
 *     in a row that had one each, or 64 in a row, the run halts with the code. Something about all of them is wrong, and nobody can
 *     tell what.
 *
 * Where 2, 3 or 5 fail the run halts, and a record is rejected only when its whole request is over: until then it may turn out that it
 * was not about records. For one bad record of a thousand that makes two statements and a look beside the twenty that find it.
 *
 * A statement that succeeds may have left records out: a table with ERROR_LOGGING puts aside what it cannot take. So where fewer rows
 * were inserted than sent, the table is asked how many of the ids it has; fewer than all is a refusal as any other. */
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
