/* SPDX-License-Identifier: Apache-2.0
 * test_engine_flow.c - what could hang, double or starve a run: gates that open, windows that fail, outputs that join
 * again, chains of windows, and memory that ends anywhere.
 *
 * shows: MIS-2 MIS-5 BCP-2 BCP-8 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/memory.h"
#include "engine/node.h"

enum { BATCHES = 12, ROWS = 16, WINDOW_MS = 5 };

/* What the operators do and see; lent to the nodes as a service. */
struct world {
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph;
    uint32_t made, settled;
    uint64_t taken;          /* rows at sinks */
    const char *rejecter;    /* the sink that rejects every batch's first row */
    int64_t poison;          /* batches with this value fail as a whole; 0: none */
    int64_t trips_on;        /* the batch that is only this value fails once, with trip_with; 0: none */
    dv_rc trip_with;
    uint32_t window_fails;   /* so often a window cannot fill its batch */
    uint32_t letters;
    bool letters_fail;
    struct dv_dead_letters base;
    struct dv_receipt *waiting[64];
    uint32_t waiting_count;
    struct dv_timer timer;
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
    world_of(node)->made++;
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

/* One row to each output, and the first to all that are left over. */
static dv_rc fan_process(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_batch *parts[DV_OUTPUTS_MAX];
    if (node->op->edits)
        DV_TRY(edit_process(node, batch));
    for (uint16_t output = 0; output < node->output_count; output++) {
        parts[output] = dv_select(node, batch, &output, 1);
        if (parts[output] != NULL)
            continue;
        while (output-- > 0)
            dv_batch_unref(parts[output]);
        return DV_E_MEMORY;
    }
    for (uint16_t output = 0; output < node->output_count; output++)
        dv_emit(node, output, parts[output]);
    return DV_DROP;
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
    if (world_of(node)->window_fails > 0) {
        world_of(node)->window_fails--;
        return dv_fail(node, DV_E_DEPENDENCY, "scripted");
    }
    return window_emit(node, batch);
}

static bool has(const struct dv_batch *batch, int64_t value)
{
    for (uint32_t row = 0; value != 0 && row < batch->rows; row++)
        if (!dv_batch_rejected(batch, row) && batch->cells[0][row].integer == value)
            return true;
    return false;
}

static dv_rc sink_process(struct dv_node *node, struct dv_batch *batch)
{
    struct world *world = world_of(node);
    if (world->rejecter != NULL && strcmp(node->name, world->rejecter) == 0) {
        dv_reject(node, batch, 0, DV_E_DATA, "scripted");
        world->taken--;
    }
    if (batch->rows == 1 && has(batch, world->trips_on)) {
        world->trips_on = 0;
        return dv_fail(node, world->trip_with, "scripted");
    }
    if (has(batch, world->poison))
        return dv_fail(node, DV_E_DATA, "scripted");
    world->taken += batch->rows;
    return node->op->edits ? edit_process(node, batch) : DV_PASS;
}

static dv_rc sink_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

#define EIGHT "a|b|c|d|e|f|g|h"

static const struct dv_operator source = { .name = "source", .size = sizeof(struct source), .source = true,
    .makes = true, .transfer = source_transfer, .process = source_process, .settle = source_settle };
static const struct dv_operator edit = { .name = "edit", .size = 1, .edits = true, .transfer = same,
    .process = edit_process };
static const struct dv_operator fan = { .name = "fan", .size = 1, .outputs = EIGHT, .transfer = same,
    .process = fan_process };
static const struct dv_operator edit_fan = { .name = "edit-fan", .size = 1, .edits = true, .outputs = EIGHT,
    .transfer = same, .process = fan_process };
static const struct dv_operator window = { .name = "window", .size = sizeof(struct window), .makes = true,
    .credits = 1, .transfer = same, .open = window_open, .process = window_process, .close = window_close };
static const struct dv_operator sink = { .name = "sink", .size = 1, .sink = true, .exit = DV_EXIT_FILE,
    .transfer = sink_transfer, .process = sink_process };
static const struct dv_operator edit_sink = { .name = "edit-sink", .size = 1, .sink = true, .edits = true,
    .exit = DV_EXIT_FILE, .transfer = sink_transfer, .process = sink_process };
static const struct dv_operator *const operators[] = { &source, &edit, &fan, &edit_fan, &window, &sink, &edit_sink,
                                                       NULL };

/* ---- dead letters that are durable a while later, or never ---- */

static void put_letter(struct dv_dead_letters *letters, const struct dv_letter *letter, struct dv_receipt *receipt)
{
    struct world *world = (struct world *)((char *)letters - offsetof(struct world, base));
    (void)letter;
    world->letters++;
    assert_true(world->waiting_count < 64);
    world->waiting[world->waiting_count++] = dv_receipt_ref(receipt);
    if (!world->timer.active)
        dv_timer_start(&world->timer, 20);
}

static void letters_end(struct dv_timer *timer)
{
    struct world *world = timer->data;
    uint32_t count = world->waiting_count;
    world->waiting_count = 0;
    for (uint32_t i = 0; i < count; i++)
        dv_receipt_unref(world->waiting[i], world->letters_fail);
}

static bool letters_full(const struct dv_dead_letters *letters)
{
    return ((const struct world *)((const char *)letters - offsetof(struct world, base)))->waiting_count > 0;
}

static bool letters_idle(const struct dv_dead_letters *letters)
{
    return !letters_full(letters);
}

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
    world->base = (struct dv_dead_letters){ put_letter, letters_full, NULL, letters_idle };
    dv_timer_init(&world->loop.base, &world->timer, letters_end, world);
    dv_graph_provide(world->graph, DV_SERVICE_FEED, world);
    dv_graph_dead_letters(world->graph, &world->base);
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

static const char *const two_sinks = "  a: { op: source }\n  b: { op: sink, after: a }\n  c: { op: sink, after: a }\n";
static const char *const one_sink = "  a: { op: source }\n  b: { op: sink, after: a }\n";

static void test_a_letter_that_is_durable_opens_the_gate(void **state)
{
    (void)state;
    struct world world = { .rejecter = "c" };
    run(&world, two_sinks);
    assert_int_equal(world.rc, DV_OK);
    assert_int_equal(world.letters, BATCHES);
    assert_int_equal(world.settled, BATCHES);
    assert_int_equal(world.taken, 2 * BATCHES * ROWS - BATCHES);
}

static void test_letters_that_are_lost_end_the_run(void **state)
{
    (void)state;
    struct world world = { .rejecter = "c", .letters_fail = true };
    run(&world, two_sinks);
    assert_int_equal(world.rc, DV_E_IO);
    assert_int_equal(world.settled, 0);
}

static void test_a_window_that_fails_is_asked_again(void **state)
{
    (void)state;
    struct world world = { .window_fails = 4 };
    run(&world, "  a: { op: source }\n  w: { op: window, after: a }\n  b: { op: sink, after: w }\n");
    assert_int_equal(world.rc, DV_OK);
    assert_int_equal(world.settled, BATCHES);
}

static void test_a_good_record_is_not_rejected_for_one_slip(void **state)
{
    (void)state;
    struct world world = { .poison = 305, .trips_on = 306, .trip_with = DV_E_IO };
    run(&world, one_sink);
    assert_int_equal(world.rc, DV_OK);
    assert_int_equal(world.trips_on, 0);
    assert_int_equal(world.letters, 1);
    assert_int_equal(world.taken, BATCHES * ROWS - 1);
}

static void test_an_error_that_refuses_ends_the_run_while_halving_too(void **state)
{
    (void)state;
    struct world world = { .poison = 305, .trips_on = 306, .trip_with = DV_E_MISSING };
    run(&world, one_sink);
    assert_int_equal(world.rc, DV_E_MISSING);
}

static void test_all_outputs_may_join_again(void **state)
{
    (void)state;
    struct world world = { 0 };
    run(&world, "  a: { op: source }\n  f: { op: fan, after: a }\n"
                "  b: { op: sink, after: [f.a, f.b, f.c, f.d, f.e, f.f, f.g, f.h] }\n");
    assert_int_equal(world.rc, DV_OK);
    assert_int_equal(world.taken, BATCHES * DV_OUTPUTS_MAX);
}

static void test_the_pool_counts_copies_of_writers_of_every_kind(void **state)
{
    (void)state;
    struct world world = { 0 };
    run(&world, "  a: { op: source }\n  e: { op: edit-fan, after: a }\n  f: { op: edit-fan, after: a }\n"
                "  b: { op: edit-sink, after: [a, e.a, f.b] }\n  c: { op: edit-sink, after: a }\n"
                "  d: { op: sink, after: [e.b, e.c, e.d, e.e, e.f, e.g, e.h, f.a, f.c, f.d, f.e, f.f, f.g, f.h] }\n");
    assert_int_equal(world.rc, DV_OK);
    assert_int_equal(world.settled, BATCHES);
}

static void test_windows_behind_windows_find_receipts(void **state)
{
    (void)state;
    struct world world = { 0 };
    assert_true(load(&world, "  a: { op: source }\n  v: { op: window, after: a }\n  w: { op: window, after: v }\n"
                             "  b: { op: sink, after: w }\n"));
    world.graph->bound.receipts = 5; /* three for batches of the source, one for each window */
    go(&world);
    bool done = world.done;
    unload(&world);
    assert_true(done);
    assert_int_equal(world.rc, DV_OK);
    assert_int_equal(world.settled, BATCHES);
}

static const char *const everything =
    "  a: { op: source }\n  e: { op: edit, after: a }\n  f: { op: fan, after: [a, e] }\n"
    "  w: { op: window, after: [e, f.a] }\n  b: { op: sink, after: [a, f.b, w] }\n"
    "  c: { op: edit-sink, after: [e, f.c, f.d, f.e, f.f, f.g, f.h] }\n";

/* True if the whole of it went well. */
static bool survives(uint64_t nth)
{
    struct world world = { .rejecter = "b", .poison = 305 };
    dv_memory_fail_at(nth);
    bool loaded = load(&world, everything);
    if (loaded)
        go(&world);
    dv_memory_fail_at(0);
    bool went_well = loaded && world.done && world.rc == DV_OK;
    assert_true(!loaded || world.done);
    assert_true(went_well || !loaded || dv_is_error(world.rc));
    assert_true(!went_well || world.settled == BATCHES);
    unload(&world);
    return went_well;
}

static void test_memory_may_end_anywhere(void **state)
{
    (void)state;
    uint64_t failures = 0;
    assert_true(survives(0));
    for (uint64_t nth = 1; nth <= 400; nth++)
        failures += !survives(nth);
    assert_true(failures > 5);
    assert_true(survives(100000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_letter_that_is_durable_opens_the_gate),
        cmocka_unit_test(test_letters_that_are_lost_end_the_run),
        cmocka_unit_test(test_a_window_that_fails_is_asked_again),
        cmocka_unit_test(test_a_good_record_is_not_rejected_for_one_slip),
        cmocka_unit_test(test_an_error_that_refuses_ends_the_run_while_halving_too),
        cmocka_unit_test(test_all_outputs_may_join_again),
        cmocka_unit_test(test_the_pool_counts_copies_of_writers_of_every_kind),
        cmocka_unit_test(test_windows_behind_windows_find_receipts),
        cmocka_unit_test(test_memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
