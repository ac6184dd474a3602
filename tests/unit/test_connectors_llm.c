/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_llm.c - the rules of a language model's connector, before a scripted service in a simulated world.
 *
 * shows: RAG-5 RAG-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/memory.h"
#include "tests/unit/llm_script.h"

#define HALLO                                                                                                          \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n"                      \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\\u00e4 \xf0\x9f\x98\x80\"}}]}\n\n"                    \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"}}]}\n\n"
#define HALLO_TEXT "h\xc3\xa4 \xf0\x9f\x98\x80llo"
#define END(word)                                                                                                      \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" word "\"}]}\n\n"                              \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n"
#define DONE "data: [DONE]\n\n"

static void open_openai(struct script *script)
{
    script_open(script,
                &(struct dv_llm_config){ .kind = DV_LLM_OPENAI, .url = "http://127.0.0.1:1", .keeps_none = true });
}

static void expect(const struct answer *answer, dv_rc rc, enum dv_llm_finish finish, const char *text)
{
    assert_int_equal(answer->request.rc, rc);
    assert_int_equal(answer->request.finish, finish);
    assert_string_equal(answer->text, text);
}

static void streams_an_answer_however_it_is_cut(void **state)
{
    struct script *script = *state;
    static const char stream[] = HALLO END("stop") DONE;
    open_openai(script);
    for (size_t piece = 1; piece < 60; piece++) {
        struct answer answer = { 0 };
        script->reply_count = script->next = 0;
        script_reply(script, 200, stream);
        script->replies[0].piece = piece;
        script_ask(script, &answer, "why");
        expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
        assert_int_equal(answer.pieces, 2);
        assert_int_equal(answer.request.tokens_in, 7);
        assert_int_equal(answer.request.tokens_out, 3);
    }
}

static void writes_the_request(void **state)
{
    struct script *script = *state;
    struct answer answer = {
        .request = { .system = { "be \"brief\"", 10 }, .max_tokens = 9, .json_schema = "{\"type\":\"object\"}" }
    };
    (void)setenv("LLM_TEST_KEY", "k-1", 1);
    script_open(script,
                &(struct dv_llm_config){ .kind = DV_LLM_OPENAI, .url = "http://localhost", .key = "env:LLM_TEST_KEY" });
    script_reply(script, 200, "");
    script_ask(script, &answer, "why\n\xff");
    assert_string_equal(script->path, "/v1/chat/completions");
    assert_string_equal(script->key, "Authorization: Bearer k-1");
    assert_string_equal(
        script->body,
        "{\"model\":\"model-1\",\"messages\":[{\"role\":\"system\",\"content\":\"be \\\"brief\\\"\"},"
        "{\"role\":\"user\",\"content\":\"why\\n\xef\xbf\xbd\"}],\"max_tokens\":9,\"temperature\":0,\"seed\":1,"
        "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"response_format\":"
        "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"schema\":{\"type\":\"object\"}}}}");
}

