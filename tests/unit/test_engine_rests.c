/* SPDX-License-Identifier: Apache-2.0
 * test_engine_rests.c - a sink that gathers batches knows when nothing more comes: not sooner, and not never.
 *
 * shows: MIS-2 BCP-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/node.h"

enum { BATCHES = 12, ROWS = 16, WINDOW_MS = 5 };

/* What the operators do and see; lent to the nodes as a service. */
struct world {
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph;
    uint32_t settled;
    uint32_t gathered; /* times that the sink finished what it had gathered */
    bool done;
    dv_rc rc;
};

static struct world *world_of(struct dv_node *node)
{
    return dv_node_service(node, DV_SERVICE_FEED);
}

/* ---- operators ---- */

struct source { uint32_t made; };

static dv_rc source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "s", 1);
    if (schema == NULL)
        return DV_E_MEMORY;
    (void)dv_schema_add(schema, "v", DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    shape->out[0] = schema;
    return DV_OK;
}

static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct source *source = dv_state(node);
    if (source->made == BATCHES) {
        dv_end(node);
        return DV_DROP;
    }
    for (uint32_t row = 0; row < ROWS; row++)
        batch->cells[0][row] = (struct dv_cell){ .integer = source->made * 100 + row + 1, .present = 1 };
    batch->rows = ROWS;
    dv_claim(node, batch, source->made, source->made);
    source->made++;
    return DV_PASS;
}

static void source_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    world_of(node)->settled += !receipt->failed;
}

static dv_rc same(struct dv_node *node, struct dv_shape *shape)
{
    for (uint32_t output = 0; output < node->output_count; output++)
        shape->out[output] = shape->in;
    return DV_OK;
}

static dv_rc edit_process(struct dv_node *node, struct dv_batch *batch)
{
    (void)node;
    struct dv_cell *cells = dv_batch_edit(batch, 0);
    if (cells == NULL)
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < batch->rows; row++)
        cells[row].integer += 0;
    return DV_PASS;
}

/* Says what it has absorbed in two batches, of which the second carries the receipts. */
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
    return window_emit(node, batch);
}

static dv_rc sink_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

/* Waits for the world outside before each batch. */
struct slow { struct source source; struct dv_timer timer; struct dv_batch *batch; };

static void slow_arrives(struct dv_timer *timer)
{
    struct slow *slow = dv_state(timer->data);
    dv_finish(timer->data, slow->batch, source_process(timer->data, slow->batch));
}

static dv_rc slow_open(struct dv_node *node)
{
    dv_timer_init(dv_node_loop(node), &((struct slow *)dv_state(node))->timer, slow_arrives, node);
    return DV_OK;
}

static dv_rc slow_process(struct dv_node *node, struct dv_batch *batch)
{
    struct slow *slow = dv_state(node);
    slow->batch = batch;
    dv_timer_start(&slow->timer, WINDOW_MS);
    return DV_HOLD;
}

static void slow_close(struct dv_node *node)
{
    dv_timer_close(&((struct slow *)dv_state(node))->timer);
}

/* Keeps what comes until nothing more does. */
struct gather { struct dv_timer timer; struct dv_batch *held[8]; uint32_t count; };

static void gather_looks(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct gather *gather = dv_state(node);
    if (!dv_input_rests(node)) {
        dv_timer_start(timer, 1);
        return;
    }
    world_of(node)->gathered++;
    while (gather->count > 0)
        dv_finish(node, gather->held[--gather->count], DV_PASS);
}

static dv_rc gather_open(struct dv_node *node)
{
    dv_timer_init(dv_node_loop(node), &((struct gather *)dv_state(node))->timer, gather_looks, node);
    return DV_OK;
}

static dv_rc gather_process(struct dv_node *node, struct dv_batch *batch)
{
    struct gather *gather = dv_state(node);
    gather->held[gather->count++] = batch;
    if (!gather->timer.active)
        dv_timer_start(&gather->timer, 1);
    return DV_HOLD;
}

static void gather_close(struct dv_node *node)
{
    dv_timer_close(&((struct gather *)dv_state(node))->timer);
}

