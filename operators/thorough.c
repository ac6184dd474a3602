/* SPDX-License-Identifier: Apache-2.0
 * thorough.c - rounds of windows to a model and back. */
#include "operators/thorough.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory.h"

enum { PATH_BYTES = 4096, LABEL_BYTES = 4096 };

static dv_rc read_labels(struct dv_thorough *thorough, const char *folder, struct dv_error *error)
{
    char path[PATH_BYTES], text[LABEL_BYTES];
    (void)snprintf(path, sizeof path, "%s/rampart/labels.txt", folder);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return dv_error_set(error, errno == ENOENT ? DV_E_MISSING : DV_E_IO, "%s: %s", path, strerror(errno));
    size_t length = fread(text, 1, sizeof text, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return dv_error_set(error, DV_E_IO, "%s: it cannot be read", path);
    if (dv_is_error(dv_recognizer_init(&thorough->recognizer, text, length)) ||
        thorough->recognizer.count != dv_onnx_width(thorough->model.onnx))
        return dv_error_set(error, DV_E_DATA, "%s: not the labels of this model", path);
    return DV_OK;
}

dv_rc dv_thorough_open(struct dv_thorough *thorough, struct dv_loop *loop, const char *folder, struct dv_error *error)
{
    *thorough = (struct dv_thorough){ 0 };
    dv_tagger_open_own(&thorough->tagger);
    DV_TRY(dv_model_open(&thorough->model, loop, folder, "rampart", error));
    dv_rc rc = read_labels(thorough, folder, error);
    if (dv_is_error(rc))
        dv_thorough_close(thorough);
    return rc;
}

void dv_thorough_close(struct dv_thorough *thorough)
{
    dv_model_close(&thorough->model);
}

struct dv_thorough_question *dv_thorough_question_new(struct dv_thorough *thorough)
{
    size_t floats = (size_t)DV_THOROUGH_ROWS * DV_THOROUGH_TOKENS * dv_onnx_width(thorough->model.onnx);
    struct dv_thorough_question *question = dv_memory_zeroed(1, sizeof *question + floats * sizeof *question->out);
    if (question == NULL)
        return NULL;
    question->thorough = thorough;
    question->request = (struct dv_model_request){ .out = question->out, .room = floats };
    return question;
}

void dv_thorough_question_free(struct dv_thorough_question *question)
{
    if (question != NULL)
        explicit_bzero(question, sizeof *question);
    dv_memory_free(question);
}

/* Where a window of a long text ends: behind the last line end of its second half, or where it is full. */
static size_t window_end(const char *text, size_t from, size_t to, size_t length)
{
    if (to >= length)
        return length;
    const char *newline = memrchr(text + from + (to - from) / 2, '\n', to - from - (to - from) / 2);
    return newline != NULL ? (size_t)(newline - text) + 1 : to;
}

/* Cuts the next window of the text at hand; false if there is nothing to wonder about in it. */
static bool next_window(struct dv_thorough_question *question, struct dv_thorough_window *window)
{
    const struct dv_thorough_text *text = &question->texts[question->text];
    const struct dv_wordpiece *words = question->thorough->model.words;
    size_t from = question->at, used = 0;
    (void)dv_wordpiece_cut(words, text->text + from, text->length - from, window->piece, DV_THOROUGH_PIECES, &used);
    size_t end = window_end(text->text, from, from + used, text->length);
    question->at = end;
    if (!dv_recognizer_wonders(&question->thorough->tagger, text->text, (uint32_t)from, (uint32_t)end, text->spans, text->count))
        return false;
    window->text = question->text;
    window->from = (uint32_t)from;
    window->pieces = dv_wordpiece_cut(words, text->text + from, end - from, window->piece, DV_THOROUGH_PIECES, NULL);
    return window->pieces > 0;
}

/* The windows of the next round; none: the question is answered. */
static void cut_round(struct dv_thorough_question *question)
{
    question->rows = 0;
    while (question->rows < DV_THOROUGH_ROWS && question->text < question->count) {
        if (question->at >= question->texts[question->text].length) {
            question->text++;
            question->at = 0;
        } else if (next_window(question, &question->windows[question->rows])) {
            question->rows++;
        }
    }
}

static void number_row(struct dv_thorough_question *question, size_t row, size_t length)
{
    const struct dv_thorough_window *window = &question->windows[row];
    struct dv_wordpiece_marks marks = dv_wordpiece_marks(question->thorough->model.words);
    int64_t *ids = question->ids + row * length, *mask = question->mask + row * length;
    for (size_t i = 0; i < length; i++) {
        ids[i] = i == 0 ? marks.begin : i <= window->pieces ? window->piece[i - 1].id : i == window->pieces + 1 ? marks.end : marks.pad;
        mask[i] = i < window->pieces + 2;
    }
}

static bool make_round(struct dv_thorough_question *question)
{
    cut_round(question);
    size_t longest = 0;
    for (size_t row = 0; row < question->rows; row++)
        longest = question->windows[row].pieces > longest ? question->windows[row].pieces : longest;
    for (size_t row = 0; row < question->rows; row++)
        number_row(question, row, longest + 2);
    question->request.tokens =
        (struct dv_onnx_tokens){ .ids = question->ids, .mask = question->mask, .rows = question->rows, .length = longest + 2 };
    return question->rows > 0;
}

static void take_round(struct dv_thorough_question *question)
{
    size_t length = question->request.tokens.length, width = question->thorough->recognizer.count;
    for (size_t row = 0; row < question->rows; row++) {
        const struct dv_thorough_window *window = &question->windows[row];
        struct dv_thorough_text *text = &question->texts[window->text];
        struct dv_recognized pieces[DV_THOROUGH_PIECES];
        for (size_t i = 0; i < window->pieces; i++)
            pieces[i] = (struct dv_recognized){ .start = window->from + window->piece[i].start,
                                                .end = window->from + window->piece[i].end,
                                                .logits = question->out + (row * length + i + 1) * width };
        text->count = dv_recognizer_add(&question->thorough->recognizer, text->text, text->length, pieces, window->pieces,
                                        text->spans, text->count, text->max);
    }
}

/* What the last round brought, kept or told. */
static void end_round(struct dv_thorough_question *question)
{
    question->rc = question->request.rc;
    if (dv_is_error(question->rc))
        question->error = question->request.error;
    else
        take_round(question);
}

static void on_answer(struct dv_model_request *request)
{
    struct dv_thorough_question *question = request->data;
    end_round(question);
    if (!dv_is_error(question->rc) && make_round(question))
        dv_model_ask(&question->thorough->model, &question->request);
    else
        question->answer(question);
}

static bool begin(struct dv_thorough_question *question)
{
    question->text = 0;
    question->at = 0;
    question->rc = DV_OK;
    return make_round(question);
}

bool dv_thorough_ask(struct dv_thorough_question *question)
{
    question->request.answer = on_answer;
    question->request.data = question;
    if (!begin(question))
        return false;
    dv_model_ask(&question->thorough->model, &question->request);
    return true;
}

dv_rc dv_thorough_now(struct dv_thorough_question *question)
{
    for (bool more = begin(question); more && !dv_is_error(question->rc); more = !dv_is_error(question->rc) && make_round(question)) {
        (void)(dv_model_run(&question->thorough->model, &question->request) == DV_OK); /* end_round() reads it */
        end_round(question);
    }
    return question->rc;
}
