/* SPDX-License-Identifier: Apache-2.0
 * sse_frame.c - an id names the process by its epoch, because sequence numbers begin again with each. */
#include "dashboard/server/sse_frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/error.h"

/* "id: ", the epoch, "-", a number, "\nevent: ", "\ndata: ", "\n\n", and what the replacement says. */
enum { FRAME_EXTRA = 128, EPOCH_DIGITS = 16, SEQ_DIGITS_MAX = 20 };

static bool is_skipped(const struct dv_event *event)
{
    return event->length + strlen(event->name) + FRAME_EXTRA > DV_SSE_PENDING;
}

size_t dv_sse_frame_bound(const struct dv_event *event)
{
    return FRAME_EXTRA + strlen(event->name) + (is_skipped(event) ? 0 : event->length);
}

size_t dv_sse_frame(char *out, uint64_t epoch, const struct dv_event *event)
{
    size_t bound = dv_sse_frame_bound(event);
    int length;
    if (is_skipped(event)) {
        length = snprintf(out, bound,
                          "id: %016" PRIx64 "-%" PRIu64 "\nevent: skipped\ndata: {\"node\":\"%s\",\"bytes\":%zu}\n\n",
                          epoch, event->id, event->name, event->length);
        DV_ASSERT(length > 0 && (size_t)length < bound);
        return (size_t)length;
    }
    /* The feed lets no line end in; one here would be a forged event. */
    DV_ASSERT(memchr(event->json, '\n', event->length) == NULL && memchr(event->json, '\r', event->length) == NULL);
    length = snprintf(out, bound, "id: %016" PRIx64 "-%" PRIu64 "\nevent: %s\ndata: ", epoch, event->id, event->name);
    DV_ASSERT(length > 0 && (size_t)length + event->length + 2 <= bound);
    char *at = out + length;
    memcpy(at, event->json, event->length);
    memcpy(at + event->length, "\n\n", 2);
    return (size_t)length + event->length + 2;
}

bool dv_sse_parse_id(struct dv_span id, uint64_t epoch, uint64_t *ret_seq)
{
    char ours[EPOCH_DIGITS + 2];
    (void)snprintf(ours, sizeof ours, "%016" PRIx64 "-", epoch);
    size_t skip = sizeof ours - 1;
    if (id.text == NULL || id.length <= skip || id.length > skip + SEQ_DIGITS_MAX - 1 ||
        memcmp(id.text, ours, skip) != 0)
        return false;
    uint64_t seq = 0;
    for (size_t i = skip; i < id.length; i++) {
        if (id.text[i] < '0' || id.text[i] > '9')
            return false;
        seq = seq * 10 + (uint64_t)(id.text[i] - '0');
    }
    *ret_seq = seq;
    return true;
}
