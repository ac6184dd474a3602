/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_llm_cortex.c - Snowflake's Cortex before a scripted service: in OpenAI's words and in its own, errors, tokens
 * that are refused.
 *
 * shows: SNO-4 SNO-5 SNO-6 RAG-6 */
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/llm_script.h"

#define FRAME(inside) "data: {" inside "}\n\n"
#define DELTA(inside) FRAME("\"choices\":[{\"delta\":{" inside "}}],\"usage\":{}")
#define TEXT(text) DELTA("\"type\":\"text\",\"content\":\"" text "\"")
#define USAGE(out) FRAME("\"choices\":[{\"delta\":{\"type\":\"text\",\"content\":\"\"}}],\"usage\":{\"prompt_tokens\":7,"       \
                         "\"completion_tokens\":" out ",\"guard_tokens\":2,\"total_tokens\":12}")
#define CHUNK(text) FRAME("\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}]")
#define STOP(word) FRAME("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" word "\"}]")
#define DONE "data: [DONE]\n\n"
#define LONG_8(text) text text text text text text text text
#define LONG LONG_8(LONG_8("12345678 1234567")) /* twice as many bytes as there may be tokens */
#define BUSY "the model's service is busy or down"
#define BROKE_OFF "the answer broke off"
#define NO_TOOL "the model wants to call a tool, and was given none"
#define REGION                                                                                                         \
    "Cortex has no such model in the account's region: is its name right, or is CORTEX_ENABLED_CROSS_REGION needed?"
#define TOKEN "Snowflake does not accept the token: is the key the user's, and are account and user right?"

static void open_kind(struct script *script, enum dv_llm_kind kind)
{
    const struct dv_llm_config config = script_cortex(kind);
    script_open(script, &config);
}

static void expect(const struct answer *answer, dv_rc rc, enum dv_llm_finish finish, const char *text)
{
    assert_int_equal(answer->request.rc, rc);
    assert_int_equal(answer->request.finish, finish);
    assert_string_equal(answer->text, text);
}

static void is_asked_in_openais_words(void **state)
{
    struct script *script = *state;
    struct answer answer = { .request = {
                                 .system = { "brief", 5 }, .max_tokens = 9, .json_schema = "{\"type\":\"object\"}" } };
    open_kind(script, DV_LLM_CORTEX);
    script_reply(script, 200, CHUNK("a") CHUNK("\\u00e4") STOP("stop") DONE);
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, "a\xc3\xa4");
    assert_string_equal(script->path, "/api/v2/cortex/v1/chat/completions");
    assert_string_equal(script->llm.config.url, "https://myorg-dv-test.snowflakecomputing.com");
    assert_string_equal(script->headers, "Content-Type: application/json\nAuthorization: Bearer pat-1\n"
                                         "X-Snowflake-Authorization-Token-Type: PROGRAMMATIC_ACCESS_TOKEN\n"
                                         "Accept: application/json, text/event-stream\n");
    assert_string_equal(
        script->body,
        "{\"model\":\"model-1\",\"messages\":[{\"role\":\"system\",\"content\":\"brief\"},"
        "{\"role\":\"user\",\"content\":\"why\"}],\"max_completion_tokens\":9,\"temperature\":0,\"stream\":true,"
        "\"stream_options\":{\"include_usage\":true},\"response_format\":"
        "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"schema\":{\"type\":\"object\"}}}}");
}

static void is_asked_in_its_own_words(void **state)
{
    struct script *script = *state;
    struct answer answer = { .request = {
                                 .system = { "brief", 5 }, .max_tokens = 9, .json_schema = "{\"type\":\"object\"}" } };
    struct dv_llm_config config = script_cortex(DV_LLM_CORTEX_NATIVE);
    config.guarded = true;
    config.identity.proof = DV_SNOWFLAKE_OAUTH;
    script_open(script, &config);
    script_reply(script, 200, TEXT("a") TEXT("\\u00e4") USAGE("3"));
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, "a\xc3\xa4");
    assert_int_equal(answer.request.tokens_in, 9); /* what the guard read, too */
    assert_int_equal(answer.request.tokens_out, 3);
    assert_string_equal(script->path, "/api/v2/cortex/inference:complete");
    assert_non_null(strstr(script->headers, "X-Snowflake-Authorization-Token-Type: OAUTH\n"));
    assert_string_equal(
        script->body,
        "{\"model\":\"model-1\",\"messages\":[{\"role\":\"system\",\"content\":\"brief\"},"
        "{\"role\":\"user\",\"content\":\"why\"}],\"max_tokens\":9,\"temperature\":0,\"stream\":true,"
        "\"guardrails\":{\"enabled\":true,\"response_when_unsafe\":\"[withheld by Cortex Guard]\"},"
        "\"response_format\":{\"type\":\"json\",\"schema\":{\"type\":\"object\"}}}");
}

