/* SPDX-License-Identifier: Apache-2.0
 * thorough.h - the thorough mode of the finders: texts with what was found in them go to a model, and come back with more.
 *
 * It ties privacy/recognizer.h (what to ask, what an answer means) to connectors/model.h (the model and its worker). A
 * question is worked off in rounds of a few windows, so that memory is bounded whatever the texts are. */
#ifndef DV_OPERATORS_THOROUGH_H
#define DV_OPERATORS_THOROUGH_H

#include "connectors/model.h"
#include "privacy/recognizer.h"
#include "privacy/tagger.h"

enum { DV_THOROUGH_ROWS = 8, DV_THOROUGH_TOKENS = 128, DV_THOROUGH_PIECES = DV_THOROUGH_TOKENS - 2 };

/* The model with what its labels mean. Lives in memory that stays until the loop has run dry after close(). */
struct dv_thorough {
    struct dv_model model;
    struct dv_recognizer recognizer;
    struct dv_tagger tagger;
};

/* A text and its findings, which grow. */
struct dv_thorough_text {
    const char *text;
    size_t length;
    struct dv_span *spans; /* sorted and apart */
    size_t count, max;
};

struct dv_thorough_question;
typedef void (*dv_thorough_answer)(struct dv_thorough_question *question);

/* A question about some texts; from dv_thorough_question_new(). The caller sets `texts`, `count`, `answer` and `data`. */
struct dv_thorough_question {
    struct dv_thorough *thorough;
    struct dv_thorough_text *texts;
    size_t count;
    dv_thorough_answer answer; /* on the loop */
    void *data;
    dv_rc rc; /* the result */
    struct dv_error error;
    /* private: where it stands, and the windows of the round */
    size_t text, at;
    size_t rows;
    struct dv_thorough_window {
        size_t text, pieces;
        uint32_t from;
        struct dv_piece piece[DV_THOROUGH_PIECES];
    } windows[DV_THOROUGH_ROWS];
    int64_t ids[DV_THOROUGH_ROWS * DV_THOROUGH_TOKENS], mask[DV_THOROUGH_ROWS * DV_THOROUGH_TOKENS];
    struct dv_model_request request;
    float out[];
};

/* Loads FOLDER/rampart, its labels.txt too; errors as dv_model_open(). `loop` NULL: only for dv_thorough_now(). */
DV_CHECKED dv_rc dv_thorough_open(struct dv_thorough *thorough, struct dv_loop *loop, const char *folder,
                                  struct dv_error *error);

/* Waits for the worker; no answer comes any more. Accepts a zeroed one. */
void dv_thorough_close(struct dv_thorough *thorough);

/* NULL when memory is short. Free it when no answer is due. */
struct dv_thorough_question *dv_thorough_question_new(struct dv_thorough *thorough);
void dv_thorough_question_free(struct dv_thorough_question *question);

/* Asks; false if there is nothing to wonder about: then no answer comes, and the texts are as they should be. */
bool dv_thorough_ask(struct dv_thorough_question *question);

/* Asks and waits for the answer in this thread; answer() is not called. */
DV_CHECKED dv_rc dv_thorough_now(struct dv_thorough_question *question);

#endif
