/* SPDX-License-Identifier: Apache-2.0
 * finder.c - patterns, in disguise or not, then the tagger, then what was asked for. */
#include "privacy/finder.h"

#include <string.h>

#include "engine/memory.h"
#include "privacy/again.h"
#include "privacy/custom.h"
#include "privacy/fold.h"
#include "privacy/hidden.h"
#include "privacy/standard_url.h"
#include "privacy/structure.h"
#include "privacy/tagger.h"

enum { FOUND_MAX = 16384, AGAIN_MAX = 4096 };

static dv_rc open_tagger(struct dv_finder *finder)
{
    finder->tagger = dv_memory_zeroed(1, sizeof *finder->tagger);
    finder->room = dv_tagger_room_new();
    finder->found = dv_memory_zeroed(FOUND_MAX, sizeof *finder->found);
    if (finder->tagger == NULL || finder->room == NULL || finder->found == NULL) {
        dv_finder_close(finder);
        return DV_E_MEMORY;
    }
    dv_tagger_open_own(finder->tagger);
    return DV_OK;
}

dv_rc dv_finder_open(struct dv_finder *finder, uint32_t types)
{
    bool tagged = (types & DV_PII_TAGGED) != 0 && (types & DV_PII_NO_TAGGER) == 0;
    const struct dv_detector_options options = { .types_off = tagged ? 0 : ~types & DV_PII_ALL };
    *finder = (struct dv_finder){ .types = (types & DV_PII_ALL) | 1u << DV_PII_OTHER };
    dv_detector_init(&finder->detector, &options);
    finder->structure = dv_structure_new();
    finder->fold = dv_fold_new();
    finder->hidden = dv_hidden_new();
    finder->both = dv_memory_zeroed(FOUND_MAX, sizeof *finder->both);
    finder->all = dv_memory_zeroed(FOUND_MAX, sizeof *finder->all);
    finder->again = dv_memory_zeroed(AGAIN_MAX, sizeof *finder->again);
    if (finder->structure == NULL || finder->fold == NULL || finder->hidden == NULL || finder->both == NULL ||
        finder->all == NULL || finder->again == NULL) {
        dv_finder_close(finder);
        return DV_E_MEMORY;
    }
    finder->glance = dv_glance_here(dv_fold_begins(finder->fold));
    return tagged ? open_tagger(finder) : DV_OK;
}

dv_rc dv_finder_add(struct dv_finder *finder, const struct dv_custom *custom)
{
    DV_ASSERT(finder->custom_count < DV_FINDER_CUSTOMS_MAX);
    struct dv_finder_custom *added = &finder->customs[finder->custom_count];
    added->room = dv_custom_room_new(custom);
    if (finder->own == NULL)
        finder->own = dv_memory_zeroed(FOUND_MAX, sizeof *finder->own);
    if (added->room == NULL || finder->own == NULL) {
        dv_custom_room_free(added->room);
        added->room = NULL;
        return DV_E_MEMORY;
    }
    added->rules = custom;
    finder->custom_count++;
    finder->types |= 1u << DV_PII_CUSTOM;
    return DV_OK;
}

void dv_finder_close(struct dv_finder *finder)
{
    dv_structure_free(finder->structure);
    dv_fold_free(finder->fold);
    dv_hidden_free(finder->hidden);
    dv_tagger_room_free(finder->room);
    for (uint32_t i = 0; i < finder->custom_count; i++)
        dv_custom_room_free(finder->customs[i].room);
    dv_memory_free(finder->tagger);
    dv_memory_free(finder->found);
    dv_memory_free(finder->own);
    dv_memory_free(finder->both);
    dv_memory_free(finder->all);
    dv_memory_free(finder->again);
    *finder = (struct dv_finder){ 0 };
}

/* Leaves only spans of the types asked for, and of addresses only those that may be somebody's. */
static size_t keep_wanted(const struct dv_finder *finder, const char *text, struct dv_span *spans, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct dv_span *span = &spans[i];
        bool nobodys = span->type == DV_PII_URL && dv_url_is_standard(text + span->start, span->end - span->start);
        if ((finder->types >> span->type & 1u) != 0 && !nobodys)
            spans[kept++] = *span;
    }
    return kept;
}

/* Spans in order, apart, at most `max`. */
struct merged {
    struct dv_span *spans;
    size_t count, max;
    uint32_t length; /* of the text */
};

static void merge(struct merged *merged, const struct dv_span *span)
{
    struct dv_span *last = merged->count > 0 ? &merged->spans[merged->count - 1] : NULL;
    if (last != NULL && last->end > span->start) {
        uint32_t start = last->start, end = last->end > span->end ? last->end : span->end;
        if (span->score > last->score)
            *last = *span;
        last->start = start;
        last->end = end;
    } else if (merged->count < merged->max) {
        merged->spans[merged->count++] = *span;
    } else if (last != NULL) {
        *last = (struct dv_span){ .start = last->start, .end = merged->length, .type = DV_PII_OTHER, .score = 1000,
                                  .why = "too many findings: the rest is covered" };
    }
}

