/* SPDX-License-Identifier: Apache-2.0
 * suggest.c - "did you mean": the nearest word by Damerau-Levenshtein distance (optimal string alignment). */
#include <string.h>

#include "engine/arena.h"
#include "engine/diag.h"

enum { WORD_MAX = 64 }; /* longer words are no typing errors of an option's name */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Nobody errs because of a letter's case. */
static bool is_same(char a, char b)
{
    bool letter = (a | 0x20) >= 'a' && (a | 0x20) <= 'z';
    return a == b || (letter && (a | 0x20) == (b | 0x20));
}

/* Three rows of the table are enough: a swap of neighbours looks two back. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    DV_ASSERT(a_length <= WORD_MAX && b_length <= WORD_MAX);
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(above[j - 1] + !is_same(a[i - 1], b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) && is_same(a[i - 2], b[j - 1]))
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *dv_diags_suggest(struct dv_diags *diags, const char *word, const char *const *candidates, size_t count)
{
    DV_ASSERT(word != NULL && (candidates != NULL || count == 0));
    size_t length = strlen(word);
    if (length == 0 || length > WORD_MAX)
        return NULL;
    size_t limit = length / 3 > 1 ? length / 3 : 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_length = strlen(candidates[i]);
        if (candidate_length > WORD_MAX)
            continue;
        size_t far = distance(word, length, candidates[i], candidate_length);
        /* A word that shares no letter is no suggestion, however short. */
        if (far <= limit && far < length && (nearest == NULL || far < limit)) {
            nearest = candidates[i];
            limit = far;
        }
    }
    return nearest != NULL ? dv_arena_printf(diags->arena, "did you mean '%s'?", nearest) : NULL;
}
