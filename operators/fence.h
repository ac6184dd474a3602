/* SPDX-License-Identifier: Apache-2.0
 * fence.h - what stands around data in a prompt, so that none of it can look like its end. */
#ifndef DV_OPERATORS_FENCE_H
#define DV_OPERATORS_FENCE_H

#include <stdint.h>

#include "operators/citation.h"

enum { DV_FENCE_BYTES = 24 };

/* A word that nobody can foresee who does not know `secret`, and that is in none of the pieces. */
void dv_fence(char fence[DV_FENCE_BYTES], const struct dv_piece *pieces, uint32_t count, uint64_t secret);

/* Writes a piece on one line, as one of its own could look like the fence; gives its length, with the newline. */
size_t dv_fence_line(char *out, const struct dv_piece *piece);

#endif
