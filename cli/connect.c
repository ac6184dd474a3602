/* SPDX-License-Identifier: Apache-2.0
 * connect.c - the preflight of each node that has one, without a run. */
#include "cli/connect.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "engine/graph.h"
#include "engine/text.h"
#include "operators/sink_snowflake.h"

static void say_fault(const struct dv_node *node, const struct dv_error *error)
{
    (void)fprintf(stderr, "%s: Snowflake: ", dv_node_name(node));
    dv_put_clean(stderr, error->text, strlen(error->text));
    (void)fputc('\n', stderr);
}

static int check_node(const struct dv_node *node)
{
    const struct dv_snow_options *options = dv_sink_snowflake_options(node);
    struct dv_error error = { 0 };
    dv_rc rc = dv_sink_snowflake_look(node, &error);
    if (rc == DV_OK)
        (void)fprintf(stderr, "%s: Snowflake: %s.%s.%s takes the records\n", dv_node_name(node),
                      options->snowflake.database, options->snowflake.schema, options->table);
    else
        say_fault(node, &error);
    return rc == DV_OK ? DV_EXIT_OK : dv_rc_exit(rc);
}

int dv_connect_check(const struct dv_graph *graph)
{
    int code = DV_EXIT_OK;
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        int one = strcmp(dv_node_operator(node)->name, "sink-snowflake") == 0 ? check_node(node) : DV_EXIT_OK;
        code = one > code ? one : code;
    }
    return code;
}
