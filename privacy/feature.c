/* SPDX-License-Identifier: Apache-2.0
 * feature.c - a token's features, each a hash of a template's number and what fills it. */
#include "privacy/feature.h"

#include "engine/error.h"

/* Templates. Their numbers are part of every feature: a table fits one order only. */
enum template {
    T_BIAS = 1,
    T_WORD, /* five of them: two before to two behind */
    T_SHAPE = T_WORD + 5,
    T_WORDS_BEFORE = T_SHAPE + 5,
    T_WORDS_AFTER,
    T_SHAPES_BEFORE,
    T_SHAPES_AFTER,
    T_SHAPES_AROUND,
    T_HEAD2,
    T_HEAD3,
    T_TAIL2,
    T_TAIL3,
    T_TAIL4,
    T_LENGTH,
    T_LISTS, /* five again */
    T_LISTS_SHAPE = T_LISTS + 5,
    T_LISTS_BEFORE,
    T_LISTS_AFTER,
    T_FOUND, /* three: before to behind */
    T_LINE = T_FOUND + 3,
    T_KEY1,
    T_KEY2,
    T_KEY_SHAPE,
    T_KEY_NEAR,
    T_NEARBY,
    T_NEARBY_SHAPE,
    T_WORD_BEFORE_SHAPE,
    T_WORD_AFTER_SHAPE,
    T_JOINED,
};

enum { NEARBY = 5, SINCE_MAX = 15 };

static const struct dv_token nothing = { .word = 29, .shape = 31, .kind = DV_TOKEN_LINE };

/* One token's features under construction. */
struct list {
    uint32_t *features;
    uint32_t count;
};

static void add(struct list *list, uint32_t template, uint32_t value)
{
    DV_ASSERT(list->count < DV_FEATURES_MAX);
    list->features[list->count++] = dv_mix(dv_mix(37, template), value);
}

static const struct dv_token *around(const struct dv_sentence *sentence, uint32_t at, int offset)
{
    int64_t place = (int64_t)at + offset;
    return place >= 0 && place < sentence->count ? &sentence->tokens[place] : &nothing;
}

static uint32_t length_class(uint32_t chars)
{
    return chars < 4 ? chars : chars < 6 ? 4 : chars < 9 ? 5 : chars < 13 ? 6 : 7;
}

static void add_own(struct list *list, const struct dv_token *token)
{
    add(list, T_BIAS, 0);
    add(list, T_LENGTH, length_class(token->chars) * 8 + token->kind);
    if (token->head2 != 0)
        add(list, T_HEAD2, token->head2);
    if (token->head3 != 0)
        add(list, T_HEAD3, token->head3);
    if (token->tail2 != 0)
        add(list, T_TAIL2, token->tail2);
    if (token->tail3 != 0)
        add(list, T_TAIL3, token->tail3);
    if (token->tail4 != 0)
        add(list, T_TAIL4, token->tail4);
    add(list, T_JOINED, token->joined * 2u + token->capital);
}

static void add_windows(struct list *list, const struct dv_sentence *sentence, uint32_t at)
{
    for (int offset = -2; offset <= 2; offset++) {
        const struct dv_token *token = around(sentence, at, offset);
        uint32_t place = (uint32_t)(offset + 2);
        add(list, T_WORD + place, token->word);
        add(list, T_SHAPE + place, token->shape);
        if (token->lists != 0)
            add(list, T_LISTS + place, token->lists);
        if (offset >= -1 && offset <= 1 && token->kind == DV_TOKEN_FOUND)
            add(list, T_FOUND + (uint32_t)(offset + 1), token->found);
    }
}

static void add_pairs(struct list *list, const struct dv_sentence *sentence, uint32_t at)
{
    const struct dv_token *before = around(sentence, at, -1), *own = around(sentence, at, 0), *after = around(sentence, at, 1);
    uint32_t shape = dv_mix(own->shape, own->lists);
    add(list, T_WORDS_BEFORE, dv_mix(before->word, own->word));
    add(list, T_WORDS_AFTER, dv_mix(own->word, after->word));
    add(list, T_SHAPES_BEFORE, dv_mix(before->shape, own->shape));
    add(list, T_SHAPES_AFTER, dv_mix(own->shape, after->shape));
    add(list, T_SHAPES_AROUND, dv_mix(dv_mix(before->shape, own->shape), after->shape));
    add(list, T_LISTS_SHAPE, shape);
    add(list, T_LISTS_BEFORE, dv_mix(dv_mix(before->shape, before->lists), shape));
    add(list, T_LISTS_AFTER, dv_mix(shape, dv_mix(after->shape, after->lists)));
    add(list, T_WORD_BEFORE_SHAPE, dv_mix(before->word, shape));
    add(list, T_WORD_AFTER_SHAPE, dv_mix(shape, after->word));
}

