/* SPDX-License-Identifier: Apache-2.0
 * fuzz_find.c - any bytes through patterns and tagger: spans are sorted and in bounds, every byte the patterns found is
 * covered but for addresses of standards, what escapes and base64 hide only adds to it, the same text gives the same spans, and
 * a full array covers the rest. */
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
    patterns = dv_detect(&finder->detector, text, size, found, SPANS);
    size_t one = dv_find(finder, text, size, b, 1);
    DV_ASSERT(one <= 1 && (one == 1 || count == 0)); /* with less room it is not told any more that all were nobody's */
    if (count > 1)
        DV_ASSERT(b[0].end == size && (patterns == 0 || is_nobodys(text, &found[0]) || b[0].start <= found[0].start)); /* votes see less, too */
    return 0;
}
