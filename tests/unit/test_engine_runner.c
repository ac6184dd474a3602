/* SPDX-License-Identifier: Apache-2.0
 * test_engine_runner.c - the runner at its edges: lying labels, failing starts, stops, rejects, retries, dry pools.
 *
 * shows: MIS-2 MIS-5 ING-7 BCP-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/node.h"

/* What the scripted operators do and see; lent to the nodes as a service. */
struct script {
    uint32_t batches;        /* that the source makes */
    uint32_t rows;           /* in each */
    uint32_t made;
    bool lie;                /* the source sends another schema than it said */
    bool refuse_open;        /* the sink does not open */
    uint32_t fail_times;     /* the sink fails so often before it takes a batch */
    dv_rc fail_with;
    uint32_t poison;         /* batches with this value fail as a whole */
    bool hold;               /* the sink holds everything until let_go */
    struct dv_batch *held;
    struct dv_node *holder;
    uint64_t taken;          /* rows that the sink took */
    uint32_t settled, failed_receipts;
    uint32_t stops, closes;
    dv_rc end;
    bool ended;
    uint32_t letters;
};

struct fixture {
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph;
    struct script script;
};

static struct script *script_of(struct dv_node *node)
{
    return dv_node_service(node, DV_SERVICE_FEED);
}

static const struct dv_schema *schema_with(struct dv_node *node, enum dv_form form)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "s", 1);
    (void)dv_schema_add(schema, "v", DV_TYPE_INT, dv_label(DV_CLASS_DIRECT_ID, form));
    return schema;
}

static dv_rc source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    shape->out[0] = schema_with(node, DV_FORM_PSEUDONYM);
    return DV_OK;
}

static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct script *script = script_of(node);
    if (script->made == script->batches) {
        dv_end(node);
        return DV_DROP;
    }
    for (uint32_t row = 0; row < script->rows; row++)
        batch->cells[0][row] = (struct dv_cell){ .integer = script->made * 1000 + row, .present = 1 };
    batch->rows = script->rows;
    if (script->lie)
        batch->schema = schema_with(node, DV_FORM_PLAIN);
    dv_claim(node, batch, script->made, script->made);
    script->made++;
    return DV_PASS;
}

static void source_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    struct script *script = script_of(node);
    script->settled++;
    script->failed_receipts += receipt->failed;
}

static void source_stop(struct dv_node *node)
{
    script_of(node)->stops++;
    dv_end(node);
}

static void count_close(struct dv_node *node)
{
    script_of(node)->closes++;
}

static dv_rc sink_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

static dv_rc sink_open(struct dv_node *node)
{
    return script_of(node)->refuse_open ? dv_fail(node, DV_E_IO, "the disk is on fire") : DV_OK;
}

static bool has_poison(const struct script *script, const struct dv_batch *batch)
{
    for (uint32_t row = 0; script->poison != 0 && row < batch->rows; row++)
        if (!dv_batch_rejected(batch, row) && batch->cells[0][row].integer == script->poison)
            return true;
    return false;
}

static dv_rc sink_process(struct dv_node *node, struct dv_batch *batch)
{
    struct script *script = script_of(node);
    if (script->fail_times > 0) {
        script->fail_times--;
        return dv_fail(node, script->fail_with, "scripted");
    }
    if (has_poison(script, batch))
        return dv_fail(node, DV_E_DATA, "scripted");
    if (script->hold) {
        script->held = batch;
        script->holder = node;
        return DV_HOLD;
    }
    script->taken += batch->rows - batch->rejected_count;
    return DV_PASS;
}

static const struct dv_operator source = { .name = "source", .size = 1, .source = true, .makes = true,
    .transfer = source_transfer, .process = source_process, .settle = source_settle, .stop = source_stop,
    .close = count_close };
static const struct dv_operator sink = { .name = "sink", .size = 1, .sink = true, .exit = DV_EXIT_FILE,
    .transfer = sink_transfer, .open = sink_open, .process = sink_process, .close = count_close };
static const struct dv_operator *const operators[] = { &source, &sink, NULL };

static void count_letter(struct dv_dead_letters *letters, const struct dv_letter *letter, struct dv_receipt *receipt);

struct letters {
    struct dv_dead_letters base;
    struct script *script;
};

static void count_letter(struct dv_dead_letters *letters, const struct dv_letter *letter, struct dv_receipt *receipt)
{
    assert_non_null(letter->reason);
    assert_non_null(receipt);
    ((struct letters *)letters)->script->letters++;
}

static bool never(const struct dv_dead_letters *letters)
{
    (void)letters;
    return false;
}

