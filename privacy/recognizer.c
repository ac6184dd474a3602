/* SPDX-License-Identifier: Apache-2.0
 * recognizer.c - labels of pieces into spans of whole words. */
#include "privacy/recognizer.h"

#include <math.h>
#include <string.h>

#include "privacy/feature.h"
#include "privacy/tagger.h"
#include "privacy/unicode.h"

enum { WORD_BYTES_MAX = 256 };

/* The kinds a model may name, by the ends of their labels. */
static const struct {
    const char *label;
    enum dv_pii type;
} kinds[] = {
    { "GIVEN_NAME", DV_PII_PERSON },      { "SURNAME", DV_PII_PERSON },         { "PER", DV_PII_PERSON },
    { "PERSON", DV_PII_PERSON },          { "STREET_NAME", DV_PII_LOCATION },   { "BUILDING_NUMBER", DV_PII_LOCATION },
    { "CITY", DV_PII_LOCATION },          { "SECONDARY_ADDRESS", DV_PII_LOCATION }, { "STATE", DV_PII_LOCATION },
    { "ZIP_CODE", DV_PII_LOCATION },      { "LOC", DV_PII_LOCATION },           { "LOCATION", DV_PII_LOCATION },
};

static enum dv_pii kind_of(const char *label, size_t length)
{
    bool marked = length > 2 && label[1] == '-'; /* B- begins, I- goes on */
    label += marked ? 2 : 0;
    length -= marked ? 2 : 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].label) == length && memcmp(kinds[i].label, label, length) == 0)
            return kinds[i].type;
    }
    return DV_PII_OTHER;
}

dv_rc dv_recognizer_init(struct dv_recognizer *recognizer, const char *text, size_t length)
{
    *recognizer = (struct dv_recognizer){ 0 };
    for (size_t at = 0; at < length;) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t end = newline != NULL ? (size_t)(newline - text) : length;
        if (recognizer->count == DV_RECOGNIZER_LABELS_MAX || (recognizer->count == 0 && (end - at != 1 || text[at] != 'O')))
            return DV_E_DATA;
        recognizer->types[recognizer->count++] = (uint8_t)kind_of(text + at, end - at);
        at = end + 1;
    }
    return recognizer->count > 1 ? DV_OK : DV_E_DATA;
}

static bool is_strange(const struct dv_token *token, uint8_t lists, bool begins)
{
    if (token->kind != DV_TOKEN_WORD)
        return false;
    return (lists & DV_LIST_COMMON) == 0 || (token->capital && !begins);
}

bool dv_recognizer_wonders(const struct dv_tagger *tagger, const char *text, uint32_t from, uint32_t to,
                           const struct dv_span *spans, size_t count)
{
    struct dv_cutter cutter = { .text = (const unsigned char *)text, .length = to, .spans = spans, .span_count = count,
                                .at = from };
    struct dv_token token;
    bool begins = true;
    while (dv_token_next(&cutter, &token)) {
        if (is_strange(&token, dv_tagger_lists(tagger, &token), begins))
            return true;
        begins = token.kind == DV_TOKEN_LINE || token.kind == DV_TOKEN_MARK;
    }
    return false;
}

/* The likeliest kind of a piece, and how sure the model is that it is anything, in thousandths. */
static enum dv_pii judge(const struct dv_recognizer *recognizer, const float *logits, uint32_t *ret_sure)
{
    uint32_t best = 1;
    double others = 0;
    for (uint32_t i = 1; i < recognizer->count; i++) {
        best = logits[i] > logits[best] ? i : best;
        others += exp((double)logits[i] - (double)logits[0]);
    }
    *ret_sure = (uint32_t)(1000 * (1 - 1 / (1 + others)));
    return recognizer->types[best];
}

static bool is_word_char(const char *text, size_t length, uint32_t at, uint32_t *ret_bytes, bool *ret_letter)
{
    enum dv_char_class class = dv_char_class(dv_char_decode((const unsigned char *)text + at, length - at, ret_bytes));
    *ret_letter = class == DV_CHAR_UPPER || class == DV_CHAR_LOWER || class == DV_CHAR_LETTER;
    return *ret_letter || class == DV_CHAR_DIGIT || class == DV_CHAR_IGNORED;
}

/* Grows a piece to the word it is in, at most WORD_BYTES_MAX each way; false if there is no letter in it. */
static bool grow(const char *text, size_t length, struct dv_span *span)
{
    uint32_t bytes = 0, start = span->start, least = start > WORD_BYTES_MAX ? start - WORD_BYTES_MAX : 0;
    bool letter = false, any = false;
    while (start > least) {
        uint32_t before = start - 1;
        while (before > least && ((unsigned char)text[before] & 0xC0) == 0x80)
            before--;
        if (!is_word_char(text, length, before, &bytes, &letter) || before + bytes != start)
            break;
        start = before;
    }
    span->start = start;
    for (uint32_t at = start; at < length && at < span->end + WORD_BYTES_MAX; at += bytes) {
        bool within = is_word_char(text, length, at, &bytes, &letter);
        if (!within && at >= span->end)
            break;
        any = any || letter;
        span->end = at + bytes > span->end ? at + bytes : span->end;
    }
    return any;
}

/* Whether only a blank stands between two findings of a kind, which then are one. */
static bool follows(const char *text, const struct dv_span *last, const struct dv_span *span)
{
    return last->type == span->type && span->start >= last->end && span->start - last->end <= 1 &&
           (span->start == last->end || text[last->end] == ' ');
}

/* The place for a span among the sorted, or -1 if one of them touches it. */
static ptrdiff_t place_of(const struct dv_span *spans, size_t count, const struct dv_span *span)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (spans[middle].end <= span->start)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && spans[low].start < span->end ? -1 : (ptrdiff_t)low;
}

/* Full: the last one covers the rest, so that nothing found stays bare. */
static size_t cover_rest(struct dv_span *spans, size_t count, uint32_t from, size_t length)
{
    uint32_t start = spans[count - 1].start < from ? spans[count - 1].start : from;
    spans[count - 1] = (struct dv_span){ .start = start, .end = (uint32_t)length, .type = DV_PII_OTHER,
                                         .score = 1000, .why = "too many findings: the rest is covered" };
    return count;
}

static size_t put(const char *text, size_t length, struct dv_span *spans, size_t count, size_t max, const struct dv_span *span)
{
    ptrdiff_t place = place_of(spans, count, span);
    if (place < 0)
        return count;
    size_t at = (size_t)place;
    if (at > 0 && spans[at - 1].score == span->score && follows(text, &spans[at - 1], span)) {
        spans[at - 1].end = span->end;
        return count;
    }
    if (count == max)
        return cover_rest(spans, at < count ? at + 1 : count, span->start, length);
    memmove(&spans[at + 1], &spans[at], (count - at) * sizeof *spans);
    spans[at] = *span;
    return count + 1;
}

size_t dv_recognizer_add(const struct dv_recognizer *recognizer, const char *text, size_t length,
                         const struct dv_recognized *pieces, size_t piece_count, struct dv_span *spans, size_t count,
                         size_t max)
{
    for (size_t i = 0; i < piece_count; i++) {
        uint32_t sure = 0;
        enum dv_pii type = judge(recognizer, pieces[i].logits, &sure);
        struct dv_span span = { .start = pieces[i].start, .end = pieces[i].end, .type = type, .score = DV_RECOGNIZER_SURE,
                                .why = "the model of the thorough mode" };
        if (type == DV_PII_OTHER || sure < DV_RECOGNIZER_SURE || !grow(text, length, &span))
            continue;
        count = put(text, length, spans, count, max, &span);
    }
    return count;
}
