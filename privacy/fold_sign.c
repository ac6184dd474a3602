/* SPDX-License-Identifier: Apache-2.0
 * fold_sign.c - whether a text is worth folding. Nearly all are not, so that this is what folding costs them. */
#include <string.h>

#include "privacy/detect_rows.h"
#include "privacy/fold.h"
#include "privacy/glance.h"
#include "privacy/unicode.h"

enum { BLOCK = 16, AHEAD = 6 };

typedef unsigned char block __attribute__((vector_size(BLOCK)));

static block load(const unsigned char *text)
{
    block bytes;
    memcpy(&bytes, text, sizeof bytes);
    return bytes;
}

/* Bytes of a sign become 0xFF. The text goes on for AHEAD bytes. */
static inline block signs(const unsigned char *text)
{
    block a = load(text), b = load(text + 1), c = load(text + 2), d = load(text + 3);
    block la = a | 0x20, lb = b | 0x20, lc = c | 0x20, ld = d | 0x20;
    block space = (block)(a == ' ') & (block)(c == ' ');
    block closed = (block)(d == ')') | (block)(d == ']') | (block)(d == '}');
    block dot = (block)(la == 'd') & (block)(lb == 'o') & (block)(lc == 't') & ~((block)(ld >= 'a') & (block)(ld <= 'z'));
    block at = (block)(lb == 'a') & (block)(lc == 't') & (closed | ((block)(a == ' ') & (block)(b == 'A') & (block)(c == 'T') & (block)(d == ' ')));
    block mark = ((block)(b == '.') | (block)(b == '@')) & (space | (block)(c == ']') | (block)(c == ')'));
    block word = ((block)(la == 'r') & (block)(lb == 'r') & (block)(lc == 'o') & (block)(ld == 'b')) |
                 ((block)(la == 'o') & (block)(lb == 'b') & (block)(lc == 'a') & (block)(ld == 's')) |
                 ((block)(la == 'p') & (block)(lb == 'u') & (block)(lc == 'n') &
                  ((block)(ld == 't') | (block)(ld == 'k'))) |
                 ((block)(la == 'a') & (block)(lb == 't') & (block)(c == ' ') & closed);
    block single = space & (block)(load(text + 4) == ' ') & (block)(load(text + 6) == ' ') & (block)(b != ' ') & (block)(d != ' ');
    return dot | at | (mark & (space | (block)(a == '[') | (block)(a == '('))) | word | single;
}

static bool is_any(block bytes)
{
    uint64_t words[BLOCK / 8];
    memcpy(words, &bytes, sizeof words);
    return (words[0] | words[1]) != 0;
}

static bool has_signs(const unsigned char *text, size_t length)
{
    size_t at = 0;
    for (; at + BLOCK + AHEAD <= length; at += BLOCK)
        if (is_any(signs(text + at)))
            return true;
    unsigned char tail[2 * BLOCK + AHEAD] = { 0 };
    memcpy(tail, text + at, length - at);
    return is_any(signs(tail) | signs(tail + BLOCK));
}

/* Whether a character other than ASCII hides something. */
static bool has_disguise(const unsigned char *text, size_t length)
{
    unsigned char ascii[4];
    for (size_t at = 0; at < length;) {
        uint32_t bytes = 1;
        if (text[at] >= 0x80 && dv_fold_char(dv_char_decode(text + at, length - at, &bytes), ascii) >= 0)
            return true;
        at += bytes;
    }
    return false;
}

bool dv_fold_says_digits(const struct dv_fold_begins *begins, const unsigned char *text, size_t length, size_t at)
{
    size_t start = at, limit = at > DV_FOLD_WORD ? at - DV_FOLD_WORD : 0;
    uint32_t bytes = 0;
    while (start > limit && begins->letters[text[start - 1]] != DV_FOLD_BLANK)
        start--;
    while (start < length && start - at < DV_FOLD_GAP && !dv_is_letter(text[start]))
        start++;
    if (!dv_fold_may_say(begins, text + start, length - start) ||
        dv_fold_said(begins, text + start, length - start, &bytes).kind == DV_SAID_NONE)
        return false;
    for (start += bytes; start < length && bytes < 2 * DV_FOLD_WORD && begins->letters[text[start]] == DV_FOLD_BLANK; bytes++)
        start++;
    return dv_fold_said(begins, text + start, length - start, &bytes).kind != DV_SAID_NONE;
}

bool dv_fold_has_signs(const struct dv_fold_begins *begins, const unsigned char *bytes, size_t length, uint32_t seen)
{
    if (((seen & DV_SEEN_SIGNS) != 0 && has_signs(bytes, length)) || ((seen & DV_SEEN_HIGH) != 0 && has_disguise(bytes, length)))
        return true;
    for (size_t at = DV_FOLD_STRIDE / 2; (seen & DV_SEEN_WORDS) != 0 && at < length; at += DV_FOLD_STRIDE)
        if (dv_fold_says_digits(begins, bytes, length, at))
            return true;
    return false;
}
