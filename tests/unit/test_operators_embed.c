/* SPDX-License-Identifier: Apache-2.0
 * test_operators_embed.c - what `embed` makes is as personal as what it is made of, and it refuses what has no text.
 * shows: VEC-2 PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/operators_world.h"

#define SOURCE "  in: { op: source, from: text, schema: visit }\n"
#define EMBED(columns) SOURCE "  e: { op: embed, after: in, columns: " columns ", embedder: none }\n  out: { op: lines, after: e }\n"

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nfields:\n"
               "  id: { type: text, class: direct-id }\n"
               "  age: { type: int, class: quasi-id }\n"
               "  cost: { type: float, class: sensitive }\n"
               "  count: { type: int, class: public }\n"
               "  place: { type: text, class: public }\n"
               "  memo: { type: json, class: sensitive }\n"
               "  raw: { type: bytes, class: public }\n"
               "  note: { type: text, class: free-text }\n");
    world_file(*state, "policies/redacting.yaml",
               "name: redacting\nfields:\n  note: redact\n  place: keep\n  count: keep\n  age: { generalize: { to: age-band, width: 10, top: 90 } }\n"
               "classes: { direct-id: drop, quasi-id: drop, sensitive: drop, free-text: drop, public: keep }\n");
    return 0;
}

static void loads(struct world *world, const char *nodes)
{
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
}

static void labelled(void **state, const char *nodes, const char *label)
{
    struct world *world = *state;
    loads(world, nodes);
    assert_string_equal(world_label(world, "out", "text"), label);
    assert_string_equal(world_label(world, "out", "embedding"), label);
    assert_string_equal(world_label(world, "out", "embedding_model"), "public, plain");
    assert_string_equal(world_type(world, "out", "embedding"), "bytes");
}

static void test_one_column(void **state)
{
    labelled(state, EMBED("id"), "direct-id, plain");
}

static void test_the_worst_of_some(void **state)
{
    labelled(state, EMBED("[count, cost, age]"), "quasi-id, plain");
}

static void test_public_numbers_alone(void **state)
{
    labelled(state, EMBED("[count]"), "public, plain");
}

#define REDACTED(columns)                                                                                              \
    SOURCE "  a: { op: anonymize, after: in, policy: redacting }\n"                                                    \
           "  e: { op: embed, after: a, columns: " columns ", embedder: none }\n  out: { op: lines, after: e }\n"

static void test_redacted_text_stays_so_beside_a_number(void **state)
{
    labelled(state, REDACTED("[note, count]"), "free-text, redacted");
}

/* Somebody may have typed a name into what is public, and nobody would look for it in redacted text. */
static void test_redacted_text_beside_a_typed_one(void **state)
{
    labelled(state, REDACTED("[note, place]"), "free-text, plain");
}

static void test_findings(void **state)
{
    struct world *world = *state;
    assert_false(world_load(world, EMBED("[raw]")));
    assert_non_null(strstr(world->findings, "C220"));
    assert_false(world_load(world, EMBED("[nobody]")));
    assert_non_null(strstr(world->findings, "nobody"));
    assert_false(world_load(world, SOURCE "  d: { op: embed, after: in, columns: place, embedder: none }\n"
                                          "  e: { op: embed, after: d, columns: place, embedder: none }\n  out: { op: lines, after: e }\n"));
    assert_non_null(strstr(world->findings, "C222"));
}

/* The graphs of these tests have batches of 1 MiB: half of it is 256 vectors of 512 numbers. */
static void test_vectors_fit_a_batch(void **state)
{
    struct world *world = *state;
#define WIDE(width)                                                                                                    \
    SOURCE "  e: { op: embed, after: in, columns: count, embedder: openai, model: m, url: 'http://127.0.0.1:9', dimensions: " width " }\n"   \
           "  out: { op: lines, after: e }\n"
    loads(world, WIDE("512"));
    assert_false(world_load(world, WIDE("513")));
    assert_non_null(strstr(world->findings, "C226"));
    assert_non_null(strstr(world->findings, "1050624")); /* what `batch_bytes` must be */
}

static void test_runs(void **state)
{
    struct world *world = *state;
    loads(world, SOURCE "  e: { op: embed, after: in, columns: [place, memo, count], embedder: none }\n"
                        "  p: { op: project, after: e, keep: [text] }\n  out: { op: lines, after: p }\n");
    const char *output = world_run(world, "{\"place\":\"a\",\"memo\":[1, 2]}\n{\"count\":3}\n\n{\"id\":\"x\"}\n");
    assert_string_equal(output, "out.visit {\"text\":\"place: a; memo: [1, 2]\"}\nout.visit {\"text\":\"count: 3\"}\nout.visit {}\n");
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(world->settled, world->claimed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_column, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_the_worst_of_some, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_public_numbers_alone, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_redacted_text_stays_so_beside_a_number, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_redacted_text_beside_a_typed_one, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_findings, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_vectors_fit_a_batch, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_runs, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
