/* SPDX-License-Identifier: Apache-2.0
 * graph_json.c - the body of /v1/graph: what the graph is; it does not change while it runs. */
#include <string.h>

#include "dashboard/server/server_internal.h"
#include "engine/label.h"
#include "engine/operator.h"
#include "engine/schema.h"

enum { NAME_BYTES = 160, LABEL_BYTES = 96 };

static void member(struct dv_json *json, const char *key, const char *text)
{
    dv_json_key(json, key);
    dv_json_string(json, text);
}

static void write_column(struct dv_json *json, const struct dv_column *column)
{
    char label[LABEL_BYTES];
    dv_json_open(json, '{');
    member(json, "name", column->name);
    member(json, "type", dv_type_name(column->type));
    member(json, "class", dv_class_name((enum dv_class)column->label.class));
    member(json, "form", dv_form_name((enum dv_form)column->label.form));
    member(json, "label", dv_label_text(column->label, label, sizeof label));
    dv_json_close(json, '}');
}

static void write_output(struct dv_json *json, const struct dv_node *node, uint32_t output)
{
    char name[NAME_BYTES];
    const struct dv_schema *schema = dv_node_schema_out(node, output);
    dv_json_open(json, '{');
    member(json, "name", dv_node_output_name(node, output, name, sizeof name));
    member(json, "schema", schema != NULL ? schema->name : NULL);
    dv_json_key(json, "columns");
    dv_json_open(json, '[');
    for (uint32_t i = 0; schema != NULL && i < schema->column_count; i++)
        write_column(json, &schema->columns[i]);
    dv_json_close(json, ']');
    dv_json_close(json, '}');
}

/* An operator without named outputs has one; a sink has none. */
static uint32_t output_count(const struct dv_operator *operator)
{
    if (operator->sink)
        return 0;
    uint32_t count = 1;
    for (const char *at = operator->outputs; at != NULL && *at != '\0'; at++)
        count += *at == '|';
    return count;
}

static void write_node(struct dv_json *json, const struct dv_node *node)
{
    const struct dv_operator *operator = dv_node_operator(node);
    dv_json_open(json, '{');
    member(json, "name", dv_node_name(node));
    member(json, "op", operator->name);
    member(json, "from", operator->from);
    member(json, "summary", operator->summary);
    member(json, "kind", operator->source ? "source" : operator->sink ? "sink" : "transform");
    member(json, "exit", dv_node_exit(node) != DV_EXIT_NONE ? dv_exit_name(dv_node_exit(node)) : NULL);
    dv_json_key(json, "outputs");
    dv_json_open(json, '[');
    for (uint32_t output = 0; output < output_count(operator); output++)
        write_output(json, node, output);
    dv_json_close(json, ']');
    dv_json_close(json, '}');
}

static void write_links(struct dv_json *json, const struct dv_graph *graph)
{
    const struct dv_link *links = NULL;
    uint32_t count = dv_graph_links(graph, &links);
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < count; i++) {
        dv_json_open(json, '{');
        member(json, "from", dv_node_name(dv_graph_node(graph, links[i].from)));
        dv_json_key(json, "output");
        dv_json_uint(json, links[i].output);
        member(json, "to", dv_node_name(dv_graph_node(graph, links[i].to)));
        dv_json_close(json, '}');
    }
    dv_json_close(json, ']');
}

static void write_bound(struct dv_json *json, struct dv_bound bound)
{
    dv_json_open(json, '{');
    dv_json_key(json, "batches");
    dv_json_uint(json, bound.batches);
    dv_json_key(json, "bytes");
    dv_json_uint(json, bound.bytes);
    dv_json_key(json, "receipts");
    dv_json_uint(json, bound.receipts);
    dv_json_close(json, '}');
}

void dv_graph_json(struct dv_json *json, const void *data)
{
    const struct dv_server *server = data;
    const struct dv_graph *graph = server->graph;
    dv_json_open(json, '{');
    member(json, "name", dv_graph_settings(graph)->name);
    member(json, "tenant", dv_graph_settings(graph)->tenant);
    member(json, "version", DV_VERSION);
    dv_json_key(json, "nodes");
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++)
        write_node(json, dv_graph_node(graph, i));
    dv_json_close(json, ']');
    dv_json_key(json, "links");
    write_links(json, graph);
    dv_json_key(json, "bound");
    write_bound(json, dv_graph_bound(graph));
    dv_json_close(json, '}');
}
