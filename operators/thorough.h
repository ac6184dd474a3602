/* SPDX-License-Identifier: Apache-2.0
 * thorough.h - the thorough mode of the finders: texts with what was found in them go to a model, and come back with more.
 *
 * It ties privacy/recognizer.h (what to ask, what an answer means) to connectors/model.h (the model and its worker). A
 * question is worked off in rounds of a few windows, so that memory is bounded whatever the texts are. */
#ifndef DV_OPERATORS_THOROUGH_H
#define DV_OPERATORS_THOROUGH_H

#include <stdbool.h>

#include "engine/error.h"
#include "privacy/detect.h"

struct dv_arena;
struct dv_loop;
struct dv_thorough;
struct dv_thorough_question;
typedef void (*dv_thorough_answer)(struct dv_thorough_question *question);

/* A text and its findings, which grow. */
struct dv_thorough_text {
    const char *text;
    size_t length;
    struct dv_span *spans; /* sorted and apart */
    size_t count, max;
};

/* A question about some texts; from dv_thorough_question_new(). The caller sets the first four members. */
struct dv_thorough_question {
    struct dv_thorough_text *texts;
    size_t count;
    dv_thorough_answer answer; /* on the loop */
    void *data;
    dv_rc rc; /* the result */
    struct dv_error error;
};

/* Loads FOLDER/rampart, its labels.txt too, into the arena, which must stay until the loop has run dry after close().
 * `loop` NULL: only for dv_thorough_now(). Errors as dv_model_open(). */
DV_CHECKED dv_rc dv_thorough_open(struct dv_thorough **ret_thorough, struct dv_arena *arena, struct dv_loop *loop,
                                  const char *folder, struct dv_error *error);

/* Waits for the worker; no answer comes any more. Accepts NULL. */
void dv_thorough_close(struct dv_thorough *thorough);

/* NULL when memory is short. Free it when no answer is due. */
struct dv_thorough_question *dv_thorough_question_new(struct dv_thorough *thorough);
void dv_thorough_question_free(struct dv_thorough_question *question);

/* Asks; false if there is nothing to wonder about: then no answer comes, and the texts are as they should be. */
bool dv_thorough_ask(struct dv_thorough_question *question);

/* Asks and waits for the answer in this thread; answer() is not called. */
DV_CHECKED dv_rc dv_thorough_now(struct dv_thorough_question *question);

#endif
