/* SPDX-License-Identifier: Apache-2.0
 * test_engine_stall.c - the watchdog: scripted stalls of every kind are seen in time and named rightly; graphs that rest, keep or
 * are slow are left in peace.
 *
 * shows: BCP-2 R12 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/node.h"

enum { ROWS = 4, STALL_MS = 2000, LATE_MS = 5000, HELD_MAX = 4 };
#define MS UINT64_C(1000000)

/* What the dead letters do. */
struct letters {
    struct dv_dead_letters base;
    struct dv_receipt *waiting[1024];
    uint32_t count;
    bool stuck, gate;
};

struct world {
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph;
    struct letters letters;
    bool cured;
    bool done;
    dv_rc rc;
};

static struct world *world_of(const struct dv_node *node)
{
    return node->graph->services[DV_SERVICE_FEED];
}

/* ---- operators: each does its work after `ms`, and from batch `from` on what `fault` says, until it is cured ---- */

/* As in the option. */
enum fault { NONE, HOLD, LOSE, DOWN, FULL, BAD, WAITS, BEHIND, KEEP };
struct place { struct dv_timer timer; struct dv_batch *batch; bool made; };

struct script {
    int64_t ms, from, every, count;
    int fault;
    int64_t seen;
    struct place places[HELD_MAX];
    struct dv_timer pace;
    struct dv_batch *resting;
    struct dv_keep keep;
    struct dv_timer window;
    bool paced;
};

static const struct dv_option options[] = {
    { "ms", DV_INT, offsetof(struct script, ms), .initial = "0", .min = 0, .max = 1000000, .help = "Work." },
    { "since", DV_INT, offsetof(struct script, from), .initial = "0", .min = 0, .max = 1000000, .help = "First." },
    { "every", DV_INT, offsetof(struct script, every), .initial = "100", .min = 1, .max = 10000000, .help = "Pace." },
    { "count", DV_INT, offsetof(struct script, count), .initial = "1000000", .min = 0, .max = 1000000, .help = "All." },
    { "fault", DV_ENUM, offsetof(struct script, fault), .initial = "none", .values = "none|hold|lose|down|full|bad|waits|behind|keep", .help = "Fault." },
    { 0 },
};

static bool at_fault(const struct dv_node *node, enum fault fault)
{
    const struct script *script = dv_state(node);
    return script->fault == (int)fault && script->seen > script->from && !world_of(node)->cured;
}

static void let_go(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct script *script = dv_state(node);
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        struct dv_batch *batch = script->places[i].batch;
        if (&script->places[i].timer != timer || batch == NULL)
            continue;
        script->places[i].batch = NULL;
        dv_finish(node, batch, DV_PASS);
    }
}

static dv_rc hold(struct dv_node *node, struct dv_batch *batch, int64_t ms)
{
    struct script *script = dv_state(node);
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        struct place *place = &script->places[i];
        if (place->batch != NULL)
            continue;
        if (!place->made)
            dv_timer_init(dv_node_loop(node), &place->timer, let_go, node);
        place->made = true;
        place->batch = batch;
        if (ms >= 0)
            dv_timer_start(&place->timer, (uint64_t)ms);
        return DV_HOLD;
    }
    fail();
    return DV_HOLD;
}

static dv_rc work(struct dv_node *node, struct dv_batch *batch)
{
    struct script *script = dv_state(node);
    script->seen++;
    if (at_fault(node, HOLD) || (at_fault(node, LOSE) && script->seen == script->from + 1))
        return hold(node, batch, -1);
    if (at_fault(node, DOWN) || at_fault(node, FULL))
        return dv_fail(node, at_fault(node, DOWN) ? DV_E_DEPENDENCY : DV_E_FULL, "scripted");
    if (at_fault(node, BAD))
        dv_reject(node, batch, 0, DV_E_DATA, "scripted");
    return script->ms > 0 ? hold(node, batch, script->ms) : DV_PASS;
}

