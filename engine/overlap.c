/* SPDX-License-Identifier: Apache-2.0
 * overlap.c - which aggregates count the same records, and whether what they show may be seen side by side. */
#include "engine/overlap.h"

#include "engine/node.h"
#include "engine/yaml.h"

enum { UNKNOWN, APART, TOGETHER };

struct search {
    const struct dv_graph *graph;
    struct dv_diags *diags;
    uint8_t *known; /* of two links, whether a record can be on both */
};

static const struct dv_node *origin(const struct search *search, uint32_t link)
{
    return search->graph->nodes[search->graph->links[link].from];
}

static bool meet(const struct search *search, uint32_t a, uint32_t b);

/* Back over the node that stands further down: nodes come after what they read. */
static bool trace(const struct search *search, uint32_t a, uint32_t b)
{
    const struct dv_node *later = origin(search, a);
    bool same = later == origin(search, b);
    if (same && search->graph->links[a].output != search->graph->links[b].output)
        return false;
    if (!same && origin(search, b)->index > later->index)
        return trace(search, b, a);
    if (later->counts.any)
        return false; /* its rows are groups, not records */
    if (later->op->source)
        return same;
    for (uint32_t i = 0; i < search->graph->link_count; i++)
        if (search->graph->links[i].to == later->index && meet(search, i, same ? i : b))
            return true;
    return false;
}

/* Whether a record can be on both links. */
static bool meet(const struct search *search, uint32_t a, uint32_t b)
{
    uint8_t *known = &search->known[a * search->graph->link_count + b];
    if (*known == UNKNOWN)
        *known = trace(search, a, b) ? TOGETHER : APART;
    return *known == TOGETHER;
}

static bool share_records(const struct search *search, const struct dv_node *a, const struct dv_node *b)
{
    const struct dv_link *links = search->graph->links;
    for (uint32_t i = 0; i < search->graph->link_count; i++)
        for (uint32_t j = 0; links[i].to == a->index && j < search->graph->link_count; j++)
            if (links[j].to == b->index && meet(search, i, j))
                return true;
    return false;
}

static bool is_sealed(const struct dv_node *exit)
{
    const struct dv_schema *schema = exit->cleared != NULL ? exit->cleared : exit->in;
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (schema->columns[i].label.form == DV_FORM_SEALED)
            return true;
    return false;
}

/* Whether what the node makes can be read at an exit. Noise on the way hides it. */
static bool is_shown(const struct dv_graph *graph, const struct dv_node *node)
{
    bool reached[DV_NODES_MAX] = { false };
    reached[node->index] = true;
    for (uint32_t i = node->index; i < graph->node_count; i++) {
        const struct dv_node *at = graph->nodes[i];
        if (!reached[i] || at->counts.noised)
            continue;
        if (dv_node_exit(at) != DV_EXIT_NONE && !is_sealed(at))
            return true;
        for (uint32_t link = 0; link < graph->link_count; link++)
            if (graph->links[link].from == i)
                reached[graph->links[link].to] = true;
    }
    return false;
}

/* The outputs of the fact's node that the list has, as bits. */
static uint32_t outputs_in(const struct dv_fact *list, const struct dv_fact *fact)
{
    uint32_t outputs = 0;
    for (; list != NULL; list = list->next)
        if (list->node == fact->node)
            outputs |= 1u << list->output;
    return outputs == (1u << fact->outputs) - 1 ? 0 : outputs; /* where all meet again there is no condition */
}

/* The first fact from `at` on, of those of `a`, that is a condition which the records of `b` need not meet; or NULL. */
static const struct dv_fact *condition(const struct dv_node *a, const struct dv_node *b, const struct dv_fact *at)
{
    while (at != NULL && (outputs_in(a->told, at) & ~outputs_in(b->told, at)) == 0)
        at = at->next;
    return at;
}

/* Whether the records of one can be part of the other's for a condition: it stands before one alone, or two are of one column.
 * Of conditions on two columns neither is part of the other. */
