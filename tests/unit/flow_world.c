/* SPDX-License-Identifier: Apache-2.0
 * flow_world.c - the operators of the tests of how batches flow, and their runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/flow_world.h"

struct flow *flow_of(struct dv_node *node)
{
    return dv_node_service(node, DV_SERVICE_FEED);
}

/* ---- operators ---- */

dv_rc flow_source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "s", 1);
    if (schema == NULL)
        return DV_E_MEMORY;
    (void)dv_schema_add(schema, "v", DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    shape->out[0] = schema;
    return DV_OK;
}

dv_rc flow_source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct flow_source *source = dv_state(node);
    if (source->made == BATCHES) {
        dv_end(node);
        return DV_DROP;
    }
    for (uint32_t row = 0; row < ROWS; row++)
        batch->cells[0][row] = (struct dv_cell){ .integer = source->made * 100 + row + 1, .present = 1 };
    batch->rows = ROWS;
    dv_claim(node, batch, source->made, source->made);
    source->made++;
    flow_of(node)->made++;
    return DV_PASS;
}

void flow_source_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    flow_of(node)->settled += !receipt->failed;
}

dv_rc flow_same(struct dv_node *node, struct dv_shape *shape)
{
    for (uint32_t output = 0; output < node->output_count; output++)
        shape->out[output] = shape->in;
    return DV_OK;
}

dv_rc flow_edit_process(struct dv_node *node, struct dv_batch *batch)
{
    (void)node;
    struct dv_cell *cells = dv_batch_edit(batch, 0);
    if (cells == NULL)
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < batch->rows; row++)
        cells[row].integer += 0;
    return DV_PASS;
}

dv_rc flow_sink_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

struct window { struct dv_timer timer; struct dv_keep keep; uint32_t absorbed; bool half; };

static void window_ends(struct dv_timer *timer)
{
    dv_want(timer->data);
}

static dv_rc window_open(struct dv_node *node)
{
    struct window *window = dv_state(node);
    dv_timer_init(dv_node_loop(node), &window->timer, window_ends, node);
    return DV_OK;
}

static void window_close(struct dv_node *node)
{
    dv_timer_close(&((struct window *)dv_state(node))->timer);
}

static dv_rc window_emit(struct dv_node *node, struct dv_batch *batch)
{
    struct window *window = dv_state(node);
    batch->cells[0][0] = (struct dv_cell){ .integer = 1, .present = 1 };
    batch->rows = 1;
    window->half = !window->half;
    if (window->half) {
        dv_want(node);
        return DV_PASS;
    }
    window->absorbed = 0;
    dv_timer_stop(&window->timer);
    dv_give_receipts(node, &window->keep, batch);
    return DV_PASS;
}

static dv_rc window_process(struct dv_node *node, struct dv_batch *batch)
{
    struct window *window = dv_state(node);
    if (batch == NULL) {
        if (window->absorbed > 0)
            dv_want(node);
        return DV_OK;
    }
    if (batch->rows > 0) {
        DV_TRY(dv_keep_receipt(node, &window->keep, batch));
        if (window->absorbed++ == 0)
            dv_timer_start(&window->timer, WINDOW_MS);
        return DV_DROP;
    }
    if (flow_of(node)->window_fails > 0) {
        flow_of(node)->window_fails--;
        return dv_fail(node, DV_E_DEPENDENCY, "scripted");
    }
    return window_emit(node, batch);
}

const struct dv_operator flow_source = { .name = "source", .size = sizeof(struct flow_source), .source = true,
    .makes = true, .transfer = flow_source_transfer, .process = flow_source_process, .settle = flow_source_settle };
const struct dv_operator flow_edit = { .name = "edit", .size = 1, .edits = true, .transfer = flow_same,
    .process = flow_edit_process };
const struct dv_operator flow_window = { .name = "window", .size = sizeof(struct window), .makes = true,
    .credits = 1, .transfer = flow_same, .open = window_open, .process = window_process, .close = window_close };

/* ---- a run ---- */

static void ended(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct flow *flow = data;
    (void)graph;
    assert_false(flow->done);
    flow->done = true;
    flow->rc = rc;
}

bool flow_load(struct flow *flow, const struct dv_operator *const *operators, const char *nodes)
{
    dv_arena_init(&flow->arena, 16 << 20);
    dv_diags_init(&flow->diags, &flow->arena);
    dv_loop_sim_init(&flow->loop);
    char text[1024];
    int length = snprintf(text, sizeof text, "name: t\nbatch_bytes: 256KiB\ngraph:\n%s", nodes);
    char *kept = dv_arena_copy(&flow->arena, text, (size_t)length);
    flow->graph = kept != NULL ? dv_graph_parse("t.yaml", kept, (size_t)length, operators, &flow->diags) : NULL;
    return flow->graph != NULL;
}

void flow_go(struct flow *flow)
{
    struct dv_error error = { 0 };
    dv_graph_provide(flow->graph, DV_SERVICE_FEED, flow);
    flow->rc = dv_graph_start(flow->graph, &flow->loop.base, ended, flow, &error);
    flow->done = flow->rc != DV_OK;
    for (uint32_t step = 0; !flow->done && step < 100000; step++)
        if (!dv_loop_sim_step(&flow->loop))
            break;
}

void flow_unload(struct flow *flow)
{
    if (flow->graph != NULL && !flow->done)
        flow->graph->state = DV_GRAPH_DONE;
    dv_graph_free(flow->graph);
    dv_arena_free(&flow->arena);
}

void flow_end(struct flow *flow)
{
    flow_go(flow);
    bool done = flow->done;
    bool whole = flow->rc != DV_OK || flow->graph->pool.free_count == flow->graph->pool.capacity;
    uint32_t live_max = flow->graph->pool.live_max;
    uint64_t bound = flow->graph->bound.batches;
    flow_unload(flow);
    assert_true(done);
    assert_true(whole);
    assert_true(live_max <= bound);
}
