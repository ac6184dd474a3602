/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_llm_services.c - what differs between services: Gemini's words, and vectors from both.
 *
 * shows: RAG-6 VEC-2 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/llm_script.h"

#define PART(text) "data: {\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"text\":\"" text "\"}]}}]}\r\n\r\n"
#define LAST(word)                                                                                                     \
    "data: {\"candidates\":[{\"finishReason\":\"" word "\"}],\"usageMetadata\":{\"promptTokenCount\":9,"               \
    "\"candidatesTokenCount\":2,\"thoughtsTokenCount\":4}}"

static void open_kind(struct script *script, enum dv_llm_kind kind)
{
    (void)setenv("LLM_TEST_KEY", "k-1", 1);
    script_open(script, &(struct dv_llm_config){ .kind = kind, .key = "env:LLM_TEST_KEY", .keeps_none = true });
}

static void gemini_is_asked_in_its_own_words(void **state)
{
    struct script *script = *state;
    struct answer answer = { .request = {
                                 .system = { "brief", 5 }, .max_tokens = 9, .json_schema = "{\"type\":\"object\"}" } };
    open_kind(script, DV_LLM_GEMINI);
    script_reply(script, 200, PART("a") PART("\\u00e4") LAST("STOP"));
    script_ask(script, &answer, "why");
    assert_string_equal(script->path, "/v1beta/models/model-1:streamGenerateContent?alt=sse");
    assert_string_equal(script->key, "x-goog-api-key: k-1");
    assert_string_equal(
        script->body,
        "{\"systemInstruction\":{\"parts\":[{\"text\":\"brief\"}]},\"contents\":[{\"role\":\"user\",\"parts\":"
        "[{\"text\":\"why\"}]}],\"generationConfig\":{\"candidateCount\":1,\"maxOutputTokens\":9,"
        "\"temperature\":0,\"seed\":1,\"responseMimeType\":\"application/json\","
        "\"responseJsonSchema\":{\"type\":\"object\"}}}");
    assert_int_equal(answer.request.finish, DV_LLM_COMPLETE);
    assert_string_equal(answer.text, "a\xc3\xa4");
    assert_int_equal(answer.request.tokens_in, 9);
    assert_int_equal(answer.request.tokens_out, 6);
}

static void gemini_ends_in_many_ways(void **state)
{
    static const struct {
        const char *stream;
        dv_rc rc;
        enum dv_llm_finish finish;
    } ends[] = {
        { PART("a") LAST("MAX_TOKENS"), DV_OK, DV_LLM_TRUNCATED },
        { PART("a") LAST("SAFETY"), DV_OK, DV_LLM_BLOCKED },
        { PART("a") LAST("BLOCKLIST"), DV_OK, DV_LLM_BLOCKED },
        { PART("a") LAST("PROHIBITED_CONTENT"), DV_OK, DV_LLM_BLOCKED },
        { LAST("RECITATION"), DV_OK, DV_LLM_BLOCKED },
        { LAST("SPII"), DV_OK, DV_LLM_PERSONAL },
        { PART("a") LAST("LANGUAGE"), DV_E_DATA, DV_LLM_FAILED },
        { PART("a") LAST("MALFORMED_FUNCTION_CALL"), DV_E_DATA, DV_LLM_FAILED },
        { PART("a") LAST("STOPPED"), DV_E_DATA, DV_LLM_FAILED },
        { PART("a"), DV_E_DEPENDENCY, DV_LLM_FAILED },
        { "data: {\"promptFeedback\":{\"blockReason\":\"OTHER\"}}\n\n", DV_OK, DV_LLM_BLOCKED },
        { PART("a") "data: {\"error\":{\"code\":500,\"status\":\"INTERNAL\"}}\n\n", DV_E_DATA, DV_LLM_FAILED },
        { "data: [{\"candidates\":[]}]\n\n", DV_E_DEPENDENCY, DV_LLM_FAILED },
    };
    struct script *script = *state;
    uint64_t personal = 0;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct answer answer = { 0 };
        memset(script, 0, sizeof *script);
        open_kind(script, DV_LLM_GEMINI);
        script_reply(script, 200, ends[i].stream);
        script_ask(script, &answer, "why");
        if (answer.request.rc != ends[i].rc || answer.request.finish != ends[i].finish)
            fail_msg("stream %zu: %s, finish %d", i, dv_rc_name(answer.request.rc), (int)answer.request.finish);
        personal += dv_llm_figures(&script->llm)->personal;
        if (i + 1 < sizeof ends / sizeof ends[0])
            script_close(script);
    }
    assert_int_equal(personal, 1);
}

