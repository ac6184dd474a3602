/* SPDX-License-Identifier: Apache-2.0
 * graph.c - the life of a graph, and looking at it. */
#include "engine/graph.h"

#include "engine/memory.h"
#include "engine/node.h"

void dv_node_free(struct dv_node *node)
{
    DV_ASSERT(!node->opened);
    dv_arena_free(&node->scratch);
    dv_arena_free(&node->memory);
    dv_memory_free(node);
}

void dv_graph_free(struct dv_graph *graph)
{
    if (graph == NULL)
        return;
    DV_ASSERT(graph->state == DV_GRAPH_BUILT || graph->state == DV_GRAPH_DONE);
    for (uint32_t i = 0; i < graph->node_count; i++)
        dv_node_free(graph->nodes[i]);
    graph->node_count = 0;
    dv_pool_free(&graph->pool);
    dv_receipts_free(&graph->receipts);
    if (graph->loop != NULL)
        graph->loop->tick = NULL;
}

const struct dv_graph_settings *dv_graph_settings(const struct dv_graph *graph)
{
    return &graph->settings;
}

void dv_graph_provide(struct dv_graph *graph, enum dv_service service, void *object)
{
    DV_ASSERT(service < DV_SERVICE_COUNT);
    graph->services[service] = object;
}

void dv_graph_dead_letters(struct dv_graph *graph, struct dv_dead_letters *letters)
{
    graph->letters = letters;
}

struct dv_bound dv_graph_bound(const struct dv_graph *graph)
{
    return graph->bound;
}

uint32_t dv_graph_node_count(const struct dv_graph *graph)
{
    return graph->node_count;
}

struct dv_node *dv_graph_node(const struct dv_graph *graph, uint32_t index)
{
    DV_ASSERT(index < graph->node_count);
    return graph->nodes[index];
}

uint32_t dv_graph_links(const struct dv_graph *graph, const struct dv_link **ret_links)
{
    *ret_links = graph->links;
    return graph->link_count;
}

const struct dv_histogram *dv_graph_latency(const struct dv_graph *graph)
{
    return &graph->latency;
}

uint32_t dv_graph_batches_live(const struct dv_graph *graph)
{
    return graph->pool.capacity - graph->pool.free_count;
}

uint64_t dv_graph_bytes_held(const struct dv_graph *graph)
{
    return dv_pool_held_bytes(&graph->pool);
}

const struct dv_error *dv_graph_error(const struct dv_graph *graph)
{
    return &graph->error;
}
