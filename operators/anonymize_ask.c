/* SPDX-License-Identifier: Apache-2.0
 * anonymize_ask.c - a batch's texts in one question. */
#include "operators/anonymize_ask.h"

#include <string.h>

#include "engine/batch.h"
#include "engine/memory.h"
#include "operators/anonymize_plan.h"
#include "privacy/apply.h"
#include "privacy/redact.h"

/* Which of the thorough steps it is; -1: it is none. */
static int32_t rank_of(const struct dv_anonymize_plan *plan, uint32_t step)
{
    int32_t rank = 0;
    if (!plan->steps[step].rule->thorough)
        return -1;
    for (uint32_t i = 0; i < step; i++)
        rank += plan->steps[i].rule->thorough;
    return rank;
}

static size_t text_count(const struct dv_anonymize_ask *ask)
{
    return (size_t)ask->steps * DV_BATCH_ROWS;
}

dv_rc dv_anonymize_ask_open(struct dv_anonymize_ask *ask, const struct dv_anonymize_plan *plan, struct dv_node *node,
                            const char *parts, struct dv_error *error)
{
    for (uint32_t i = 0; i < plan->step_count; i++)
        ask->steps += plan->steps[i].rule->thorough;
    if (ask->steps == 0)
        return DV_OK;
    DV_TRY(dv_thorough_open(&ask->thorough, dv_node_arena(node), dv_node_loop(node), parts, error));
    ask->question = dv_thorough_question_new(ask->thorough);
    ask->texts = dv_memory_zeroed(text_count(ask), sizeof *ask->texts);
    ask->spans = dv_memory_zeroed(text_count(ask) * DV_REDACT_SPANS_MAX, sizeof *ask->spans);
    if (ask->question != NULL && ask->texts != NULL && ask->spans != NULL)
        return DV_OK;
    return dv_error_set(error, DV_E_MEMORY, "no memory for the findings of %zu texts", text_count(ask));
}

void dv_anonymize_ask_close(struct dv_anonymize_ask *ask)
{
    dv_thorough_close(ask->thorough);
    dv_thorough_question_free(ask->question);
    dv_memory_free(ask->texts);
    dv_memory_free(ask->spans);
    *ask = (struct dv_anonymize_ask){ 0 };
}

/* The texts of one step; a row without one has an empty text. */
static void look(struct dv_anonymize_ask *ask, const struct dv_anonymize_step *step, const struct dv_finder *finder,
                 struct dv_batch *batch, size_t first)
{
    const struct dv_cell *cells = dv_batch_cells(batch, step->from);
    for (uint32_t row = 0; row < DV_BATCH_ROWS; row++) {
        struct dv_thorough_text *text = &ask->texts[first + row];
        *text = (struct dv_thorough_text){ .text = "", .spans = &ask->spans[(first + row) * DV_REDACT_SPANS_MAX],
                                           .max = DV_REDACT_SPANS_MAX };
        if (row >= batch->rows || !cells[row].present || dv_batch_rejected(batch, row))
            continue;
        text->text = cells[row].text;
        text->length = cells[row].length;
        text->count = dv_find(finder, text->text, text->length, text->spans, text->max);
    }
}

bool dv_anonymize_ask(struct dv_anonymize_ask *ask, const struct dv_anonymize_plan *plan, const struct dv_applier *appliers,
                      struct dv_batch *batch, dv_thorough_answer answer, void *data)
{
    if (ask->question == NULL)
        return false;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        int32_t rank = rank_of(plan, i);
        if (rank >= 0)
            look(ask, &plan->steps[i], &appliers[i].finder, batch, (size_t)rank * DV_BATCH_ROWS);
    }
    ask->question->texts = ask->texts;
    ask->question->count = text_count(ask);
    ask->question->answer = answer;
    ask->question->data = data;
    return dv_thorough_ask(ask->question);
}

bool dv_anonymize_found(const struct dv_anonymize_ask *ask, const struct dv_anonymize_plan *plan, uint32_t step, uint32_t row,
                        struct dv_found *ret_found)
{
    int32_t rank = ask->question != NULL ? rank_of(plan, step) : -1;
    if (rank < 0)
        return false;
    const struct dv_thorough_text *text = &ask->texts[(size_t)rank * DV_BATCH_ROWS + row];
    *ret_found = (struct dv_found){ .spans = text->spans, .count = text->count };
    return true;
}