/* A status or a stream, and what it comes to: how many tries, and what the owner is told. */
static const struct rule {
    enum dv_llm_kind kind;
    unsigned status;
    const char *body;
    dv_rc rc;
    enum dv_llm_finish finish;
    unsigned tries;
    const char *text, *reason;
} rules[] = {
    /* ends, in its own words */
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") TEXT("b"), DV_OK, DV_LLM_COMPLETE, 1, "ab", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") DONE TEXT("b"), DV_OK, DV_LLM_COMPLETE, 1, "a", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") "data: {\"choi", DV_E_DEPENDENCY, DV_LLM_FAILED, 1, "a", BROKE_OFF },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") "data: {\"choices\":[]}\n", DV_E_DEPENDENCY, DV_LLM_FAILED, 1, "a", BROKE_OFF },
    { DV_LLM_CORTEX_NATIVE, 200, "", DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "", BROKE_OFF },
    { DV_LLM_CORTEX_NATIVE, 200, DONE, DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "", BROKE_OFF },
    { DV_LLM_CORTEX_NATIVE, 200, ": nothing\n\n" FRAME("\"choices\":[]"), DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "", BROKE_OFF },
    { DV_LLM_CORTEX_NATIVE, 200, USAGE("0"), DV_OK, DV_LLM_COMPLETE, 1, "", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") USAGE("512"), DV_OK, DV_LLM_TRUNCATED, 1, "a", "the answer is cut off at its longest" },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") STOP("stop") USAGE("512"), DV_OK, DV_LLM_COMPLETE, 1, "a", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") STOP("length"), DV_OK, DV_LLM_TRUNCATED, 1, "a", "the answer is cut off at its longest" },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") FRAME("\"finish_reason\":\"future\""), DV_E_DATA, DV_LLM_FAILED, 1, "a",
      "the answer ended in a way that is not known" },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") STOP("content_filter"), DV_OK, DV_LLM_BLOCKED, 1, "a", "the service would not answer" },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("[withheld by ") TEXT("Cortex Guard]") USAGE("3"), DV_OK, DV_LLM_BLOCKED, 1,
      "[withheld by Cortex Guard]", "the service would not answer" },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("[withheld by Cortex Guard]") TEXT("?"), DV_OK, DV_LLM_COMPLETE, 1, "[withheld by Cortex Guard]?", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("?") TEXT("[withheld by Cortex Guard]"), DV_OK, DV_LLM_COMPLETE, 1, "?[withheld by Cortex Guard]", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("\\n") TEXT(" [withheld by Cortex Guard]\\n") USAGE("3"), DV_OK, DV_LLM_BLOCKED, 1,
      "\n [withheld by Cortex Guard]\n", "the service would not answer" },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("[withheld by") TEXT("  Cortex Guard]"), DV_OK, DV_LLM_COMPLETE, 1, "[withheld by  Cortex Guard]", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT(LONG), DV_OK, DV_LLM_TRUNCATED, 1, LONG, "the answer is cut off at its longest" },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT(LONG) STOP("stop"), DV_OK, DV_LLM_COMPLETE, 1, LONG, NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT(LONG) USAGE("128"), DV_OK, DV_LLM_COMPLETE, 1, LONG, NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("[withheld by"), DV_OK, DV_LLM_COMPLETE, 1, "[withheld by", NULL },
    /* deltas */
    { DV_LLM_CORTEX_NATIVE, 200, DELTA("\"content\":\"a\",\"text\":\"a\",\"content_list\":[{\"type\":\"text\",\"text\":\"a\"}]"), DV_OK,
      DV_LLM_COMPLETE, 1, "a", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, DELTA("\"type\":\"text\",\"text\":\"a\""), DV_OK, DV_LLM_COMPLETE, 1, "a", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, DELTA("\"content\":\"\",\"content_list\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]"),
      DV_OK, DV_LLM_COMPLETE, 1, "ab", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, DELTA("\"type\":\"anthropic\",\"content\":\"hm\"") TEXT("a"), DV_OK, DV_LLM_COMPLETE, 1, "a", NULL },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") DELTA("\"type\":\"tool_use\",\"name\":\"look\",\"input\":\"{\""), DV_E_DATA, DV_LLM_FAILED, 1, "a",
      NO_TOOL },
    { DV_LLM_CORTEX_NATIVE, 200, DELTA("\"content_list\":[{\"type\":\"tool_use\",\"tool_use\":{}}]"), DV_E_DATA, DV_LLM_FAILED, 1, "", NO_TOOL },
    { DV_LLM_CORTEX_NATIVE, 200, "data: {\"choices\":[{\n\n", DV_E_DATA, DV_LLM_FAILED, 1, "", "the service's answer is no JSON" },
    { DV_LLM_CORTEX_NATIVE, 200, FRAME("\"error\":{\"code\":\"390503\",\"message\":\"x\",\"request_id\":\"y\"}"), DV_E_DEPENDENCY, DV_LLM_FAILED, 4,
      "", BUSY },
    { DV_LLM_CORTEX_NATIVE, 200, TEXT("a") FRAME("\"error\":{\"code\":\"390503\"}") TEXT("b"), DV_E_DEPENDENCY, DV_LLM_FAILED, 1, "a", BUSY },
    /* ends, in OpenAI's words */
    { DV_LLM_CORTEX, 200, CHUNK("a") STOP("stop") DONE, DV_OK, DV_LLM_COMPLETE, 1, "a", NULL },
    { DV_LLM_CORTEX, 200, CHUNK("a") STOP("stop"), DV_OK, DV_LLM_COMPLETE, 1, "a", NULL },
    { DV_LLM_CORTEX, 200, CHUNK("a") STOP("stop") "data: {\"usage\"", DV_E_DEPENDENCY, DV_LLM_FAILED, 1, "a", BROKE_OFF },
    { DV_LLM_CORTEX, 200, CHUNK("a"), DV_E_DEPENDENCY, DV_LLM_FAILED, 1, "a", BROKE_OFF },
    { DV_LLM_CORTEX, 200, CHUNK("a") DONE, DV_E_DATA, DV_LLM_FAILED, 1, "a", "the answer does not say how it ended" },
    { DV_LLM_CORTEX, 200, CHUNK("a") STOP("future") DONE, DV_E_DATA, DV_LLM_FAILED, 1, "a", "the answer ended in a way that is not known" },
    { DV_LLM_CORTEX, 200, CHUNK("a") FRAME("\"error\":{\"code\":\"390503\"}"), DV_E_DEPENDENCY, DV_LLM_FAILED, 1, "a", BUSY },
    { DV_LLM_CORTEX, 200, FRAME("\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]") STOP("stop") DONE, DV_E_DATA, DV_LLM_FAILED, 1, "",
      NO_TOOL },
    /* statuses */
    { DV_LLM_CORTEX, 400, "{\"message\":\"bad\",\"error_code\":\"390400\"}", DV_E_DATA, DV_LLM_FAILED, 1, "",
      "the model's service refuses this request" },
    { DV_LLM_CORTEX, 400, "", DV_E_DATA, DV_LLM_FAILED, 1, "", "the model's service refuses this request" },
    { DV_LLM_CORTEX, 400, "{\"error\":{\"message\":\"Model m is not available in your Region\"}}", DV_E_CONFIG, DV_LLM_FAILED, 1, "", REGION },
    { DV_LLM_CORTEX_NATIVE, 400, "{\"message\":\"unknown model m\"}", DV_E_CONFIG, DV_LLM_FAILED, 1, "", REGION },
    { DV_LLM_CORTEX, 400, "{\"message\":\"unknown field region\"}", DV_E_DATA, DV_LLM_FAILED, 1, "", "the model's service refuses this request" },
    { DV_LLM_CORTEX_NATIVE, 400, "{\"message\":\"of a model that is available only in a region\"}", DV_E_DATA, DV_LLM_FAILED, 1, "",
      "the model's service refuses this request" },
    { DV_LLM_CORTEX_NATIVE, 400, "{\"message\":\"max tokens exceeded\"}", DV_E_LIMIT, DV_LLM_FAILED, 1, "",
      "the prompt is longer than the model can take" },
    { DV_LLM_CORTEX, 401, "", DV_E_CONFIG, DV_LLM_FAILED, 2, "", TOKEN },
    { DV_LLM_CORTEX, 402, "{\"message\":\"budget exceeded\"}", DV_E_DEPENDENCY, DV_LLM_FAILED, 1, "",
      "the account's budget for Cortex is used up" },
    { DV_LLM_CORTEX, 403, "", DV_E_CONFIG, DV_LLM_FAILED, 1, "",
      "the user's default role may not use Cortex: it needs SNOWFLAKE.CORTEX_USER" },
    { DV_LLM_CORTEX, 404, "", DV_E_CONFIG, DV_LLM_FAILED, 1, "", "the service has no such model or path" },
    { DV_LLM_CORTEX, 429, "", DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "", "the model's service is asked too often" },
    { DV_LLM_CORTEX, 503, "<html>", DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "", BUSY },
    { DV_LLM_CORTEX_NATIVE, 504, "", DV_E_DEPENDENCY, DV_LLM_FAILED, 4, "", BUSY },
};

