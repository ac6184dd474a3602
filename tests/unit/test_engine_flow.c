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
#include "tests/unit/flow_world.h"

/* A run, and what else is done and seen in it. */
struct world {
    struct flow flow;
    uint64_t taken;          /* rows at sinks */
    const char *rejecter;    /* the sink that rejects every batch's first row */
    int64_t poison;          /* batches with this value fail as a whole; 0: none */
    int64_t trips_on;        /* the batch that is only this value fails once, with trip_with; 0: none */
    dv_rc trip_with;
    uint32_t letters;
    bool letters_fail;
    struct dv_dead_letters base;
    struct dv_receipt *waiting[64];
    uint32_t waiting_count;
    struct dv_timer timer;
};

static struct world *world_of(struct dv_node *node)
{
    return (struct world *)flow_of(node);
}

/* ---- operators ---- */

/* One row to each output, and the first to all that are left over. */
static dv_rc fan_process(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_batch *parts[DV_OUTPUTS_MAX] = { 0 };
    if (node->op->edits)
        DV_TRY(flow_edit_process(node, batch));
    for (uint32_t output = 0; output < node->output_count; output++) {
        const uint16_t row = (uint16_t)output;
        parts[output] = dv_select(node, batch, &row, 1);
        if (parts[output] != NULL)
            continue;
        while (output-- > 0)
            dv_batch_unref(parts[output]);
        return DV_E_MEMORY;
    }
    for (uint32_t output = 0; output < node->output_count; output++)
        dv_emit(node, output, parts[output]);
    return DV_DROP;
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
    return node->op->edits ? flow_edit_process(node, batch) : DV_PASS;
}

#define EIGHT "a|b|c|d|e|f|g|h"

static const struct dv_operator fan = { .name = "fan", .size = 1, .outputs = EIGHT, .transfer = flow_same,
    .process = fan_process };
static const struct dv_operator edit_fan = { .name = "edit-fan", .size = 1, .edits = true, .outputs = EIGHT,
    .transfer = flow_same, .process = fan_process };
static const struct dv_operator sink = { .name = "sink", .size = 1, .sink = true, .exit = DV_EXIT_FILE,
    .transfer = flow_sink_transfer, .process = sink_process };
static const struct dv_operator edit_sink = { .name = "edit-sink", .size = 1, .sink = true, .edits = true,
    .exit = DV_EXIT_FILE, .transfer = flow_sink_transfer, .process = sink_process };
static const struct dv_operator *const operators[] = { &flow_source, &flow_edit, &fan, &edit_fan, &flow_window, &sink, &edit_sink,
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

static void lend_letters(struct world *world)
{
    world->base = (struct dv_dead_letters){ put_letter, letters_full, NULL, letters_idle };
    dv_timer_init(&world->flow.loop.base, &world->timer, letters_end, world);
    dv_graph_dead_letters(world->flow.graph, &world->base);
}

/* ---- a run ---- */

static bool load(struct world *world, const char *nodes)
{
    return flow_load(&world->flow, operators, nodes);
}

static void go(struct world *world)
{
    lend_letters(world);
    flow_go(&world->flow);
}

/* Loads and runs to an end that must come. */
static void run(struct world *world, const char *nodes)
{
    assert_true(load(world, nodes));
    lend_letters(world);
    flow_end(&world->flow);
}

static const char *const two_sinks = "  a: { op: source }\n  b: { op: sink, after: a }\n  c: { op: sink, after: a }\n";
static const char *const one_sink = "  a: { op: source }\n  b: { op: sink, after: a }\n";

static void test_a_letter_that_is_durable_opens_the_gate(void **state)
{
    (void)state;
    struct world world = { .rejecter = "c" };
    run(&world, two_sinks);
    assert_int_equal(world.flow.rc, DV_OK);
    assert_int_equal(world.letters, BATCHES);
    assert_int_equal(world.flow.settled, BATCHES);
    assert_int_equal(world.taken, 2 * BATCHES * ROWS - BATCHES);
}

static void test_letters_that_are_lost_end_the_run(void **state)
{
    (void)state;
    struct world world = { .rejecter = "c", .letters_fail = true };
    run(&world, two_sinks);
    assert_int_equal(world.flow.rc, DV_E_IO);
    assert_int_equal(world.flow.settled, 0);
}

static void test_a_window_that_fails_is_asked_again(void **state)
{
    (void)state;
    struct world world = { .flow.window_fails = 4 };
    run(&world, "  a: { op: source }\n  w: { op: window, after: a }\n  b: { op: sink, after: w }\n");
    assert_int_equal(world.flow.rc, DV_OK);
    assert_int_equal(world.flow.settled, BATCHES);
}

static void test_a_good_record_is_not_rejected_for_one_slip(void **state)
{
    (void)state;
    struct world world = { .poison = 305, .trips_on = 306, .trip_with = DV_E_IO };
    run(&world, one_sink);
    assert_int_equal(world.flow.rc, DV_OK);
    assert_int_equal(world.trips_on, 0);
    assert_int_equal(world.letters, 1);
    assert_int_equal(world.taken, BATCHES * ROWS - 1);
}

static void test_an_error_that_refuses_ends_the_run_while_halving_too(void **state)
{
    (void)state;
    struct world world = { .poison = 305, .trips_on = 306, .trip_with = DV_E_MISSING };
    run(&world, one_sink);
    assert_int_equal(world.flow.rc, DV_E_MISSING);
}

static void test_all_outputs_may_join_again(void **state)
{
    (void)state;
    struct world world = { 0 };
    run(&world, "  a: { op: source }\n  f: { op: fan, after: a }\n"
                "  b: { op: sink, after: [f.a, f.b, f.c, f.d, f.e, f.f, f.g, f.h] }\n");
    assert_int_equal(world.flow.rc, DV_OK);
    assert_int_equal(world.taken, BATCHES * DV_OUTPUTS_MAX);
}

static void test_the_pool_counts_copies_of_writers_of_every_kind(void **state)
{
    (void)state;
    struct world world = { 0 };
    run(&world, "  a: { op: source }\n  e: { op: edit-fan, after: a }\n  f: { op: edit-fan, after: a }\n"
                "  b: { op: edit-sink, after: [a, e.a, f.b] }\n  c: { op: edit-sink, after: a }\n"
                "  d: { op: sink, after: [e.b, e.c, e.d, e.e, e.f, e.g, e.h, f.a, f.c, f.d, f.e, f.f, f.g, f.h] }\n");
    assert_int_equal(world.flow.rc, DV_OK);
    assert_int_equal(world.flow.settled, BATCHES);
}

static void test_windows_behind_windows_find_receipts(void **state)
{
    (void)state;
    struct world world = { 0 };
    assert_true(load(&world, "  a: { op: source }\n  v: { op: window, after: a }\n  w: { op: window, after: v }\n"
                             "  b: { op: sink, after: w }\n"));
    world.flow.graph->bound.receipts = 5; /* three for batches of the source, one for each window */
    go(&world);
    bool done = world.flow.done;
    flow_unload(&world.flow);
    assert_true(done);
    assert_int_equal(world.flow.rc, DV_OK);
    assert_int_equal(world.flow.settled, BATCHES);
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
    bool went_well = loaded && world.flow.done && world.flow.rc == DV_OK;
    assert_true(!loaded || world.flow.done);
    assert_true(went_well || !loaded || dv_is_error(world.flow.rc));
    assert_true(!went_well || world.flow.settled == BATCHES);
    flow_unload(&world.flow);
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
