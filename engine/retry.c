/* SPDX-License-Identifier: Apache-2.0
 * retry.c - what becomes of a batch that failed: tried again with jittered back-off, then halved until the bad record
 * stands alone and goes to the dead letters.
 *
 * Errors that heal by themselves (no space, a dependency down) are tried for ever: the node's edge fills, the sources
 * stop, and nothing is lost. With other errors the sink takes further batches meanwhile, so that poison delays its own
 * batch alone. The back-off doubles from 50 ms to 5 s, half of it random. */
#include "engine/crash.h"
#include "engine/node.h"

enum { NS_PER_MS = 1000000 };

static bool heals(dv_rc rc)
{
    return rc == DV_E_FULL || rc == DV_E_DEPENDENCY;
}

static bool ends_run(dv_rc rc)
{
    enum dv_policy policy = dv_rc_policy(rc);
    return policy == DV_POLICY_STOP || policy == DV_POLICY_REFUSE;
}

static bool is_worth_a_try(dv_rc rc, uint32_t tries)
{
    return dv_rc_policy(rc) == DV_POLICY_RETRY && (heals(rc) || tries + 1 < DV_TRIES_MAX);
}

uint64_t dv_retry_backoff_ms(struct dv_node *node, uint32_t tries)
{
    const struct dv_backoff backoff = { DV_BACKOFF_FIRST_MS, DV_BACKOFF_MAX_MS };
    return dv_backoff_ms(backoff, tries, &node->graph->random);
}

static bool is_waiting(const struct dv_held *held)
{
    return held->waits && !held->ready;
}

