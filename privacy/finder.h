/* SPDX-License-Identifier: Apache-2.0
 * finder.h - everything that finds personal data in a text, as one thing: patterns first, then the tagger.
 *
 * Without the types that the tagger knows better (names, places, ids of any look) it is the patterns alone, which are
 * some ten times faster. What a text holds in escapes or base64 is looked for, too (hidden.h), and addresses that name a standard
 * are nobody's (standard_url.h). A finder has scratch of its own and serves one thread. */
#ifndef DV_PRIVACY_FINDER_H
#define DV_PRIVACY_FINDER_H

#include "engine/error.h"
#include "privacy/glance.h"

struct dv_custom;
struct dv_custom_room;
struct dv_fold;
struct dv_hidden;
struct dv_structure;
struct dv_tagger;
struct dv_tagger_room;

/* Bits 1u << type: all that there are; those of which the tagger finds more than patterns do. */
#define DV_PII_ALL ((1u << DV_PII_COUNT) - 1)
#define DV_PII_TAGGED (1u << DV_PII_PERSON | 1u << DV_PII_LOCATION | 1u << DV_PII_ID | 1u << DV_PII_ACCOUNT | 1u << DV_PII_USERNAME)

/* Beside types: patterns only, whatever the types. */
#define DV_PII_NO_TAGGER (1u << 31)
#define DV_PII_PATTERNS (DV_PII_ALL | DV_PII_NO_TAGGER)

enum { DV_FINDER_CUSTOMS_MAX = 8 };

/* Members are private. */
struct dv_finder {
    struct dv_detector detector;
    struct dv_glance glance;
    struct dv_structure *structure;
    struct dv_fold *fold;
    struct dv_hidden *hidden;
    struct dv_tagger *tagger; /* NULL: no names in running text */
    struct dv_tagger_room *room;
    struct dv_span *found; /* of patterns and structure, while the tagger works */
    struct dv_finder_custom {
        const struct dv_custom *rules;
        struct dv_custom_room *room;
    } customs[DV_FINDER_CUSTOMS_MAX]; /* the user's own */
    uint32_t custom_count;
    struct dv_span *own, *both; /* of the user's detectors; two rows of spans in one */
    struct dv_span *all, *again;        /* what dv_find() gives the first of; further places of what was found */
    uint32_t types;
};

/* Makes a finder of the given types, bits 1u << type, and perhaps DV_PII_NO_TAGGER. DV_E_MEMORY. Close it with dv_finder_close(). */
DV_CHECKED dv_rc dv_finder_open(struct dv_finder *finder, uint32_t types);

/* Adds a set of a user's own detectors, which must stay; their findings are given whatever the types. DV_E_MEMORY. At most
 * DV_FINDER_CUSTOMS_MAX times. */
DV_CHECKED dv_rc dv_finder_add(struct dv_finder *finder, const struct dv_custom *custom);

/* Wipes the scratch and gives it back; accepts a zeroed one. */
void dv_finder_close(struct dv_finder *finder);

/* Finds what dv_detect() would but for addresses of standards, and more; otherwise its contract holds here, too. `max` does not
 * change what is found: with less room the same spans come, but for the last, which begins where it did and covers the rest. (Past
 * 16,384 findings the rest is covered whatever the room.) */
size_t dv_find(const struct dv_finder *finder, const char *text, size_t length, struct dv_span *spans, size_t max);

/* The same without what is written in escapes or base64. */
size_t dv_find_plain(const struct dv_finder *finder, const char *text, size_t length, struct dv_span *spans, size_t max);

#endif
