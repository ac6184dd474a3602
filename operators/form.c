/* SPDX-License-Identifier: Apache-2.0
 * form.c - what a finding is about, whatever its window and its figures. */
#include "operators/form.h"

#include <string.h>

#include "engine/id.h"
#include "operators/rag_told.h"

static uint64_t add_piece(uint64_t form, struct dv_piece piece)
{
    return dv_hash64(piece.text != NULL ? piece.text : "", piece.length, form);
}

/* Where a text has several columns, what follows the finding may tell it from others. */
static bool is_of_columns(const struct dv_rag_told *told)
{
    return told->group.length > 0 && memmem(told->group.text, told->group.length, ": ", 2) != NULL;
}

uint64_t dv_form_of(const char *text, size_t length, uint64_t seed)
{
    struct dv_rag_told told;
    if (!dv_rag_told_read(&told, text, length) || is_of_columns(&told))
        return 0;
    uint64_t form = dv_hash64(&told.kind, sizeof told.kind, seed);
    form = add_piece(form, told.group);
    form = add_piece(form, told.measure);
    return add_piece(form, told.of) | 1;
}
