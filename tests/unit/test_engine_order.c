/* SPDX-License-Identifier: Apache-2.0
 * test_engine_order.c - `order: key`: a sink that answers late, out of order, with errors that heal and with poison gets the
 * records of a key in their order; without the setting it does not, so that the test can fail.
 *
 * shows: BCP-2 R9 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/node.h"

enum { SEEDS = 2000, KEYS = 40, BATCHES = 30, ROWS_MAX = 12, HELD_MAX = 6, WIDE = 200 };
enum { COLUMN_KEY, COLUMN_NUMBER };

struct world {
    char text[1024]; /* findings point into it */
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph;
    struct dv_random random;
    uint32_t next[KEYS];  /* number of the key's next record */
    uint32_t last[KEYS];  /* the greatest number that was delivered */
    uint32_t made, ended; /* records; those that ended: delivered or rejected, once */
    uint32_t inversions;
    uint32_t side_by_side; /* most batches with the sink at once */
    bool done;
    dv_rc rc;
};

static struct world *world_of(const struct dv_node *node)
{
    return node->graph->services[DV_SERVICE_FEED];
}

struct source { uint32_t made; };

static dv_rc source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "s", 2);
    (void)dv_schema_add(schema, "key", DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    (void)dv_schema_add(schema, "number", DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    shape->out[0] = schema;
    return DV_OK;
}

static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct source *source = dv_state(node);
    struct world *world = world_of(node);
    if (source->made++ == BATCHES) {
        dv_end(node);
        return DV_DROP;
    }
    batch->rows = 1 + (uint32_t)dv_random_below(&world->random, ROWS_MAX);
    for (uint32_t row = 0; row < batch->rows; row++) {
        uint32_t key = (uint32_t)dv_random_below(&world->random, KEYS);
        batch->cells[COLUMN_KEY][row] = (struct dv_cell){ .integer = key, .present = 1 };
        batch->cells[COLUMN_NUMBER][row] = (struct dv_cell){ .integer = ++world->next[key], .present = 1 };
        world->made++;
    }
    dv_claim(node, batch, source->made, source->made);
    return DV_PASS;
}

struct sink {
    struct { struct dv_timer timer; struct dv_batch *batch; dv_rc answer; bool made; } places[HELD_MAX];
    uint32_t count;
};

static bool is_poison(const struct dv_batch *batch, uint32_t row)
{
    return (batch->cells[COLUMN_KEY][row].integer * 7 + batch->cells[COLUMN_NUMBER][row].integer) % 97 == 0;
}

static dv_rc judge(const struct dv_node *node, const struct dv_batch *batch)
{
    struct world *world = world_of(node);
    for (uint32_t row = 0; row < batch->rows; row++)
        if (is_poison(batch, row))
            return DV_E_DATA;
    return dv_random_chance(&world->random, 20) ? dv_random_chance(&world->random, 50) ? DV_E_DEPENDENCY : DV_E_IO : DV_PASS;
}

/* A record that was rejected alone keeps its place in the order as well. */
static void deliver(struct dv_node *node, const struct dv_batch *batch, dv_rc answer)
{
    struct world *world = world_of(node);
    if (answer != DV_PASS && !(answer == DV_E_DATA && batch->rows == 1))
        return;
    for (uint32_t row = 0; row < batch->rows; row++) {
        uint32_t key = (uint32_t)batch->cells[COLUMN_KEY][row].integer;
        uint32_t number = (uint32_t)batch->cells[COLUMN_NUMBER][row].integer;
        world->inversions += number < world->last[key];
        world->last[key] = number > world->last[key] ? number : world->last[key];
        world->ended++;
    }
}

static void on_due(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct sink *sink = dv_state(node);
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        struct dv_batch *batch = sink->places[i].batch;
        if (&sink->places[i].timer != timer)
            continue;
        sink->places[i].batch = NULL;
        sink->count--;
        deliver(node, batch, sink->places[i].answer);
        dv_finish(node, batch, sink->places[i].answer);
        return;
    }
}

static dv_rc sink_process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink *sink = dv_state(node);
    struct world *world = world_of(node);
    dv_rc answer = judge(node, batch);
    if (dv_random_chance(&world->random, 20)) {
        deliver(node, batch, answer);
        return answer;
    }
    uint32_t i = 0;
    while (sink->places[i].batch != NULL)
        i++;
    if (!sink->places[i].made)
        dv_timer_init(dv_node_loop(node), &sink->places[i].timer, on_due, node);
    sink->places[i].made = true;
    sink->places[i].batch = batch;
    sink->places[i].answer = answer;
    dv_timer_start(&sink->places[i].timer, 1 + dv_random_below(&world->random, 200));
    sink->count++;
    world->side_by_side = sink->count > world->side_by_side ? sink->count : world->side_by_side;
    return DV_HOLD;
}

static void sink_close(struct dv_node *node)
{
    struct sink *sink = dv_state(node);
    for (uint32_t i = 0; i < HELD_MAX; i++)
        dv_timer_close(&sink->places[i].timer);
}

static dv_rc same(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    shape->out[0] = shape->in;
    return DV_OK;
}

static dv_rc pass(struct dv_node *node, struct dv_batch *batch)
{
    (void)batch;
    return dv_random_chance(&world_of(node)->random, 10) ? DV_E_DEPENDENCY : DV_PASS;
}

