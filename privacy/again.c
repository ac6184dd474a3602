/* SPDX-License-Identifier: Apache-2.0
 * again.c - the first letters of each value in a small table, and one pass over the words. */
#include "privacy/again.h"

#include <string.h>

#include "engine/error.h"
#include "privacy/detect_rows.h"

/* SLOTS is a power of two. */
enum { VALUES_MAX = 128, SLOTS = 512, CHARS_MAX = 64, STRONG_SCORE = 600, AGAIN_SCORE = 550 };

#define TYPES                                                                                                          \
    (1u << DV_PII_EMAIL | 1u << DV_PII_PHONE | 1u << DV_PII_SSN | 1u << DV_PII_CREDIT_CARD | 1u << DV_PII_IBAN |       \
     1u << DV_PII_MRN | 1u << DV_PII_ID | 1u << DV_PII_ACCOUNT)

/* A value, from its first letter or digit to its last one. */
struct value {
    const unsigned char *text;
    uint32_t length, lead; /* bytes of the finding before it: "(", "+" */
    enum dv_pii type;
};

struct values {
    struct value items[VALUES_MAX];
    uint32_t count;
    uint8_t slots[SLOTS];     /* index + 1; 0: free */
    bool begins[UINT8_MAX + 1]; /* some value, in either case */
};

static bool is_word(unsigned char byte)
{
    return dv_is_alnum(byte) || byte >= 0x80;
}

/* Of the first DV_AGAIN_CHARS_MIN bytes, in lower case. */
static uint32_t slot_of(const unsigned char *text)
{
    uint32_t hash = 0;
    for (uint32_t i = 0; i < DV_AGAIN_CHARS_MIN; i++)
        hash = (hash ^ dv_lower(text[i])) * 0x9E3779B1u;
    return hash >> 16 & (SLOTS - 1);
}

static bool is_same(const unsigned char *a, const unsigned char *b, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (dv_lower(a[i]) != dv_lower(b[i]))
            return false;
    return true;
}

/* The longest value that stands at text[0..left) as a whole word. */
static const struct value *value_at(const struct values *values, const unsigned char *text, size_t left)
{
    const struct value *best = NULL;
    for (uint32_t slot = slot_of(text); values->slots[slot] != 0; slot = (slot + 1) & (SLOTS - 1)) {
        const struct value *value = &values->items[values->slots[slot] - 1];
        bool ends = value->length == left || (value->length < left && !is_word(text[value->length]));
        if (ends && is_same(value->text, text, value->length) && (best == NULL || best->length < value->length))
            best = value;
    }
    return best;
}

static bool has_digit(const unsigned char *text, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (dv_is_digit(text[i]))
            return true;
    return false;
}

static void note(struct values *values, const unsigned char *text, const struct dv_span *span)
{
    struct value value = { .text = text + span->start, .length = span->end - span->start, .type = span->type };
    for (; value.length > 0 && !is_word(*value.text); value.lead++, value.length--)
        value.text++;
    while (value.length > 0 && !is_word(value.text[value.length - 1]))
        value.length--;
    if (value.length < DV_AGAIN_CHARS_MIN || value.length > CHARS_MAX || !has_digit(value.text, value.length))
        return;
    const struct value *known = value_at(values, value.text, value.length);
    if (known != NULL && known->length == value.length)
        return;
    uint32_t slot = slot_of(value.text);
    while (values->slots[slot] != 0)
        slot = (slot + 1) & (SLOTS - 1);
    values->items[values->count++] = value;
    values->slots[slot] = (uint8_t)values->count;
    values->begins[dv_lower(*value.text)] = true;
    values->begins[dv_is_letter(*value.text) ? *value.text & 0xDF : *value.text] = true;
}

static void note_values(struct values *values, const unsigned char *text, const struct dv_span *spans, size_t count)
{
    for (size_t i = 0; i < count && values->count < VALUES_MAX; i++)
        if ((TYPES >> spans[i].type & 1u) != 0 && spans[i].score >= STRONG_SCORE)
            note(values, text, &spans[i]);
}

static struct dv_span span_of(const struct value *value, const unsigned char *text, uint32_t at)
{
    bool lead = value->lead <= at && memcmp(value->text - value->lead, text + at - value->lead, value->lead) == 0;
    return (struct dv_span){ .start = lead ? at - value->lead : at,
                             .end = at + value->length,
                             .type = value->type,
                             .score = AGAIN_SCORE,
                             .why = "the same value was found elsewhere in the text" };
}

static size_t find(const struct values *values, const unsigned char *text, uint32_t length, const struct dv_span *spans,
                   size_t count, struct dv_span *more, size_t max)
{
    size_t found = 0, next = 0;
    for (uint32_t at = 0; length - at >= DV_AGAIN_CHARS_MIN && found < max; at++) {
        if (!values->begins[text[at]] || (at > 0 && is_word(text[at - 1])))
            continue;
        const struct value *value = value_at(values, text + at, length - at);
        if (value == NULL)
            continue;
        const struct dv_span span = span_of(value, text, at);
        while (next < count && spans[next].end <= span.start)
            next++;
        at = span.end - 1;
        if (next == count || spans[next].start > span.start || spans[next].end < span.end)
            more[found++] = span;
    }
    return found;
}

size_t dv_again_find(const char *text, size_t length, const struct dv_span *spans, size_t count, struct dv_span *more,
                     size_t max)
{
    DV_ASSERT(length <= UINT32_MAX);
    const unsigned char *bytes = (const unsigned char *)text;
    DV_UNINITIALIZED struct values values;
    values.count = 0;
    memset(values.slots, 0, sizeof values.slots);
    memset(values.begins, 0, sizeof values.begins);
    note_values(&values, bytes, spans, count);
    return values.count > 0 ? find(&values, bytes, (uint32_t)length, spans, count, more, max) : 0;
}
