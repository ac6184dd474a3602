/* SPDX-License-Identifier: Apache-2.0
 * fold_sign.c - whether a text is worth folding. Nearly all are not, so that this is what folding costs them. */
#include <string.h>

#include "privacy/detect_rows.h"
#include "privacy/fold.h"
#include "privacy/unicode.h"

enum { BLOCK = 16, AHEAD = 6, STRIDE = 16 };

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

static bool has_signs(const unsigned char *text, size_t length, bool *ret_high)
{
    size_t at = 0;
    block high = { 0 };
    for (; at + BLOCK + AHEAD <= length; at += BLOCK) {
        high |= load(text + at) & 0x80;
        if (is_any(signs(text + at)))
            return true;
    }
    unsigned char tail[2 * BLOCK + AHEAD] = { 0 };
    memcpy(tail, text + at, length - at);
    high |= (load(tail) | load(tail + BLOCK)) & 0x80;
    *ret_high = is_any(high);
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

/* A letter, or a part of one: "f\xC3\xBCnf" is one word wherever it is looked at. */
static bool is_word_byte(unsigned char byte)
{
    return dv_is_letter(byte) || byte >= 0x80;
}

/* The word around or right before `at` says a digit, and so does the one behind it. Seven such words have more than STRIDE
 * bytes, so that a look at every so many is enough. */
static bool says_digits(const unsigned char *text, size_t length, size_t at)
{
    enum { WORD = 9 };
    size_t start = at;
    uint32_t bytes = 0;
    while (start > 0 && at - start < WORD && is_word_byte(text[start - 1]))
        start--;
    while (start < length && start - at < 4 && !dv_is_letter(text[start]))
        start++;
    if (start >= length || dv_fold_said(text + start, length - start, &bytes).kind == DV_SAID_NONE)
        return false;
    for (start += bytes; start < length && bytes < 2 * WORD && !is_word_byte(text[start]); bytes++)
        start++;
    return start < length && dv_fold_said(text + start, length - start, &bytes).kind != DV_SAID_NONE;
}

bool dv_fold_wanted(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    bool high = false;
    if (has_signs(bytes, length, &high) || (high && has_disguise(bytes, length)))
        return true;
    for (size_t at = STRIDE / 2; at < length; at += STRIDE)
        if (says_digits(bytes, length, at))
            return true;
    return false;
}
