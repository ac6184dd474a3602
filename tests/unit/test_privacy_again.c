/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_again.c - values are found again exactly where a slow reading finds them, whether they are few or many. DV_SEED repeats
 * a run.
 *
 * shows: ANO-1 PRV-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <cmocka.h>

#include "privacy/again.h"
#include "privacy/detect_rows.h"

enum { TEXTS = 30000, TEXT_MAX = 700, VALUES = 40, FOUND = 256, LEAST = 6, MOST = 64, STRONG = 600 };

/* What a value is, without what stands around it. */
struct known {
    struct dv_span span;
    uint32_t lead, length;
};

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static unsigned below(uint64_t *seed, unsigned bound)
{
    return (unsigned)(next_random(seed) >> 33) % bound;
}

static bool in_word(const char *text, size_t at)
{
    return dv_is_alnum((unsigned char)text[at]) || (unsigned char)text[at] >= 0x80;
}

/* Of few letters, so that much stands twice: a piece of what was written, a letter of it in the other case, or a new letter. */
static size_t random_text(uint64_t *seed, char *text, size_t max)
{
    static const char letters[] = "1a2B -@`\xC3(.Z3";
    unsigned kinds = 2 + below(seed, sizeof letters - 3);
    size_t length = 0, wanted = below(seed, (unsigned)max);
    while (length < wanted) {
        size_t bytes = LEAST + below(seed, 14);
        if (below(seed, 12) != 0 || length < bytes || length + bytes > max) {
            text[length++] = letters[below(seed, kinds)];
            continue;
        }
        memmove(text + length, text + below(seed, (unsigned)(length - bytes + 1)), bytes);
        length += bytes;
        if (dv_is_letter((unsigned char)text[length - 1]))
            text[length - 1] ^= 0x20;
    }
    return length;
}

/* Spans in order and apart; of most texts few. */
static size_t random_spans(uint64_t *seed, size_t length, struct dv_span *spans)
{
    static const enum dv_pii types[] = { DV_PII_PHONE, DV_PII_MRN, DV_PII_PERSON, DV_PII_SSN };
    const size_t most = below(seed, 2) == 0 ? below(seed, 6) : VALUES;
    unsigned gap = 1 + below(seed, 60);
    size_t count = 0;
    for (uint32_t at = below(seed, gap); count < most; at += below(seed, gap)) {
        uint32_t end = at + 1 + below(seed, 20);
        if (end > length)
            break;
        spans[count++] = (struct dv_span){ .start = at, .end = end, .type = types[below(seed, 4)], .score = (uint16_t)(500 + below(seed, 400)) };
        at = end;
    }
    return count;
}

/* Whether the span has a value that is looked for. */
static bool has_value(const char *text, const struct dv_span *span, struct known *known)
{
    uint32_t start = span->start, end = span->end;
    bool digit = false;
    while (start < end && !in_word(text, start))
        start++;
    while (start < end && !in_word(text, end - 1))
        end--;
    for (uint32_t i = start; i < end; i++)
        digit = digit || dv_is_digit((unsigned char)text[i]);
    *known = (struct known){ .span = *span, .lead = start - span->start, .length = end - start };
    return digit && end - start >= LEAST && end - start <= MOST && span->score >= STRONG && span->type != DV_PII_PERSON;
}

/* The longest value at a place, of equal ones the first; its length, or 0. */
static uint32_t longest_at(const char *text, size_t length, size_t at, const struct dv_span *spans, size_t count, struct known *best)
{
    uint32_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct known known;
        if (!has_value(text, &spans[i], &known) || known.length <= bytes || known.length > length - at)
            continue;
        bool ends = at + known.length == length || !in_word(text, at + known.length);
        if (!ends || strncasecmp(text + spans[i].start + known.lead, text + at, known.length) != 0)
            continue;
        *best = known;
        bytes = known.length;
    }
    return bytes;
}

static bool is_inside(const struct dv_span *spans, size_t count, uint32_t start, uint32_t end)
{
    for (size_t i = 0; i < count; i++)
        if (spans[i].start <= start && spans[i].end >= end)
            return true;
    return false;
}

/* What must be found, read slowly. */
static size_t expected(const char *text, size_t length, const struct dv_span *spans, size_t count, struct dv_span *more)
{
    size_t found = 0;
    for (uint32_t at = 0; at < length; at++) {
        struct known best = { 0 };
        uint32_t bytes = at > 0 && in_word(text, at - 1) ? 0 : longest_at(text, length, at, spans, count, &best);
        if (bytes == 0)
            continue;
        bool lead = best.lead <= at && memcmp(text + best.span.start, text + at - best.lead, best.lead) == 0;
        uint32_t start = lead ? at - best.lead : at;
        if (!is_inside(spans, count, start, at + bytes))
            more[found++] = (struct dv_span){ .start = start, .end = at + bytes, .type = best.span.type };
        at += bytes - 1;
    }
    return found;
}

static size_t check(const char *text, size_t length, const struct dv_span *spans, size_t count)
{
    struct dv_span found[FOUND] = { 0 }, wanted[FOUND] = { 0 };
    size_t wanted_count = expected(text, length, spans, count, wanted);
    size_t found_count = dv_again_find(text, length, spans, count, found, FOUND);
    assert_int_equal(found_count, wanted_count);
    for (size_t i = 0; i < found_count; i++)
        assert_true(found[i].start == wanted[i].start && found[i].end == wanted[i].end && found[i].type == wanted[i].type);
    return found_count;
}

static void finds_what_a_slow_reading_finds(void **state)
{
    const char *given = getenv("DV_SEED");
    uint64_t seed = (given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u) | 1;
    size_t few = 0, many = 0;
    (void)state;
    print_message("DV_SEED=%llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < TEXTS; i++) {
        char buffer[TEXT_MAX + 1] = { 0 };
        struct dv_span spans[VALUES] = { 0 };
        size_t length = random_text(&seed, buffer, TEXT_MAX);
        char *text = test_malloc(length + 1); /* its own block, so that a read past the end is seen */
        memcpy(text + 1, buffer, length);
        size_t count = random_spans(&seed, length, spans);
        size_t found = check(text + 1, length, spans, count);
        *(count > 8 ? &many : &few) += found;
        test_free(text);
    }
    assert_true(few > 100 && many > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(finds_what_a_slow_reading_finds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
