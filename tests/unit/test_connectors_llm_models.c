/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_llm_models.c - Cortex' list of models before a scripted service: what it says against a model, and what it does not.
 *
 * shows: SNO-4 SNO-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/llm_models.h"
#include "engine/memory.h"
#include "tests/unit/llm_script.h"

static void on_end(struct dv_llm_models *models)
{
    ++*(unsigned *)models->data;
}

/* Asks about `model`, and is answered `status` and `body` each time. */
static struct dv_llm_models look(struct script *script, const char *model, bool vectors, unsigned status, const char *body)
{
    struct dv_llm_config config = script_cortex(DV_LLM_CORTEX);
    unsigned ends = 0;
    struct dv_llm_models models = { .on_end = on_end, .data = &ends };
    config.model = model;
    *script = (struct script){ 0 };
    script_open(script, &config);
    script_reply(script, status, body);
    assert_int_equal(dv_llm_models_look(&models, &script->llm, vectors), DV_OK);
    assert_int_equal(ends, 0);
    script_run(script);
    assert_int_equal(ends, 1);
    assert_string_equal(script->path, "/api/v2/cortex/models");
    dv_llm_models_close(&models);
    script_close(script);
    return models;
}

static void a_model_that_is_listed_is_told(void **state)
{
    static const char *const lists[] = { "{\"models\":[\"claude-x\",\"llama-y\"]}", "{\"models\":[\"CLAUDE-X\"]}",
                                         "{\"models\":[{\"name\":\"llama-y\"},{\"name\":\"claude-x\",\"status\":\"active\"}]}" };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct dv_llm_models models = look(*state, "claude-x", false, 200, lists[i]);
        assert_true(models.rc == DV_OK && models.told);
    }
}

static void a_model_that_is_missing_is_named_with_what_there_is(void **state)
{
    struct dv_llm_models models = look(*state, "claude-x", false, 200, "{\"models\":[\"llama-y\",\"a\\u001b[2Jb\",\"mistral-z\"]}");
    assert_int_equal(models.rc, DV_E_CONFIG);
    assert_non_null(strstr(models.error.text, "'claude-x'"));
    assert_non_null(strstr(models.error.text, "It has llama-y, mistral-z"));
    assert_null(strchr(models.error.text, '\x1b'));
}

static void only_a_list_with_models_of_vectors_tells_of_them(void **state)
{
    static const char *const with = "{\"models\":[\"llama-y\",\"e5-base-v2\"]}";
    assert_int_equal(look(*state, "snowflake-arctic-embed-m", true, 200, with).rc, DV_E_CONFIG);
    struct dv_llm_models models = look(*state, "snowflake-arctic-embed-m", true, 200, "{\"models\":[\"llama-y\"]}");
    assert_true(models.rc == DV_OK && !models.told);
}

static void what_is_no_list_says_nothing(void **state)
{
    static const char *const bodies[] = { "", "<html>", "[]", "{}", "{\"models\":[]}", "{\"models\":\"claude-y\"}", "{\"models\":[7,null,{\"id\":\"claude-y\"}]}" };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct dv_llm_models models = look(*state, "claude-x", false, 200, bodies[i]);
        assert_true(models.rc == DV_OK && !models.told);
    }
    for (unsigned status = 404; status <= 501; status += 501 - 404)
        assert_int_equal(look(*state, "claude-x", false, status, "").rc, DV_OK);
}

static void a_list_that_does_not_end_says_nothing(void **state)
{
    char *body = dv_memory_zeroed(1, DV_LLM_MODELS_MAX + 2);
    assert_non_null(body);
    memset(body, ' ', DV_LLM_MODELS_MAX + 1);
    struct dv_llm_models models = look(*state, "claude-x", false, 200, body);
    dv_memory_free(body);
    assert_true(models.rc == DV_OK && !models.told);
}

static void refusals_are_told(void **state)
{
    struct dv_llm_models models = look(*state, "claude-x", false, 403, "{}");
    assert_true(models.rc == DV_E_CONFIG && models.forbidden);
    assert_non_null(strstr(models.error.text, "SNOWFLAKE.CORTEX_USER"));
    models = look(*state, "claude-x", false, 401, "{}");
    assert_true(models.rc == DV_E_CONFIG && !models.forbidden);
    assert_non_null(strstr(models.error.text, "does not accept the token"));
    assert_int_equal(((struct script *)*state)->asked, 2); /* once more, with another one */
    assert_int_equal(look(*state, "claude-x", false, 503, "").rc, DV_E_DEPENDENCY);
    assert_int_equal(look(*state, "claude-x", false, 429, "").rc, DV_E_DEPENDENCY);
}

static void a_look_that_is_given_up_says_nothing_more(void **state)
{
    struct script *script = *state;
    const struct dv_llm_config config = script_cortex(DV_LLM_CORTEX);
    unsigned ends = 0;
    struct dv_llm_models models = { .on_end = on_end, .data = &ends };
    script_open(script, &config);
    script->replies[script->reply_count++] = (struct reply){ .never = true };
    assert_int_equal(dv_llm_models_look(&models, &script->llm, false), DV_OK);
    script_run(script);
    dv_llm_models_close(&models);
    assert_true(ends == 0 && script->cancelled == 1);
    script_close(script);
    dv_llm_models_close(&(struct dv_llm_models){ 0 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_model_that_is_listed_is_told, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_model_that_is_missing_is_named_with_what_there_is, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(only_a_list_with_models_of_vectors_tells_of_them, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_list_says_nothing, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_list_that_does_not_end_says_nothing, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(refusals_are_told, script_setup, script_teardown),
        cmocka_unit_test_setup_teardown(a_look_that_is_given_up_says_nothing_more, script_setup, script_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