static bool is_part(const struct dv_node *a, const struct dv_node *b)
{
    const struct dv_fact *of_a = condition(a, b, a->told);
    const struct dv_fact *of_b = condition(b, a, b->told);
    if (of_a == NULL || of_b == NULL)
        return of_a != of_b;
    for (; of_a != NULL; of_a = condition(a, b, of_a->next))
        for (const struct dv_fact *at = of_b; at != NULL; at = condition(b, a, at->next))
            if (strcmp(of_a->column, at->column) == 0)
                return true;
    return false;
}

/* A column that both lists name, or NULL. */
static const char *common(const struct dv_strs *a, const struct dv_strs *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (strcmp(a->items[i], b->items[j]) == 0)
                return a->items[i];
    return NULL;
}

/* What makes them comparable, or NULL. */
static const char *reason(const struct search *search, const struct dv_node *a, const struct dv_node *b)
{
    const char *by = common(&a->counts.by, &b->counts.by);
    const char *sum = common(&a->counts.sums, &b->counts.sums);
    if (by != NULL)
        return dv_arena_printf(search->diags->arena, "both have groups of `%s`, and each hides small ones by itself", by);
    if (sum != NULL)
        return dv_arena_printf(search->diags->arena, "both have sums of `%s`, and each hides those of few by itself", sum);
    if (a->counts.margins || b->counts.margins)
        return "totals that `margins` hides can be taken from the other";
    if (is_part(a, b))
        return "their conditions differ, and the difference is who met one alone";
    return NULL;
}

static bool contains(const struct dv_strs *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], word) == 0)
            return true;
    return false;
}

/* Whether one table with totals has the columns of both. */
static bool fit_one_table(const struct dv_node *a, const struct dv_node *b)
{
    size_t columns = a->counts.by.count;
    for (size_t i = 0; i < b->counts.by.count; i++)
        columns += !contains(&a->counts.by, b->counts.by.items[i]);
    return columns == 2;
}

static const char *mend(const struct search *search, const struct dv_node *a, const struct dv_node *b)
{
    const char *rest = "give one of them `dp`, or let only one be read";
    if (condition(a, b, a->told) != NULL || condition(b, a, b->told) != NULL)
        return dv_arena_printf(search->diags->arena, "put one aggregate behind each output of the `route`, %s", rest);
    if (fit_one_table(a, b))
        return dv_arena_printf(search->diags->arena, "put both into one aggregate, with both columns in `by` and `margins: true`, %s", rest);
    if (a->counts.by.count == b->counts.by.count && a->counts.by.count <= 1)
        return dv_arena_printf(search->diags->arena, "let one aggregate lead to the exits of both, longer windows be made of its rows, %s",
                               rest);
    return dv_arena_printf(search->diags->arena, "%s", rest);
}

/* Whether the pair may not be; then that is said. */
static bool refuse(const struct search *search, const struct dv_node *a, const struct dv_node *b)
{
    const char *why = reason(search, a, b);
    if (why == NULL || !share_records(search, a, b))
        return false;
    const char *detail = dv_arena_printf(search->diags->arena, "rule: %s", why);
    dv_diags_add(search->diags, b->yaml->key_place, "P113", detail, mend(search, a, b),
                 "`%s` and `%s` count the same records: what one shows, less what the other shows, can be one person", a->name, b->name);
    return true;
}

static uint32_t find_shown(const struct dv_graph *graph, const struct dv_node **shown)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct dv_node *node = graph->nodes[i];
        if (node->counts.any && !node->counts.noised && is_shown(graph, node))
            shown[count++] = node;
    }
    return count;
}

bool dv_overlaps(const struct dv_graph *graph, struct dv_diags *diags)
{
    const struct dv_node *shown[DV_NODES_MAX];
    struct search search = { .graph = graph, .diags = diags };
    uint32_t count = find_shown(graph, shown);
    bool found = false;
    if (count < 2)
        return false;
    search.known = dv_arena_zeroed(diags->arena, (size_t)graph->link_count * graph->link_count, 1);
    if (search.known == NULL) {
        dv_diags_add(diags, shown[0]->yaml->key_place, "C007", NULL, NULL, "no memory to compare the aggregates");
        return true;
    }
    for (uint32_t b = 1; b < count; b++)
        for (uint32_t a = 0; a < b; a++)
            found = refuse(&search, shown[a], shown[b]) || found;
    return found;
}