static dv_rc nothing(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

static const struct dv_operator t_source = { .name = "t-source", .size = sizeof(struct source), .source = true,
    .makes = true, .credits = 8, .transfer = source_transfer, .process = source_process };
static const struct dv_operator t_pass = { .name = "t-pass", .size = 1, .transfer = same, .process = pass };
static const struct dv_operator t_sink = { .name = "t-sink", .size = sizeof(struct sink), .sink = true,
    .held_max = HELD_MAX, .exit = DV_EXIT_FILE, .transfer = nothing, .process = sink_process, .close = sink_close };
static const struct dv_operator t_wide = { .name = "t-wide", .size = 1, .sink = true, .held_max = WIDE, .exit = DV_EXIT_FILE,
    .transfer = nothing, .process = sink_process }; /* is never run */
static const struct dv_operator *const operators[] = { &t_source, &t_pass, &t_sink, &t_wide, NULL };

static void load_within(struct world *world, const char *nodes, size_t arena_bytes)
{
    *world = (struct world){ 0 };
    char *text = world->text;
    (void)snprintf(text, sizeof world->text, "name: t\nmemory: 1TiB\nbatch_bytes: 256KiB\nstall: 0s\ngraph:\n%s", nodes);
    dv_arena_init(&world->arena, arena_bytes);
    dv_diags_init(&world->diags, &world->arena);
    world->graph = dv_graph_parse("t.yaml", text, strlen(text), operators, &world->diags);
}

static void load(struct world *world, const char *nodes)
{
    load_within(world, nodes, 64 << 20);
}

static void on_done(struct dv_graph *graph, dv_rc rc, void *data)
{
    (void)graph;
    ((struct world *)data)->done = true;
    ((struct world *)data)->rc = rc;
}

static void run(struct world *world, const char *nodes, uint64_t seed)
{
    struct dv_error error = { 0 };
    load(world, nodes);
    assert_non_null(world->graph);
    dv_random_seed(&world->random, seed);
    dv_loop_sim_init(&world->loop);
    dv_graph_provide(world->graph, DV_SERVICE_FEED, world);
    assert_int_equal(dv_graph_start(world->graph, &world->loop.base, on_done, world, &error), DV_OK);
    dv_random_seed(&world->graph->random, seed);
    while (!world->done && dv_loop_sim_step(&world->loop))
        continue;
    assert_true(world->done);
    assert_int_equal(world->rc, DV_OK);
    assert_true(world->ended >= world->made - world->graph->nodes[2]->stats.rejected);
    dv_graph_free(world->graph);
    dv_arena_free(&world->arena);
}

#define CHAIN(order) "  in: { op: t-source }\n  mid: { op: t-pass, after: in }\n  out: { op: t-sink, after: mid" order " }\n"

static void no_key_overtakes_itself(void **state)
{
    (void)state;
    static struct world world;
    uint32_t side_by_side = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(&world, CHAIN(", order: key, order_by: key"), seed);
        if (world.inversions > 0)
            fail_msg("seed %llu: %u inversions", (unsigned long long)seed, world.inversions);
        side_by_side = world.side_by_side > side_by_side ? world.side_by_side : side_by_side;
    }
    assert_true(side_by_side > 1); /* batches without a common key need not wait */
}

static void without_it_they_do(void **state)
{
    (void)state;
    static struct world world;
    unsigned with_inversions = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        run(&world, seed % 2 == 0 ? CHAIN("") : CHAIN(", order: none"), seed);
        with_inversions += world.inversions > 0;
    }
    assert_true(with_inversions > 90);
}

static bool says(struct world *world, const char *words)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    dv_diags_print(&world->diags, out, false);
    (void)fclose(out);
    bool found = strstr(text, words) != NULL;
    free(text);
    return found;
}

/* Room is lowered until it is too little: the order needs most of it at once, so it is the first that finds none. */
static void without_memory_it_is_refused(void **state)
{
    static struct world world;
    bool loaded = true;
    (void)state;
    for (size_t bytes = 1 << 20; loaded; bytes -= 32 << 10) {
        assert_true(bytes > 0);
        load_within(&world, "  in: { op: t-source }\n  out: { op: t-wide, after: in, order: key, order_by: key }\n", bytes);
        loaded = world.graph != NULL;
        if (loaded)
            assert_non_null(world.graph->nodes[1]->order);
        else
            assert_true(says(&world, "no memory for the order of 'out'"));
        if (loaded)
            dv_graph_free(world.graph);
        dv_arena_free(&world.arena);
    }
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct { const char *nodes, *says; } wrong[] = {
        { CHAIN(", order: key"), "has no key" },
        { CHAIN(", order: key, order_by: kee"), "no column 'kee'" },
        { CHAIN(", order: keys"), "no such order" },
        { CHAIN(", order_by: key"), "no such order" },
        { CHAIN(", order: none, order_by: key"), "no such order" },
        { "  in: { op: t-source }\n  mid: { op: t-pass, after: in, order: key, order_by: key }\n"
          "  out: { op: t-sink, after: mid }\n", "is no sink" },
        { "  in: { op: t-source }\n  mid: { op: t-pass, after: in }\n"
          "  out: { op: t-sink, after: [mid, in], order: key, order_by: key }\n", "several ways" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        static struct world world;
        load(&world, wrong[i].nodes);
        assert_null(world.graph);
        if (!says(&world, wrong[i].says))
            fail_msg("%s does not say: %s", wrong[i].nodes, wrong[i].says);
        dv_arena_free(&world.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_key_overtakes_itself),
        cmocka_unit_test(without_it_they_do),
        cmocka_unit_test(without_memory_it_is_refused),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
