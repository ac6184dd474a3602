/* SPDX-License-Identifier: Apache-2.0
 * tagger.c - the best row of labels for a text's tokens, and the spans it stands for. */
#include "privacy/tagger.h"

#include <string.h>

#include "engine/memory.h"
#include "privacy/feature.h"
#include "privacy/tagger_table.h"

enum { OUTSIDE = 0, TYPES = 15, SURE_SCORE = 900, TAGGED_SCORE = 600, AGAIN_SCORE = 550, NEVER = -(1 << 28), AHEAD = 3 };

#define TOO_MANY "too many findings: the rest is covered"

/* Names that a text is searched for again; a power of two. */
enum { NAMES_SLOTS = 256, NAMES_MAX = NAMES_SLOTS / 2, NAME_CHARS_MIN = 3 };

/* The types of the labels, in the table's order; the last three cover nothing. */
static const enum dv_pii types[TYPES] = {
    DV_PII_PERSON, DV_PII_LOCATION, DV_PII_DATE, DV_PII_EMAIL, DV_PII_PHONE, DV_PII_ID, DV_PII_MRN, DV_PII_CREDIT_CARD,
    DV_PII_ACCOUNT, DV_PII_IP, DV_PII_URL, DV_PII_USERNAME, DV_PII_COUNT, DV_PII_COUNT, DV_PII_COUNT,
};

struct dv_tagger_room {
    struct dv_token tokens[DV_SENTENCE_MAX];
    struct dv_line_sight lines[DV_SENTENCE_MAX];
    uint8_t back[DV_SENTENCE_MAX][DV_LABEL_ROOM]; /* the label before, on the best way to each label */
    uint8_t labels[DV_SENTENCE_MAX];
    uint32_t names[NAMES_SLOTS]; /* hashes of words of the names found; 0: free */
    uint32_t name_count;
};

/* Spans under construction. */
struct output {
    struct dv_span *spans;
    size_t count, max;
    uint32_t length; /* of the text */
};

struct dv_tagger_room *dv_tagger_room_new(void)
{
    return dv_memory_zeroed(1, sizeof(struct dv_tagger_room));
}

void dv_tagger_room_free(struct dv_tagger_room *room)
{
    if (room != NULL)
        explicit_bzero(room, sizeof *room);
    dv_memory_free(room);
}

static uint8_t lists_of(const struct dv_tagger *tagger, uint32_t word)
{
    for (uint32_t at = word & tagger->list_mask; tagger->list_words[at] != 0; at = (at + 1) & tagger->list_mask)
        if (tagger->list_words[at] == word)
            return tagger->list_bits[at];
    return 0;
}

uint8_t dv_tagger_lists(const struct dv_tagger *tagger, const struct dv_token *token)
{
    return token->kind == DV_TOKEN_WORD ? lists_of(tagger, token->word) : 0;
}

static const int16_t *row_of(const struct dv_tagger *tagger, uint32_t feature)
{
    for (uint32_t at = feature & tagger->slot_mask; tagger->slots[at].row != DV_TAGGER_EMPTY; at = (at + 1) & tagger->slot_mask)
        if (tagger->slots[at].feature == feature)
            return tagger->rows[tagger->slots[at].row].weights;
    return NULL;
}

/* A token's features on their way to its scores. The table is larger than the caches: what is looked up is asked for ahead
 * of time, first the slots of a token two ahead, then the rows of the next one. */
struct lookup {
    uint32_t features[DV_FEATURES_MAX];
    const int16_t *rows[DV_FEATURES_MAX];
    uint32_t count, row_count;
};

static void ask_slots(const struct dv_tagger *tagger, const struct dv_sentence *sentence, uint32_t at, struct lookup *lookup)
{
    lookup->count = at < sentence->count ? dv_features(sentence, at, lookup->features) : 0;
    for (uint32_t i = 0; i < lookup->count; i++)
        __builtin_prefetch(&tagger->slots[lookup->features[i] & tagger->slot_mask]);
}

