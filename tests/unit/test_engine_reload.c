/* SPDX-License-Identifier: Apache-2.0
 * test_engine_reload.c - which nodes a reload opens anew, what the others keep, and the way back.
 *
 * shows: MIS-2 MIS-3 ING-6 BCP-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/node.h"
#include "engine/option.h"

enum { ROWS = 2 };

/* What the nodes of a test did. */
struct world {
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph;
    const char *opens;  /* the name of the node that does not open, or NULL */
    uint32_t refusals;  /* how often it does not */
    const char *holds;  /* the name of the sink that holds what it gets, or NULL */
    bool works_off;     /* a source that is stopped still makes a batch */
    char opened[256];   /* names, in order, each with a space */
    uint32_t made, kept, stored;
    uint32_t told;
    struct dv_reload_report report;
    char names[256]; /* of the report: changed|added|removed */
    bool ended;
};

static struct world *world_of(struct dv_node *node)
{
    return dv_node_service(node, DV_SERVICE_FEED);
}

/* ---- operators ---- */

struct state { int64_t tag; struct dv_keep keep; uint32_t absorbed; struct dv_batch *held; };

static const struct dv_option options[] = {
    { "tag", DV_INT, offsetof(struct state, tag), .help = "Makes a node differ." }, { 0 },
};

static dv_rc open_node(struct dv_node *node)
{
    struct world *world = world_of(node);
    if (world->opens != NULL && world->refusals > 0 && strcmp(world->opens, dv_node_name(node)) == 0) {
        world->refusals--;
        return dv_fail(node, DV_E_DEPENDENCY, "it is shut");
    }
    size_t length = strlen(world->opened);
    (void)snprintf(world->opened + length, sizeof world->opened - length, "%s ", dv_node_name(node));
    return DV_OK;
}

static dv_rc source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "s", 1);
    if (schema == NULL)
        return DV_E_MEMORY;
    (void)dv_schema_add(schema, "v", DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    shape->out[0] = schema;
    return DV_OK;
}

/* Holds the empty batch until the test lets it make one, or until it is stopped. */
static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    ((struct state *)dv_state(node))->held = batch;
    return DV_HOLD;
}

static void fill(struct dv_node *node, struct dv_batch *batch)
{
    struct world *world = world_of(node);
    for (uint32_t row = 0; row < ROWS; row++)
        batch->cells[0][row] = (struct dv_cell){ .integer = row, .present = 1 };
    batch->rows = ROWS;
    dv_claim(node, batch, world->made, world->made);
    world->made++;
}

static void source_stop(struct dv_node *node)
{
    struct state *state = dv_state(node);
    struct dv_batch *batch = state->held;
    bool works_off = world_of(node)->works_off && batch != NULL;
    state->held = NULL;
    if (works_off)
        fill(node, batch);
    dv_end(node);
    if (batch != NULL)
        dv_finish(node, batch, works_off ? DV_PASS : DV_DROP);
}

static dv_rc same(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    shape->out[0] = shape->in;
    return DV_OK;
}

static dv_rc pass(struct dv_node *node, struct dv_batch *batch)
{
    (void)node;
    (void)batch;
    return DV_PASS;
}

/* Says what it has absorbed when it is told to, or at the end. */
static dv_rc window_process(struct dv_node *node, struct dv_batch *batch)
{
    struct state *state = dv_state(node);
    if (batch == NULL || batch->rows > 0) {
        bool ends = batch == NULL;
        if (!ends) {
            DV_TRY(dv_keep_receipt(node, &state->keep, batch));
            state->absorbed += batch->rows;
            world_of(node)->kept = state->absorbed;
        }
        if (ends && state->absorbed > 0)
            dv_want(node);
        return DV_DROP;
    }
    batch->cells[0][0] = (struct dv_cell){ .integer = state->absorbed, .present = 1 };
    batch->rows = 1;
    state->absorbed = 0;
    dv_give_receipts(node, &state->keep, batch);
    return DV_PASS;
}

static dv_rc sink_process(struct dv_node *node, struct dv_batch *batch)
{
    struct world *world = world_of(node);
    if (world->holds != NULL && strcmp(world->holds, dv_node_name(node)) == 0) {
        ((struct state *)dv_state(node))->held = batch;
        return DV_HOLD;
    }
    world->stored += batch->rows;
    return DV_PASS;
}

