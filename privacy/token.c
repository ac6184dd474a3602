/* SPDX-License-Identifier: Apache-2.0
 * token.c - cuts a text into tokens. */
#include "privacy/token.h"

#include <string.h>

#include "engine/error.h"
#include "privacy/unicode.h"

enum { SHAPE_MAX = 20, HEAD_TAIL_MIN = 3 };

/* One character of the text. */
struct character {
    uint32_t code, bytes;
    enum dv_char_class class;
};

/* A token's folded characters and shape while it is read. */
struct word {
    uint32_t folded[DV_TOKEN_CHARS_MAX];
    uint32_t count;
    char shape[SHAPE_MAX];
    uint32_t shape_length;
    uint32_t last_class;
    bool has_digit;
};

static struct character peek(const struct dv_cutter *cutter, size_t at)
{
    struct character next = { .class = DV_CHAR_SPACE };
    if (at >= cutter->length)
        return next;
    next.code = dv_char_decode(cutter->text + at, cutter->length - at, &next.bytes);
    next.class = dv_char_class(next.code);
    return next;
}

static bool is_letter(enum dv_char_class class)
{
    return class == DV_CHAR_UPPER || class == DV_CHAR_LOWER || class == DV_CHAR_LETTER;
}

static bool is_alnum(enum dv_char_class class)
{
    return class == DV_CHAR_DIGIT || is_letter(class);
}

static uint32_t hash_run(const uint32_t *codes, uint32_t count, uint32_t hash)
{
    for (uint32_t i = 0; i < count; i++)
        hash = dv_mix(hash, codes[i]);
    return hash;
}

/* Digits each count, letters by runs: "dd/dd/dddd", "Xx", "Xd". */
static void add_shape(struct word *word, enum dv_char_class class, uint32_t folded)
{
    static const char letters[] = { [DV_CHAR_DIGIT] = 'd', [DV_CHAR_UPPER] = 'X', [DV_CHAR_LOWER] = 'x', [DV_CHAR_LETTER] = 'y' };
    char mark = is_alnum(class) ? letters[class] : folded < 0x80 ? (char)folded : '?';
    bool repeats = class != DV_CHAR_DIGIT && is_letter(class) && word->last_class == class;
    word->last_class = class;
    if (!repeats && word->shape_length < SHAPE_MAX)
        word->shape[word->shape_length++] = mark;
}

static void add(struct word *word, const struct character *next)
{
    if (next->class == DV_CHAR_IGNORED)
        return;
    uint32_t folded = dv_char_fold(next->code);
    if (word->count < DV_TOKEN_CHARS_MAX)
        word->folded[word->count++] = folded;
    word->has_digit = word->has_digit || next->class == DV_CHAR_DIGIT;
    add_shape(word, next->class, folded);
}

/* Whether `mark` between two characters joins them. */
static bool joins(uint32_t mark, enum dv_char_class before, enum dv_char_class after)
{
    uint32_t folded = dv_char_fold(mark);
    if (folded == '\'')
        return is_letter(before) && is_letter(after);
    if (folded == '_')
        return true;
    bool one = before == DV_CHAR_DIGIT || after == DV_CHAR_DIGIT;
    bool both = before == DV_CHAR_DIGIT && after == DV_CHAR_DIGIT;
    return folded == '-' ? one : both && (folded == '/' || folded == '.' || folded == ':' || folded == ',');
}

/* "Ann's" is Ann, and a mark and an s that say nothing. */
static bool is_possessive(const struct dv_cutter *cutter, size_t mark_at, uint32_t mark_bytes)
{
    struct character s = peek(cutter, mark_at + mark_bytes);
    return dv_char_fold(s.code) == 's' && !is_alnum(peek(cutter, mark_at + mark_bytes + s.bytes).class);
}

