/* SPDX-License-Identifier: Apache-2.0
 * json_number.c - numbers and escapes as JSON writes them, whatever the locale. */
#include "engine/json_number.h"

#include <math.h>
#include <string.h>

#include "engine/error.h"
#include "engine/json_read.h"

_Static_assert((int)DV_JSON_FLOAT_MAX <= (int)DV_JSON_NUMBER_MAX, "the longest double fits");

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

size_t dv_json_put_uint(char *out, uint64_t value)
{
    char digits[DV_JSON_INT_MAX];
    char *end = digits + sizeof digits;
    char *at = end;
    for (; value >= 100; value /= 100)
        memcpy(at -= 2, pairs + value % 100 * 2, 2);
    if (value >= 10)
        memcpy(at -= 2, pairs + value * 2, 2);
    else
        *--at = (char)('0' + value);
    memcpy(out, at, (size_t)(end - at));
    return (size_t)(end - at);
}

size_t dv_json_put_int(char *out, int64_t value)
{
    if (value >= 0)
        return dv_json_put_uint(out, (uint64_t)value);
    *out = '-';
    return 1 + dv_json_put_uint(out + 1, 0 - (uint64_t)value);
}

/* Four digits of a fraction behind its point, without the zeros at the end; returns the length. */
static size_t put_fraction(char *out, unsigned fraction)
{
    if (fraction == 0)
        return 0;
    out[0] = '.';
    memcpy(out + 1, pairs + fraction / 100 * 2, 2);
    memcpy(out + 3, pairs + fraction % 100 * 2, 2);
    size_t length = 5;
    while (out[length - 1] == '0')
        length--;
    return length;
}

/* Amounts and measures: at most 15 digits, four of them behind the point. A decimal of so few digits that reads back as
 * `value` is the only one of its length and shorter ones, so it is the shortest. Returns 0 for other numbers. */
static size_t put_decimal(char *out, double value)
{
    double size = fabs(value);
    if (!(size < 1e11) || (value == 0 && signbit(value)))
        return 0;
    uint64_t scaled = (uint64_t)(size * 1e4 + 0.5);
    if ((double)scaled / 1e4 != size)
        return 0;
    char *at = out;
    if (value < 0)
        *at++ = '-';
    at += dv_json_put_uint(at, scaled / 10000);
    at += put_fraction(at, (unsigned)(scaled % 10000));
    return (size_t)(at - out);
}

size_t dv_json_put_float(char *out, double value)
{
    DV_ASSERT(out != NULL);
    size_t length = put_decimal(out, value);
    if (length != 0)
        return length;
    if (!isfinite(value)) {
        memcpy(out, "null", 4);
        return 4;
    }
    if (value == 0) {
        /* Without the point readers take it for a whole number, and lose its sign. */
        memcpy(out, "-0.0", 4);
        return 4;
    }
    return dv_json_print_float(out, value);
}

size_t dv_json_escape(char *out, unsigned char byte)
{
    DV_ASSERT(byte < ' ' || byte == '"' || byte == '\\');
    static const char letters[' '] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
    char letter = byte < ' ' ? letters[byte] : (char)byte;
    out[0] = '\\';
    out[1] = letter != 0 ? letter : 'u';
    if (letter != 0)
        return 2;
    out[2] = '0';
    out[3] = '0';
    out[4] = (char)('0' + (byte >> 4));
    out[5] = "0123456789abcdef"[byte & 15];
    return 6;
}
