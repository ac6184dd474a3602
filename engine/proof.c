/* SPDX-License-Identifier: Apache-2.0
 * proof.c - the label proof: every exit receives only what it is cleared for, or the path of the leak is shown.
 *
 * Looked at are the columns of the records that leave, what it tells about a record that it leaves there (fact.h), and what
 * aggregates that are shown tell together (overlap.h). */
#include "engine/proof.h"

#include "engine/node.h"
#include "engine/overlap.h"
#include "engine/yaml.h"

static const struct dv_schema *leaving(const struct dv_node *node)
{
    return node->cleared != NULL ? node->cleared : node->in;
}

/* The node before `node` from which `column` comes; NULL at a source. */
static const struct dv_node *upstream(const struct dv_node *node, const char *column)
{
    const struct dv_graph *graph = node->graph;
    const struct dv_node *any = NULL;
    for (uint32_t i = 0; i < graph->link_count; i++) {
        if (graph->links[i].to != node->index)
            continue;
        const struct dv_node *from = graph->nodes[graph->links[i].from];
        any = any != NULL ? any : from;
        if (dv_schema_find(from->out[graph->links[i].output], column) >= 0)
            return from;
    }
    return any;
}

enum { PATH_MAX_NODES = DV_NODES_MAX };

static uint32_t path_to(const struct dv_node *exit, const char *column, const struct dv_node **path)
{
    uint32_t count = 0;
    for (const struct dv_node *at = exit; at != NULL && count < PATH_MAX_NODES; at = upstream(at, column))
        path[count++] = at;
    return count;
}

static bool carries(const struct dv_fact *list, const struct dv_fact *fact)
{
    for (; list != NULL; list = list->next)
        if (list->node == fact->node && list->output == fact->output)
            return true;
    return false;
}

/* The node before `node` that sends records of which `fact` is told; NULL if it is told by none. */
static const struct dv_node *teller(const struct dv_node *node, const struct dv_fact *fact)
{
    const struct dv_graph *graph = node->graph;
    for (uint32_t i = 0; i < graph->link_count; i++) {
        const struct dv_node *from = graph->nodes[graph->links[i].from];
        if (graph->links[i].to == node->index && carries(from->tells[graph->links[i].output], fact))
            return from;
    }
    return NULL;
}

/* Back to the condition, and from there to where its column comes from. */
static uint32_t path_of_fact(const struct dv_node *exit, const struct dv_fact *fact, const struct dv_node **path)
{
    uint32_t count = 0;
    for (const struct dv_node *at = exit; at != NULL && at != fact->node && count < PATH_MAX_NODES; at = teller(at, fact))
        path[count++] = at;
    for (const struct dv_node *at = fact->node; at != NULL && count < PATH_MAX_NODES; at = upstream(at, fact->column))
        path[count++] = at;
    return count;
}

/* "patients ─ trends ─ insights", from the source to the exit. */
static const char *path_text(struct dv_arena *arena, const struct dv_node *const *path, uint32_t count)
{
    const char *text = "";
    for (uint32_t i = count; i-- > 0 && text != NULL;)
        text = dv_arena_printf(arena, "%s%s%s", text, path[i]->name, i > 0 ? " \xe2\x94\x80 " : "");
    return text;
}

/* What would help: a rule in the policy that is on the path already, or a policy. */
static const char *mend(struct dv_arena *arena, const struct dv_node *const *path, uint32_t count, const char *column)
{
    const char *drop = "or drop the field: { op: project, drop:";
    const char *quote = strchr(column, '[') != NULL ? "\"" : ""; /* YAML would take a bracket for one of its own */
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(path[i]->op->name, "anonymize") == 0)
            return dv_arena_printf(arena, "let the policy of `%s` transform it, %s [%s%s%s] }", path[i]->name, drop, quote,
                                   column, quote);
    const char *before = path[count >= 2 ? count - 2 : 0]->name;
    return dv_arena_printf(arena, "put `anonymize` before `%s`, %s [%s%s%s] }", before, drop, quote, column, quote);
}

static void report(const struct dv_node *exit, enum dv_exit kind, const struct dv_column *column, struct dv_diags *diags, const char *why)
{
    const struct dv_node *path[PATH_MAX_NODES];
    uint32_t count = path_to(exit, column->name, path);
    char label[64];
    (void)dv_label_text(column->label, label, sizeof label);
    bool plain = column->label.form == DV_FORM_PLAIN;
    const char *verb = plain ? "no node on this path transforms" : "what this path does is not enough for";
    const char *detail = dv_arena_printf(diags->arena, "%s        %s `%s`\nrule: %s",
                                         path_text(diags->arena, path, count), verb, column->name, why);
    const char *help = mend(diags->arena, path, count, column->name);
    dv_diags_add(diags, exit->yaml->key_place, "P001", detail, help, "`%s` (%s) would reach `%s` (%s)", column->name, label,
                 exit->name, dv_exit_name(kind));
}

