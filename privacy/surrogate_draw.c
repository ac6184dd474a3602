/* SPDX-License-Identifier: Apache-2.0
 * surrogate_draw.c - keyed draws, the lists of names, and looks for what is left of a value. */
#include "privacy/surrogate_draw.h"

#include <endian.h>
#include <string.h>

#include "privacy/transform.h"
#include "privacy/unicode.h"

extern const unsigned char dv_names_data[];

void dv_draw_start(struct dv_draw *draw, const struct dv_pseudonym *maker, char kind, uint32_t attempt,
                   const char *value, size_t length)
{
    DV_ASSERT(length <= sizeof draw->input - 3);
    draw->maker = maker;
    draw->input[0] = kind;
    draw->input[1] = (char)attempt;
    draw->input[2] = 0;
    if (length != 0)
        memcpy(draw->input + 3, value, length);
    draw->length = length + 3;
    draw->used = sizeof draw->block;
}

uint32_t dv_draw_below(struct dv_draw *draw, uint32_t bound)
{
    uint32_t drawn = 0;
    if (draw->used + sizeof drawn > sizeof draw->block) {
        dv_pseudonym_digest(draw->maker, draw->input, draw->length, draw->block);
        draw->input[2]++;
        draw->used = 0;
    }
    memcpy(&drawn, draw->block + draw->used, sizeof drawn);
    draw->used += sizeof drawn;
    return le32toh(drawn) % bound;
}

void dv_put(struct dv_buffer *out, const char *text, size_t length)
{
    DV_ASSERT(length <= out->size - out->length);
    memcpy(out->text + out->length, text, length);
    out->length += length;
}

void dv_put_byte(struct dv_buffer *out, char byte)
{
    dv_put(out, &byte, 1);
}

void dv_put_digits(struct dv_draw *draw, struct dv_buffer *out, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        dv_put_byte(out, (char)('0' + dv_draw_below(draw, 10)));
}

uint32_t dv_names_count(enum dv_name_list list)
{
    uint32_t count = 0;
    memcpy(&count, dv_names_data + sizeof count * list, sizeof count);
    return le32toh(count);
}

const char *dv_names_at(enum dv_name_list list, uint32_t index)
{
    size_t before = index;
    for (uint32_t i = 0; i < (uint32_t)list; i++)
        before += dv_names_count((enum dv_name_list)i);
    return (const char *)dv_names_data + sizeof(uint32_t) * DV_NAME_LISTS + before * DV_NAME_BYTES;
}

bool dv_names_has(enum dv_name_list list, const char *word, size_t length)
{
    char key[DV_NAME_BYTES] = { 0 };
    uint32_t low = 0;
    if (length >= sizeof key)
        return false;
    memcpy(key, word, length);
    for (uint32_t high = dv_names_count(list); low < high;) {
        uint32_t middle = (low + high) / 2;
        if (memcmp(dv_names_at(list, middle), key, sizeof key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < dv_names_count(list) && memcmp(dv_names_at(list, low), key, sizeof key) == 0;
}

void dv_put_name(struct dv_draw *draw, enum dv_name_list list, bool capital, struct dv_buffer *out)
{
    const char *name = dv_names_at(list, dv_draw_below(draw, dv_names_count(list)));
    size_t start = out->length;
    dv_put(out, name, strnlen(name, DV_NAME_BYTES));
    if (capital)
        out->text[start] = (char)(out->text[start] - 0x20);
}

/* Texts are short, so trying every place beats any table. */
bool dv_survives(const char *folded, size_t folded_length, const char *text, size_t length)
{
    size_t window = folded_length < 4 ? folded_length : 4;
    char plain[DV_SURROGATE_MAX * 2];
    size_t plain_length = dv_fold_text(text, length, plain, sizeof plain);
    for (size_t i = 0; window != 0 && i + window <= folded_length; i++)
        if (memmem(plain, plain_length, folded + i, window) != NULL)
            return true;
    return false;
}

static size_t put_code(char *at, uint32_t code)
{
    if (code < 0x80) {
        at[0] = (char)code;
        return 1;
    }
    size_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = bytes; i-- > 1; code >>= 6)
        at[i] = (char)(0x80 | (code & 0x3F));
    at[0] = (char)((bytes == 2 ? 0xC0u : bytes == 3 ? 0xE0u : 0xF0u) | code);
    return bytes;
}

size_t dv_fold_text(const char *text, size_t length, char *folded, size_t size)
{
    size_t put = 0;
    uint32_t bytes = 0;
    for (size_t at = 0; at < length && put + 4 <= size; at += bytes) {
        uint32_t code = dv_char_decode((const unsigned char *)text + at, length - at, &bytes);
        enum dv_char_class class = dv_char_class(code);
        if (class >= DV_CHAR_DIGIT && class <= DV_CHAR_LETTER)
            put += put_code(folded + put, dv_char_fold(code));
    }
    return put;
}
