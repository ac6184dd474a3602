/* SPDX-License-Identifier: Apache-2.0
 * thorough.c - rounds of windows to a model and back. */
#include "operators/thorough.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "connectors/model.h"
#include "engine/arena.h"
#include "engine/memory.h"
#include "privacy/recognizer.h"
#include "privacy/tagger.h"

enum { PATH_BYTES = 4096, LABEL_BYTES = 4096, ROWS = 8, TOKENS = 128, PIECES = TOKENS - 2 };

/* The model with what its labels mean. */
struct dv_thorough {
    struct dv_model model;
    struct dv_recognizer recognizer;
    struct dv_tagger tagger;
};

/* A part of a text that fits the model. */
struct window {
    size_t text, pieces;
    uint32_t from;
    struct dv_piece piece[PIECES];
};

/* A question, where it stands, and the windows of the round. */
struct asking {
    struct dv_thorough_question base; /* the first: each is cast to the other */
    struct dv_thorough *thorough;
    size_t text, at;
    size_t rows;
    struct window windows[ROWS];
    int64_t ids[ROWS * TOKENS], mask[ROWS * TOKENS];
    struct dv_model_request request;
    float out[];
};

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

dv_rc dv_thorough_open(struct dv_thorough **ret_thorough, struct dv_arena *arena, struct dv_loop *loop, const char *folder,
                       struct dv_error *error)
{
    struct dv_thorough *thorough = dv_arena_zeroed(arena, 1, sizeof *thorough);
    *ret_thorough = NULL;
    if (thorough == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a model");
    dv_tagger_open_own(&thorough->tagger);
    DV_TRY(dv_model_open(&thorough->model, loop, folder, "rampart", error));
    dv_rc rc = read_labels(thorough, folder, error);
    if (dv_is_error(rc))
        dv_thorough_close(thorough);
    else
        *ret_thorough = thorough;
    return rc;
}

void dv_thorough_close(struct dv_thorough *thorough)
{
    if (thorough != NULL)
        dv_model_close(&thorough->model);
}

struct dv_thorough_question *dv_thorough_question_new(struct dv_thorough *thorough)
{
    size_t floats = (size_t)ROWS * TOKENS * dv_onnx_width(thorough->model.onnx);
    struct asking *asking = dv_memory_zeroed(1, sizeof *asking + floats * sizeof *asking->out);
    if (asking == NULL)
        return NULL;
    asking->thorough = thorough;
    asking->request = (struct dv_model_request){ .out = asking->out, .room = floats };
    return &asking->base;
}

void dv_thorough_question_free(struct dv_thorough_question *question)
{
    if (question != NULL)
        explicit_bzero(question, sizeof(struct asking));
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
static bool next_window(struct asking *asking, struct window *window)
{
    const struct dv_thorough_text *text = &asking->base.texts[asking->text];
    const struct dv_wordpiece *words = asking->thorough->model.words;
    size_t from = asking->at, used = 0;
    (void)dv_wordpiece_cut(words, text->text + from, text->length - from, window->piece, PIECES, &used);
    size_t end = window_end(text->text, from, from + used, text->length);
    asking->at = end;
    if (!dv_recognizer_wonders(&asking->thorough->tagger, text->text, (uint32_t)from, (uint32_t)end, text->spans, text->count))
        return false;
    window->text = asking->text;
    window->from = (uint32_t)from;
    window->pieces = dv_wordpiece_cut(words, text->text + from, end - from, window->piece, PIECES, NULL);
    return window->pieces > 0;
}

/* The windows of the next round; none: the question is answered. */
static void cut_round(struct asking *asking)
{
    asking->rows = 0;
    while (asking->rows < ROWS && asking->text < asking->base.count) {
        if (asking->at >= asking->base.texts[asking->text].length) {
            asking->text++;
            asking->at = 0;
        } else if (next_window(asking, &asking->windows[asking->rows])) {
            asking->rows++;
        }
    }
}

static void number_row(struct asking *asking, size_t row, size_t length)
{
    const struct window *window = &asking->windows[row];
    struct dv_wordpiece_marks marks = dv_wordpiece_marks(asking->thorough->model.words);
    int64_t *ids = asking->ids + row * length, *mask = asking->mask + row * length;
    for (size_t i = 0; i < length; i++) {
        ids[i] = i == 0 ? marks.begin : i <= window->pieces ? window->piece[i - 1].id : i == window->pieces + 1 ? marks.end : marks.pad;
        mask[i] = i < window->pieces + 2;
    }
}

static bool make_round(struct asking *asking)
{
    cut_round(asking);
    size_t longest = 0;
    for (size_t row = 0; row < asking->rows; row++)
        longest = asking->windows[row].pieces > longest ? asking->windows[row].pieces : longest;
    for (size_t row = 0; row < asking->rows; row++)
        number_row(asking, row, longest + 2);
    asking->request.tokens =
        (struct dv_onnx_tokens){ .ids = asking->ids, .mask = asking->mask, .rows = asking->rows, .length = longest + 2 };
    return asking->rows > 0;
}

static void take_round(struct asking *asking)
{
    size_t length = asking->request.tokens.length, width = asking->thorough->recognizer.count;
    for (size_t row = 0; row < asking->rows; row++) {
        const struct window *window = &asking->windows[row];
        struct dv_thorough_text *text = &asking->base.texts[window->text];
        struct dv_recognized pieces[PIECES];
        for (size_t i = 0; i < window->pieces; i++)
            pieces[i] = (struct dv_recognized){ .start = window->from + window->piece[i].start,
                                                .end = window->from + window->piece[i].end,
                                                .logits = asking->out + (row * length + i + 1) * width };
        text->count = dv_recognizer_add(&asking->thorough->recognizer, text->text, text->length, pieces, window->pieces,
                                        text->spans, text->count, text->max);
    }
}

/* What the last round brought, kept or told. */
static void end_round(struct asking *asking)
{
    asking->base.rc = asking->request.rc;
    if (dv_is_error(asking->base.rc))
        asking->base.error = asking->request.error;
    else
        take_round(asking);
}

static void on_answer(struct dv_model_request *request)
{
    struct asking *asking = request->data;
    end_round(asking);
    if (!dv_is_error(asking->base.rc) && make_round(asking))
        dv_model_ask(&asking->thorough->model, &asking->request);
    else
        asking->base.answer(&asking->base);
}

static bool begin(struct asking *asking)
{
    asking->text = 0;
    asking->at = 0;
    asking->base.rc = DV_OK;
    return make_round(asking);
}

static struct asking *asking_of(struct dv_thorough_question *question)
{
    return (struct asking *)question;
}

bool dv_thorough_ask(struct dv_thorough_question *question)
{
    struct asking *asking = asking_of(question);
    asking->request.answer = on_answer;
    asking->request.data = asking;
    if (!begin(asking))
        return false;
    dv_model_ask(&asking->thorough->model, &asking->request);
    return true;
}

dv_rc dv_thorough_now(struct dv_thorough_question *question)
{
    struct asking *asking = asking_of(question);
    for (bool more = begin(asking); more && !dv_is_error(asking->base.rc); more = !dv_is_error(asking->base.rc) && make_round(asking)) {
        (void)(dv_model_run(&asking->thorough->model, &asking->request) == DV_OK); /* end_round() reads it */
        end_round(asking);
    }
    return asking->base.rc;
}
