/* SPDX-License-Identifier: Apache-2.0
 * reload_plan.c - which nodes of a running graph stay when its file is another, and which go. */
#include "engine/reload_plan.h"

#include "engine/node.h"
#include "engine/yaml.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_yaml(const struct dv_yaml *a, const struct dv_yaml *b)
{
    if (a->kind != b->kind || a->count != b->count || a->plain != b->plain || !same_text(a->key, b->key) ||
        !same_text(a->text, b->text))
        return false;
    const struct dv_yaml *left = a->first;
    const struct dv_yaml *right = b->first;
    for (; left != NULL && right != NULL; left = left->next, right = right->next)
        if (!same_yaml(left, right))
            return false;
    return left == right;
}

/* The options in any order; where the input comes from is no option. */
static bool same_options(const struct dv_yaml *a, const struct dv_yaml *b)
{
    uint32_t count[2] = { 0 };
    for (const struct dv_yaml *option = b->first; option != NULL; option = option->next)
        count[1] += strcmp(option->key, "after") != 0;
    for (const struct dv_yaml *option = a->first; option != NULL; option = option->next) {
        if (strcmp(option->key, "after") == 0)
            continue;
        const struct dv_yaml *other = dv_yaml_get(b, option->key);
        if (other == NULL || !same_yaml(option, other))
            return false;
        count[0]++;
    }
    return count[0] == count[1];
}

static bool same_column(const struct dv_column *a, const struct dv_column *b)
{
    return same_text(a->name, b->name) && a->type == b->type && dv_label_equal(a->label, b->label) &&
           a->required == b->required && a->bounded == b->bounded && a->min == b->min && a->max == b->max;
}

/* All that an operator may have made its plan from, more than dv_schema_equal() asks of a batch. */
static bool same_columns(const struct dv_schema *a, const struct dv_schema *b)
{
    if (a == b)
        return true;
    if (a == NULL || b == NULL || !same_text(a->name, b->name) || a->column_count != b->column_count ||
        a->subject != b->subject || a->extra != b->extra)
        return false;
    for (uint32_t i = 0; i < a->column_count; i++)
        if (!same_column(&a->columns[i], &b->columns[i]))
            return false;
    return true;
}

/* With what is sealed inside. An operator that looks there (to open it) shows it in what it sends. */
static bool same_output(const struct dv_schema *a, const struct dv_schema *b)
{
    return same_columns(a, b) && (a == b || same_output(a->inside, b->inside));
}

static bool is_window(const struct dv_node *node)
{
    return node->op->makes && !node->op->source;
}

static bool same_node(const struct dv_node *old, const struct dv_node *new)
{
    bool same = old->op == new->op && old->files == new->files && old->output_count == new->output_count &&
                same_options(old->yaml, new->yaml) && same_columns(old->in, new->in);
    for (uint32_t output = 0; same && output < old->output_count; output++)
        same = same_output(old->out[output], new->out[output]);
    return same;
}

struct dv_node *dv_plan_find(const struct dv_graph *graph, const char *name)
{
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i]->name, name) == 0)
            return graph->nodes[i];
    return NULL;
}

/* A window keeps the receipts of the sources and windows before it, which must be there to settle them. */
static void follow_receipts(struct dv_plan *plan, const struct dv_graph *from)
{
    bool orphaned[DV_NODES_MAX] = { false };
    for (uint32_t i = 0; i < from->node_count; i++) {
        const struct dv_node *node = from->nodes[i];
        plan->goes[i] = plan->goes[i] || (orphaned[i] && is_window(node));
        bool passes_on = orphaned[i] || (plan->goes[i] && node->op->makes);
        for (uint32_t link = 0; passes_on && link < node->link_count; link++)
            orphaned[from->links[node->link_first + link].to] = true;
    }
}

static void forget_the_gone(struct dv_plan *plan, const struct dv_graph *to)
{
    for (uint32_t i = 0; i < to->node_count; i++)
        if (plan->kept[i] != NULL && plan->goes[plan->kept[i]->index])
            plan->kept[i] = NULL;
}

void dv_plan_make(struct dv_plan *plan, const struct dv_graph *from, const struct dv_graph *to, uint32_t renewed)
{
    *plan = (struct dv_plan){ 0 };
    for (uint32_t i = 0; i < from->node_count; i++)
        plan->goes[i] = true;
    for (uint32_t i = 0; i < to->node_count; i++) {
        struct dv_node *old = dv_plan_find(from, to->nodes[i]->name);
        bool stays = old != NULL && same_node(old, to->nodes[i]) && (old->lent & renewed) == 0 &&
                     !(is_window(old) && old->flushed);
        if (!stays)
            continue;
        plan->kept[i] = old;
        plan->goes[old->index] = false;
    }
    follow_receipts(plan, from);
    forget_the_gone(plan, to);
}

bool dv_plan_fits(struct dv_plan *plan, const struct dv_graph *from, const struct dv_graph *to)
{
    uint32_t slots[DV_NODES_MAX] = { 0 };
    bool fits = true;
    for (uint32_t i = 0; i < to->node_count; i++) {
        const struct dv_node *kept = plan->kept[i];
        const struct dv_node *new = to->nodes[i];
        for (uint32_t link = 0; kept != NULL && link < new->link_count; link++) {
            uint32_t *taken = &slots[to->links[new->link_first + link].to];
            *taken += kept->held_count;
            if (*taken <= DV_EDGE_SLOTS)
                continue;
            plan->goes[kept->index] = true;
            fits = false;
        }
    }
    follow_receipts(plan, from);
    forget_the_gone(plan, to);
    return fits;
}
