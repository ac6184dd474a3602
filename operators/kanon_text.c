/* SPDX-License-Identifier: Apache-2.0
 * kanon_text.c - ranges, sets and prefixes. */
#include "operators/kanon_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/batch.h"
#include "engine/json_read.h"
#include "privacy/kanon_table.h"

/* The different ranks of a class in ascending order, as far as they are few. */
struct set {
    uint32_t codes[DV_KANON_SET_MAX];
    uint32_t count;
    bool is_full; /* there are more */
    uint32_t low, high;
};

static void add_code(struct set *set, uint32_t code)
{
    uint32_t at = 0;
    while (at < set->count && set->codes[at] < code)
        at++;
    if (at < set->count && set->codes[at] == code)
        return;
    if (set->count == DV_KANON_SET_MAX) {
        set->is_full = true;
        return;
    }
    memmove(&set->codes[at + 1], &set->codes[at], (set->count - at) * sizeof set->codes[0]);
    set->codes[at] = code;
    set->count++;
}

static struct set codes_of(const struct dv_kanon_shown *shown, const uint32_t *rows, uint32_t count)
{
    struct set set = { .low = UINT32_MAX };
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = shown->ranks->codes[rows[i]];
        set.low = code < set.low ? code : set.low;
        set.high = code > set.high ? code : set.high;
        if (!set.is_full)
            add_code(&set, code);
    }
    return set;
}

static const struct dv_cell *value_of(const struct dv_kanon_shown *shown, uint32_t code)
{
    return &shown->cells[shown->ranks->example[code]];
}

static dv_rc put(struct dv_arena *arena, const char *text, size_t length, struct dv_cell *ret)
{
    char *copy = dv_arena_text(arena, length);
    if (copy == NULL)
        return DV_E_MEMORY;
    if (length > 0)
        memcpy(copy, text, length);
    *ret = (struct dv_cell){ .text = copy, .length = (uint32_t)length, .present = 1 };
    return DV_OK;
}

static size_t print_number(const struct dv_kanon_shown *shown, uint32_t code, char *out, size_t size)
{
    const struct dv_cell *cell = value_of(shown, code);
    if (shown->type == DV_TYPE_FLOAT)
        return dv_json_print_float(out, cell->number);
    return (size_t)snprintf(out, size, "%" PRId64, cell->integer);
}

static dv_rc show_numbers(const struct dv_kanon_shown *shown, const struct set *set, struct dv_arena *arena,
                          struct dv_cell *ret)
{
    char text[2 * DV_JSON_FLOAT_MAX + 8] = "[";
    if (set->low == set->high)
        return put(arena, text, print_number(shown, set->low, text, DV_JSON_FLOAT_MAX), ret);
    size_t length = 1;
    length += print_number(shown, set->low, text + length, DV_JSON_FLOAT_MAX);
    text[length++] = ',';
    length += print_number(shown, set->high, text + length, DV_JSON_FLOAT_MAX);
    text[length++] = ']';
    return put(arena, text, length, ret);
}

static dv_rc show_set(const struct dv_kanon_shown *shown, const struct set *set, struct dv_arena *arena,
                      struct dv_cell *ret)
{
    char text[DV_KANON_SHOWN_MAX];
    size_t length = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct dv_cell *cell = value_of(shown, set->codes[i]);
        if (length + 1 + cell->length > sizeof text)
            return put(arena, "*", 1, ret);
        if (i > 0)
            text[length++] = '|';
        if (cell->length > 0)
            memcpy(text + length, cell->text, cell->length);
        length += cell->length;
    }
    return put(arena, text, length, ret);
}

/* What the first and the last in order begin with, all between begin with; cut before a character that is not whole. */
static dv_rc show_prefix(const struct dv_kanon_shown *shown, const struct set *set, const uint32_t *rows, uint32_t count,
                         struct dv_arena *arena, struct dv_cell *ret)
{
    char text[DV_KANON_SHOWN_MAX];
    const struct dv_cell *low = value_of(shown, set->low);
    const struct dv_cell *high = value_of(shown, set->high);
    uint32_t shorter = low->length < high->length ? low->length : high->length;
    uint32_t length = 0, stars = low->length;
    while (length < shorter && low->text[length] == high->text[length])
        length++;
    while (length > 0 && length < shorter && ((unsigned char)low->text[length] & 0xC0) == 0x80)
        length--;
    for (uint32_t i = 0; i < count && stars > 0; i++)
        stars = shown->cells[rows[i]].length == low->length ? stars : 0;
    stars = stars > length ? stars - length : 1;
    if (length == 0 || length + stars > sizeof text)
        return put(arena, "*", 1, ret);
    memcpy(text, low->text, length);
    memset(text + length, '*', stars);
    return put(arena, text, length + stars, ret);
}

static dv_rc show_bool(const struct dv_kanon_shown *shown, const struct set *set, struct dv_arena *arena,
                       struct dv_cell *ret)
{
    if (set->count > 1)
        return put(arena, "*", 1, ret);
    const char *word = value_of(shown, set->low)->integer != 0 ? "true" : "false";
    return put(arena, word, strlen(word), ret);
}

dv_rc dv_kanon_show(const struct dv_kanon_shown *shown, const uint32_t *rows, uint32_t count, struct dv_arena *arena,
                    struct dv_cell *ret)
{
    DV_ASSERT(count > 0);
    struct set set = codes_of(shown, rows, count);
    bool some_missing = shown->ranks->missing && set.low == 0;
    *ret = (struct dv_cell){ 0 };
    if (some_missing)
        return set.high == 0 ? DV_OK : put(arena, "*", 1, ret);
    if (shown->type == DV_TYPE_BOOL)
        return show_bool(shown, &set, arena, ret);
    if (shown->type != DV_TYPE_TEXT)
        return show_numbers(shown, &set, arena, ret);
    if (set.low == set.high)
        return put(arena, value_of(shown, set.low)->text, value_of(shown, set.low)->length, ret);
    if (shown->is_prefix)
        return show_prefix(shown, &set, rows, count, arena, ret);
    return set.is_full ? put(arena, "*", 1, ret) : show_set(shown, &set, arena, ret);
}
