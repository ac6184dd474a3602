/* SPDX-License-Identifier: Apache-2.0
 * text.c - the UTF-8 table of RFC 3629 and two printers. */
#include "engine/text.h"

#include <string.h>

#include "engine/error.h"

/* Which second bytes may follow a lead byte: this shuts out overlong forms, surrogates and what is above U+10FFFF. */
static bool second_fits(unsigned char lead, unsigned char second)
{
    switch (lead) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return second >= 0x80 && second <= 0xBF;
    }
}

static size_t size_by_lead(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

size_t dv_utf8_step(const char *text, size_t length)
{
    if (length == 0)
        return 0;
    const unsigned char *at = (const unsigned char *)text;
    size_t size = size_by_lead(at[0]);
    if (size <= 1)
        return size;
    if (size > length || !second_fits(at[0], at[1]))
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xC0u) != 0x80)
            return 0;
    }
    return size;
}

size_t dv_utf8_valid(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t step = dv_utf8_step(text + at, length - at);
        if (step == 0)
            return at;
        at += step;
    }
    return length;
}

size_t dv_utf8_count(const char *text, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at < length; count++) {
        size_t step = dv_utf8_step(text + at, length - at);
        at += step != 0 ? step : 1;
    }
    return count;
}

/* C0, DEL, C1 (U+0080..9F), U+200E..200F, U+2028..202E, U+2066..2069 and U+FEFF. */
bool dv_utf8_steers(const char *text, size_t step)
{
    const unsigned char *at = (const unsigned char *)text;
    if (step <= 1)
        return step == 0 || at[0] < 0x20 || at[0] == 0x7F;
    if (step == 2)
        return at[0] == 0xC2 && at[1] < 0xA0;
    if (step != 3)
        return false;
    unsigned code = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    return code == 0x200E || code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

void dv_put_clean(FILE *out, const char *text, size_t length)
{
    DV_ASSERT(text != NULL || length == 0);
    for (size_t at = 0; at < length;) {
        size_t step = dv_utf8_step(text + at, length - at);
        if (text[at] == '\t')
            (void)fputc(' ', out);
        else if (dv_utf8_steers(text + at, step))
            (void)fputc('?', out);
        else
            (void)fwrite(text + at, 1, step, out);
        at += step != 0 ? step : 1;
    }
}

static void put_json_byte(FILE *out, unsigned char byte)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the byte, and what follows the backslash */
    for (size_t i = 0; i + 1 < sizeof named; i += 2) {
        if ((unsigned char)named[i] == byte) {
            (void)fprintf(out, "\\%c", named[i + 1]);
            return;
        }
    }
    if (byte < 0x20 || byte == 0x7F)
        (void)fprintf(out, "\\u%04x", byte);
    else
        (void)fputc(byte, out);
}

void dv_put_json(FILE *out, const char *text)
{
    if (text == NULL) {
        (void)fputs("null", out);
        return;
    }
    (void)fputc('"', out);
    size_t length = strlen(text);
    for (size_t at = 0; at < length;) {
        size_t step = dv_utf8_step(text + at, length - at);
        if (step == 0)
            (void)fputs("\\ufffd", out);
        else if (step == 1)
            put_json_byte(out, (unsigned char)text[at]);
        else
            (void)fwrite(text + at, 1, step, out);
        at += step != 0 ? step : 1;
    }
    (void)fputc('"', out);
}
