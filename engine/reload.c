/* SPDX-License-Identifier: Apache-2.0
 * reload.c - a running graph takes over what its file says now: pause, drain, swap, or go back.
 *
 *   PAUSING   sources get no empty batches, until nothing is in flight but the empty ones they hold; may be given up
 *   STOPPING  sources that go end, then windows that go say what they have absorbed, one after the other; may be given up
 *   (swap)    in one turn of the loop: close what goes, open what is new; if that fails, open again what was closed
 *   REOPENING something that was closed does not open again: it is tried every second, and the sources wait; if its
 *             privacy budget is spent the run ends
 *   RETURNING STOPPING was given up: the graph goes on, and a source that was stopped opens again when what it has read is
 *             settled; not sooner, or that would be read twice */
#include "engine/reload.h"

#include "engine/log.h"
#include "engine/memory.h"
#include "engine/node.h"
#include "engine/reload_plan.h"
#include "engine/reopen.h"
#include "engine/yaml.h"

_Static_assert((int)DV_RELOAD_NAMES_MAX >= (int)DV_NODES_MAX, "every node can be named");

enum { GENERATION_BYTES = 256 * 1024 * 1024, REOPEN_MS = 1000 };

enum phase { PAUSING, STOPPING, REOPENING, RETURNING };

/* A reload under way. */
struct dv_reload {
    enum phase phase;
    bool swapping; /* callbacks of what is closed and opened must not end it */
    struct dv_graph *graph;
    struct dv_graph *to; /* the new file, built; its new nodes are taken from it */
    struct dv_generation *generation;
    struct dv_plan plan;
    struct dv_timer timer;
    struct dv_reload_report report;
    uint64_t started_ns;
    dv_reload_done done; /* NULL once it was told */
    void *data;
};

const char *dv_reload_result_name(enum dv_reload_result result)
{
    static const char *const names[DV_RELOAD_RESULTS] = { "done", "invalid", "busy", "rolled-back", "stopped" };
    DV_ASSERT(result < DV_RELOAD_RESULTS);
    return names[result];
}

bool dv_graph_can_reload(const struct dv_graph *graph)
{
    return graph->state == DV_GRAPH_RUNNING && graph->reload == NULL;
}

const uint64_t *dv_graph_reloads(const struct dv_graph *graph)
{
    return graph->reloads;
}

/* ---- the end ---- */

static void tell(struct dv_reload *reload, enum dv_reload_result result)
{
    dv_reload_done done = reload->done;
    reload->done = NULL;
    reload->report.result = result;
    reload->report.took_ns = dv_now_ns(reload->graph->loop) - reload->started_ns;
    if (done == NULL)
        return;
    reload->graph->reloads[result]++;
    done(reload->graph, &reload->report, reload->data);
}

/* What of the new file is not in use goes; the timer is closed and its memory reaped with a node's. */
static void discard(struct dv_reload *reload)
{
    struct dv_graph *to = reload->to;
    reload->to = NULL;
    for (uint32_t i = 0; to != NULL && i < to->node_count; i++)
        dv_node_free(to->nodes[i]);
    dv_generation_unref(reload->generation);
    reload->generation = NULL;
}

static void finish(struct dv_reload *reload)
{
    struct dv_graph *graph = reload->graph;
    discard(reload);
    graph->reload = NULL;
    graph->pauses = false;
    dv_timer_stop(&graph->reload_timer);
    dv_memory_free(reload);
    dv_graph_wake(graph);
}

static void end(struct dv_reload *reload, enum dv_reload_result result)
{
    tell(reload, result);
    finish(reload);
}

/* ---- going back ---- */

/* Opens what is closed, and tells how the reload ended; it is over when all is open. */
static void reopen(struct dv_reload *reload, bool all, enum dv_reload_result result)
{
    struct dv_graph *graph = reload->graph;
    struct dv_node *spent = NULL;
    all = dv_reopen(graph, &spent) && all;
    tell(reload, result);
    if (spent != NULL)
        dv_graph_fail(graph, spent, DV_E_BUDGET);
    else if (all)
        finish(reload);
    else
        dv_timer_start(&graph->reload_timer, REOPEN_MS);
}

static void try_reopening(struct dv_reload *reload)
{
    reopen(reload, true, DV_RELOAD_ROLLED_BACK);
}

/* Whether a source that was stopped is done with all it has read. */
static bool has_left(const struct dv_node *node)
{
    return node->ended && node->held_count == 0 && node->receipts_live == 0;
}

