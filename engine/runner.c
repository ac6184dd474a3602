/* SPDX-License-Identifier: Apache-2.0
 * runner.c - calls the nodes: sinks first, within a time budget, on the loop's idle tick.
 *
 * A node is called only if there is something to offer it, it holds fewer than it may, and every edge behind it has a
 * slot. Callbacks from connectors and timers only finish a batch or wake the runner; nothing recurses. */
#include "engine/crash.h"
#include "engine/node.h"

void dv_graph_wake(struct dv_graph *graph)
{
    graph->woken = true;
    if (graph->loop != NULL && graph->state != DV_GRAPH_BUILT && graph->state != DV_GRAPH_DONE)
        dv_loop_arm(graph->loop, true);
}

static bool letters_full(const struct dv_graph *graph)
{
    return graph->letters != NULL && graph->letters->full(graph->letters);
}

/* Whether the node may be called at all. */
static bool callable(const struct dv_node *node)
{
    const struct dv_graph *graph = node->graph;
    return (graph->state == DV_GRAPH_RUNNING || graph->state == DV_GRAPH_DRAINING) && node->opened && !node->finished &&
           node->held_count < dv_node_held_max(node) && !letters_full(graph);
}

/* An empty batch for a source, or for a window that asked; NULL if it has no credit or nothing is left. */
static struct dv_batch *own_batch(struct dv_node *node)
{
    struct dv_graph *graph = node->graph;
    if (node->credits_left == 0 || dv_receipts_full(node))
        return NULL;
    DV_ASSERT(graph->pool.free_count > 0); /* credits over paths: bound.c */
    struct dv_batch *batch = dv_pool_take(&graph->pool, node->out[0], graph->settings.tenant);
    if (batch == NULL) {
        dv_graph_fail(graph, node, dv_fail(node, DV_E_MEMORY, "no memory for a batch of %u columns; raise `batch_bytes`",
                                           node->out[0]->column_count));
        return NULL;
    }
    batch->receipt = dv_receipt_take(&graph->receipts, node);
    DV_ASSERT(batch->receipt != NULL);
    batch->maker = node;
    node->credits_left--;
    return batch;
}

/* The engine's own copy for an operator that writes, if others still read. */
static struct dv_batch *writable(const struct dv_node *node, struct dv_batch *batch)
{
    if (!node->op->edits || batch->references == 1)
        return batch;
    struct dv_batch *copy = dv_pool_share(batch);
    DV_ASSERT(copy != NULL); /* the pool counts one for every path: bound.c */
    copy->offered_ns = batch->offered_ns;
    dv_batch_unref(batch);
    return copy;
}

static bool wants_own(const struct dv_node *node)
{
    if (node->retry_timer.active)
        return false;
    bool pauses = node->graph->pauses && !node->stopping; /* who stops may have something to work off */
    return node->op->source ? !node->ended && !pauses : node->op->makes && node->wants;
}

/* What kind of call comes next. */
enum offer { OFFER_NONE, OFFER_VIEW, OFFER_AGAIN, OFFER_QUEUED, OFFER_OWN, OFFER_FLUSH };

static bool can_keep(const struct dv_node *node)
{
    return node->op->source || !node->op->makes || !dv_links_full(node->graph);
}

static enum offer next_offer(struct dv_node *node)
{
    if (node->bisect.batch != NULL)
        return node->bisect.view == NULL && dv_now_ns(node->graph->loop) >= node->bisect.due_ns ? OFFER_VIEW : OFFER_NONE;
    if (wants_own(node)) /* before its input: a window may have to be told before it can take more */
        return OFFER_OWN;
    if (dv_retry_pending(node))
        return OFFER_AGAIN;
    if (dv_retry_blocks(node))
        return OFFER_NONE;
    if (node->edge.count > 0)
        return can_keep(node) && dv_order_admits(node) && dv_exit_guard_admits(node) ? OFFER_QUEUED : OFFER_NONE;
    if (node->op->makes && !node->op->source && !node->flushed && (node->upstream_open == 0 || node->flushing))
        return OFFER_FLUSH;
    return OFFER_NONE;
}

static void hold(struct dv_node *node, struct dv_batch *batch, uint32_t tries)
{
    for (uint32_t i = 0; i < dv_node_places(node); i++) {
        struct dv_held *held = &node->held[i];
        if (held->batch != NULL)
            continue;
        *held = (struct dv_held){ .batch = batch, .since_ns = dv_now_ns(node->graph->loop), .tries = tries,
                                   .answers = node->answers };
        node->held_count++;
        node->stats.held = node->held_count;
        return;
    }
    DV_ASSERT(!"a free place for a held batch");
}

