/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_model.c - a real model on a worker: requests are answered in turn on the loop, equal runs are equal, and
 * what is missing or wrong is told by name. `tools/parts models` brings the models.
 *
 * shows: VEC-1 DEV-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "connectors/model.h"
#include "engine/loop.h"

enum { SKIPPED = 77, LENGTH = 32, WIDTH = 35, ROWS = 2, REQUESTS = 3 };

static const char *parts(void)
{
    const char *folder = getenv("DATAVAULT_PARTS");
    return folder != NULL ? folder : "parts";
}

struct asked {
    struct dv_model_request request;
    int64_t ids[ROWS * LENGTH], mask[ROWS * LENGTH];
    float out[ROWS * LENGTH * WIDTH];
    int *answered;
    int place;
};

static void answered(struct dv_model_request *request)
{
    struct asked *asked = request->data;
    asked->place = ++*asked->answered;
}

static void fill(const struct dv_model *model, struct asked *asked, const char *text, int *count)
{
    struct dv_piece pieces[LENGTH - 2];
    struct dv_wordpiece_marks marks = dv_wordpiece_marks(model->words);
    *asked = (struct asked){ .answered = count };
    for (size_t row = 0; row < ROWS; row++) {
        size_t found = dv_wordpiece_cut(model->words, text, strlen(text), pieces, LENGTH - 2, NULL);
        for (size_t i = 0; i < found + 2; i++) {
            asked->ids[row * LENGTH + i] = i == 0 ? marks.begin : i <= found ? pieces[i - 1].id : marks.end;
            asked->mask[row * LENGTH + i] = 1;
        }
    }
    asked->request = (struct dv_model_request){ .tokens = { asked->ids, asked->mask, ROWS, LENGTH }, .out = asked->out,
                                                .room = ROWS * LENGTH * WIDTH, .answer = answered, .data = asked };
}

/* Whether the model gives a token another label than 0, "outside". */
static bool is_named(const struct asked *asked, size_t token)
{
    const float *labels = asked->out + token * WIDTH;
    for (size_t i = 1; i < WIDTH; i++) {
        if (labels[i] > labels[0])
            return true;
    }
    return false;
}

static void test_requests_are_answered_in_turn(void **state)
{
    (void)state;
    uv_loop_t uv;
    struct dv_loop_real loop;
    struct dv_model model;
    struct dv_error error = { 0 };
    static struct asked asked[REQUESTS];
    int count = 0;
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(dv_loop_real_init(&loop, &uv), DV_OK);
    dv_rc rc = dv_model_open(&model, &loop.base, parts(), "rampart", &error);
    if (rc != DV_OK)
        print_error("%s\n", error.text);
    assert_int_equal(rc, DV_OK);
    assert_int_equal(dv_onnx_width(model.onnx), WIDTH);
    for (int i = 0; i < REQUESTS; i++) {
        fill(&model, &asked[i], i == 1 ? "the pump was cleaned" : "My name is Maria Lindqvist.", &count);
        dv_model_ask(&model, &asked[i].request);
    }
    assert_int_equal(count, 0); /* never from inside */
    while (count < REQUESTS)
        (void)uv_run(&uv, UV_RUN_ONCE);
    for (int i = 0; i < REQUESTS; i++) {
        assert_int_equal(asked[i].request.rc, DV_OK);
        assert_int_equal(asked[i].place, i + 1);
    }
    assert_true(is_named(&asked[0], 4)); /* [CLS] my name is maria */
    assert_false(is_named(&asked[0], 1));
    assert_false(is_named(&asked[1], 2));
    assert_memory_equal(asked[0].out, asked[2].out, sizeof asked[0].out);
    dv_model_close(&model);
    dv_loop_real_close(&loop);
    (void)uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static void test_closing_while_it_works(void **state)
{
    (void)state;
    uv_loop_t uv;
    struct dv_loop_real loop;
    struct dv_model model;
    static struct asked asked[REQUESTS];
    int count = 0;
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(dv_loop_real_init(&loop, &uv), DV_OK);
    assert_int_equal(dv_model_open(&model, &loop.base, parts(), "rampart", NULL), DV_OK);
    for (int i = 0; i < REQUESTS; i++) {
        fill(&model, &asked[i], "Maria", &count);
        dv_model_ask(&model, &asked[i].request);
    }
    dv_model_close(&model);
    dv_loop_real_close(&loop);
    (void)uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(count, 0);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static void test_what_is_missing_is_named(void **state)
{
    (void)state;
    struct dv_model model;
    struct dv_error error = { 0 };
    assert_int_equal(dv_model_open(&model, NULL, parts(), "nothing", &error), DV_E_MISSING);
    assert_non_null(strstr(error.text, "nothing"));
    struct dv_onnx *onnx = NULL;
    assert_int_equal(dv_onnx_open("/nonexistent.so", "x", &onnx, &error), DV_E_MISSING);
    assert_non_null(strstr(error.text, "tools/parts"));
    dv_model_close(&model);
}

static void test_too_much_is_refused(void **state)
{
    (void)state;
    struct dv_model model;
    static struct asked asked;
    int count = 0;
    assert_int_equal(dv_model_open(&model, NULL, parts(), "rampart", NULL), DV_OK);
    fill(&model, &asked, "Maria", &count);
    asked.request.room--;
    assert_int_equal(dv_model_run(&model, &asked.request), DV_E_LIMIT);
    asked.request.room++;
    asked.ids[1] = 1 << 30; /* no such token: the runtime refuses it */
    assert_int_equal(dv_model_run(&model, &asked.request), DV_E_FAILED);
    dv_model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered_in_turn),
        cmocka_unit_test(test_closing_while_it_works),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_too_much_is_refused),
    };
    if (getenv("DATAVAULT_PARTS") == NULL && access("parts/rampart/model.onnx", R_OK) != 0) {
        print_message("no models here: tools/parts models brings them\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