static void try_returning(struct dv_reload *reload)
{
    const struct dv_graph *graph = reload->graph;
    bool all = true;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        if (!node->stopping || node->finished || !node->opened)
            continue;
        if (has_left(node))
            dv_node_close(node);
        all = all && !node->opened;
    }
    reopen(reload, all, DV_RELOAD_BUSY);
}

/* Windows that have said what they had get more. */
static void open_windows(struct dv_graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        node->flushing = false;
        node->flushed = node->flushed && node->upstream_open == 0;
    }
}

static void go_back(struct dv_reload *reload)
{
    struct dv_graph *graph = reload->graph;
    reload->phase = RETURNING;
    graph->pauses = false;
    open_windows(graph);
    dv_graph_wake(graph);
    try_returning(reload);
}

static void roll_back(struct dv_reload *reload)
{
    struct dv_graph *graph = reload->graph;
    for (uint32_t i = reload->to->node_count; i-- > 0;) {
        struct dv_node *node = reload->to->nodes[i];
        bool was_open = node->opened;
        dv_node_close(node);
        if (!was_open)
            continue;
        dv_reopen_bury(node);
        reload->to->nodes[i] = reload->to->nodes[--reload->to->node_count];
    }
    open_windows(graph);
    reload->phase = REOPENING;
    try_reopening(reload);
}

/* ---- the swap ---- */

/* A changed node goes on counting where it was. */
static void inherit(struct dv_node *node, const struct dv_node *old)
{
    if (old == NULL || old->op != node->op)
        return;
    node->stats = old->stats;
    node->stats.held = node->stats.queued = 0;
}

static void take_place(struct dv_node *node, const struct dv_node *planned)
{
    node->index = planned->index;
    node->link_first = planned->link_first;
    node->link_count = planned->link_count;
}

static void merge_nodes(struct dv_reload *reload)
{
    struct dv_graph *graph = reload->graph;
    struct dv_graph *to = reload->to;
    struct dv_node *merged[DV_NODES_MAX];
    for (uint32_t i = 0; i < to->node_count; i++) {
        struct dv_node *kept = reload->plan.kept[i];
        merged[i] = kept != NULL ? kept : to->nodes[i];
        if (kept == NULL)
            inherit(to->nodes[i], dv_plan_find(graph, to->nodes[i]->name));
    }
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (reload->plan.goes[i])
            dv_reopen_bury(graph->nodes[i]);
    for (uint32_t i = 0; i < to->node_count; i++) {
        if (reload->plan.kept[i] == NULL)
            continue;
        take_place(merged[i], to->nodes[i]);
        dv_node_free(to->nodes[i]);
    }
    graph->node_count = to->node_count;
    memcpy(graph->nodes, merged, to->node_count * sizeof(struct dv_node *));
    to->node_count = 0;
}

/* Who still sends to whom, and the slots of the empty batches that sources hold. */
static void relink(struct dv_graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        node->finished = node->finished && node->op->source;
        node->upstream_open = 0;
        node->edge.reserved = 0;
    }
    for (uint32_t i = 0; i < graph->link_count; i++)
        if (!graph->nodes[graph->links[i].from]->finished)
            graph->nodes[graph->links[i].to]->upstream_open++;
    for (uint32_t i = 0; i < graph->node_count; i++)
        for (uint32_t held = graph->nodes[i]->held_count; held > 0; held--) {
            bool found = dv_slots_reserve(graph->nodes[i]);
            DV_ASSERT(found); /* dv_plan_fits() */
        }
}

static void adopt(struct dv_reload *reload)
{
    struct dv_graph *graph = reload->graph;
    dv_settings_change(graph, reload->to);
    memcpy(graph->config_hash, reload->to->config_hash, sizeof graph->config_hash);
    graph->link_count = reload->to->link_count;
    memcpy(graph->links, reload->to->links, graph->link_count * sizeof *graph->links);
    merge_nodes(reload);
    relink(graph);
    bool counted = dv_graph_count_bound(graph);
    DV_ASSERT(counted); /* it was when the file was checked */
    dv_pool_shrink(&graph->pool, (uint32_t)graph->bound.batches);
    dv_pool_limit(&graph->pool, (size_t)graph->settings.batch_bytes);
}

