/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_llm_tokens.c - the tokens of a tenant's day before a scripted service: what is counted, and what is guessed.
 *
 * shows: RAG-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static void expect(const struct answer *answer, dv_rc rc, enum dv_llm_finish finish, const char *text)
{
    assert_int_equal(answer->request.rc, rc);
    assert_int_equal(answer->request.finish, finish);
    assert_string_equal(answer->text, text);
}

static void counts_the_tokens_of_each_tenants_day(void **state)
{
    struct script *script = *state;
    struct answer answer = { .request = { .max_tokens = 50 } };
    script_open(script,
                &(struct dv_llm_config){
                    .kind = DV_LLM_OPENAI, .url = "http://127.0.0.1", .keeps_none = true, .tokens_per_day = 90 });
    script_reply(script, 200, HALLO END("stop") DONE); /* ten tokens; 83 may be needed */
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
    script_ask(script, &answer, "why");
    expect(&answer, DV_E_LIMIT, DV_LLM_FAILED, "");
    assert_string_equal(answer.request.reason, "the tenant's tokens of this day are spent");
    assert_int_equal(dv_llm_figures(&script->llm)->refused, 1);
    assert_int_equal(script->asked, 1);
    answer.request.tenant = "other";
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
    answer.request.tenant = "clinic";
    script->loop.now_ns += UINT64_C(86400000000000);
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
}

static void open_with_tokens(struct script *script, uint64_t tokens)
{
    script_open(script,
                &(struct dv_llm_config){
                    .kind = DV_LLM_OPENAI, .url = "http://127.0.0.1", .keeps_none = true, .tokens_per_day = tokens });
}

/* What may have run costs, though nothing came of it: 33 tokens for each of three tries, and none for the one that was refused. */
static void what_is_lost_counts_too(void **state)
{
    struct script *script = *state;
    struct answer answer = { .request = { .max_tokens = 1 } };
    open_with_tokens(script, 132);
    for (unsigned i = 0; i < 4; i++)
        script->replies[i] = (struct reply){ .rc = DV_E_DEPENDENCY, .reason = "gone" };
    script->replies[3] = (struct reply){ .status = 429 };
    script->reply_count = 4;
    script_ask(script, &answer, "why");
    expect(&answer, DV_E_DEPENDENCY, DV_LLM_FAILED, "");
    assert_int_equal(script->asked, 4);
    script_ask(script, &answer, "why");
    expect(&answer, DV_E_LIMIT, DV_LLM_FAILED, "");
    answer.request.tenant = "other";
    script->next = 3;
    script_ask(script, &answer, "why");
    assert_true(answer.request.rc == DV_E_DEPENDENCY && script->asked > 4);
}

/* Nor does what did not get there, or was refused, as often as it may be. */
static void what_is_refused_costs_nothing(void **state)
{
    struct script *script = *state;
    struct answer answer = { .request = { .max_tokens = 1 } };
    open_with_tokens(script, 34);
    for (unsigned i = 0; i < 4; i++)
        script->replies[i] = (struct reply){ .status = i == 1 ? 429 : i == 2 ? 503 : 0, .rc = i % 3 == 0 ? DV_E_DEPENDENCY : DV_OK,
                                             .reason = "gone", .unsent = i % 3 == 0 };
    script->reply_count = 4;
    script_ask(script, &answer, "why");
    expect(&answer, DV_E_DEPENDENCY, DV_LLM_FAILED, "");
    assert_int_equal(script->asked, 4);
    script->reply_count = script->next = 0;
    script_reply(script, 200, HALLO END("stop") DONE);
    script_ask(script, &answer, "why");
    expect(&answer, DV_OK, DV_LLM_COMPLETE, HALLO_TEXT);
}

/* Whoever gives up does not know what was done meanwhile. */
static void what_is_given_up_counts_too(void **state)
{
    struct script *script = *state;
    struct answer answer = { .request = { .max_tokens = 1 }, .cancel_at = 1 };
    open_with_tokens(script, 50);
    script_reply(script, 200, "");
    script->replies[0].never = true;
    script_begin(script, &answer, "why");
    while (script->open_count == 0)
        assert_true(dv_loop_sim_step(&script->loop));
    dv_llm_cancel(&script->llm, &answer.request);
    answer.cancel_at = 0;
    script_ask(script, &answer, "why");
    expect(&answer, DV_E_LIMIT, DV_LLM_FAILED, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_the_tokens_of_each_tenants_day, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(what_is_lost_counts_too, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(what_is_refused_costs_nothing, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(what_is_given_up_counts_too, script_setup, script_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
