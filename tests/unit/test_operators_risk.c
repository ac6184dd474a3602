/* SPDX-License-Identifier: Apache-2.0
 * test_operators_risk.c - the meter says what counting the newest records says, and what is above the limit is kept back.
 * shows: PRV-4 PRV-8 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/random.h"
#include "engine/stats.h"
#include "privacy/risk_meter.h"
#include "tests/unit/operators_world.h"

#define SOURCE "  in: { op: source, from: text, schema: visit }\n"

enum { ADDED = 3000, SAMPLE = 64 };

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n  id: { type: text, class: direct-id }\n"
               "  age: { type: int, class: quasi-id }\n  ward: { type: text, class: sensitive }\n");
    return 0;
}

/* The figures of the last records, counted from nothing. */
static void count_again(const uint64_t (*seen)[2], unsigned to, struct dv_risk *ret)
{
    unsigned from = to > SAMPLE ? to - SAMPLE : 0;
    uint64_t subjects = 0, classes = 0, k = UINT64_MAX, unique = 0;
    double squares = 0;
    for (unsigned i = from; i < to; i++) {
        uint64_t size = 0;
        bool is_first = seen[i][1] != 0;
        for (unsigned j = from; j < i; j++)
            is_first = is_first && (seen[j][0] != seen[i][0] || seen[j][1] == 0);
        for (unsigned j = from; is_first && j < to; j++) {
            bool fresh = seen[j][0] == seen[i][0] && seen[j][1] != 0;
            for (unsigned other = from; fresh && other < j; other++)
                fresh = seen[other][0] != seen[j][0] || seen[other][1] != seen[j][1];
            size += fresh;
        }
        if (!is_first)
            continue;
        classes++;
        subjects += size;
        squares += (double)(size * size);
        unique += size == 1;
        k = size < k ? size : k;
    }
    *ret = dv_risk_of(subjects, classes, classes > 0 ? k : 0, unique, squares, 0);
}

static void test_meter_counts_the_newest(void **state)
{
    (void)state;
    static uint64_t seen[ADDED][2];
    const char *given = getenv("DATAVAULT_SEED");
    uint64_t number = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    struct dv_random chance;
    struct dv_arena arena;
    struct dv_risk_meter meter;
    print_message("DATAVAULT_SEED=%llu\n", (unsigned long long)number);
    dv_random_seed(&chance, number);
    dv_arena_init(&arena, 1 << 20);
    assert_int_equal(dv_risk_meter_init(&meter, SAMPLE, &arena), DV_OK);
    for (unsigned i = 0; i < ADDED; i++) {
        unsigned spread = 1 + i / 100; /* from few combinations to many */
        seen[i][0] = (dv_random_below(&chance, spread) + 1) << 33 | 1u;
        seen[i][1] = dv_random_below(&chance, 12);
        dv_risk_meter_add(&meter, seen[i][0], seen[i][1]);
        struct dv_risk expected, found = dv_risk_meter_read(&meter, 0);
        count_again((const uint64_t (*)[2])seen, i + 1, &expected);
        assert_int_equal(found.k, expected.k);
        assert_int_equal(found.unique, expected.unique);
        assert_int_equal(found.classes, expected.classes);
        assert_int_equal(found.subjects, expected.subjects);
        assert_true(found.marketer == expected.marketer && found.discernibility == expected.discernibility);
    }
    dv_arena_free(&arena);
}

static double figure(struct world *world, const char *name)
{
    struct dv_gauge gauge;
    for (uint32_t node = 0; node < dv_graph_node_count(world->graph); node++)
        for (uint32_t i = 0; dv_node_gauge(dv_graph_node(world->graph, node), i, &gauge); i++)
            if (strcmp(gauge.name, name) == 0)
                return gauge.value;
    return -1;
}

static void load(struct world *world, const char *options)
{
    char nodes[400];
    (void)snprintf(nodes, sizeof nodes, SOURCE "  r: { op: risk, after: in%s }\n  out: { op: lines, after: r }\n", options);
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
}

#define VISIT(id, age) "{\"id\":\"" id "\",\"age\":" #age ",\"ward\":\"w\"}\n"

/* Two are too few until a third comes, a second later; then both batches leave, in order. */
static void test_held_until_others_come(void **state)
{
    struct world *world = *state;
    load(world, ", max_risk: 0.34, hold: 5s");
    world_begin(world, VISIT("A", 30) VISIT("B", 30) "\n@1\n" VISIT("C", 30) "\n@30\n" VISIT("A", 30));
    while (!world->done && world->loop.now_ns < UINT64_C(500000000) && dv_loop_sim_step(&world->loop)) {
    }
    assert_true(figure(world, "over") == 1 && figure(world, "k") == 2 && figure(world, "prosecutor") == 0.5);
    assert_string_equal(dv_node_status(dv_graph_node(world->graph, 1)), "the risk of re-identification is above max_risk");
    assert_int_equal(world->output_length, 0);
    while (!world->done && world->loop.now_ns < UINT64_C(2000000000) && dv_loop_sim_step(&world->loop)) {
    }
    assert_string_equal(dv_node_status(dv_graph_node(world->graph, 1)), "");
    assert_true(figure(world, "over") == 0 && figure(world, "k") == 3);
    assert_non_null(strstr(world->output, "\"A\""));
    assert_true(strstr(world->output, "\"A\"") < strstr(world->output, "\"C\""));
    world_steps(world);
    world_end(world);
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(world->settled, world->claimed);
    assert_int_equal(world->letter_count, 0);
}

static void test_hold_ends_by_itself(void **state)
{
    struct world *world = *state;
    load(world, ", max_risk: 0.2, hold: 2s");
    assert_string_equal(world_run(world, VISIT("A", 30) VISIT("B", 30)), "");
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(world->letter_count, 2);
    assert_int_equal(world->letter[0].code, DV_E_LIMIT);
    assert_int_equal(world->settled, world->claimed);
}

static void test_rejected_at_once(void **state)
{
    struct world *world = *state;
    load(world, ", max_risk: 0.5, when_over: reject");
    const char *output = world_run(world, VISIT("A", 30) "\n" VISIT("B", 30) "\n" VISIT("C", 30));
    assert_null(strstr(output, "\"A\""));
    assert_non_null(strstr(output, "\"B\""));
    assert_non_null(strstr(output, "\"C\""));
    assert_int_equal(world->letter_count, 1);
}

static void test_stopped(void **state)
{
    struct world *world = *state;
    load(world, ", max_risk: 0.9, when_over: stop, measure: uniqueness");
    assert_string_equal(world_run(world, VISIT("A", 30)), "");
    assert_int_equal(world->rc, DV_E_RISK);
}

static void test_only_measured(void **state)
{
    struct world *world = *state;
    load(world, "");
    assert_non_null(strstr(world_run(world, VISIT("A", 30)), "\"A\""));
    assert_string_equal(world_label(world, "out", "age"), "quasi-id, plain");
}

static void test_refused(void **state)
{
    struct world *world = *state;
    assert_false(world_load(world, SOURCE "  r: { op: risk, after: in, quasi: agee }\n  out: { op: lines, after: r }\n"));
    assert_non_null(strstr(world->findings, "did you mean 'age'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meter_counts_the_newest),
        cmocka_unit_test_setup_teardown(test_held_until_others_come, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_hold_ends_by_itself, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_rejected_at_once, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_only_measured, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