static void judges_by_the_rules(void **state)
{
    struct script *script = *state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *rule = &rules[i];
        struct answer answer = { 0 };
        memset(script, 0, sizeof *script);
        open_kind(script, rule->kind);
        script_reply(script, rule->status, rule->body);
        script->replies[0].piece = 1 + i % 5;
        script_ask(script, &answer, "why");
        if (answer.request.rc != rule->rc || answer.request.finish != rule->finish || script->asked != rule->tries)
            fail_msg("rule %zu: %s, finish %d, %u tries", i, dv_rc_name(answer.request.rc), (int)answer.request.finish,
                     script->asked);
        assert_string_equal(answer.text, rule->text);
        if (rule->reason == NULL)
            assert_null(answer.request.reason);
        else
            assert_string_equal(answer.request.reason, rule->reason);
        if (i + 1 < sizeof rules / sizeof rules[0])
            script_close(script);
    }
}

/* A token that was put in place of another counts from the next request on, and a refused one is asked for anew, once. */
static void a_refused_token_is_read_anew(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    open_kind(script, DV_LLM_CORTEX);
    script_reply(script, 401, "");
    script_reply(script, 200, CHUNK("a") STOP("stop"));
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, "a");
    assert_int_equal(script->asked, 2);
    assert_int_equal(dv_llm_figures(&script->llm)->retries, 0); /* of the same try */
    assert_null(dv_llm_waits(&script->llm));
    (void)setenv("LLM_TEST_PAT", "pat-2", 1);
    script_ask(script, &answer, "and why");
    assert_non_null(strstr(script->headers, "Authorization: Bearer pat-2\n"));
    (void)unsetenv("LLM_TEST_PAT");
    script_ask(script, &answer, "and then");
    expect(&answer, DV_E_CONFIG, DV_LLM_FAILED, "");
    assert_string_equal(answer.request.reason, "the key of the model's service cannot be read");
    assert_int_equal(script->asked, 3);
}

