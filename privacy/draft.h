/* SPDX-License-Identifier: Apache-2.0
 * draft.h - a short result while it is put together, and digits read. Private to privacy/. */
#ifndef DV_PRIVACY_DRAFT_H
#define DV_PRIVACY_DRAFT_H

#include <string.h>

#include "engine/json_number.h"
#include "privacy/transform.h"

/* A result while it is put together. Not by printf(): a format costs more than all else that is done to a number. */
struct dv_draft {
    char text[DV_TRANSFORM_TEXT_MAX];
    size_t length;
};

/* Adds a byte; there must be room. */
static inline void dv_draft_add(struct dv_draft *draft, char byte)
{
    DV_ASSERT(draft->length < sizeof draft->text);
    draft->text[draft->length++] = byte;
}

/* Adds a number in decimal digits; there must be room. */
static inline void dv_draft_number(struct dv_draft *draft, int64_t number)
{
    DV_ASSERT(draft->length + DV_JSON_INT_MAX <= sizeof draft->text);
    draft->length += dv_json_put_int(draft->text + draft->length, number);
}

/* The number in `count` digits, with zeros in front. */
static inline void dv_draft_digits(struct dv_draft *draft, uint32_t number, uint32_t count)
{
    for (uint32_t i = count, unit = 1; i-- > 0; unit *= 10)
        draft->text[draft->length + i] = (char)('0' + number / unit % 10);
    draft->length += count;
}

/* Copies the result to its place; DV_E_LIMIT: no room there. */
static inline dv_rc dv_draft_give(const struct dv_draft *draft, struct dv_buffer *out)
{
    out->length = 0;
    if (draft->length > out->size)
        return DV_E_LIMIT;
    memcpy(out->text, draft->text, draft->length);
    out->length = draft->length;
    return DV_OK;
}

/* Reads exactly `count` digits; false if one is missing. */
static inline bool dv_read_digits(const char *text, size_t count, uint32_t *ret_value)
{
    *ret_value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *ret_value = *ret_value * 10 + (uint32_t)(text[i] - '0');
    }
    return count != 0;
}

#endif