/* Adds more findings to the spans; both are sorted. */
static size_t add_spans(const struct dv_finder *finder, size_t length, const struct dv_span *more, size_t more_count,
                        struct dv_span *spans, size_t count, size_t max)
{
    struct merged merged = { .spans = finder->both, .max = max < FOUND_MAX ? max : FOUND_MAX, .length = (uint32_t)length };
    for (size_t i = 0, k = 0; i < count || k < more_count;) {
        bool more_first = i == count || (k < more_count && more[k].start < spans[i].start);
        merge(&merged, more_first ? &more[k++] : &spans[i++]);
    }
    memcpy(spans, finder->both, merged.count * sizeof *spans);
    return merged.count;
}

/* "ann.lee at example.org": the name of a host is found, who is there is not. */
static bool is_host_said(const char *text, const struct dv_span *spans, size_t count)
{
    static const char at[4] = { ' ', 'a', 't', ' ' };
    for (size_t i = 0; i < count; i++)
        if (spans[i].type == DV_PII_URL && spans[i].start > sizeof at && memcmp(text + spans[i].start - sizeof at, at, sizeof at) == 0)
            return true;
    return false;
}

/* Adds what patterns find in the folded text. */
static size_t add_folded(const struct dv_finder *finder, const char *text, size_t length, uint32_t seen, struct dv_span *spans, size_t count,
                         size_t max)
{
    size_t folded = 0;
    if (!dv_fold_wanted(finder->fold, text, length, seen) && !is_host_said(text, spans, count))
        return count;
    const struct dv_span *more = dv_fold_find(finder->fold, &finder->detector, text, length, &folded);
    return folded > 0 ? add_spans(finder, length, more, folded, spans, count, max) : count;
}

/* Adds what the user's detectors find. */
static size_t add_own(const struct dv_finder *finder, const char *text, size_t length, struct dv_span *spans, size_t count, size_t max)
{
    for (uint32_t i = 0; i < finder->custom_count; i++) {
        const struct dv_finder_custom *custom = &finder->customs[i];
        size_t own = dv_custom_scan(custom->rules, custom->room, text, length, finder->own, FOUND_MAX);
        count = add_spans(finder, length, finder->own, own, spans, count, max);
    }
    return count;
}

/* Adds the further places of what was found once. */
static size_t add_again(const struct dv_finder *finder, const char *text, size_t length, struct dv_span *spans, size_t count, size_t max)
{
    size_t again = dv_again_find(text, length, spans, count, finder->again, AGAIN_MAX);
    return again > 0 ? add_spans(finder, length, finder->again, again, spans, count, max) : count;
}

/* Patterns, in the text as it stands and in its folded form, then what structure tells, then what the user defines; the tagger works on all. */
static size_t find_plain(const struct dv_finder *finder, const char *text, size_t length, struct dv_span *spans, size_t max, uint32_t *ret_seen)
{
    bool tagged = finder->tagger != NULL;
    struct dv_span *found = tagged ? finder->found : spans;
    size_t room = tagged ? FOUND_MAX : max, plain_count = 0;
    size_t count = dv_detect_seen(&finder->detector, &finder->glance, text, length, found, room, ret_seen);
    count = add_folded(finder, text, length, *ret_seen, found, count, room);
    count = dv_structure_find(finder->structure, text, length, *ret_seen, finder->types, found, count, room);
    if (finder->custom_count > 0)
        count = add_own(finder, text, length, found, count, room);
    if (tagged) {
        const struct dv_span *plain = dv_structure_plain(finder->structure, &plain_count);
        const struct dv_known known = { .found = found, .found_count = count, .plain = plain, .plain_count = plain_count };
        count = dv_tag(finder->tagger, finder->room, text, length, &known, spans, max);
    }
    count = dv_structure_vote(finder->structure, spans, count, max);
    count = add_again(finder, text, length, spans, count, max);
    return keep_wanted(finder, text, spans, count);
}

size_t dv_find_plain(const struct dv_finder *finder, const char *text, size_t length, struct dv_span *spans, size_t max)
{
    uint32_t seen = 0;
    return find_plain(finder, text, length, spans, max, &seen);
}

/* The first of all findings; if there is no room for one of them, it and the rest are covered by the last. */
static size_t first_of(const struct dv_span *all, size_t count, size_t length, struct dv_span *spans, size_t max)
{
    size_t kept = count < max ? count : max;
    memcpy(spans, all, kept * sizeof *spans);
    if (kept < count)
        spans[kept - 1] = (struct dv_span){ .start = all[kept - 1].start, .end = (uint32_t)length, .type = DV_PII_OTHER,
                                            .score = 1000, .why = "too many findings: the rest is covered" };
    return kept;
}

size_t dv_find(const struct dv_finder *finder, const char *text, size_t length, struct dv_span *spans, size_t max)
{
    uint32_t seen = 0;
    size_t count = find_plain(finder, text, length, finder->all, FOUND_MAX, &seen);
    if ((seen & (DV_SEEN_ESCAPES | DV_SEEN_RUNS)) != 0)
        count = dv_hidden_find(finder->hidden, finder, text, length, seen, finder->all, count, FOUND_MAX);
    return first_of(finder->all, count, length, spans, max);
}