/* The simulated world begins on a day at 22:13:20 UTC; quotas of a day are given again at 8:00. */
static void gemini_waits_until_a_days_quota_is_given_again(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    open_kind(script, DV_LLM_GEMINI);
    script_reply(script, 429,
                 "{\"error\":{\"code\":429,\"details\":[{\"violations\":[{\"quotaId\":\"RequestsPerMinute\"},"
                 "{\"quotaId\":\"RequestsPerDayPerProject\"}]},{\"retryDelay\":\"7s\"}]}}");
    script_reply(script, 200, PART("a") LAST("STOP"));
    script_ask(script, &answer, "one");
    assert_string_equal(answer.request.reason, "the day's quota of the model's service is used up");
    script->loop.now_ns += UINT64_C(35190000000000); /* 7:59:50 */
    script_ask(script, &answer, "two");
    assert_int_equal(script->asked, 1);
    script->loop.now_ns += UINT64_C(11000000000);
    script_ask(script, &answer, "three");
    assert_int_equal(answer.request.finish, DV_LLM_COMPLETE);
}

static void gemini_says_how_long_to_wait(void **state)
{
    static const struct {
        const char *delay;
        unsigned from_ms, to_ms;
    } delays[] = { { "7s", 7000, 7010 }, { "2.5s", 2500, 2510 }, { "0s", 500, 1010 }, { "-3s", 500, 1010 },
                   { "1h", 500, 1010 },  { "1e9s", 500, 1010 },  { "", 500, 1010 },   { "s", 500, 1010 } };
    struct script *script = *state;
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct answer answer = { 0 };
        char body[256];
        memset(script, 0, sizeof *script);
        (void)snprintf(body, sizeof body, "{\"error\":{\"details\":[{\"retryDelay\":\"%s\"}]}}", delays[i].delay);
        open_kind(script, DV_LLM_GEMINI);
        script_reply(script, 429, body);
        script_reply(script, 200, PART("a") LAST("STOP"));
        script_ask(script, &answer, "why");
        assert_int_equal(answer.request.finish, DV_LLM_COMPLETE);
        assert_in_range(script->asked_ms[1] - script->asked_ms[0], delays[i].from_ms, delays[i].to_ms);
        if (i + 1 < sizeof delays / sizeof delays[0])
            script_close(script);
    }
}

/* What a quota does to the circuit. */
static void a_breaker_can_be_opened_for_a_time(void **state)
{
    (void)state;
    static const uint64_t ms = 1000000;
    struct dv_breaker breaker;
    dv_breaker_init(&breaker, 3, (struct dv_backoff){ 50, 5000 }, 1);
    dv_breaker_open_for(&breaker, 5 * ms, 3600000, "the day's quota");
    assert_int_equal(breaker.state, DV_BREAKER_OPEN);
    assert_int_equal(breaker.opened_total, 1);
    assert_string_equal(breaker.reason, "the day's quota");
    assert_false(dv_breaker_admits(&breaker, 3600004 * ms));
    assert_true(dv_breaker_admits(&breaker, 3600005 * ms)); /* the probe */
    dv_breaker_open_for(&breaker, 3600006 * ms, 10, "again");
    assert_int_equal(breaker.opened_total, 1); /* it was not closed meanwhile */
    assert_false(dv_breaker_admits(&breaker, 3600015 * ms));
    assert_true(dv_breaker_admits(&breaker, 3600016 * ms));
    assert_true(dv_breaker_succeeded(&breaker));
    assert_true(dv_breaker_admits(&breaker, 3600016 * ms));
}

/* ---- vectors ---- */

struct vectors {
    struct dv_llm_embedding embedding;
    float rows[3][2];
    unsigned ends;
};

static void on_rows(struct dv_llm_embedding *embedding)
{
    struct vectors *vectors = embedding->data;
    vectors->ends++;
}

static void embed(struct script *script, struct vectors *vectors, uint32_t count, enum dv_llm_task task)
{
    static const struct dv_llm_text texts[] = { { "one", 3 }, { "two", 3 }, { "three", 5 } };
    *vectors = (struct vectors){ 0 };
    vectors->embedding = (struct dv_llm_embedding){ .texts = texts,
                                                    .count = count,
                                                    .dims = 2,
                                                    .task = task,
                                                    .tenant = "clinic",
                                                    .rows = vectors->rows[0],
                                                    .on_end = on_rows,
                                                    .data = vectors };
    assert_int_equal(dv_llm_embed(&script->llm, &vectors->embedding), DV_OK);
    assert_int_equal(vectors->ends, 0);
    script_run(script);
    assert_int_equal(vectors->ends, 1);
}

