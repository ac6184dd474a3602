/* SPDX-License-Identifier: Apache-2.0
 * snowflake_merge.h - the statement that puts records into a table of Snowflake, of each id one.
 *
 * It takes two values: what goes into DV_UNIT, and a JSON array of the records (snowflake_array.h), each an object of its columns
 * under their own names, bytes as base64, and of its "DV_ID". The table's columns are named as the record's in capitals: what Snowflake makes of a
 * name without quotation marks. */
#ifndef DV_CONNECTORS_SNOWFLAKE_MERGE_H
#define DV_CONNECTORS_SNOWFLAKE_MERGE_H

struct dv_arena;
struct dv_schema;

/* The statement's text, in the arena; NULL: that is full. Names of the table are as SHOW writes them. */
const char *dv_snowflake_merge_sql(struct dv_arena *arena, const char *database, const char *schema, const char *table,
                                   const struct dv_schema *columns);

/* Of the same array, how many ids the table has: one row of one number. It takes the array alone. */
const char *dv_snowflake_count_sql(struct dv_arena *arena, const char *database, const char *schema, const char *table);

#endif
