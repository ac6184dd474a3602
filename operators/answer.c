/* SPDX-License-Identifier: Apache-2.0
 * answer.c - from pieces of text to sentences that may leave. */
#include "operators/answer.h"

#include <string.h>

#include "engine/arena.h"
#include "operators/evidence.h"
#include "privacy/guard.h"

const char *dv_answer_status_name(enum dv_answer_status status)
{
    static const char *const names[] = { "open", "answered", "partial", "refused", "failed" };
    DV_ASSERT((unsigned)status <= DV_ANSWER_FAILED);
    return names[status];
}

dv_rc dv_answer_begin(struct dv_answer *answer, struct dv_arena *arena, const struct dv_evidence *evidence, struct dv_guard *guard)
{
    struct dv_piece pieces[DV_EVIDENCE_MAX];
    for (uint32_t i = 0; i < evidence->count; i++)
        pieces[i] = evidence->hits[i].text;
    *answer = (struct dv_answer){ .arena = arena, .evidence = evidence, .guard = guard };
    answer->index = dv_citation_index(arena, pieces, evidence->count);
    return answer->index != NULL ? DV_OK : DV_E_MEMORY;
}

static bool keep(struct dv_answer *answer, const char *text, size_t length, uint32_t cited)
{
    struct dv_answer_sentence *sentence = dv_arena_zeroed(answer->arena, 1, sizeof *sentence);
    char *copy = sentence != NULL ? dv_arena_copy(answer->arena, text, length) : NULL;
    if (copy == NULL)
        return false;
    *sentence = (struct dv_answer_sentence){ .text = copy, .length = length, .cited = cited };
    if (answer->last != NULL)
        answer->last->next = sentence;
    else
        answer->first = sentence;
    answer->last = sentence;
    answer->kept++;
    answer->cited |= cited;
    return true;
}

void dv_answer_sentence(struct dv_answer *answer, const char *text, size_t length)
{
    uint32_t cited = 0;
    dv_sentence_trim(&text, &length);
    enum dv_citation verdict = dv_citation_check(answer->index, text, length, &cited);
    if (verdict == DV_CITATION_EMPTY)
        return;
    bool personal = verdict == DV_CITATION_KEPT && dv_guard_finds(answer->guard, text, length);
    answer->alarms += personal;
    answer->dropped_for[verdict] += verdict != DV_CITATION_KEPT;
    if (verdict != DV_CITATION_KEPT || personal || !keep(answer, text, length, cited))
        answer->dropped++;
}

/* Takes the sentences out of what has come. */
static void drain(struct dv_answer *answer, bool over)
{
    size_t at = 0, length = 0;
    while ((length = dv_sentence_next(answer->pending + at, answer->pending_length - at, over)) > 0) {
        dv_answer_sentence(answer, answer->pending + at, length);
        at += length;
    }
    memmove(answer->pending, answer->pending + at, answer->pending_length - at);
    answer->pending_length -= at;
}

void dv_answer_text(struct dv_answer *answer, const char *bytes, size_t length)
{
    DV_ASSERT(answer->status == DV_ANSWER_OPEN);
    while (length > 0) {
        size_t room = sizeof answer->pending - answer->pending_length;
        size_t next = length < room ? length : room;
        if (room == 0) { /* blanks only: no sentence begins in all of it */
            answer->pending_length = 0;
            continue;
        }
        memcpy(answer->pending + answer->pending_length, bytes, next);
        answer->pending_length += next;
        bytes += next;
        length -= next;
        drain(answer, false);
    }
}

static void judge_complete(struct dv_answer *answer)
{
    answer->status = answer->kept == 0 ? DV_ANSWER_REFUSED : answer->dropped > 0 ? DV_ANSWER_PARTIAL : DV_ANSWER_ANSWERED;
    if (answer->kept == 0)
        answer->reason = "nothing of what was written is borne out by the evidence";
    else if (answer->dropped > 0)
        answer->reason = "sentences that the evidence does not bear out were left out";
}

void dv_answer_over(struct dv_answer *answer, enum dv_answer_end end, const char *reason)
{
    DV_ASSERT(answer->status == DV_ANSWER_OPEN);
    if (end == DV_ANSWER_COMPLETE)
        drain(answer, true);
    explicit_bzero(answer->pending, sizeof answer->pending);
    answer->pending_length = 0;
    answer->reason = reason;
    if (end == DV_ANSWER_COMPLETE)
        judge_complete(answer);
    else if (end == DV_ANSWER_WITHDRAWN)
        answer->status = DV_ANSWER_REFUSED;
    else
        answer->status = answer->kept > 0 ? DV_ANSWER_PARTIAL : DV_ANSWER_FAILED;
}

void dv_answer_refuse(struct dv_answer *answer, const char *reason)
{
    DV_ASSERT(answer->kept == 0);
    dv_answer_over(answer, DV_ANSWER_WITHDRAWN, reason);
}
