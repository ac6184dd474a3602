/* SPDX-License-Identifier: Apache-2.0
 * graph.c - `datavault graph`: a picture of a graph as DOT or Mermaid, with the labels on its edges. */
#include <string.h>

#include "cli/command.h"
#include "cli/load.h"

/* The worst label on a link says how careful one must be there. */
static struct dv_label worst(const struct dv_schema *schema)
{
    struct dv_label label = dv_label(DV_CLASS_PUBLIC, DV_FORM_SEALED);
    for (uint32_t i = 0; i < schema->column_count; i++) {
        struct dv_label next = schema->columns[i].label;
        bool worse = next.form > label.form || (next.form == label.form && next.class > label.class);
        bool harmless = next.class == DV_CLASS_PUBLIC;
        if (!harmless && (worse || label.class == DV_CLASS_PUBLIC))
            label = next;
    }
    return label;
}

static void say_link_label(char *text, size_t size, const struct dv_graph *graph, const struct dv_link *link)
{
    const struct dv_node *from = dv_graph_node(graph, link->from);
    const struct dv_schema *schema = dv_node_schema_out(from, link->output);
    char label[64];
    (void)snprintf(text, size, "%u fields, at worst %s", schema->column_count,
                   dv_label_text(worst(schema), label, sizeof label));
}

static const char *kind_of(const struct dv_node *node)
{
    const struct dv_operator *op = dv_node_operator(node);
    return op->source ? "source" : op->sink ? "sink" : "transform";
}

static void print_dot(const struct dv_graph *graph)
{
    const struct dv_link *links = NULL;
    uint32_t count = dv_graph_links(graph, &links);
    (void)printf("digraph \"%s\" {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n",
                 dv_graph_settings(graph)->name);
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        (void)printf("  \"%s\" [label=\"%s\\n%s\", class=\"%s\"];\n", dv_node_name(node), dv_node_name(node),
                     dv_node_operator(node)->name, kind_of(node));
    }
    for (uint32_t i = 0; i < count; i++) {
        char label[96];
        say_link_label(label, sizeof label, graph, &links[i]);
        (void)printf("  \"%s\" -> \"%s\" [label=\"%s\"];\n", dv_node_name(dv_graph_node(graph, links[i].from)),
                     dv_node_name(dv_graph_node(graph, links[i].to)), label);
    }
    (void)printf("}\n");
}

static void print_mermaid(const struct dv_graph *graph)
{
    const struct dv_link *links = NULL;
    uint32_t count = dv_graph_links(graph, &links);
    (void)printf("flowchart LR\n");
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        (void)printf("  n%u[\"%s<br/><small>%s</small>\"]\n", i, dv_node_name(node), dv_node_operator(node)->name);
    }
    for (uint32_t i = 0; i < count; i++) {
        char label[96];
        say_link_label(label, sizeof label, graph, &links[i]);
        (void)printf("  n%u -->|\"%s\"| n%u\n", links[i].from, label, links[i].to);
    }
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "mermaid", no_argument, NULL, 'm' }, { "dot", no_argument, NULL, 'd' },
                                             { "help", no_argument, NULL, 'h' }, { 0 } };
    bool mermaid = false;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        mermaid = option == 'm';
    }
    if (optind + 1 != argc)
        return dv_usage(self, "which graph file?");
    struct dv_loaded loaded;
    code = dv_loaded_init(&loaded, argv[optind], false);
    if (loaded.graph != NULL && mermaid)
        print_mermaid(loaded.graph);
    else if (loaded.graph != NULL)
        print_dot(loaded.graph);
    dv_loaded_free(&loaded);
    return code;
}

const struct dv_command dv_command_graph = {
    .name = "graph",
    .summary = "Draws a graph, with the labels on its edges.",
    .help = "examples:\n"
            "  datavault graph conf/demo.yaml | dot -Tsvg > demo.svg\n"
            "  datavault graph --mermaid conf/demo.yaml\n\n"
            "usage: datavault graph [--dot | --mermaid] FILE.yaml\n\n"
            "Also draws a graph that `datavault check` refuses, and says so by its exit code.\n",
    .run = run,
};
