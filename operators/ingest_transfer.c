/* SPDX-License-Identifier: Apache-2.0
 * ingest_transfer.c - the shape of what a source of requests emits, and what its options must agree on. */
#include "operators/ingest.h"

#include "engine/operator.h"
#include "operators/schema_option.h"

/* A column that senders fill could not be required: it is filled when the record has been found to be right. */
static dv_rc find_asker(struct dv_node *node, struct dv_ingest *ingest)
{
    ingest->asker_column = -1;
    if (ingest->asker == NULL)
        return DV_OK;
    const struct dv_shape shape = { .in = ingest->shape };
    ingest->asker_column = dv_shape_column(node, &shape, "asker", ingest->asker);
    if (ingest->asker_column < 0)
        return DV_E_CONFIG;
    const struct dv_column *column = &ingest->shape->columns[ingest->asker_column];
    if (column->type == DV_TYPE_BYTES && !column->required)
        return DV_OK;
    return dv_refuse(node, "asker", "C163", "as in conf/schemas/question.yaml: asker: { type: bytes, class: public }",
                     "column '%s' must be of type bytes, and not required: who sends a record does not fill it", column->name);
}

dv_rc dv_ingest_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_ingest *ingest = dv_state(node);
    dv_rc rc = DV_OK;
    if (ingest->queue_bytes < ingest->max_body + DV_JSON_PADDING)
        rc = dv_refuse(node, "queue_bytes", "C161", "twice the longest request is a good measure",
                       "the longest request would not fit into the queue");
    if (ingest->max_body < ingest->max_record)
        rc = dv_refuse(node, "max_record", "C162", NULL, "the longest record would not fit into the longest request");
    ingest->shape = dv_load_schema(node, "schema", ingest->schema);
    shape->out[0] = ingest->shape;
    return rc == DV_OK && ingest->shape != NULL ? find_asker(node, ingest) : DV_E_CONFIG;
}
