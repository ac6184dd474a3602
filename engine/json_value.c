/* SPDX-License-Identifier: Apache-2.0
 * json_value.c - a value of each column type: read strictly, checked against the column. */
#include "engine/json_value.h"

#include <string.h>

#include "engine/base64.h"
#include "engine/json_read.h"

/* A value of another type than its column's, unless it is no JSON at all. */
static dv_rc mismatch(struct dv_json_walk *walk, const char *reason)
{
    DV_TRY(dv_json_skip(walk, 1));
    return dv_json_refuse(walk, DV_E_DATA, reason);
}

static dv_rc take_text(struct dv_json_walk *walk, struct dv_cell *cell)
{
    struct dv_json_span span;
    if (!dv_json_take_string(walk, &span))
        return mismatch(walk, "a text field holds another type");
    if (span.escaped)
        DV_TRY(dv_json_unescape(walk, &span));
    *cell = (struct dv_cell){ .text = span.start, .length = span.length, .present = 1 };
    return DV_OK;
}

/* Takes a number that ends where it should; *ret_start is its first byte. */
static dv_rc take_number(struct dv_json_walk *walk, const char **ret_start, const char **ret_end, bool *ret_whole)
{
    *ret_start = walk->text + *walk->at;
    *ret_end = dv_json_number_end(*ret_start, ret_whole);
    if (*ret_end == NULL)
        return mismatch(walk, "a number field holds another type");
    return dv_json_scalar_ends(walk, *ret_end) ? DV_OK : dv_json_refuse(walk, DV_E_SYNTAX, "malformed number");
}

static dv_rc check_bounds(struct dv_json_walk *walk, const struct dv_column *column, double value)
{
    if (column->bounded && (value < column->min || value > column->max))
        return dv_json_refuse(walk, DV_E_DATA, "a number is outside the schema's bounds");
    return DV_OK;
}

/* The digits as a number that fits; negative numbers reach one further, so all are built as such. */
static bool parse_int(const char *at, const char *end, int64_t *ret_value)
{
    bool negative = *at == '-';
    int64_t value = 0;
    for (at += negative; at < end; at++) {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *at - '0', &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *ret_value = negative ? value : -value;
    return true;
}

static dv_rc take_int(struct dv_json_walk *walk, const struct dv_column *column, struct dv_cell *cell)
{
    const char *start = NULL;
    const char *end = NULL;
    bool whole = false;
    int64_t value = 0;
    DV_TRY(take_number(walk, &start, &end, &whole));
    if (!whole)
        return dv_json_refuse(walk, DV_E_DATA, "a whole number is expected");
    if (!parse_int(start, end, &value))
        return dv_json_refuse(walk, DV_E_DATA, "a number is too large for 64 bits");
    *cell = (struct dv_cell){ .integer = value, .present = 1 };
    return check_bounds(walk, column, (double)value);
}

enum { EXACT_DIGITS = 15 };

/* Digits with a point among them: a whole number below 10^15 divided by a power of ten, both exact as double, so the
 * quotient is the nearest double. False for what needs more care. */
static bool parse_decimal(const char *at, const char *end, double *ret_value)
{
    static const double powers[] = {
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
    };
    bool negative = *at == '-';
    at += negative;
    const char *point = memchr(at, '.', (size_t)(end - at));
    if (end - at > EXACT_DIGITS + (point != NULL))
        return false;
    uint64_t digits = 0;
    for (; at < end; at++) {
        if (at == point)
            continue;
        if (*at < '0' || *at > '9')
            return false;
        digits = digits * 10 + (uint64_t)(*at - '0');
    }
    double value = (double)digits / powers[point != NULL ? end - point - 1 : 0];
    *ret_value = negative ? -value : value;
    return true;
}

static dv_rc take_float(struct dv_json_walk *walk, const struct dv_column *column, struct dv_cell *cell)
{
    const char *start = NULL;
    const char *end = NULL;
    bool whole = false;
    double value = 0;
    DV_TRY(take_number(walk, &start, &end, &whole));
    if (!parse_decimal(start, end, &value) && !dv_json_parse_float(start, (size_t)(end - start), &value))
        return dv_json_refuse(walk, DV_E_DATA, "a number is too large for a double");
    *cell = (struct dv_cell){ .number = value, .present = 1 };
    return check_bounds(walk, column, value);
}

static dv_rc take_bool(struct dv_json_walk *walk, struct dv_cell *cell)
{
    char first = dv_json_peek(walk);
    if (first != 't' && first != 'f')
        return mismatch(walk, "a true-or-false field holds another type");
    *cell = (struct dv_cell){ .integer = first == 't', .present = 1 };
    return first == 't' ? dv_json_take_word(walk, "true", 4) : dv_json_take_word(walk, "false", 5);
}

static dv_rc take_bytes(struct dv_json_walk *walk, struct dv_cell *cell)
{
    DV_TRY(take_text(walk, cell));
    char *bytes = dv_arena_text(walk->arena, cell->length);
    if (bytes == NULL)
        return dv_json_refuse(walk, DV_E_MEMORY, "the batch's memory is used up");
    size_t length = 0;
    if (!dv_base64_decode(bytes, &length, cell->text, cell->length))
        return dv_json_refuse(walk, DV_E_DATA, "a bytes field is not base64");
    dv_arena_trim(walk->arena, bytes, cell->length, length);
    cell->text = bytes;
    cell->length = (uint32_t)length;
    return DV_OK;
}

void dv_json_copy_flat(char *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        out[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
}

static bool holds_control(const char *text, size_t length)
{
    unsigned lowest = ' ';
    for (size_t i = 0; i < length; i++)
        lowest = (unsigned char)text[i] < lowest ? (unsigned char)text[i] : lowest;
    return lowest < ' ';
}

static dv_rc take_json(struct dv_json_walk *walk, struct dv_cell *cell)
{
    const char *start = walk->text + *walk->at;
    DV_TRY(dv_json_skip(walk, 1));
    size_t length = (size_t)(dv_json_value_end(walk) - start);
    if (holds_control(start, length)) {
        char *copy = dv_arena_text(walk->arena, length);
        if (copy == NULL)
            return dv_json_refuse(walk, DV_E_MEMORY, "the batch's memory is used up");
        dv_json_copy_flat(copy, start, length);
        start = copy;
    }
    *cell = (struct dv_cell){ .text = start, .length = (uint32_t)length, .present = 1 };
    return DV_OK;
}

dv_rc dv_json_take_value(struct dv_json_walk *walk, const struct dv_column *column, struct dv_cell *cell)
{
    switch (column->type) {
    case DV_TYPE_TEXT: return take_text(walk, cell);
    case DV_TYPE_INT: return take_int(walk, column, cell);
    case DV_TYPE_FLOAT: return take_float(walk, column, cell);
    case DV_TYPE_BOOL: return take_bool(walk, cell);
    case DV_TYPE_BYTES: return take_bytes(walk, cell);
    case DV_TYPE_JSON: return take_json(walk, cell);
    }
    DV_ASSERT(!"a column type");
    return DV_E_FAILED;
}
