/* SPDX-License-Identifier: Apache-2.0
 * explain.c - lets a model say what insights mean, and keeps of it what their evidence bears out.
 *
 * Behind `insights`: the column `explanation` (text) is added, as personal as what it is made of. A batch's first insights, which are
 * the least probable, are one question to the service; what it says of each is read sentence by sentence, and one that says more than
 * that insight's sentence, recommendation and figures is left out (explain_text.h). Where nothing is left, or the service is late, down
 * or will not, there is no explanation: the batch goes on as it is, within the deadline in any case. */
#include <math.h>
#include <string.h>

#include "connectors/llm.h"
#include "engine/json.h"
#include "engine/json_doc.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/columns.h"
#include "operators/exit_guard.h"
#include "operators/explain_text.h"
#include "operators/llm_option.h"
#include "operators/talk_guard.h"

enum { KIND_OPENAI, KIND_GEMINI, KIND_CORTEX };
enum { FORMAT_AUTO, FORMAT_JSON, FORMAT_LINES };
enum { ANSWER_MAX = 32 * 1024, TOLD_MAX = 512, FIGURE_BYTES = 96, PARTS = 9 };
enum part { SENTENCE, RECOMMENDATION, GROUP, MEASURE, SEVERITY, OBSERVED, EXPECTED, EFFECT, WINDOWS };

static const struct { const char *name; enum dv_type type; } parts[PARTS] = {
    [SENTENCE] = { "sentence", DV_TYPE_TEXT },  [RECOMMENDATION] = { "recommendation", DV_TYPE_TEXT }, [GROUP] = { "group", DV_TYPE_TEXT },
    [MEASURE] = { "measure", DV_TYPE_TEXT },    [SEVERITY] = { "severity", DV_TYPE_TEXT },             [OBSERVED] = { "observed", DV_TYPE_FLOAT },
    [EXPECTED] = { "expected", DV_TYPE_FLOAT }, [EFFECT] = { "effect", DV_TYPE_FLOAT },                [WINDOWS] = { "windows", DV_TYPE_INT },
};

struct explain {
    int kind, form;
    int64_t most, max_tokens, deadline_ms;
    struct dv_llm_service service;
    int column[PARTS]; /* -1: there is none */
    const struct dv_schema *out;
    int from[DV_COLUMNS_MAX];
    struct dv_node *node;
    struct dv_timer timer;
    bool timed;
    struct dv_talk_guard guard;
    uint64_t secret; /* for the fences of prompts */
    struct dv_doc doc;
    /* The batch that is asked about. */
    struct dv_batch *held;
    struct dv_cell *cells;
    uint32_t rows[DV_EXPLAIN_MAX], count;
    struct dv_finding findings[DV_EXPLAIN_MAX];
    struct dv_llm_request request;
    size_t said_length;
    char said[ANSWER_MAX + DV_JSON_PADDING];
    struct dv_explain_counts counts;
    uint64_t explained, bare, late;
};

static const struct dv_option options[] = {
    { "llm", DV_ENUM, offsetof(struct explain, kind), .initial = "openai", .values = "openai|gemini|cortex",
      .help = "Who explains: openai is whoever speaks as OpenAI does, llama.cpp and vLLM too; gemini is Google's, cortex Snowflake's." },
    DV_LLM_SERVICE_ROWS(struct explain),
    DV_LLM_ANSWER_ROWS(struct explain),
    { "insights", DV_INT, offsetof(struct explain, most), .initial = "2", .min = 1, .max = DV_EXPLAIN_MAX,
      .help = "How many insights of a batch are explained at most, the first ones: the least probable." },
    { "format", DV_ENUM, offsetof(struct explain, form), .initial = "auto", .values = "auto|json|lines",
      .help = "How the service is to answer: json, held to by a schema; numbered lines, of which those count that came in time; auto: json of gemini, "
              "lines of the others, among whom small models are." },
    { "max_tokens", DV_INT, offsetof(struct explain, max_tokens), .initial = "60", .min = 16, .max = 8192,
      .help = "Longest answer for all insights of a batch; 30 for each insight is enough." },
    { "deadline", DV_DURATION, offsetof(struct explain, deadline_ms), .initial = "2s", .min = 100, .max = 600000,
      .help = "A batch goes on by then, with what is explained." },
    { 0 },
};

/* ---- before the run ---- */

static int service_kind(const struct explain *explain)
{
    return dv_llm_service_kind(&explain->service, explain->kind);
}

