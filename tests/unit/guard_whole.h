/* SPDX-License-Identifier: Apache-2.0
 * guard_whole.h - what a guard of patterns must find in a whole text: what dv_detect() finds in it, and in it without its
 * escapes, and without escapes in those. */
#ifndef TEST_GUARD_WHOLE_H
#define TEST_GUARD_WHOLE_H

#include <string.h>

#include "privacy/decode.h"
#include "privacy/guard_list.h"

enum { WHOLE_MAX = 1 << 16, WHOLE_SPANS = 16384, WHOLE_LANES = 3 };

/* A text, and what it was read from. */
struct whole {
    unsigned char text[WHOLE_MAX];
    uint32_t map[WHOLE_MAX + 1], length;
    struct dv_span spans[WHOLE_LANES][WHOLE_SPANS];
    struct dv_guard_list lists[WHOLE_LANES];
    struct dv_guard_row row;
};

/* Decodes in place; quoted-printable is known from its first sign on. */
static inline void decode_whole(struct whole *whole)
{
    struct dv_decoding decoding = { 0 };
    struct dv_decoded one;
    uint32_t to = 0, end = whole->map[whole->length];
    for (uint32_t at = 0; at < whole->length; at += one.taken) {
        (void)dv_decode_one(&decoding, whole->text, whole->length, at, true, &one);
        uint32_t from = whole->map[at];
        for (uint32_t i = 0; i < one.count; i++) {
            whole->map[to] = from;
            whole->text[to++] = one.bytes[i];
        }
    }
    whole->map[to] = end;
    whole->length = to;
}

/* Makes whole->row ready: dv_guard_row_next() gives what there is to be found. */
static inline void find_whole(struct whole *whole, const struct dv_detector *detector, const char *text, size_t length)
{
    memcpy(whole->text, text, length);
    whole->length = (uint32_t)length;
    for (uint32_t i = 0; i <= length; i++)
        whole->map[i] = i;
    whole->row = (struct dv_guard_row){ 0 };
    for (uint32_t lane = 0; lane < WHOLE_LANES; lane++) {
        struct dv_span *spans = whole->spans[lane];
        size_t count = dv_detect(detector, (const char *)whole->text, whole->length, spans, WHOLE_SPANS);
        for (size_t i = 0; i < count; i++) {
            uint32_t end = spans[i].end;
            while (end < whole->length && whole->map[end] == whole->map[end - 1])
                end++;
            spans[i].start = whole->map[spans[i].start];
            spans[i].end = whole->map[end];
        }
        whole->lists[lane] = (struct dv_guard_list){ .spans = spans, .count = count };
        whole->row.lists[lane] = &whole->lists[lane];
        decode_whole(whole);
    }
}

#endif
