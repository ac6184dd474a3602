/* SPDX-License-Identifier: Apache-2.0
 * spans.c - merging in place. */
#include "privacy/spans.h"

static bool is_stronger(const struct dv_span *a, const struct dv_span *b)
{
    return a->score != b->score ? a->score > b->score : a->end - a->start > b->end - b->start;
}

/* Joins spans that overlap, in place: `spans` is sorted by start. */
static size_t join(struct dv_span *spans, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct dv_span next = spans[i];
        if (kept > 0 && spans[kept - 1].end > next.start) {
            struct dv_span *last = &spans[kept - 1];
            struct dv_span joined = is_stronger(&next, last) ? next : *last;
            joined.start = last->start;
            joined.end = last->end > next.end ? last->end : next.end;
            *last = joined;
        } else {
            spans[kept++] = next;
        }
    }
    return kept;
}

/* Puts `more` among spans[0..count), by start; there is room. */
static void interleave(struct dv_span *spans, size_t count, const struct dv_span *more, size_t more_count)
{
    size_t to = count + more_count;
    for (size_t i = count, j = more_count; j > 0;)
        spans[--to] = i > 0 && spans[i - 1].start > more[j - 1].start ? spans[--i] : more[--j];
}

size_t dv_spans_merge(struct dv_span *spans, size_t count, size_t max, const struct dv_span *more, size_t more_count,
                      uint32_t length)
{
    if (count + more_count <= max) {
        interleave(spans, count, more, more_count);
        return join(spans, count + more_count);
    }
    size_t i = 0, j = 0;
    while (i + j < max - 1) {
        bool from_more = i == count || (j < more_count && more[j].start < spans[i].start);
        i += !from_more;
        j += from_more;
    }
    uint32_t cut = i < count ? spans[i].start : more[j].start;
    cut = j < more_count && more[j].start < cut ? more[j].start : cut;
    interleave(spans, i, more, j);
    spans[max - 1] = (struct dv_span){ .start = cut,
                                       .end = length,
                                       .type = DV_PII_OTHER,
                                       .score = 1000,
                                       .why = "too many findings: the rest is covered" };
    return join(spans, max);
}

size_t dv_spans_new(const struct dv_span *spans, size_t count, struct dv_span *more, size_t more_count)
{
    size_t kept = 0, next = 0;
    for (size_t i = 0; i < more_count; i++) {
        while (next < count && spans[next].end <= more[i].start)
            next++;
        bool known = next < count && spans[next].start <= more[i].start && more[i].end <= spans[next].end;
        if (!known)
            more[kept++] = more[i];
    }
    return kept;
}
