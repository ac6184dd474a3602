/* SPDX-License-Identifier: Apache-2.0
 * redact.c - detects, measures the result, writes it once. */
#include "privacy/redact.h"

#include <string.h>

#include "privacy/detect_rows.h"

static size_t redacted_length(const struct dv_span *spans, size_t count, size_t length)
{
    for (size_t i = 0; i < count; i++)
        length += strlen(dv_pii_name(spans[i].type)) + 2 - (spans[i].end - spans[i].start);
    return length;
}

static char *put(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}

static void write_redacted(char *at, const char *text, size_t length, const struct dv_span *spans, size_t count)
{
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = dv_pii_name(spans[i].type);
        at = put(at, text + done, spans[i].start - done);
        *at++ = '[';
        at = put(at, name, strlen(name));
        *at++ = ']';
        done = spans[i].end;
    }
    put(at, text + done, length - done);
}

dv_rc dv_redact(const struct dv_finder *finder, struct dv_arena *arena, const char *text, size_t length,
                struct dv_redacted *ret_redacted)
{
    DV_UNINITIALIZED struct dv_span spans[DV_REDACT_SPANS_MAX];
    *ret_redacted = (struct dv_redacted){ .text = "" };
    if (length > UINT32_MAX)
        return DV_E_LIMIT;
    size_t count = dv_find(finder, text, length, spans, DV_REDACT_SPANS_MAX);
    if (count == 0) {
        *ret_redacted = (struct dv_redacted){ .text = text, .length = (uint32_t)length };
        return DV_OK;
    }
    size_t size = redacted_length(spans, count, length);
    char *copy = size <= UINT32_MAX ? dv_arena_text(arena, size) : NULL;
    if (copy == NULL)
        return DV_E_MEMORY;
    write_redacted(copy, text, length, spans, count);
    *ret_redacted = (struct dv_redacted){ .text = copy, .length = (uint32_t)size };
    return DV_OK;
}
