/* SPDX-License-Identifier: Apache-2.0
 * schema.c - making, copying and comparing schemas. */
#include "engine/schema.h"

#include <string.h>

#include "engine/arena.h"
#include "engine/error.h"

struct dv_schema *dv_schema_new(struct dv_arena *arena, const char *name, uint32_t capacity)
{
    DV_ASSERT(name != NULL && capacity <= DV_COLUMNS_MAX);
    struct dv_schema *schema = dv_arena_zeroed(arena, 1, sizeof *schema);
    struct dv_column *columns = dv_arena_zeroed(arena, capacity, sizeof *columns);
    const char *kept_name = dv_arena_copy(arena, name, strlen(name));
    if (schema == NULL || columns == NULL || kept_name == NULL)
        return NULL;
    *schema = (struct dv_schema){
        .name = kept_name, .subject = -1, .extra = -1, .columns = columns, .capacity = capacity
    };
    return schema;
}

struct dv_schema *dv_schema_copy(struct dv_arena *arena, const struct dv_schema *schema)
{
    DV_ASSERT(schema->column_count <= DV_COLUMNS_MAX);
    struct dv_schema *copy = dv_schema_new(arena, schema->name, DV_COLUMNS_MAX);
    if (copy == NULL)
        return NULL;
    copy->column_count = schema->column_count;
    copy->subject = schema->subject;
    copy->extra = schema->extra;
    copy->inside = schema->inside;
    if (schema->column_count != 0)
        memcpy(copy->columns, schema->columns, schema->column_count * sizeof *copy->columns);
    return copy;
}

void dv_column_name(struct dv_column *column, const char *name)
{
    size_t length = strlen(name);
    DV_ASSERT(length <= UINT32_MAX);
    column->name = name;
    column->name_length = (uint32_t)length;
    column->key_length = 0;
    memset(column->key, 0, sizeof column->key);
    if (length + 3 > sizeof column->key)
        return;
    column->key_length = (uint32_t)length + 3;
    column->key[0] = '"';
    memcpy(column->key + 1, name, length);
    memcpy(column->key + 1 + length, "\":", 2);
}

struct dv_column *dv_schema_add(struct dv_schema *schema, const char *name, enum dv_type type, struct dv_label label)
{
    DV_ASSERT(name != NULL && schema->column_count < schema->capacity);
    struct dv_column *column = &schema->columns[schema->column_count++];
    *column = (struct dv_column){ .type = type, .label = label };
    dv_column_name(column, name);
    return column;
}

int dv_schema_find(const struct dv_schema *schema, const char *name)
{
    size_t length = strlen(name);
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct dv_column *column = &schema->columns[i];
        if (column->name_length == length && memcmp(column->name, name, length) == 0)
            return (int)i;
    }
    return -1;
}

static bool same_column(const struct dv_column *a, const struct dv_column *b)
{
    return a->name_length == b->name_length && memcmp(a->name, b->name, a->name_length) == 0 && a->type == b->type &&
           dv_label_equal(a->label, b->label);
}

bool dv_schema_equal(const struct dv_schema *a, const struct dv_schema *b)
{
    if (a == b)
        return true;
    if (a->column_count != b->column_count || a->subject != b->subject || a->extra != b->extra)
        return false;
    for (uint32_t i = 0; i < a->column_count; i++) {
        if (!same_column(&a->columns[i], &b->columns[i]))
            return false;
    }
    return true;
}

const struct dv_schema *dv_schema_join(struct dv_arena *arena, const struct dv_schema *a, const struct dv_schema *b)
{
    DV_ASSERT(dv_schema_equal(a, b));
    if (a->inside == b->inside)
        return a;
    if (a->inside != NULL && b->inside != NULL && dv_schema_equal(a->inside, b->inside))
        return a;
    struct dv_schema *both = dv_schema_copy(arena, a);
    if (both != NULL)
        both->inside = NULL;
    return both;
}

/* Whether picking by a column of the label `by` may part those who share a value of `label`. */
static bool is_parted(struct dv_label label, struct dv_label by)
{
    bool is_shared = label.form == DV_FORM_GENERALIZED && label.parameter > 0;
    return is_shared && !(by.form == DV_FORM_GENERALIZED && by.parameter >= label.parameter);
}

const struct dv_schema *dv_schema_thinned(struct dv_arena *arena, const struct dv_schema *schema, uint32_t by)
{
    DV_ASSERT(by < schema->column_count);
    struct dv_schema *thinned = NULL;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (!is_parted(schema->columns[i].label, schema->columns[by].label))
            continue;
        thinned = thinned != NULL ? thinned : dv_schema_copy(arena, schema);
        if (thinned == NULL)
            return NULL;
        thinned->columns[i].label.parameter = 0;
    }
    return thinned != NULL ? thinned : schema;
}

const char *dv_type_name(enum dv_type type)
{
    static const char *const names[] = {
        [DV_TYPE_TEXT] = "text", [DV_TYPE_INT] = "int",     [DV_TYPE_FLOAT] = "float",
        [DV_TYPE_BOOL] = "bool", [DV_TYPE_BYTES] = "bytes", [DV_TYPE_JSON] = "json",
    };
    DV_ASSERT((unsigned)type < sizeof names / sizeof names[0]);
    return names[type];
}
