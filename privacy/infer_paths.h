/* SPDX-License-Identifier: Apache-2.0
 * infer_paths.h - the columns of a sample by their paths (engine/schema_path.h), none of which lies in another's way;
 * private to infer*.c.
 *
 * Where a field is now an object and now something else, or an object here and a list there, no path can lead through it:
 * what was found beneath is put together again in a column of its own. */
#ifndef DV_PRIVACY_INFER_PATHS_H
#define DV_PRIVACY_INFER_PATHS_H

#include "privacy/infer_column.h"

/* Steps of a drafted path, of which all columns together have few enough for a schema; columns beneath one object. */
enum { DV_INFER_DEPTH_MAX = 4, DV_INFER_BENEATH_MAX = 40 };

struct dv_infer_columns {
    uint32_t count;
    uint32_t expected; /* where the next one is looked for first: records mostly have their fields in one order */
    struct dv_infer_left left;
    struct dv_infer_column columns[DV_INFER_FIELDS_MAX];
};

/* What a value that may be gone into is. */
enum dv_infer_way {
    DV_WAY_NULL, /* leads nowhere, and hinders nobody */
    DV_WAY_NONE, /* no object, or a list with something else in it than objects */
    DV_WAY_OBJECT,
    DV_WAY_LIST /* of objects */
};

/* Whether a schema can have the name: a path that does not begin with the engine's own column. */
bool dv_infer_can_be_named(const char *name, size_t length);

/* The column of this name, NULL if there is none yet. */
struct dv_infer_column *dv_infer_columns_find(struct dv_infer_columns *columns, const char *name);

/* A new column of this name, which is none's. NULL if there is no room, or if it lies in the way of another: counted. */
struct dv_infer_column *dv_infer_columns_add(struct dv_infer_columns *columns, const char *name);

/* Columns that lie beneath the name, in an object or in a list. */
uint32_t dv_infer_columns_beneath(const struct dv_infer_columns *columns, const char *name);

/* Puts all beneath the name together in one column of that name, and returns it. There is something beneath. */
struct dv_infer_column *dv_infer_columns_fold(struct dv_infer_columns *columns, const char *name);

/* Whether paths may lead into a value under the name; if not, what lies beneath is folded. `way` is not DV_WAY_NULL. */
bool dv_infer_columns_open(struct dv_infer_columns *columns, const char *name, enum dv_infer_way way);

#endif
