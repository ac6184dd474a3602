/* SPDX-License-Identifier: Apache-2.0
 * sink_conversation.c - keeps the answers to questions that `conversation` has kept.
 *
 * Only what leaves as an answer comes here: sentences that were checked, with what they cite. When the end says that the answer was
 * refused or has failed, its sentences go, and that alone is kept. Answers to other questions are passed over. */
#include <string.h>

#include "engine/graph.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/conversation.h"
#include "operators/exit_guard.h"

enum { PARTS = 4 };
enum part { KIND, TEXT, CITATIONS, STATUS };

struct sink_conversation {
    const char *of;
    const char *names[PARTS];
    uint32_t column[PARTS];
    struct dv_node *node;
    struct dv_batch *held;
    struct dv_turn_line *lines; /* of that batch */
    struct dv_conversations_request request;
    uint64_t kept;
};

static const struct dv_option options[] = {
    { "conversation", DV_NAME, offsetof(struct sink_conversation, of), .flags = DV_REQUIRED,
      .help = "The node `conversation` that keeps the questions; the answers go into its file." },
    { "kind", DV_STR, offsetof(struct sink_conversation, names[KIND]), .initial = "kind",
      .help = "Column that says `sentence`, or `end` in the last row of an answer." },
    { "text", DV_STR, offsetof(struct sink_conversation, names[TEXT]), .initial = "text", .help = "Text column of a sentence." },
    { "citations", DV_STR, offsetof(struct sink_conversation, names[CITATIONS]), .initial = "citations", .help = "Json column of what it cites." },
    { "status", DV_STR, offsetof(struct sink_conversation, names[STATUS]), .initial = "status",
      .help = "Column whose `refused` or `failed` in the last row takes the sentences away." },
    { 0 },
};

/* ---- the schema ---- */

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    static const char *const option_names[PARTS] = { "kind", "text", "citations", "status" };
    struct sink_conversation *sink = dv_state(node);
    const struct dv_node *of = dv_node_named(node, sink->of);
    struct dv_schema *kept = dv_schema_new(dv_node_arena(node), shape->in->name, PARTS);
    struct dv_schema *shown = dv_schema_new(dv_node_arena(node), shape->in->name, 1);
    if (kept == NULL || shown == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    if (of == NULL || !dv_node_keeps_conversations(of))
        return dv_refuse(node, "conversation", "C236", "name the node that the questions go through: talk: { op: conversation, path: talks.sqlite }",
                         "'%s' is no node `conversation` of this graph", sink->of);
    for (uint32_t i = 0; i < PARTS; i++) {
        int column = dv_shape_column(node, shape, option_names[i], sink->names[i]);
        if (column < 0)
            return DV_E_CONFIG;
        const struct dv_column *in = &shape->in->columns[column];
        if (in->type != (i == CITATIONS ? DV_TYPE_JSON : DV_TYPE_TEXT))
            return dv_refuse(node, option_names[i], "C230", "put `rag` before it", "column '%s' is of type %s", in->name, dv_type_name(in->type));
        (void)dv_schema_add(kept, in->name, in->type, in->label);
        if (i == TEXT) /* it will be in the prompts of questions that follow */
            (void)dv_schema_add(shown, in->name, in->type, in->label);
        sink->column[i] = (uint32_t)column;
    }
    shape->cleared = kept;
    shape->shown = shown;
    shape->shown_at = DV_EXIT_LLM;
    return DV_OK;
}

/* ---- the run ---- */

static struct dv_store_bytes bytes_of(const struct sink_conversation *sink, const struct dv_batch *batch, enum part part, uint32_t row)
{
    const struct dv_cell *cell = &dv_batch_cells(batch, sink->column[part])[row];
    return cell->present ? (struct dv_store_bytes){ cell->text, cell->length } : (struct dv_store_bytes){ 0 };
}

static bool says(struct dv_store_bytes text, const char *word)
{
    return text.at != NULL && text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

/* False: it is neither a sentence nor an end. */
static bool read_line(const struct sink_conversation *sink, const struct dv_batch *batch, uint32_t row, struct dv_turn_line *ret)
{
    struct dv_store_bytes kind = bytes_of(sink, batch, KIND, row), status = bytes_of(sink, batch, STATUS, row);
    *ret = (struct dv_turn_line){ .said = { .text = bytes_of(sink, batch, TEXT, row), .citations = bytes_of(sink, batch, CITATIONS, row) } };
    memcpy(ret->id, batch->row[row].id, sizeof ret->id);
    if (says(kind, "sentence"))
        return ret->said.text.at != NULL;
    ret->status = status;
    ret->withdrawn = says(status, "refused") || says(status, "failed");
    return says(kind, "end") && status.at != NULL;
}

static void on_kept(struct dv_conversations_request *request)
{
    struct sink_conversation *sink = request->data;
    struct dv_batch *batch = sink->held;
    dv_rc rc = request->rc;
    sink->held = NULL;
    if (rc == DV_OK)
        sink->kept += request->total;
    else
        rc = dv_fail(sink->node, rc, "the conversations: %s", request->reason != NULL ? request->reason : dv_rc_text(rc));
    dv_finish(sink->node, batch, rc);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_conversation *sink = dv_state(node);
    const struct dv_node *of = dv_node_named(node, sink->of);
    struct dv_conversations *store = of != NULL ? dv_conversations_of_node(of) : NULL;
    uint32_t count = 0;
    if (store == NULL)
        return dv_fail(node, DV_E_DEPENDENCY, "node '%s' is not there, or not open", sink->of);
    for (uint32_t row = 0; row < batch->rows; row++)
        if (!dv_batch_rejected(batch, row))
            count += read_line(sink, batch, row, &sink->lines[count]);
    if (count == 0)
        return DV_PASS;
    sink->held = batch;
    sink->request = (struct dv_conversations_request){ .kind = DV_CONVERSATIONS_ANSWER, .lines = sink->lines, .count = count, .callback = on_kept, .data = sink };
    dv_conversations_request(store, &sink->request);
    return DV_HOLD;
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_conversation *sink = dv_state(node);
    sink->node = node;
    sink->lines = dv_arena_zeroed(dv_node_arena(node), DV_BATCH_ROWS, sizeof *sink->lines);
    return sink->lines != NULL ? DV_OK : dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct sink_conversation *sink = dv_state(node);
    if (index > 0)
        return false;
    *ret = (struct dv_gauge){ "kept", (double)sink->kept };
    return true;
}

const struct dv_operator dv_operator_sink_conversation = {
    .name = "sink-conversation",
    .summary = "Keeps the answers to questions that `conversation` has kept.",
    .options = options,
    .size = sizeof(struct sink_conversation),
    .sink = true,
    .exit = DV_EXIT_STORE,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .gauge = gauge,
};
