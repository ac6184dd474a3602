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

#include "tests/unit/flow_world.h"

/* A run, and what else is seen in it. */
struct world {
    struct flow flow;
    uint32_t gathered; /* times that the sink finished what it had gathered */
};

/* ---- operators ---- */

/* Waits for the world outside before each batch. */
struct slow { struct flow_source source; struct dv_timer timer; struct dv_batch *batch; };

static void slow_arrives(struct dv_timer *timer)
{
    struct slow *slow = dv_state(timer->data);
    dv_finish(timer->data, slow->batch, flow_source_process(timer->data, slow->batch));
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
    ((struct world *)flow_of(node))->gathered++;
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

static const struct dv_operator slow = { .name = "slow", .size = sizeof(struct slow), .source = true, .makes = true,
    .transfer = flow_source_transfer, .open = slow_open, .process = slow_process, .settle = flow_source_settle, .close = slow_close };
static const struct dv_operator gather = { .name = "gather", .size = sizeof(struct gather), .sink = true, .held_max = 8,
    .exit = DV_EXIT_FILE, .transfer = flow_sink_transfer, .open = gather_open, .process = gather_process, .close = gather_close };
static const struct dv_operator *const operators[] = { &flow_source, &slow, &flow_edit, &flow_window, &gather, NULL };

/* ---- a run ---- */

/* Loads and runs to an end that must come. */
static void run(struct world *world, const char *nodes)
{
    assert_true(flow_load(&world->flow, operators, nodes));
    flow_end(&world->flow);
}

/* As much as a source may have out, and no sooner. */
static void test_who_gathers_waits_for_all_that_can_come(void **state)
{
    (void)state;
    struct world world = { 0 };
    run(&world, "  a: { op: slow }\n  b: { op: edit, after: a }\n  c: { op: gather, after: b }\n");
    assert_int_equal(world.flow.rc, DV_OK);
    assert_int_equal(world.flow.settled, BATCHES);
    assert_int_equal(world.gathered, BATCHES / 4);
}

/* A window that waits for its batch to be finished has another one to send. */
static void test_who_gathers_does_not_wait_for_whom_it_holds_up(void **state)
{
    (void)state;
    struct world world = { 0 };
    run(&world, "  a: { op: source }\n  b: { op: window, after: a }\n  c: { op: gather, after: b }\n");
    assert_int_equal(world.flow.rc, DV_OK);
    assert_int_equal(world.flow.settled, BATCHES);
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