static void ask_rows(const struct dv_tagger *tagger, struct lookup *lookup)
{
    lookup->row_count = 0;
    for (uint32_t i = 0; i < lookup->count; i++) {
        const int16_t *row = row_of(tagger, lookup->features[i]);
        lookup->rows[lookup->row_count] = row;
        lookup->row_count += row != NULL;
        __builtin_prefetch(row);
    }
}

/* What a token alone says for each label. */
static void score_token(const struct dv_tagger *tagger, const struct lookup *lookup, int32_t scores[DV_LABEL_ROOM])
{
    memset(scores, 0, DV_LABEL_ROOM * sizeof *scores);
    for (uint32_t i = 0; i < lookup->row_count; i++)
        for (uint32_t label = 0; label < DV_LABEL_ROOM; label++)
            scores[label] += lookup->rows[i][label];
    scores[OUTSIDE] -= tagger->outside_bias;
    scores[DV_LABELS] = NEVER;
}

/* One step of Viterbi's algorithm: the best way to each label, from the best ways to those before. */
static void step(const struct dv_tagger *tagger, const int32_t before[DV_LABEL_ROOM], int32_t scores[DV_LABEL_ROOM],
                 uint8_t back[DV_LABEL_ROOM])
{
    int32_t best[DV_LABEL_ROOM], from[DV_LABEL_ROOM];
    for (uint32_t label = 0; label < DV_LABEL_ROOM; label++) {
        best[label] = before[0] + tagger->transitions[0][label];
        from[label] = 0;
    }
    for (int32_t last = 1; last < DV_LABELS; last++)
        for (uint32_t label = 0; label < DV_LABEL_ROOM; label++) {
            int32_t way = before[last] + tagger->transitions[last][label];
            from[label] = way > best[label] ? last : from[label];
            best[label] = way > best[label] ? way : best[label];
        }
    for (uint32_t label = 0; label < DV_LABEL_ROOM; label++) {
        back[label] = (uint8_t)from[label];
        scores[label] += best[label];
    }
}

/* Labels the tokens. The first cannot continue anything: row OUTSIDE of the transitions says so. */
static void decode(const struct dv_tagger *tagger, struct dv_tagger_room *room, uint32_t count)
{
    const struct dv_sentence sentence = { .tokens = room->tokens, .lines = room->lines, .count = count };
    int32_t ways[2][DV_LABEL_ROOM] = { { 0 } };
    for (uint32_t label = 1; label < DV_LABEL_ROOM; label++)
        ways[1][label] = NEVER;
    DV_UNINITIALIZED struct lookup lookups[AHEAD];
    for (uint32_t at = 0; at < AHEAD - 1; at++)
        ask_slots(tagger, &sentence, at, &lookups[at]);
    ask_rows(tagger, &lookups[0]);
    for (uint32_t at = 0; at < count; at++) {
        ask_slots(tagger, &sentence, at + 2, &lookups[(at + 2) % AHEAD]);
        ask_rows(tagger, &lookups[(at + 1) % AHEAD]);
        score_token(tagger, &lookups[at % AHEAD], ways[at & 1]);
        step(tagger, ways[(at & 1) ^ 1], ways[at & 1], room->back[at]);
    }
    const int32_t *last = ways[(count - 1) & 1];
    uint8_t label = 0;
    for (uint32_t i = 1; i < DV_LABELS; i++)
        label = last[i] > last[label] ? (uint8_t)i : label;
    for (uint32_t at = count; at-- > 0; label = room->back[at][label])
        room->labels[at] = label;
}

static bool ends_sentence(const struct dv_token *token)
{
    return token->kind == DV_TOKEN_LINE || (token->kind == DV_TOKEN_MARK && token->word != dv_mix(1, ','));
}

/* Whether the token is worth a look at its line: clean text is most of what there is. */
static bool is_candidate(const struct dv_token *token, const struct dv_token *before, const struct dv_line_sight *line)
{
    enum { NAMES = DV_LIST_FIRST_NAME | DV_LIST_LAST_NAME | DV_LIST_PLACE, NUMBER_CHARS = 4 };
    if (token->kind == DV_TOKEN_FOUND || line->key1 != 0 || line->loud)
        return true;
    if (token->kind == DV_TOKEN_NUMBER)
        return token->chars >= NUMBER_CHARS;
    if (token->kind != DV_TOKEN_WORD)
        return false;
    bool common = (token->lists & DV_LIST_COMMON) != 0;
    if (token->lists & (DV_LIST_TITLE | DV_LIST_CALENDAR))
        return true;
    if (!common)
        return token->capital || (token->lists & NAMES) != 0 || token->lists == 0;
    return token->capital && before != NULL && !ends_sentence(before);
}