static void close_script(struct dv_node *node)
{
    struct script *script = dv_state(node);
    for (uint32_t i = 0; i < HELD_MAX; i++)
        dv_timer_close(&script->places[i].timer);
    dv_timer_close(&script->pace);
    dv_timer_close(&script->window);
}

static const char *waits(struct dv_node *node)
{
    return at_fault(node, WAITS) ? "scripted" : NULL;
}

static bool behind(const struct dv_node *node)
{
    return at_fault(node, BEHIND);
}

static dv_rc source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "s", 1);
    (void)dv_schema_add(schema, "v", DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    shape->out[0] = schema;
    return DV_OK;
}

static dv_rc fill(struct dv_node *node, struct dv_batch *batch)
{
    struct script *script = dv_state(node);
    for (uint32_t row = 0; row < ROWS; row++)
        batch->cells[0][row] = (struct dv_cell){ .integer = row, .present = 1 };
    batch->rows = ROWS;
    dv_claim(node, batch, (uint64_t)script->seen, (uint64_t)script->seen);
    return DV_PASS;
}

static void on_pace(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct script *script = dv_state(node);
    struct dv_batch *batch = script->resting;
    script->resting = NULL;
    script->seen++;
    dv_finish(node, batch, at_fault(node, WAITS) || at_fault(node, BEHIND) ? DV_DROP : fill(node, batch));
}

/* Holds its empty batch until the next is due: that is rest, not a stall. */
static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct script *script = dv_state(node);
    if (at_fault(node, DOWN))
        return dv_fail(node, DV_E_DEPENDENCY, "scripted");
    if (!script->paced)
        dv_timer_init(dv_node_loop(node), &script->pace, on_pace, node);
    script->paced = true;
    script->resting = batch;
    bool quiet = script->seen >= script->count || at_fault(node, WAITS) || at_fault(node, BEHIND);
    if (!quiet)
        dv_timer_start(&script->pace, (uint64_t)script->every);
    return DV_HOLD;
}

static dv_rc same(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    shape->out[0] = shape->in;
    return DV_OK;
}