static void pass(struct dv_node *node, struct dv_batch *batch)
{
    if (batch->rejected_count > 0 && !node->op->sink && dv_batch_compact(batch) != DV_OK) {
        dv_slots_release(node, 0);
        dv_retry_failed(node, batch, DV_TRIES_MAX, DV_E_MEMORY);
        return;
    }
    if (node->op->sink)
        dv_histogram_add(&node->graph->latency, dv_now_ns(node->graph->loop) - batch->born_ns);
    if (node->op->sink || batch->rows == 0) {
        dv_slots_release(node, 0);
        dv_batch_unref(batch);
        return;
    }
    if (batch->maker == node)
        batch->born_ns = dv_now_ns(node->graph->loop);
    dv_slots_send(node, 0, batch);
    dv_slots_release(node, 1u);
}

/* An error with nothing in the batch concerns no record: the next call may heal it. */
static void maker_failed(struct dv_node *node, struct dv_batch *batch, dv_rc rc)
{
    dv_batch_unref(batch);
    node->wants = !node->op->source;
    bool heals = rc == DV_E_FULL || rc == DV_E_DEPENDENCY;
    node->maker_tries++;
    node->stats.retries++;
    if (dv_rc_policy(rc) != DV_POLICY_RETRY || (!heals && node->maker_tries >= DV_TRIES_MAX))
        dv_graph_fail(node->graph, node, rc);
    else
        dv_timer_start(&node->retry_timer, dv_retry_backoff_ms(node, node->maker_tries));
}

/* What an answer means, at once or after a HOLD. Slots are reserved on entry. */
static void answered(struct dv_node *node, struct dv_batch *batch, uint32_t tries, dv_rc rc)
{
    node->answers += !dv_is_error(rc);
    if (rc == DV_PASS) {
        node->maker_tries = 0;
        pass(node, batch);
        return;
    }
    dv_slots_release(node, node->emitted);
    if (rc == DV_DROP)
        dv_batch_unref(batch);
    else if (batch->maker == node && node->op->makes && batch->rows == 0)
        maker_failed(node, batch, rc);
    else
        dv_retry_failed(node, batch, tries, rc);
}

/* The batch's columns and labels must be those that were proved. */
static bool proved(const struct dv_node *node, const struct dv_batch *batch)
{
    const struct dv_schema *expected = batch->maker == node ? node->out[0] : node->in;
    return batch->schema == expected || dv_schema_equal(batch->schema, expected);
}

/* What one long record needed is not kept for ever. */
static void empty_scratch(struct dv_node *node)
{
    if (dv_arena_held(&node->scratch) > DV_ARENA_KEPT_BYTES)
        dv_arena_free(&node->scratch);
    else
        dv_arena_reset(&node->scratch);
}

static dv_rc call(struct dv_node *node, struct dv_batch *batch)
{
    if (batch != NULL && !proved(node, batch))
        return dv_fail(node, DV_E_LABEL, "the batch is '%s', not the schema that was proved", batch->schema->name);
    uint64_t start = dv_now_ns(node->graph->loop);
    node->in_process = true;
    node->emitted = 0;
    dv_rc rc = node->op->process(node, batch);
    node->in_process = false;
    empty_scratch(node);
    DV_ASSERT(node->emitted == 0 || rc == DV_DROP || dv_is_error(rc)); /* what went out cannot go out again */
    uint64_t spent = dv_now_ns(node->graph->loop) - start;
    node->stats.busy_ns += spent;
    dv_histogram_add(&node->stats.process, spent);
    return rc;
}

static void count_in(struct dv_node *node, const struct dv_batch *batch)
{
    node->stats.batches_in++;
    node->stats.records_in += batch->rows - batch->rejected_count;
    dv_histogram_add(&node->stats.wait, dv_now_ns(node->graph->loop) - batch->offered_ns);
}

static struct dv_batch *take_queued(struct dv_node *node)
{
    struct dv_batch *batch = dv_edge_pop(&node->edge);
    node->stats.queued = node->edge.count;
    count_in(node, batch);
    batch = dv_exit_guard_pass(node, writable(node, batch));
    node->flushed = false; /* a source may have filled the batch it held after the window behind it was heard for a reload */
    dv_order_took(node, batch);
    return batch;
}

static struct dv_batch *take_view(struct dv_node *node)
{
    struct dv_bisect *bisect = &node->bisect;
    DV_ASSERT(bisect->count > 0);
    bisect->count--;
    bisect->from = bisect->todo[bisect->count].from;
    bisect->to = bisect->todo[bisect->count].to;
    bisect->view = dv_pool_view(bisect->batch, bisect->from, bisect->to);
    DV_ASSERT(bisect->view != NULL); /* every sink has one of the pool for this: bound.c */
    return bisect->view;
}

static void flush(struct dv_node *node)
{
    node->flushed = true;
    dv_rc rc = call(node, NULL);
    dv_slots_release(node, 0);
    if (dv_is_error(rc))
        dv_graph_fail(node->graph, node, rc);
}