static dv_rc nothing(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

static const struct dv_operator source = { .name = "source", .options = options, .size = sizeof(struct state),
    .source = true, .makes = true, .transfer = source_transfer, .open = open_node, .process = source_process,
    .stop = source_stop };
static const struct dv_operator through = { .name = "pass", .options = options, .size = sizeof(struct state),
    .transfer = same, .open = open_node, .process = pass };
static const struct dv_operator window = { .name = "window", .options = options, .size = sizeof(struct state),
    .makes = true, .transfer = same, .open = open_node, .process = window_process };
static const struct dv_operator sink = { .name = "sink", .options = options, .size = sizeof(struct state),
    .sink = true, .exit = DV_EXIT_FILE, .transfer = nothing, .open = open_node, .process = sink_process };
static const struct dv_operator *const operators[] = { &source, &through, &window, &sink, NULL };

/* ---- the world ---- */

static void ended(struct dv_graph *graph, dv_rc rc, void *data)
{
    (void)graph;
    assert_int_equal(rc, DV_OK);
    ((struct world *)data)->ended = true;
}

static void add_names(struct world *world, const struct dv_reload_names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        (void)strncat(world->names, names->names[i], sizeof world->names - strlen(world->names) - 2);
        (void)strcat(world->names, " ");
    }
    (void)strcat(world->names, "|");
}

static void reloaded(struct dv_graph *graph, const struct dv_reload_report *report, void *data)
{
    struct world *world = data;
    assert_ptr_equal(graph, world->graph);
    world->told++;
    world->report = *report;
    world->names[0] = '\0';
    add_names(world, &report->changed);
    add_names(world, &report->added);
    add_names(world, &report->removed);
}

static void settle_down(struct world *world)
{
    for (int step = 0; step < 200; step++)
        (void)dv_loop_sim_step(&world->loop);
}

static const char before[] =
    "name: t\nbatch_bytes: 256KiB\ngraph:\n  a: { op: source }\n  p: { op: pass, after: a }\n"
    "  w: { op: window, after: p }\n  k: { op: sink, after: w }\n  l: { op: sink, after: p }\n";

static int set_up(void **data)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    struct dv_error error = { 0 };
    dv_arena_init(&world->arena, 16 << 20);
    dv_diags_init(&world->diags, &world->arena);
    dv_loop_sim_init(&world->loop);
    world->graph = dv_graph_parse("t.yaml", before, strlen(before), operators, &world->diags);
    assert_non_null(world->graph);
    dv_graph_provide(world->graph, DV_SERVICE_FEED, world);
    assert_int_equal(dv_graph_start(world->graph, &world->loop.base, ended, world, &error), DV_OK);
    settle_down(world);
    assert_string_equal(world->opened, "a p w k l ");
    world->opened[0] = '\0';
    *data = world;
    return 0;
}

static int tear_down(void **data)
{
    struct world *world = *data;
    dv_graph_stop(world->graph);
    for (int step = 0; !world->ended && step < 2000; step++)
        (void)dv_loop_sim_step(&world->loop);
    assert_true(world->ended);
    assert_int_equal(world->graph->receipts.live, 0);
    dv_graph_free(world->graph);
    dv_arena_free(&world->arena);
    free(world);
    return 0;
}

static struct dv_node *node_of(const struct world *world, const char *name)
{
    for (uint32_t i = 0; i < dv_graph_node_count(world->graph); i++)
        if (strcmp(dv_node_name(dv_graph_node(world->graph, i)), name) == 0)
            return dv_graph_node(world->graph, i);
    return NULL;
}

/* Lets the source make a batch of what it holds. */
static void finish_held(struct world *world)
{
    struct dv_node *node = node_of(world, "a");
    struct state *state = dv_state(node);
    struct dv_batch *batch = state->held;
    assert_non_null(batch);
    state->held = NULL;
    fill(node, batch);
    dv_finish(node, batch, DV_PASS);
}

static void make(struct world *world)
{
    finish_held(world);
    settle_down(world);
}

/* Lets the sink that holds a batch store it. */
static void store(struct world *world)
{
    struct dv_node *node = node_of(world, world->holds);
    struct state *state = dv_state(node);
    struct dv_batch *batch = state->held;
    assert_non_null(batch);
    state->held = NULL;
    world->holds = NULL;
    world->stored += batch->rows;
    dv_finish(node, batch, DV_PASS);
    settle_down(world);
}

static void begin(struct world *world, const char *text, uint32_t renewed)
{
    const struct dv_reload_request request = { .path = "t.yaml", .text = text, .length = strlen(text), .renewed = renewed,
                                               .done = reloaded, .data = world };
    world->opened[0] = '\0';
    assert_int_equal(dv_graph_reload(world->graph, &request), DV_OK);
}

static enum dv_reload_result reload(struct world *world, const char *text)
{
    uint32_t told = world->told;
    begin(world, text, 0);
    settle_down(world);
    assert_int_equal(world->told, told + 1);
    return world->report.result;
}