static dv_rc open_new(struct dv_reload *reload)
{
    struct dv_graph *graph = reload->graph;
    struct dv_graph *to = reload->to;
    if (dv_pool_grow(&graph->pool, (uint32_t)to->bound.batches, (size_t)to->settings.batch_bytes) != DV_OK)
        return dv_error_set(&reload->report.error, DV_E_MEMORY, "no memory for %llu batches",
                            (unsigned long long)to->bound.batches);
    for (uint32_t i = 0; i < to->node_count; i++) {
        if (reload->plan.kept[i] != NULL)
            continue;
        to->nodes[i]->graph = graph;
        DV_TRY(dv_node_open(to->nodes[i], &reload->report.error));
    }
    return DV_OK;
}

static void name(struct dv_reload_names *names, const struct dv_node *node)
{
    names->names[names->count++] = node->name;
}

static void describe(struct dv_reload *reload)
{
    struct dv_reload_report *report = &reload->report;
    report->changed.count = report->added.count = report->removed.count = report->unchanged = 0;
    for (uint32_t i = 0; i < reload->to->node_count; i++) {
        const struct dv_node *node = reload->to->nodes[i];
        if (reload->plan.kept[i] != NULL)
            report->unchanged++;
        else
            name(dv_plan_find(reload->graph, node->name) != NULL ? &report->changed : &report->added, node);
    }
    for (uint32_t i = 0; i < reload->graph->node_count; i++)
        if (dv_plan_find(reload->to, reload->graph->nodes[i]->name) == NULL)
            name(&report->removed, reload->graph->nodes[i]);
}

/* A callback of what was closed or opened may have ended the run meanwhile: then what is new must stop, too. */
static void follow_the_end(struct dv_graph *graph)
{
    for (uint32_t i = 0; graph->state != DV_GRAPH_RUNNING && i < graph->node_count; i++)
        dv_node_stop(graph->nodes[i]);
}

static void swap(struct dv_reload *reload)
{
    struct dv_graph *graph = reload->graph;
    describe(reload);
    reload->swapping = true;
    for (uint32_t i = graph->node_count; i-- > 0;)
        if (reload->plan.goes[i])
            dv_node_close(graph->nodes[i]);
    if (dv_is_error(open_new(reload))) {
        reload->swapping = false;
        roll_back(reload);
    } else {
        adopt(reload);
        reload->swapping = false;
        end(reload, DV_RELOAD_DONE);
    }
    follow_the_end(graph);
}

/* ---- pausing and stopping ---- */

/* Nothing is in flight but what sources hold and windows have absorbed. */
static bool is_quiet(const struct dv_graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct dv_node *node = graph->nodes[i];
        bool holds = !node->op->source && (node->held_count > 0 || node->wants);
        if (node->edge.count > 0 || node->retry_count > 0 || node->bisect.batch != NULL || holds)
            return false;
    }
    return true;
}

/* Ends what goes, one step at a time; true when there is nothing left to end. */
static bool have_stopped(struct dv_reload *reload)
{
    struct dv_graph *graph = reload->graph;
    bool ended = true;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        if (!reload->plan.goes[i] || !node->op->source)
            continue;
        dv_node_stop(node);
        ended = ended && node->ended && node->held_count == 0;
    }
    for (uint32_t i = 0; ended && i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        if (!reload->plan.goes[i] || !node->op->makes || node->op->source || node->flushed)
            continue;
        if (!node->flushing)
            dv_graph_wake(graph);
        node->flushing = true;
        return false;
    }
    for (uint32_t i = 0; ended && i < graph->node_count; i++)
        ended = !reload->plan.goes[i] || graph->nodes[i]->receipts_live == 0;
    return ended;
}

void dv_reload_step(struct dv_graph *graph)
{
    struct dv_reload *reload = graph->reload;
    if (graph->state != DV_GRAPH_RUNNING || reload->phase > STOPPING || !is_quiet(graph))
        return;
    if (reload->phase == PAUSING)
        dv_timer_start(&graph->reload_timer, (uint64_t)graph->settings.drain_ms);
    reload->phase = STOPPING;
    while (have_stopped(reload) && is_quiet(graph)) {
        if (!dv_plan_fits(&reload->plan, graph, reload->to))
            continue; /* one more source has to stop */
        swap(reload);
        return;
    }
}

/* The last node that is in the way. */
static const char *holder_of(const struct dv_reload *reload)
{
    const struct dv_graph *graph = reload->graph;
    const char *holder = "nobody";
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct dv_node *node = graph->nodes[i];
        bool stays = reload->phase == STOPPING && node->stopping && !node->finished && !has_left(node);
        bool holds = !node->op->source && node->held_count + node->retry_count + (node->bisect.batch != NULL) > 0;
        if (stays || holds)
            holder = node->name;
    }
    return holder;
}

