/* SPDX-License-Identifier: Apache-2.0
 * schema.h - the columns of a batch: name, type and label; the same object tells the shape and the privacy of data.
 *
 *   # conf/schemas/healthcare.yaml
 *   name: healthcare
 *   subject: patient_id                      # the person a record is about (optional)
 *   fields:
 *     patient_id: { type: text, class: direct-id, required: true }
 *     age:        { type: int, class: quasi-id, min: 0, max: 130 }
 *     patient.name.family: { type: text, class: direct-id }   # a field of an object in an object
 *     contacts[].phone:    { type: json, class: direct-id }   # of all objects of a list: a list of values
 *
 * Fields that no schema names land in one last column, `_extra` (type json, direct-id plain): it fails closed. */
#ifndef DV_ENGINE_SCHEMA_H
#define DV_ENGINE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/label.h"

struct dv_arena;
struct dv_diags;
struct dv_yaml;

enum { DV_COLUMNS_MAX = 128, DV_COLUMN_KEY_BYTES = 32 };

#define DV_EXTRA_COLUMN "_extra"

enum dv_type { DV_TYPE_TEXT, DV_TYPE_INT, DV_TYPE_FLOAT, DV_TYPE_BOOL, DV_TYPE_BYTES, DV_TYPE_JSON };

/* One column. */
struct dv_column {
    const char *name; /* NUL-terminated; as a JSON key it needs no escaping */
    uint32_t name_length;
    enum dv_type type;
    struct dv_label label;
    bool required;
    bool bounded; /* min/max hold for DV_TYPE_INT and DV_TYPE_FLOAT */
    double min, max;
    uint32_t key_length; /* of `key`; 0: the name is too long for it */
    char key[DV_COLUMN_KEY_BYTES]; /* the name as JSON has it, with quotes and colon: writers copy it whole */
};

/* A schema: immutable once made, owned by the graph's arena. */
struct dv_schema {
    const char *name; /* a DV_NAME */
    uint32_t column_count;
    int32_t subject; /* the subject's column, or -1 */
    int32_t extra;   /* the `_extra` column, or -1 */
    struct dv_column *columns;
    uint32_t capacity; /* room in `columns` */
    const struct dv_schema *inside; /* of sealed records: the schema they had before; NULL: nobody can say */
};

/* Loads and checks a schema file and adds the `_extra` column; NULL if anything was wrong, all of it in `diags`. */
struct dv_schema *dv_schema_load(const char *path, struct dv_arena *arena, struct dv_diags *diags);

/* The same from a tree that is read already. */
struct dv_schema *dv_schema_from_yaml(const struct dv_yaml *root, struct dv_arena *arena, struct dv_diags *diags);

/* An empty schema with room for `capacity` columns (≤ DV_COLUMNS_MAX), or NULL when the arena is full. */
struct dv_schema *dv_schema_new(struct dv_arena *arena, const char *name, uint32_t capacity);

/* A copy that may be changed: own columns array, with room for DV_COLUMNS_MAX. */
struct dv_schema *dv_schema_copy(struct dv_arena *arena, const struct dv_schema *schema);

/* Appends a column to a schema made with room for it, and gives it back for further settings. */
struct dv_column *dv_schema_add(struct dv_schema *schema, const char *name, enum dv_type type, struct dv_label label);

/* Sets a column's name, which must stay. */
void dv_column_name(struct dv_column *column, const char *name);

/* A column's index by name, or -1. Not for hot loops. */
int dv_schema_find(const struct dv_schema *schema, const char *name);

/* Whether both have the same columns with the same types and labels, in the same order, and the same subject. */
bool dv_schema_equal(const struct dv_schema *a, const struct dv_schema *b);

/* Of two equal schemas whose records meet, the one for both: what is inside is known only if it is the same. NULL when
 * the arena is full. */
const struct dv_schema *dv_schema_join(struct dv_arena *arena, const struct dv_schema *a, const struct dv_schema *b);

/* The schema of some of its records, picked by column `by`: what n subjects shared may now be fewer people's, unless all who
 * share it went the same way. `schema` itself if nothing changes; NULL when the arena is full. */
const struct dv_schema *dv_schema_thinned(struct dv_arena *arena, const struct dv_schema *schema, uint32_t by);

/* "text", "int", …: literals. */
const char *dv_type_name(enum dv_type type);

#endif
