/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_look.c - the preflight of a node of a graph that does not run. */
#include "connectors/snowflake_alone.h"
#include "engine/graph.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/sink_snowflake.h"
#include "operators/sink_snowflake_preflight.h"

enum { PATIENCE_MS = 10000 };

/* A preflight and its account. */
struct looking {
    struct dv_snowflake_alone alone;
    struct dv_snow_preflight preflight;
    bool over;
};

static void on_end(struct dv_snow_preflight *preflight)
{
    struct looking *looking = preflight->data;
    looking->over = true;
}

static dv_rc look(struct looking *looking, const struct dv_node *node, struct dv_error *error)
{
    const struct dv_snow_options *options = dv_sink_snowflake_options(node);
    struct dv_snowflake_config config = dv_snowflake_server_config(NULL, &options->snowflake);
    if (config.deadlines.total_ms > PATIENCE_MS)
        config.deadlines.total_ms = PATIENCE_MS;
    DV_TRY(dv_snowflake_alone_open(&looking->alone, &config, error));
    looking->preflight = (struct dv_snow_preflight){
        .options = options, .schema = dv_node_schema_in(node), .once = true, .on_end = on_end, .data = looking
    };
    dv_snow_preflight_start(&looking->preflight, &looking->alone.snowflake);
    dv_snowflake_alone_wait(&looking->alone, &looking->over);
    *error = looking->preflight.error;
    return looking->preflight.rc;
}

dv_rc dv_sink_snowflake_look(const struct dv_node *node, struct dv_error *error)
{
    struct looking *looking = dv_memory_zeroed(1, sizeof *looking);
    if (looking == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a connection");
    dv_rc rc = look(looking, node, error);
    dv_snow_preflight_close(&looking->preflight);
    dv_snowflake_alone_close(&looking->alone);
    dv_memory_free(looking);
    return rc;
}