static struct dv_batch *take(struct dv_node *node, enum offer offer, uint32_t *tries)
{
    switch (offer) {
    case OFFER_VIEW: return take_view(node);
    case OFFER_AGAIN: return dv_retry_next(node, tries);
    case OFFER_QUEUED: return take_queued(node);
    case OFFER_OWN: node->wants = false; return own_batch(node);
    default: return NULL;
    }
}

/* One call of the node, if one is due and possible. */
static bool offer(struct dv_node *node)
{
    enum offer kind = callable(node) ? next_offer(node) : OFFER_NONE;
    if (kind == OFFER_NONE)
        return false;
    bool starved = kind == OFFER_OWN && node->credits_left == 0;
    if (starved || !dv_slots_reserve(node)) {
        node->stats.stalls++;
        return false;
    }
    if (kind == OFFER_FLUSH) {
        flush(node);
        return true;
    }
    uint32_t tries = 0;
    struct dv_batch *batch = take(node, kind, &tries);
    if (batch == NULL) {
        node->wants = !node->op->source;
        dv_slots_release(node, 0);
        return false;
    }
    bool emptied = kind == OFFER_QUEUED && batch->rows == 0; /* by the guard of an exit */
    dv_rc rc = emptied ? DV_PASS : call(node, batch);
    if (rc == DV_HOLD)
        hold(node, batch, tries);
    else if (dv_retry_is_view(node, batch))
        dv_retry_view_done(node, rc);
    else
        answered(node, batch, tries, rc);
    return true;
}

void dv_finish(struct dv_node *node, struct dv_batch *batch, dv_rc answer)
{
    DV_ASSERT(!node->in_process);
    DV_ASSERT(answer != DV_HOLD);
    if (node->graph->state == DV_GRAPH_DONE)
        return; /* the run gave up on it; its memory goes with the graph */
    for (uint32_t i = 0; i < dv_node_places(node); i++) {
        struct dv_held held = node->held[i];
        if (held.batch != batch || held.waits)
            continue;
        node->held[i] = (struct dv_held){ 0 };
        node->held_count--;
        node->stats.held = node->held_count;
        dv_histogram_add(&node->stats.hold, dv_now_ns(node->graph->loop) - held.since_ns);
        node->emitted = 0;
        if (dv_retry_is_view(node, batch))
            dv_retry_view_done(node, answer);
        else
            answered(node, batch, held.tries, answer);
        dv_graph_wake(node->graph);
        return;
    }
    DV_ASSERT(!"dv_finish() of a batch that the node holds");
}

static bool node_done(const struct dv_node *node)
{
    bool input_over = node->op->source ? node->ended : node->upstream_open == 0;
    bool flushed = node->op->source || !node->op->makes || node->flushed;
    return input_over && flushed && !node->wants && node->edge.count == 0 && node->edge.reserved == 0 &&
           node->held_count == 0 && node->retry_count == 0 && node->bisect.batch == NULL;
}

static void finish_node(struct dv_node *node)
{
    node->finished = true;
    for (uint32_t link = 0; link < node->link_count; link++)
        node->graph->nodes[node->graph->links[node->link_first + link].to]->upstream_open--;
}

static void close_nodes(struct dv_graph *graph)
{
    for (uint32_t i = graph->node_count; i-- > 0;)
        dv_node_close(graph->nodes[i]);
}

static void complete(struct dv_graph *graph, dv_rc rc)
{
    DV_CRASH_POINT("drain.over");
    dv_reload_abort(graph);
    graph->state = DV_GRAPH_DONE;
    dv_loop_arm(graph->loop, false);
    dv_timer_close(&graph->drain_timer);
    dv_timer_close(&graph->reap_timer);
    dv_timer_close(&graph->reload_timer);
    dv_watchdog_close(graph);
    close_nodes(graph);
    DV_CRASH_POINT("drain.closed");
    graph->done(graph, rc, graph->done_data);
}

static bool nothing_held(const struct dv_graph *graph)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < graph->node_count; i++)
        held += graph->nodes[i]->held_count;
    return held == 0;
}

static bool letters_idle(const struct dv_graph *graph)
{
    return graph->letters == NULL || graph->letters->idle(graph->letters);
}

/* Marks nodes that have seen their last batch, and ends the run when all have. True if anything changed. */
static bool wind_up(struct dv_graph *graph)
{
    bool changed = false;
    bool all = true;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        if (!node->finished && node_done(node)) {
            finish_node(node);
            changed = true;
        }
        all = all && node->finished;
    }
    if (graph->state == DV_GRAPH_FAILING && nothing_held(graph))
        complete(graph, graph->rc);
    else if (all && graph->receipts.live == 0 && letters_idle(graph))
        complete(graph, DV_OK);
    return changed;
}