static void put_key(void)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char text[4096] = { 0 };
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_true(BIO_read(bio, text, sizeof text - 1) > 0);
    assert_int_equal(setenv("LLM_TEST_PEM", text, 1), 0);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

/* A token that is signed is shown for the better part of an hour, whatever becomes of the key; a refused one is not shown again. */
static void a_refused_token_is_signed_anew(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    struct dv_llm_config config = script_cortex(DV_LLM_CORTEX);
    char first[sizeof script->headers];
    config.identity = (struct dv_snowflake_identity){ .account = "a", .user = "u", .secret = "env:LLM_TEST_PEM" };
    put_key();
    script_open(script, &config);
    put_key();
    script_reply(script, 200, CHUNK("a") STOP("stop"));
    script_ask(script, &answer, "one");
    memcpy(first, script->headers, sizeof first);
    assert_non_null(strstr(first, "Token-Type: KEYPAIR_JWT\n"));
    script_ask(script, &answer, "two");
    assert_string_equal(script->headers, first);
    script->reply_count = script->next = 0;
    script_reply(script, 401, "");
    script_reply(script, 200, CHUNK("a") STOP("stop"));
    script_ask(script, &answer, "three");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, "a");
    assert_string_not_equal(script->headers, first);
    assert_int_equal(script->asked, 4);
}

/* Without its end and its tokens, nobody knows whether an answer is whole. */
static void an_answer_that_may_be_cut_off_is_not_kept(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    struct dv_llm_config config = script_cortex(DV_LLM_CORTEX_NATIVE);
    config.keeps_none = false;
    script_open(script, &config);
    script_reply(script, 200, TEXT("a"));
    script_reply(script, 200, TEXT("ab") USAGE("2"));
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, "a");
    for (int i = 0; i < 2; i++) {
        script_ask(script, &answer, "why");
        expect(&answer, DV_OK, DV_LLM_COMPLETE, "ab");
    }
    assert_true(answer.request.kept);
    assert_int_equal(script->asked, 2);
}

/* What is said of the model counts if the service says it, and not the prompt that it repeats. */
static void a_refusal_that_repeats_the_prompt_says_nothing(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    open_kind(script, DV_LLM_CORTEX);
    script_reply(script, 400, "{\"message\":\"refused: a pacemaker of unknown model\"}");
    script_ask(script, &answer, "a pacemaker of Unknown Model");
    expect(&answer, DV_E_DATA, DV_LLM_FAILED, "");
    script_ask(script, &answer, "why");
    expect(&answer, DV_E_CONFIG, DV_LLM_FAILED, "");
}

