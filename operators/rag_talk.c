/* SPDX-License-Identifier: Apache-2.0
 * rag_talk.c - from a question and what was found for it to an answer, or to the reason why there is none. */
#include <string.h>

#include "engine/memory.h"
#include "operators/rag.h"
#include "operators/rag_extract.h"
#include "operators/rag_fit.h"
#include "operators/rag_people.h"
#include "operators/rag_prompt.h"
#include "privacy/guard.h"

enum { TALK_BYTES = 16 * 1024 * 1024 };
static const uint64_t work_ns = 3000000;

static bool copy(struct dv_rag_talk *talk, const struct dv_cell *cell, const char **ret, size_t *ret_length)
{
    *ret_length = cell->present ? cell->length : 0;
    *ret = dv_arena_copy(&talk->arena, cell->present ? cell->text : "", *ret_length);
    return *ret != NULL;
}

static void append(struct dv_rag *rag, struct dv_rag_talk *talk)
{
    if (rag->last != NULL)
        rag->last->next = talk;
    else
        rag->first = talk;
    rag->last = talk;
    rag->count++;
}

static void free_talk(struct dv_rag_talk *talk)
{
    dv_arena_free(&talk->arena);
    explicit_bzero(talk, sizeof *talk);
    dv_memory_free(talk);
}

dv_rc dv_rag_take(struct dv_rag *rag, const struct dv_batch *batch, uint32_t row, struct dv_rag_group *group)
{
    struct dv_rag_talk *talk = dv_memory_zeroed(1, sizeof *talk);
    const struct dv_cell *question = &dv_batch_cells(batch, rag->question)[row];
    const struct dv_cell *evidence = &dv_batch_cells(batch, rag->evidence)[row];
    if (talk == NULL)
        return DV_E_MEMORY;
    dv_arena_init(&talk->arena, TALK_BYTES);
    talk->row = batch->row[row];
    talk->group = group;
    talk->rag = rag;
    talk->has_found = evidence->present;
    talk->due_ns = dv_now_ns(dv_node_loop(rag->node)) + (uint64_t)rag->deadline_ms * 1000000;
    static const struct dv_cell none;
    const struct dv_cell *history = rag->history >= 0 ? &dv_batch_cells(batch, (uint32_t)rag->history)[row] : &none;
    if (!copy(talk, question, &talk->question, &talk->question_length) || !copy(talk, evidence, &talk->found, &talk->found_length) ||
        !copy(talk, history, &talk->history, &talk->history_length)) {
        free_talk(talk);
        return DV_E_MEMORY;
    }
    append(rag, talk);
    group->open++;
    return DV_OK;
}

void dv_rag_forget(struct dv_rag *rag, struct dv_rag_talk *talk)
{
    struct dv_rag_talk *before = NULL;
    if (talk->phase == DV_RAG_ASKED)
        dv_llm_cancel(rag->service.llm, &talk->request);
    rag->asked -= talk->phase == DV_RAG_ASKED;
    for (struct dv_rag_talk *at = rag->first; at != talk; at = at->next)
        before = at;
    if (before != NULL)
        before->next = talk->next;
    else
        rag->first = talk->next;
    rag->last = rag->last == talk ? before : rag->last;
    rag->count--;
    free_talk(talk);
}

void dv_rag_forget_group(struct dv_rag *rag, struct dv_rag_group *group)
{
    struct dv_rag_talk *next = NULL;
    for (struct dv_rag_talk *talk = rag->first; talk != NULL; talk = next) {
        next = talk->next;
        if (talk->group == group)
            dv_rag_forget(rag, talk);
    }
    dv_memory_free(group);
}

/* ---- before anything is written ---- */

