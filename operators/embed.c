/* SPDX-License-Identifier: Apache-2.0
 * embed.c - makes one text of some columns of a record, and its vector by a sentence model, here or at a service.
 *
 * Three columns are added: `text`; `embedding`, float32 little-endian of length 1; `embedding_model`. A vector tells as much
 * as its text, so both have one label (embed_text.h). Without the model's files there are no vectors: what is searched by words still
 * works, a log line says so, and the figure `model` is 0.
 *
 * A service is sent the columns: then this is an exit. While it is down documents wait for it; questions wait for the deadline and go
 * on without a vector, so that words alone decide. A document that it will not have goes to the dead letters. */
#include <string.h>

#include "connectors/embedder.h"
#include "connectors/llm_texts.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/columns.h"
#include "operators/embed.h"
#include "operators/embed_text.h"
#include "operators/exit_guard.h"
#include "operators/llm_option.h"

enum { EMBEDDER_MINILM, EMBEDDER_OPENAI, EMBEDDER_GEMINI, EMBEDDER_CORTEX, EMBEDDER_NONE };
enum { API_REST, API_SQL };
enum { ADDED = 3, NAME_BYTES = 192, DOCUMENT_MS = 60000, QUERY_MS = 2000 };
enum { BYTES_PER_TOKEN = 3, TOKENS_MAX = 8192, GEMINI_TEXTS = 4 };
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors leave as they are in memory");

struct embed {
    struct dv_strs names;
    int kind;
    const char *models;
    int64_t max_tokens, dimensions, texts_max, deadline_ms;
    int task; /* enum dv_llm_task */
    struct dv_llm_service service;
    struct dv_text_form form;
    uint32_t text, embedding, model; /* of the output */
    const struct dv_schema *out;
    int from[DV_COLUMNS_MAX];
    struct dv_embedder embedder;
    struct dv_embed_question *question; /* to minilm */
    struct dv_llm_texts asking;         /* to a service */
    struct dv_node *node;
    struct dv_timer timer; /* until a question goes on without */
    bool timed;
    char name[NAME_BYTES]; /* of the model */
    size_t width;          /* of its vectors; 0: none are made */
    struct dv_embed_text texts[DV_BATCH_ROWS];
    uint32_t rows[DV_BATCH_ROWS]; /* of the texts */
    size_t count;
    const struct dv_batch *failed; /* it comes again, and has its texts and some vectors */
    uint64_t without;              /* questions that went on without a vector */
    struct dv_batch *held;
    struct dv_cell *cells[DV_COLUMNS_MAX]; /* of the batch held: what it gets */
};

static const struct dv_option options[] = {
    { "columns", DV_STRS, offsetof(struct embed, names), .flags = DV_REQUIRED,
      .help = "Columns whose values make the text, in this order: \"name: value; name: value\", or the bare value of one." },
    { "embedder", DV_ENUM, offsetof(struct embed, kind), .initial = "minilm", .values = "minilm|openai|gemini|cortex|none",
      .help = "Who makes the vectors: minilm (on this machine); a service, which is sent the texts: openai is whoever speaks as OpenAI does, llama.cpp "
              "and vLLM too, gemini is Google's, cortex Snowflake's; or none: search is by words only." },
    { "models", DV_STR, offsetof(struct embed, models), .initial = "parts", .help = "Folder of the models; tools/parts brings them." },
    { "max_tokens", DV_INT, offsetof(struct embed, max_tokens), .initial = "256", .min = DV_EMBED_TOKENS_MIN, .max = TOKENS_MAX,
      .help = "Tokens the model reads at a time, minilm at most 512; the vector of a longer text is the mean of its windows' vectors. For a service "
              "three bytes count as a token." },
    DV_LLM_SERVICE_ROWS(struct embed),
    DV_LLM_VECTOR_ROWS(struct embed),
    { "dimensions", DV_INT, offsetof(struct embed, dimensions), .initial = "0", .min = 0, .max = DV_LLM_WIDTH_MAX,
      .help = "How many numbers a service's vectors have, which it must be told; minilm's have 384. `sink-vectors` and `search` with `url` must say the same." },
    { "task", DV_ENUM, offsetof(struct embed, task), .initial = "document", .values = "document|query",
      .help = "With a service: a document waits for it as long as it takes; a query, before `search`, waits for the deadline and goes on with words alone. "
              "Gemini makes other vectors of queries." },
    { "texts", DV_INT, offsetof(struct embed, texts_max), .initial = "32", .min = 1, .max = DV_LLM_TEXTS_MAX,
      .help = "How many texts, or windows of them, are in a request to a service at most; gemini gets one by one." },
    { "deadline", DV_DURATION, offsetof(struct embed, deadline_ms), .initial = "0ms", .max = 600000,
      .help = "With a service: how long a request may take, 60s if 0; with task: query, how long all may take, 2s if 0." },
    { 0 },
};

