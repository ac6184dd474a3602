/* SPDX-License-Identifier: Apache-2.0
 * sink_reply.c - hands rows to whoever waits for the answer to the record whose id they have, as POST /v1/query does.
 *
 * A row is one piece of an answer, and the row of the kind `end` its last. Nobody is waited for: a client that has gone is no
 * reason to hold a batch. */
#include "operators/sink_reply.h"

#include <string.h>

#include "engine/json.h"
#include "engine/operator.h"
#include "engine/replies.h"
#include "engine/stats.h"
#include "operators/exit_guard.h"

struct sink_reply {
    const char *kind, *text, *status;
    int kind_column, text_column, status_column;
    struct dv_replies *replies; /* NULL: nobody can ask */
    uint64_t handed, unclaimed;
};

static const struct dv_option options[] = {
    { "kind", DV_STR, offsetof(struct sink_reply, kind), .initial = "kind",
      .help = "Column that says `end` in the last row of an answer; without such a column each row is an answer." },
    { "text", DV_STR, offsetof(struct sink_reply, text), .initial = "text", .help = "Column of what is read." },
    { "status", DV_STR, offsetof(struct sink_reply, status), .initial = "status",
      .help = "Column whose `refused` or `failed` in the last row withdraws the rows before." },
    { 0 },
};

/* The text column of the name, or -1 if there is none. */
static int text_column(const struct dv_schema *schema, const char *name)
{
    int column = dv_schema_find(schema, name);
    return column >= 0 && schema->columns[column].type == DV_TYPE_TEXT ? column : -1;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct sink_reply *sink = dv_state(node);
    sink->kind_column = text_column(shape->in, sink->kind);
    sink->text_column = text_column(shape->in, sink->text);
    sink->status_column = text_column(shape->in, sink->status);
    return DV_OK;
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_reply *sink = dv_state(node);
    sink->replies = dv_node_service(node, DV_SERVICE_REPLIES);
    return DV_OK;
}

static const struct dv_cell *cell_of(const struct dv_batch *batch, int column, uint32_t row)
{
    if (column < 0)
        return NULL;
    const struct dv_cell *cell = &dv_batch_cells(batch, (uint32_t)column)[row];
    return cell->present ? cell : NULL;
}

static bool says(const struct dv_cell *cell, const char *word)
{
    return cell != NULL && cell->length == strlen(word) && memcmp(cell->text, word, cell->length) == 0;
}

static dv_rc hand(struct dv_node *node, const struct dv_batch *batch, uint32_t row)
{
    struct sink_reply *sink = dv_state(node);
    struct dv_reply reply = { .last = sink->kind_column < 0 || says(cell_of(batch, sink->kind_column, row), "end") };
    const struct dv_cell *text = cell_of(batch, sink->text_column, row), *status = cell_of(batch, sink->status_column, row);
    char *json = dv_arena_text(dv_node_scratch(node), dv_json_record_bound(batch, row));
    if (json == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for a row as JSON");
    memcpy(reply.id, batch->row[row].id, sizeof reply.id);
    reply.json = json;
    reply.length = dv_json_record(batch, row, json);
    reply.text = text != NULL ? text->text : NULL;
    reply.text_length = text != NULL ? text->length : 0;
    reply.withdrawn = reply.last && (says(status, "refused") || says(status, "failed"));
    if (dv_replies_hand(sink->replies, &reply))
        sink->handed++;
    else
        sink->unclaimed++;
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_reply *sink = dv_state(node);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (dv_batch_rejected(batch, row))
            continue;
        if (sink->replies == NULL)
            sink->unclaimed++;
        else
            DV_TRY(hand(node, batch, row));
    }
    return DV_PASS;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct sink_reply *sink = dv_state(node);
    const struct dv_gauge gauges[] = { { "handed", (double)sink->handed }, { "unclaimed", (double)sink->unclaimed } };
    if (index >= sizeof gauges / sizeof gauges[0])
        return false;
    *ret = gauges[index];
    return true;
}

const struct dv_operator dv_operator_sink_reply = {
    .name = "sink-reply",
    .summary = "Hands rows to whoever waits for the answer to a question, as POST /v1/query does.",
    .options = options,
    .size = sizeof(struct sink_reply),
    .sink = true,
    .exit = DV_EXIT_REPLY,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .gauge = gauge,
};

/* Nodes come after those that lead to them, but the links know no order by depth: they are followed as often as there are nodes. */
bool dv_source_is_answered(const struct dv_graph *graph, uint32_t source)
{
    const struct dv_link *links = NULL;
    uint32_t count = dv_graph_links(graph, &links), nodes = dv_graph_node_count(graph);
    uint64_t reached = UINT64_C(1) << source;
    for (uint32_t round = 0; round < nodes; round++)
        for (uint32_t i = 0; i < count; i++)
            if ((reached >> links[i].from & 1) != 0)
                reached |= UINT64_C(1) << links[i].to;
    for (uint32_t i = 0; i < nodes; i++)
        if ((reached >> i & 1) != 0 && dv_node_operator(dv_graph_node(graph, i)) == &dv_operator_sink_reply)
            return true;
    return false;
}

_Static_assert(DV_NODES_MAX <= 64, "a set of nodes is one word");
