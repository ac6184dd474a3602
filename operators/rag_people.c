/* SPDX-License-Identifier: Apache-2.0
 * rag_people.c - sets of words that k people share, and what is told by them. */
#include "operators/rag_people.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/id.h"
#include "operators/sentence.h"

enum { UNITS_MAX = 1024, FRAME_BYTES = 64 };

_Static_assert(DV_EVIDENCE_MAX <= 32, "people are bits");

/* A text of one person, a record or a sentence of it, and which words of the question it has. People are bits. */
struct unit {
    uint32_t hit;
    uint32_t person;
    uint32_t words;
    uint32_t first;  /* the first unit of the same text */
    uint32_t people; /* who have that text; in the first alone */
    uint64_t hash;
    const char *text; /* without blanks around it */
    size_t length;
};

struct units {
    uint32_t count;
    struct unit at[UNITS_MAX];
};

struct people {
    const struct dv_asking *asking;
    const struct dv_people_rule *rule;
    struct units records, sentences;
};

static bool is_person(const struct dv_hit *hit)
{
    return hit->subject.present != 0;
}

/* Who is found first under that number. Who cannot be told from others is one with them. */
static uint32_t person_of(const struct dv_evidence *evidence, uint32_t hit)
{
    uint32_t first = 0;
    while (!is_person(&evidence->hits[first]) ||
           evidence->hits[first].subject.integer != evidence->hits[hit].subject.integer)
        first++;
    return UINT32_C(1) << first;
}

static uint32_t first_same(const struct units *units, const struct unit *unit)
{
    for (uint32_t i = 0; i < units->count; i++) {
        const struct unit *other = &units->at[i];
        if (other->hash == unit->hash && other->length == unit->length &&
            memcmp(other->text, unit->text, unit->length) == 0)
            return i;
    }
    return units->count;
}

static void add_unit(struct units *units, const struct dv_evidence *evidence, uint32_t hit, uint32_t has,
                     const char *text, size_t length)
{
    dv_sentence_trim(&text, &length);
    if (has == 0 || units->count == UNITS_MAX)
        return;
    struct unit unit = { .hit = hit, .person = person_of(evidence, hit), .words = has, .text = text, .length = length };
    unit.hash = dv_hash64(text, length, 0);
    unit.first = first_same(units, &unit);
    units->at[units->count++] = unit;
    units->at[unit.first].people |= unit.person;
}

static void collect(struct people *people, const struct dv_evidence *evidence, uint32_t words)
{
    for (uint32_t i = 0; i < evidence->count; i++) {
        const struct dv_piece *piece = &evidence->hits[i].text;
        if (!is_person(&evidence->hits[i]))
            continue;
        add_unit(&people->records, evidence, i, words & dv_asking_in(people->asking, piece->text, piece->length),
                 piece->text, piece->length);
        for (size_t at = 0, length = 0; at < piece->length; at += length) {
            length = dv_sentence_next(piece->text + at, piece->length - at, true);
            uint32_t has = words & dv_asking_in(people->asking, piece->text + at, length);
            add_unit(&people->sentences, evidence, i, has, piece->text + at, length);
        }
    }
}

/* How many people have a text with all of the words. */
static uint64_t count_people(const struct units *units, uint32_t words)
{
    uint32_t people = 0;
    for (uint32_t i = 0; i < units->count; i++)
        people |= (units->at[i].words & words) == words ? units->at[i].person : 0;
    return (uint64_t)__builtin_popcount(people);
}

static uint64_t support(const struct people *people, uint32_t words)
{
    return count_people(&people->records, words);
}

/* The words that may be told of a text: without its rarest ones, until k people share them; 0: none. */
static uint32_t shared_words(const struct people *people, uint32_t words)
{
    while (words != 0 && support(people, words) < people->rule->k) {
        uint32_t rarest = 0;
        uint64_t least = UINT64_MAX;
        for (uint32_t left = words; left != 0; left &= left - 1) {
            uint32_t word = left & -left;
            uint64_t have = support(people, word);
            rarest = have < least ? word : rarest;
            least = have < least ? have : least;
        }
        words &= ~rarest;
    }
    return words;
}

/* ---- sentences ---- */

/* Whether a sentence may leave as it stands there: k people have the same one; or one with the same words of the question, if that
 * is the rule. */
static bool may_leave(const struct people *people, const struct unit *sentence)
{
    uint32_t same = people->sentences.at[sentence->first].people;
    bool verbatim = people->rule->how == DV_PEOPLE_WORDS;
    uint64_t count = verbatim ? (uint64_t)__builtin_popcount(same) : count_people(&people->sentences, sentence->words);
    return count >= people->rule->k;
}

static size_t put_sentences(char *out, const struct people *people, uint32_t hit)
{
    size_t used = 0;
    for (uint32_t i = 0; i < people->sentences.count; i++) {
        const struct unit *sentence = &people->sentences.at[i];
        if (sentence->hit != hit || !may_leave(people, sentence))
            continue;
        memcpy(out + used, sentence->text, sentence->length);
        used += sentence->length;
        out[used++] = '\n';
    }
    return used;
}

/* ---- words ---- */

/* The sets of words that are told: none is a part of another. */
struct sets {
    uint32_t words[DV_EVIDENCE_MAX];
    uint32_t count;
};

