/* SPDX-License-Identifier: Apache-2.0
 * columns.c - takes columns over from one schema to the next. */
#include "operators/columns.h"

bool dv_columns_start(struct dv_columns *columns, struct dv_arena *arena, const struct dv_schema *in)
{
    columns->schema = dv_schema_new(arena, in->name, in->column_count);
    if (columns->schema == NULL)
        return false;
    columns->schema->subject = in->subject != -1 ? DV_SUBJECT_DROPPED : -1; /* until it is taken */
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
