/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_llm_cortex_vectors.c - vectors of Snowflake's Cortex before a scripted service: over REST, lists in lists, and by a
 * statement, rows of texts.
 *
 * shows: SNO-4 RAG-6 VEC-2 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/snowflake.h"
#include "tests/unit/llm_script.h"

static void open_kind(struct script *script, enum dv_llm_kind kind)
{
    const struct dv_llm_config config = script_cortex(kind);
    script_open(script, &config);
}

/* ---- over REST ---- */

struct vectors {
    struct dv_llm_embedding embedding;
    float rows[2][2];
    unsigned ends;
};

static void on_rows(struct dv_llm_embedding *embedding)
{
    struct vectors *vectors = embedding->data;
    vectors->ends++;
}

static void embed(struct script *script, struct vectors *vectors, uint32_t count)
{
    static const struct dv_llm_text texts[] = { { "one", 3 }, { "two", 3 } };
    *vectors = (struct vectors){ 0 };
    vectors->embedding = (struct dv_llm_embedding){ .texts = texts,
                                                    .count = count,
                                                    .dims = 2,
                                                    .tenant = "clinic",
                                                    .rows = vectors->rows[0],
                                                    .on_end = on_rows,
                                                    .data = vectors };
    assert_int_equal(dv_llm_embed(&script->llm, &vectors->embedding), DV_OK);
    script_run(script);
    assert_int_equal(vectors->ends, 1);
}

static void expect_row(const float *row, double first, double second)
{
    assert_true(fabs((double)row[0] - first) < 1e-6 && fabs((double)row[1] - second) < 1e-6);
}

static void vectors_are_lists_in_lists(void **state)
{
    struct script *script = *state;
    struct vectors vectors;
    open_kind(script, DV_LLM_CORTEX_NATIVE);
    script_reply(script, 200,
                 "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"embedding\":[[3,-4]],\"index\":1},"
                 "{\"embedding\":[[1,0]],\"index\":0}],\"model\":\"m\",\"usage\":{\"total_tokens\":4}}");
    embed(script, &vectors, 2);
    assert_int_equal(vectors.embedding.rc, DV_OK);
    expect_row(vectors.rows[0], 1, 0);
    expect_row(vectors.rows[1], 0.6, -0.8); /* of length 1 in the end */
    assert_int_equal(vectors.embedding.tokens_in, 4);
    assert_string_equal(script->path, "/api/v2/cortex/inference:embed");
    assert_string_equal(script->body, "{\"model\":\"model-1\",\"text\":[\"one\",\"two\"]}");
    assert_non_null(strstr(script->headers, "Accept: application/json\n"));
}

static void wrong_vectors_are_refused(void **state)
{
    static const struct {
        const char *vector;
        bool other_width;
    } wrong[] = { { "[1,0]", false },  { "[[]]", false },     { "[]", false },     { "null", false }, { "[[1]]", true },
                  { "[[1,0,0]]", true }, { "[[1,null]]", false }, { "[[0,0]]", false }, { "[\"x\"]", true } };
    struct script *script = *state;
    open_kind(script, DV_LLM_CORTEX);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct vectors vectors;
        char body[128];
        (void)snprintf(body, sizeof body, "{\"data\":[{\"index\":0,\"embedding\":%s}]}", wrong[i].vector);
        script->reply_count = script->next = 0;
        script_reply(script, 200, body);
        embed(script, &vectors, 1);
        if (vectors.embedding.rc != DV_E_DATA || vectors.embedding.other_width != wrong[i].other_width)
            fail_msg("%s: %s", wrong[i].vector, dv_rc_name(vectors.embedding.rc));
    }
}

/* ---- by a statement ---- */

#define RESULT_OF(count, rows)                                                                                         \
    "{\"code\":\"090001\",\"sqlState\":\"00000\",\"statementHandle\":\"h-1\",\"resultSetMetaData\":{\"numRows\":" count ",\"format\":\"jsonv2\"," \
    "\"rowType\":[{\"name\":\"INDEX\",\"type\":\"FIXED\"},{\"name\":\"V\",\"type\":\"VECTOR\"}],\"partitionInfo\":[{\"rowCount\":" count "}]},"     \
    "\"data\":[" rows "]}"
#define RESULT(rows) RESULT_OF("2", rows)
#define GOOD RESULT("[\"0\",\"[1.0,0.0]\"],[\"1\",\"[3,-4]\"]")

static void open_sql(struct script *script, struct dv_snowflake *snowflake)
{
    struct dv_llm_config config = script_cortex(DV_LLM_CORTEX_SQL);
    *snowflake = (struct dv_snowflake){ 0 };
    config.snowflake = snowflake;
    config.role = "R";
    config.warehouse = "WH";
    script_open(script, &config);
}

