/* SPDX-License-Identifier: Apache-2.0
 * test_operators_kanonymize.c - over random windows: whatever leaves is shared by k subjects, ranges hold what they stand for,
 * each record leaves once or is left out, and receipts are settled in the end.
 * shows: PRV-4 PRV-5 PRV-6 */
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
#include "tests/unit/operators_world.h"

#define SOURCE "  in: { op: source, from: text, schema: visit }\n"

enum { RECORDS = 1500, ROUNDS = 25, COMBINATIONS = RECORDS };

static struct dv_random chance;

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n"
               "  id: { type: text, class: direct-id }\n"
               "  age: { type: int, class: quasi-id }\n"
               "  zip: { type: text, class: quasi-id }\n"
               "  ward: { type: text, class: sensitive }\n"
               "  serial: { type: int, class: public }\n"
               "  note: { type: text, class: free-text }\n");
    return 0;
}

static int seed(void **state)
{
    const char *given = getenv("DATAVAULT_SEED");
    uint64_t number = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)(uintptr_t)state ^ (uint64_t)time(NULL);
    print_message("DATAVAULT_SEED=%llu\n", (unsigned long long)number);
    dv_random_seed(&chance, number);
    return 0;
}

/* What was put in, by serial number. */
static struct record {
    unsigned person, zip;
    int age; /* -1: missing */
    unsigned seen;
} records[RECORDS];

static char input[1 << 18];

static size_t add(size_t length, const char *text)
{
    return length + (size_t)snprintf(input + length, sizeof input - length, "%s", text);
}

/* Random people in random batches over some windows of 10 s. */
static unsigned make_input(unsigned people)
{
    unsigned count = (unsigned)dv_random_below(&chance, RECORDS);
    unsigned second = 0;
    size_t length = 0;
    for (unsigned i = 0; i < count; i++) {
        char line[200], age[32] = "";
        struct record *record = &records[i];
        *record = (struct record){ .person = (unsigned)dv_random_below(&chance, people),
                                   .zip = (unsigned)dv_random_below(&chance, 40), .age = -1 };
        if (!dv_random_chance(&chance, 3)) {
            record->age = (int)dv_random_below(&chance, 90);
            (void)snprintf(age, sizeof age, "\"age\":%d,", record->age);
        }
        if (i > 0 && dv_random_chance(&chance, 2)) {
            second += (unsigned)dv_random_below(&chance, 8);
            (void)snprintf(line, sizeof line, "\n@%u\n", second);
            length = add(length, line);
        } else if (i % 100 == 99) {
            length = add(length, "\n");
        }
        (void)snprintf(line, sizeof line, "{\"id\":\"P%u\",%s\"zip\":\"98%u\",\"ward\":\"w%u\",\"serial\":%u,\"note\":\"secret\"}\n",
                       record->person, age, 100 + record->zip, (unsigned)dv_random_below(&chance, 3), i);
        length = add(length, line);
    }
    input[length] = '\0';
    return count;
}

/* A combination that left, and who shares it. */
struct combination {
    char text[160];
    unsigned people[RECORDS], count;
};

static struct combination *combinations;
static unsigned combination_count;

static void share(const char *text, unsigned person)
{
    struct combination *found = NULL;
    for (unsigned i = 0; i < combination_count && found == NULL; i++)
        found = strcmp(combinations[i].text, text) == 0 ? &combinations[i] : NULL;
    if (found == NULL) {
        found = &combinations[combination_count++];
        found->count = 0;
        (void)snprintf(found->text, sizeof found->text, "%s", text);
    }
    for (unsigned i = 0; i < found->count; i++)
        if (found->people[i] == person)
            return;
    found->people[found->count++] = person;
}

/* Whether the record's age and ZIP code are what the line stands for. */
static void assert_holds(const struct record *record, const char *line)
{
    char zip[16];
    int low = 0, high = 0;
    const char *age = strstr(line, "\"age\":\"");
    const char *shown = strstr(line, "\"zip\":\"");
    assert_non_null(shown);
    if (age != NULL && sscanf(age, "\"age\":\"[%d,%d]\"", &low, &high) == 2)
        assert_true(record->age >= low && record->age <= high && low < high);
    else if (age != NULL && sscanf(age, "\"age\":\"%d\"", &low) == 1)
        assert_int_equal(record->age, low);
    else
        assert_true(age != NULL ? strncmp(age, "\"age\":\"*\"", 9) == 0 : record->age < 0);
    (void)snprintf(zip, sizeof zip, "98%u", 100 + record->zip);
    shown += 7;
    for (size_t i = 0; i < 5 && shown[i] != '*'; i++)
        assert_int_equal(shown[i], zip[i]);
}

