/* SPDX-License-Identifier: Apache-2.0
 * fence.c - a keyed hash of what is fenced, as a word. */
#include "operators/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/id.h"

static bool occurs(const char *fence, const struct dv_piece *pieces, uint32_t count)
{
    bool found = false;
    for (uint32_t i = 0; i < count; i++)
        found = found || memmem(pieces[i].text, pieces[i].length, fence, strlen(fence)) != NULL;
    return found;
}

void dv_fence(char fence[DV_FENCE_BYTES], const struct dv_piece *pieces, uint32_t count, uint64_t secret)
{
    uint64_t hash = secret;
    for (uint32_t i = 0; i < count; i++)
        hash = dv_hash64(pieces[i].text, pieces[i].length, hash);
    do
        (void)snprintf(fence, DV_FENCE_BYTES, "DATA-%016" PRIx64, hash++);
    while (occurs(fence, pieces, count));
}

size_t dv_fence_line(char *out, const struct dv_piece *piece)
{
    for (size_t i = 0; i < piece->length; i++)
        out[i] = piece->text[i] == '\n' || piece->text[i] == '\r' ? ' ' : piece->text[i];
    out[piece->length] = '\n';
    return piece->length + 1;
}
