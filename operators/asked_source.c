/* SPDX-License-Identifier: Apache-2.0
 * asked_source.c - one record into a batch, and the end. */
#include "operators/asked_source.h"

#include <string.h>

#include "engine/graph.h"

static dv_rc open_node(struct dv_node *node)
{
    struct dv_asked_source *source = dv_state(node);
    source->reader = dv_json_reader_new(dv_node_schema_out(node, 0), source->length);
    return source->reader != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "no memory for the JSON reader");
}

static dv_rc read_record(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_asked_source *source = dv_state(node);
    char *text = dv_arena_text(&batch->arena, source->length + DV_JSON_PADDING);
    if (text == NULL)
        return DV_E_MEMORY;
    memcpy(text, source->text, source->length);
    memset(text + source->length, 0, DV_JSON_PADDING);
    DV_TRY(dv_json_reader_in_place(source->reader, text, source->length, batch, 0, &source->reason));
    batch->row[0] = (struct dv_row){ .created_ms = dv_wall_ms(dv_node_loop(node)) };
    memcpy(batch->row[0].id, source->id, sizeof batch->row[0].id);
    batch->rows = 1;
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_asked_source *source = dv_state(node);
    if (source->given)
        return DV_DROP;
    source->given = true;
    dv_end(node);
    source->rc = read_record(node, batch);
    if (source->rc != DV_OK)
        return DV_DROP;
    dv_claim(node, batch, 0, 0);
    return DV_PASS;
}

static void stop(struct dv_node *node)
{
    struct dv_asked_source *source = dv_state(node);
    if (!source->given)
        dv_end(node);
    source->given = true;
}

static void close_node(struct dv_node *node)
{
    struct dv_asked_source *source = dv_state(node);
    dv_json_reader_free(source->reader);
    source->reader = NULL;
}

const struct dv_operator dv_operator_asked = {
    .name = "asked",
    .summary = "Asks one question.",
    .size = sizeof(struct dv_asked_source),
    .source = true,
    .makes = true,
    .open = open_node,
    .process = process,
    .stop = stop,
    .close = close_node,
};
