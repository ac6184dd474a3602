/* SPDX-License-Identifier: Apache-2.0
 * again.c - few values are looked for all at once, by two of their letters; many by their first letters, in a small table. */
#include "privacy/again.h"

#include <emmintrin.h>
#include <string.h>

#include "engine/error.h"
#include "privacy/detect_rows.h"

/* SLOTS is a power of two. */
enum { VALUES_MAX = 128, FEW = 4, BLOCK = 16, SLOTS = 512, CHARS_MAX = 64, STRONG_SCORE = 600, AGAIN_SCORE = 550 };

#define TYPES                                                                                                          \
    (1u << DV_PII_EMAIL | 1u << DV_PII_PHONE | 1u << DV_PII_SSN | 1u << DV_PII_CREDIT_CARD | 1u << DV_PII_IBAN |       \
     1u << DV_PII_MRN | 1u << DV_PII_ID | 1u << DV_PII_ACCOUNT)

/* A value, from its first letter or digit to its last one. */
struct value {
    const unsigned char *text;
    uint32_t length, lead; /* bytes of the finding before it: "(", "+" */
    enum dv_pii type;
};

/* The table is there when there are more than FEW: most texts have one value or two, and clearing it costs more than they do. */
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

/* Whether the value stands at text[0..left) as a whole word. */
static bool stands_at(const struct value *value, const unsigned char *text, size_t left)
{
    bool ends = value->length == left || (value->length < left && !is_word(text[value->length]));
    return ends && is_same(value->text, text, value->length);
}

/* The longest value that stands at text[0..left) as a whole word. */
static const struct value *value_at(const struct values *values, const unsigned char *text, size_t left)
{
    const struct value *best = NULL;
    if (values->count <= FEW) {
        for (const struct value *value = values->items; value < values->items + values->count; value++)
            if ((best == NULL || best->length < value->length) && stands_at(value, text, left))
                best = value;
        return best;
    }
    for (uint32_t slot = slot_of(text); values->slots[slot] != 0; slot = (slot + 1) & (SLOTS - 1)) {
        const struct value *value = &values->items[values->slots[slot] - 1];
        if ((best == NULL || best->length < value->length) && stands_at(value, text, left))
            best = value;
    }
    return best;
}

/* Puts a value into the table. */
static void enter(struct values *values, uint32_t index)
{
    const unsigned char *text = values->items[index].text;
    uint32_t slot = slot_of(text);
    while (values->slots[slot] != 0)
        slot = (slot + 1) & (SLOTS - 1);
    values->slots[slot] = (uint8_t)(index + 1);
    values->begins[dv_lower(*text)] = true;
    values->begins[dv_is_letter(*text) ? *text & 0xDF : *text] = true;
}

static void add(struct values *values, const struct value *value)
{
    values->items[values->count++] = *value;
    if (values->count == FEW + 1) {
        memset(values->slots, 0, sizeof values->slots);
        memset(values->begins, 0, sizeof values->begins);
        for (uint32_t i = 0; i < FEW; i++)
            enter(values, i);
    }
    if (values->count > FEW)
        enter(values, values->count - 1);
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
    add(values, &value);
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

static __m128i load(const unsigned char *bytes)
{
    return _mm_or_si128(_mm_loadu_si128((const __m128i *)(const void *)bytes), _mm_set1_epi8(0x20));
}

/* Bit i: the first letter of some value, of the few, stands at text[i], and its letter DV_AGAIN_CHARS_MIN as far behind. */
static uint32_t may_begin(const struct values *values, const unsigned char *text)
{
    const __m128i first = load(text), last = load(text + DV_AGAIN_CHARS_MIN - 1);
    __m128i any = _mm_setzero_si128();
    for (uint32_t i = 0; i < values->count; i++) {
        const unsigned char *value = values->items[i].text;
        __m128i begins = _mm_cmpeq_epi8(first, _mm_set1_epi8((char)(value[0] | 0x20)));
        __m128i goes_on = _mm_cmpeq_epi8(last, _mm_set1_epi8((char)(value[DV_AGAIN_CHARS_MIN - 1] | 0x20)));
        any = _mm_or_si128(any, _mm_and_si128(begins, goes_on));
    }
    return (uint32_t)_mm_movemask_epi8(any);
}

/* The next place from `at` on where a value may begin; DV_AGAIN_CHARS_MIN - 1 bytes stand behind `end`. */
static uint32_t next_place(const struct values *values, const unsigned char *text, uint32_t at, uint32_t end)
{
    if (at >= end)
        return end;
    if (values->count > FEW) {
        while (at < end && !values->begins[text[at]])
            at++;
        return at;
    }
    for (; end - at >= BLOCK; at += BLOCK) {
        uint32_t places = may_begin(values, text + at);
        if (places != 0)
            return at + (uint32_t)__builtin_ctz(places);
    }
    if (at == end || end < BLOCK)
        return at;
    uint32_t places = may_begin(values, text + end - BLOCK) >> (at - (end - BLOCK));
    return places != 0 ? at + (uint32_t)__builtin_ctz(places) : end;
}

static size_t find(const struct values *values, const unsigned char *text, uint32_t length, const struct dv_span *spans,
                   size_t count, struct dv_span *more, size_t max)
{
    size_t found = 0, next = 0;
    const uint32_t end = length - (DV_AGAIN_CHARS_MIN - 1); /* no shorter text has a value */
    for (uint32_t at = next_place(values, text, 0, end); at < end && found < max; at = next_place(values, text, at + 1, end)) {
        if (at > 0 && is_word(text[at - 1]))
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
    note_values(&values, bytes, spans, count);
    return values.count > 0 ? find(&values, bytes, (uint32_t)length, spans, count, more, max) : 0;
}