/* A status or a stream, and what it comes to: how many tries, and what the owner is told. */
static const struct rule {
    unsigned status;
    const char *body;
    dv_rc rc;
    enum dv_llm_finish finish;
    unsigned tries;
    const char *reason;
} rules[] = {
    { 200, HALLO END("length") DONE, DV_OK, DV_LLM_TRUNCATED, 1, "the answer is cut off at its longest" },
    { 200, HALLO END("content_filter") DONE, DV_OK, DV_LLM_BLOCKED, 1, "the service would not answer" },
    { 200, HALLO END("tool_calls") DONE, DV_E_DATA, DV_LLM_FAILED, 1, "the answer ended in a way that is not known" },
    { 200, HALLO DONE, DV_E_DATA, DV_LLM_FAILED, 1, "the answer does not say how it ended" },
    { 200, HALLO END("stop"), DV_E_DEPENDENCY, DV_LLM_FAILED, 1, "the answer broke off" },
    { 200, "", DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "the answer broke off" },
    { 200, "data: {\"choices\":\n\n", DV_E_DATA, DV_LLM_FAILED, 1, "the service's answer is no JSON" },
    { 200, "data: {\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]}\n\n", DV_E_DATA, DV_LLM_FAILED, 1,
      "the service's answer is no JSON" },
    { 200, "data: {\"error\":{\"code\":503,\"message\":\"x\"}}\n\n", DV_E_DEPENDENCY, DV_LLM_FAILED, 4,
      "the model's service is busy or down" },
    { 200, "error: {\"code\":500,\"message\":\"x\"}\n\n", DV_E_DATA, DV_LLM_FAILED, 4,
      "the model's service failed at this request" },
    { 200, HALLO "data: {\"error\":{\"code\":500}}\n\n", DV_E_DATA, DV_LLM_FAILED, 1,
      "the model's service failed at this request" },
    { 301, "", DV_E_CONFIG, DV_LLM_FAILED, 1, "the service redirects, which is not followed" },
    { 400, "{\"error\":{\"code\":400,\"type\":\"invalid_request_error\"}}", DV_E_DATA, DV_LLM_FAILED, 1,
      "the model's service refuses this request" },
    { 400, "{\"error\":{\"code\":400,\"type\":\"exceed_context_size_error\",\"n_ctx\":1}}", DV_E_LIMIT, DV_LLM_FAILED,
      1, "the prompt is longer than the model can take" },
    { 400, "{\"error\":{\"code\":\"context_length_exceeded\"}}", DV_E_LIMIT, DV_LLM_FAILED, 1,
      "the prompt is longer than the model can take" },
    { 401, "{\"error\":{\"code\":401}}", DV_E_CONFIG, DV_LLM_FAILED, 1, "the model's service does not accept the key" },
    { 403, "", DV_E_CONFIG, DV_LLM_FAILED, 1, "the model's service does not accept the key" },
    { 404, "", DV_E_CONFIG, DV_LLM_FAILED, 1, "the service has no such model or path" },
    { 413, "", DV_E_LIMIT, DV_LLM_FAILED, 1, "the prompt is too long for the service" },
    { 429, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", DV_E_DEPENDENCY, DV_LLM_FAILED, 4,
      "the model's service is asked too often" },
    { 429, "{\"error\":{\"code\":\"insufficient_quota\"}}", DV_E_DEPENDENCY, DV_LLM_FAILED, 1,
      "the quota of the model's service is used up" },
    { 500, "{\"error\":{\"code\":500,\"type\":\"server_error\"}}", DV_E_DATA, DV_LLM_FAILED, 4,
      "the model's service failed at this request" },
    { 501, "{\"error\":{\"code\":501}}", DV_E_CONFIG, DV_LLM_FAILED, 1, "the service cannot do this" },
    { 502, "<html>", DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "the model's service is busy or down" },
    { 503, "{\"error\":{\"code\":503}}", DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "the model's service is busy or down" },
    { 599, NULL, DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "the model's service is busy or down" },
    { 204, NULL, DV_E_DATA, DV_LLM_FAILED, 1, "the model's service refuses this request" },
};

static void judges_by_the_rules(void **state)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct script *script = *state;
        struct answer answer = { 0 };
        memset(script, 0, sizeof *script);
        open_openai(script);
        script_reply(script, rules[i].status, rules[i].body);
        script_ask(script, &answer, "why");
        if (answer.request.rc != rules[i].rc || answer.request.finish != rules[i].finish ||
            script->asked != rules[i].tries)
            fail_msg("rule %zu: %s, finish %d, %u tries", i, dv_rc_name(answer.request.rc), (int)answer.request.finish,
                     script->asked);
        assert_string_equal(answer.request.reason, rules[i].reason);
        if (i + 1 < sizeof rules / sizeof rules[0])
            script_close(script);
    }
}

static void judges_connections(void **state)
{
    static const struct {
        dv_rc rc;
        unsigned tries;
    } ends[] = { { DV_E_DEPENDENCY, 4 }, { DV_E_CONFIG, 1 }, { DV_E_LIMIT, 1 }, { DV_E_DATA, 1 }, { DV_E_MEMORY, 1 } };
    struct script *script = *state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct answer answer = { 0 };
        memset(script, 0, sizeof *script);
        open_openai(script);
        script->replies[0] = (struct reply){ .rc = ends[i].rc, .reason = "of the connection" };
        script->reply_count = 1;
        script_ask(script, &answer, "why");
        expect(&answer, ends[i].rc, DV_LLM_FAILED, "");
        assert_string_equal(answer.request.reason, "of the connection");
        assert_int_equal(script->asked, ends[i].tries);
        if (i + 1 < sizeof ends / sizeof ends[0])
            script_close(script);
    }
}

