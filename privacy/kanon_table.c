/* SPDX-License-Identifier: Apache-2.0
 * kanon_table.c - values to ranks: sorted by the first eight bytes of each, and by the rest only where these are equal. */
#include "privacy/kanon_table.h"

#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/batch.h"

/* What is sorted: a key that orders as the value does, as far as it goes. */
struct item {
    uint64_t key;
    uint32_t row;
};

static bool is_text(enum dv_type type)
{
    return type == DV_TYPE_TEXT || type == DV_TYPE_BYTES || type == DV_TYPE_JSON;
}

/* Doubles as numbers that order like them; -0 is 0. */
static uint64_t float_key(double number)
{
    uint64_t bits = 0;
    number += 0.0;
    memcpy(&bits, &number, sizeof bits);
    return (bits >> 63) != 0 ? ~bits : bits | (UINT64_C(1) << 63);
}

static uint64_t text_key(const struct dv_cell *cell)
{
    uint64_t key = 0;
    for (uint32_t i = 0; i < sizeof key; i++)
        key = key << 8 | (i < cell->length ? (unsigned char)cell->text[i] : 0);
    return key;
}

static uint64_t key_of(const struct dv_cell *cell, enum dv_type type)
{
    if (!cell->present)
        return 0;
    if (is_text(type))
        return text_key(cell);
    if (type == DV_TYPE_FLOAT)
        return float_key(cell->number);
    return (uint64_t)cell->integer ^ (UINT64_C(1) << 63);
}

/* Of two cells with the same key; missing first. */
static int compare_rest(const struct dv_cell *a, const struct dv_cell *b)
{
    uint32_t shorter = a->length < b->length ? a->length : b->length;
    int order = shorter > 0 ? memcmp(a->text, b->text, shorter) : 0;
    if (order != 0 || a->length == b->length)
        return order;
    return a->length < b->length ? -1 : 1;
}

struct context {
    const struct dv_cell *cells;
    enum dv_type type;
};

static int compare_values(const struct context *context, const struct item *a, const struct item *b)
{
    const struct dv_cell *left = &context->cells[a->row];
    const struct dv_cell *right = &context->cells[b->row];
    if (left->present == 0 || right->present == 0)
        return (left->present != 0) - (right->present != 0);
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return is_text(context->type) ? compare_rest(left, right) : 0;
}

static int compare(const void *a, const void *b, void *data)
{
    return compare_values(data, a, b);
}

static int compare_keys(const void *a, const void *b)
{
    const struct item *left = a;
    const struct item *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return left->row < right->row ? -1 : 1;
}

static double number_at(const struct dv_cell *cell, enum dv_type type)
{
    if (!cell->present)
        return 0;
    return type == DV_TYPE_FLOAT ? cell->number : (double)cell->integer;
}

/* Hands out the ranks in the order of the sorted items. */
static void rank(const struct context *context, const struct item *items, uint32_t rows, struct dv_kanon_column *ret)
{
    for (uint32_t i = 0; i < rows; i++) {
        if (i == 0 || compare_values(context, &items[i - 1], &items[i]) != 0)
            ret->example[ret->values++] = items[i].row;
        ret->codes[items[i].row] = ret->values - 1;
    }
    ret->missing = rows > 0 && context->cells[items[0].row].present == 0;
    for (uint32_t i = 0; ret->at != NULL && i < ret->values; i++)
        ret->at[i] = number_at(&context->cells[ret->example[i]], context->type);
}

dv_rc dv_kanon_encode(const struct dv_cell *cells, enum dv_type type, uint32_t rows, struct dv_arena *arena,
                      struct dv_kanon_column *ret)
{
    DV_ASSERT(rows <= DV_KANON_ROWS_MAX);
    struct context context = { .cells = cells, .type = type };
    bool is_number = type == DV_TYPE_INT || type == DV_TYPE_FLOAT;
    struct item *items = dv_arena_alloc(arena, (rows + 1) * sizeof *items);
    *ret = (struct dv_kanon_column){ 0 };
    ret->codes = dv_arena_alloc(arena, (rows + 1) * sizeof *ret->codes);
    ret->example = dv_arena_alloc(arena, (rows + 1) * sizeof *ret->example);
    ret->at = is_number ? dv_arena_alloc(arena, (rows + 1) * sizeof *ret->at) : NULL;
    if (items == NULL || ret->codes == NULL || ret->example == NULL || (is_number && ret->at == NULL))
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < rows; row++)
        items[row] = (struct item){ .key = key_of(&cells[row], type), .row = row };
    qsort_r(items, rows, sizeof *items, compare, &context);
    rank(&context, items, rows, ret);
    return DV_OK;
}

static struct item *sort_keys(const uint64_t *keys, uint32_t rows, struct dv_arena *arena)
{
    struct item *items = dv_arena_alloc(arena, (rows + 1) * sizeof *items);
    if (items == NULL)
        return NULL;
    for (uint32_t row = 0; row < rows; row++)
        items[row] = (struct item){ .key = keys[row], .row = row };
    qsort(items, rows, sizeof *items, compare_keys);
    return items;
}

dv_rc dv_kanon_encode_hashes(const uint64_t *hashes, uint32_t rows, struct dv_arena *arena, uint32_t **ret)
{
    struct item *items = sort_keys(hashes, rows, arena);
    uint32_t *codes = dv_arena_alloc(arena, (rows + 1) * sizeof *codes);
    uint32_t next = 0;
    if (items == NULL || codes == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < rows; i++) {
        if (items[i].key == 0) {
            codes[items[i].row] = DV_KANON_NOBODY;
            continue;
        }
        next += i > 0 && items[i - 1].key != 0 && items[i - 1].key != items[i].key;
        codes[items[i].row] = next;
    }
    *ret = codes;
    return DV_OK;
}

uint32_t *dv_kanon_sort(const uint64_t *keys, uint32_t rows, struct dv_arena *arena)
{
    struct item *items = sort_keys(keys, rows, arena);
    uint32_t *sorted = dv_arena_alloc(arena, (rows + 1) * sizeof *sorted);
    if (items == NULL || sorted == NULL)
        return NULL;
    for (uint32_t i = 0; i < rows; i++)
        sorted[i] = items[i].row;
    return sorted;
}