static void a_statement_makes_vectors(void **state)
{
    static struct dv_snowflake snowflake;
    struct script *script = *state;
    struct vectors vectors;
    open_sql(script, &snowflake);
    script_reply(script, 200, GOOD);
    embed(script, &vectors, 2);
    assert_int_equal(vectors.embedding.rc, DV_OK);
    expect_row(vectors.rows[0], 1, 0);
    expect_row(vectors.rows[1], 0.6, -0.8);
    assert_int_equal(strncmp(script->path, "/api/v2/statements?requestId=", 29), 0);
    assert_non_null(strstr(script->body, "\"statement\":\"SELECT f.index, AI_EMBED(?, f.value::VARCHAR) FROM "
                                         "TABLE(FLATTEN(PARSE_JSON(?))) f ORDER BY 1\""));
    assert_non_null(strstr(script->body, "\"bindings\":{\"1\":{\"type\":\"TEXT\",\"value\":\"model-1\"},"
                                         "\"2\":{\"type\":\"TEXT\",\"value\":\"[\\\"one\\\",\\\"two\\\"]\"}}"));
    assert_non_null(strstr(script->body, "\"warehouse\":\"WH\",\"role\":\"R\""));
    assert_non_null(strstr(script->headers, "Authorization: Bearer pat-1\n"));
    assert_int_equal(dv_llm_figures(&script->llm)->failed, 0);
}

static void rows_that_are_no_vectors_are_refused(void **state)
{
    static const struct {
        const char *body;
        bool other_width;
    } wrong[] = {
        { RESULT("[\"1\",\"[1,0]\"],[\"0\",\"[1,0]\"]"), false },   { RESULT("[\"0\",\"[1,0]\"],[\"0\",\"[1,0]\"]"), false },
        { RESULT("[\"0\",\"[1,0]\"],[\"1\",null]"), false },        { RESULT("[\"0\",\"[1,0]\"],[null,\"[1,0]\"]"), false },
        { RESULT("[\"0\",\"[1,0]\"],[\"1\",\"[1,0,0]\"]"), true },  { RESULT("[\"0\",\"[1,0]\"],[\"1\",\"[1,\"]"), false },
        { RESULT("[\"0\",\"[1,0]\"],[\"x\",\"[1,0]\"]"), false },   { RESULT("[\"0\",\"[1,0]\"],[\"1\",\"[0,0]\"]"), false },
        { RESULT("[\"0\",\"[1,0]\"],[\"1\",\"\"]"), false },        { RESULT("[\"0\",\"[1,0]\"],[\"0001\",\"[1,0]\"]"), false },
        { RESULT_OF("1", "[\"0\",\"[1,0]\"]"), false },
        { RESULT_OF("3", "[\"0\",\"[1,0]\"],[\"1\",\"[1,0]\"],[\"2\",\"[1,0]\"]"), false },
    };
    static struct dv_snowflake snowflake;
    struct script *script = *state;
    open_sql(script, &snowflake);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct vectors vectors;
        script->reply_count = script->next = 0;
        script_reply(script, 200, wrong[i].body);
        embed(script, &vectors, 2);
        if (vectors.embedding.rc != DV_E_DATA || vectors.embedding.other_width != wrong[i].other_width)
            fail_msg("%zu: %s, %s", i, dv_rc_name(vectors.embedding.rc), vectors.embedding.reason);
        assert_int_equal(script->asked, i + 1); /* it is not asked for the rest */
    }
    struct vectors vectors;
    script->reply_count = script->next = 0;
    script_reply(script, 200, RESULT("[\"0\",null],[\"9\",\"[1,0]\"]"));
    embed(script, &vectors, 2);
    assert_string_equal(vectors.embedding.reason, "the service gave a text no vector"); /* what was wrong first */
}

static void statements_end_in_many_ways(void **state)
{
    static const struct {
        unsigned status;
        const char *body;
        dv_rc rc;
    } ends[] = {
        { 422, "{\"code\":\"100351\",\"sqlState\":\"P0000\"}", DV_E_DEPENDENCY }, /* no text is known to be at fault */
        { 422, "{\"code\":\"000603\",\"sqlState\":\"XX000\"}", DV_E_DEPENDENCY },
        { 422, "{\"code\":\"000604\",\"sqlState\":\"57014\"}", DV_E_DEPENDENCY },
        { 422, "{\"code\":\"100351\",\"sqlState\":\"P0000\",\"message\":\"unknown model m\"}", DV_E_CONFIG },
        { 422, "{\"code\":\"100351\",\"sqlState\":\"P0000\",\"message\":\"error: 400 max tokens of 512 exceeded\"}", DV_E_LIMIT },
        { 422, "{\"code\":\"100078\",\"sqlState\":\"22000\"}", DV_E_DATA },
        { 422, "{\"code\":\"391920\",\"sqlState\":\"02000\"}", DV_E_CONFIG },
        { 403, "{}", DV_E_CONFIG },
        { 401, "{}", DV_E_CONFIG },
        { 408, "{}", DV_E_DEPENDENCY },
        { 503, "<html>", DV_E_DEPENDENCY },
    };
    static struct dv_snowflake snowflake;
    struct script *script = *state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct vectors vectors;
        memset(script, 0, sizeof *script);
        open_sql(script, &snowflake);
        script_reply(script, ends[i].status, ends[i].body);
        embed(script, &vectors, 2);
        if (vectors.embedding.rc != ends[i].rc)
            fail_msg("%u: %s", ends[i].status, dv_rc_name(vectors.embedding.rc));
        assert_non_null(vectors.embedding.reason);
        script->reply_count = script->next = 0;
        script_reply(script, 200, GOOD);
        script->loop.now_ns += UINT64_C(120000000000);
        embed(script, &vectors, 2); /* and then it is well again */
        assert_int_equal(vectors.embedding.rc, DV_OK);
        if (i + 1 < sizeof ends / sizeof ends[0])
            script_close(script);
    }
}