static dv_rc nothing(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

static void window_over(struct dv_timer *timer)
{
    dv_want(timer->data);
}

/* Keeps what comes for `every` ms. */
static dv_rc window_process(struct dv_node *node, struct dv_batch *batch)
{
    struct script *script = dv_state(node);
    if (batch == NULL || batch->rows == 0) {
        if (batch == NULL)
            return DV_DROP;
        (void)fill(node, batch);
        dv_give_receipts(node, &script->keep, batch);
        return DV_PASS;
    }
    if (script->window.loop == NULL)
        dv_timer_init(dv_node_loop(node), &script->window, window_over, node);
    DV_TRY(dv_keep_receipt(node, &script->keep, batch));
    if (!script->window.active && !at_fault(node, KEEP))
        dv_timer_start(&script->window, (uint64_t)script->every);
    return DV_DROP;
}

static const struct dv_operator t_source = { .name = "t-source", .options = options, .size = sizeof(struct script),
    .source = true, .makes = true, .transfer = source_transfer, .process = source_process, .waits = waits,
    .behind = behind, .close = close_script };
static const struct dv_operator t_pass = { .name = "t-pass", .options = options, .size = sizeof(struct script),
    .edits = true, .transfer = same, .process = work, .close = close_script };
static const struct dv_operator t_window = { .name = "t-window", .options = options, .size = sizeof(struct script),
    .makes = true, .transfer = same, .process = window_process, .close = close_script };
static const struct dv_operator t_sink = { .name = "t-sink", .options = options, .size = sizeof(struct script),
    .sink = true, .held_max = HELD_MAX, .exit = DV_EXIT_FILE, .transfer = nothing, .process = work,
    .close = close_script };
static const struct dv_operator *const operators[] = { &t_source, &t_pass, &t_window, &t_sink, NULL };

/* ---- the world ---- */

static void letters_put(struct dv_dead_letters *base, const struct dv_letter *letter, struct dv_receipt *receipt)
{
    struct letters *letters = (struct letters *)base;
    (void)letter;
    if (letters->stuck && letters->count < 1024)
        letters->waiting[letters->count++] = dv_receipt_ref(receipt);
}

static bool letters_full(const struct dv_dead_letters *base)
{
    const struct letters *letters = (const struct letters *)base;
    return letters->gate && letters->count > 0;
}

static bool letters_idle(const struct dv_dead_letters *base)
{
    return ((const struct letters *)base)->count == 0;
}

static void on_done(struct dv_graph *graph, dv_rc rc, void *data)
{
    (void)graph;
    ((struct world *)data)->done = true;
    ((struct world *)data)->rc = rc;
}

static void start(struct world *world, const char *settings, const char *nodes)
{
    char text[2048];
    struct dv_error error = { 0 };
    *world = (struct world){ .letters.base = { letters_put, letters_full, NULL, letters_idle } };
    (void)snprintf(text, sizeof text, "name: t\nmemory: 1TiB\nbatch_bytes: 256KiB\n%s\ngraph:\n%s", settings, nodes);
    dv_arena_init(&world->arena, 64 << 20);
    dv_diags_init(&world->diags, &world->arena);
    dv_loop_sim_init(&world->loop);
    world->graph = dv_graph_parse("t.yaml", text, strlen(text), operators, &world->diags);
    if (world->graph == NULL)
        dv_diags_print(&world->diags, stderr, false);
    assert_non_null(world->graph);
    dv_graph_provide(world->graph, DV_SERVICE_FEED, world);
    dv_graph_dead_letters(world->graph, &world->letters.base);
    assert_int_equal(dv_graph_start(world->graph, &world->loop.base, on_done, world, &error), DV_OK);
}

/* Until something is stuck, or `ms` are over, or nothing is left to happen. */
static void run_until_stalled(struct world *world, uint64_t ms)
{
    uint64_t end = world->loop.now_ns + ms * MS;
    while (dv_graph_stall(world->graph).node == NULL && world->loop.now_ns < end && !world->done)
        if (!dv_loop_sim_step(&world->loop))
            return;
}

static void run_ms(struct world *world, uint64_t ms)
{
    uint64_t end = world->loop.now_ns + ms * MS;
    while (world->loop.now_ns < end && !world->done)
        if (!dv_loop_sim_step(&world->loop))
            return;
}

/* What is held for ever is given up; receipts of stuck letters come back. */
static void finish(struct world *world)
{
    world->cured = true;
    world->letters.gate = false;
    while (world->letters.count > 0)
        dv_receipt_unref(world->letters.waiting[--world->letters.count], false);
    dv_graph_stop(world->graph);
    if (!world->done)
        dv_graph_stop(world->graph);
    assert_true(world->done);
    dv_graph_free(world->graph);
    dv_arena_free(&world->arena);
}

/* Nodes of the graphs. */
#define IN "  in: { op: t-source }\n"
#define IN_BUT(how) "  in: { op: t-source, " how " }\n"
#define MID_BUT(how) "  mid: { op: t-pass, after: in, " how " }\n"
#define WINDOW(ms) "  win: { op: t-window, after: in, every: " ms " }\n"
#define OUT "  out: { op: t-sink, after: in }\n"
#define OUT_BUT(how) "  out: { op: t-sink, after: in, " how " }\n"
#define END "  out: { op: t-sink, after: mid }\n"
#define END_BUT(how) "  out: { op: t-sink, after: mid, " how " }\n"

enum letters_are { FINE, STUCK, CLOSED };

struct stall { const char *what, *nodes, *who; uint64_t begins_ms; enum letters_are letters; };

static const struct stall stalls[] = {
    { "a sink never answers", IN OUT_BUT("fault: hold"), "out", 100, FINE },
    { "a sink stops to answer", IN OUT_BUT("fault: hold, since: 50"), "out", 5100, FINE },
    { "a slow sink stops to answer", IN OUT_BUT("ms: 1500, fault: hold, since: 20"), "out", 8000, FINE },
    { "one answer of a sink is lost", IN OUT_BUT("ms: 50, fault: lose, since: 10"), "out", 1100, FINE },
    { "the only answer is lost", IN_BUT("count: 1") OUT_BUT("fault: lose"), "out", 100, FINE },
    { "a sink's server is down", IN OUT_BUT("fault: down"), "out", 100, FINE },
    { "a sink's server goes down", IN OUT_BUT("fault: down, since: 30"), "out", 3100, FINE },
    { "a sink's disk is full", IN OUT_BUT("fault: full, since: 3"), "out", 400, FINE },
    { "a transform holds for ever", IN MID_BUT("fault: hold") END, "mid", 100, FINE },
    { "a transform stops to answer", IN MID_BUT("ms: 20, fault: hold, since: 40") END, "mid", 4100, FINE },
    { "a transform waits for a system that is down", IN MID_BUT("fault: down, since: 5") END, "mid", 600, FINE },
    { "one of two branches is stuck",
      IN "  a: { op: t-sink, after: in }\n" "  b: { op: t-sink, after: in, fault: hold, since: 9 }\n",
      "b", 1000, FINE },
    { "one of two sources has a stuck sink",
      IN "  in2: { op: t-source, every: 10 }\n" "  a: { op: t-sink, after: in, fault: hold }\n" "  b: { op: t-sink, after: in2 }\n",
      "a", 100, FINE },
    { "behind a chain",
      IN_BUT("every: 5") "  m1: { op: t-pass, after: in }\n" "  m2: { op: t-pass, after: m1 }\n" "  m3: { op: t-pass, after: m2 }\n" "  out: { op: t-sink, after: m3, fault: hold, since: 7 }\n",
      "out", 50, FINE },
    { "behind a window", IN WINDOW("300") "  out: { op: t-sink, after: win, fault: hold }\n", "out", 400, FINE },
    { "behind a window, later",
      IN WINDOW("300") "  out: { op: t-sink, after: win, fault: down, since: 4 }\n",
      "out", 1500, FINE },
    { "a source cannot go on", IN_BUT("fault: waits") OUT, "in", 100, FINE },
    { "a source cannot go on any more", IN_BUT("fault: waits, since: 20") OUT, "in", 2100, FINE },
    { "a source cannot commit", IN_BUT("fault: behind, since: 2") OUT, "in", 300, FINE },
    { "a source's own calls fail", IN_BUT("fault: down, since: 6") OUT, "in", 700, FINE },
    { "the dead letters never become durable",
      IN_BUT("count: 3") MID_BUT("fault: bad") END,
      "dead_letters", 100, STUCK },
    { "the dead letters are full", IN MID_BUT("fault: bad, since: 5") END, "dead_letters", 600, CLOSED },
    { "a sink rejects and the letters are full", IN OUT_BUT("fault: bad"), "dead_letters", 100, CLOSED },
};

static void every_stall_is_seen_in_time_and_named(void **state)
{
    (void)state;
    assert_true(sizeof stalls / sizeof stalls[0] >= 20);
    for (size_t i = 0; i < sizeof stalls / sizeof stalls[0]; i++) {
        const struct stall *it = &stalls[i];
        static struct world world;
        start(&world, "stall: 2s", it->nodes);
        world.letters.stuck = it->letters != FINE;
        world.letters.gate = it->letters == CLOSED;
        run_until_stalled(&world, 60000);
        struct dv_stall seen = dv_graph_stall(world.graph);
        uint64_t at_ms = world.loop.now_ns / MS;
        if (seen.node == NULL || strcmp(seen.node, it->who) != 0 || at_ms > it->begins_ms + STALL_MS + LATE_MS ||
            at_ms < it->begins_ms + STALL_MS)
            fail_msg("%s: at %llu ms: %s", it->what, (unsigned long long)at_ms, seen.node != NULL ? seen.node : "nobody");
        assert_int_equal(seen.total, 1);
        finish(&world);
    }
}

static const char *const calm[] = {
    /* nothing to do */
    IN_BUT("count: 0") OUT,
    IN_BUT("count: 5") MID_BUT("ms: 100") END_BUT("ms: 100"),
    /* long pauses of the source */
    IN_BUT("every: 60000") OUT,
    /* long windows, with and without a branch that is durable at once */
    IN WINDOW("300000") "  out: { op: t-sink, after: win }\n",
    IN_BUT("count: 7") WINDOW("500000") "  out: { op: t-sink, after: win }\n",
    IN WINDOW("100000") "  b: { op: t-sink, after: in }\n" "  out: { op: t-sink, after: win }\n",
    IN "  w1: { op: t-window, after: in, every: 20000 }\n" "  w2: { op: t-window, after: w1, every: 90000 }\n" "  out: { op: t-sink, after: w2 }\n",
    /* slow and moving: each batch just under the limit, at every place */
    IN_BUT("every: 1") OUT_BUT("ms: 1900"),
    IN_BUT("every: 1") MID_BUT("ms: 1900") END_BUT("ms: 10"),
    IN_BUT("every: 1") "  a: { op: t-sink, after: in, ms: 1500 }\n" "  b: { op: t-sink, after: in, ms: 1900 }\n",
    IN_BUT("every: 1") "  m1: { op: t-pass, after: in, ms: 900 }\n" "  m2: { op: t-pass, after: m1, ms: 1900 }\n" "  out: { op: t-sink, after: m2, ms: 1200 }\n",
    /* records that are rejected are finished, too */
    IN MID_BUT("fault: bad") END,
};

static void calm_and_slow_graphs_are_left_in_peace(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof calm / sizeof calm[0]; i++) {
        static struct world world;
        start(&world, "stall: 2s", calm[i]);
        run_until_stalled(&world, 400000);
        if (dv_graph_stall(world.graph).total != 0)
            fail_msg("%s: at %llu ms: %s", calm[i], (unsigned long long)(world.loop.now_ns / MS),
                     dv_graph_stall(world.graph).node);
        finish(&world);
    }
}

