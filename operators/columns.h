/* SPDX-License-Identifier: Apache-2.0
 * columns.h - a schema made of some columns of another, and the map by which a batch follows it. */
#ifndef DV_OPERATORS_COLUMNS_H
#define DV_OPERATORS_COLUMNS_H

#include <stdbool.h>

#include "engine/batch.h"
#include "engine/schema.h"

/* A schema's `subject` when records can no longer be told apart by person: there was one and it was left behind, or the same
 * records come again and again and do not say whose they are. */
enum { DV_SUBJECT_DROPPED = -2, DV_SUBJECT_REPEATED = -3 };

struct dv_node;

/* What an operator's transfer() makes and its process() gives to dv_batch_reshape(). */
struct dv_columns {
    struct dv_schema *schema;
    int from[DV_COLUMNS_MAX]; /* column i is column from[i] of the input */
};

/* Starts with no columns and the name of `in`; false when the arena is full. */
bool dv_columns_start(struct dv_columns *columns, struct dv_arena *arena, const struct dv_schema *in);

/* Appends column `index` of `in` with all that is known of it, and gives it back so that its label and type can be
 * changed. The subject and `_extra` stay what they were. */
struct dv_column *dv_columns_take(struct dv_columns *columns, const struct dv_schema *in, uint32_t index);

/* Refuses records that cannot be told apart by person where people are counted (P106), in `crowd`: "a group". */
DV_CHECKED dv_rc dv_columns_tell_people(struct dv_node *node, const struct dv_schema *in, const char *crowd);

#endif
