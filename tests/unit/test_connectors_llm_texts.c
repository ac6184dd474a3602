/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_llm_texts.c - which text a service will not have, and when no text is to blame, before a scripted service.
 *
 * shows: RAG-6 VEC-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/embedder.h"
#include "connectors/llm_texts.h"
#include "connectors/snowflake.h"
#include "tests/unit/llm_script.h"

#define ROW(at) "{\"index\":" at ",\"embedding\":[1,0]}"
#define ROWS(inside) "{\"data\":[" inside "]}"
#define ALONE ROWS(ROW("0"))
#define PAIR ROWS(ROW("0") "," ROW("1"))
#define ROW_ACROSS ROWS("{\"index\":0,\"embedding\":[0,1]}")

/* By a statement. */
#define RESULT(count, rows)                                                                                                                \
    "{\"code\":\"090001\",\"sqlState\":\"00000\",\"statementHandle\":\"h-1\",\"resultSetMetaData\":{\"numRows\":" count                    \
    ",\"format\":\"jsonv2\",\"rowType\":[{\"name\":\"INDEX\",\"type\":\"FIXED\"},{\"name\":\"V\",\"type\":\"VECTOR\"}],"                       \
    "\"partitionInfo\":[{\"rowCount\":" count "}]},\"data\":[" rows "]}"
#define ONE RESULT("1", "[\"0\",\"[1,0]\"]")
#define TWO RESULT("2", "[\"0\",\"[1,0]\"],[\"1\",\"[1,0]\"]")
#define NO_REASON "{\"code\":\"100351\",\"sqlState\":\"P0000\"}"

enum { TEXTS = 2, WIDTH = 2 };

/* Two texts of a batch. */
struct scene {
    struct script script;
    struct dv_snowflake snowflake;
    struct dv_llm_texts texts;
    struct dv_embed_text two[TEXTS];
    float vectors[TEXTS][WIDTH];
    unsigned answers;
};

static void on_answer(struct dv_llm_texts *texts)
{
    struct scene *scene = texts->data;
    scene->answers++;
}

static int open_scene(struct scene *scene, const struct dv_llm_config *config)
{
    script_open(&scene->script, config);
    scene->texts = (struct dv_llm_texts){ .llm = &scene->script.llm,
                                          .width = WIDTH,
                                          .window_bytes = 64,
                                          .per_request = TEXTS,
                                          .tenant = "clinic",
                                          .answer = on_answer,
                                          .data = scene };
    return dv_llm_texts_open(&scene->texts) != DV_OK;
}

static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    *state = scene;
    return scene == NULL || open_scene(scene, &(struct dv_llm_config){ .kind = DV_LLM_OPENAI, .url = "http://127.0.0.1", .keeps_none = true });
}

static int setup_sql(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct dv_llm_config config = script_cortex(DV_LLM_CORTEX_SQL);
    *state = scene;
    if (scene == NULL)
        return 1;
    config.snowflake = &scene->snowflake;
    config.role = "R";
    config.warehouse = "WH";
    return open_scene(scene, &config);
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    dv_llm_texts_close(&scene->texts);
    script_close(&scene->script);
    free(scene);
    return 0;
}

struct said {
    unsigned status;
    const char *body;
};

/* These are the service's answers, the last one again and again. */
static void replies(struct scene *scene, const struct said *replies, size_t count)
{
    scene->script.reply_count = scene->script.next = scene->script.asked = 0;
    for (size_t i = 0; i < count; i++)
        script_reply(&scene->script, replies[i].status, replies[i].body);
}

static void ask(struct scene *scene)
{
    unsigned answers = scene->answers;
    assert_true(dv_llm_texts_ask(&scene->texts));
    script_run(&scene->script);
    assert_int_equal(scene->answers, answers + 1);
}

static void batch(struct scene *scene)
{
    memset(scene->vectors, 0, sizeof scene->vectors);
    for (int i = 0; i < TEXTS; i++)
        scene->two[i] = (struct dv_embed_text){ .text = "cough", .length = 5, .vector = scene->vectors[i] };
    scene->texts.texts = scene->two;
    scene->texts.count = TEXTS;
    ask(scene);
}

static void expect(const struct scene *scene, dv_rc rc, unsigned refused, unsigned embedded)
{
    unsigned found[2] = { 0 };
    for (int i = 0; i < TEXTS; i++) {
        found[0] += scene->two[i].refused;
        found[1] += scene->two[i].embedded;
    }
    if (scene->texts.rc != rc || found[0] != refused || found[1] != embedded)
        fail_msg("%s, %u refused, %u embedded", dv_rc_name(scene->texts.rc), found[0], found[1]);
}

static void one_text_is_refused_and_the_other_is_not(void **state)
{
    struct scene *scene = *state;
    replies(scene, (struct said[]){ { 400, "" }, { 200, ALONE }, { 400, "" }, { 200, ALONE } }, 4);
    batch(scene);
    expect(scene, DV_OK, 1, 1);
    assert_int_equal(scene->script.asked, 4);
    assert_non_null(strstr(scene->script.body, "[\"one\"]")); /* a plain word, last */
}

/* After a long time in which all was well. */
static void a_service_that_refuses_all_of_a_sudden_costs_no_text(void **state)
{
    struct scene *scene = *state;
    replies(scene, (struct said[]){ { 200, PAIR } }, 1);
    batch(scene);
    expect(scene, DV_OK, 0, 2);
    replies(scene, (struct said[]){ { 400, "" } }, 1);
    batch(scene);
    expect(scene, DV_E_DEPENDENCY, 0, 0);
    assert_string_equal(scene->texts.reason, "the model's service refuses every text: is its configuration right?");
    replies(scene, (struct said[]){ { 200, PAIR } }, 1);
    ask(scene);
    expect(scene, DV_OK, 0, 2);
}

