/* SPDX-License-Identifier: Apache-2.0
 * history.h - earlier turns of a conversation as text for a prompt: two lines each, oldest first. */
#ifndef DV_OPERATORS_HISTORY_H
#define DV_OPERATORS_HISTORY_H

#include <stddef.h>
#include <stdint.h>

struct dv_arena;
struct dv_turn;

/* "Question: …\nAnswer: …\n" for the newest of the turns, which come newest first, that fit whole into `most` bytes. What stood in
 * several lines stands in one, and the numbers in brackets, which were of other evidence, are left out. In the arena; NULL: no memory. */
const char *dv_history_text(struct dv_arena *arena, const struct dv_turn *turns, uint32_t count, size_t most, size_t *ret_length);

#endif
