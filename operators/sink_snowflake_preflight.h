/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_preflight.h - before the first row: can the account be reached, who are we there, and is the table one for
 * these records?
 *
 * While Snowflake is down it is asked again; anything else that is wrong is one named error, and nothing was taken. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_PREFLIGHT_H
#define DV_OPERATORS_SINK_SNOWFLAKE_PREFLIGHT_H

#include "connectors/snowflake_token.h"
#include "engine/loop.h"
#include "engine/schema.h"

struct dv_snow_options;
struct dv_snowflake;
struct dv_snowflake_table;

/* A preflight; zero-initialise. */
struct dv_snow_preflight {
    const struct dv_snow_options *options;
    const struct dv_schema *schema; /* of the records */
    bool once;                      /* a service that is down is an error, too */
    void (*on_end)(struct dv_snow_preflight *preflight);
    void *data; /* the owner's */

    dv_rc rc; /* DV_OK: rows may be sent */
    struct dv_error error;

    struct dv_snowflake *snowflake; /* private, as what follows */
    struct dv_snowflake_table *table;
    struct dv_timer timer;
    char pipe[DV_SNOWFLAKE_NAME_MAX + 1];
};

/* Begins, again if it has ended before; `on_end` comes from the loop, unless it is closed before. */
void dv_snow_preflight_start(struct dv_snow_preflight *preflight, struct dv_snowflake *snowflake);

/* Before the account is closed; accepts a zeroed one. */
void dv_snow_preflight_close(struct dv_snow_preflight *preflight);

/* Whether the columns that were found take the records. DV_E_CONFIG with a text. */
DV_CHECKED dv_rc dv_snow_preflight_judge(const struct dv_snowflake_table *table, const struct dv_schema *schema,
                                         const struct dv_snow_options *options, struct dv_error *error);

#endif
