/* SPDX-License-Identifier: Apache-2.0
 * fuzz_detect.c - any bytes: spans are sorted and in bounds, both prefilters agree, a full array covers the rest. */
#include <stdint.h>
#include <string.h>

#include "engine/error.h"
#include "privacy/detect.h"

enum { SPANS = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_order(const struct dv_span *spans, size_t count, size_t size)
{
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        DV_ASSERT(spans[i].start >= end && spans[i].start < spans[i].end && spans[i].end <= size);
        end = spans[i].end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_detector fast;
    struct dv_detector plain;
    struct dv_span a[SPANS];
    struct dv_span b[SPANS];
    struct dv_span first;
    dv_detector_init(&fast, NULL);
    dv_detector_init(&plain, &(struct dv_detector_options){ .plain_c = true });
    const char *text = (const char *)data;
    size_t count = dv_detect(&fast, text, size, a, SPANS);
    check_order(a, count, size);
    DV_ASSERT(dv_detect(&plain, text, size, b, SPANS) == count);
    for (size_t i = 0; i < count; i++)
        DV_ASSERT(a[i].start == b[i].start && a[i].end == b[i].end && a[i].type == b[i].type);
    size_t found = dv_detect(&fast, text, size, &first, 1);
    DV_ASSERT(found == (count != 0));
    if (count != 0)
        DV_ASSERT(first.start == a[0].start && first.end >= a[count - 1].end);
    return 0;
}
