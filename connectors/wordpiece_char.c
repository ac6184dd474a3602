/* SPDX-License-Identifier: Apache-2.0
 * wordpiece_char.c - BERT's normalizer, character by character. */
#include "connectors/wordpiece_char.h"

#include <stdbool.h>
#include <stddef.h>
#include <utf8proc.h>

enum { DECOMPOSED_MAX = 8 };

/* The blocks that the reference calls Chinese, as it has them. */
static const struct {
    int32_t first, last;
} ideographs[] = {
    { 0x4E00, 0x9FFF },   { 0x3400, 0x4DBF },   { 0x20000, 0x2A6DF }, { 0x2A700, 0x2B73F },
    { 0x2B740, 0x2B81F }, { 0x2B920, 0x2CEAF }, { 0xF900, 0xFAFF },   { 0x2F800, 0x2FA1F },
};

static bool is_ideograph(int32_t code)
{
    if (code < 0x3400)
        return false;
    for (size_t i = 0; i < sizeof ideographs / sizeof *ideographs; i++) {
        if (code >= ideographs[i].first && code <= ideographs[i].last)
            return true;
    }
    return false;
}

static bool is_blank(int32_t code, utf8proc_category_t category)
{
    return code == '\t' || code == '\n' || code == '\r' || category == UTF8PROC_CATEGORY_ZS ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

static bool is_removed(int32_t code, utf8proc_category_t category)
{
    return code == 0xFFFD || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CO || category == UTF8PROC_CATEGORY_CS;
}

/* All ASCII that is neither letter nor digit is punctuation here, `$` and `+` too. */
static bool is_punctuation(int32_t code, utf8proc_category_t category)
{
    if (code < 0x80)
        return code > ' ' && code != 0x7F && !(code >= '0' && code <= '9') && !((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

static void add_code(struct dv_piece_char *out, int32_t code)
{
    utf8proc_category_t category = utf8proc_category(code);
    if (category == UTF8PROC_CATEGORY_MN || out->count == DV_PIECE_CODES_MAX)
        return;
    int32_t lower = utf8proc_tolower(code);
    if (is_punctuation(lower, utf8proc_category(lower)))
        out->kind = DV_PIECE_ALONE;
    out->codes[out->count++] = lower;
}

static struct dv_piece_char decomposed(int32_t code)
{
    struct dv_piece_char out = { .kind = is_ideograph(code) ? DV_PIECE_ALONE : DV_PIECE_LETTER };
    utf8proc_int32_t parts[DECOMPOSED_MAX];
    int last_class = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char(code, parts, DECOMPOSED_MAX, UTF8PROC_DECOMPOSE, &last_class);
    for (utf8proc_ssize_t i = 0; i < count && count <= DECOMPOSED_MAX; i++)
        add_code(&out, parts[i]);
    if (out.count == 0)
        out.kind = DV_PIECE_NOTHING;
    return out;
}

struct dv_piece_char dv_piece_char(int32_t code)
{
    if (code >= 'a' && code <= 'z')
        return (struct dv_piece_char){ .kind = DV_PIECE_LETTER, .count = 1, .codes = { code } };
    utf8proc_category_t category = utf8proc_category(code);
    if (is_blank(code, category))
        return (struct dv_piece_char){ .kind = DV_PIECE_BLANK };
    if (is_removed(code, category))
        return (struct dv_piece_char){ .kind = DV_PIECE_NOTHING };
    return decomposed(code);
}
