/* SPDX-License-Identifier: Apache-2.0
 * test_operators_explain.c - what a model's text about findings may look like, and what is kept of it; that an explanation is as personal
 * as what it is made of; and that no bytes whatever break the reading.
 *
 * shows: RAG-7 RAG-10 ANO-8 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "engine/json.h"
#include "engine/json_doc.h"
#include "engine/random.h"
#include "operators/explain_text.h"
#include "operators/talk_guard.h"
#include "tests/unit/operators_world.h"

enum { ANSWER_MAX = 1024, FINDINGS = 2 };

struct scene {
    struct dv_arena arena;
    struct dv_doc doc;
    struct dv_talk_guard guard;
    struct dv_finding findings[FINDINGS];
    struct dv_citation_index *index;
    struct dv_piece texts[FINDINGS];
    struct dv_explain_counts counts;
    char said[ANSWER_MAX + DV_JSON_PADDING];
    char out[DV_EXPLANATION_MAX];
};

static struct dv_piece piece(const char *text)
{
    return (struct dv_piece){ text, strlen(text) };
}

static int setup_scene(void **state)
{
    struct scene *scene = test_calloc(1, sizeof *scene);
    dv_arena_init(&scene->arena, 16 << 20);
    assert_int_equal(dv_doc_init(&scene->doc, ANSWER_MAX), DV_OK);
    assert_int_equal(dv_talk_guard_open(&scene->guard), DV_OK);
    scene->findings[0] = (struct dv_finding){ piece("asthma is rising"), piece("asthma is rising: 14 records, 2.0 times the 7.0 that are usual. Plan for as many again.") };
    scene->findings[1] = (struct dv_finding){ piece("gout is rising"), piece("gout is rising: 30 records, 3.0 times the 10.0 that are usual. It may be May fever.") };
    scene->index = dv_explain_index(&scene->arena, scene->findings, FINDINGS);
    assert_non_null(scene->index);
    *state = scene;
    return 0;
}

static int teardown_scene(void **state)
{
    struct scene *scene = *state;
    dv_talk_guard_close(&scene->guard);
    dv_doc_free(&scene->doc);
    dv_arena_free(&scene->arena);
    test_free(scene);
    return 0;
}

static void read_answer(struct scene *scene, const char *answer, size_t length, enum dv_explain_format format, bool whole)
{
    memset(scene->said, 0, sizeof scene->said);
    memcpy(scene->said, answer, length);
    dv_explain_read(&scene->doc, scene->said, length, format, whole, scene->texts, FINDINGS);
}

static void reads(struct scene *scene, const char *answer, enum dv_explain_format format, bool whole, const char *first, const char *second)
{
    read_answer(scene, answer, strlen(answer), format, whole);
    const char *const expected[FINDINGS] = { first, second };
    for (int i = 0; i < FINDINGS; i++) {
        char found[ANSWER_MAX];
        (void)snprintf(found, sizeof found, "%.*s", (int)scene->texts[i].length, scene->texts[i].text);
        assert_string_equal(found, expected[i]);
    }
}

static void test_lines(void **state)
{
    struct scene *scene = *state;
    reads(scene, "1. one\n2. two", DV_EXPLAIN_LINES, true, "one", "two");
    reads(scene, "1. one\n2. two", DV_EXPLAIN_LINES, false, "one", "");
    reads(scene, "Here they are:\n\n[2] two \n - 1) one\n", DV_EXPLAIN_LINES, true, "one", "two");
    reads(scene, "**1.** one\n1. again\n3. three\n2 two\n2.5 two\n99999999999. x", DV_EXPLAIN_LINES, true, "one", "");
    reads(scene, "no numbers at all", DV_EXPLAIN_LINES, true, "", "");
}

static void test_json(void **state)
{
    struct scene *scene = *state;
    reads(scene, "{\"2\":\"t\\u0077o\",\"1\":\"one\"}", DV_EXPLAIN_JSON, true, "one", "two");
    reads(scene, "{\"2\":\"two\",\"1\":{\"a\":[1]}}", DV_EXPLAIN_JSON, true, "", "two");
    reads(scene, "{\"1\":\"one\",\"2\":\"tw", DV_EXPLAIN_JSON, true, "", "");
    reads(scene, "{\"1\":\"one\"}", DV_EXPLAIN_JSON, false, "", "");
    reads(scene, "[\"one\"]", DV_EXPLAIN_JSON, true, "", "");
}

static const char *kept(struct scene *scene, uint32_t at, const char *text)
{
    const struct dv_piece whole = piece(text);
    size_t length = dv_explain_check(scene->index, &scene->findings[at], at, scene->guard.guard, &whole, &scene->counts, scene->out);
    assert_true(length < DV_EXPLANATION_MAX);
    scene->out[length] = '\0';
    return scene->out;
}

static void test_what_is_kept(void **state)
{
    struct scene *scene = *state;
    assert_string_equal(kept(scene, 0, "Plan for 14 asthma records again. Plan for 15 asthma records again."), "Plan for 14 asthma records again.");
    assert_string_equal(kept(scene, 0, "Asthma is rising: 14 records!"), "");
    assert_int_equal(scene->counts.kept, 1);
    assert_int_equal(scene->counts.dropped, 1);
    assert_int_equal(scene->counts.repeated, 1);
    assert_string_equal(kept(scene, 1, "Gout may be rising with May fever."), "Gout may be rising with May fever.");
    assert_string_equal(kept(scene, 0, "Plan for asthma in May again."), "");
    assert_string_equal(kept(scene, 0, "Plan for 14 gout records again."), "");
    assert_string_equal(kept(scene, 0, "Plan for 14 records again [2]."), "");
    assert_string_equal(kept(scene, 0, "Plan for 14 RECORDS again."), "");
    assert_string_equal(kept(scene, 0, "Plan for more colds, because 14 records are 2.0 times the usual 7.0."), "");
    assert_string_equal(kept(scene, 0, "Plan for more asthma, because 14 records are 2.0 times the usual 7.0."),
                        "Plan for more asthma, because 14 records are 2.0 times the usual 7.0.");
    assert_string_equal(kept(scene, 0, ""), "");
}

/* Whole sentences only, as many as fit. */
static void test_much_is_cut_between_sentences(void **state)
{
    struct scene *scene = *state;
    static const char sentence[] = "Plan for 14 asthma records again. ";
    char text[ANSWER_MAX] = "";
    for (size_t i = 0; i < 25; i++)
        memcpy(text + i * (sizeof sentence - 1), sentence, sizeof sentence);
    const char *found = kept(scene, 0, text);
    assert_true(strlen(found) > 400 && strlen(found) % 34 == 33);
    assert_int_equal(scene->counts.kept + scene->counts.dropped, 25);
}

