/* SPDX-License-Identifier: Apache-2.0
 * schema.c - `datavault schema`: the JSON Schema of graph files, so that editors complete and check them. */
#include <string.h>

#include "cli/command.h"
#include "cli/schema_infer.h"
#include "engine/graph.h"
#include "engine/option_docs.h"
#include "operators/registry.h"

/* The keys of a node that are not its operator's options. */
static void node_members(const struct dv_operator *op, char *members, size_t size, char *required, size_t required_size)
{
    int length = snprintf(members, size, "\"op\":{\"const\":\"%s\"}", op->name);
    if (op->from != NULL)
        length += snprintf(members + length, size - (size_t)length, ",\"from\":{\"const\":\"%s\"}", op->from);
    if (!op->source)
        length += snprintf(members + length, size - (size_t)length,
                       ",\"after\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"}}]}");
    if (op->sink)
        length += snprintf(members + length, size - (size_t)length,
                           ",\"order\":{\"type\":\"string\",\"enum\":[\"key\",\"none\"]},\"order_by\":{\"type\":\"string\"}");
    if (op->source)
        length += snprintf(members + length, size - (size_t)length, ",\"credits\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":255}");
    if (op->guard != NULL)
        (void)snprintf(members + length, size - (size_t)length, ",\"guard\":{\"type\":\"object\"}");
    (void)snprintf(required, required_size, "\"op\"%s%s", op->from != NULL ? ",\"from\"" : "",
                   op->source ? "" : ",\"after\"");
}

static void print_nodes(void)
{
    (void)printf("{\"type\":\"object\",\"minProperties\":1,\"maxProperties\":%d,\"additionalProperties\":{\"oneOf\":[",
                 DV_NODES_MAX);
    for (const struct dv_operator *const *op = dv_operators; *op != NULL; op++) {
        static const struct dv_option none[] = { { 0 } };
        char members[512];
        char required[64];
        node_members(*op, members, sizeof members, required, sizeof required);
        if (op != dv_operators)
            (void)printf(",\n");
        dv_options_json_schema((*op)->options != NULL ? (*op)->options : none, members, required, stdout);
    }
    (void)printf("]}}");
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    int code = DV_EXIT_OK;
    if (argc > 1 && strcmp(argv[1], "infer") == 0)
        return dv_schema_infer(argc - 1, argv + 1);
    if (dv_next_option(self, argc, argv, options, &code) == -2)
        return code;
    if (dv_no_more(self, argc, argv) != DV_EXIT_OK)
        return DV_EXIT_USAGE;
    (void)printf("{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"DataVault graph\",\"$defs\":{"
                 "\"nodes\":");
    print_nodes();
    (void)printf("},\"allOf\":[");
    dv_options_json_schema(dv_graph_options(), NULL, NULL, stdout);
    (void)printf("],\"properties\":{\"graph\":{\"$ref\":\"#/$defs/nodes\"}}}\n");
    return DV_EXIT_OK;
}

const struct dv_command dv_command_schema = {
    .name = "schema",
    .summary = "Prints the JSON Schema of graph files, or drafts a schema from records.",
    .help = "examples:\n"
            "  datavault schema > datavault.schema.json\n"
            "  # in a graph file: yaml-language-server: $schema=datavault.schema.json\n"
            "  datavault schema infer sample.jsonl > conf/schemas/sample.yaml\n\n"
            "usage: datavault schema\n"
            "       datavault schema infer [--name NAME] [--json] [FILE]    (`datavault schema infer --help` tells more)\n",
    .run = run,
};
