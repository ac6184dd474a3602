/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_count.h - how many of a request's ids a table has. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_COUNT_H
#define DV_OPERATORS_SINK_SNOWFLAKE_COUNT_H

#include "connectors/snowflake.h"

/* Counts; zero at first. */
struct dv_snow_count {
    void (*on_end)(struct dv_snow_count *count);
    void *data;

    dv_rc rc; /* DV_OK; DV_E_DEPENDENCY or DV_E_MEMORY: ask again later; else why it will never be known */
    const char *reason;
    uint64_t found;

    struct dv_snowflake *snowflake; /* private, as what follows */
    struct dv_snowflake_bind bind;
    struct dv_snowflake_statement statement;
};

/* What became of a statement that only asks: DV_E_DEPENDENCY is whatever passes, also what tells of the service and not of the statement. */
dv_rc dv_snow_asked(const struct dv_snowflake_statement *statement);

/* Asks by dv_snowflake_count_sql() about the ids of a JSON array (snowflake_array.h); both are lent until the end, which may come from inside. */
void dv_snow_count_start(struct dv_snow_count *count, struct dv_snowflake *snowflake, const char *sql,
                         struct dv_snowflake_text array);

/* Nothing comes any more; accepts a zeroed one. */
void dv_snow_count_close(struct dv_snow_count *count);

#endif
