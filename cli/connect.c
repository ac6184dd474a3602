/* SPDX-License-Identifier: Apache-2.0
 * connect.c - the preflight of each node that has one, without a run; and of others with an account whether what they name is there. */
#include "cli/connect.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "connectors/snowflake_name.h"
#include "engine/graph.h"
#include "engine/text.h"
#include "operators/llm_option.h"
#include "operators/sink_snowflake.h"

static int say(const struct dv_node *node, const char *who, dv_rc rc, const struct dv_error *error)
{
    if (rc == DV_OK)
        return DV_EXIT_OK;
    (void)fprintf(stderr, "%s: %s: ", dv_node_name(node), who);
    dv_put_clean(stderr, error->text, strlen(error->text));
    (void)fputc('\n', stderr);
    return dv_rc_exit(rc);
}

static int check_sink(const struct dv_node *node)
{
    const struct dv_snow_options *options = dv_sink_snowflake_options(node);
    struct dv_error error = { 0 };
    dv_rc rc = dv_sink_snowflake_look(node, &error);
    if (rc == DV_OK)
        (void)fprintf(stderr, "%s: Snowflake: %s.%s.%s takes the records\n", dv_node_name(node),
                      options->snowflake.database, options->snowflake.schema, options->table);
    return say(node, "Snowflake", rc, &error);
}

static int check_place(const struct dv_node *node)
{
    char place[DV_SNOWFLAKE_PLACE_MAX];
    struct dv_error error = { 0 };
    dv_rc rc = dv_snowflake_server_look(node, place, sizeof place, &error);
    if (rc == DV_OK)
        (void)fprintf(stderr, "%s: Snowflake: %s is there\n", dv_node_name(node), place);
    return say(node, "Snowflake", rc, &error);
}

static int check_model(const struct dv_node *node, const char *model)
{
    struct dv_error error = { 0 };
    bool told = false;
    dv_rc rc = dv_llm_service_look(node, &told, &error);
    if (rc == DV_OK)
        (void)fprintf(stderr, told ? "%s: Cortex: has %s\n" : "%s: Cortex: answers, and does not tell whether it has %s\n",
                      dv_node_name(node), model);
    return say(node, "Cortex", rc, &error);
}

static int check_node(const struct dv_node *node)
{
    bool vectors = false;
    const struct dv_llm_service *service = dv_llm_service_of(node, &vectors);
    if (service != NULL)
        return check_model(node, service->model);
    if (strcmp(dv_node_operator(node)->name, "sink-snowflake") == 0)
        return check_sink(node);
    return dv_snowflake_server_of(node) != NULL ? check_place(node) : DV_EXIT_OK;
}

int dv_connect_check(const struct dv_graph *graph)
{
    int code = DV_EXIT_OK;
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        int one = check_node(dv_graph_node(graph, i));
        code = one > code ? one : code;
    }
    return code;
}
