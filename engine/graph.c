/* SPDX-License-Identifier: Apache-2.0
 * graph.c - the life of a graph, and looking at it. */
#include "engine/graph.h"

#include "engine/memory.h"
#include "engine/node.h"

dv_rc dv_node_open(struct dv_node *node, struct dv_error *error)
{
    struct dv_graph *graph = node->graph;
    dv_arena_init(&node->scratch, DV_SCRATCH_BYTES);
    dv_arena_init(&node->memory, DV_NODE_BYTES);
    node->arena = &node->memory;
    node->state = dv_arena_zeroed(node->arena, 1, node->op->size);
    if (node->state == NULL)
        return dv_error_set(error, DV_E_MEMORY, "node '%s': no memory for its state", node->name);
    memcpy(node->state, node->blank, node->op->size);
    dv_timer_init(graph->loop, &node->retry_timer, dv_retry_timer, node);
    node->opened = true;
    dv_order_reset(node);
    dv_rc rc = dv_exit_guard_open(node);
    if (!dv_is_error(rc) && node->op->open != NULL)
        rc = node->op->open(node);
    if (!dv_is_error(rc))
        return DV_OK;
    const char *text = node->error.text[0] != '\0' ? node->error.text : dv_rc_text(rc);
    return dv_error_set(error, rc, "node '%s': %s", node->name, text);
}

void dv_node_stop(struct dv_node *node)
{
    if (!node->op->source || !node->opened || node->stopping)
        return;
    node->stopping = true;
    dv_graph_wake(node->graph); /* it may want a batch for what it has to work off */
    if (node->op->stop != NULL)
        node->op->stop(node);
    else
        dv_end(node);
}

void dv_node_close(struct dv_node *node)
{
    if (!node->opened)
        return;
    if (node->op->close != NULL)
        node->op->close(node);
    dv_exit_guard_close(node);
    dv_timer_close(&node->retry_timer);
    node->opened = false;
}

void dv_generation_unref(struct dv_generation *generation)
{
    if (generation == NULL || --generation->references > 0)
        return;
    dv_arena_free(&generation->arena);
    dv_memory_free(generation);
}

struct dv_node *dv_node_new(const struct dv_operator *op)
{
    const struct dv_node kind = { .op = op };
    return dv_memory_zeroed(1, sizeof kind + dv_node_places(&kind) * sizeof kind.held[0]);
}

void dv_node_free(struct dv_node *node)
{
    dv_arena_free(&node->scratch);
    dv_arena_free(&node->memory);
    dv_generation_unref(node->generation);
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
    while (graph->closed != NULL) {
        struct dv_node *node = graph->closed;
        graph->closed = node->next_closed;
        dv_node_free(node);
    }
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