static bool has_candidates(const struct dv_tagger_room *room, uint32_t count)
{
    for (uint32_t at = 0; at < count; at++)
        if (is_candidate(&room->tokens[at], at > 0 ? &room->tokens[at - 1] : NULL, &room->lines[at]))
            return true;
    return false;
}

static void put_span(struct output *out, const struct dv_span *span)
{
    if (out->count == out->max) {
        struct dv_span *last = &out->spans[out->max - 1];
        *last = (struct dv_span){ .start = last->start, .end = out->length, .type = DV_PII_OTHER, .score = 1000,
                                  .why = TOO_MANY };
        return;
    }
    out->spans[out->count++] = *span;
}

static enum dv_pii type_of(uint8_t label)
{
    return label == OUTSIDE ? DV_PII_COUNT : types[(label - 1) / 2];
}

static bool continues(uint8_t label, uint8_t before)
{
    return label != OUTSIDE && label % 2 == 0 && before != OUTSIDE && (label - 1) / 2 == (before - 1) / 2;
}

/* A finding of the pattern layer keeps its type where it is sure, and stays covered whatever the labels say. */
static struct dv_span found_span(const struct dv_span *found, enum dv_pii tagged)
{
    struct dv_span span = *found;
    if (tagged != DV_PII_COUNT && found->score < SURE_SCORE && found->name == NULL) {
        span.type = tagged;
        span.why = "the tagger, on a pattern";
    }
    return span;
}

/* The spans of tokens from..count; `found` is the findings, *next the one not yet passed on. */
static void write_spans(const struct dv_tagger_room *room, uint32_t count, const struct dv_span *found, size_t found_count,
                        size_t *next, struct output *out)
{
    for (uint32_t at = 0; at < count;) {
        const struct dv_token *token = &room->tokens[at];
        enum dv_pii type = type_of(room->labels[at]);
        uint32_t to = at + 1;
        if (token->kind == DV_TOKEN_FOUND) {
            while (*next < found_count && found[*next].end < token->end)
                (*next)++;
            DV_ASSERT(*next < found_count);
            struct dv_span span = found_span(&found[*next], type);
            put_span(out, &span);
        } else if (type != DV_PII_COUNT) {
            while (to < count && room->tokens[to].kind != DV_TOKEN_FOUND && continues(room->labels[to], room->labels[to - 1]))
                to++;
            struct dv_span span = { .start = token->start, .end = room->tokens[to - 1].end, .type = type,
                                    .score = TAGGED_SCORE, .why = "the tagger" };
            put_span(out, &span);
        }
        at = to;
    }
}

static bool has_name(const struct dv_tagger_room *room, uint32_t word)
{
    for (uint32_t at = word % NAMES_SLOTS; room->names[at] != 0; at = (at + 1) % NAMES_SLOTS)
        if (room->names[at] == word)
            return true;
    return false;
}

static void note_name(struct dv_tagger_room *room, const struct dv_token *token)
{
    bool telling = token->kind == DV_TOKEN_WORD && token->capital && token->chars >= NAME_CHARS_MIN &&
                   (token->lists & (DV_LIST_COMMON | DV_LIST_TITLE | DV_LIST_CALENDAR)) == 0;
    if (!telling || token->word == 0 || room->name_count == NAMES_MAX || has_name(room, token->word))
        return;
    uint32_t at = token->word % NAMES_SLOTS;
    while (room->names[at] != 0)
        at = (at + 1) % NAMES_SLOTS;
    room->names[at] = token->word;
    room->name_count++;
}

static void note_names(struct dv_tagger_room *room, uint32_t count)
{
    for (uint32_t at = 0; at < count; at++)
        if (type_of(room->labels[at]) == DV_PII_PERSON)
            note_name(room, &room->tokens[at]);
}