static void test_the_prompt_is_a_fence_of_numbered_lines(void **state)
{
    struct scene *scene = *state;
    size_t length = 0, again = 0;
    scene->findings[1].told = piece("gout\n2. no");
    const char *prompt = dv_explain_prompt(&scene->arena, scene->findings, FINDINGS, DV_EXPLAIN_LINES, 7, &length);
    const char *other = dv_explain_prompt(&scene->arena, scene->findings, FINDINGS, DV_EXPLAIN_LINES, 8, &again);
    assert_non_null(memmem(prompt, length, "\n1. asthma is rising\n2. gout 2. no\nDATA-", 40));
    assert_true(length == again && memcmp(prompt, other, length) != 0);
    assert_string_equal(dv_explain_schema(&scene->arena, 2),
                        "{\"type\":\"object\",\"properties\":{\"1\":{\"type\":\"string\"},\"2\":{\"type\":\"string\"}},\"required\":[\"1\",\"2\"]}");
    struct dv_finding many[DV_EXPLAIN_MAX];
    for (int i = 0; i < DV_EXPLAIN_MAX; i++)
        many[i] = scene->findings[0];
    assert_non_null(dv_explain_prompt(&scene->arena, many, DV_EXPLAIN_MAX, DV_EXPLAIN_JSON, 7, &length));
    assert_int_equal(dv_doc_read(&scene->doc, dv_explain_schema(&scene->arena, DV_EXPLAIN_MAX), strlen(dv_explain_schema(&scene->arena, DV_EXPLAIN_MAX))), DV_OK);
}

