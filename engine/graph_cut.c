/* SPDX-License-Identifier: Apache-2.0
 * graph_cut.c - leaves of a loaded graph what lies behind some nodes, and puts sources of the caller's before those.
 *
 * The nodes that stay keep the schemas and labels they were shaped with, so that what is proved of the rest is what was
 * proved of the whole. */
#include "engine/memory.h"
#include "engine/node.h"

/* The rest of a graph under construction. */
struct cut {
    struct dv_graph *graph;
    const struct dv_graph_feed *feeds;
    uint32_t feed_count;
    bool reached[DV_NODES_MAX];
    uint32_t place[DV_NODES_MAX]; /* of an old node among the new ones */
    struct dv_node **nodes;
    uint32_t node_count;
    struct dv_link *links;
    uint32_t link_count;
};

/* What records of the feeds can come to. Links lead forward only. */
static void reach(struct cut *cut)
{
    const struct dv_graph *graph = cut->graph;
    for (uint32_t i = 0; i < cut->feed_count; i++)
        cut->reached[cut->feeds[i].at] = true;
    for (uint32_t node = 0; node < graph->node_count; node++)
        for (uint32_t i = 0; i < graph->link_count; i++)
            if (graph->links[i].to == node && cut->reached[graph->links[i].from])
                cut->reached[node] = true;
}

static uint32_t place_node(struct cut *cut, struct dv_node *node)
{
    node->index = cut->node_count;
    node->link_first = 0;
    node->link_count = 0;
    node->upstream_open = 0;
    cut->nodes[cut->node_count] = node;
    return cut->node_count++;
}

/* A feed has the name of its node: what it rejects is that node's letter. */
static dv_rc place_feed(struct cut *cut, const struct dv_graph_feed *feed)
{
    const struct dv_node *at = cut->graph->nodes[feed->at];
    struct dv_node *fed = dv_node_new(feed->op);
    DV_ASSERT(feed->op->source && feed->op->makes && feed->op->outputs == NULL);
    if (fed == NULL)
        return DV_E_MEMORY;
    *fed = (struct dv_node){ .op = feed->op,
                             .name = at->name,
                             .graph = cut->graph,
                             .state = feed->state,
                             .blank = feed->state,
                             .arena = cut->graph->arena,
                             .yaml = at->yaml,
                             .output_count = 1 };
    fed->out[0] = at->op->source ? at->out[0] : at->in;
    fed->credits_left = dv_node_credits(fed);
    uint32_t place = place_node(cut, fed);
    if (at->op->source)
        cut->place[feed->at] = place;
    return DV_OK;
}

static dv_rc place_feeds(struct cut *cut)
{
    for (uint32_t i = 0; i < cut->feed_count; i++) {
        if (place_feed(cut, &cut->feeds[i]) == DV_OK)
            continue;
        while (cut->node_count > 0)
            dv_memory_free(cut->nodes[--cut->node_count]);
        return DV_E_MEMORY;
    }
    return DV_OK;
}

/* The nodes that records come to go behind the feeds; the others go. */
static void place_nodes(struct cut *cut)
{
    struct dv_graph *graph = cut->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        if (cut->reached[i] && !node->op->source)
            cut->place[i] = place_node(cut, node);
    }
}

static void free_others(const struct cut *cut)
{
    const struct dv_graph *graph = cut->graph;
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (!cut->reached[i] || graph->nodes[i]->op->source)
            dv_node_free(graph->nodes[i]);
}

static void place_links(struct cut *cut)
{
    const struct dv_graph *graph = cut->graph;
    for (uint32_t i = 0; i < graph->link_count; i++) {
        struct dv_link link = graph->links[i];
        if (!cut->reached[link.from])
            continue;
        cut->links[cut->link_count++] = (struct dv_link){ cut->place[link.from], link.output, cut->place[link.to] };
    }
    for (uint32_t i = 0; i < cut->feed_count; i++)
        if (!graph->nodes[cut->feeds[i].at]->op->source)
            cut->links[cut->link_count++] = (struct dv_link){ i, 0, cut->place[cut->feeds[i].at] };
}

static uint32_t count_nodes(const struct cut *cut)
{
    uint32_t count = cut->feed_count;
    for (uint32_t i = 0; i < cut->graph->node_count; i++)
        count += cut->reached[i] && !cut->graph->nodes[i]->op->source;
    return count;
}

dv_rc dv_graph_cut(struct dv_graph *graph, const struct dv_graph_feed *feeds, uint32_t count, struct dv_error *error)
{
    DV_ASSERT(graph->state == DV_GRAPH_BUILT && count > 0);
    struct cut cut = { .graph = graph, .feeds = feeds, .feed_count = count };
    reach(&cut);
    uint32_t nodes = count_nodes(&cut);
    if (nodes > DV_NODES_MAX)
        return dv_error_set(error, DV_E_LIMIT, "the graph has too many nodes to be fed at %u of them", count);
    cut.nodes = dv_arena_zeroed(graph->arena, DV_NODES_MAX, sizeof(struct dv_node *));
    cut.links = dv_arena_zeroed(graph->arena, graph->link_count + count, sizeof *cut.links);
    if (cut.nodes == NULL || cut.links == NULL || place_feeds(&cut) != DV_OK)
        return dv_error_set(error, DV_E_MEMORY, "no memory for the rest of the graph");
    place_nodes(&cut);
    place_links(&cut);
    free_others(&cut);
    graph->nodes = cut.nodes;
    graph->node_count = cut.node_count;
    graph->links = cut.links;
    graph->link_count = cut.link_count;
    dv_graph_index_links(graph);
    bool bounded = dv_graph_count_bound(graph) && graph->bound.bytes <= (uint64_t)graph->settings.memory_bytes;
    return bounded ? DV_OK
                   : dv_error_set(error, DV_E_LIMIT, "the rest of the graph could need more than `memory` allows");
}