/* Cortex is overloaded: it is known after some statements, and nobody pays for more. */
static void refusals_for_no_known_reason_open_the_circuit(void **state)
{
    static struct dv_snowflake snowflake;
    struct script *script = *state;
    struct vectors vectors;
    open_sql(script, &snowflake);
    script_reply(script, 422, "{\"code\":\"100351\",\"sqlState\":\"P0000\"}");
    for (int i = 0; i < 20; i++) {
        embed(script, &vectors, 2);
        assert_int_equal(vectors.embedding.rc, DV_E_DEPENDENCY);
    }
    assert_in_range(script->asked, 1, 6);
    assert_non_null(dv_llm_waits(&script->llm));
}

/* The answer of a statement that ran is lost: its tokens are spent. One that never got there cost none. */
static void a_statement_that_may_have_run_costs(void **state)
{
    static struct dv_snowflake snowflake;
    struct script *script = *state;
    struct vectors vectors;
    struct dv_llm_config config = script_cortex(DV_LLM_CORTEX_SQL);
    snowflake = (struct dv_snowflake){ 0 };
    config.snowflake = &snowflake;
    config.role = "R";
    config.warehouse = "WH";
    config.tokens_per_day = 40; /* a request is 34 */
    script_open(script, &config);
    script->replies[script->reply_count++] = (struct reply){ .rc = DV_E_DEPENDENCY, .reason = "gone", .unsent = true };
    embed(script, &vectors, 2);
    assert_int_equal(vectors.embedding.rc, DV_E_DEPENDENCY);
    assert_false(vectors.embedding.spent);
    script->loop.now_ns += UINT64_C(600000000000);
    script->replies[0].unsent = false;
    embed(script, &vectors, 2);
    assert_int_equal(vectors.embedding.rc, DV_E_DEPENDENCY);
    script->loop.now_ns += UINT64_C(600000000000);
    embed(script, &vectors, 2);
    assert_int_equal(vectors.embedding.rc, DV_E_LIMIT);
    assert_true(vectors.embedding.spent);
}

static void a_statement_can_be_cancelled(void **state)
{
    static const struct dv_llm_text text = { "one", 3 };
    static struct dv_snowflake snowflake;
    static struct vectors vectors;
    struct script *script = *state;
    vectors = (struct vectors){ 0 };
    open_sql(script, &snowflake);
    script_reply(script, 200, "");
    script->replies[0].never = true;
    vectors.embedding = (struct dv_llm_embedding){ .texts = &text,
                                                   .count = 1,
                                                   .dims = 2,
                                                   .tenant = "clinic",
                                                   .rows = vectors.rows[0],
                                                   .on_end = on_rows,
                                                   .data = &vectors };
    for (int i = 0; i < 2; i++) { /* by hand, and by close() */
        assert_int_equal(dv_llm_embed(&script->llm, &vectors.embedding), DV_OK);
        for (int steps = 0; script->open_count == 0 && steps < 100; steps++)
            (void)dv_loop_sim_step(&script->loop);
        assert_int_equal(script->open_count, 1);
        if (i == 0)
            dv_llm_embed_cancel(&script->llm, &vectors.embedding);
    }
    assert_int_equal(vectors.ends, 0);
}

static void widths_of_models_are_known(void **state)
{
    (void)state;
    assert_int_equal(dv_llm_width(DV_LLM_CORTEX, "snowflake-arctic-embed-m"), 768);
    assert_int_equal(dv_llm_width(DV_LLM_CORTEX_NATIVE, "snowflake-arctic-embed-l-v2.0"), 1024);
    assert_int_equal(dv_llm_width(DV_LLM_CORTEX, "of-tomorrow"), 0);
    assert_int_equal(dv_llm_width(DV_LLM_CORTEX, "nv-embed-qa-4"), 0); /* is AI_EMBED's alone */
    assert_int_equal(dv_llm_width(DV_LLM_CORTEX_SQL, "nv-embed-qa-4"), 1024);
    assert_int_equal(dv_llm_width(DV_LLM_CORTEX_SQL, "e5-base-v2"), 768);
    assert_int_equal(dv_llm_width(DV_LLM_OPENAI, "e5-base-v2"), 0); /* whoever serves it may shorten it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(vectors_are_lists_in_lists, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(wrong_vectors_are_refused, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_statement_makes_vectors, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(rows_that_are_no_vectors_are_refused, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(statements_end_in_many_ways, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(refusals_for_no_known_reason_open_the_circuit, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_statement_that_may_have_run_costs, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_statement_can_be_cancelled, script_setup, script_teardown),
        cmocka_unit_test(widths_of_models_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