/* Reads what left: each line is a record that was put in, and left once. Lines of one window share its end. */
static void read_output(const char *output, unsigned count)
{
    combination_count = 0;
    for (const char *line = output, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char text[512];
        unsigned serial = RECORDS;
        (void)snprintf(text, sizeof text, "%.*s", (int)(end - line), line);
        char *ward = strstr(text, ",\"ward\"");
        assert_null(strstr(text, "secret"));
        assert_null(strstr(text, "\"id\""));
        assert_non_null(ward);
        assert_int_equal(sscanf(strstr(ward, "\"serial\""), "\"serial\":%u", &serial), 1);
        assert_true(serial < count);
        assert_int_equal(records[serial].seen++, 0);
        assert_holds(&records[serial], text);
        *ward = '\0';
        share(text, records[serial].person);
    }
}

static double gauge_of(struct world *world, const char *name)
{
    struct dv_gauge gauge;
    for (uint32_t node = 0; node < dv_graph_node_count(world->graph); node++)
        for (uint32_t i = 0; dv_node_gauge(dv_graph_node(world->graph, node), i, &gauge); i++)
            if (strcmp(gauge.name, name) == 0)
                return gauge.value;
    return -1;
}

/* Windows may show the same combination twice; over all of them it is shared by no fewer than in one. */
static void test_random_windows(void **state)
{
    struct world *world = *state;
    static const char *const more[] = { "", ", leftover: carry", ", method: relaxed", ", suppress_max: 0.1", ", of: ward, l: 2",
                                        ", of: ward, t: 0.2, leftover: carry", ", rows_max: 256, leftover: carry" };
    combinations = test_calloc(COMBINATIONS, sizeof *combinations);
    unsigned shown = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char nodes[512];
        unsigned k = 2 + (unsigned)dv_random_below(&chance, 12);
        unsigned count = make_input(1 + (unsigned)dv_random_below(&chance, 400));
        (void)snprintf(nodes, sizeof nodes,
                       SOURCE "  k: { op: kanonymize, after: in, k: %u, prefixes: zip%s }\n  out: { op: lines, after: k }\n", k,
                       more[dv_random_below(&chance, sizeof more / sizeof more[0])]);
        if (!world_load(world, nodes))
            fail_msg("%s", world->findings);
        world_begin(world, input);
        world_steps(world);
        world_end(world);
        assert_int_equal(world->rc, DV_OK);
        assert_false(world->stalled);
        assert_int_equal(world->settled, world->claimed);
        read_output(world->output, count);
        for (unsigned i = 0; i < combination_count; i++)
            if (combinations[i].count < k)
                fail_msg("%s is shared by %u of %u", combinations[i].text, combinations[i].count, k);
        shown += combination_count;
        world_teardown(state);
        (void)setup(state);
        world = *state;
    }
    assert_true(shown > 100);
    test_free(combinations);
}

static const char *kanonymized(struct world *world, const char *options, const char *text)
{
    char nodes[512];
    (void)snprintf(nodes, sizeof nodes, SOURCE "  k: { op: kanonymize, after: in%s }\n  out: { op: lines, after: k }\n", options);
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
    return world_run(world, text);
}

#define VISIT(id, age, zip) "{\"id\":\"" id "\",\"age\":" #age ",\"zip\":\"" zip "\",\"ward\":\"w\"}\n"

static void test_one_person_often_is_one(void **state)
{
    const char *text = VISIT("A", 30, "1") VISIT("A", 30, "1") VISIT("A", 30, "1") VISIT("A", 30, "1") VISIT("A", 30, "1");
    assert_string_equal(kanonymized(*state, "", text), "");
    assert_int_equal(((struct world *)*state)->settled, ((struct world *)*state)->claimed);
}