/* What its finders should have found before it was stored does not enter a prompt, and not an answer. */
static void drop_personal(struct dv_rag *rag, struct dv_evidence *evidence)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < evidence->count; i++) {
        if (dv_guard_finds(rag->guard.guard, evidence->hits[i].text.text, evidence->hits[i].text.length))
            rag->alarms++;
        else
            evidence->hits[kept++] = evidence->hits[i];
    }
    evidence->count = kept;
}

static bool is_blank(const char *text, size_t length)
{
    dv_sentence_trim(&text, &length);
    return length == 0;
}

static const char *fit(struct dv_rag *rag, struct dv_rag_talk *talk)
{
    const struct dv_people_rule rule = { .k = (uint64_t)rag->k, .how = rag->persons };
    const char *reason = NULL;
    dv_rc rc = dv_rag_fit(&talk->evidence, talk->question, talk->question_length, &rule, &talk->arena, &reason);
    return dv_is_error(rc) ? "no memory for the answer" : reason;
}

/* Why the question is not answered, a literal; NULL: it may be. */
static const char *refusal_of(struct dv_rag *rag, struct dv_rag_talk *talk)
{
    if (is_blank(talk->question, talk->question_length))
        return "the question is empty";
    if (talk->question_length > (size_t)rag->max_question)
        return "the question is too long";
    if (dv_guard_finds(rag->guard.guard, talk->question, talk->question_length))
        return "the question holds what looks like personal data";
    drop_personal(rag, &talk->evidence);
    if (talk->evidence.count == 0)
        return "no record is close enough to the question";
    dv_evidence_of_many(&talk->evidence, (uint64_t)rag->k);
    if (talk->evidence.count == 0)
        return "what was found is about too few people";
    return fit(rag, talk);
}

static dv_rc read_evidence(struct dv_rag *rag, struct dv_rag_talk *talk)
{
    if (!talk->has_found)
        return DV_OK;
    return dv_evidence_read(&rag->reader, talk->found, talk->found_length, rag->floor, (size_t)rag->piece_bytes, &talk->arena,
                            &talk->evidence);
}

/* The question without what nobody sees. */
static void clean_question(struct dv_rag_talk *talk)
{
    char *text = dv_arena_text(&talk->arena, talk->question_length + 1);
    if (text != NULL)
        talk->question_length = dv_cite_clean(text, talk->question, talk->question_length);
    talk->question = text != NULL ? text : "";
    talk->question_length = text != NULL ? talk->question_length : 0;
}

/* ---- a model writes ---- */

/* The next turn of the loop takes what has come; this is the middle of somebody else's call. */
static void tell(struct dv_rag *rag)
{
    dv_timer_start(&rag->timer, 0);
}

static void on_text(struct dv_llm_request *request, const char *bytes, size_t length)
{
    struct dv_rag_talk *talk = request->data;
    uint32_t kept = talk->answer.kept;
    dv_answer_text(&talk->answer, bytes, length);
    if (talk->answer.kept > kept)
        tell(talk->rag);
}

static void on_end(struct dv_llm_request *request)
{
    static const enum dv_answer_end ends[] = {
        [DV_LLM_COMPLETE] = DV_ANSWER_COMPLETE,   [DV_LLM_TRUNCATED] = DV_ANSWER_CUT, [DV_LLM_BLOCKED] = DV_ANSWER_WITHDRAWN,
        [DV_LLM_PERSONAL] = DV_ANSWER_WITHDRAWN, [DV_LLM_FAILED] = DV_ANSWER_CUT,
    };
    struct dv_rag_talk *talk = request->data;
    talk->rag->alarms += request->finish == DV_LLM_PERSONAL;
    talk->rag->asked--;
    talk->phase = DV_RAG_OVER;
    dv_answer_over(&talk->answer, ends[request->finish], request->reason);
    tell(talk->rag);
}

/* What was said before; one that should not have been kept is not told again. */
static struct dv_piece history_of(struct dv_rag *rag, const struct dv_rag_talk *talk)
{
    bool personal = talk->history_length > 0 && dv_guard_finds(rag->guard.guard, talk->history, talk->history_length);
    rag->alarms += personal;
    return (struct dv_piece){ talk->history, personal ? 0 : talk->history_length };
}

