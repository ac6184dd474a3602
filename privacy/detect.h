/* SPDX-License-Identifier: Apache-2.0
 * detect.h - finds personal data in free text.
 *
 * Two stages: a prefilter marks the bytes a finding can hang on (the first digit of a run, '@', ':' and '.') with one
 * pass of vector instructions, and a verifier per kind of data looks at the text around each mark. Clean text costs
 * little more than the prefilter. The kinds are rows of one table in detect.c: a name, a type, a trigger and a
 * verifier.
 *
 * Works on bytes, whatever they are: NUL and invalid UTF-8 are text like any other. Time is linear in the length. */
#ifndef DV_PRIVACY_DETECT_H
#define DV_PRIVACY_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a finding is. */
enum dv_pii {
    DV_PII_OTHER, /* covered without being identified: the tail of a text with too many findings */
    DV_PII_EMAIL,
    DV_PII_PHONE,
    DV_PII_SSN,
    DV_PII_CREDIT_CARD,
    DV_PII_IBAN,
    DV_PII_IP,
    DV_PII_MAC,
    DV_PII_URL,
    DV_PII_MRN,
    DV_PII_PERSON,
    DV_PII_LOCATION,
    DV_PII_DATE,
    DV_PII_ID,
    DV_PII_ACCOUNT,
    DV_PII_USERNAME,
    DV_PII_AGE,    /* over 89 */
    DV_PII_CUSTOM, /* of a user's own detector; dv_span_name() tells which */
    DV_PII_COUNT
};

/* One finding: the bytes start..end (end excluded). */
struct dv_span {
    uint32_t start, end;
    enum dv_pii type;
    uint16_t score;  /* 1..1000: how sure */
    const char *why; /* the rule that found it; lives as long as the detector */
    const char *name; /* of a DV_PII_CUSTOM: its detector; else NULL */
};

enum { DV_DETECTOR_ROWS_MAX = 16, DV_TRIGGER_COUNT = 4, DV_ID_WORDS = 2, DV_ID_NEXT = 4, DV_NEAR_BYTES = 20, DV_NAMES_MAX = 224 };

/* Which rows of detectors/ids.def can begin at a run of so many digits, behind so many letters; a bit each. */
struct dv_id_index {
    uint64_t wanted[DV_ID_WORDS]; /* by their types */
    uint64_t by_run[20][DV_ID_NEXT][DV_ID_WORDS]; /* and by what stands behind it */
    uint64_t by_near[DV_NEAR_BYTES + 1][DV_ID_WORDS]; /* so many digits in the DV_NEAR_BYTES from the run on */
    uint64_t by_letters[7][DV_ID_WORDS]; /* right before the digits */
    uint64_t by_gapped[7][DV_ID_WORDS];  /* with a separator between */
    uint32_t word_ends[26]; /* by the last letter of words that announce a number: the letters before it; bit 26: none */
    uint8_t name_order[DV_NAMES_MAX]; /* rows of detectors/words.def by their last letter, the longest first */
    uint8_t name_first[27];           /* where in it each letter's begin */
};

struct dv_detector_row;

/* Marks the digits and the trigger bytes of at most 64 * words bytes, one bit each. */
typedef void dv_detect_scan(const unsigned char *text, size_t length, uint64_t *digits, uint64_t *marks);

/* A compiled detector: read-only once made, may be shared. Members are private. */
struct dv_detector {
    dv_detect_scan *scan;
    uint8_t digits_min; /* the least any row wants near a digit */
    uint32_t types_off;
    uint8_t row_counts[DV_TRIGGER_COUNT];
    struct dv_id_index ids;
    const struct dv_detector_row *rows[DV_TRIGGER_COUNT][DV_DETECTOR_ROWS_MAX];
};

/* How a detector is made; all zero: every type, fastest instructions. */
struct dv_detector_options {
    uint32_t types_off; /* bit 1u << type: leave this type out */
    bool plain_c;       /* never use vector instructions */
};

/* Compiles the table for this machine; `options` may be NULL. */
void dv_detector_init(struct dv_detector *detector, const struct dv_detector_options *options);

/* Finds personal data in text[0..length), length ≤ UINT32_MAX, and writes up to `max` ≥ 1 spans: sorted, not touching
 * each other's bytes. Where findings overlap, one span covers them all under the type of the stronger, then the longer.
 * If there are more than `max`, the last span is of type DV_PII_OTHER and reaches to the end of the text: nothing found
 * or unread stays uncovered. Returns the number of spans. */
size_t dv_detect(const struct dv_detector *detector, const char *text, size_t length, struct dv_span *spans,
                 size_t max);

/* What is known of a text that goes on; zero at its start. Whoever drops bytes of the text's front takes as many from the
 * three places and from the spans. */
struct dv_detect_state {
    uint32_t next;        /* every mark before it is decided */
    uint32_t covered_end; /* marks before it lie in a finding */
    uint32_t settled;     /* no finding to come covers a byte before it, whatever follows */
    size_t count;         /* of spans; those that end at `settled` or before are final */
};

/* Goes on with text[0..length), which is not over: the bytes from `next` on, new ones behind, and before them at least the
 * DV_DETECT_BEHIND that came before, or all. At the end of the text dv_detect_close(). However the text came, the
 * spans are those of dv_detect(). `max` must exceed what the undecided bytes can hold: a finding has 3 bytes at least. */
void dv_detect_open(const struct dv_detector *detector, const char *text, size_t length, struct dv_detect_state *state,
                    struct dv_span *spans, size_t max);
void dv_detect_close(const struct dv_detector *detector, const char *text, size_t length, struct dv_detect_state *state,
                     struct dv_span *spans, size_t max);

/* "EMAIL", "CREDIT_CARD"; DV_PII_OTHER is "REDACTED". Literals. */
const char *dv_pii_name(enum dv_pii type);

/* The name of what was found: that of its type, or of the user's detector. */
static inline const char *dv_span_name(const struct dv_span *span)
{
    return span->name != NULL ? span->name : dv_pii_name(span->type);
}

#endif