/* Puts a span where it belongs. There is no room: everything from it on is covered. */
static void insert_span(struct output *out, size_t at, const struct dv_span *span)
{
    if (out->count == out->max) {
        at = at < out->count ? at : out->count - 1;
        uint32_t start = out->spans[at].start < span->start ? out->spans[at].start : span->start;
        out->spans[at] = (struct dv_span){ .start = start, .end = out->length, .type = DV_PII_OTHER, .score = 1000,
                                           .why = TOO_MANY };
        out->count = at + 1;
        return;
    }
    memmove(&out->spans[at + 1], &out->spans[at], (out->count - at) * sizeof *out->spans);
    out->spans[at] = *span;
    out->count++;
}

/* A name that was found once is one wherever else it stands in the text. */
static void find_again(struct dv_tagger_room *room, const char *text, size_t length, struct output *out)
{
    struct dv_cutter cutter = { .text = (const unsigned char *)text, .length = length };
    struct dv_token token;
    size_t next = 0;
    while (dv_token_next(&cutter, &token)) {
        while (next < out->count && out->spans[next].end <= token.start)
            next++;
        bool covered = next < out->count && out->spans[next].start < token.end;
        if (covered || token.kind != DV_TOKEN_WORD || !token.capital || !has_name(room, token.word))
            continue;
        const struct dv_span span = { .start = token.start, .end = token.end, .type = DV_PII_PERSON, .score = AGAIN_SCORE,
                                      .why = "the same name was found elsewhere in the text" };
        insert_span(out, next, &span);
    }
}

/* Where a part that is too long is cut: behind its last line end, or at its end. */
static uint32_t cut_of(const struct dv_token *tokens, uint32_t count)
{
    for (uint32_t at = count; at-- > count / 2;)
        if (tokens[at].kind == DV_TOKEN_LINE)
            return at + 1;
    return count;
}

static uint32_t read_tokens(const struct dv_tagger *tagger, struct dv_tagger_room *room, struct dv_cutter *cutter)
{
    uint32_t count = 0;
    while (count < DV_SENTENCE_MAX && dv_token_next(cutter, &room->tokens[count])) {
        struct dv_token *token = &room->tokens[count++];
        token->lists = dv_tagger_lists(tagger, token);
    }
    return count;
}

/* Takes the labels off what is nobody's; *next is the first of `plain` not behind the tokens before. */
static void clear_plain(struct dv_tagger_room *room, uint32_t count, const struct dv_known *known, size_t *next)
{
    const struct dv_span *plain = known->plain;
    for (uint32_t at = 0; at < count; at++) {
        while (*next < known->plain_count && plain[*next].end <= room->tokens[at].start)
            (*next)++;
        if (*next < known->plain_count && plain[*next].start <= room->tokens[at].start && room->tokens[at].end <= plain[*next].end)
            room->labels[at] = OUTSIDE;
    }
}

size_t dv_tag(const struct dv_tagger *tagger, struct dv_tagger_room *room, const char *text, size_t length,
              const struct dv_known *known, struct dv_span *spans, size_t max)
{
    DV_ASSERT(max > 0 && length <= UINT32_MAX);
    struct dv_cutter cutter = { .text = (const unsigned char *)text, .length = length, .spans = known->found,
                                .span_count = known->found_count };
    struct output out = { .spans = spans, .max = max, .length = (uint32_t)length };
    size_t next = 0, next_plain = 0;
    memset(room->names, 0, sizeof room->names);
    room->name_count = 0;
    for (uint32_t count; (count = read_tokens(tagger, room, &cutter)) > 0;) {
        if (count == DV_SENTENCE_MAX) {
            count = cut_of(room->tokens, count);
            cutter.at = room->tokens[count - 1].end;
            cutter.span = 0;
        }
        dv_lines_read(room->tokens, count, room->lines);
        if (has_candidates(room, count))
            decode(tagger, room, count);
        else
            memset(room->labels, OUTSIDE, count);
        clear_plain(room, count, known, &next_plain);
        note_names(room, count);
        write_spans(room, count, known->found, known->found_count, &next, &out);
    }
    if (room->name_count > 0)
        find_again(room, text, length, &out);
    return out.count;
}