static void expect_row(const float *row, double first, double second)
{
    assert_true(fabs((double)row[0] - first) < 1e-6 && fabs((double)row[1] - second) < 1e-6);
}

static void openai_gives_vectors_in_any_order(void **state)
{
    struct script *script = *state;
    struct vectors vectors;
    open_kind(script, DV_LLM_OPENAI);
    script_reply(script, 200,
                 "{\"data\":[{\"index\":1,\"embedding\":[0.6,-0.8]},{\"embedding\":[1,0],\"index\":0}],"
                 "\"usage\":{\"prompt_tokens\":4}}");
    embed(script, &vectors, 2, DV_LLM_DOCUMENT);
    assert_int_equal(vectors.embedding.rc, DV_OK);
    expect_row(vectors.rows[0], 1, 0);
    expect_row(vectors.rows[1], 0.6, -0.8);
    assert_int_equal(vectors.embedding.tokens_in, 4);
    assert_string_equal(script->path, "/v1/embeddings");
    assert_string_equal(script->body,
                        "{\"model\":\"model-1\",\"input\":[\"one\",\"two\"],\"encoding_format\":\"float\"}");
}

static void wrong_vectors_are_refused(void **state)
{
    static const struct {
        const char *body;
        dv_rc rc;
    } bodies[] = {
        { "{\"data\":[{\"index\":0,\"embedding\":\"AACAPwAAAAA=\"}]}", DV_OK }, /* base64 of 1, 0 */
        { "{\"data\":[{\"index\":0,\"embedding\":\"AACAPwAAAA==\"}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":\"AACAPwAAAAB=\"}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":\"AADAfwAAAAA=\"}]}", DV_E_DATA }, /* not a number */
        { "{\"data\":[{\"index\":0,\"embedding\":\"!!!!!!!!!!!!\"}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":[1]}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":[1,0,0]}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":[1,null]}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":[0,0]}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":[1e308,1e308]}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":[0.5,0.5]}]}", DV_E_DATA }, /* of length 0.7 */
        { "{\"data\":[{\"index\":0,\"embedding\":[1.005,0]}]}", DV_OK },
        { "{\"data\":[{\"index\":1,\"embedding\":[1,0]}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":-1,\"embedding\":[1,0]}]}", DV_E_DATA },
        { "{\"data\":[{\"embedding\":[1,0]}]}", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":[1,0]},{\"index\":0,\"embedding\":[1,0]}]}", DV_E_DATA },
        { "{\"data\":[]}", DV_E_DATA },
        { "{\"data\":{}}", DV_E_DATA },
        { "[]", DV_E_DATA },
        { "", DV_E_DATA },
        { "{\"data\":[{\"index\":0,\"embedding\":[1,0]}]", DV_E_DATA },
    };
    struct script *script = *state;
    open_kind(script, DV_LLM_OPENAI);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct vectors vectors;
        script->reply_count = script->next = 0;
        script_reply(script, 200, bodies[i].body);
        embed(script, &vectors, 1, DV_LLM_DOCUMENT);
        if (vectors.embedding.rc != bodies[i].rc)
            fail_msg("%s: %s", bodies[i].body, dv_rc_name(vectors.embedding.rc));
        assert_true((vectors.embedding.rc == DV_OK) == (vectors.embedding.reason == NULL));
        if (bodies[i].rc == DV_OK)
            expect_row(vectors.rows[0], 1, 0);
    }
}

/* Some servers answer so to one text that they cannot take: it is that text's fault, and not the model's. */
static void no_vector_is_no_other_width(void **state)
{
    static const struct {
        const char *vector;
        bool other_width;
    } vectors_of[] = { { "[]", false }, { "null", false }, { "\"\"", false }, { "[1]", true }, { "[1,0,0]", true }, { "\"AACAPw==\"", true } };
    struct script *script = *state;
    open_kind(script, DV_LLM_OPENAI);
    for (size_t i = 0; i < sizeof vectors_of / sizeof vectors_of[0]; i++) {
        struct vectors vectors;
        char body[128];
        (void)snprintf(body, sizeof body, "{\"data\":[{\"index\":0,\"embedding\":%s}]}", vectors_of[i].vector);
        script->reply_count = script->next = 0;
        script_reply(script, 200, body);
        embed(script, &vectors, 1, DV_LLM_DOCUMENT);
        assert_int_equal(vectors.embedding.rc, DV_E_DATA);
        assert_int_equal(vectors.embedding.other_width, vectors_of[i].other_width);
        assert_int_equal(strstr(vectors.embedding.reason, "no vector") != NULL, !vectors_of[i].other_width);
    }
}

