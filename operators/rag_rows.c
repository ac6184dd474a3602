/* SPDX-License-Identifier: Apache-2.0
 * rag_rows.c - sentences and ends of answers as rows. */
#include <string.h>

#include "engine/memory.h"
#include "operators/rag.h"

enum { CITATION_BYTES = 512, CITATIONS_FRAME = 64 };

static void put_text(struct dv_batch *batch, enum dv_rag_column column, uint32_t row, const char *text)
{
    if (text != NULL)
        batch->cells[column][row] = (struct dv_cell){ .text = text, .length = (uint32_t)strlen(text), .present = 1 };
}

static void put_number(struct dv_batch *batch, enum dv_rag_column column, uint32_t row, uint64_t number)
{
    batch->cells[column][row] = (struct dv_cell){ .integer = (int64_t)number, .present = 1 };
}

static dv_rc put_citations(struct dv_batch *batch, uint32_t row, const struct dv_evidence *evidence, uint32_t cited)
{
    size_t size = CITATIONS_FRAME;
    for (uint32_t i = 0; i < evidence->count; i++)
        if ((cited >> i & 1) != 0)
            size += CITATION_BYTES + 6 * ((size_t)evidence->hits[i].id.length + evidence->hits[i].hash.length + evidence->hits[i].schema.length);
    struct dv_json json;
    char *text = dv_arena_text(&batch->arena, size);
    if (text == NULL)
        return DV_E_MEMORY;
    dv_json_init(&json, text, size);
    dv_evidence_citations(&json, evidence, cited);
    DV_ASSERT(!json.full);
    batch->cells[DV_RAG_CITATIONS][row] = (struct dv_cell){ .text = text, .length = (uint32_t)dv_json_length(&json), .present = 1 };
    return DV_OK;
}

static void begin_row(struct dv_batch *batch, uint32_t row, const struct dv_rag_talk *talk)
{
    for (int i = 0; i < DV_RAG_COLUMNS; i++)
        batch->cells[i][row] = (struct dv_cell){ .present = 0 };
    batch->row[row] = talk->row;
}

static dv_rc put_sentence(struct dv_batch *batch, const struct dv_rag_talk *talk, const struct dv_answer_sentence *sentence)
{
    uint32_t row = batch->rows;
    begin_row(batch, row, talk);
    char *text = dv_arena_copy(&batch->arena, sentence->text, sentence->length);
    if (text == NULL)
        return DV_E_MEMORY;
    DV_TRY(put_citations(batch, row, &talk->evidence, sentence->cited));
    put_text(batch, DV_RAG_KIND, row, "sentence");
    batch->cells[DV_RAG_TEXT][row] = (struct dv_cell){ .text = text, .length = (uint32_t)sentence->length, .present = 1 };
    batch->rows++;
    return DV_OK;
}

static uint32_t bits_of(uint32_t bits)
{
    return (uint32_t)__builtin_popcount(bits);
}

static dv_rc put_end(struct dv_batch *batch, const struct dv_rag_talk *talk)
{
    uint32_t row = batch->rows;
    const struct dv_answer *answer = &talk->answer;
    bool stands = answer->status == DV_ANSWER_ANSWERED || answer->status == DV_ANSWER_PARTIAL;
    begin_row(batch, row, talk);
    DV_TRY(put_citations(batch, row, &talk->evidence, stands ? answer->cited : 0));
    put_text(batch, DV_RAG_KIND, row, "end");
    put_text(batch, DV_RAG_TEXT, row, stands ? NULL : answer->status == DV_ANSWER_FAILED ? DV_ANSWER_NONE : DV_ANSWER_UNCOVERED);
    put_text(batch, DV_RAG_STATUS, row, dv_answer_status_name(answer->status));
    put_text(batch, DV_RAG_REASON, row, answer->reason);
    put_number(batch, DV_RAG_DROPPED, row, answer->dropped);
    put_number(batch, DV_RAG_RECORDS, row, stands ? bits_of(answer->cited) : 0);
    if (stands)
        put_number(batch, DV_RAG_PEOPLE, row, talk->evidence.people);
    put_number(batch, DV_RAG_LEXICAL, row, talk->evidence.lexical);
    batch->rows++;
    return DV_OK;
}

static void count_end(struct dv_rag *rag, const struct dv_answer *answer)
{
    rag->answered += answer->status == DV_ANSWER_ANSWERED;
    rag->partial += answer->status == DV_ANSWER_PARTIAL;
    rag->refused += answer->status == DV_ANSWER_REFUSED;
    rag->failed += answer->status == DV_ANSWER_FAILED;
    rag->dropped += answer->dropped;
    rag->alarms += answer->alarms;
}

/* Appends one list of receipts to another. */
static void join(struct dv_keep *to, struct dv_keep *from)
{
    if (from->first == NULL)
        return;
    if (to->last != NULL)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->count += from->count;
    *from = (struct dv_keep){ 0 };
}

/* The sentence of a question that leaves next, or NULL. One that is withdrawn stays. */
static const struct dv_answer_sentence *next_sentence(const struct dv_rag_talk *talk)
{
    bool stands = talk->answer.status <= DV_ANSWER_PARTIAL;
    const struct dv_answer_sentence *next = talk->left != NULL ? talk->left->next : talk->answer.first;
    return stands ? next : NULL;
}

bool dv_rag_has_rows(const struct dv_rag *rag)
{
    for (const struct dv_rag_talk *talk = rag->first; talk != NULL; talk = talk->next)
        if (talk->phase == DV_RAG_OVER || next_sentence(talk) != NULL)
            return true;
    return false;
}

/* All that one question has to say; its end frees it. */
static dv_rc put_talk(struct dv_rag *rag, struct dv_rag_talk *talk, struct dv_batch *batch, struct dv_keep *due)
{
    const struct dv_answer_sentence *sentence = NULL;
    while (batch->rows < DV_BATCH_ROWS && (sentence = next_sentence(talk)) != NULL) {
        DV_TRY(put_sentence(batch, talk, sentence));
        talk->left = sentence;
    }
    if (talk->phase != DV_RAG_OVER || batch->rows == DV_BATCH_ROWS)
        return DV_OK;
    DV_TRY(put_end(batch, talk));
    count_end(rag, &talk->answer);
    struct dv_rag_group *group = talk->group;
    dv_rag_forget(rag, talk);
    if (--group->open > 0)
        return DV_OK;
    join(due, &group->keep);
    dv_memory_free(group);
    return DV_OK;
}

dv_rc dv_rag_fill(struct dv_rag *rag, struct dv_batch *batch)
{
    struct dv_keep due = { 0 };
    struct dv_rag_talk *next = NULL;
    dv_rc rc = DV_OK;
    for (struct dv_rag_talk *talk = rag->first; talk != NULL && batch->rows < DV_BATCH_ROWS && rc == DV_OK; talk = next) {
        next = talk->next;
        rc = put_talk(rag, talk, batch, &due);
    }
    dv_give_receipts(rag->node, &due, batch);
    return batch->rows > 0 ? DV_OK : rc;
}
