/* SPDX-License-Identifier: Apache-2.0
 * slots.c - edges and their slots: promised before a node is called, used or given back when it has answered. */
#include "engine/node.h"

struct dv_batch *dv_edge_pop(struct dv_edge *edge)
{
    DV_ASSERT(edge->count > 0);
    struct dv_batch *batch = edge->slots[edge->head];
    edge->slots[edge->head] = NULL;
    edge->head = (edge->head + 1) % DV_EDGE_SLOTS;
    edge->count--;
    return batch;
}

static void push(struct dv_edge *edge, struct dv_batch *batch)
{
    DV_ASSERT(edge->reserved > 0);
    DV_ASSERT(edge->count < DV_EDGE_SLOTS);
    edge->reserved--;
    edge->slots[(edge->head + edge->count) % DV_EDGE_SLOTS] = batch;
    edge->count++;
}

static struct dv_node *target(const struct dv_node *node, uint32_t link)
{
    return node->graph->nodes[node->graph->links[node->link_first + link].to];
}

bool dv_slots_reserve(struct dv_node *node)
{
    for (uint32_t link = 0; link < node->link_count; link++) {
        struct dv_edge *edge = &target(node, link)->edge;
        if (edge->count + edge->reserved >= DV_EDGE_SLOTS) {
            while (link-- > 0)
                target(node, link)->edge.reserved--;
            return false;
        }
        edge->reserved++;
    }
    return true;
}

void dv_slots_release(struct dv_node *node, uint32_t served_outputs)
{
    for (uint32_t link = 0; link < node->link_count; link++) {
        uint32_t output = node->graph->links[node->link_first + link].output;
        if ((served_outputs >> output) & 1u)
            continue;
        DV_ASSERT(target(node, link)->edge.reserved > 0);
        target(node, link)->edge.reserved--;
    }
}

void dv_slots_send(struct dv_node *node, uint32_t output, struct dv_batch *batch)
{
    DV_ASSERT(output < node->output_count);
    node->stats.batches_out++;
    node->stats.records_out += batch->rows;
    batch->offered_ns = dv_now_ns(node->graph->loop);
    for (uint32_t link = 0; link < node->link_count; link++) {
        if (node->graph->links[node->link_first + link].output == output)
            push(&target(node, link)->edge, dv_batch_ref(batch));
    }
    dv_batch_unref(batch);
    dv_graph_wake(node->graph);
}