/* Within a batch: one had its vector, and then it began. */
static void what_is_refused_at_the_end_is_proved(void **state)
{
    struct scene *scene = *state;
    replies(scene, (struct said[]){ { 400, "" }, { 200, ALONE }, { 400, "" }, { 400, "" } }, 4);
    batch(scene);
    expect(scene, DV_E_DEPENDENCY, 0, 1);
    replies(scene, (struct said[]){ { 200, ALONE } }, 1);
    ask(scene);
    expect(scene, DV_OK, 0, 2);
    assert_int_equal(scene->script.asked, 1);
}

/* Two that are too long come together: they are to blame, for a plain word is taken. */
static void all_of_a_batch_may_be_to_blame(void **state)
{
    struct scene *scene = *state;
    replies(scene, (struct said[]){ { 400, "" }, { 413, "" }, { 413, "" }, { 200, ALONE } }, 4);
    batch(scene);
    expect(scene, DV_OK, 2, 0);
}

static void an_outage_proves_nothing(void **state)
{
    struct scene *scene = *state;
    replies(scene, (struct said[]){ { 400, "" }, { 400, "" }, { 400, "" }, { 403, "" } }, 4);
    batch(scene);
    expect(scene, DV_E_DEPENDENCY, 0, 0);
    assert_string_equal(scene->texts.reason, "the model's service does not accept the key");
}

/* What the first window brought is not counted twice when the text is asked for anew. */
static void a_text_that_is_spared_begins_anew(void **state)
{
    struct scene *scene = *state;
    char text[100];
    memset(text, 'a', sizeof text);
    text[50] = ' ';
    scene->two[0] = (struct dv_embed_text){ .text = text, .length = sizeof text, .vector = scene->vectors[0] };
    scene->texts.texts = scene->two;
    scene->texts.count = scene->texts.per_request = 1;
    replies(scene, (struct said[]){ { 200, ALONE }, { 400, "" }, { 400, "" } }, 3);
    ask(scene);
    expect(scene, DV_E_DEPENDENCY, 0, 0);
    replies(scene, (struct said[]){ { 200, ALONE }, { 200, ROW_ACROSS } }, 2);
    ask(scene);
    expect(scene, DV_OK, 0, 1);
    assert_float_equal(scene->vectors[0][0], 0.7071, 0.02);
    assert_float_equal(scene->vectors[0][1], 0.7071, 0.02);
}

/* ---- refused for no known reason ---- */

static void a_plain_word_tells_that_a_text_is_to_blame(void **state)
{
    struct scene *scene = *state;
    replies(scene, (struct said[]){ { 422, NO_REASON }, { 200, ONE }, { 200, ONE }, { 422, NO_REASON }, { 200, ONE } }, 5);
    batch(scene);
    expect(scene, DV_OK, 1, 1);
    assert_int_equal(scene->script.asked, 5);
    assert_null(dv_llm_waits(&scene->script.llm));
}

/* And nobody pays for more than that word until it is well again. */
static void a_plain_word_tells_that_the_service_is(void **state)
{
    struct scene *scene = *state;
    replies(scene, (struct said[]){ { 422, NO_REASON } }, 1);
    batch(scene);
    expect(scene, DV_E_DEPENDENCY, 0, 0);
    assert_int_equal(scene->script.asked, 2);
    ask(scene);
    expect(scene, DV_E_DEPENDENCY, 0, 0);
    assert_int_equal(scene->script.asked, 3);
    replies(scene, (struct said[]){ { 200, ONE }, { 200, TWO } }, 2);
    ask(scene);
    expect(scene, DV_OK, 0, 2);
}

/* A text that is refused does not keep an open circuit open, and an outage opens it. */
static void behind_an_outage_a_text_is_told_from_it(void **state)
{
    struct scene *scene = *state;
    replies(scene, (struct said[]){ { 422, NO_REASON } }, 1);
    batch(scene);
    for (int i = 0; i < 10; i++)
        ask(scene);
    expect(scene, DV_E_DEPENDENCY, 0, 0);
    assert_in_range(scene->script.asked, 5, 6);
    assert_non_null(dv_llm_waits(&scene->script.llm));
    scene->script.loop.now_ns += UINT64_C(120000000000);
    replies(scene, (struct said[]){ { 200, ONE }, { 422, NO_REASON }, { 200, ONE }, { 422, NO_REASON }, { 200, ONE } }, 5);
    ask(scene);
    expect(scene, DV_OK, 1, 1);
    assert_null(dv_llm_waits(&scene->script.llm));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_text_is_refused_and_the_other_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_service_that_refuses_all_of_a_sudden_costs_no_text, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused_at_the_end_is_proved, setup, teardown),
        cmocka_unit_test_setup_teardown(all_of_a_batch_may_be_to_blame, setup, teardown),
        cmocka_unit_test_setup_teardown(an_outage_proves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_text_that_is_spared_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(a_plain_word_tells_that_a_text_is_to_blame, setup_sql, teardown),
        cmocka_unit_test_setup_teardown(a_plain_word_tells_that_the_service_is, setup_sql, teardown),
        cmocka_unit_test_setup_teardown(behind_an_outage_a_text_is_told_from_it, setup_sql, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