static void it_ends_by_itself_when_things_go_on(void **state)
{
    (void)state;
    static struct world world;
    start(&world, "stall: 2s", IN OUT_BUT("fault: down, since: 3"));
    for (unsigned round = 1; round <= 3; round++) {
        run_until_stalled(&world, 60000);
        assert_string_equal(dv_graph_stall(world.graph).node, "out");
        assert_int_equal(dv_graph_stall(world.graph).total, round);
        run_ms(&world, 20000);
        assert_int_equal(dv_graph_stall(world.graph).total, round); /* one stall, told once */
        world.cured = true;
        run_ms(&world, 8000);
        assert_null(dv_graph_stall(world.graph).node);
        world.cured = false;
    }
    finish(&world);
}

static void off_means_off(void **state)
{
    (void)state;
    static struct world world;
    start(&world, "stall: 0s", IN_BUT("count: 9") OUT_BUT("fault: hold"));
    run_until_stalled(&world, 4000000);
    assert_null(dv_graph_stall(world.graph).node);
    finish(&world);
}

static void it_ends_the_run_where_that_is_asked_for(void **state)
{
    (void)state;
    static struct world world;
    start(&world, "stall: 2s\nstall_exit: true\ndrain: 1s", IN OUT_BUT("fault: hold, since: 3"));
    run_ms(&world, 20000);
    assert_true(world.done);
    assert_int_equal(world.rc, DV_E_DEPENDENCY);
    assert_int_equal(dv_rc_exit(world.rc), 5);
    assert_non_null(strstr(dv_graph_error(world.graph)->text, "node 'out': stalled"));
    dv_graph_free(world.graph);
    dv_arena_free(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stall_is_seen_in_time_and_named),
        cmocka_unit_test(calm_and_slow_graphs_are_left_in_peace),
        cmocka_unit_test(it_ends_by_itself_when_things_go_on),
        cmocka_unit_test(off_means_off),
        cmocka_unit_test(it_ends_the_run_where_that_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