static void heals_by_another_try(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    open_openai(script);
    script_reply(script, 503, "{\"error\":{\"code\":503,\"message\":\"Loading model\"}}");
    script_reply(script, 429, "");
    script->replies[1].retry_after_s = 9;
    script_reply(script, 500, "");
    script_reply(script, 200, HALLO END("stop") DONE);
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
    assert_int_equal(script->asked, 4);
    assert_in_range(script->asked_ms[1] - script->asked_ms[0], 500, 1010);
    assert_in_range(script->asked_ms[2] - script->asked_ms[1], 9000, 9010); /* as it asked */
    assert_in_range(script->asked_ms[3] - script->asked_ms[2], 2000, 4010);
    assert_int_equal(dv_llm_figures(&script->llm)->retries, 3);
    assert_null(dv_llm_waits(&script->llm));
}

/* A wait that leaves no time for another try is not waited. */
static void does_not_wait_past_its_deadline(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    open_openai(script);
    script_reply(script, 429, "");
    script->replies[0].retry_after_s = 500;
    script_ask(script, &answer, "why");
    expect(&answer, DV_E_DEPENDENCY, DV_LLM_FAILED, "");
    assert_int_equal(script->asked, 1);
    assert_true(script->loop.now_ns < 1000000000);
}

static void opens_the_circuit_and_closes_it_again(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    open_openai(script);
    script_reply(script, 503, "");
    script_ask(script, &answer, "one"); /* four tries */
    script_ask(script, &answer, "two"); /* the fifth failure opens it: nothing is tried again */
    assert_int_equal(script->asked, 5);
    expect(&answer, DV_E_DEPENDENCY, DV_LLM_FAILED, "");
    assert_string_equal(dv_llm_waits(&script->llm), "the model's service is busy or down");
    script_ask(script, &answer, "three");
    assert_int_equal(script->asked, 5); /* at once */
    assert_string_equal(answer.request.reason, "the model's service is busy or down");
    script->loop.now_ns += UINT64_C(60000000000);
    script->reply_count = script->next = 0;
    script_reply(script, 200, HALLO END("stop") DONE);
    script_ask(script, &answer, "four"); /* the probe */
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
    assert_null(dv_llm_waits(&script->llm));
}

/* What it fails at every time, it is not blamed for as long as others get their answers. */
static void does_not_blame_the_service_for_one_request(void **state)
{
    struct script *script = *state;
    open_openai(script);
    for (unsigned round = 0; round < 6; round++) {
        struct answer answer = { 0 };
        script->reply_count = script->next = 0;
        for (unsigned i = 0; i < 4; i++)
            script_reply(script, 500, "");
        script_reply(script, 200, HALLO END("stop") DONE);
        script_ask(script, &answer, "poison");
        expect(&answer, DV_E_DATA, DV_LLM_FAILED, "");
        script_ask(script, &answer, "other");
        expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
        assert_null(dv_llm_waits(&script->llm));
    }
}

static void a_quota_that_is_used_up_closes_the_door(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    open_openai(script);
    script_reply(script, 429, "{\"error\":{\"code\":\"insufficient_quota\"}}");
    script_reply(script, 200, HALLO END("stop") DONE);
    script_ask(script, &answer, "one");
    script->loop.now_ns += UINT64_C(590000000000);
    script_ask(script, &answer, "two");
    assert_int_equal(script->asked, 1);
    assert_string_equal(answer.request.reason, "the quota of the model's service is used up");
    script->loop.now_ns += UINT64_C(11000000000);
    script_ask(script, &answer, "three");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
}

