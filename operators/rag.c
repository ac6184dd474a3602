/* SPDX-License-Identifier: Apache-2.0
 * rag.c - answers questions from what a search found for them, sentence by sentence, each with its citations.
 *
 * What leaves, rows with the id of their question:
 *   kind       text: "sentence", and "end" behind the last
 *   text       text: the sentence; in the end, why there is none
 *   citations  json: [{"n":1,"id":…,"hash":…,"schema":…,"at":…}]; in the end those of all sentences
 *   status     text, in the end: answered, partial (something was left out), refused, failed
 *   dropped    int, in the end: sentences that were left out
 *   reason     text, in the end: why it is not simply answered
 *   records    int, in the end: how many are cited
 *   people     int, in the end: how many people what was found is about at least
 *   lexical    bool, in the end: words alone decided what was found, and no vector
 * Sentences before an end that is refused or failed are withdrawn by it. */
#include <inttypes.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/stats.h"
#include "operators/columns.h"
#include "operators/exit_guard.h"
#include "operators/rag.h"

static const struct dv_option options[] = {
    { "question", DV_STR, offsetof(struct dv_rag, question_name), .initial = "question", .help = "Text column of the question." },
    { "evidence", DV_STR, offsetof(struct dv_rag, evidence_name), .initial = "evidence",
      .help = "Json column of what `search` found." },
    { "history", DV_STR, offsetof(struct dv_rag, history_name),
      .help = "Text column of what was said before, as `conversation` adds it: a model is told, as data; it is no evidence, and nothing in it "
              "is cited." },
    { "llm", DV_ENUM, offsetof(struct dv_rag, llm), .initial = "extractive", .values = "extractive|openai|gemini|cortex",
      .help = "Who writes: extractive picks the sentences of the evidence that say most about the question, without a model; openai is "
              "whoever speaks as OpenAI does, llama.cpp and vLLM too; gemini is Google's, cortex Snowflake's." },
    DV_LLM_SERVICE_ROWS(struct dv_rag),
    DV_LLM_ANSWER_ROWS(struct dv_rag),
    { "max_tokens", DV_INT, offsetof(struct dv_rag, max_tokens), .initial = "512", .min = 16, .max = 8192, .help = "Longest answer of a model." },
    { "k", DV_INT, offsetof(struct dv_rag, k), .initial = "5", .min = DV_K_MIN, .max = 100000,
      .help = "Of how many people evidence is at least: groups of fewer are left out, and records of single persons unless so many are told apart; "
              "the answer is refused if nothing is left." },
    { "persons", DV_ENUM, offsetof(struct dv_rag, persons), .initial = "words", .values = "words|sentences",
      .help = "What is told of records of single persons: words, that records of k people mention the same words of the question, and nothing "
              "of what else stands there; or sentences, as they stand there, if those of k people have the question's words that one has." },
    { "floor", DV_FLOAT, offsetof(struct dv_rag, floor), .initial = "0.25", .min = -1, .max = 1,
      .help = "Smallest cosine similarity of a record to the question; what was found by words alone has none, and insights need none." },
    { "sentences", DV_INT, offsetof(struct dv_rag, sentences), .initial = "5", .min = 1, .max = 64,
      .help = "How many sentences extractive picks at most." },
    { "max_question", DV_SIZE, offsetof(struct dv_rag, max_question), .initial = "4KiB", .min = 16, .max = 65536,
      .help = "Longest question that is answered." },
    { "piece", DV_SIZE, offsetof(struct dv_rag, piece_bytes), .initial = "4KiB", .min = 64, .max = 65536,
      .help = "How much of one record is looked at." },
    { "deadline", DV_DURATION, offsetof(struct dv_rag, deadline_ms), .initial = "25s", .min = 100, .max = 600000,
      .help = "An answer that is not complete by then ends with what it has." },
    { 0 },
};

/* ---- before the run ---- */

static int find_column(struct dv_node *node, const struct dv_shape *shape, const char *option, const char *name, enum dv_type type)
{
    int column = dv_shape_column(node, shape, option, name);
    if (column < 0 || shape->in->columns[column].type == type)
        return column;
    (void)dv_refuse(node, option, "C230", NULL, "column '%s' is of type %s; a %s column is needed", name,
                    dv_type_name(shape->in->columns[column].type), dv_type_name(type));
    return -1;
}

/* An answer is made of the question and the evidence: its label is theirs. The rest are numbers, names of the program's own, and ids
 * of records, which say nothing about whom they are of. */