static const struct dv_operator source = { .name = "source", .size = sizeof(struct source), .source = true,
    .makes = true, .transfer = source_transfer, .process = source_process, .settle = source_settle };
static const struct dv_operator slow = { .name = "slow", .size = sizeof(struct slow), .source = true, .makes = true,
    .transfer = source_transfer, .open = slow_open, .process = slow_process, .settle = source_settle, .close = slow_close };
static const struct dv_operator edit = { .name = "edit", .size = 1, .edits = true, .transfer = same,
    .process = edit_process };
static const struct dv_operator window = { .name = "window", .size = sizeof(struct window), .makes = true,
    .credits = 1, .transfer = same, .open = window_open, .process = window_process, .close = window_close };
static const struct dv_operator gather = { .name = "gather", .size = sizeof(struct gather), .sink = true, .held_max = 8,
    .exit = DV_EXIT_FILE, .transfer = sink_transfer, .open = gather_open, .process = gather_process, .close = gather_close };
static const struct dv_operator *const operators[] = { &source, &slow, &edit, &window, &gather, NULL };

/* ---- a run ---- */

static void ended(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct world *world = data;
    (void)graph;
    assert_false(world->done);
    world->done = true;
    world->rc = rc;
}

static bool load(struct world *world, const char *nodes)
{
    dv_arena_init(&world->arena, 16 << 20);
    dv_diags_init(&world->diags, &world->arena);
    dv_loop_sim_init(&world->loop);
    char text[1024];
    int length = snprintf(text, sizeof text, "name: t\nbatch_bytes: 256KiB\ngraph:\n%s", nodes);
    char *kept = dv_arena_copy(&world->arena, text, (size_t)length);
    world->graph = kept != NULL ? dv_graph_parse("t.yaml", kept, (size_t)length, operators, &world->diags) : NULL;
    return world->graph != NULL;
}

static void go(struct world *world)
{
    struct dv_error error = { 0 };
    dv_graph_provide(world->graph, DV_SERVICE_FEED, world);
    world->rc = dv_graph_start(world->graph, &world->loop.base, ended, world, &error);
    world->done = world->rc != DV_OK;
    for (uint32_t step = 0; !world->done && step < 100000; step++)
        if (!dv_loop_sim_step(&world->loop))
            break;
}

static void unload(struct world *world)
{
    if (world->graph != NULL && !world->done)
        world->graph->state = DV_GRAPH_DONE;
    dv_graph_free(world->graph);
    dv_arena_free(&world->arena);
}

/* Loads and runs to an end that must come. */
static void run(struct world *world, const char *nodes)
{
    assert_true(load(world, nodes));
    go(world);
    bool done = world->done;
    bool whole = world->rc != DV_OK || world->graph->pool.free_count == world->graph->pool.capacity;
    uint32_t live_max = world->graph->pool.live_max;
    uint64_t bound = world->graph->bound.batches;
    unload(world);
    assert_true(done);
    assert_true(whole);
    assert_true(live_max <= bound);
}

/* As much as a source may have out, and no sooner. */
static void test_who_gathers_waits_for_all_that_can_come(void **state)
{
    (void)state;
    struct world world = { 0 };
    run(&world, "  a: { op: slow }\n  b: { op: edit, after: a }\n  c: { op: gather, after: b }\n");
    assert_int_equal(world.rc, DV_OK);
    assert_int_equal(world.settled, BATCHES);
    assert_int_equal(world.gathered, BATCHES / 4);
}

/* A window that waits for its batch to be finished has another one to send. */
static void test_who_gathers_does_not_wait_for_whom_it_holds_up(void **state)
{
    (void)state;
    struct world world = { 0 };
    run(&world, "  a: { op: source }\n  b: { op: window, after: a }\n  c: { op: gather, after: b }\n");
    assert_int_equal(world.rc, DV_OK);
    assert_int_equal(world.settled, BATCHES);
    assert_true(world.gathered >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_gathers_waits_for_all_that_can_come),
        cmocka_unit_test(test_who_gathers_does_not_wait_for_whom_it_holds_up),
    };
    return cmocka_run_group_tests_name("engine_rests", tests, NULL, NULL);
}
