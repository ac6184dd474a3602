/* SPDX-License-Identifier: Apache-2.0
 * embed.c - makes one text of some columns of a record, and its vector by a sentence model.
 *
 * Three columns are added: `text`; `embedding`, float32 little-endian of length 1; `embedding_model`. A vector tells as much
 * as its text, so both have one label (embed_text.h). Without the model's files there are no vectors: what is searched by words still
 * works, a log line says so, and the figure `model` is 0. */
#include <string.h>

#include "connectors/embedder.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/embed.h"
#include "operators/embed_text.h"

enum { EMBEDDER_MINILM, EMBEDDER_NONE };
enum { ADDED = 3 };
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "vectors leave as they are in memory");

struct embed {
    struct dv_strs names;
    int kind;
    const char *models;
    int64_t max_tokens;
    struct dv_text_form form;
    uint32_t text, embedding, model; /* of the output */
    const struct dv_schema *out;
    int from[DV_COLUMNS_MAX];
    struct dv_embedder embedder;
    struct dv_embed_question *question; /* NULL: nothing is embedded */
    struct dv_embed_text texts[DV_BATCH_ROWS];
    uint32_t rows[DV_BATCH_ROWS]; /* of the texts */
    struct dv_batch *held;
    struct dv_cell *cells[DV_COLUMNS_MAX]; /* of the batch held: what it gets */
};

static const struct dv_option options[] = {
    { "columns", DV_STRS, offsetof(struct embed, names), .flags = DV_REQUIRED,
      .help = "Columns whose values make the text, in this order: \"name: value; name: value\", or the bare value of one." },
    { "embedder", DV_ENUM, offsetof(struct embed, kind), .initial = "minilm", .values = "minilm|none",
      .help = "Who makes the vectors: minilm (on this machine), or none: search is by words only." },
    { "models", DV_STR, offsetof(struct embed, models), .initial = "parts", .help = "Folder of the models; tools/parts brings them." },
    { "max_tokens", DV_INT, offsetof(struct embed, max_tokens), .initial = "256", .min = DV_EMBED_TOKENS_MIN, .max = DV_EMBED_TOKENS_MAX,
      .help = "Tokens the model reads at a time; the vector of a longer text is the mean of its windows' vectors." },
    { 0 },
};

/* ---- the schema ---- */

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    static const char *const added[ADDED] = { DV_EMBED_TEXT, DV_EMBED_VECTOR, DV_EMBED_MODEL };
    static const enum dv_type types[ADDED] = { DV_TYPE_TEXT, DV_TYPE_BYTES, DV_TYPE_TEXT };
    struct embed *embed = dv_state(node);
    if (shape->in->column_count + ADDED > DV_COLUMNS_MAX)
        return dv_refuse(node, NULL, "C221", "put a `project` before it", "there are too many columns");
    DV_TRY(dv_text_form_of(node, shape->in, &embed->names, &embed->form));
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
static dv_rc make_texts(struct embed *embed, struct dv_batch *batch, size_t *ret_count)
{
    size_t width = embed->embedder.width, count = 0;
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
        if (!cell->present || embed->question == NULL)
            continue;
        float *vector = dv_arena_zeroed(&batch->arena, width, sizeof *vector);
        if (vector == NULL)
            return DV_E_MEMORY;
        embed->rows[count] = row;
        embed->texts[count++] = (struct dv_embed_text){ .text = cell->text, .length = cell->length, .vector = vector };
    }
    *ret_count = count;
    return DV_OK;
}

/* ---- the run ---- */

static dv_rc pass_on(struct dv_node *node, struct dv_batch *batch, size_t count)
{
    struct embed *embed = dv_state(node);
    const char *name = dv_arena_copy(&batch->arena, embed->embedder.name, strlen(embed->embedder.name));
    if (name == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the vectors of a batch");
    for (size_t i = 0; i < count; i++) {
        const struct dv_embed_text *text = &embed->texts[i];
        if (!text->embedded)
            continue;
        (void)set_bytes(&embed->cells[embed->embedding][embed->rows[i]], (const char *)text->vector,
                        embed->embedder.width * sizeof *text->vector);
        (void)set_bytes(&embed->cells[embed->model][embed->rows[i]], name, strlen(name));
    }
    return dv_batch_reshape_with(batch, embed->out, embed->from, embed->cells);
}

static void on_answer(struct dv_embed_question *question)
{
    struct dv_node *node = question->data;
    struct embed *embed = dv_state(node);
    struct dv_batch *batch = embed->held;
    embed->held = NULL;
    dv_rc rc = dv_is_error(question->rc) ? dv_fail(node, question->rc, "%s", question->error.text)
                                         : pass_on(node, batch, question->count);
    dv_finish(node, batch, rc);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct embed *embed = dv_state(node);
    size_t count = 0;
    if (dv_is_error(make_texts(embed, batch, &count)))
        return dv_fail(node, DV_E_MEMORY, "no memory for the vectors of a batch");
    if (count == 0)
        return pass_on(node, batch, 0);
    embed->question->texts = embed->texts;
    embed->question->count = count;
    embed->question->answer = on_answer;
    embed->question->data = node;
    if (!dv_embed_ask(embed->question))
        return pass_on(node, batch, 0);
    embed->held = batch;
    return DV_HOLD;
}

static dv_rc open_node(struct dv_node *node)
{
    struct embed *embed = dv_state(node);
    struct dv_error error = { 0 };
    if (embed->kind == EMBEDDER_NONE)
        return DV_OK;
    dv_rc rc = dv_embedder_open(&embed->embedder, dv_node_loop(node), embed->models, (size_t)embed->max_tokens, &error);
    if (rc == DV_E_MISSING) {
        dv_log(DV_LOG_WARN, "embed.lexical", DV_LOG_NAMED("node", dv_node_name(node)),
               DV_LOG_LITERAL("help", "no vectors are made: run tools/parts models, or say where they are by models:"));
        return DV_OK;
    }
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    embed->question = dv_embed_question_new(&embed->embedder);
    return embed->question != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "no memory for an embedding model");
}

static void close_node(struct dv_node *node)
{
    struct embed *embed = dv_state(node);
    dv_embedder_close(&embed->embedder);
    dv_embed_question_free(embed->question);
    embed->question = NULL;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct embed *embed = dv_state(node);
    *ret = (struct dv_gauge){ "model", embed->question != NULL };
    return index == 0;
}

const struct dv_operator dv_operator_embed = {
    .name = "embed",
    .summary = "Makes one text of some columns, and its vector by a sentence model.",
    .options = options,
    .size = sizeof(struct embed),
    .edits = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .gauge = gauge,
    .close = close_node,
};
