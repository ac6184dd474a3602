/* SPDX-License-Identifier: Apache-2.0
 * fuzz_structure.c - any bytes through the readers of structure: spans are sorted and in bounds, what the patterns found stays
 * covered, plain values are in order, the same text gives the same, less room covers no less, and the work is bounded. */
#include <stdint.h>
#include <string.h>

#include "engine/error.h"
#include "privacy/finder.h"
#include "privacy/glance.h"
#include "privacy/structure.h"

enum { SPANS = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_order(const struct dv_span *spans, size_t count, size_t size)
{
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        DV_ASSERT(spans[i].start >= end && spans[i].start < spans[i].end && spans[i].end <= size);
        end = spans[i].end;
    }
}

static bool is_covered(const struct dv_span *spans, size_t count, const struct dv_span *found)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i].start <= found->start && found->end <= spans[i].end)
            return true;
    return false;
}

/* Patterns, structure, votes. */
static size_t find(const struct dv_detector *detector, struct dv_structure *structure, const uint8_t *data, size_t size,
                   struct dv_span *spans, size_t max)
{
    const char *text = (const char *)data;
    size_t count = dv_detect(detector, text, size, spans, max);
    count = dv_structure_find(structure, text, size, DV_SEEN_ALL, DV_PII_ALL, spans, count, max);
    check_order(spans, count, size);
    count = dv_structure_vote(structure, spans, count, max);
    check_order(spans, count, size);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dv_structure *structure;
    struct dv_detector detector;
    struct dv_span a[SPANS], b[SPANS], found[SPANS];
    size_t plain_count = 0;
    if (structure == NULL)
        structure = dv_structure_new();
    DV_ASSERT(structure != NULL);
    dv_detector_init(&detector, NULL);
    size_t count = find(&detector, structure, data, size, a, SPANS);
    const struct dv_span *plain = dv_structure_plain(structure, &plain_count);
    check_order(plain, plain_count, size);
    size_t patterns = dv_detect(&detector, (const char *)data, size, found, SPANS);
    for (size_t i = 0; patterns < SPANS && i < patterns; i++)
        DV_ASSERT(is_covered(a, count, &found[i]));
    DV_ASSERT(find(&detector, structure, data, size, b, SPANS) == count);
    DV_ASSERT(memcmp(a, b, count * sizeof *a) == 0);
    count = dv_detect(&detector, (const char *)data, size, a, SPANS);
    count = dv_structure_find(structure, (const char *)data, size, DV_SEEN_ALL, DV_PII_ALL, a, count, SPANS);
    for (size_t room = 1; room < 4; room++) { /* without votes, which need to see what they count */
        size_t fewer = dv_detect(&detector, (const char *)data, size, b, room);
        fewer = dv_structure_find(structure, (const char *)data, size, DV_SEEN_ALL, DV_PII_ALL, b, fewer, room);
        check_order(b, fewer, size);
        DV_ASSERT(fewer <= room && (fewer == 0) == (count == 0));
        for (size_t i = 0; i < count; i++)
            DV_ASSERT(is_covered(b, fewer, &a[i]));
    }
    return 0;
}
