/* SPDX-License-Identifier: Apache-2.0
 * owner.c - no two nodes of a graph may take the same name at the same place: each would stop the other. */
#include "engine/node.h"
#include "engine/yaml.h"

static const char *text_of(const struct dv_node *node, const char *option)
{
    const struct dv_yaml *value = dv_yaml_get(node->yaml, option);
    return value != NULL && value->kind == DV_YAML_SCALAR ? value->text : NULL;
}

static bool same(const struct dv_node *a, const struct dv_node *b, const char *option)
{
    const char *left = text_of(a, option);
    const char *right = text_of(b, option);
    return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
}

static bool are_rivals(const struct dv_node *a, const struct dv_node *b)
{
    return a->op == b->op && text_of(a, "owner") != NULL && same(a, b, "owner") && same(a, b, "url") &&
           same(a, b, "schema") && same(a, b, "table");
}

void dv_owners_check(struct dv_graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (are_rivals(graph->nodes[i], graph->nodes[j]))
                (void)dv_refuse(graph->nodes[i], "owner", "C029", "give each its own `owner`, or let both lead to one node",
                                "'%s' and '%s' write to one table as the same owner: each would stop the other",
                                graph->nodes[j]->name, graph->nodes[i]->name);
}