/* Asks; what cannot be asked is over. */
static enum dv_rag_phase ask(struct dv_rag *rag, struct dv_rag_talk *talk)
{
    size_t length = 0;
    const char *prompt =
        dv_rag_prompt(&talk->arena, talk->question, talk->question_length, &talk->evidence, history_of(rag, talk), rag->secret, &length);
    talk->request = (struct dv_llm_request){
        .system = { dv_rag_instructions, strlen(dv_rag_instructions) },
        .prompt = { prompt, length },
        .tenant = dv_node_tenant(rag->node),
        .max_tokens = (uint32_t)rag->max_tokens,
        .on_text = on_text,
        .on_end = on_end,
        .data = talk,
    };
    if (prompt != NULL && dv_llm_ask(rag->service.llm, &talk->request) == DV_OK) {
        rag->asked++;
        return DV_RAG_ASKED;
    }
    dv_answer_over(&talk->answer, DV_ANSWER_CUT, "the model cannot be asked now");
    return DV_RAG_OVER;
}

static enum dv_rag_phase write_answer(struct dv_rag *rag, struct dv_rag_talk *talk)
{
    if (rag->llm != DV_RAG_EXTRACTIVE)
        return ask(rag, talk);
    dv_rag_extract(&talk->answer, talk->question, talk->question_length, (uint32_t)rag->sentences);
    return DV_RAG_OVER;
}

/* ---- all of it ---- */

static void begin(struct dv_rag *rag, struct dv_rag_talk *talk)
{
    dv_rc rc = read_evidence(rag, talk);
    clean_question(talk);
    const char *refusal = dv_is_error(rc) ? NULL : refusal_of(rag, talk);
    talk->phase = DV_RAG_OVER;
    if (dv_is_error(dv_answer_begin(&talk->answer, &talk->arena, &talk->evidence, rag->guard.guard)) || rc == DV_E_MEMORY)
        dv_answer_over(&talk->answer, DV_ANSWER_CUT, "no memory for the answer");
    else if (dv_is_error(rc))
        dv_answer_over(&talk->answer, DV_ANSWER_CUT, "what the search found cannot be read");
    else if (refusal != NULL)
        dv_answer_refuse(&talk->answer, refusal);
    else
        talk->phase = write_answer(rag, talk);
}

bool dv_rag_work(struct dv_rag *rag)
{
    const struct dv_loop *loop = dv_node_loop(rag->node);
    uint64_t start = dv_now_ns(loop);
    for (struct dv_rag_talk *talk = rag->first; talk != NULL && rag->asked < DV_LLM_TALKS_MAX; talk = talk->next) {
        if (talk->phase != DV_RAG_WAITING)
            continue;
        if (dv_now_ns(loop) - start > work_ns)
            return true;
        begin(rag, talk);
    }
    return false;
}

void dv_rag_expire(struct dv_rag *rag)
{
    const uint64_t ms_ns = 1000000;
    uint64_t now = dv_now_ns(dv_node_loop(rag->node));
    for (struct dv_rag_talk *talk = rag->first; talk != NULL; talk = talk->next) {
        if (talk->phase == DV_RAG_OVER)
            continue;
        if (talk->due_ns > now) { /* they all have the same time, so the first is due first */
            dv_timer_start(&rag->timer, (talk->due_ns - now) / ms_ns + 1);
            return;
        }
        if (talk->phase == DV_RAG_ASKED)
            dv_llm_cancel(rag->service.llm, &talk->request);
        rag->asked -= talk->phase == DV_RAG_ASKED;
        talk->phase = DV_RAG_OVER;
        dv_answer_over(&talk->answer, DV_ANSWER_CUT, "the answer was not complete in time");
    }
}
