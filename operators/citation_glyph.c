/* SPDX-License-Identifier: Apache-2.0
 * citation_glyph.c - characters by their Unicode category. */
#include "operators/citation_glyph.h"

#include <utf8proc.h>

#include "privacy/fold.h"
#include "privacy/unicode.h"

enum { REPLACEMENT = 0xFFFD, DELETE = 0x7F };

static struct dv_glyph ascii(uint32_t code)
{
    struct dv_glyph glyph = { .kind = DV_GLYPH_MARK, .code = code, .bytes = 1 };
    uint32_t lower = code | 0x20;
    if (code >= '0' && code <= '9')
        glyph.kind = DV_GLYPH_DIGIT;
    else if (lower >= 'a' && lower <= 'z')
        glyph.kind = DV_GLYPH_LETTER;
    else if (code == ' ' || code == '\t' || code == '\r')
        glyph.kind = DV_GLYPH_BLANK;
    else if ((code < ' ' && code != '\n') || code == DELETE)
        glyph.kind = DV_GLYPH_STRANGE;
    glyph.upper = code >= 'A' && code <= 'Z';
    return glyph;
}

/* Marks that are written in several ways. */
static uint32_t plain_mark(uint32_t code, utf8proc_category_t category)
{
    static const struct { uint32_t code, plain; } rows[] = {
        { 0xAB, '"' },    { 0xBB, '"' },    { 0x201C, '"' },  { 0x201D, '"' },  { 0x201E, '"' },  { 0x201F, '"' },
        { 0x2018, '\'' }, { 0x2019, '\'' }, { 0x2BC, '\'' },  { 0x2212, '-' },  { 0x66A, '%' },   { 0xFE6A, '%' },
        { 0x66B, '.' },   { 0x66C, ',' },   { 0x3010, '[' },  { 0x3011, ']' },  { 0x2044, '/' },  { 0x2215, '/' },
    };
    if (category == UTF8PROC_CATEGORY_PD)
        return '-';
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code)
            return rows[i].plain;
    return code;
}

static uint32_t digit_of(uint32_t code)
{
    unsigned char plain[4];
    return dv_fold_char(code, plain) == 1 && plain[0] >= '0' && plain[0] <= '9' ? plain[0] : 0;
}

static bool is_unseen(uint32_t code)
{
    unsigned char plain[4];
    bool accent = code >= 0x300 && code <= 0x36F;
    return !accent && dv_fold_char(code, plain) == 0;
}

static void classify(struct dv_glyph *glyph, utf8proc_category_t category)
{
    switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT: glyph->upper = true; /* fall through */
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC: glyph->kind = DV_GLYPH_LETTER; break;
    case UTF8PROC_CATEGORY_ND:
        glyph->kind = DV_GLYPH_DIGIT;
        glyph->code = digit_of(glyph->code);
        if (glyph->code == 0)
            glyph->kind = DV_GLYPH_STRANGE;
        break;
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: glyph->kind = DV_GLYPH_SIGN; break;
    case UTF8PROC_CATEGORY_ZS: glyph->kind = DV_GLYPH_BLANK; break;
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: glyph->code = '\n'; break;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ME: glyph->kind = DV_GLYPH_STRANGE; break;
    default: glyph->code = plain_mark(glyph->code, category); break;
    }
}

struct dv_glyph dv_glyph_at(const char *text, size_t length, size_t at)
{
    struct dv_glyph glyph = { .kind = DV_GLYPH_MARK };
    if (at >= length)
        return (struct dv_glyph){ .kind = DV_GLYPH_END };
    uint32_t code = dv_char_decode((const unsigned char *)text + at, length - at, &glyph.bytes);
    if (code < 0x80)
        return ascii(code);
    if (code >= 0xFF01 && code <= 0xFF5E) {
        uint32_t bytes = glyph.bytes;
        glyph = ascii(code - 0xFEE0);
        glyph.bytes = bytes;
        /* A letter that only looks like another one is another one. */
        glyph.code = glyph.kind == DV_GLYPH_LETTER ? code : glyph.code;
        return glyph;
    }
    glyph.code = code;
    if (code == REPLACEMENT || is_unseen(code))
        glyph.kind = DV_GLYPH_STRANGE;
    else
        classify(&glyph, utf8proc_category((utf8proc_int32_t)code));
    return glyph;
}

uint32_t dv_glyph_lower(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + 0x20 : code;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
}