/* "by age at `split`": what leaves is said, not shown. */
static void report_fact(const struct dv_node *exit, const struct dv_fact *fact, struct dv_diags *diags, const char *why)
{
    const struct dv_node *path[PATH_MAX_NODES];
    uint32_t count = path_of_fact(exit, fact, path);
    char label[64];
    (void)dv_label_text(fact->label, label, sizeof label);
    const char *detail = dv_arena_printf(diags->arena,
                                         "%s        `%s` picks records by `%s`: nothing behind it hides where they went\n"
                                         "rule: %s",
                                         path_text(diags->arena, path, count), fact->node->name, fact->column, why);
    const char *help = dv_arena_printf(diags->arena, "put `%s` after the node that transforms `%s`, or put `aggregate` "
                                                     "before `%s`", fact->node->name, fact->column, exit->name);
    dv_diags_add(diags, exit->yaml->key_place, "P002", detail, help,
                 "that a record is at `%s` (%s) would tell its `%s` (%s): `%s` sent it there", exit->name,
                 dv_exit_name(dv_node_exit(exit)), fact->column, label, fact->node->name);
}

static bool columns_leak(const struct dv_node *exit, enum dv_exit kind, const struct dv_schema *schema, struct dv_diags *diags)
{
    bool leaks = false;
    for (uint32_t column = 0; column < schema->column_count; column++) {
        const char *why = "";
        if (dv_label_cleared(kind, schema->columns[column].label, &why))
            continue;
        leaks = true;
        report(exit, kind, &schema->columns[column], diags, why);
    }
    return leaks;
}

/* What it will be shown at, too, by whoever finds it there. */
static bool shown_leak(const struct dv_node *exit, struct dv_diags *diags)
{
    return exit->shown != NULL && columns_leak(exit, exit->shown_at, exit->shown, diags);
}

static bool facts_leak(const struct dv_node *exit, struct dv_diags *diags)
{
    bool leaks = false;
    for (const struct dv_fact *fact = exit->told; fact != NULL; fact = fact->next) {
        const char *why = "";
        if (dv_fact_cleared(dv_node_exit(exit), fact->label, &why))
            continue;
        leaks = true;
        report_fact(exit, fact, diags, why);
    }
    return leaks;
}

dv_rc dv_graph_check(struct dv_graph *graph, struct dv_diags *diags)
{
    bool leaks = false;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct dv_node *node = graph->nodes[i];
        if (dv_node_exit(node) == DV_EXIT_NONE)
            continue;
        leaks = columns_leak(node, dv_node_exit(node), leaving(node), diags) || leaks;
        leaks = shown_leak(node, diags) || leaks;
        leaks = facts_leak(node, diags) || leaks;
    }
    leaks = dv_overlaps(graph, diags) || leaks;
    return leaks ? DV_E_LEAK : DV_OK;
}

static void add_columns(const struct dv_node *node, enum dv_exit kind, const struct dv_schema *schema, struct dv_proof_row *rows,
                        uint32_t *count)
{
    for (uint32_t i = 0; schema != NULL && i < schema->column_count; i++) {
        const struct dv_column *column = &schema->columns[i];
        struct dv_proof_row *row = &rows[(*count)++];
        *row = (struct dv_proof_row){ .node = node, .kind = kind, .field = column->name, .label = column->label };
        (void)dv_label_cleared(row->kind, row->label, &row->why);
    }
}

static void add_rows(const struct dv_node *node, struct dv_proof_row *rows, uint32_t *count)
{
    add_columns(node, dv_node_exit(node), leaving(node), rows, count);
    add_columns(node, node->shown_at, node->shown, rows, count);
    for (const struct dv_fact *fact = node->told; fact != NULL; fact = fact->next) {
        struct dv_proof_row *row = &rows[(*count)++];
        *row = (struct dv_proof_row){ .node = node, .kind = dv_node_exit(node), .field = fact->column, .label = fact->label,
                                      .fact = fact };
        (void)dv_fact_cleared(row->kind, row->label, &row->why);
    }
}

static size_t count_rows(const struct dv_graph *graph)
{
    size_t count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct dv_node *node = graph->nodes[i];
        if (dv_node_exit(node) == DV_EXIT_NONE)
            continue;
        count += leaving(node)->column_count + (node->shown != NULL ? node->shown->column_count : 0);
        for (const struct dv_fact *fact = node->told; fact != NULL; fact = fact->next)
            count++;
    }
    return count;
}

const struct dv_proof_row *dv_proof_rows(const struct dv_graph *graph, struct dv_arena *arena, uint32_t *ret_count)
{
    *ret_count = 0;
    struct dv_proof_row *rows = dv_arena_zeroed(arena, count_rows(graph) + 1, sizeof *rows);
    for (uint32_t i = 0; rows != NULL && i < graph->node_count; i++)
        if (dv_node_exit(graph->nodes[i]) != DV_EXIT_NONE)
            add_rows(graph->nodes[i], rows, ret_count);
    return rows;
}

uint32_t dv_proof_path(const struct dv_proof_row *row, const char **names)
{
    const struct dv_node *path[PATH_MAX_NODES];
    uint32_t count = row->fact != NULL ? path_of_fact(row->node, row->fact, path) : path_to(row->node, row->field, path);
    for (uint32_t i = 0; i < count; i++)
        names[i] = path[count - 1 - i]->name;
    return count;
}
