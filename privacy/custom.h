/* SPDX-License-Identifier: Apache-2.0
 * custom.h - detectors that a user adds: patterns and word lists, with words that must stand near and a check.
 *
 * All patterns of a set are compiled into one automaton (vectorscan): one pass over the text, in time linear in its
 * length, whatever the patterns are. Patterns are those of Perl without back-references and look-around; they see bytes. */
#ifndef DV_PRIVACY_CUSTOM_H
#define DV_PRIVACY_CUSTOM_H

#include "engine/error.h"
#include "engine/option.h"
#include "privacy/detect.h"

struct dv_arena;

enum { DV_CUSTOM_RULES_MAX = 256, DV_CUSTOM_PATTERN_MAX = 1024, DV_CUSTOM_WORDS_MAX = 10000, DV_CUSTOM_NAME_MAX = 64 };

/* What a finding must pass, by its letters and digits. */
enum dv_custom_check { DV_CUSTOM_NONE, DV_CUSTOM_LUHN, DV_CUSTOM_MOD97 };

/* One detector. */
struct dv_custom_rule {
    const char *name;         /* "STUDY_ID"; also what a redaction writes */
    const char *pattern;      /* NULL: only the dictionary */
    struct dv_strs dictionary; /* words and phrases, of any case, that stand alone */
    const char *context;      /* lower-case words with bars between, one of which must stand before; NULL: none */
    enum dv_custom_check check;
    uint16_t score; /* 1..1000 */
};

/* A compiled set; lives in the arena of its making, read-only, may be shared. */
struct dv_custom;

/* What was wrong with a rule. */
struct dv_custom_wrong {
    uint32_t rule;
    int32_t at;    /* the character of the pattern, -1: the whole; of the word in the dictionary: -1 */
    char why[160]; /* in the words of the compiler */
};

/* Compiles the rules, which stay in use. DV_E_CONFIG: *ret_wrong tells what; DV_E_MEMORY; DV_E_MISSING: this machine has
 * not the instructions it takes. */
DV_CHECKED dv_rc dv_custom_compile(const struct dv_custom_rule *rules, uint32_t count, struct dv_arena *arena,
                                   const struct dv_custom **ret_custom, struct dv_custom_wrong *ret_wrong);

struct dv_custom_room;

/* Scratch for one thread; NULL when memory is short. */
struct dv_custom_room *dv_custom_room_new(const struct dv_custom *custom);
void dv_custom_room_free(struct dv_custom_room *room);

/* Writes at most `max` ≥ 1 spans, sorted, apart, with the names of their rules; past `max` the rest is covered, as by
 * dv_detect(), and what the automaton could not read is, too. Returns their number. */
size_t dv_custom_scan(const struct dv_custom *custom, struct dv_custom_room *room, const char *text, size_t length,
                      struct dv_span *spans, size_t max);

#endif
