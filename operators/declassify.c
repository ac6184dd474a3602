/* SPDX-License-Identifier: Apache-2.0
 * declassify.c - makes columns public on somebody's responsibility, with a reason that stands in the file.
 *
 * It is the one way past the proof, so it says what it does: the proof's table shows these columns as public, and each
 * start logs every one of them. A field that no schema names cannot be declassified: nobody can answer for it. */
#include <string.h>

#include "engine/log.h"
#include "engine/operator.h"
#include "operators/columns.h"

enum { REASON_MIN = 10 };

struct declassify {
    struct dv_strs names;
    const char *reason;
    struct dv_columns columns;
};

static const struct dv_option options[] = {
    { "columns", DV_STRS, offsetof(struct declassify, names), .flags = DV_REQUIRED,
      .help = "Columns that become public." },
    { "reason", DV_STR, offsetof(struct declassify, reason), .flags = DV_REQUIRED,
      .help = "Why they may: at least 10 characters, for the auditor." },
    { 0 },
};

static dv_rc publish(struct dv_node *node, const struct dv_shape *shape, const char *name)
{
    struct declassify *declassify = dv_state(node);
    int column = dv_shape_column(node, shape, "columns", name);
    if (column < 0)
        return DV_E_CONFIG;
    if (column == shape->in->extra)
        return dv_refuse(node, "columns", "P101", "name the field in the schema and declassify that",
                         "fields that no schema names cannot be declassified");
    declassify->columns.schema->columns[column].label = dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN);
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct declassify *declassify = dv_state(node);
    dv_rc rc = DV_OK;
    if (strlen(declassify->reason) < REASON_MIN)
        rc = dv_refuse(node, "reason", "P102", "say it so that an auditor understands it without asking",
                       "the reason is shorter than %d characters", REASON_MIN);
    if (!dv_columns_start(&declassify->columns, dv_node_arena(node), shape->in))
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        (void)dv_columns_take(&declassify->columns, shape->in, i);
    for (size_t i = 0; i < declassify->names.count; i++) {
        dv_rc published = publish(node, shape, declassify->names.items[i]);
        rc = dv_is_error(published) ? published : rc;
    }
    shape->out[0] = declassify->columns.schema;
    return rc;
}

static dv_rc open_node(struct dv_node *node)
{
    const struct declassify *declassify = dv_state(node);
    for (size_t i = 0; i < declassify->names.count; i++)
        dv_log(DV_LOG_WARN, "declassified", DV_LOG_NAMED("graph", dv_node_graph(node)),
               DV_LOG_NAMED("node", dv_node_name(node)), DV_LOG_NAMED("column", declassify->names.items[i]));
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct declassify *declassify = dv_state(node);
    return dv_batch_reshape(batch, declassify->columns.schema, declassify->columns.from);
}

const struct dv_operator dv_operator_declassify = {
    .name = "declassify",
    .summary = "Makes columns public, for a reason that stands in the file; each start logs which.",
    .options = options,
    .size = sizeof(struct declassify),
    .edits = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
};
