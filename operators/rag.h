/* SPDX-License-Identifier: Apache-2.0
 * rag.h - the inside of `rag`: questions under way, who writes their answers, and the rows that leave. For its own files. */
#ifndef DV_OPERATORS_RAG_H
#define DV_OPERATORS_RAG_H

#include "connectors/llm.h"
#include "engine/operator.h"
#include "operators/answer.h"
#include "operators/evidence.h"
#include "operators/llm_option.h"
#include "operators/talk_guard.h"

enum { DV_RAG_TALKS_MAX = 512, DV_RAG_COLUMNS = 9 };
enum dv_rag_column { DV_RAG_KIND, DV_RAG_TEXT, DV_RAG_CITATIONS, DV_RAG_STATUS, DV_RAG_DROPPED, DV_RAG_REASON, DV_RAG_RECORDS, DV_RAG_PEOPLE, DV_RAG_LEXICAL };

/* The receipt of a batch of questions: it goes with the last of their answers. */
struct dv_rag_group {
    struct dv_keep keep;
    uint32_t open; /* questions without an end */
};

enum dv_rag_writer { DV_RAG_EXTRACTIVE, DV_RAG_OPENAI, DV_RAG_GEMINI, DV_RAG_CORTEX };
enum dv_rag_phase { DV_RAG_WAITING, DV_RAG_ASKED, DV_RAG_OVER };

/* One question and its answer. */
struct dv_rag_talk {
    struct dv_arena arena;
    struct dv_row row;
    struct dv_rag_group *group;
    const char *question, *found, *history; /* as they came */
    size_t question_length, found_length, history_length;
    bool has_found;
    struct dv_evidence evidence;
    struct dv_answer answer;
    struct dv_llm_request request;
    struct dv_rag *rag;
    enum dv_rag_phase phase;
    const struct dv_answer_sentence *left; /* the last that has left */
    uint64_t due_ns;
    struct dv_rag_talk *next;
};

struct dv_rag {
    /* options */
    const char *question_name, *evidence_name, *history_name;
    struct dv_llm_service service; /* who writes, unless it is extractive */
    int llm, persons;
    int64_t k, sentences, max_question, deadline_ms, piece_bytes, max_tokens;
    double floor;
    /* columns of the input */
    uint32_t question, evidence;
    int history; /* -1: none */
    const struct dv_schema *out;
    /* the run */
    struct dv_node *node;
    struct dv_evidence_reader reader;
    struct dv_talk_guard guard;
    struct dv_rag_talk *first, *last; /* in the order they came */
    uint32_t count;
    uint64_t secret;       /* for the fences of prompts */
    uint32_t asked;        /* questions that the model has */
    struct dv_batch *held; /* empty, while it writes */
    struct dv_timer timer;
    bool timed;
    uint64_t answered, partial, refused, failed, dropped, alarms;
};

/* rag_talk.c: takes a row of a batch; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_rag_take(struct dv_rag *rag, const struct dv_batch *batch, uint32_t row, struct dv_rag_group *group);

/* Works on what waits, for some milliseconds at most; true: something is left that needs nobody else. */
bool dv_rag_work(struct dv_rag *rag);

/* Ends what is due with what it has, and looks when the next will be. */
void dv_rag_expire(struct dv_rag *rag);

/* Forgets a question whose end has left; all of a group, and the group. */
void dv_rag_forget(struct dv_rag *rag, struct dv_rag_talk *talk);
void dv_rag_forget_group(struct dv_rag *rag, struct dv_rag_group *group);

/* rag_rows.c: writes what may leave into an empty batch; the receipts of questions that are over go with it. */
DV_CHECKED dv_rc dv_rag_fill(struct dv_rag *rag, struct dv_batch *batch);

/* Whether there is something to write. */
bool dv_rag_has_rows(const struct dv_rag *rag);

#endif