static const struct dv_schema *make_out(struct dv_arena *arena, struct dv_label label)
{
    static const struct { const char *name; enum dv_type type; } columns[DV_RAG_COLUMNS] = {
        [DV_RAG_KIND] = { "kind", DV_TYPE_TEXT },       [DV_RAG_TEXT] = { "text", DV_TYPE_TEXT },
        [DV_RAG_CITATIONS] = { "citations", DV_TYPE_JSON }, [DV_RAG_STATUS] = { "status", DV_TYPE_TEXT },
        [DV_RAG_DROPPED] = { "dropped", DV_TYPE_INT },  [DV_RAG_REASON] = { "reason", DV_TYPE_TEXT },
        [DV_RAG_RECORDS] = { "records", DV_TYPE_INT },  [DV_RAG_PEOPLE] = { "people", DV_TYPE_INT },
        [DV_RAG_LEXICAL] = { "lexical", DV_TYPE_BOOL },
    };
    const struct dv_label plain = dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN), made = dv_label(DV_CLASS_PUBLIC, DV_FORM_PSEUDONYM);
    struct dv_schema *schema = dv_schema_new(arena, "answers", DV_RAG_COLUMNS);
    for (int i = 0; schema != NULL && i < DV_RAG_COLUMNS; i++)
        (void)dv_schema_add(schema, columns[i].name, columns[i].type, i == DV_RAG_TEXT ? label : i == DV_RAG_CITATIONS ? made : plain);
    if (schema != NULL)
        schema->subject = DV_SUBJECT_DROPPED;
    return schema;
}

static int kind_of(const struct dv_rag *rag)
{
    return dv_llm_service_kind(&rag->service, (int)rag->llm - DV_RAG_OPENAI);
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_rag *rag = dv_state(node);
    struct dv_columns *prompt = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *prompt);
    int question = find_column(node, shape, "question", rag->question_name, DV_TYPE_TEXT);
    int evidence = find_column(node, shape, "evidence", rag->evidence_name, DV_TYPE_JSON);
    rag->history = rag->history_name != NULL ? find_column(node, shape, "history", rag->history_name, DV_TYPE_TEXT) : -1;
    if (question < 0 || evidence < 0 || (rag->history_name != NULL && rag->history < 0))
        return DV_E_CONFIG;
    if (prompt == NULL || !dv_columns_start(prompt, dv_node_arena(node), shape->in))
        return dv_refuse(node, NULL, "C007", NULL, "no memory for the columns of an answer");
    (void)dv_columns_take(prompt, shape->in, (uint32_t)question);
    (void)dv_columns_take(prompt, shape->in, (uint32_t)evidence);
    if (rag->history >= 0)
        (void)dv_columns_take(prompt, shape->in, (uint32_t)rag->history);
    if (rag->llm != DV_RAG_EXTRACTIVE)
        DV_TRY(dv_llm_service_check(node, &rag->service, kind_of(rag), "llm"));
    rag->question = (uint32_t)question;
    rag->evidence = (uint32_t)evidence;
    struct dv_label label = dv_label_join(shape->in->columns[question].label, shape->in->columns[evidence].label);
    if (rag->history >= 0)
        label = dv_label_join(label, shape->in->columns[rag->history].label);
    rag->out = make_out(dv_node_arena(node), label);
    shape->cleared = prompt->schema;
    shape->out[0] = rag->out;
    return rag->out != NULL ? DV_OK : dv_refuse(node, NULL, "C007", NULL, "no memory for the columns of an answer");
}

/* ---- the run ---- */

/* Something has come, or is due: what there is to say goes into the batch that was kept for it. */
static void on_timer(struct dv_timer *timer)
{
    struct dv_rag *rag = timer->data;
    struct dv_batch *batch = rag->held;
    dv_rag_expire(rag);
    bool more = dv_rag_work(rag);
    bool over = rag->first == NULL;
    if (batch != NULL && (over || more || dv_rag_has_rows(rag))) {
        dv_rc rc = dv_rag_fill(rag, batch);
        rag->held = NULL;
        dv_finish(rag->node, batch, dv_is_error(rc) || batch->rows == 0 ? DV_DROP : DV_PASS);
    }
    if (rag->held == NULL && rag->first != NULL)
        dv_want(rag->node);
}