/* The file with one text in place of another; its own until the next call. */
static const char *with(const char *old, const char *new)
{
    static char text[1024];
    const char *at = strstr(before, old);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - before), before, new, at + strlen(old));
    return text;
}

/* ---- tests ---- */

static void test_the_same_file_changes_nothing(void **data)
{
    struct world *world = *data;
    const struct dv_node *node = node_of(world, "w");
    assert_int_equal(reload(world, with("name: t", "name:   t # said otherwise")), DV_RELOAD_DONE);
    assert_string_equal(world->opened, "");
    assert_string_equal(world->names, "|||");
    assert_int_equal(world->report.unchanged, 5);
    assert_ptr_equal(node_of(world, "w"), node);
}

static void test_only_what_differs_is_opened_and_windows_keep_what_they_have(void **data)
{
    struct world *world = *data;
    make(world);
    const struct dv_node *kept = node_of(world, "w");
    assert_int_equal(world->stored, ROWS);
    assert_int_equal(reload(world, with("l: { op: sink,", "l: { op: sink, tag: 1,")), DV_RELOAD_DONE);
    assert_string_equal(world->opened, "l ");
    assert_string_equal(world->names, "l |||");
    assert_ptr_equal(node_of(world, "w"), kept);
    assert_int_equal(dv_node_stats(node_of(world, "l"))->records_in, ROWS); /* it goes on counting */
    make(world);
    assert_int_equal(world->kept, 2 * ROWS);
    assert_int_equal(world->stored, 2 * ROWS);
}

static void test_a_changed_window_says_first_what_it_has(void **data)
{
    struct world *world = *data;
    make(world);
    assert_int_equal(reload(world, with("op: window,", "op: window, tag: 1,")), DV_RELOAD_DONE);
    assert_string_equal(world->names, "w |||");
    assert_int_equal(world->stored, ROWS + 1);
    make(world);
    assert_int_equal(world->kept, ROWS);
}

static void test_a_window_behind_a_source_that_goes_does_not_keep_its_receipts(void **data)
{
    struct world *world = *data;
    make(world);
    assert_int_equal(reload(world, with("{ op: source }", "{ op: source, tag: 1 }")), DV_RELOAD_DONE);
    assert_string_equal(world->names, "a w |||");
    assert_int_equal(world->stored, ROWS + 1);
    make(world);
}

static void test_nodes_come_and_go(void **data)
{
    struct world *world = *data;
    make(world);
    assert_int_equal(reload(world, with("  l: { op: sink, after: p }", "  q: { op: pass, after: w }\n  m: { op: sink, after: [p, q] }")),
                     DV_RELOAD_DONE);
    assert_string_equal(world->opened, "q m ");
    assert_string_equal(world->names, "|q m |l |");
    make(world);
    assert_int_equal(world->stored, 2 * ROWS);
    assert_int_equal(reload(world, before), DV_RELOAD_DONE);
    assert_string_equal(world->names, "|l |q m |");
    assert_int_equal(dv_graph_bound(world->graph).batches, world->graph->pool.capacity);
}

static void test_a_wrong_file_changes_nothing(void **data)
{
    struct world *world = *data;
    assert_int_equal(reload(world, with("after: w", "after: nobody")), DV_RELOAD_INVALID);
    assert_non_null(strstr(world->report.error.text, "nobody"));
    assert_int_equal(reload(world, with("name: t", "name: other")), DV_RELOAD_INVALID);
    assert_non_null(strstr(world->report.error.text, "`name` cannot be changed"));
    assert_string_equal(world->opened, "");
    make(world);
    assert_int_equal(world->stored, ROWS);
}

static void test_what_does_not_open_brings_the_old_ones_back(void **data)
{
    struct world *world = *data;
    make(world);
    world->opens = "k";
    world->refusals = 1;
    const char *text = with("w: { op: window, after: p }\n  k: { op: sink,", "w: { op: window, tag: 1, after: p }\n  k: { op: sink, tag: 1,");
    assert_int_equal(reload(world, text), DV_RELOAD_ROLLED_BACK);
    assert_string_equal(world->report.error.text, "node 'k': it is shut");
    assert_string_equal(world->opened, "w w k ");
    assert_true(dv_graph_can_reload(world->graph));
    make(world);
    assert_int_equal(world->stored, 2 * ROWS + 1); /* the window had to say what it had */
    assert_int_equal(reload(world, text), DV_RELOAD_DONE);
}

