/* SPDX-License-Identifier: Apache-2.0
 * kanon_text.h - how the values of a class are shown, as one text for all of its records.
 *
 *   numbers   34, or [30,39]: the least and the greatest, both included
 *   texts     flu, or cold|flu: the values that occur, in order; of a prefix column what they begin with: 981**
 *   anything  *: values and missing ones, too many different ones, more than 256 bytes, or nothing in common */
#ifndef DV_OPERATORS_KANON_TEXT_H
#define DV_OPERATORS_KANON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/schema.h"

struct dv_arena;
struct dv_cell;
struct dv_kanon_column;

enum { DV_KANON_SET_MAX = 8, DV_KANON_SHOWN_MAX = 256 };

/* A column to be shown. */
struct dv_kanon_shown {
    const struct dv_kanon_column *ranks;
    const struct dv_cell *cells;
    enum dv_type type; /* text, int, float or bool */
    bool is_prefix;
};

/* The text for these rows, into *ret, whose bytes are in `arena`; a class that has no value at all is shown as missing.
 * DV_E_MEMORY when the arena is full. */
DV_CHECKED dv_rc dv_kanon_show(const struct dv_kanon_shown *shown, const uint32_t *rows, uint32_t count,
                               struct dv_arena *arena, struct dv_cell *ret);

#endif
