/* SPDX-License-Identifier: Apache-2.0
 * fuzz_find.c - any bytes through patterns and tagger: spans are sorted and in bounds, every byte the patterns found is
 * covered but for addresses of standards, what escapes and base64 hide only adds to it, the same text gives the same spans, and
 * with less room the same come, the last of which covers the rest. */
#include <stdint.h>
#include <string.h>

#include "privacy/finder.h"
#include "privacy/standard_url.h"

enum { SPANS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct dv_finder *finder_of(void)
{
    static struct dv_finder finder;
    if (finder.tagger == NULL) {
        dv_rc rc = dv_finder_open(&finder, DV_PII_ALL);
        DV_ASSERT(rc == DV_OK);
    }
    return &finder;
}

static bool is_covered(const struct dv_span *spans, size_t count, const struct dv_span *found)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i].start <= found->start && found->end <= spans[i].end)
            return true;
    return false;
}

static bool is_nobodys(const char *text, const struct dv_span *span)
{
    return span->type == DV_PII_URL && dv_url_is_standard(text + span->start, span->end - span->start);
}

/* With room for `max` of the `count` spans that there are: the same, and the last one covers the rest. */
static void check_less_room(const char *text, size_t size, const struct dv_span *all, size_t count, size_t max)
{
    struct dv_span less[SPANS];
    size_t kept = dv_find(finder_of(), text, size, less, max);
    DV_ASSERT(kept == (count < max ? count : max));
    for (size_t i = 0; i < kept; i++) {
        bool rest = i + 1 == max && count > max;
        DV_ASSERT(less[i].start == all[i].start && less[i].end == (rest ? size : all[i].end));
        DV_ASSERT(less[i].type == (rest ? DV_PII_OTHER : all[i].type));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct dv_finder *finder = finder_of();
    const char *text = (const char *)data;
    struct dv_span a[SPANS], b[SPANS], found[SPANS];
    size_t count = dv_find(finder, text, size, a, SPANS);
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        DV_ASSERT(a[i].start >= end && a[i].start < a[i].end && a[i].end <= size);
        end = a[i].end;
    }
    DV_ASSERT(dv_find(finder, text, size, b, SPANS) == count);
    for (size_t i = 0; i < count; i++)
        DV_ASSERT(a[i].start == b[i].start && a[i].end == b[i].end && a[i].type == b[i].type);
    size_t patterns = dv_detect(&finder->detector, text, size, found, SPANS);
    for (size_t i = 0; patterns < SPANS && i < patterns; i++)
        DV_ASSERT(is_nobodys(text, &found[i]) || is_covered(a, count, &found[i]));
    size_t plain = dv_find_plain(finder, text, size, found, SPANS);
    for (size_t i = 0; i < plain; i++)
        DV_ASSERT(is_covered(a, count, &found[i]));
    check_less_room(text, size, a, count, 1);
    check_less_room(text, size, a, count, 1 + size % SPANS);
    return 0;
}