static void a_budget_that_is_used_up_closes_the_door(void **state)
{
    struct script *script = *state;
    struct answer answer = { 0 };
    open_kind(script, DV_LLM_CORTEX_NATIVE);
    script_reply(script, 402, "");
    script_reply(script, 200, TEXT("a"));
    script_ask(script, &answer, "one");
    script_ask(script, &answer, "two");
    assert_int_equal(script->asked, 1);
    script->loop.now_ns += UINT64_C(601000000000);
    script_ask(script, &answer, "three");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, "a");
}

static void tokens_of_the_day_are_counted(void **state)
{
    struct script *script = *state;
    struct answer answer = { .request = { .max_tokens = 20 } };
    struct dv_llm_config config = script_cortex(DV_LLM_CORTEX_NATIVE);
    config.tokens_per_day = 100;
    script_open(script, &config);
    script_reply(script, 200, TEXT("a") FRAME("\"choices\":[],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":1}"));
    script_ask(script, &answer, "one");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, "a");
    script_ask(script, &answer, "two");
    assert_int_equal(answer.request.rc, DV_E_LIMIT);
    assert_int_equal(script->asked, 1);
}

/* A frame of a megabyte, which is more than the reader's usual limit. */
static void takes_frames_of_a_megabyte(void **state)
{
    static const char head[] = "data: {\"choices\":[{\"delta\":{\"type\":\"text\",\"content\":\"x", tail[] = "\"}}]}\n\n" TEXT("y");
    const size_t blanks = 1 << 20;
    struct script *script = *state;
    struct answer answer = { 0 };
    char *stream = malloc(sizeof head + blanks + sizeof tail), *at = stream;
    assert_non_null(stream);
    at = mempcpy(at, "data: ", 6);
    memset(at, ' ', blanks);
    at = mempcpy(at + blanks, head + 6, sizeof head - 7);
    memcpy(at, tail, sizeof tail);
    open_kind(script, DV_LLM_CORTEX_NATIVE);
    script_reply(script, 200, stream);
    script->replies[0].piece = 10007;
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, "xy");
    free(stream);
}

/* ---- who and where ---- */

static void what_cannot_work_is_refused(void **state)
{
    static const struct {
        const char *account, *url, *secret, *user, *model;
        enum dv_snowflake_proof proof;
    } wrong[] = {
        { NULL, NULL, "env:X", NULL, "m", DV_SNOWFLAKE_PAT },
        { "my org", NULL, "env:X", NULL, "m", DV_SNOWFLAKE_PAT },
        { "org-a", "http://example.org", "env:X", NULL, "m", DV_SNOWFLAKE_PAT },
        { "org-a", "ftp://example.org", "env:X", NULL, "m", DV_SNOWFLAKE_PAT },
        { "org-a", NULL, "secret itself", NULL, "m", DV_SNOWFLAKE_PAT },
        { "org-a", NULL, NULL, NULL, "m", DV_SNOWFLAKE_PAT },
        { "org-a", NULL, "env:X", NULL, "m", DV_SNOWFLAKE_KEYPAIR },
        { "org-a", NULL, "env:X", NULL, "a model", DV_SNOWFLAKE_PAT },
        { "org-a", NULL, "env:X", NULL, "../m", DV_SNOWFLAKE_OAUTH },
        { "org-a", NULL, "env:X", NULL, NULL, DV_SNOWFLAKE_PAT },
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct dv_error error = { 0 };
        const struct dv_llm_config config = {
            .kind = DV_LLM_CORTEX,
            .url = wrong[i].url,
            .model = wrong[i].model,
            .identity = { .proof = wrong[i].proof, .account = wrong[i].account, .user = wrong[i].user, .secret = wrong[i].secret },
        };
        if (dv_llm_check(&config, &error) != DV_E_CONFIG)
            fail_msg("%zu is taken", i);
        assert_true(error.text[0] != '\0' && strstr(error.text, "secret itself") == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_asked_in_openais_words, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(is_asked_in_its_own_words, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(judges_by_the_rules, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_refused_token_is_read_anew, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_refused_token_is_signed_anew, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_may_be_cut_off_is_not_kept, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_refusal_that_repeats_the_prompt_says_nothing, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_budget_that_is_used_up_closes_the_door, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(tokens_of_the_day_are_counted, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(takes_frames_of_a_megabyte, script_setup, script_teardown),
        cmocka_unit_test(what_cannot_work_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