static void test_what_does_not_open_again_is_tried_until_it_does(void **data)
{
    struct world *world = *data;
    world->opens = "l";
    world->refusals = 4;
    const char *text = with("l: { op: sink,", "l: { op: sink, tag: 1,");
    begin(world, text, 0);
    assert_int_equal(dv_graph_reload(world->graph, &(struct dv_reload_request){ .path = "t.yaml" }), DV_E_USAGE);
    while (world->told == 0)
        assert_true(dv_loop_sim_step(&world->loop));
    assert_int_equal(world->report.result, DV_RELOAD_ROLLED_BACK);
    assert_string_equal(dv_node_status(node_of(world, "l")), "it is shut");
    assert_false(dv_graph_can_reload(world->graph));
    make(world);
    settle_down(world);
    assert_string_equal(world->opened, "l ");
    assert_string_equal(dv_node_status(node_of(world, "l")), "");
    assert_int_equal(world->stored, ROWS);
}

static void test_a_source_fills_the_batch_it_held_while_the_window_behind_it_is_heard(void **data)
{
    struct world *world = *data;
    make(world);
    world->holds = "k";
    begin(world, with("op: window,", "op: window, tag: 1,"), 0);
    while (((struct state *)dv_state(node_of(world, "k")))->held == NULL)
        assert_true(dv_loop_sim_step(&world->loop)); /* until the window has said what it had */
    finish_held(world);
    while (world->kept != ROWS || world->stored != 2 * ROWS)
        assert_true(dv_loop_sim_step(&world->loop));
    store(world);
    assert_int_equal(world->told, 1);
    assert_int_equal(world->report.result, DV_RELOAD_DONE);
    assert_int_equal(world->stored, 2 * ROWS + 2);
    assert_int_equal(world->graph->receipts.live_links, 0);
}

static void test_what_does_not_end_in_time_brings_the_old_source_back_when_it_has(void **data)
{
    struct world *world = *data;
    world->holds = "l";
    world->works_off = true;
    assert_int_equal(reload(world, with("{ op: source }", "{ op: source, tag: 1 }")), DV_RELOAD_BUSY);
    assert_non_null(strstr(world->report.error.text, "held last by 'l'; the graph goes on as it was"));
    assert_string_equal(world->opened, ""); /* it would read again what is held */
    assert_false(dv_graph_can_reload(world->graph));
    world->works_off = false;
    store(world);
    assert_string_equal(world->opened, "a ");
    assert_true(dv_graph_can_reload(world->graph));
    make(world);
    assert_int_equal(world->stored, 2 * ROWS + 1);
    assert_int_equal(reload(world, with("{ op: source }", "{ op: source, tag: 1 }")), DV_RELOAD_DONE);
    assert_int_equal(world->told, 2);
}

static void test_users_of_a_renewed_service_are_opened_anew(void **data)
{
    struct world *world = *data;
    begin(world, before, 1u << DV_SERVICE_FEED);
    settle_down(world);
    assert_string_equal(world->names, "a p w k l |||");
}

static void test_a_thousand_reloads_need_no_more_memory(void **data)
{
    struct world *world = *data;
    for (int round = 0; round < 1000; round++) {
        if (round % 7 == 0)
            make(world);
        const char *text = round % 3 == 0 ? before : with("op: window,", round % 3 == 1 ? "op: window, tag: 1," : "op: window, tag: 2,");
        assert_int_equal(reload(world, text), DV_RELOAD_DONE);
        uint32_t waiting = 0;
        for (const struct dv_node *node = world->graph->closed; node != NULL; node = node->next_closed)
            waiting++;
        assert_true(waiting <= 1); /* no other generation is alive than those of the graph's own nodes */
    }
    assert_int_equal(dv_graph_reloads(world->graph)[DV_RELOAD_DONE], 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_same_file_changes_nothing),
        TEST(test_only_what_differs_is_opened_and_windows_keep_what_they_have),
        TEST(test_a_changed_window_says_first_what_it_has),
        TEST(test_a_window_behind_a_source_that_goes_does_not_keep_its_receipts),
        TEST(test_nodes_come_and_go),
        TEST(test_a_wrong_file_changes_nothing),
        TEST(test_what_does_not_open_brings_the_old_ones_back),
        TEST(test_what_does_not_open_again_is_tried_until_it_does),
        TEST(test_a_source_fills_the_batch_it_held_while_the_window_behind_it_is_heard),
        TEST(test_what_does_not_end_in_time_brings_the_old_source_back_when_it_has),
        TEST(test_users_of_a_renewed_service_are_opened_anew),
        TEST(test_a_thousand_reloads_need_no_more_memory),
    };
    return cmocka_run_group_tests_name("engine_reload", tests, NULL, NULL);
}