/* Words a little further before, wherever they stand: "born", "passport", "lives". */
static void add_nearby(struct list *list, const struct dv_sentence *sentence, uint32_t at)
{
    const struct dv_token *own = &sentence->tokens[at];
    uint32_t from = at > NEARBY ? at - NEARBY : 0;
    for (uint32_t i = from; i + 1 < at; i++) {
        const struct dv_token *token = &sentence->tokens[i];
        if (token->kind != DV_TOKEN_WORD)
            continue;
        add(list, T_NEARBY, token->word);
        if (own->kind == DV_TOKEN_NUMBER)
            add(list, T_NEARBY_SHAPE, dv_mix(token->word, own->shape));
    }
}

static void add_line(struct list *list, const struct dv_sentence *sentence, uint32_t at)
{
    const struct dv_line_sight *line = &sentence->lines[at];
    const struct dv_token *own = &sentence->tokens[at];
    add(list, T_LINE, line->first + 2u * line->last + 4u * line->loud);
    if (line->key1 == 0)
        return;
    add(list, T_KEY1, line->key1);
    add(list, T_KEY2, line->key2);
    add(list, T_KEY_SHAPE, dv_mix(line->key1, own->shape));
    add(list, T_KEY_NEAR, dv_mix(line->key1, line->since_key));
}

uint32_t dv_features(const struct dv_sentence *sentence, uint32_t at, uint32_t features[DV_FEATURES_MAX])
{
    struct list list = { .features = features };
    add_own(&list, &sentence->tokens[at]);
    add_windows(&list, sentence, at);
    add_pairs(&list, sentence, at);
    add_nearby(&list, sentence, at);
    add_line(&list, sentence, at);
    return list.count;
}

/* The key words of a line as it is read. */
struct keys {
    uint32_t word, pair; /* of the words last read */
    uint32_t key1, key2;
    uint32_t since;
};

static bool is_mark(const struct dv_token *token, uint32_t code)
{
    return token->kind == DV_TOKEN_MARK && token->word == dv_mix(1, code);
}

static void read_token(struct keys *keys, const struct dv_token *token, const struct dv_token *before)
{
    if (is_mark(token, ':') || is_mark(token, '=')) {
        keys->key1 = keys->word;
        keys->key2 = keys->pair;
        keys->since = 0;
    } else if (token->kind == DV_TOKEN_WORD) {
        keys->pair = dv_mix(keys->word, token->word);
        keys->word = token->word;
    } else if (token->kind == DV_TOKEN_LINE) {
        bool goes_on = before != NULL && (is_mark(before, ':') || is_mark(before, '='));
        if (!goes_on)
            keys->key1 = keys->key2 = 0;
        keys->word = keys->pair = 0;
    }
    keys->since += keys->since < SINCE_MAX;
}

/* Whether the line from `from` on has letters and no lower-case ones. */
static bool is_loud(const struct dv_token *tokens, uint32_t from, uint32_t to)
{
    uint32_t upper_shape = dv_mix(3, 'X');
    uint32_t words = 0;
    for (uint32_t i = from; i < to; i++) {
        if (tokens[i].kind != DV_TOKEN_WORD)
            continue;
        if (tokens[i].shape != upper_shape)
            return false;
        words++;
    }
    return words >= 3;
}

static void read_line(struct keys *keys, const struct dv_token *tokens, uint32_t from, uint32_t to, struct dv_line_sight *lines)
{
    bool loud = is_loud(tokens, from, to);
    for (uint32_t i = from; i < to; i++) {
        lines[i] = (struct dv_line_sight){ .key1 = keys->key1, .key2 = keys->key2, .since_key = (uint8_t)keys->since,
                                           .first = i == from, .last = i + 1 == to, .loud = loud };
        read_token(keys, &tokens[i], i > 0 ? &tokens[i - 1] : NULL);
    }
}

void dv_lines_read(const struct dv_token *tokens, uint32_t count, struct dv_line_sight *lines)
{
    struct keys keys = { 0 };
    for (uint32_t from = 0; from < count;) {
        uint32_t to = from;
        while (to < count && tokens[to].kind != DV_TOKEN_LINE)
            to++;
        to += to < count;
        read_line(&keys, tokens, from, to, lines);
        from = to;
    }
}
