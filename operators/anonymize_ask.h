/* SPDX-License-Identifier: Apache-2.0
 * anonymize_ask.h - the texts of a batch that a policy wants looked at thoroughly, before its steps run.
 *
 * Private to `anonymize`. What was found waits in room of its own, a row of findings for each text. */
#ifndef DV_OPERATORS_ANONYMIZE_ASK_H
#define DV_OPERATORS_ANONYMIZE_ASK_H

#include "operators/thorough.h"

struct dv_anonymize_plan;
struct dv_applier;
struct dv_batch;
struct dv_found;
struct dv_node;

/* Lives in the node's state; zero-initialise it. The model is in the node's arena. */
struct dv_anonymize_ask {
    struct dv_thorough *thorough;
    struct dv_thorough_question *question; /* NULL: the policy wants nothing thorough */
    struct dv_thorough_text *texts;        /* DV_BATCH_ROWS for each step that does */
    struct dv_span *spans;                 /* DV_REDACT_SPANS_MAX for each text */
    uint32_t steps;                        /* that want it */
};

/* Readies the model if the plan wants one; `parts` is the folder of the models. Errors as dv_thorough_open(). */
DV_CHECKED dv_rc dv_anonymize_ask_open(struct dv_anonymize_ask *ask, const struct dv_anonymize_plan *plan,
                                       struct dv_node *node, const char *parts, struct dv_error *error);

/* Waits for the worker; no answer comes any more. Accepts a zeroed one. */
void dv_anonymize_ask_close(struct dv_anonymize_ask *ask);

/* Looks for personal data in the batch's texts and asks about the rest; true if `answer` will be called with `data` in
 * the question: until then the batch stays as it is. */
bool dv_anonymize_ask(struct dv_anonymize_ask *ask, const struct dv_anonymize_plan *plan,
                      const struct dv_applier *appliers, struct dv_batch *batch, dv_thorough_answer answer, void *data);

/* What is in a step's text of a row, into *ret_found; false if the step wants nothing thorough. */
bool dv_anonymize_found(const struct dv_anonymize_ask *ask, const struct dv_anonymize_plan *plan, uint32_t step, uint32_t row,
                        struct dv_found *ret_found);

#endif
