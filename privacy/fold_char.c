/* SPDX-License-Identifier: Apache-2.0
 * fold_char.c - characters that stand for others: compatibility forms (NFKC), digits of any script, look-alikes. */
#include <utf8proc.h>

#include "privacy/detect_rows.h"
#include "privacy/fold.h"

struct pair {
    uint16_t code;
    char ascii;
};

/* Sorted. Letters of Greek, Cyrillic and the phonetic alphabet that look like ours, after the confusables of Unicode TS 39,
 * and marks that are read as a dot, dash, slash or colon. */
static const struct pair alike[] = {
    { 0x00B7, '.' }, { 0x0131, 'i' }, { 0x0251, 'a' }, { 0x0261, 'g' }, { 0x0269, 'i' }, { 0x02D7, '-' }, { 0x0387, '.' },
    { 0x0391, 'A' }, { 0x0392, 'B' }, { 0x0395, 'E' }, { 0x0396, 'Z' }, { 0x0397, 'H' }, { 0x0399, 'I' }, { 0x039A, 'K' },
    { 0x039C, 'M' }, { 0x039D, 'N' }, { 0x039F, 'O' }, { 0x03A1, 'P' }, { 0x03A4, 'T' }, { 0x03A5, 'Y' }, { 0x03A7, 'X' },
    { 0x03B1, 'a' }, { 0x03B3, 'y' }, { 0x03B9, 'i' }, { 0x03BA, 'k' }, { 0x03BD, 'v' }, { 0x03BF, 'o' }, { 0x03C1, 'p' },
    { 0x03C4, 't' }, { 0x03C5, 'u' }, { 0x03C7, 'x' }, { 0x03F2, 'c' }, { 0x03F3, 'j' }, { 0x0405, 'S' }, { 0x0406, 'I' },
    { 0x0408, 'J' }, { 0x0410, 'A' }, { 0x0412, 'B' }, { 0x0415, 'E' }, { 0x041A, 'K' }, { 0x041C, 'M' }, { 0x041D, 'H' },
    { 0x041E, 'O' }, { 0x0420, 'P' }, { 0x0421, 'C' }, { 0x0422, 'T' }, { 0x0423, 'Y' }, { 0x0425, 'X' }, { 0x0430, 'a' },
    { 0x0435, 'e' }, { 0x043A, 'k' }, { 0x043C, 'm' }, { 0x043E, 'o' }, { 0x0440, 'p' }, { 0x0441, 'c' }, { 0x0442, 't' },
    { 0x0443, 'y' }, { 0x0445, 'x' }, { 0x0455, 's' }, { 0x0456, 'i' }, { 0x0458, 'j' }, { 0x04AE, 'Y' }, { 0x04AF, 'y' },
    { 0x04BB, 'h' }, { 0x04C0, 'I' }, { 0x04CF, 'l' }, { 0x0501, 'd' }, { 0x051B, 'q' }, { 0x051D, 'w' }, { 0x0585, 'o' },
    { 0x0589, ':' }, { 0x06D4, '.' }, { 0x0701, '.' }, { 0x2022, '.' }, { 0x2028, '\n' }, { 0x2029, '\n' }, { 0x2043, '-' },
    { 0x2044, '/' }, { 0x2212, '-' }, { 0x2215, '/' }, { 0x2219, '.' }, { 0x2236, ':' }, { 0x22C5, '.' }, { 0x3002, '.' },
    { 0x30FB, '.' }, { 0x30FC, '-' }, { 0xA789, ':' }, { 0xFF61, '.' },
};

static char look_alike(uint32_t code)
{
    size_t low = 0, high = sizeof alike / sizeof *alike;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (alike[middle].code == code)
            return alike[middle].ascii;
        if (alike[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return '\0';
}

/* Default-ignorable characters and marks over, under, around and through others. */
static bool is_unseen(uint32_t code, utf8proc_category_t category)
{
    if (code == 0x115F || code == 0x1160 || code == 0x3164 || code == 0xFFA0)
        return true;
    return category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_ME || (code >= 0x300 && code <= 0x36F) ||
           (code >= 0x20D0 && code <= 0x20FF) || (code >= 0xFE00 && code <= 0xFE0F) || (code >= 0x180B && code <= 0x180E) ||
           (code >= 0xE0000 && code <= 0xE0FFF);
}

/* The digits of a script stand together and begin at a code point that ends with 0 or 6. */
static char digit_of(uint32_t code)
{
    bool from_0 = utf8proc_category((utf8proc_int32_t)(code & ~0xFu)) == UTF8PROC_CATEGORY_ND;
    uint32_t value = (code & 0xF) - (from_0 ? 0 : 6);
    return value <= 9 ? (char)('0' + (int)value) : '\0';
}

/* White on black, and with two circles: symbols that have no compatibility form. 0: it is none. */
static char dingbat(uint32_t code)
{
    static const struct { uint32_t first, last; char ascii; } rows[] = {
        { 0x24F5, 0x24FD, '1' },   { 0x24FF, 0x24FF, '0' },   { 0x2776, 0x277E, '1' },   { 0x2780, 0x2788, '1' },
        { 0x278A, 0x2792, '1' },   { 0x1F150, 0x1F169, 'A' }, { 0x1F170, 0x1F189, 'A' }, { 0x1F1E6, 0x1F1FF, 'A' },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (code >= rows[i].first && code <= rows[i].last)
            return (char)(rows[i].ascii + (int)(code - rows[i].first));
    return '\0';
}

/* Of "(1)" and "1." only what is in the brackets or before the stop; of the rest all, if it is ASCII. */
static int compatible(uint32_t code, unsigned char ascii[4])
{
    enum { PARTS_MAX = 18 };
    utf8proc_int32_t parts[PARTS_MAX];
    int last_boundary = UTF8PROC_BOUNDCLASS_START, count = 0;
    utf8proc_ssize_t all = utf8proc_decompose_char((utf8proc_int32_t)code, parts, PARTS_MAX,
                                                   UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last_boundary);
    if (all <= 0 || all > 4)
        return -1;
    for (utf8proc_ssize_t i = 0; i < all; i++) {
        if (parts[i] >= 0x80)
            return -1;
        if (all > 1 && !dv_is_alnum((unsigned char)parts[i]))
            continue;
        ascii[count++] = (unsigned char)parts[i];
    }
    uint32_t room = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    return count > 0 && (uint32_t)count <= room ? count : -1;
}

int dv_fold_char(uint32_t code, unsigned char ascii[4])
{
    /* Letters with accents decompose, too, but hide nothing. */
    if (code < 0x80 || (code >= 0xC0 && code < 0x130) || (code >= 0x2018 && code <= 0x201F) || code == 0xFFFD)
        return -1;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    if (is_unseen(code, category))
        return 0;
    ascii[0] = (unsigned char)look_alike(code);
    if (ascii[0] == '\0')
        ascii[0] = (unsigned char)dingbat(code);
    if (ascii[0] != '\0')
        return 1;
    int count = compatible(code, ascii);
    if (count > 0)
        return count;
    ascii[0] = category == UTF8PROC_CATEGORY_ND   ? (unsigned char)digit_of(code)
               : category == UTF8PROC_CATEGORY_ZS ? ' '
               : category == UTF8PROC_CATEGORY_PD ? '-'
                                                  : '\0';
    return ascii[0] != '\0' ? 1 : -1;
}