static void give_up(struct dv_reload *reload)
{
    const char *what = reload->phase == STOPPING ? "the sources and windows that differ did not end"
                                                 : "what is in flight did not drain";
    (void)dv_error_set(&reload->report.error, DV_E_DEPENDENCY,
                       "%s within `drain`, held last by '%s'; the graph goes on as it was", what, holder_of(reload));
    if (reload->phase == STOPPING)
        go_back(reload);
    else
        end(reload, DV_RELOAD_BUSY);
}

void dv_reload_timer(struct dv_timer *timer)
{
    const struct dv_graph *graph = timer->data;
    struct dv_reload *reload = graph->reload;
    if (reload == NULL)
        return;
    switch (reload->phase) {
    case REOPENING: try_reopening(reload); break;
    case RETURNING: try_returning(reload); break;
    default: give_up(reload);
    }
}

void dv_reload_abort(struct dv_graph *graph)
{
    struct dv_reload *reload = graph->reload;
    if (reload == NULL || reload->swapping)
        return;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct dv_node *node = graph->nodes[i];
        node->flushing = false;
        node->flushed = !node->opened; /* what was flushed may get more before the end; what is closed has nothing */
        node->ended = node->ended || (!node->opened && node->op->source);
    }
    (void)dv_error_set(&reload->report.error, DV_E_FAILED, "the run ends");
    end(reload, DV_RELOAD_STOPPED);
}

/* ---- the beginning ---- */

static struct dv_generation *new_generation(void)
{
    struct dv_generation *generation = dv_memory_zeroed(1, sizeof *generation);
    if (generation == NULL)
        return NULL;
    generation->references = 1;
    dv_arena_init(&generation->arena, GENERATION_BYTES);
    dv_diags_init(&generation->diags, &generation->arena);
    return generation;
}

/* Builds what the file says; false if it cannot take over: all that is wrong is in the generation's diags. */
static bool load(struct dv_reload *reload, const struct dv_reload_request *request)
{
    struct dv_diags *diags = &reload->generation->diags;
    const struct dv_operator *const *operators = reload->graph->operators;
    reload->to = request->text == NULL
                     ? dv_graph_load(request->path, operators, diags)
                     : dv_graph_parse(request->path, request->text, request->length, operators, diags);
    if (reload->to == NULL)
        return false;
    for (uint32_t i = 0; i < reload->to->node_count; i++) {
        reload->to->nodes[i]->generation = reload->generation;
        reload->generation->references++;
    }
    bool can_change = dv_settings_can_change(reload->graph, reload->to);
    bool proved = dv_graph_check(reload->to, diags) == DV_OK;
    return proved && can_change && (request->approve == NULL || request->approve(reload->to, diags) == DV_OK);
}

static void refuse(struct dv_reload *reload)
{
    const struct dv_diags *diags = &reload->generation->diags;
    reload->report.diags = diags;
    if (diags->first != NULL)
        (void)dv_error_set(&reload->report.error, dv_diags_leaks(diags) ? DV_E_LEAK : DV_E_CONFIG, "%s:%u: %s",
                           diags->first->place.file, diags->first->place.line, diags->first->message);
    else
        (void)dv_error_set(&reload->report.error, DV_E_MEMORY, "no memory to load the graph file");
    end(reload, DV_RELOAD_INVALID);
}

dv_rc dv_graph_reload(struct dv_graph *graph, const struct dv_reload_request *request)
{
    if (!dv_graph_can_reload(graph))
        return DV_E_USAGE;
    struct dv_reload *reload = dv_memory_zeroed(1, sizeof *reload);
    struct dv_generation *generation = reload != NULL ? new_generation() : NULL;
    if (generation == NULL) {
        dv_memory_free(reload);
        return DV_E_MEMORY;
    }
    *reload = (struct dv_reload){ .graph = graph, .generation = generation, .done = request->done,
                                  .data = request->data, .started_ns = dv_now_ns(graph->loop) };
    graph->reload = reload;
    graph->pauses = true;
    if (!load(reload, request)) {
        refuse(reload);
        return DV_OK;
    }
    dv_plan_make(&reload->plan, graph, reload->to, request->renewed);
    dv_timer_start(&graph->reload_timer, (uint64_t)graph->settings.drain_ms);
    dv_graph_wake(graph);
    return DV_OK;
}
