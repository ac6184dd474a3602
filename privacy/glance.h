/* SPDX-License-Identifier: Apache-2.0
 * glance.h - what a text holds at all, seen while the patterns' prefilter goes over it.
 *
 * Each stage behind the patterns has something that it cannot do without: a reader of rows its marks, a decoder its escapes.
 * Most texts hold little of all that, and what a glance does not see need not be looked for.
 *
 * Private to privacy/ and its tests. */
#ifndef DV_PRIVACY_GLANCE_H
#define DV_PRIVACY_GLANCE_H

#include "privacy/detect.h"

struct dv_fold_begins;

/* A set. A bit that is not there is a promise; of the last three one that is there only says that somebody must look. */
enum dv_seen {
    DV_SEEN_ESCAPES = 1,   /* % & \ = + begin what decode.h undoes */
    DV_SEEN_OPENS = 2,     /* { [ < = : ( begin something within a line */
    DV_SEEN_MARKS = 4,     /* , ; | tab part the fields of a row */
    DV_SEEN_LINES = 8,     /* a line end, of any system: a row alone is no table */
    DV_SEEN_SEGMENTS = 16, /* | ^ * ~ and MLLP's frame: messages */
    DV_SEEN_HIGH = 32,     /* bytes of other characters than ASCII's */
    DV_SEEN_SIGNS = 64,    /* what may be an address in words, or letters with blanks between: fold.h */
    DV_SEEN_WORDS = 128,   /* words that say digits, one behind the other */
    DV_SEEN_RUNS = 256,    /* as many bytes without a blank as base64_run.h asks for */
    DV_SEEN_ALL = 511,
};

struct dv_glance;

/* Looks at text[start..start + bytes), bytes ≤ 4096, start a multiple of 64, and gives what it saw; marks digits and trigger bytes
 * as dv_detect_scan() does. */
typedef uint32_t dv_glance_look(const struct dv_glance *glance, const unsigned char *text, size_t length, size_t start, size_t bytes,
                                uint64_t *digits, uint64_t *marks);

struct dv_glance {
    dv_glance_look *look;
    const struct dv_fold_begins *begins;
};

/* Two ways to the same sight, but that the first leaves the last three bits to those who look; and one that sees everything. */
dv_glance_look dv_glance_plain, dv_glance_avx2, dv_glance_all;

/* The way that suits this machine; `begins` must stay. */
struct dv_glance dv_glance_here(const struct dv_fold_begins *begins);

/* What one byte alone shows, as far as the line of SEGMENTS. */
extern const uint8_t dv_seen_of[256];

/* detect.c: dv_detect(), and what was seen on the way. */
size_t dv_detect_seen(const struct dv_detector *detector, const struct dv_glance *glance, const char *text, size_t length,
                      struct dv_span *spans, size_t max, uint32_t *ret_seen);

#endif
