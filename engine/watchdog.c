/* SPDX-License-Identifier: Apache-2.0
 * watchdog.c - notices that something waits and nothing moves: alive but stuck.
 *
 * A node is stuck when it has had something to do for `stall` and finished none of it: a batch in its edge, held, or
 * waiting to be tried again; or when one batch has been held that long while more than could be in front of it were
 * finished: its callback is lost. For a source, that it cannot go on or that a commit of its is under way. What a window keeps
 * is not in a batch any more and does not count, nor does the empty batch with which a source waits for input.
 *
 * It looks a few times in each `stall` and costs nothing in between. A world in which nothing waits and no node could
 * come to wait by itself is not looked at: so a simulated one can come to rest. */
#include "engine/log.h"
#include "engine/node.h"

enum { LOOKS_PER_STALL = 8, LOOK_MIN_MS = 10, LOOK_MAX_MS = 1000 };

static uint64_t period_ms(const struct dv_graph *graph)
{
    uint64_t period = (uint64_t)graph->settings.stall_ms / LOOKS_PER_STALL;
    return period < LOOK_MIN_MS ? LOOK_MIN_MS : period > LOOK_MAX_MS ? LOOK_MAX_MS : period;
}

/* Whether batches are inside the node, not only before it. */
static bool has_begun(const struct dv_node *node)
{
    return (!node->op->source && node->held_count > 0) || node->retry_count > 0 || node->bisect.batch != NULL;
}

static bool is_pending(struct dv_node *node)
{
    if (node->edge.count > 0 || has_begun(node))
        return true;
    if (!node->op->source || node->finished)
        return false;
    return node->maker_tries > 0 || (node->op->waits != NULL && node->op->waits(node) != NULL) ||
           (node->op->behind != NULL && node->op->behind(node));
}

/* Since when it has had something to do and finished nothing; UINT64_MAX: all is well. */
static uint64_t look_at(struct dv_watch *watch, bool pending, uint64_t done, uint64_t now_ns)
{
    if (!pending || done != watch->done || !watch->pending)
        *watch = (struct dv_watch){ .pending = pending, .done = done, .since_ns = now_ns };
    return pending ? watch->since_ns : UINT64_MAX;
}

/* Since when it holds a batch that many others have overtaken; UINT64_MAX: none. */
static uint64_t lost_since(const struct dv_node *node)
{
    uint64_t since_ns = UINT64_MAX;
    for (uint32_t i = 0; i < dv_node_places(node) && node->held_count > 0 && !node->op->source; i++) {
        const struct dv_held *held = &node->held[i];
        if (held->batch != NULL && !held->waits && node->answers - held->answers >= dv_node_held_max(node) &&
            held->since_ns < since_ns)
            since_ns = held->since_ns;
    }
    return since_ns;
}

static uint64_t stuck_since(struct dv_node *node, uint64_t now_ns)
{
    uint64_t still_ns = look_at(&node->watch, is_pending(node), node->answers, now_ns);
    uint64_t lost_ns = lost_since(node);
    return still_ns < lost_ns ? still_ns : lost_ns;
}

/* The one to name: who has begun and not finished, before who cannot pass on what waits; then who has waited longest. */
static bool is_worse(const struct dv_node *node, uint64_t since_ns, const struct dv_node *worst, uint64_t worst_ns)
{
    if (worst == NULL || has_begun(node) != has_begun(worst))
        return worst == NULL || has_begun(node);
    return since_ns < worst_ns || (since_ns == worst_ns && node->index > worst->index);
}

static const char *look_at_all(struct dv_graph *graph, uint64_t now_ns, uint64_t *ret_since_ns)
{
    uint64_t stall_ns = (uint64_t)graph->settings.stall_ms * 1000000;
    struct dv_node *worst = NULL;
    bool letters_wait = graph->letters != NULL && !graph->letters->idle(graph->letters);
    uint64_t letters_ns = look_at(&graph->watchdog.letters, letters_wait, graph->receipts.settled, now_ns);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        if (!node->opened)
            continue;
        uint64_t since_ns = stuck_since(node, now_ns);
        if (since_ns == UINT64_MAX || now_ns - since_ns < stall_ns || !is_worse(node, since_ns, worst, *ret_since_ns))
            continue;
        worst = node;
        *ret_since_ns = since_ns;
    }
    if (letters_ns == UINT64_MAX || now_ns - letters_ns < stall_ns || (worst != NULL && has_begun(worst)))
        return worst != NULL ? worst->name : NULL;
    *ret_since_ns = letters_ns;
    return "dead_letters";
}

/* A reload may end the node before anybody looks. */
static const char *keep_name(struct dv_graph *graph, const char *name)
{
    (void)snprintf(graph->watchdog.name, sizeof graph->watchdog.name, "%s", name);
    return graph->watchdog.name;
}

static struct dv_node *node_called(const struct dv_graph *graph, const char *name)
{
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i]->name, name) == 0)
            return graph->nodes[i];
    return graph->nodes[0];
}

static void begin_stall(struct dv_graph *graph, const char *name)
{
    uint64_t ms = (uint64_t)graph->settings.stall_ms;
    graph->watchdog.stall.total++;
    dv_log(DV_LOG_ERROR, "graph.stalled", DV_LOG_NAMED("node", name), DV_LOG_NUMBER("ms", ms));
    struct dv_node *node = node_called(graph, name);
    if (graph->settings.stall_exit)
        dv_graph_fail(graph, node, dv_fail(node, DV_E_DEPENDENCY, "stalled: nothing was finished in %llu ms (`%s`)",
                                           (unsigned long long)ms, name));
}

static bool may_come_to_wait(const struct dv_graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct dv_node *node = graph->nodes[i];
        if (node->watch.pending || (node->op->source && !node->finished && (node->op->waits != NULL || node->op->behind != NULL)))
            return true;
    }
    return graph->watchdog.letters.pending;
}

static void look(struct dv_timer *timer)
{
    struct dv_graph *graph = timer->data;
    struct dv_stall *stall = &graph->watchdog.stall;
    uint64_t since_ns = 0;
    if (graph->state != DV_GRAPH_RUNNING)
        return; /* a drain has a limit of its own */
    bool before = stall->node != NULL;
    const char *name = look_at_all(graph, dv_now_ns(graph->loop), &since_ns);
    if (name == NULL && before)
        dv_log(DV_LOG_INFO, "graph.moves-again", DV_LOG_NAMED("node", stall->node));
    stall->node = name != NULL ? keep_name(graph, name) : NULL;
    stall->since_ns = since_ns;
    if (name != NULL && !before)
        begin_stall(graph, name);
    if (may_come_to_wait(graph))
        dv_watchdog_wake(graph);
}

void dv_watchdog_init(struct dv_graph *graph)
{
    dv_timer_init(graph->loop, &graph->watchdog.timer, look, graph);
}

void dv_watchdog_wake(struct dv_graph *graph)
{
    if (graph->settings.stall_ms > 0 && !graph->watchdog.timer.active && graph->state == DV_GRAPH_RUNNING)
        dv_timer_start(&graph->watchdog.timer, period_ms(graph));
}

void dv_watchdog_close(struct dv_graph *graph)
{
    dv_timer_close(&graph->watchdog.timer);
}

struct dv_stall dv_graph_stall(const struct dv_graph *graph)
{
    return graph->watchdog.stall;
}
