/* SPDX-License-Identifier: Apache-2.0
 * bound.c - how many batches a graph can ever have at once, from credits over paths.
 *
 * A maker (source or window) has at most `credits` batches out. From each, copies are made where an operator writes to
 * a batch that others may still read, and where one splits it. Branches that join again meet the nodes behind the join
 * once for each way, so the count goes over paths, not over nodes. A sink needs one more for halving a failed batch, and one if its
 * guard may change what others read. */
#include <stdlib.h>

#include "engine/node.h"
#include "engine/yaml.h"

enum { DV_RECEIPTS = 16384, CREDITS_MAX = 255 };

static uint32_t links_of_output(const struct dv_node *node, uint32_t output)
{
    uint32_t count = 0;
    for (uint32_t link = 0; link < node->link_count; link++)
        count += node->graph->links[node->link_first + link].output == output;
    return count;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* Copies that can come of one batch that reaches `node`: [0] if nobody else reads it, [1] if others may. */
struct copies {
    uint64_t of[2];
};

/* What the nodes behind `node` add, if what it sends is shared (`shared`) or becomes so by having several readers. */
static uint64_t behind(const struct dv_node *node, const struct copies *copies, bool shared)
{
    uint64_t total = 0;
    for (uint32_t link = 0; link < node->link_count; link++) {
        const struct dv_link *way = &node->graph->links[node->link_first + link];
        bool several = shared || links_of_output(node, way->output) > 1;
        total = add(total, copies[way->to].of[several]);
    }
    return total;
}

static uint64_t copies_at(const struct dv_node *node, const struct copies *copies, bool shared)
{
    const struct dv_operator *op = node->op;
    uint64_t own = op->edits && shared ? 1 : 0; /* also a window or a sink that writes gets its own copy */
    if (op->sink || (op->makes && !op->source))
        return own;
    if (op->outputs != NULL)
        own = add(own, node->output_count);
    return add(own, behind(node, copies, shared && !op->edits));
}

/* Each window finds a receipt: what stands before it leaves one for each of its credits. A source leaves those of all,
 * since it may feed any of them through others. */
static void spare_receipts(struct dv_graph *graph)
{
    uint32_t behind_it = 0;
    for (uint32_t i = graph->node_count; i-- > 0;) {
        struct dv_node *node = graph->nodes[i];
        node->receipts_spared = behind_it;
        if (node->op->makes && !node->op->source)
            behind_it += dv_node_credits(node);
    }
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->op->source)
            graph->nodes[i]->receipts_spared = behind_it;
}

static bool is_window(const struct dv_node *node)
{
    return node->op->makes && !node->op->source;
}

/* Marks the nodes that lead to one of those that are marked; windows pass nothing on, unless told so. */
static void mark_before(const struct dv_graph *graph, bool marked[], bool through_windows)
{
    for (uint32_t i = graph->node_count; i-- > 0;) {
        const struct dv_node *node = graph->nodes[i];
        for (uint32_t link = 0; link < node->link_count; link++) {
            uint32_t to = graph->links[node->link_first + link].to;
            marked[i] = marked[i] || (marked[to] && (through_windows || !is_window(graph->nodes[to])));
        }
    }
}

uint64_t dv_records_under_way(const struct dv_node *node)
{
    const struct dv_graph *graph = node->graph;
    bool leads_here[DV_NODES_MAX] = { false }, leads_to_window[DV_NODES_MAX] = { false };
    uint64_t batches = 0;
    leads_here[node->index] = true;
    mark_before(graph, leads_here, false);
    for (uint32_t i = 0; i < graph->node_count; i++)
        for (uint32_t link = 0; link < graph->nodes[i]->link_count; link++)
            leads_to_window[i] = leads_to_window[i] || is_window(graph->nodes[graph->links[graph->nodes[i]->link_first + link].to]);
    mark_before(graph, leads_to_window, true);
    for (uint32_t i = 0; i < node->index; i++)
        if (leads_here[i] && graph->nodes[i]->op->makes)
            batches += leads_to_window[i] ? DV_RECEIPTS : dv_node_credits(graph->nodes[i]);
    return batches * DV_BATCH_ROWS;
}

void dv_credits_load(struct dv_node *node)
{
    const struct dv_yaml *credits = dv_yaml_get(node->yaml, "credits");
    if (credits == NULL)
        return;
    const char *text = credits->kind == DV_YAML_SCALAR ? credits->text : "";
    char *end = NULL;
    unsigned long count = strtoul(text, &end, 10);
    if (!node->op->source)
        (void)dv_refuse(node, "credits", "C039", "put it at a source", "'%s' is no source", node->name);
    else if (text[0] < '0' || text[0] > '9' || *end != '\0' || count < 1 || count > CREDITS_MAX)
        (void)dv_refuse(node, "credits", "C039", "write 1 to 255", "no such number of batches at '%s'", node->name);
    else
        node->credits = (uint32_t)count;
}

bool dv_graph_count_bound(struct dv_graph *graph)
{
    struct copies copies[DV_NODES_MAX] = { 0 };
    uint64_t batches = 0;
    for (uint32_t i = graph->node_count; i-- > 0;) {
        const struct dv_node *node = graph->nodes[i];
        for (int shared = 0; shared < 2; shared++)
            copies[i].of[shared] = copies_at(node, copies, shared);
        if (node->op->sink)
            batches = add(batches, 1u + dv_exit_guard_edits(node));
        if (!node->op->makes)
            continue;
        uint64_t each = add(1, behind(node, copies, false));
        uint64_t all = 0;
        if (__builtin_mul_overflow(each, (uint64_t)dv_node_credits(node), &all))
            return false;
        batches = add(batches, all);
    }
    spare_receipts(graph);
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(batches, (uint64_t)graph->settings.batch_bytes, &bytes) || batches > UINT32_MAX)
        return false;
    uint64_t receipts = DV_RECEIPTS * (sizeof(struct dv_receipt) + 2 * sizeof(struct dv_receipt_link)) + DV_NODES_MAX * sizeof(struct dv_receipt_link);
    graph->bound = (struct dv_bound){ .batches = batches, .receipts = DV_RECEIPTS };
    graph->bound.bytes = add(bytes, add(batches * sizeof(struct dv_batch), receipts));
    return true;
}