/* How far a run of letters, digits and what joins them reaches. */
static size_t read_run(const struct dv_cutter *cutter, size_t at, size_t end, struct word *word)
{
    enum dv_char_class before = DV_CHAR_SPACE;
    while (at < end && word->count < DV_TOKEN_CHARS_MAX) {
        struct character next = peek(cutter, at);
        if (!is_alnum(next.class) && next.class != DV_CHAR_IGNORED) {
            struct character after = peek(cutter, at + next.bytes);
            bool joined = at + next.bytes < end && is_alnum(after.class) && is_alnum(before) && joins(next.code, before, after.class);
            if (!joined || (dv_char_fold(next.code) == '\'' && is_possessive(cutter, at, next.bytes)))
                break;
        }
        add(word, &next);
        if (next.class != DV_CHAR_IGNORED)
            before = next.class;
        at += next.bytes;
    }
    return at;
}

/* The next finding that is not behind `at`. */
static const struct dv_span *next_span(struct dv_cutter *cutter)
{
    while (cutter->span < cutter->span_count && cutter->spans[cutter->span].end <= cutter->at)
        cutter->span++;
    return cutter->span < cutter->span_count ? &cutter->spans[cutter->span] : NULL;
}

static void finish(struct dv_token *token, const struct word *word)
{
    uint32_t count = word->count;
    const uint32_t *folded = word->folded;
    token->chars = (uint16_t)count;
    token->word = hash_run(folded, count, 1);
    token->shape = 3;
    for (uint32_t i = 0; i < word->shape_length; i++)
        token->shape = dv_mix(token->shape, (unsigned char)word->shape[i]);
    if (count < HEAD_TAIL_MIN)
        return;
    token->head2 = hash_run(folded, 2, 5);
    token->tail2 = hash_run(folded + count - 2, 2, 7);
    token->head3 = count > 3 ? hash_run(folded, 3, 11) : 0;
    token->tail3 = count > 3 ? hash_run(folded + count - 3, 3, 13) : 0;
    token->tail4 = count > 4 ? hash_run(folded + count - 4, 4, 17) : 0;
}

static void take_found(struct dv_cutter *cutter, const struct dv_span *span, struct dv_token *token)
{
    token->kind = DV_TOKEN_FOUND;
    token->found = (uint8_t)span->type;
    token->start = (uint32_t)cutter->at;
    token->end = span->end;
    token->word = dv_mix(19, (uint32_t)span->type);
    token->shape = dv_mix(23, (uint32_t)span->type);
    token->chars = (uint16_t)(span->end - cutter->at < UINT16_MAX ? span->end - cutter->at : UINT16_MAX);
    cutter->at = span->end;
}

static void take_text(struct dv_cutter *cutter, const struct character *first, size_t end, struct dv_token *token)
{
    DV_UNINITIALIZED struct word word;
    word.count = 0;
    word.shape_length = 0;
    word.last_class = DV_CHAR_SPACE;
    word.has_digit = false;
    token->start = (uint32_t)cutter->at;
    token->capital = first->class == DV_CHAR_UPPER;
    if (is_alnum(first->class)) {
        cutter->at = read_run(cutter, cutter->at, end, &word);
        token->kind = word.has_digit ? DV_TOKEN_NUMBER : DV_TOKEN_WORD;
    } else {
        add(&word, first);
        cutter->at += first->bytes;
        token->kind = first->class == DV_CHAR_NEWLINE ? DV_TOKEN_LINE : DV_TOKEN_MARK;
    }
    token->end = (uint32_t)cutter->at;
    finish(token, &word);
}

bool dv_token_next(struct dv_cutter *cutter, struct dv_token *token)
{
    size_t began = cutter->at;
    struct character first = { 0 };
    for (;; cutter->at += first.bytes) {
        if (cutter->at >= cutter->length)
            return false;
        first = peek(cutter, cutter->at);
        if (first.class != DV_CHAR_SPACE && first.class != DV_CHAR_IGNORED)
            break;
    }
    *token = (struct dv_token){ .joined = cutter->at == began && began > 0 };
    const struct dv_span *span = next_span(cutter);
    if (span != NULL && span->start <= cutter->at)
        take_found(cutter, span, token);
    else
        take_text(cutter, &first, span != NULL && span->start < cutter->length ? span->start : cutter->length, token);
    return true;
}
