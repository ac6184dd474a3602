/* SPDX-License-Identifier: Apache-2.0
 * infer_paths.c - columns by their paths. */
#include "privacy/infer_paths.h"

#include <math.h>
#include <string.h>

#include "engine/error.h"
#include "engine/schema_path.h"

_Static_assert(DV_INFER_DEPTH_MAX *DV_INFER_FIELDS_MAX <= DV_PATH_STEPS_MAX, "a schema can have all steps of a draft");

bool dv_infer_can_be_named(const char *name, size_t length)
{
    struct dv_path_step first;
    if (memchr(name, '\0', length) != NULL || !dv_is_path(name))
        return false;
    (void)dv_path_step(name, &first);
    return first.length != strlen(DV_EXTRA_COLUMN) || memcmp(first.name, DV_EXTRA_COLUMN, first.length) != 0;
}

struct dv_infer_column *dv_infer_columns_find(struct dv_infer_columns *columns, const char *name)
{
    size_t length = strlen(name);
    for (uint32_t i = 0; i < columns->count; i++) {
        uint32_t at = (columns->expected + i) % columns->count;
        struct dv_infer_column *column = &columns->columns[at];
        if (column->name_length == length && memcmp(column->name, name, length) == 0) {
            columns->expected = at + 1;
            return column;
        }
    }
    return NULL;
}

static bool is_beneath(const struct dv_infer_column *column, const char *name, size_t length)
{
    const char *rest = column->name + length;
    return column->name_length > length && memcmp(column->name, name, length) == 0 &&
           (rest[0] == '.' || strncmp(rest, "[].", 3) == 0);
}

uint32_t dv_infer_columns_beneath(const struct dv_infer_columns *columns, const char *name)
{
    size_t length = strlen(name);
    uint32_t count = 0;
    for (uint32_t i = 0; i < columns->count; i++)
        count += is_beneath(&columns->columns[i], name, length);
    return count;
}

/* What was under a key with a dot in it is under no other name then. */
static void drop(struct dv_infer_columns *columns, uint32_t index)
{
    struct dv_infer_column *column = &columns->columns[index];
    columns->left.odd_names += column->flat;
    columns->count--;
    columns->expected = 0;
    memmove(column, column + 1, (columns->count - index) * sizeof *column);
}

/* Whether all that was under a name so far may stay where paths of this way lead into it. */
static bool is_hollow(const struct dv_infer_column *column, enum dv_infer_way way)
{
    return dv_infer_present(column) == (way == DV_WAY_OBJECT ? column->hollow_objects : column->hollow_lists);
}

/* Whether another column keeps the name from being one; a hollow one above it makes room. */
static bool is_in_the_way(struct dv_infer_columns *columns, const char *name)
{
    for (uint32_t i = columns->count; i-- > 0;) {
        struct dv_infer_column *column = &columns->columns[i];
        if (dv_path_conflict(column->name, name) == NULL)
            continue;
        bool above = strncmp(column->name, name, column->name_length) == 0;
        if (!above || !is_hollow(column, name[column->name_length] == '.' ? DV_WAY_OBJECT : DV_WAY_LIST))
            return true;
        drop(columns, i);
    }
    return false;
}

struct dv_infer_column *dv_infer_columns_add(struct dv_infer_columns *columns, const char *name)
{
    if (is_in_the_way(columns, name)) {
        columns->left.odd_names++;
        return NULL;
    }
    if (columns->count == DV_INFER_FIELDS_MAX) {
        columns->left.too_many++;
        return NULL;
    }
    struct dv_infer_column *column = &columns->columns[columns->count++];
    *column = (struct dv_infer_column){ .name_length = (uint32_t)strlen(name),
                                        .low = (double)INFINITY,
                                        .high = -(double)INFINITY };
    memcpy(column->name, name, column->name_length);
    columns->expected = columns->count;
    return column;
}

struct dv_infer_column *dv_infer_columns_fold(struct dv_infer_columns *columns, const char *name)
{
    size_t length = strlen(name);
    uint64_t nested = 1; /* an empty object or a null may have been there, too, which counted nowhere */
    for (uint32_t i = columns->count; i-- > 0;) {
        const struct dv_infer_column *column = &columns->columns[i];
        if (!is_beneath(column, name, length))
            continue;
        uint64_t records = column->records > column->flat ? column->records - column->flat : 0;
        nested = records > nested ? records : nested;
        drop(columns, i);
    }
    struct dv_infer_column *column = dv_infer_columns_add(columns, name);
    DV_ASSERT(column != NULL);
    column->kinds[DV_KIND_NESTED] = column->records = nested;
    return column;
}

static bool lies_in(const struct dv_infer_columns *columns, const char *name, const char *mark)
{
    size_t length = strlen(name);
    for (uint32_t i = 0; i < columns->count; i++)
        if (is_beneath(&columns->columns[i], name, length) && strncmp(columns->columns[i].name + length, mark, 1) == 0)
            return true;
    return false;
}

bool dv_infer_columns_open(struct dv_infer_columns *columns, const char *name, enum dv_infer_way way)
{
    const struct dv_infer_column *column = dv_infer_columns_find(columns, name);
    if (column != NULL)
        return way != DV_WAY_NONE && is_hollow(column, way);
    bool mixed = way == DV_WAY_NONE ? dv_infer_columns_beneath(columns, name) > 0
                                    : lies_in(columns, name, way == DV_WAY_OBJECT ? "[" : ".");
    if (mixed)
        (void)dv_infer_columns_fold(columns, name);
    return !mixed && way != DV_WAY_NONE;
}
