/* SPDX-License-Identifier: Apache-2.0
 * json_value.h - values into cells; for the JSON reader alone. */
#ifndef DV_ENGINE_JSON_VALUE_H
#define DV_ENGINE_JSON_VALUE_H

#include "engine/batch.h"
#include "engine/json_walk.h"

/* Takes the value at the walk, which is not null and is followed by a token, into `cell`. */
DV_CHECKED dv_rc dv_json_take_value(struct dv_json_walk *walk, const struct dv_column *column, struct dv_cell *cell);

/* Copies checked JSON. Line breaks can only stand between its tokens; as blanks they keep a record on one line. */
void dv_json_copy_flat(char *out, const char *text, size_t length);

#endif