static dv_rc open_model(struct dv_node *node, struct dv_rag *rag)
{
    if (rag->llm == DV_RAG_EXTRACTIVE)
        return DV_OK;
    if (uv_random(NULL, NULL, &rag->secret, sizeof rag->secret, 0, NULL) != 0)
        return dv_fail(node, DV_E_FAILED, "no random numbers");
    return dv_llm_service_open(node, &rag->service, kind_of(rag), rag->deadline_ms);
}

static dv_rc open_node(struct dv_node *node)
{
    struct dv_rag *rag = dv_state(node);
    rag->node = node;
    dv_timer_init(dv_node_loop(node), &rag->timer, on_timer, rag);
    rag->timed = true;
    if (dv_is_error(dv_evidence_open(&rag->reader, dv_node_arena(node))) || dv_is_error(dv_talk_guard_open(&rag->guard)))
        return dv_fail(node, DV_E_MEMORY, "no memory for answers");
    return open_model(node, rag);
}

/* Takes the questions of a batch; the batch itself goes, and its receipt waits for the last answer. */
static dv_rc absorb(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_rag *rag = dv_state(node);
    if (rag->count + batch->rows > DV_RAG_TALKS_MAX)
        return dv_fail(node, DV_E_FULL, "as many questions are under way as there can be");
    struct dv_rag_group *group = dv_memory_zeroed(1, sizeof *group);
    if (group == NULL)
        return dv_fail(node, DV_E_FULL, "no memory for questions now");
    for (uint32_t row = 0; row < batch->rows; row++)
        if (!dv_batch_rejected(batch, row) && dv_is_error(dv_rag_take(rag, batch, row, group)))
            dv_reject(node, batch, row, DV_E_LIMIT, "there is no memory for the question");
    if (group->open == 0) {
        dv_memory_free(group);
        return DV_DROP;
    }
    if (dv_is_error(dv_keep_receipt(node, &group->keep, batch))) {
        dv_rag_forget_group(rag, group);
        return dv_fail(node, DV_E_FULL, "the graph keeps as many receipts as it can");
    }
    if (rag->held == NULL)
        dv_want(node);
    else
        dv_timer_start(&rag->timer, 0);
    return DV_DROP;
}

/* Fills an empty batch with what there is to say. */
static dv_rc emit(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_rag *rag = dv_state(node);
    bool more = dv_rag_work(rag);
    bool rows = dv_rag_has_rows(rag);
    if (!rows && !more && rag->first != NULL) { /* a model writes, and something is due: on_timer() ends this */
        rag->held = batch;
        dv_timer_start(&rag->timer, 0);
        return DV_HOLD;
    }
    if (rows && dv_is_error(dv_rag_fill(rag, batch)))
        return dv_fail(node, DV_E_MEMORY, "an answer does not fit a batch");
    if (more || (rows && rag->first != NULL))
        dv_want(node);
    return rows ? DV_PASS : DV_DROP;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    if (batch == NULL) /* what is under way is wanted already */
        return DV_DROP;
    return batch->rows == 0 ? emit(node, batch) : absorb(node, batch);
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct dv_rag *rag = dv_state(node);
    const struct dv_gauge gauges[] = {
        { "answered", (double)rag->answered }, { "partial", (double)rag->partial },   { "refused", (double)rag->refused },
        { "failed", (double)rag->failed },     { "dropped", (double)rag->dropped },   { "alarms", (double)rag->alarms },
        { "under_way", (double)rag->count },
    };
    const uint32_t own = sizeof gauges / sizeof gauges[0];
    if (index >= own)
        return dv_llm_service_gauge(&rag->service, index - own, ret);
    *ret = gauges[index];
    return true;
}

static const char *waits(struct dv_node *node)
{
    const struct dv_rag *rag = dv_state(node);
    return dv_llm_service_waits(&rag->service);
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct dv_rag *rag = dv_state(node);
    return dv_llm_service_breaker(&rag->service, index);
}

static void close_node(struct dv_node *node)
{
    struct dv_rag *rag = dv_state(node);
    while (rag->first != NULL)
        dv_rag_forget_group(rag, rag->first->group);
    if (rag->timed)
        dv_timer_close(&rag->timer);
    dv_llm_service_close(&rag->service);
    dv_talk_guard_close(&rag->guard);
    dv_evidence_close(&rag->reader);
}

const struct dv_operator dv_operator_rag = {
    .name = "rag",
    .summary = "Answers questions from what a search found for them, sentence by sentence, each with its citations.",
    .options = options,
    .size = sizeof(struct dv_rag),
    .makes = true,
    .held_max = 2,
    .exit = DV_EXIT_LLM,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .gauge = gauge,
    .close = close_node,
};
