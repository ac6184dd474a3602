/* SPDX-License-Identifier: Apache-2.0
 * aggregate_margins.h - a window's groups as a table of two columns, with the totals of its rows and columns.
 *
 * Totals make small groups computable, so more is hidden than what is small: privacy/suppress.h says what, and why that is
 * enough. Records for whose group there was no room are one more cell that is never shown, in a line of its own. Totals are
 * of records only: sums have no lines, and so no differences. */
#ifndef DV_OPERATORS_AGGREGATE_MARGINS_H
#define DV_OPERATORS_AGGREGATE_MARGINS_H

#include "operators/aggregate_window.h"

/* A window of so many cells takes some ten milliseconds to close, at worst. */
enum { DV_MARGINS_CELLS_MAX = 512 };

/* The total of a row (axis 0), of a column (axis 1), or of all (axis 2). */
struct dv_total {
    uint32_t axis;
    bool unnamed; /* the line of what found no room */
    struct dv_cell value; /* of by[axis]; its text is the group's */
    uint64_t count;
    struct dv_subjects subjects;
};

/* What dv_margins_close() takes of the window's arena at most, for plan->margins. */
size_t dv_margins_bytes(const struct dv_window *window);

/* At the end of a window, whose groups are sorted: moves the groups that may be shown to the front, and fills
 * window->totals. Shows nothing if the arena is full. */
struct dv_window_report dv_margins_close(struct dv_window *window);

#endif
