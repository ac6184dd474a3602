/* SPDX-License-Identifier: Apache-2.0
 * detect_rows.h - what the verifiers of detect_*.c share: a row of the table, a candidate, and looks around it.
 *
 * Private to privacy/. A verifier gets a candidate and answers whether there is a finding there; if so it fills start,
 * end, score and why of the span.
 *
 * Two rules let the same rows scan a text that is not over (detect_open.c). What lies ahead is read by dv_byte() only, or
 * dv_past_end() is told: then a verdict that never looked past the end is the one of every longer text. And a verifier
 * looks back DV_DETECT_BEHIND bytes at most; a row whose spans begin before their trigger says where by its `reach`. */
#ifndef DV_PRIVACY_DETECT_ROWS_H
#define DV_PRIVACY_DETECT_ROWS_H

#include "privacy/detect.h"

/* The byte a verifier is called for. */
enum dv_trigger {
    DV_TRIGGER_DIGIT, /* the first digit of a run */
    DV_TRIGGER_AT,
    DV_TRIGGER_COLON,
    DV_TRIGGER_DOT,
};

/* The farthest that any verifier looks back from its trigger. */
enum { DV_DETECT_BEHIND = 320 };

enum { DV_GROUPS_MAX = 20, DV_GROUP_DIGITS_MAX = 24, DV_GROUPED_MIN = 7 };

/* What stands between two groups of digits; a set. */
enum dv_gap {
    DV_GAP_SPACE = 1,
    DV_GAP_DASH = 2,
    DV_GAP_DOT = 4,
    DV_GAP_SLASH = 8,
    DV_GAP_OPEN = 16,
    DV_GAP_CLOSE = 32,
};

/* One run of digits. */
struct dv_group {
    uint32_t start;
    uint8_t digits;
    uint8_t gap;       /* dv_gap set before it; 0 for the first */
    uint8_t gap_chars; /* characters before it */
};

/* A number written in groups, from the candidate on: "4111 1111 1111 1111", "(020) 7946-0958". */
struct dv_groups {
    uint32_t count;
    uint32_t total; /* digits in all */
    struct dv_group group[DV_GROUPS_MAX];
    unsigned char digits[DV_GROUP_DIGITS_MAX]; /* '0'..'9', the groups joined */
};

/* The place a verifier is asked about. What is near and the groups are set for a digit only. */
struct dv_candidate {
    const unsigned char *text;
    uint32_t length;
    uint32_t at;             /* the trigger */
    bool *past_end;          /* set when somebody asked for what stands behind the end */
    uint32_t digits_near;    /* digits in the DV_NEAR_BYTES from the trigger on */
    uint32_t digits_may;     /* the most that may come to stand there, if the text goes on */
    uint32_t marks_near;     /* '@' there, and '.' and ':' before a non-blank */
    struct dv_groups groups; /* read if digits_near ≥ DV_GROUPED_MIN, else empty */
    const struct dv_id_index *ids; /* of the detector */
};

typedef bool dv_verify(const struct dv_candidate *candidate, struct dv_span *span);

/* Where the earliest span begins whose trigger is at candidate->at, or comes there or later if that is the end of a text
 * that is not over; at most candidate->at. */
typedef uint32_t dv_reach(const struct dv_candidate *candidate);

/* A row of the table. */
struct dv_detector_row {
    const char *name;
    enum dv_pii type; /* DV_PII_COUNT: the verifier tells */
    enum dv_trigger trigger;
    /* What a digit must have around it before the verifier is called. */
    uint8_t digits_min; /* in the DV_NEAR_BYTES from it on; at least DV_GROUPED_MIN for a row that reads the groups */
    uint8_t marks_min;  /* there too */
    bool after_letter;  /* right before it */
    dv_verify *verify;
    dv_reach *reach; /* NULL: spans begin at their trigger */
};

dv_verify dv_verify_email, dv_verify_phone, dv_verify_ssn, dv_verify_card, dv_verify_iban, dv_verify_ipv4,
    dv_verify_ipv6, dv_verify_mac, dv_verify_url, dv_verify_domain, dv_verify_named, dv_verify_date, dv_verify_id, dv_verify_age;

