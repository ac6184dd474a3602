/* SPDX-License-Identifier: Apache-2.0
 * columns.c - takes columns over from one schema to the next. */
#include "operators/columns.h"

#include "engine/operator.h"

bool dv_columns_start(struct dv_columns *columns, struct dv_arena *arena, const struct dv_schema *in)
{
    columns->schema = dv_schema_new(arena, in->name, in->column_count);
    if (columns->schema == NULL)
        return false;
    columns->schema->subject = in->subject >= 0 ? DV_SUBJECT_DROPPED : in->subject; /* until it is taken */
    return true;
}

struct dv_column *dv_columns_take(struct dv_columns *columns, const struct dv_schema *in, uint32_t index)
{
    DV_ASSERT(index < in->column_count && columns->schema->column_count < in->column_count);
    const struct dv_column *old = &in->columns[index];
    int32_t at = (int32_t)columns->schema->column_count;
    struct dv_column *column = dv_schema_add(columns->schema, old->name, old->type, old->label);
    *column = *old;
    columns->from[at] = (int)index;
    if (in->subject == (int32_t)index)
        columns->schema->subject = at;
    if (in->extra == (int32_t)index)
        columns->schema->extra = at;
    return column;
}

dv_rc dv_columns_tell_people(struct dv_node *node, const struct dv_schema *in, const char *crowd)
{
    if (in->subject == DV_SUBJECT_DROPPED)
        return dv_refuse(node, NULL, "P106", "let it through as a pseudonym; what leaves here does not hold it",
                         "the subject was dropped before '%s': %s of k could be one person k times", dv_node_name(node), crowd);
    if (in->subject == DV_SUBJECT_REPEATED)
        return dv_refuse(node, NULL, "P106", "name the `subject` in the schema of the rows, or take one answer: `follow: false`",
                         "the same rows come to '%s' with every answer, and do not say whose they are: %s of k could be one person k times",
                         dv_node_name(node), crowd);
    return DV_OK;
}
