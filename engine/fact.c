/* SPDX-License-Identifier: Apache-2.0
 * fact.c - facts are joined where records meet, and become groups where records do. */
#include "engine/fact.h"

#include "engine/arena.h"
#include "engine/node.h"

struct dv_label dv_fact_label(struct dv_label column, bool exact)
{
    bool names = column.class == DV_CLASS_DIRECT_ID || column.class == DV_CLASS_FREE_TEXT;
    if (exact || names || column.form != DV_FORM_PLAIN)
        return column;
    return dv_label((enum dv_class)column.class, DV_FORM_GENERALIZED);
}

bool dv_fact_cleared(enum dv_exit exit, struct dv_label label, const char **ret_why)
{
    return dv_label_cleared(exit == DV_EXIT_STORE ? DV_EXIT_FILE : exit, label, ret_why);
}

static bool is_known(const struct dv_fact *list, const struct dv_fact *fact)
{
    for (const struct dv_fact *at = list; at != NULL; at = at->next)
        if (at->node == fact->node && at->output == fact->output && dv_label_equal(at->label, fact->label))
            return true;
    return false;
}

/* Puts `fact` before `*list` unless it is there already; false: out of memory. */
static bool add(struct dv_arena *arena, const struct dv_fact **list, const struct dv_fact *fact)
{
    if (is_known(*list, fact))
        return true;
    struct dv_fact *copy = dv_arena_zeroed(arena, 1, sizeof *copy);
    if (copy == NULL)
        return false;
    *copy = *fact;
    copy->next = *list;
    *list = copy;
    return true;
}

/* Of a record about k subjects nobody knows whose part of it a fact is. */
static struct dv_label grouped(struct dv_label label, uint32_t subjects)
{
    return subjects != 0 ? dv_label_with((enum dv_class)label.class, DV_FORM_AGGREGATE, subjects) : label;
}

static bool join_inputs(const struct dv_graph *graph, struct dv_node *node)
{
    node->told = NULL;
    for (uint32_t i = 0; i < graph->link_count; i++) {
        const struct dv_link *link = &graph->links[i];
        const struct dv_fact *sent = link->to == node->index ? graph->nodes[link->from]->tells[link->output] : NULL;
        for (; sent != NULL; sent = sent->next)
            if (!add(graph->arena, &node->told, sent))
                return false;
    }
    return true;
}

static bool fill_output(const struct dv_graph *graph, struct dv_node *node, uint32_t output, const struct dv_shape *shape)
{
    const struct dv_told *told = &shape->told[output];
    node->tells[output] = NULL;
    for (const struct dv_fact *at = node->told; at != NULL; at = at->next) {
        struct dv_fact fact = *at;
        fact.label = grouped(at->label, shape->subjects);
        if (!add(graph->arena, &node->tells[output], &fact))
            return false;
    }
    if (!told->any)
        return true;
    DV_ASSERT(told->column < shape->in->column_count);
    const struct dv_column *column = &shape->in->columns[told->column];
    struct dv_label label = grouped(dv_fact_label(column->label, told->exact), shape->subjects);
    struct dv_fact fact = { .node = node, .output = output, .outputs = node->output_count,
                            .column = column->name, .label = label };
    return add(graph->arena, &node->tells[output], &fact);
}

bool dv_facts_load(struct dv_graph *graph, struct dv_node *node, const struct dv_shape *shape)
{
    if (!join_inputs(graph, node))
        return false;
    for (uint32_t output = 0; output < node->output_count; output++)
        if (!fill_output(graph, node, output, shape))
            return false;
    return true;
}