/* ---- the schema ---- */

static bool asks_service(const struct embed *embed)
{
    return embed->kind == EMBEDDER_OPENAI || embed->kind == EMBEDDER_GEMINI || embed->kind == EMBEDDER_CORTEX;
}

static int service_kind(const struct embed *embed)
{
    bool by_statements = embed->kind == EMBEDDER_CORTEX && embed->service.api == API_SQL;
    return by_statements ? (int)DV_LLM_CORTEX_SQL : dv_llm_service_kind(&embed->service, embed->kind - EMBEDDER_OPENAI);
}

static bool leaves(const struct dv_node *node)
{
    return asks_service(dv_state(node));
}

static dv_rc check_own(struct dv_node *node)
{
    const struct embed *embed = dv_state(node);
    if (embed->kind == EMBEDDER_MINILM && embed->max_tokens > DV_EMBED_TOKENS_MAX)
        return dv_refuse(node, "max_tokens", "C223", NULL, "minilm reads at most %d tokens at a time", DV_EMBED_TOKENS_MAX);
    const struct dv_llm_service *service = &embed->service;
    if (service->model == NULL && service->url == NULL && service->key == NULL && service->account == NULL && service->token == NULL &&
        embed->dimensions == 0)
        return DV_OK;
    return dv_refuse(node, NULL, "C224", "say embedder: openai, or leave them out",
                     "`model`, `url`, `key`, `account`, `token` and `dimensions` are a service's");
}

/* The vectors of a whole batch lie beside its records, which need room, too. */
static dv_rc check_room(struct dv_node *node)
{
    const struct embed *embed = dv_state(node);
    int64_t bytes = DV_BATCH_ROWS * embed->dimensions * (int64_t)sizeof(float), most = dv_node_batch_bytes(node) / 2;
    if (bytes <= most)
        return DV_OK;
    return dv_refuse(node, "dimensions", "C226", "raise the graph's `batch_bytes`, as in batch_bytes: 8MiB",
                     "a batch's %d vectors of %d numbers take %lld bytes: `batch_bytes` must be twice that, %lld", (int)DV_BATCH_ROWS,
                     (int)embed->dimensions, (long long)bytes, (long long)bytes * 2);
}

/* What is told of the model, if anything is. */
static dv_rc check_width(struct dv_node *node)
{
    const struct embed *embed = dv_state(node);
    enum dv_llm_kind kind = (enum dv_llm_kind)service_kind(embed);
    uint32_t width = dv_llm_width(kind, embed->service.model);
    if (width == 0 && kind >= DV_LLM_CORTEX && dv_llm_width(DV_LLM_CORTEX_SQL, embed->service.model) > 0)
        return dv_refuse(node, "model", "C227", "say api: sql, or as in model: snowflake-arctic-embed-l-v2.0",
                         "'%s' is AI_EMBED's: over REST Cortex does not have it", embed->service.model);
    if (width == 0 || width == (uint32_t)embed->dimensions)
        return DV_OK;
    return dv_refuse(node, "dimensions", "C227", NULL, "the vectors of '%s' have %u numbers", embed->service.model, width);
}

