/* SPDX-License-Identifier: Apache-2.0
 * test_operators_memory.c - wherever memory ends, nothing crashes, nothing half done goes on and nothing is lost
 * unseen. shows: PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "engine/memory.h"
#include "tests/unit/operators_world.h"

/* Every operator, so that a limit anywhere in the graph is met. */
static const char nodes[] =
    "  in: { op: source, from: text, schema: visit }\n"
    "  few: { op: project, after: in, drop: [_extra] }\n"
    "  r: { op: route, after: few, column: ward, in: [A, B] }\n"
    "  a: { op: anonymize, after: r.matched, policy: safe }\n"
    "  e: { op: encrypt, after: a, key: visits }\n"
    "  d: { op: decrypt, after: e, schema: visit, policy: safe }\n"
    "  p: { op: declassify, after: d, columns: [age], reason: invented for this test }\n"
    "  t: { op: aggregate, after: r.rest, by: ward, sums: age, quantiles: { column: age, of: [0.5] } }\n"
    "  groups: { op: lines, after: t }\n"
    "  out: { op: lines, after: p }\n";

static const char schema[] = "name: visit\nsubject: id\nfields:\n"
                             "  id: { type: text, class: direct-id }\n"
                             "  name: { type: text, class: direct-id }\n"
                             "  age: { type: int, class: quasi-id }\n"
                             "  ward: { type: text, class: sensitive }\n"
                             "  note: { type: text, class: free-text }\n";

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml", schema);
    world_file(*state, "policies/safe.yaml",
               "name: safe\nfields:\n  id: { pseudonym: { domain: p } }\n"
               "  name: { mask: { style: text } }\n  age: { generalize: { to: age-band } }\n"
               "  ward: keep\n  note: redact\n");
    world_keyring(*state);
    return 0;
}

static char input[1 << 20];

/* `count` records with notes of `size` bytes, every second one in a ward that is aggregated. */
static void write_input(unsigned count, size_t size)
{
    size_t at = 0;
    input[0] = '\0';
    for (unsigned i = 0; i < count; i++)
        at += (size_t)snprintf(
            input + at, sizeof input - at,
            "{\"id\":\"P%u\",\"name\":\"Ann Lee\",\"age\":%u,\"ward\":\"%s\",\"note\":\"%0*d a@b.example\"}\n", i,
            20 + i % 60, i % 2 != 0 ? "A" : "C", (int)size, 0);
    assert_true(at < sizeof input - 1);
}

static unsigned lines_in(const char *text, const char *start)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, start)) != NULL; at++)
        count++;
    return count;
}

/* The records that are in the groups shown. */
static unsigned counted(const char *output)
{
    unsigned sum = 0;
    for (const char *at = output; (at = strstr(at, "\"count\":")) != NULL; at++)
        sum += (unsigned)strtoul(at + 8, NULL, 10);
    return sum;
}

/* The schema with a comment of `pad` bytes: what is allocated after it lies that much further on. */
static void pad_schema(struct world *world, size_t pad)
{
    static char text[DV_ARENA_CHUNK + sizeof schema + 16];
    (void)snprintf(text, sizeof text, "%s#%0*d\n", schema, (int)pad, 0);
    world_file(world, "schemas/visit.yaml", text);
}

/* The graph's own memory ends at one place after the other, while it is loaded or while it is opened. */
static void test_graph_memory(void **state)
{
    struct world *world = *state;
    unsigned refused = 0, ran = 0;
    write_input(8, 10);
    for (size_t chunks = 2; ran == 0 || chunks < 8; chunks++) {
        assert_true(chunks < 64);
        for (size_t pad = 0; pad < DV_ARENA_CHUNK; pad += 400) {
            dv_graph_free(world->graph);
            world->graph = NULL;
            dv_arena_free(&world->arena);
            dv_arena_init(&world->arena, chunks * DV_ARENA_CHUNK);
            pad_schema(world, pad);
            if (!world_load(world, nodes)) {
                refused++;
                continue;
            }
            const char *output = world_run(world, input);
            assert_true(world->rc == DV_OK || world->output_length == 0);
            ran += world->rc == DV_OK;
            assert_true(world->rc != DV_OK || lines_in(output, "out.visit") == 4);
        }
    }
    assert_true(refused > 0 && ran > 0);
}

/* The n-th allocation of a run fails. Either the run says so, or every record is at its end or a dead letter. */
static void test_nth_allocation(void **state)
{
    struct world *world = *state;
    unsigned failed = 0;
    write_input(60, 200);
    for (uint64_t nth = 1; nth < 120; nth++) {
        assert_true(world_load(world, nodes));
        dv_memory_fail_at(nth);
        const char *output = world_run(world, input);
        dv_memory_fail_at(0);
        assert_null(strstr(output, "Ann"));
        failed += world->rc != DV_OK;
        if (world->rc == DV_OK && !world->stalled)
            assert_int_equal(lines_in(output, "out.visit") + counted(output) + world->letter_count, 60);
    }
    assert_true(failed > 0);
}

/* A batch's memory ends: what does not fit is rejected, what fits goes on. */
static void test_batch_memory(void **state)
{
    struct world *world = *state;
    unsigned rejected = 0;
    for (size_t size = 2000; size < 4000; size += 100) {
        write_input(240, size);
        assert_true(world_load(world, nodes));
        const char *output = world_run(world, input);
        if (world->rc != DV_OK)
            continue;
        rejected += world->letter_count;
        assert_null(strstr(output, "Ann"));
        for (unsigned i = 0; i < world->letter_count; i++)
            if (world->letter[i].code != DV_E_MEMORY && world->letter[i].code != DV_E_LIMIT)
                fail_msg("size %zu: %s: %s: %s", size, world->letter[i].node, dv_rc_name(world->letter[i].code),
                         world->letter[i].reason);
    }
    assert_true(rejected > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_graph_memory, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_nth_allocation, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_batch_memory, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