static enum dv_explain_format format_of(const struct explain *explain)
{
    bool json = explain->form == FORMAT_JSON || (explain->form == FORMAT_AUTO && explain->kind == KIND_GEMINI);
    return json ? DV_EXPLAIN_JSON : DV_EXPLAIN_LINES;
}

/* What leaves: the columns that there are of those an insight has. */
static dv_rc find_columns(struct dv_node *node, const struct dv_schema *in, struct dv_columns *sent)
{
    struct explain *explain = dv_state(node);
    for (int i = 0; i < PARTS; i++) {
        int at = dv_schema_find(in, parts[i].name);
        explain->column[i] = at >= 0 && in->columns[at].type == parts[i].type ? at : -1;
        if (explain->column[i] >= 0)
            (void)dv_columns_take(sent, in, (uint32_t)at);
    }
    if (explain->column[SENTENCE] >= 0)
        return DV_OK;
    return dv_refuse(node, NULL, "C240", "put it behind `insights`: { op: explain, after: rising, model: NAME }",
                     "the input has no text column 'sentence', as the rows of `insights` have");
}

static struct dv_label label_of(const struct dv_schema *sent)
{
    struct dv_label label = sent->columns[0].label;
    for (uint32_t i = 1; i < sent->column_count; i++)
        label = dv_label_join(label, sent->columns[i].label);
    return label;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct explain *explain = dv_state(node);
    struct dv_columns *sent = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *sent);
    DV_TRY(dv_llm_service_check(node, &explain->service, service_kind(explain), "llm"));
    if (sent == NULL || !dv_columns_start(sent, dv_node_arena(node), shape->in))
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    DV_TRY(find_columns(node, shape->in, sent));
    if (shape->in->column_count == DV_COLUMNS_MAX || dv_schema_find(shape->in, "explanation") >= 0)
        return dv_refuse(node, NULL, "C241", "put a `project` before it", "there is no room for a column 'explanation', or one is there already");
    struct dv_schema *out = dv_schema_copy(dv_node_arena(node), shape->in);
    if (out == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        explain->from[i] = (int)i;
    explain->from[out->column_count] = -1;
    (void)dv_schema_add(out, "explanation", DV_TYPE_TEXT, label_of(sent->schema));
    explain->out = out;
    shape->cleared = sent->schema;
    shape->out[0] = out;
    return DV_OK;
}

/* ---- findings ---- */

static const struct dv_cell *cell_of(const struct explain *explain, enum part part, uint32_t row)
{
    if (explain->column[part] < 0)
        return NULL;
    const struct dv_cell *cell = &dv_batch_cells(explain->held, (uint32_t)explain->column[part])[row];
    return cell->present ? cell : NULL;
}

static size_t length_of(const struct explain *explain, enum part part, uint32_t row)
{
    const struct dv_cell *cell = cell_of(explain, part, row);
    return cell != NULL ? cell->length : 0;
}

static size_t put_text(const struct explain *explain, enum part part, uint32_t row, char *out, size_t at)
{
    const struct dv_cell *cell = cell_of(explain, part, row);
    if (cell == NULL)
        return at;
    memcpy(out + at, cell->text, cell->length);
    out[at + cell->length] = ' ';
    return at + cell->length + 1;
}

/* A figure as it may be said: whole, and rounded. */
static size_t put_figure(const struct explain *explain, enum part part, uint32_t row, char *out, size_t at)
{
    const struct dv_cell *cell = cell_of(explain, part, row);
    if (cell == NULL)
        return at;
    const char *name = parts[part].name;
    int used = 0;
    if (part == WINDOWS)
        used = snprintf(out + at, FIGURE_BYTES, "; %d %s", (int)cell->integer, name);
    else if (fabs(cell->number) < 10)
        used = snprintf(out + at, FIGURE_BYTES, "; %s %.2f; %.1f", name, cell->number, cell->number);
    else
        used = snprintf(out + at, FIGURE_BYTES, "; %s %.6g; %.1f; %.0f", name, cell->number, cell->number, cell->number);
    return at + (used > 0 && used < FIGURE_BYTES ? (size_t)used : 0);
}

/* The template's own figures of its test say nothing to a reader: "… (robust-z, p = 0.01, …)." */
static size_t without_test(const char *text, size_t length)
{
    const char *open = length > 2 && memcmp(text + length - 2, ").", 2) == 0 ? memrchr(text, '(', length) : NULL;
    return open != NULL && open > text + 1 ? (size_t)(open - text) - 1 : length;
}

static size_t put_cut(char *out, size_t at, const char *text, size_t length)
{
    size_t fits = length < TOLD_MAX ? length : TOLD_MAX;
    while (fits < length && fits > 0 && ((unsigned char)text[fits] & 0xC0u) == 0x80u)
        fits--;
    memcpy(out + at, text, fits);
    return at + fits;
}