static bool pass_over(struct dv_graph *graph)
{
    bool progress = false;
    for (uint32_t i = graph->node_count; i-- > 0;)
        progress = offer(graph->nodes[i]) || progress;
    return progress;
}

static void tick(void *data)
{
    struct dv_graph *graph = data;
    uint64_t start = dv_now_ns(graph->loop);
    bool progress = true;
    dv_watchdog_wake(graph);
    while (progress && dv_now_ns(graph->loop) - start < DV_TICK_BUDGET_NS) {
        graph->woken = false;
        progress = pass_over(graph);
    }
    if (progress)
        return;
    if (graph->reload != NULL)
        dv_reload_step(graph);
    bool changed = graph->reload == NULL && wind_up(graph);
    if (graph->state != DV_GRAPH_DONE && !changed && !graph->woken)
        dv_loop_arm(graph->loop, false);
}

static void stop_sources(struct dv_graph *graph)
{
    dv_reload_abort(graph);
    for (uint32_t i = 0; i < graph->node_count; i++)
        dv_node_stop(graph->nodes[i]);
}

/* Ends with batches in flight; their sources have not settled them and deliver them again at the next start. */
static void abandon(struct dv_graph *graph, const char *why)
{
    const char *holder = "nobody";
    for (uint32_t i = 0; i < graph->node_count; i++)
        holder = graph->nodes[i]->held_count > 0 ? graph->nodes[i]->name : holder;
    if (graph->rc == DV_OK)
        graph->rc = dv_error_set(&graph->error, DV_E_FAILED,
                                 "%s; %u batches in flight were given up, held last by '%s': the next start reads them again",
                                 why, graph->receipts.live, holder);
    complete(graph, graph->rc);
}

static void give_up(struct dv_timer *timer)
{
    abandon(timer->data, "the time to drain is over");
}

void dv_graph_fail(struct dv_graph *graph, struct dv_node *node, dv_rc rc)
{
    if (graph->state == DV_GRAPH_FAILING || graph->state == DV_GRAPH_DONE)
        return;
    graph->rc = rc;
    (void)dv_error_set(&graph->error, rc, "node '%s': %s", node->name,
                       node->error.text[0] != '\0' ? node->error.text : dv_rc_text(rc));
    graph->state = DV_GRAPH_FAILING;
    stop_sources(graph);
    dv_timer_start(&graph->drain_timer, (uint64_t)graph->settings.drain_ms);
    dv_graph_wake(graph);
}

void dv_graph_stop(struct dv_graph *graph)
{
    if (graph->state == DV_GRAPH_DRAINING || graph->state == DV_GRAPH_FAILING) {
        abandon(graph, "stopped at once");
        return;
    }
    if (graph->state != DV_GRAPH_RUNNING)
        return;
    graph->state = DV_GRAPH_DRAINING;
    DV_CRASH_POINT("drain.begun");
    dv_timer_start(&graph->drain_timer, (uint64_t)graph->settings.drain_ms);
    stop_sources(graph);
    dv_graph_wake(graph);
}

dv_rc dv_graph_start(struct dv_graph *graph, struct dv_loop *loop, dv_graph_done done, void *data,
                     struct dv_error *error)
{
    DV_ASSERT(graph->state == DV_GRAPH_BUILT);
    graph->loop = loop;
    graph->done = done;
    graph->done_data = data;
    dv_random_seed(&graph->random, dv_now_ns(loop));
    if (dv_pool_init(&graph->pool, (uint32_t)graph->bound.batches, (size_t)graph->settings.batch_bytes) != DV_OK ||
        dv_receipts_init(&graph->receipts, (uint32_t)graph->bound.receipts) != DV_OK)
        return dv_error_set(error, DV_E_MEMORY, "no memory for %llu batches", (unsigned long long)graph->bound.batches);
    dv_timer_init(loop, &graph->drain_timer, give_up, graph);
    dv_timer_init(loop, &graph->reap_timer, dv_reopen_reap, graph);
    dv_timer_init(loop, &graph->reload_timer, dv_reload_timer, graph);
    dv_watchdog_init(graph);
    loop->tick = tick;
    loop->tick_data = graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        dv_rc rc = dv_node_open(graph->nodes[i], error);
        if (!dv_is_error(rc))
            continue;
        dv_timer_close(&graph->drain_timer);
        dv_timer_close(&graph->reap_timer);
        dv_timer_close(&graph->reload_timer);
        dv_watchdog_close(graph);
        close_nodes(graph);
        graph->state = DV_GRAPH_DONE;
        return rc;
    }
    graph->state = DV_GRAPH_RUNNING;
    dv_graph_wake(graph);
    return DV_OK;
}