/* Sets the timer for what is due first. */
static void arm(struct dv_node *node, uint64_t now_ns)
{
    uint64_t first_ns = node->bisect.due_ns > now_ns ? node->bisect.due_ns : UINT64_MAX;
    for (uint32_t i = 0; i < dv_node_places(node); i++)
        if (is_waiting(&node->held[i]) && node->held[i].due_ns < first_ns)
            first_ns = node->held[i].due_ns;
    if (first_ns == UINT64_MAX)
        return;
    dv_timer_stop(&node->retry_timer);
    dv_timer_start(&node->retry_timer, first_ns > now_ns ? (first_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0);
}

void dv_retry_timer(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    uint64_t now_ns = dv_now_ns(node->graph->loop);
    for (uint32_t i = 0; i < dv_node_places(node); i++)
        if (is_waiting(&node->held[i]))
            node->held[i].ready = node->held[i].due_ns <= now_ns;
    arm(node, now_ns);
    dv_graph_wake(node->graph);
}

static void wait_for_another_try(struct dv_node *node, struct dv_batch *batch, uint32_t tries, bool blocks)
{
    uint64_t now_ns = dv_now_ns(node->graph->loop);
    node->stats.retries++;
    DV_CRASH_POINT("retry.waits");
    for (uint32_t i = 0; i < dv_node_places(node); i++) {
        if (node->held[i].batch != NULL)
            continue;
        node->held[i] = (struct dv_held){ .batch = batch, .tries = tries, .waits = true, .blocks = blocks };
        node->held[i].due_ns = now_ns + dv_retry_backoff_ms(node, tries) * NS_PER_MS;
        node->retry_count++;
        arm(node, now_ns);
        return;
    }
    DV_ASSERT(!"a free place for a waiting batch");
}

bool dv_retry_pending(const struct dv_node *node)
{
    for (uint32_t i = 0; i < dv_node_places(node); i++)
        if (node->held[i].ready)
            return true;
    return false;
}

/* A sink's batch whose own error is waited out lets others pass, as long as there is a place for each. */
bool dv_retry_blocks(const struct dv_node *node)
{
    bool blocks = !node->op->sink || node->held_count + node->retry_count >= dv_node_held_max(node);
    for (uint32_t i = 0; i < dv_node_places(node) && !blocks; i++)
        blocks = node->held[i].blocks;
    return node->retry_count > 0 && blocks;
}

struct dv_batch *dv_retry_next(struct dv_node *node, uint32_t *ret_tries)
{
    for (uint32_t i = 0; i < dv_node_places(node); i++) {
        struct dv_held held = node->held[i];
        if (!held.ready)
            continue;
        node->held[i] = (struct dv_held){ 0 };
        node->retry_count--;
        *ret_tries = held.tries;
        return held.batch;
    }
    return NULL;
}

static void push_range(struct dv_bisect *bisect, uint32_t from, uint32_t to)
{
    DV_ASSERT(bisect->count < sizeof bisect->todo / sizeof bisect->todo[0]);
    bisect->todo[bisect->count].from = (uint16_t)from;
    bisect->todo[bisect->count].to = (uint16_t)to;
    bisect->count++;
}

static void push_halves(struct dv_bisect *bisect, uint32_t from, uint32_t to)
{
    uint32_t middle = from + (to - from) / 2;
    push_range(bisect, middle, to);
    push_range(bisect, from, middle);
}

/* Begins the halving, or lets the batch wait until another one's is over. */
static void isolate(struct dv_node *node, struct dv_batch *batch, uint32_t tries)
{
    if (node->bisect.batch != NULL) {
        wait_for_another_try(node, batch, tries, true);
        return;
    }
    node->bisect = (struct dv_bisect){ .batch = batch, .tries = tries };
    push_halves(&node->bisect, 0, batch->rows);
    DV_CRASH_POINT("retry.halved");
    dv_graph_wake(node->graph);
}

void dv_retry_failed(struct dv_node *node, struct dv_batch *batch, uint32_t tries, dv_rc rc)
{
    if (ends_run(rc)) {
        if (batch->receipt != NULL)
            batch->receipt->failed = true;
        dv_graph_fail(node->graph, node, rc);
        dv_batch_unref(batch);
        return;
    }
    if (is_worth_a_try(rc, tries)) {
        wait_for_another_try(node, batch, tries + 1, heals(rc));
        return;
    }
    if (node->op->sink && batch->rows > 1) {
        isolate(node, batch, tries);
        return;
    }
    node->answers++;
    dv_reject_all(node, batch, rc);
    dv_batch_unref(batch);
}

bool dv_retry_is_view(const struct dv_node *node, const struct dv_batch *batch)
{
    return node->bisect.view != NULL && node->bisect.view == batch;
}

static void view_failed(struct dv_node *node, dv_rc rc)
{
    struct dv_bisect *bisect = &node->bisect;
    if (is_worth_a_try(rc, bisect->tries)) {
        node->stats.retries++;
        bisect->tries += !heals(rc);
        push_range(bisect, bisect->from, bisect->to);
        uint64_t now_ns = dv_now_ns(node->graph->loop);
        bisect->due_ns = now_ns + dv_retry_backoff_ms(node, bisect->tries) * NS_PER_MS;
        arm(node, now_ns);
    } else if (bisect->to - bisect->from > 1) {
        push_halves(bisect, bisect->from, bisect->to);
    } else {
        node->answers++;
        dv_reject_row(node, bisect->batch, bisect->from, rc, dv_rc_text(rc));
    }
}

void dv_retry_view_done(struct dv_node *node, dv_rc rc)
{
    struct dv_bisect *bisect = &node->bisect;
    struct dv_batch *view = bisect->view;
    DV_CRASH_POINT("retry.half-answered");
    bisect->view = NULL;
    node->answers += !dv_is_error(rc);
    dv_slots_release(node, 0);
    dv_batch_unref(view);
    if (ends_run(rc)) {
        if (bisect->batch->receipt != NULL)
            bisect->batch->receipt->failed = true;
        dv_graph_fail(node->graph, node, rc);
        bisect->count = 0;
    } else if (dv_is_error(rc)) {
        view_failed(node, rc);
    }
    if (bisect->count == 0) {
        struct dv_batch *batch = bisect->batch;
        *bisect = (struct dv_bisect){ 0 };
        dv_batch_unref(batch);
    }
    dv_graph_wake(node->graph);
}