/* What the model is given: the sentence without its test, and what to do. */
static size_t put_told(const struct explain *explain, uint32_t row, char *out)
{
    const struct dv_cell *sentence = cell_of(explain, SENTENCE, row), *advice = cell_of(explain, RECOMMENDATION, row);
    size_t length = without_test(sentence->text, sentence->length);
    size_t used = put_cut(out, 0, sentence->text, length);
    if (length < sentence->length)
        out[used++] = '.';
    if (advice == NULL)
        return used;
    out[used++] = ' ';
    return put_cut(out, used, advice->text, advice->length);
}

/* False: no memory. */
static bool make_finding(const struct explain *explain, uint32_t row, struct dv_finding *ret)
{
    struct dv_arena *arena = &explain->held->arena;
    size_t room = 2 * (TOLD_MAX + 2) + (size_t)PARTS * FIGURE_BYTES, used = 0;
    for (enum part part = SENTENCE; part <= SEVERITY; part++)
        room += length_of(explain, part, row) + 1;
    char *raw = dv_arena_text(arena, room), *clean = dv_arena_text(arena, room), *told = dv_arena_text(arena, room);
    if (raw == NULL || clean == NULL || told == NULL)
        return false;
    used = put_told(explain, row, raw);
    ret->told = (struct dv_piece){ told, dv_cite_clean(told, raw, used) };
    used = 0;
    for (enum part part = SENTENCE; part <= SEVERITY; part++)
        used = put_text(explain, part, row, raw, used);
    for (enum part part = OBSERVED; part <= WINDOWS; part++)
        used = put_figure(explain, part, row, raw, used);
    ret->evidence = (struct dv_piece){ clean, dv_cite_clean(clean, raw, used) };
    return true;
}

/* The first ones that there are. */
static bool make_findings(struct explain *explain)
{
    explain->count = 0;
    for (uint32_t row = 0; row < explain->held->rows && explain->count < (uint32_t)explain->most; row++) {
        if (dv_batch_rejected(explain->held, row) || length_of(explain, SENTENCE, row) == 0)
            continue;
        if (!make_finding(explain, row, &explain->findings[explain->count]))
            return false;
        explain->rows[explain->count++] = row;
    }
    return true;
}

/* ---- the answer ---- */

static void take_text(struct explain *explain, const struct dv_citation_index *index, uint32_t at, const struct dv_piece *text)
{
    char kept[DV_EXPLANATION_MAX];
    size_t length = dv_explain_check(index, &explain->findings[at], at, explain->guard.guard, text, &explain->counts, kept);
    const char *copy = length > 0 ? dv_arena_copy(&explain->held->arena, kept, length) : NULL;
    explicit_bzero(kept, sizeof kept);
    if (copy == NULL)
        return;
    explain->cells[explain->rows[at]] = (struct dv_cell){ .text = copy, .length = (uint32_t)length, .present = 1 };
    explain->explained++;
}

/* What is borne out of what came goes to its rows. */
static void take_answer(struct explain *explain, bool whole)
{
    struct dv_piece texts[DV_EXPLAIN_MAX];
    const struct dv_citation_index *index = dv_explain_index(&explain->held->arena, explain->findings, explain->count);
    memset(explain->said + explain->said_length, 0, DV_JSON_PADDING);
    dv_explain_read(&explain->doc, explain->said, explain->said_length, format_of(explain), whole, texts, explain->count);
    for (uint32_t i = 0; index != NULL && i < explain->count; i++)
        take_text(explain, index, i, &texts[i]);
    dv_doc_forget(&explain->doc);
}

static dv_rc pass_on(struct explain *explain)
{
    struct dv_cell *cells[DV_COLUMNS_MAX] = { 0 };
    struct dv_batch *batch = explain->held;
    cells[explain->out->column_count - 1] = explain->cells;
    for (uint32_t i = 0; i < explain->count; i++)
        explain->bare += !explain->cells[explain->rows[i]].present;
    explicit_bzero(explain->said, sizeof explain->said);
    explain->said_length = 0;
    explain->held = NULL;
    dv_rc rc = dv_batch_reshape_with(batch, explain->out, explain->from, cells);
    return dv_is_error(rc) ? dv_fail(explain->node, rc, "no memory for the explanations of a batch") : rc;
}

static void finish(struct explain *explain)
{
    struct dv_batch *batch = explain->held;
    dv_finish(explain->node, batch, pass_on(explain));
}