dv_reach dv_reach_email, dv_reach_phone, dv_reach_iban, dv_reach_ipv6, dv_reach_mac, dv_reach_url, dv_reach_domain,
    dv_reach_named, dv_reach_date, dv_reach_id;

/* Adds the words of detectors/words.def. */
void dv_named_index_init(struct dv_id_index *index);

/* The types that these two verifiers give, bits 1u << type. */
uint32_t dv_id_types(void);
uint32_t dv_named_types(void);

/* The two prefilters; both give the same bits. `digits` and `marks` have a word for each 64 bytes begun. */
dv_detect_scan dv_detect_scan_plain, dv_detect_scan_avx2;

/* Whether this machine can run dv_detect_scan_avx2(). */
bool dv_detect_has_avx2(void);

/* The ASCII classes, without the locale. */
static inline bool dv_is_digit(unsigned char byte)
{
    return (unsigned char)(byte - '0') <= 9;
}

/* A to Z in either case. */
static inline bool dv_is_letter(unsigned char byte)
{
    return (unsigned char)((byte | 0x20) - 'a') <= 25;
}

/* A letter or a digit. */
static inline bool dv_is_alnum(unsigned char byte)
{
    return dv_is_digit(byte) || dv_is_letter(byte);
}

/* A hexadecimal digit in either case. */
static inline bool dv_is_hex(unsigned char byte)
{
    return dv_is_digit(byte) || (unsigned char)((byte | 0x20) - 'a') <= 5;
}

/* The lower case of an ASCII letter; other bytes stay. */
static inline unsigned char dv_lower(unsigned char byte)
{
    return (unsigned char)(byte - 'A') <= 25 ? byte | 0x20 : byte;
}

/* Whether `at` is past the end; whoever reads ahead without dv_byte() asks this. */
static inline bool dv_past_end(const struct dv_candidate *candidate, uint32_t at)
{
    if (at < candidate->length)
        return false;
    *candidate->past_end = true;
    return true;
}

/* The byte at `at`, or NUL past the end. */
static inline unsigned char dv_byte(const struct dv_candidate *candidate, uint32_t at)
{
    return dv_past_end(candidate, at) ? 0 : candidate->text[at];
}

/* The byte `back` bytes before `at`, or NUL before the start. */
static inline unsigned char dv_byte_before(const struct dv_candidate *candidate, uint32_t at, uint32_t back)
{
    return at >= back ? candidate->text[at - back] : 0;
}

/* Fills a span; gives true, so that a verifier can return it. */
static inline bool dv_span_fill(struct dv_span *span, uint32_t start, uint32_t end, uint16_t score, const char *why)
{
    span->start = start;
    span->end = end;
    span->score = score;
    span->why = why;
    return true;
}

/* Reads the number in groups at candidate->at into candidate->groups. Between groups stand at most three of: space,
 * no-break space, dash of any length, '.', '/', '(' and ')'. */
void dv_groups_read(struct dv_candidate *candidate);

/* The separator at `at`: its length in bytes and its kind, or 0 if there is none. */
uint32_t dv_gap_at(const struct dv_candidate *candidate, uint32_t at, uint8_t *ret_gap);

/* Where group `index` ends. */
static inline uint32_t dv_group_end(const struct dv_groups *groups, uint32_t index)
{
    return groups->group[index].start + groups->group[index].digits;
}

/* Whether the groups begin with a date: 2024-03-18, 3/18/2024, 18.03.24. */
bool dv_groups_are_date(const struct dv_groups *groups);

/* Whether one of `words` (lower-case, NULL-terminated) begins a word in the 40 bytes before `at`, on the same line
 * or in a line before it that ends with a colon. */
bool dv_context_has(const struct dv_candidate *candidate, uint32_t at, const char *const *words);

/* The same, of words in one text with bars between them; words of other scripts are compared as they are. */
bool dv_context_names(const struct dv_candidate *candidate, uint32_t at, const char *words);

#endif