static bool always(const struct dv_dead_letters *letters)
{
    (void)letters;
    return true;
}

static void ended(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct script *script = data;
    (void)graph;
    assert_false(script->ended);
    script->ended = true;
    script->end = rc;
}

static const char *const text = "name: t\ngraph:\n  a: { op: source }\n  b: { op: sink, after: a }\n";

static void load(struct fixture *fixture)
{
    dv_arena_init(&fixture->arena, 64 << 20);
    dv_diags_init(&fixture->diags, &fixture->arena);
    dv_loop_sim_init(&fixture->loop);
    fixture->graph = dv_graph_parse("t.yaml", text, strlen(text), operators, &fixture->diags);
    assert_non_null(fixture->graph);
    dv_graph_provide(fixture->graph, DV_SERVICE_FEED, &fixture->script);
}

static dv_rc begin(struct fixture *fixture, struct letters *letters, struct dv_error *error)
{
    *letters = (struct letters){ .base = { count_letter, never, NULL, always }, .script = &fixture->script };
    dv_graph_dead_letters(fixture->graph, &letters->base);
    return dv_graph_start(fixture->graph, &fixture->loop.base, ended, &fixture->script, error);
}

static void turn(struct fixture *fixture, uint32_t steps)
{
    for (uint32_t i = 0; i < steps && !fixture->script.ended; i++)
        if (!dv_loop_sim_step(&fixture->loop))
            return;
}

static void unload(struct fixture *fixture)
{
    dv_graph_free(fixture->graph);
    dv_arena_free(&fixture->arena);
}

static void run_all(struct script script, struct script *ret)
{
    struct fixture fixture = { .script = script };
    struct letters letters;
    load(&fixture);
    assert_int_equal(begin(&fixture, &letters, NULL), DV_OK);
    turn(&fixture, 100000);
    *ret = fixture.script;
    unload(&fixture);
}

static void test_every_row_arrives_and_every_receipt_settles(void **state)
{
    (void)state;
    struct script out;
    run_all((struct script){ .batches = 50, .rows = 256 }, &out);
    assert_true(out.ended);
    assert_int_equal(out.end, DV_OK);
    assert_int_equal(out.taken, 50 * 256);
    assert_int_equal(out.settled, 50);
    assert_int_equal(out.failed_receipts, 0);
    assert_int_equal(out.closes, 2);
}

static void test_a_label_that_was_not_proved_stops_the_run(void **state)
{
    (void)state;
    struct script out;
    run_all((struct script){ .batches = 5, .rows = 3, .lie = true }, &out);
    assert_true(out.ended);
    assert_int_equal(out.end, DV_E_LABEL);
    assert_int_equal(out.taken, 0);
    assert_int_equal(out.settled, out.failed_receipts);
}

static void test_a_node_that_does_not_open_names_itself(void **state)
{
    (void)state;
    struct fixture fixture = { .script = { .batches = 1, .rows = 1, .refuse_open = true } };
    struct letters letters;
    struct dv_error error = { 0 };
    load(&fixture);
    assert_int_equal(begin(&fixture, &letters, &error), DV_E_IO);
    assert_non_null(strstr(error.text, "'b'"));
    assert_non_null(strstr(error.text, "on fire"));
    assert_int_equal(fixture.script.made, 0);
    unload(&fixture);
}

static void test_what_heals_is_tried_for_ever(void **state)
{
    (void)state;
    struct script out;
    run_all((struct script){ .batches = 3, .rows = 2, .fail_times = 40, .fail_with = DV_E_FULL }, &out);
    assert_int_equal(out.end, DV_OK);
    assert_int_equal(out.taken, 6);
    assert_int_equal(out.letters, 0);
}

static void test_what_does_not_heal_goes_to_the_dead_letters(void **state)
{
    (void)state;
    struct script out;
    run_all((struct script){ .batches = 1, .rows = 1, .fail_times = 5, .fail_with = DV_E_IO }, &out);
    assert_int_equal(out.end, DV_OK);
    assert_int_equal(out.taken, 0);
    assert_int_equal(out.letters, 1);
    assert_int_equal(out.settled, 1);
}

static void test_a_poisonous_record_is_isolated(void **state)
{
    (void)state;
    struct script out;
    run_all((struct script){ .batches = 4, .rows = 200, .poison = 2117 }, &out);
    assert_int_equal(out.end, DV_OK);
    assert_int_equal(out.letters, 1);
    assert_int_equal(out.taken, 4 * 200 - 1);
    assert_int_equal(out.settled, 4);
}