/* What a service is sent must be cleared for it. */
static dv_rc check_service(struct dv_node *node, struct dv_shape *shape)
{
    const struct embed *embed = dv_state(node);
    struct dv_columns *sent = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *sent);
    DV_TRY(dv_llm_service_check(node, &embed->service, service_kind(embed), "embedder"));
    if (embed->dimensions == 0)
        return dv_refuse(node, "embedder", "C225", "as in dimensions: 768", "it must be known how many `dimensions` the vectors of a service have");
    DV_TRY(check_width(node));
    DV_TRY(check_room(node));
    if (sent == NULL || !dv_columns_start(sent, dv_node_arena(node), shape->in))
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < embed->form.count; i++)
        if (dv_schema_find(sent->schema, shape->in->columns[embed->form.columns[i]].name) < 0)
            (void)dv_columns_take(sent, shape->in, embed->form.columns[i]);
    shape->cleared = sent->schema;
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    static const char *const added[ADDED] = { DV_EMBED_TEXT, DV_EMBED_VECTOR, DV_EMBED_MODEL };
    static const enum dv_type types[ADDED] = { DV_TYPE_TEXT, DV_TYPE_BYTES, DV_TYPE_TEXT };
    struct embed *embed = dv_state(node);
    if (shape->in->column_count + ADDED > DV_COLUMNS_MAX)
        return dv_refuse(node, NULL, "C221", "put a `project` before it", "there are too many columns");
    DV_TRY(dv_text_form_of(node, shape->in, &embed->names, &embed->form));
    DV_TRY(asks_service(embed) ? check_service(node, shape) : check_own(node));
    struct dv_label label = dv_text_label(&embed->form, shape->in);
    struct dv_schema *out = dv_schema_copy(dv_node_arena(node), shape->in);
    if (out == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        embed->from[i] = (int)i;
    for (uint32_t i = 0; i < ADDED; i++) {
        if (dv_schema_find(shape->in, added[i]) >= 0)
            return dv_refuse(node, NULL, "C222", "drop it before: { op: project, drop: [NAME] }", "a column '%s' is there already", added[i]);
        embed->from[out->column_count] = -1;
        (void)dv_schema_add(out, added[i], types[i], i == 2 ? dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN) : label);
    }
    embed->text = shape->in->column_count;
    embed->embedding = embed->text + 1;
    embed->model = embed->text + 2;
    embed->out = out;
    shape->out[0] = out;
    return DV_OK;
}

/* ---- texts ---- */

static bool set_bytes(struct dv_cell *cell, const char *at, size_t length)
{
    *cell = (struct dv_cell){ .text = at, .length = (uint32_t)length, .present = at != NULL };
    return at != NULL;
}

/* The text of a row, which has none if all of its columns are missing. False: no memory. */
static bool make_text(const struct embed *embed, struct dv_batch *batch, uint32_t row, struct dv_cell *cell)
{
    size_t length = dv_text_write(&embed->form, batch, row, NULL);
    *cell = (struct dv_cell){ 0 };
    if (length == 0)
        return true;
    char *text = length <= UINT32_MAX ? dv_arena_text(&batch->arena, length) : NULL;
    if (text != NULL)
        (void)dv_text_write(&embed->form, batch, row, text);
    return set_bytes(cell, text, length);
}

/* Texts of all rows, and room for the vectors of those that have one. */
static dv_rc make_texts(struct embed *embed, struct dv_batch *batch)
{
    embed->count = 0;
    for (uint32_t column = embed->text; column <= embed->model; column++) {
        embed->cells[column] = dv_batch_new_cells(batch);
        if (embed->cells[column] == NULL)
            return DV_E_MEMORY;
        memset(embed->cells[column], 0, batch->rows * sizeof(struct dv_cell));
    }
    for (uint32_t row = 0; row < batch->rows; row++) {
        struct dv_cell *cell = &embed->cells[embed->text][row];
        if (dv_batch_rejected(batch, row))
            continue;
        if (!make_text(embed, batch, row, cell))
            return DV_E_MEMORY;
        if (!cell->present || embed->width == 0)
            continue;
        float *vector = dv_arena_zeroed(&batch->arena, embed->width, sizeof *vector);
        if (vector == NULL)
            return DV_E_MEMORY;
        embed->rows[embed->count] = row;
        embed->texts[embed->count++] = (struct dv_embed_text){ .text = cell->text, .length = cell->length, .vector = vector };
    }
    return DV_OK;
}

