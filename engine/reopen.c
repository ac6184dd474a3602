/* SPDX-License-Identifier: Apache-2.0
 * reopen.c - nodes that a reload closed: freed when the loop has let go of them, or opened again as they were. */
#include "engine/reopen.h"

#include "engine/log.h"
#include "engine/memory.h"
#include "engine/node.h"

enum { REAP_MS = 100 };

/* The loop lets go of handles at its next turn, and of jobs when they are back. */
void dv_reopen_bury(struct dv_node *node)
{
    struct dv_graph *graph = node->graph;
    DV_ASSERT(!node->opened);
    node->next_closed = graph->closed;
    graph->closed = node;
    dv_timer_start(&graph->reap_timer, REAP_MS);
}

void dv_reopen_reap(struct dv_timer *timer)
{
    struct dv_graph *graph = timer->data;
    if (graph->loop->away > 0) {
        dv_timer_start(timer, REAP_MS);
        return;
    }
    while (graph->closed != NULL) {
        struct dv_node *node = graph->closed;
        graph->closed = node->next_closed;
        dv_node_free(node);
    }
}

/* The same node as its file described it, not yet opened; NULL: no memory. */
static struct dv_node *twin_of(const struct dv_node *node)
{
    struct dv_node *twin = dv_node_new(node->op);
    if (twin == NULL)
        return NULL;
    *twin = (struct dv_node){ .op = node->op, .name = node->name, .graph = node->graph, .index = node->index,
                              .blank = node->blank, .state = node->blank, .yaml = node->yaml,
                              .files = node->files, .credits = node->credits, .generation = node->generation, .in = node->in,
                              .cleared = node->cleared, .shown = node->shown, .shown_at = node->shown_at,
                              .output_count = node->output_count,
                              .link_first = node->link_first, .link_count = node->link_count,
                              .upstream_open = node->upstream_open, .receipts_spared = node->receipts_spared, .order = node->order, .guard_blank = node->guard_blank,
                              .stats = node->stats, .finished = node->finished, .ended = node->finished,
                              .flushed = node->finished };
    memcpy(twin->out, node->out, sizeof twin->out);
    twin->credits_left = node->op->makes ? dv_node_credits(node) : 0;
    if (twin->generation != NULL)
        twin->generation->references++;
    return twin;
}

bool dv_reopen(struct dv_graph *graph, struct dv_node **ret_spent)
{
    bool all = true;
    *ret_spent = NULL;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        struct dv_error error = { 0 };
        struct dv_node *twin = node->opened ? NULL : twin_of(node);
        all = all && (node->opened || twin != NULL);
        if (twin == NULL)
            continue;
        twin->edge = node->edge;
        graph->nodes[i] = twin;
        dv_reopen_bury(node);
        dv_rc rc = dv_node_open(twin, &error);
        if (!dv_is_error(rc))
            continue;
        dv_node_close(twin);
        *ret_spent = rc == DV_E_BUDGET ? twin : *ret_spent;
        dv_log(DV_LOG_WARN, "reload.not-reopened", DV_LOG_NAMED("node", twin->name));
        all = false;
    }
    return all;
}
