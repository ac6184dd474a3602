/* SPDX-License-Identifier: Apache-2.0
 * guard_list.h - sorted findings of several kinds, read as one row in which none overlap.
 *
 * Private to the guard. */
#ifndef DV_PRIVACY_GUARD_LIST_H
#define DV_PRIVACY_GUARD_LIST_H

#include "privacy/detect.h"

/* Findings, sorted. */
struct dv_guard_list {
    struct dv_span *spans;
    size_t count;
};

enum { DV_GUARD_ROW_LISTS = 4 };

/* Sorted lists being read as one; NULL: no list. */
struct dv_guard_row {
    const struct dv_guard_list *lists[DV_GUARD_ROW_LISTS];
    size_t at[DV_GUARD_ROW_LISTS];
};

/* Takes a finding into one that it overlaps: they are one, named by the surer, then the longer. */
void dv_guard_merge(struct dv_span *into, const struct dv_span *other);

/* The next finding of all lists, with all that overlap it; false at the end. */
bool dv_guard_row_next(struct dv_guard_row *row, struct dv_span *ret_span);

/* Drops the first `count` findings. */
void dv_guard_list_take_off(struct dv_guard_list *list, size_t count);

/* So many bytes of the text's front were dropped. */
void dv_guard_list_shift(struct dv_guard_list *list, uint32_t bytes);

#endif