static void test_sets_and_ranges(void **state)
{
    const char *text = VISIT("A", 30, "a") VISIT("B", 31, "b") VISIT("C", 30, "a");
    const char *output = kanonymized(*state, ", k: 3", text);
    for (int i = 0; i < 3; i++, output = strchr(output, '\n') + 1)
        assert_ptr_equal(strstr(output, "out.visit {\"age\":\"[30,31]\",\"zip\":\"a|b\",\"ward\":\"w\"}\n"), output);
    assert_string_equal(output, "");
}

/* Two of a window are too few; with two of the next they are enough. */
static void test_leftovers_wait_for_one_window(void **state)
{
    const char *text = VISIT("A", 30, "a") VISIT("B", 30, "a") "\n@12\n" VISIT("C", 30, "a") "\n@22\n" VISIT("D", 30, "a");
    const char *output = kanonymized(*state, ", k: 3, leftover: carry", text);
    assert_int_equal(strlen(output), 3 * strlen("out.visit {\"age\":\"30\",\"zip\":\"a\",\"ward\":\"w\"}\n"));
    assert_int_equal(((struct world *)*state)->settled, ((struct world *)*state)->claimed);
}

static void test_leftovers_are_counted(void **state)
{
    struct world *world = *state;
    if (!world_load(world, SOURCE "  k: { op: kanonymize, after: in, k: 3 }\n  out: { op: lines, after: k }\n"))
        fail_msg("%s", world->findings);
    world_begin(world, VISIT("A", 30, "a") VISIT("B", 30, "a") "\n@12\n" VISIT("C", 30, "a") "\n@50\n" VISIT("D", 30, "a"));
    while (!world->done && gauge_of(world, "suppressed") < 3 && dv_loop_sim_step(&world->loop)) {
    }
    assert_true(gauge_of(world, "suppressed") == 3);
    assert_true(gauge_of(world, "shown") == 0 && gauge_of(world, "windows") == 2);
    world_steps(world);
    world_end(world);
}

static void test_labels(void **state)
{
    static const char *const expected[][3] = {
        { "age", "quasi-id, generalized(7)", "text" }, { "zip", "quasi-id, generalized(7)", "text" },
        { "ward", "sensitive, plain", "text" },        { "serial", "public, plain", "int" },
        { "id", "-", "-" },                            { "note", "-", "-" },
        { "_extra", "-", "-" },
    };
    struct world *world = *state;
    if (!world_load(world, SOURCE "  k: { op: kanonymize, after: in, k: 7 }\n  out: { op: lines, after: k }\n"))
        fail_msg("%s", world->findings);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_string_equal(world_label(world, "out", expected[i][0]), expected[i][1]);
        assert_string_equal(world_type(world, "out", expected[i][0]), expected[i][2]);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *options, *said;
    } bad[] = {
        { ", quasi: [age, zip, id]", "P110" },   { ", quasi: age", "P111" },        { ", quasi: [age, zip, note]", "P110" },
        { ", quasi: [age, age, zip]", "C183" },  { ", l: 2", "C193" },              { ", t: 0.5", "C193" },
        { ", of: ward", "C194" },                { ", of: age, l: 2", "C197" },     { ", of: note, l: 2", "C197" },
        { ", prefixes: age", "C192" },           { ", prefixes: ward", "C192" },    { ", of: ward, l: 1.5, diversity: recursive", "C195" },
        { ", suppress_max: 0.6", "C196" },       { ", k: 1", "C006" },              { ", quasi: agee", "agee" },
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char nodes[512];
        (void)snprintf(nodes, sizeof nodes, SOURCE "  k: { op: kanonymize, after: in%s }\n  out: { op: lines, after: k }\n",
                       bad[i].options);
        assert_false(world_load(world, nodes));
        if (strstr(world->findings, bad[i].said) == NULL)
            fail_msg("%s: %s", bad[i].options, world->findings);
        world_teardown(state);
        (void)setup(state);
        world = *state;
    }
    assert_false(world_load(world, SOURCE "  p: { op: project, after: in, drop: [id] }\n  k: { op: kanonymize, after: p }\n"
                                          "  out: { op: lines, after: k }\n"));
    assert_non_null(strstr(world->findings, "P106"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_windows, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_one_person_often_is_one, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_sets_and_ranges, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_wait_for_one_window, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_leftovers_are_counted, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_labels, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