/* ---- the run ---- */

static dv_rc pass_on(struct dv_node *node, struct dv_batch *batch)
{
    struct embed *embed = dv_state(node);
    const char *name = dv_arena_copy(&batch->arena, embed->name, strlen(embed->name));
    if (name == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the vectors of a batch");
    for (size_t i = 0; i < embed->count; i++) {
        const struct dv_embed_text *text = &embed->texts[i];
        if (!text->embedded)
            continue;
        (void)set_bytes(&embed->cells[embed->embedding][embed->rows[i]], (const char *)text->vector, embed->width * sizeof *text->vector);
        (void)set_bytes(&embed->cells[embed->model][embed->rows[i]], name, strlen(name));
    }
    return dv_batch_reshape_with(batch, embed->out, embed->from, embed->cells);
}

static void finish(struct dv_node *node, dv_rc (*end)(struct dv_node *node, struct dv_batch *batch))
{
    struct embed *embed = dv_state(node);
    struct dv_batch *batch = embed->held;
    embed->held = NULL;
    dv_finish(node, batch, end(node, batch));
}

static dv_rc end_minilm(struct dv_node *node, struct dv_batch *batch)
{
    const struct embed *embed = dv_state(node);
    if (dv_is_error(embed->question->rc))
        return dv_fail(node, embed->question->rc, "%s", embed->question->error.text);
    return pass_on(node, batch);
}

static void on_answer(struct dv_embed_question *question)
{
    finish(question->data, end_minilm);
}

static bool ask_minilm(struct dv_node *node)
{
    struct embed *embed = dv_state(node);
    embed->question->texts = embed->texts;
    embed->question->count = embed->count;
    embed->question->answer = on_answer;
    embed->question->data = node;
    return dv_embed_ask(embed->question);
}

/* ---- a service ---- */

/* Documents that it will not have are taken out; questions go on. */
static dv_rc end_service(struct dv_node *node, struct dv_batch *batch)
{
    struct embed *embed = dv_state(node);
    const struct dv_llm_texts *asking = &embed->asking;
    bool waits = embed->task == DV_LLM_DOCUMENT;
    if (waits && asking->rc != DV_OK) {
        embed->failed = asking->rc == DV_E_DEPENDENCY ? batch : NULL;
        return dv_fail(node, asking->rc, "the embedder: %s", asking->reason);
    }
    for (size_t i = 0; i < embed->count; i++) {
        embed->without += !waits && !embed->texts[i].embedded;
        if (waits && embed->texts[i].refused)
            dv_reject(node, batch, embed->rows[i], DV_E_DATA, "the embedder's service makes no vector of this text");
    }
    return pass_on(node, batch);
}

static void on_vectors(struct dv_llm_texts *asking)
{
    struct embed *embed = dv_state(asking->data);
    dv_timer_stop(&embed->timer);
    finish(asking->data, end_service);
}

/* A question has waited long enough. */
static void on_timer(struct dv_timer *timer)
{
    struct embed *embed = timer->data;
    dv_llm_texts_cancel(&embed->asking);
    finish(embed->node, end_service);
}

static bool ask_service(struct dv_node *node)
{
    struct embed *embed = dv_state(node);
    embed->asking.texts = embed->texts;
    embed->asking.count = embed->count;
    bool asked = dv_llm_texts_ask(&embed->asking);
    if (asked && embed->task == DV_LLM_QUERY)
        dv_timer_start(&embed->timer, (uint64_t)embed->deadline_ms);
    return asked;
}

/* ---- all of it ---- */

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct embed *embed = dv_state(node);
    bool again = batch == embed->failed;
    embed->failed = NULL;
    if (!again && dv_is_error(make_texts(embed, batch)))
        return dv_fail(node, DV_E_MEMORY, "no memory for the vectors of a batch");
    if (embed->count == 0)
        return pass_on(node, batch);
    bool service = asks_service(embed);
    if (!(service ? ask_service(node) : ask_minilm(node)))
        return service ? end_service(node, batch) : pass_on(node, batch);
    embed->held = batch;
    return DV_HOLD;
}

