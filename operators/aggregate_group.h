/* SPDX-License-Identifier: Apache-2.0
 * aggregate_group.h - one group of a window: its name, its counters, its different subjects. */
#ifndef DV_OPERATORS_AGGREGATE_GROUP_H
#define DV_OPERATORS_AGGREGATE_GROUP_H

#include "operators/aggregate_window.h"

/* The most bytes that dv_group_init() and dv_group_name() take together, with the group itself. */
size_t dv_group_bytes(const struct dv_window *window);

/* Gives a zeroed group its counters; false when the arena is full. */
bool dv_group_init(struct dv_group *group, const struct dv_window *window, struct dv_arena *arena);

/* Copies the values that name the group; false: too long, or the window's arena is full. */
bool dv_group_name(struct dv_group *group, struct dv_window *window, const struct dv_batch *batch, uint32_t row);

/* The hash of the values that name the row's group, and whether it is this one. */
uint64_t dv_group_hash(const struct dv_window *window, const struct dv_batch *batch, uint32_t row);
bool dv_group_is(const struct dv_group *group, const struct dv_window *window, const struct dv_batch *batch,
                 uint32_t row);

/* Gives zeroed subjects their marks, in the arena; false: it is full. Merging counts those of `from`, too. */
bool dv_subjects_init(struct dv_subjects *subjects, const struct dv_window *window, struct dv_arena *arena);
void dv_subjects_merge(struct dv_subjects *subjects, const struct dv_subjects *from, const struct dv_window *window);

/* Counts a row. */
void dv_group_add(struct dv_group *group, struct dv_window *window, const struct dv_batch *batch, uint32_t row);

/* Counts all that `from` counted. */
void dv_group_merge(struct dv_group *group, const struct dv_group *from, const struct dv_window *window);

/* Back to zero, keeping the memory. */
void dv_group_clear(struct dv_group *group, const struct dv_window *window);

#endif