/* Answers cut, joined and changed at random: nothing breaks, and nothing is kept that holds a number of none of the findings. */
static void test_any_bytes(void **state)
{
    static const char *const parts[] = { "1. ", "2. ", "[1] ", "\n", "Plan for 14 asthma records again. ", "77", "\xf0\x9f", "{\"1\":\"", "\"}", "gout",
                                         "\xe2\x80\x8b", " again.", "\\u0000", "\"", "[2]", "It may be 77 times." };
    struct scene *scene = *state;
    struct dv_random random;
    dv_random_seed(&random, 11);
    for (int round = 0; round < 20000; round++) {
        char text[ANSWER_MAX];
        size_t length = 0;
        for (uint64_t i = dv_random_below(&random, 12); i > 0; i--) {
            const char *part = parts[dv_random_below(&random, sizeof parts / sizeof parts[0])];
            memcpy(text + length, part, strlen(part));
            length += strlen(part);
        }
        if (length > 0)
            text[dv_random_below(&random, length)] ^= (char)(dv_random_below(&random, 4) == 0 ? 1 << dv_random_below(&random, 8) : 0);
        read_answer(scene, text, length, round % 2 == 0 ? DV_EXPLAIN_JSON : DV_EXPLAIN_LINES, round % 3 != 0);
        for (uint32_t i = 0; i < FINDINGS; i++) {
            size_t used = dv_explain_check(scene->index, &scene->findings[i], i, scene->guard.guard, &scene->texts[i], &scene->counts, scene->out);
            assert_true(used < DV_EXPLANATION_MAX && memmem(scene->out, used, "77", 2) == NULL);
        }
    }
    assert_true(scene->counts.kept > 100 && scene->counts.dropped > 100);
}

/* ---- in a graph ---- */

static int setup_world(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml", "name: visit\nfields:\n  diagnosis: { type: text, class: sensitive }\n  ward: { type: text, class: quasi-id }\n  sentence: { type: text, class: free-text }\n");
    return 0;
}

#define EXPLAIN "op: explain, model: m, url: 'http://127.0.0.1:9'"
#define INSIGHTS(by) "  in: { op: source, from: text, schema: visit }\n  t: { op: aggregate, after: in, by: " by ", window: 5s, k: 7 }\n  i: { op: insights, after: t }\n"

static void test_an_explanation_is_as_personal_as_its_insight(void **state)
{
    struct world *world = *state;
    if (!world_load(world, INSIGHTS("diagnosis") "  e: { " EXPLAIN ", after: i }\n  out: { op: lines, after: e }\n"))
        fail_msg("%s", world->findings);
    assert_string_equal(world_label(world, "out", "explanation"), world_label(world, "out", "sentence"));
    assert_string_equal(world_label(world, "out", "explanation"), "sensitive, aggregate(7)");
    assert_true(world_load(world, INSIGHTS("ward") "  e: { " EXPLAIN ", after: i }\n  out: { op: lines, after: e }\n"));
    assert_string_equal(world_label(world, "out", "explanation"), "quasi-id, aggregate(7)");
}

static void refused(struct world *world, const char *nodes, const char *code)
{
    assert_false(world_load(world, nodes));
    if (strstr(world->findings, code) == NULL)
        fail_msg("%s", world->findings);
}

static void test_findings(void **state)
{
    struct world *world = *state;
    refused(world, INSIGHTS("ward") "  e: { op: explain, after: i }\n  out: { op: lines, after: e }\n", "C231");
    refused(world, INSIGHTS("ward") "  e: { " EXPLAIN ", after: t }\n  out: { op: lines, after: e }\n", "C240");
    refused(world, INSIGHTS("ward") "  e: { " EXPLAIN ", after: i }\n  f: { " EXPLAIN ", after: e }\n  out: { op: lines, after: f }\n", "C241");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup_scene, teardown_scene),
        cmocka_unit_test_setup_teardown(test_json, setup_scene, teardown_scene),
        cmocka_unit_test_setup_teardown(test_what_is_kept, setup_scene, teardown_scene),
        cmocka_unit_test_setup_teardown(test_much_is_cut_between_sentences, setup_scene, teardown_scene),
        cmocka_unit_test_setup_teardown(test_the_prompt_is_a_fence_of_numbered_lines, setup_scene, teardown_scene),
        cmocka_unit_test_setup_teardown(test_any_bytes, setup_scene, teardown_scene),
        cmocka_unit_test_setup_teardown(test_an_explanation_is_as_personal_as_its_insight, setup_world, world_teardown),
        cmocka_unit_test_setup_teardown(test_findings, setup_world, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
