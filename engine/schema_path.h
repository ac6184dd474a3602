/* SPDX-License-Identifier: Apache-2.0
 * schema_path.h - names of fields that lie inside others: `patient.name.family`, `contacts[].phone`.
 *
 * A dot goes into an object, `[].` into every object of a list. A path may go through several lists; the values of all of
 * them are one list then. */
#ifndef DV_ENGINE_SCHEMA_PATH_H
#define DV_ENGINE_SCHEMA_PATH_H

#include <stdbool.h>
#include <stdint.h>

struct dv_schema;

/* Steps of one path, and steps of all paths of a schema together. */
enum { DV_PATH_DEPTH_MAX = 16, DV_PATH_STEPS_MAX = 512 };

/* One step of a path. */
struct dv_path_step {
    const char *name; /* in the path; not NUL-terminated */
    uint32_t length;
    bool list; /* what it names is a list of objects */
    bool last;
};

/* The step that begins at `path`, which a dv_is_path() holds of; returns where the next one begins. */
const char *dv_path_step(const char *path, struct dv_path_step *ret_step);

/* Whether `name` is a DV_NAME, or a path of at most DV_PATH_DEPTH_MAX steps, each of them a name. */
bool dv_is_path(const char *name);

/* Whether the name leads into an object, or into a list. */
bool dv_path_is_nested(const char *name);
bool dv_path_is_list(const char *name);

/* How the second path cannot stand beside the first, a literal; NULL if it can. */
const char *dv_path_conflict(const char *first, const char *second);

/* The steps of all paths of a schema that lead into something. */
uint32_t dv_path_steps(const struct dv_schema *schema);

#endif