static void a_probe_that_is_given_up_leaves_another_one(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 }, probe = { 0 };
    open_openai(script);
    script_reply(script, 429, "{\"error\":{\"code\":\"insufficient_quota\"}}");
    script_reply(script, 200, HALLO END("stop") DONE);
    script->replies[1].never = true;
    script_ask(script, &answer, "one");
    script->loop.now_ns += UINT64_C(600000000000);
    script_begin(script, &probe, "two");
    script_run(script);
    assert_int_equal(script->open_count, 1);
    dv_llm_cancel(&script->llm, &probe.request);
    assert_int_equal(script->cancelled, 1);
    script->replies[1].never = false;
    script->loop.now_ns += UINT64_C(60000000000);
    script_ask(script, &answer, "three");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
    assert_int_equal(probe.ends, 0);
}

static void asks_so_many_at_a_time(void **state)
{
    struct script *script = *state;
    struct answer *answers = calloc(DV_LLM_TALKS_MAX + 1, sizeof *answers), *last = &answers[DV_LLM_TALKS_MAX];
    open_openai(script);
    script_reply(script, 200, HALLO END("stop") DONE);
    for (unsigned i = 0; i < DV_LLM_TALKS_MAX; i++)
        script_begin(script, &answers[i], "why");
    *last = answers[0];
    last->request.data = last;
    assert_int_equal(dv_llm_ask(&script->llm, &last->request), DV_E_LIMIT);
    dv_llm_cancel(&script->llm, &last->request); /* is over: nothing */
    script_run(script);
    for (unsigned i = 0; i < DV_LLM_TALKS_MAX; i++)
        expect(&answers[i], DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
    assert_int_equal(script->open_most, 4);
    free(answers);
}

static void waits_for_its_turn_no_longer_than_its_deadline(void **state)
{
    struct script *script = *state;
    struct answer first = { 0 }, second = { 0 };
    script_open(script, &(struct dv_llm_config){ .kind = DV_LLM_OPENAI,
                                                 .url = "http://127.0.0.1",
                                                 .at_a_time = 1,
                                                 .deadlines = { .total_ms = 5000 } });
    script_reply(script, 200, "");
    script->replies[0].never = true;
    script_begin(script, &first, "one");
    script_begin(script, &second, "two");
    script_run(script);
    assert_int_equal(second.ends, 1);
    assert_int_equal(second.request.rc, DV_E_DEPENDENCY);
    assert_string_equal(second.request.reason, "the model's service had no time for the request");
    assert_in_range(script->loop.now_ns, UINT64_C(5000000000), UINT64_C(5010000000));
    assert_int_equal(first.ends, 0);
}

static void can_be_cancelled_at_every_piece(void **state)
{
    struct script *script = *state;
    open_openai(script);
    script_reply(script, 200, HALLO END("stop") DONE);
    for (unsigned at = 1; at <= 2; at++) {
        struct answer answer = { .cancel_at = at };
        script_ask(script, &answer, "why");
        assert_int_equal(answer.pieces, at);
        assert_int_equal(script->cancelled, at);
    }
    /* the last piece comes at the end of the stream, when the connection is over */
    script->replies[0].body = HALLO "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}";
    struct answer answer = { .cancel_at = 3 };
    script_ask(script, &answer, "why");
    assert_int_equal(answer.pieces, 3);
    assert_int_equal(script->cancelled, 2);
}

static void keeps_answers_within_bounds(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    script_open(script, &(struct dv_llm_config){ .kind = DV_LLM_OPENAI, .url = "http://127.0.0.1", .kept_bytes = 600 });
    script_reply(script, 200, HALLO END("stop") DONE);
    script_ask(script, &answer, "why");
    assert_false(answer.request.kept);
    script_ask(script, &answer, "why");
    assert_true(answer.request.kept);
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
    assert_int_equal(script->asked, 1);
    assert_int_equal(answer.request.tokens_in, 0);
    answer.request.tenant = "other"; /* nothing is shared between tenants */
    script_ask(script, &answer, "why");
    assert_false(answer.request.kept);
    answer.request.tenant = "clinic";
    answer.request.system = (struct dv_llm_text){ "w", 1 }; /* not the same as "why" without */
    script_ask(script, &answer, "hy");
    assert_false(answer.request.kept);
    answer.request.system = (struct dv_llm_text){ 0 };
    static const char *const others[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
    for (size_t i = 0; i < 8; i++)
        script_ask(script, &answer, others[i]);
    assert_true(script->llm.shelf.bytes <= 600);
    script_ask(script, &answer, "why"); /* long forgotten */
    assert_false(answer.request.kept);
    script_ask(script, &answer, "h");
    assert_true(answer.request.kept);
}

static void keeps_no_answer_that_is_not_whole(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    script_open(script, &(struct dv_llm_config){ .kind = DV_LLM_OPENAI, .url = "http://127.0.0.1" });
    script_reply(script, 200, HALLO END("length") DONE);
    script_ask(script, &answer, "why");
    script_ask(script, &answer, "why");
    assert_int_equal(script->asked, 2);
}

static void survives_failing_memory(void **state)
{
    struct script *script = *state;
    unsigned failed = 0;
    open_openai(script);
    script_reply(script, 200, HALLO END("stop") DONE);
    for (uint64_t nth = 1; nth <= 40; nth++) {
        struct answer answer = { 0 };
        script_begin(script, &answer, "why");
        dv_memory_fail_at(nth);
        script_run(script);
        dv_memory_fail_at(0);
        assert_int_equal(answer.ends, 1);
        assert_true(answer.request.rc == DV_OK || answer.request.rc == DV_E_MEMORY);
        failed += answer.request.rc != DV_OK;
    }
    assert_in_range(failed, 3, 39);
}

static void refuses_what_cannot_be_used(void **state)
{
    static const struct {
        const char *url, *key, *model;
        enum dv_llm_kind kind;
    } wrong[] = {
        { "ftp://127.0.0.1", NULL, "m", DV_LLM_OPENAI },
        { "127.0.0.1:80", NULL, "m", DV_LLM_OPENAI },
        { "http://user@127.0.0.1", NULL, "m", DV_LLM_OPENAI },
        { "http://user:pw@127.0.0.1", NULL, "m", DV_LLM_OPENAI },
        { "http://127.0.0.1/?key=1", NULL, "m", DV_LLM_OPENAI },
        { "http://127.0.0.1/#x", NULL, "m", DV_LLM_OPENAI },
        { "http://exa mple.org", NULL, "m", DV_LLM_OPENAI },
        { "http://example.org", "env:K", "m", DV_LLM_OPENAI }, /* the key in the clear */
        { "http://127.example.org", "env:K", "m", DV_LLM_OPENAI },
        { "https://example.org", "sk-123", "m", DV_LLM_OPENAI },
        { "https://example.org", NULL, NULL, DV_LLM_OPENAI },
        { "https://example.org", NULL, "", DV_LLM_OPENAI },
        { "https://example.org", NULL, "../x", DV_LLM_GEMINI },
        { "https://example.org", NULL, "m?key=", DV_LLM_GEMINI },
    };
    struct script *script = *state;
    struct dv_loop_sim loop;
    struct dv_error error = { 0 };
    dv_loop_sim_init(&loop);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct dv_llm_config config = { .loop = &loop.base,
                                              .kind = wrong[i].kind,
                                              .url = wrong[i].url,
                                              .key = wrong[i].key,
                                              .model = wrong[i].model,
                                              .http = &script->base };
        if (dv_llm_open(&script->llm, &config, &error) != DV_E_CONFIG)
            fail_msg("taken: %s", wrong[i].url);
        assert_null(strstr(error.text, "sk-123"));
    }
    open_openai(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_an_answer_however_it_is_cut, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(writes_the_request, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(judges_by_the_rules, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(judges_connections, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(heals_by_another_try, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(does_not_wait_past_its_deadline, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(opens_the_circuit_and_closes_it_again, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(does_not_blame_the_service_for_one_request, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_quota_that_is_used_up_closes_the_door, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_probe_that_is_given_up_leaves_another_one, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(asks_so_many_at_a_time, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(waits_for_its_turn_no_longer_than_its_deadline, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(can_be_cancelled_at_every_piece, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(keeps_answers_within_bounds, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(keeps_no_answer_that_is_not_whole, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(survives_failing_memory, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_cannot_be_used, script_setup, script_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