static void test_an_error_that_stops_settles_nothing(void **state)
{
    (void)state;
    struct script out;
    run_all((struct script){ .batches = 10, .rows = 1, .fail_times = 1, .fail_with = DV_E_FAILED }, &out);
    assert_int_equal(out.end, DV_E_FAILED);
    assert_int_equal(out.settled, out.failed_receipts);
}

static void test_a_stop_drains_what_is_held(void **state)
{
    (void)state;
    struct fixture fixture = { .script = { .batches = 1000, .rows = 1, .hold = true } };
    struct letters letters;
    load(&fixture);
    assert_int_equal(begin(&fixture, &letters, NULL), DV_OK);
    while (fixture.loop.armed)
        turn(&fixture, 1);
    assert_non_null(fixture.script.held);
    uint32_t made = fixture.script.made;
    dv_graph_stop(fixture.graph);
    assert_int_equal(fixture.script.stops, 1);
    fixture.script.hold = false;
    dv_finish(fixture.script.holder, fixture.script.held, DV_PASS);
    turn(&fixture, 1000);
    assert_true(fixture.script.ended);
    assert_int_equal(fixture.script.end, DV_OK);
    assert_int_equal(fixture.script.made, made);
    assert_int_equal(fixture.script.settled, made);
    unload(&fixture);
}

static void test_a_stop_gives_up_after_its_time(void **state)
{
    (void)state;
    struct fixture fixture = { .script = { .batches = 1000, .rows = 1, .hold = true } };
    struct letters letters;
    load(&fixture);
    assert_int_equal(begin(&fixture, &letters, NULL), DV_OK);
    while (fixture.loop.armed)
        turn(&fixture, 1);
    dv_graph_stop(fixture.graph);
    turn(&fixture, 1000);
    assert_true(fixture.script.ended);
    assert_int_equal(fixture.script.end, DV_E_FAILED);
    assert_int_equal(fixture.loop.now_ns / 1000000, 10000);
    dv_finish(fixture.script.holder, fixture.script.held, DV_PASS); /* a late answer does no harm */
    unload(&fixture);
}

static void test_an_idle_graph_does_not_tick(void **state)
{
    (void)state;
    struct fixture fixture = { .script = { .batches = 1000, .rows = 1, .hold = true } };
    struct letters letters;
    load(&fixture);
    assert_int_equal(begin(&fixture, &letters, NULL), DV_OK);
    turn(&fixture, 1000);
    assert_false(fixture.loop.armed);
    assert_true(dv_node_stats(dv_graph_node(fixture.graph, 0))->stalls > 0);
    dv_graph_stop(fixture.graph);
    dv_graph_stop(fixture.graph); /* the second asks for no patience */
    assert_true(fixture.script.ended);
    unload(&fixture);
}

static void test_a_node_ends_the_run_between_two_batches(void **state)
{
    (void)state;
    struct fixture fixture = { .script = { .batches = 3, .rows = 1, .hold = true } };
    struct letters letters;
    load(&fixture);
    assert_int_equal(begin(&fixture, &letters, NULL), DV_OK);
    while (fixture.loop.armed)
        turn(&fixture, 1);
    dv_halt(fixture.script.holder, dv_fail(fixture.script.holder, DV_E_CONFIG, "there is no such table"));
    dv_halt(fixture.script.holder, DV_E_FAILED); /* the first counts */
    dv_finish(fixture.script.holder, fixture.script.held, DV_E_CONFIG);
    turn(&fixture, 1000);
    assert_true(fixture.script.ended);
    assert_int_equal(fixture.script.end, DV_E_CONFIG);
    assert_non_null(strstr(dv_graph_error(fixture.graph)->text, "there is no such table"));
    assert_int_equal(fixture.script.settled - fixture.script.failed_receipts, 0);
    unload(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_arrives_and_every_receipt_settles),
        cmocka_unit_test(test_a_label_that_was_not_proved_stops_the_run),
        cmocka_unit_test(test_a_node_that_does_not_open_names_itself),
        cmocka_unit_test(test_what_heals_is_tried_for_ever),
        cmocka_unit_test(test_what_does_not_heal_goes_to_the_dead_letters),
        cmocka_unit_test(test_a_poisonous_record_is_isolated),
        cmocka_unit_test(test_an_error_that_stops_settles_nothing),
        cmocka_unit_test(test_a_stop_drains_what_is_held),
        cmocka_unit_test(test_a_stop_gives_up_after_its_time),
        cmocka_unit_test(test_an_idle_graph_does_not_tick),
        cmocka_unit_test(test_a_node_ends_the_run_between_two_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
