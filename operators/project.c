/* SPDX-License-Identifier: Apache-2.0
 * project.c - lets some columns of a record through and leaves the others behind. */
#include "engine/operator.h"
#include "operators/columns.h"

struct project {
    struct dv_strs keep;
    struct dv_strs drop;
    struct dv_columns columns;
};

static const struct dv_option options[] = {
    { "keep", DV_STRS, offsetof(struct project, keep), .help = "Columns that stay; all others go." },
    { "drop", DV_STRS, offsetof(struct project, drop), .help = "Columns that go; all others stay." },
    { 0 },
};

static dv_rc mark(struct dv_node *node, const struct dv_shape *shape, bool keep, bool *named)
{
    const struct project *project = dv_state(node);
    const struct dv_strs *names = keep ? &project->keep : &project->drop;
    dv_rc rc = DV_OK;
    for (size_t i = 0; i < names->count; i++) {
        int column = dv_shape_column(node, shape, keep ? "keep" : "drop", names->items[i]);
        if (column < 0)
            rc = DV_E_CONFIG;
        else
            named[column] = true;
    }
    return rc;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct project *project = dv_state(node);
    bool keep = project->keep.count != 0;
    if (keep == (project->drop.count != 0))
        return dv_refuse(node, NULL, "C101", "say which stay or which go: { op: project, drop: [ssn] }",
                         "`project` needs either `keep` or `drop`");
    bool named[DV_COLUMNS_MAX] = { false };
    DV_TRY(mark(node, shape, keep, named));
    if (!dv_columns_start(&project->columns, dv_node_arena(node), shape->in))
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < shape->in->column_count; i++) {
        if (named[i] == keep)
            (void)dv_columns_take(&project->columns, shape->in, i);
    }
    if (project->columns.schema->column_count == 0)
        return dv_refuse(node, "drop", "C102", "keep at least one column", "no column is left");
    shape->out[0] = project->columns.schema;
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct project *project = dv_state(node);
    return dv_batch_reshape(batch, project->columns.schema, project->columns.from);
}

const struct dv_operator dv_operator_project = {
    .name = "project",
    .summary = "Lets some columns through and leaves the others behind.",
    .options = options,
    .size = sizeof(struct project),
    .edits = true,
    .transfer = transfer,
    .process = process,
};