static void gemini_gives_vectors_one_by_one(void **state)
{
    struct script *script = *state;
    struct vectors vectors;
    open_kind(script, DV_LLM_GEMINI);
    script_reply(script, 200, "{\"embedding\":{\"values\":[3,4]}}");
    script_reply(script, 503, "");
    script_reply(script, 503, "");
    script_reply(script, 503, "");
    script_reply(script, 200, "{\"embedding\":{\"values\":[0,0.1]}}");
    script_reply(script, 503, "");
    script_reply(script, 503, "");
    script_reply(script, 503, "");
    script_reply(script, 200, "{\"embedding\":{\"values\":[-2,0]}}");
    embed(script, &vectors, 3, DV_LLM_QUERY);
    assert_int_equal(vectors.embedding.rc, DV_OK);
    expect_row(vectors.rows[0], 0.6, 0.8);
    expect_row(vectors.rows[1], 0, 1);
    expect_row(vectors.rows[2], -1, 0);
    assert_int_equal(script->asked, 9); /* each text has its own four tries */
    assert_string_equal(script->path, "/v1beta/models/model-1:embedContent");
    assert_string_equal(script->body,
                        "{\"content\":{\"parts\":[{\"text\":\"three\"}]},\"taskType\":\"RETRIEVAL_QUERY\","
                        "\"outputDimensionality\":2}");
    embed(script, &vectors, 1, DV_LLM_DOCUMENT);
    assert_non_null(strstr(script->body, "RETRIEVAL_DOCUMENT"));
}

static void gemini_of_the_second_generation_is_told_the_task_in_words(void **state)
{
    struct script *script = *state;
    struct vectors vectors;
    script_open(script, &(struct dv_llm_config){ .kind = DV_LLM_GEMINI, .model = "gemini-embedding-2" });
    script_reply(script, 200, "{\"embedding\":{\"values\":[3,4]}}");
    embed(script, &vectors, 1, DV_LLM_QUERY);
    assert_string_equal(script->body, "{\"content\":{\"parts\":[{\"text\":\"task: search result | query: one\"}]},"
                                      "\"outputDimensionality\":2}");
    embed(script, &vectors, 1, DV_LLM_DOCUMENT);
    assert_non_null(strstr(script->body, "\"title: none | text: one\""));
    assert_null(strstr(script->body, "taskType"));
}

static void an_embedding_can_be_cancelled(void **state)
{
    static const struct dv_llm_text text = { "one", 3 };
    struct script *script = *state;
    struct vectors vectors = { 0 };
    open_kind(script, DV_LLM_OPENAI);
    script_reply(script, 200, "");
    script->replies[0].never = true;
    vectors.embedding = (struct dv_llm_embedding){ .texts = &text,
                                                   .count = 1,
                                                   .dims = 2,
                                                   .tenant = "clinic",
                                                   .rows = vectors.rows[0],
                                                   .on_end = on_rows,
                                                   .data = &vectors };
    assert_int_equal(dv_llm_embed(&script->llm, &vectors.embedding), DV_OK);
    dv_llm_embed_cancel(&script->llm, &vectors.embedding); /* before it was asked */
    assert_int_equal(dv_llm_embed(&script->llm, &vectors.embedding), DV_OK);
    script_run(script);
    assert_int_equal(script->open_count, 1);
    dv_llm_embed_cancel(&script->llm, &vectors.embedding);
    dv_llm_embed_cancel(&script->llm, &vectors.embedding);
    assert_int_equal(script->cancelled, 1);
    assert_int_equal(vectors.ends, 0);
    assert_int_equal(dv_llm_embed(&script->llm, &vectors.embedding), DV_OK); /* and close() ends what is under way */
    script_run(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gemini_is_asked_in_its_own_words, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(gemini_ends_in_many_ways, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(gemini_waits_until_a_days_quota_is_given_again, script_setup, script_teardown),
        cmocka_unit_test(a_breaker_can_be_opened_for_a_time),
        cmocka_unit_test_setup_teardown(gemini_says_how_long_to_wait, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(openai_gives_vectors_in_any_order, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(wrong_vectors_are_refused, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(no_vector_is_no_other_width, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(gemini_gives_vectors_one_by_one, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(gemini_of_the_second_generation_is_told_the_task_in_words, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(an_embedding_can_be_cancelled, script_setup, script_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
