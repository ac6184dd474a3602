/* SPDX-License-Identifier: Apache-2.0
 * unicode.c - decoding, classes and folding, by ranges. */
#include "privacy/unicode.h"

#include <stdbool.h>

enum { REPLACEMENT = 0xFFFD };

/* The ASCII letters under U+00C0 to U+017F, in their own case; '\0' where there is none. */
static const char latin[] =
    "AAAAAAACEEEEIIIIDNOOOOO\0OUUUUYTsaaaaaaaceeeeiiiidnooooo\0ouuuuyty"
    "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlL"
    "lLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

enum { LATIN_FIRST = 0xC0, LATIN_LAST = 0x17F };

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The least code point that needs so many bytes: shorter ones written longer are no UTF-8. */
static bool is_sound(uint32_t code, uint32_t bytes)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    return code >= least[bytes] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

uint32_t dv_char_decode(const unsigned char *text, size_t length, uint32_t *ret_bytes)
{
    unsigned char first = text[0];
    *ret_bytes = 1;
    if (first < 0x80)
        return first;
    uint32_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || bytes > length)
        return REPLACEMENT;
    uint32_t code = first & (0x7Fu >> bytes);
    for (uint32_t i = 1; i < bytes; i++) {
        if (!is_tail(text[i]))
            return REPLACEMENT;
        code = code << 6 | (text[i] & 0x3Fu);
    }
    if (!is_sound(code, bytes))
        return REPLACEMENT;
    *ret_bytes = bytes;
    return code;
}

static enum dv_char_class ascii_class(uint32_t code)
{
    if (code >= '0' && code <= '9')
        return DV_CHAR_DIGIT;
    if (code >= 'A' && code <= 'Z')
        return DV_CHAR_UPPER;
    if (code >= 'a' && code <= 'z')
        return DV_CHAR_LOWER;
    if (code == '\n')
        return DV_CHAR_NEWLINE;
    return code == ' ' || code == '\t' || code == '\r' || code == '\f' || code == '\v' ? DV_CHAR_SPACE : DV_CHAR_PUNCT;
}

static enum dv_char_class latin_class(uint32_t code)
{
    if (code < LATIN_FIRST)
        return code == 0xA0 ? DV_CHAR_SPACE : code == 0xAD ? DV_CHAR_IGNORED : DV_CHAR_PUNCT;
    char base = latin[code - LATIN_FIRST];
    if (base == '\0')
        return DV_CHAR_PUNCT;
    return base >= 'a' ? DV_CHAR_LOWER : DV_CHAR_UPPER;
}

/* U+0370 to U+052F: Greek and Cyrillic. */
static enum dv_char_class greek_cyrillic_class(uint32_t code)
{
    if (code < 0x400)
        return (code >= 0x391 && code <= 0x3AB) || (code >= 0x386 && code <= 0x38F) ? DV_CHAR_UPPER : DV_CHAR_LOWER;
    if (code < 0x430)
        return DV_CHAR_UPPER;
    if (code < 0x460)
        return DV_CHAR_LOWER;
    return (code & 1) != 0 ? DV_CHAR_LOWER : DV_CHAR_UPPER;
}

static bool is_ignored(uint32_t code)
{
    return (code >= 0x300 && code <= 0x36F) || (code >= 0x200B && code <= 0x200F) || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2060 && code <= 0x2064) || (code >= 0xFE00 && code <= 0xFE0F) || code == 0xFEFF;
}

static bool is_space(uint32_t code)
{
    return (code >= 0x2000 && code <= 0x200A) || code == 0x202F || code == 0x205F || code == 0x3000 || code == 0x1680;
}

/* Arabic-Indic, extended Arabic-Indic and Devanagari digits. */
static bool is_foreign_digit(uint32_t code)
{
    return (code >= 0x660 && code <= 0x669) || (code >= 0x6F0 && code <= 0x6F9) || (code >= 0x966 && code <= 0x96F);
}

static bool is_punct(uint32_t code)
{
    return (code >= 0x2010 && code <= 0x2BFF) || (code >= 0x3001 && code <= 0x3020) || (code >= 0x1F000 && code <= 0x1FAFF) ||
           (code >= 0x55A && code <= 0x55F) || code == 0x60C || code == 0x61B || code == 0x61F || code == 0x964 ||
           code >= 0xE0000 || code == REPLACEMENT || (code >= 0xE000 && code <= 0xF8FF);
}

enum dv_char_class dv_char_class(uint32_t code)
{
    if (code < 0x80)
        return ascii_class(code);
    if (code <= LATIN_LAST)
        return latin_class(code);
    if (is_ignored(code))
        return DV_CHAR_IGNORED;
    if (code >= 0x370 && code <= 0x52F)
        return greek_cyrillic_class(code);
    if (code == 0x2028 || code == 0x2029)
        return DV_CHAR_NEWLINE;
    if (is_space(code))
        return DV_CHAR_SPACE;
    if (is_foreign_digit(code))
        return DV_CHAR_DIGIT;
    if (code >= 0xFF01 && code <= 0xFF5E)
        return ascii_class(code - 0xFEE0);
    return is_punct(code) ? DV_CHAR_PUNCT : DV_CHAR_LETTER;
}

static uint32_t lower(uint32_t code)
{
    if (code >= 'A' && code <= 'Z')
        return code + 0x20;
    if (code >= 0x391 && code <= 0x3A9)
        return code + 0x20;
    if (code >= 0x410 && code <= 0x42F)
        return code + 0x20;
    if (code >= 0x400 && code <= 0x40F)
        return code + 0x50;
    return code >= 0x460 && code <= 0x52F ? code | 1 : code;
}

/* The ASCII digit of one in another script. */
static uint32_t western_digit(uint32_t code)
{
    return '0' + (code >= 0x966 ? code - 0x966 : code >= 0x6F0 ? code - 0x6F0 : code - 0x660);
}

uint32_t dv_char_fold(uint32_t code)
{
    if (code < 0x80)
        return lower(code);
    if (code >= LATIN_FIRST && code <= LATIN_LAST && latin[code - LATIN_FIRST] != '\0')
        return lower((unsigned char)latin[code - LATIN_FIRST]);
    if (is_foreign_digit(code))
        return western_digit(code);
    if (code >= 0xFF01 && code <= 0xFF5E)
        return lower(code - 0xFEE0);
    /* Dashes and apostrophes of any kind are the ones of ASCII. */
    if ((code >= 0x2010 && code <= 0x2015) || code == 0x2212)
        return '-';
    return code == 0x2018 || code == 0x2019 || code == 0x2BC ? '\'' : lower(code);
}