static dv_rc open_service(struct dv_node *node)
{
    struct embed *embed = dv_state(node);
    static const char *const names[] = { [EMBEDDER_OPENAI] = "openai", [EMBEDDER_GEMINI] = "gemini", [EMBEDDER_CORTEX] = "cortex" };
    if (embed->deadline_ms == 0)
        embed->deadline_ms = embed->task == DV_LLM_QUERY ? QUERY_MS : DOCUMENT_MS;
    DV_TRY(dv_llm_service_open(node, &embed->service, service_kind(embed), embed->deadline_ms));
    (void)snprintf(embed->name, sizeof embed->name, "%s:%s:%d", names[embed->kind], embed->service.model, (int)embed->dimensions);
    embed->asking = (struct dv_llm_texts){ .llm = embed->service.llm,
                                           .width = (uint32_t)embed->dimensions,
                                           .window_bytes = (uint32_t)embed->max_tokens * BYTES_PER_TOKEN,
                                           .per_request = embed->kind == EMBEDDER_GEMINI ? GEMINI_TEXTS : (uint32_t)embed->texts_max,
                                           .task = (enum dv_llm_task)embed->task,
                                           .tenant = dv_node_tenant(node),
                                           .answer = on_vectors,
                                           .data = node };
    embed->width = embed->asking.width;
    dv_timer_init(dv_node_loop(node), &embed->timer, on_timer, embed);
    embed->timed = true;
    return dv_llm_texts_open(&embed->asking) == DV_OK ? DV_OK : dv_fail(node, DV_E_MEMORY, "no memory for an embedding service");
}

static dv_rc open_minilm(struct dv_node *node)
{
    struct embed *embed = dv_state(node);
    struct dv_error error = { 0 };
    dv_rc rc = dv_embedder_open(&embed->embedder, dv_node_loop(node), embed->models, (size_t)embed->max_tokens, &error);
    if (rc == DV_E_MISSING) {
        dv_log(DV_LOG_WARN, "embed.lexical", DV_LOG_NAMED("node", dv_node_name(node)),
               DV_LOG_LITERAL("help", "no vectors are made: run tools/parts models, or say where they are by models:"));
        return DV_OK;
    }
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    embed->width = embed->embedder.width;
    (void)snprintf(embed->name, sizeof embed->name, "%s", embed->embedder.name);
    embed->question = dv_embed_question_new(&embed->embedder);
    return embed->question != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "no memory for an embedding model");
}

static dv_rc open_node(struct dv_node *node)
{
    struct embed *embed = dv_state(node);
    embed->node = node;
    if (embed->kind == EMBEDDER_NONE)
        return DV_OK;
    return asks_service(embed) ? open_service(node) : open_minilm(node);
}

static void close_node(struct dv_node *node)
{
    struct embed *embed = dv_state(node);
    dv_embedder_close(&embed->embedder);
    dv_embed_question_free(embed->question);
    embed->question = NULL;
    dv_llm_texts_close(&embed->asking);
    dv_llm_service_close(&embed->service);
    if (embed->timed)
        dv_timer_close(&embed->timer);
}

/* Questions do not wait for a service that is down. */
static const char *waits(struct dv_node *node)
{
    const struct embed *embed = dv_state(node);
    return embed->task == DV_LLM_DOCUMENT ? dv_llm_service_waits(&embed->service) : NULL;
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct embed *embed = dv_state(node);
    return dv_llm_service_breaker(&embed->service, index);
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct embed *embed = dv_state(node);
    const struct dv_gauge gauges[] = { { "model", embed->width > 0 }, { "without_vector", (double)embed->without } };
    const uint32_t own = sizeof gauges / sizeof gauges[0];
    if (index >= own)
        return dv_llm_service_gauge(&embed->service, index - own, ret);
    *ret = gauges[index];
    return true;
}

const struct dv_operator dv_operator_embed = {
    .name = "embed",
    .summary = "Makes one text of some columns, and its vector by a sentence model.",
    .options = options,
    .size = sizeof(struct embed),
    .edits = true,
    .exit = DV_EXIT_LLM,
    .leaves = leaves,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .gauge = gauge,
    .close = close_node,
};