/* Whether each record with these words has a sentence that says them and leaves as it is: then nothing is to be added. */
static bool is_said_already(const struct people *people, uint32_t words)
{
    for (uint32_t i = 0; i < people->records.count; i++) {
        bool said = (people->records.at[i].words & words) != words;
        for (uint32_t j = 0; j < people->sentences.count && !said; j++) {
            const struct unit *sentence = &people->sentences.at[j];
            said = sentence->hit == people->records.at[i].hit && (sentence->words & words) == words &&
                   may_leave(people, sentence);
        }
        if (!said)
            return false;
    }
    return true;
}

static void add_set(struct sets *sets, uint32_t words)
{
    for (uint32_t i = 0; i < sets->count; i++)
        if ((sets->words[i] & words) == words)
            return;
    for (uint32_t i = sets->count; i-- > 0;)
        if ((sets->words[i] & words) == sets->words[i])
            sets->words[i] = sets->words[--sets->count];
    DV_ASSERT(sets->count < DV_EVIDENCE_MAX);
    sets->words[sets->count++] = words;
}

static void find_sets(const struct people *people, struct sets *sets)
{
    for (uint32_t i = 0; i < people->records.count; i++) {
        uint32_t words = shared_words(people, people->records.at[i].words);
        if (words != 0)
            add_set(sets, words);
    }
    for (uint32_t i = sets->count; i-- > 0;)
        if (is_said_already(people, sets->words[i]))
            sets->words[i] = sets->words[--sets->count];
}

/* "Records of at least 5 people mention cough and night." */
static size_t put_statement(char *out, size_t size, const struct people *people, uint32_t words)
{
    size_t used = (size_t)snprintf(out, size, "Records of at least %" PRIu64 " people mention ", people->rule->k);
    for (uint32_t left = words, number = 0; left != 0; left &= left - 1, number++) {
        const char *between = number == 0 ? "" : (left & (left - 1)) == 0 ? " and " : ", ";
        used +=
            (size_t)snprintf(out + used, size - used, "%s%s", between, people->asking->words[__builtin_ctz(left)].text);
    }
    return used + (size_t)snprintf(out + used, size - used, ".\n");
}

/* ---- records ---- */

static dv_rc tell_record(const struct people *people, const struct sets *sets, const struct unit *record,
                         struct dv_arena *arena, struct dv_piece *ret)
{
    size_t room = 2 * record->length + 2, used = 0;
    for (uint32_t i = 0; i < sets->count; i++)
        room += FRAME_BYTES + (size_t)people->asking->count * (DV_CITE_RUN_MAX + 8);
    char *text = dv_arena_text(arena, room);
    if (text == NULL)
        return DV_E_MEMORY;
    used = put_sentences(text, people, record->hit);
    for (uint32_t i = 0; i < sets->count; i++)
        if ((record->words & sets->words[i]) == sets->words[i])
            used += put_statement(text + used, room - used, people, sets->words[i]);
    *ret = (struct dv_piece){ text, used };
    return DV_OK;
}

static dv_rc tell_records(const struct people *people, struct dv_evidence *evidence, struct dv_arena *arena)
{
    struct sets sets = { .count = 0 };
    if (people->rule->how == DV_PEOPLE_WORDS)
        find_sets(people, &sets);
    for (uint32_t i = 0; i < evidence->count; i++)
        if (is_person(&evidence->hits[i]))
            evidence->hits[i].text.length = 0;
    for (uint32_t i = 0; i < people->records.count; i++) {
        const struct unit *record = &people->records.at[i];
        DV_TRY(tell_record(people, &sets, record, arena, &evidence->hits[record->hit].text));
    }
    return DV_OK;
}

/* ---- all of it ---- */

/* In the order of their ids: how well a record fits the question is not told by its place. */
static void sort_persons(struct dv_evidence *evidence)
{
    for (uint32_t i = 0; i < evidence->count; i++) {
        for (uint32_t j = i + 1; j < evidence->count; j++) {
            struct dv_hit *a = &evidence->hits[i], *b = &evidence->hits[j];
            size_t length = a->id.length < b->id.length ? a->id.length : b->id.length;
            if (!is_person(a) || !is_person(b) || memcmp(a->id.text, b->id.text, length) <= 0)
                continue;
            struct dv_hit swapped = *a;
            *a = *b;
            *b = swapped;
        }
    }
}

static void drop_untold(struct dv_evidence *evidence)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < evidence->count; i++) {
        evidence->hits[kept] = evidence->hits[i];
        evidence->hits[kept].fits = evidence->hits[i].fits || is_person(&evidence->hits[i]);
        kept += !is_person(&evidence->hits[i]) || evidence->hits[i].text.length > 0;
    }
    evidence->count = kept;
}

dv_rc dv_people_tell(struct dv_evidence *evidence, const struct dv_asking *asking, uint32_t words,
                     const struct dv_people_rule *rule, struct dv_arena *arena)
{
    struct people *people = dv_arena_zeroed(arena, 1, sizeof *people);
    if (people == NULL)
        return DV_E_MEMORY;
    people->asking = asking;
    people->rule = rule;
    if (rule->how == DV_PEOPLE_WORDS)
        sort_persons(evidence);
    collect(people, evidence, words);
    DV_TRY(tell_records(people, evidence, arena));
    drop_untold(evidence);
    return DV_OK;
}
