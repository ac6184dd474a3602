/* SPDX-License-Identifier: Apache-2.0
 * guard_list.c - the smallest start first, whatever list it is in. */
#include "privacy/guard_list.h"

#include <string.h>

void dv_guard_list_take_off(struct dv_guard_list *list, size_t count)
{
    memmove(list->spans, list->spans + count, (list->count - count) * sizeof *list->spans);
    list->count -= count;
}

void dv_guard_list_shift(struct dv_guard_list *list, uint32_t bytes)
{
    for (size_t i = 0; i < list->count; i++) {
        list->spans[i].start -= bytes < list->spans[i].start ? bytes : list->spans[i].start;
        list->spans[i].end -= bytes;
    }
}

void dv_guard_merge(struct dv_span *into, const struct dv_span *other)
{
    uint32_t length = into->end - into->start, other_length = other->end - other->start;
    if (other->score > into->score || (other->score == into->score && other_length > length)) {
        into->type = other->type;
        into->score = other->score;
    }
    into->start = other->start < into->start ? other->start : into->start;
    into->end = other->end > into->end ? other->end : into->end;
}

/* The list whose next finding begins first; DV_GUARD_ROW_LISTS at the end. */
static size_t first_of(const struct dv_guard_row *row, const struct dv_span **ret_span)
{
    size_t first = DV_GUARD_ROW_LISTS;
    *ret_span = NULL;
    for (size_t i = 0; i < DV_GUARD_ROW_LISTS; i++) {
        const struct dv_guard_list *list = row->lists[i];
        if (list == NULL || row->at[i] == list->count)
            continue;
        const struct dv_span *span = &list->spans[row->at[i]];
        if (*ret_span == NULL || span->start < (*ret_span)->start) {
            *ret_span = span;
            first = i;
        }
    }
    return first;
}

bool dv_guard_row_next(struct dv_guard_row *row, struct dv_span *ret_span)
{
    const struct dv_span *next = NULL;
    size_t list = first_of(row, &next);
    if (next == NULL)
        return false;
    *ret_span = *next;
    row->at[list]++;
    while ((list = first_of(row, &next)) < DV_GUARD_ROW_LISTS && next->start < ret_span->end) {
        dv_guard_merge(ret_span, next);
        row->at[list]++;
    }
    return true;
}