static void on_text(struct dv_llm_request *request, const char *bytes, size_t length)
{
    struct explain *explain = request->data;
    size_t room = ANSWER_MAX - explain->said_length;
    size_t fits = length < room ? length : room;
    memcpy(explain->said + explain->said_length, bytes, fits);
    explain->said_length += fits;
}

static void on_end(struct dv_llm_request *request)
{
    struct explain *explain = request->data;
    dv_timer_stop(&explain->timer);
    explain->counts.alarms += request->finish == DV_LLM_PERSONAL;
    if (request->finish != DV_LLM_BLOCKED && request->finish != DV_LLM_PERSONAL) /* those take back what was said */
        take_answer(explain, request->finish == DV_LLM_COMPLETE);
    finish(explain);
}

static void on_timer(struct dv_timer *timer)
{
    struct explain *explain = timer->data;
    dv_llm_cancel(explain->service.llm, &explain->request);
    explain->late++;
    take_answer(explain, false);
    finish(explain);
}

/* ---- the run ---- */

static bool ask(struct explain *explain)
{
    struct dv_arena *arena = &explain->held->arena;
    enum dv_explain_format format = format_of(explain);
    size_t length = 0;
    const char *prompt = dv_explain_prompt(arena, explain->findings, explain->count, format, explain->secret, &length);
    const char *schema = format == DV_EXPLAIN_JSON ? dv_explain_schema(arena, explain->count) : NULL;
    explain->request = (struct dv_llm_request){
        .system = { dv_explain_instructions, strlen(dv_explain_instructions) },
        .prompt = { prompt, length },
        .tenant = dv_node_tenant(explain->node),
        .max_tokens = (uint32_t)explain->max_tokens,
        .json_schema = schema,
        .on_text = on_text,
        .on_end = on_end,
        .data = explain,
    };
    return prompt != NULL && (format == DV_EXPLAIN_LINES || schema != NULL) && dv_llm_ask(explain->service.llm, &explain->request) == DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct explain *explain = dv_state(node);
    explain->held = batch;
    explain->count = 0;
    explain->cells = dv_batch_new_cells(batch);
    if (explain->cells == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the explanations of a batch");
    memset(explain->cells, 0, batch->rows * sizeof *explain->cells);
    if (!make_findings(explain) || explain->count == 0 || !ask(explain))
        return pass_on(explain);
    dv_timer_start(&explain->timer, (uint64_t)explain->deadline_ms);
    return DV_HOLD;
}

static dv_rc open_node(struct dv_node *node)
{
    struct explain *explain = dv_state(node);
    explain->node = node;
    dv_timer_init(dv_node_loop(node), &explain->timer, on_timer, explain);
    explain->timed = true;
    if (uv_random(NULL, NULL, &explain->secret, sizeof explain->secret, 0, NULL) != 0)
        return dv_fail(node, DV_E_FAILED, "no random numbers");
    if (dv_is_error(dv_talk_guard_open(&explain->guard)) || dv_is_error(dv_doc_init(&explain->doc, ANSWER_MAX)))
        return dv_fail(node, DV_E_MEMORY, "no memory for explanations");
    return dv_llm_service_open(node, &explain->service, service_kind(explain), explain->deadline_ms);
}

static void close_node(struct dv_node *node)
{
    struct explain *explain = dv_state(node);
    dv_llm_service_close(&explain->service);
    dv_talk_guard_close(&explain->guard);
    dv_doc_free(&explain->doc);
    explicit_bzero(explain->said, sizeof explain->said);
    if (explain->timed)
        dv_timer_close(&explain->timer);
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct explain *explain = dv_state(node);
    return dv_llm_service_breaker(&explain->service, index);
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct explain *explain = dv_state(node);
    const struct dv_gauge gauges[] = {
        { "explained", (double)explain->explained },     { "bare", (double)explain->bare },
        { "late", (double)explain->late },               { "sentences", (double)explain->counts.kept },
        { "dropped", (double)explain->counts.dropped },  { "repeated", (double)explain->counts.repeated },
        { "alarms", (double)explain->counts.alarms },
    };
    const uint32_t own = sizeof gauges / sizeof gauges[0];
    if (index >= own)
        return dv_llm_service_gauge(&explain->service, index - own, ret);
    *ret = gauges[index];
    return true;
}

const struct dv_operator dv_operator_explain = {
    .name = "explain",
    .summary = "Lets a model say what insights mean, and keeps of it what their evidence bears out.",
    .options = options,
    .size = sizeof(struct explain),
    .edits = true,
    .exit = DV_EXIT_LLM,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .breaker = breaker,
    .gauge = gauge,
    .close = close_node,
};
