/* SPDX-License-Identifier: Apache-2.0
 * rag_extract.c - a sentence counts by the words that it shares with the question, the rarer the more, and by the rank of the
 * record that it stands in. What is told of groups window after window in the same words, with other numbers, is told once, of the
 * newest window. */
#include "operators/rag_extract.h"

#include <stdio.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/id.h"
#include "operators/evidence.h"
#include "operators/form.h"

enum { CANDIDATES_MAX = 128, STEMS_MAX = 64, CITATIONS_BYTES = 4 * DV_EVIDENCE_MAX + 8, KIND_SCORE = 1000 };

/* The words of the question, and how many pieces have them. */
struct stems {
    uint64_t id[STEMS_MAX];
    uint32_t pieces[STEMS_MAX];
    uint32_t count;
};

struct candidate {
    const char *text;
    size_t length;
    uint64_t hash;  /* of its text: what stands in several records is said once */
    uint64_t form;  /* of the finding that it tells or advises on; 0: it is none */
    uint32_t cited;
    int64_t at_ms;
    double score;
    bool said, meets; /* it shares a word with the question */
};

struct extract {
    struct stems stems;
    struct candidate candidates[CANDIDATES_MAX];
    uint32_t count;
    bool meets; /* one of them does */
};

static void add_stem(struct stems *stems, uint64_t id)
{
    for (uint32_t i = 0; i < stems->count; i++)
        if (stems->id[i] == id)
            return;
    if (id != 0 && stems->count < STEMS_MAX)
        stems->id[stems->count++] = id;
}

/* Marks those of the stems that the text has, as bits. */
static uint64_t stems_in(const struct stems *stems, const char *text, size_t length)
{
    uint64_t bits = 0;
    struct dv_cite_token token = dv_cite_next(text, length, 0);
    for (; token.kind != DV_CITE_END; token = dv_cite_next(text, length, token.end))
        for (uint32_t i = 0; token.stem != 0 && i < stems->count; i++)
            bits |= (uint64_t)(stems->id[i] == token.stem) << i;
    return bits;
}

static void read_question(struct stems *stems, const char *question, size_t length, const struct dv_evidence *evidence)
{
    struct dv_cite_token token = dv_cite_next(question, length, 0);
    for (; token.kind != DV_CITE_END; token = dv_cite_next(question, length, token.end))
        add_stem(stems, token.stem);
    for (uint32_t i = 0; i < evidence->count; i++) {
        uint64_t bits = stems_in(stems, evidence->hits[i].text.text, evidence->hits[i].text.length);
        for (uint32_t j = 0; j < stems->count; j++)
            stems->pieces[j] += (uint32_t)(bits >> j & 1);
    }
}

static double score_of(const struct stems *stems, uint64_t bits, uint32_t rank)
{
    double score = 1.0 / (rank + 2);
    for (uint32_t i = 0; i < stems->count; i++)
        score += (bits >> i & 1) != 0 ? 1.0 + 1.0 / stems->pieces[i] : 0;
    return score;
}

/* Without the mark it ends with: the citation goes before that. */
static void strip_end(const char **text, size_t *length)
{
    dv_sentence_trim(text, length);
    while (*length > 0 && ((*text)[*length - 1] == '.' || (*text)[*length - 1] == ';'))
        (*length)--;
    dv_sentence_trim(text, length);
}

/* Of a finding; what to do about it has another one. */
static uint64_t form_of(const struct dv_hit *hit, bool advises)
{
    uint64_t seed = dv_hash64(hit->schema.text, hit->schema.length, advises);
    bool finds = hit->told.kind != DV_TOLD_OTHER && !hit->subject.present;
    return finds ? dv_form_of(hit->told.finding.text, hit->told.finding.length, seed) : 0;
}

/* What says the same: in the same words, or with other numbers. NULL: nothing does. */
static struct candidate *find_same(struct extract *extract, const struct candidate *candidate)
{
    for (uint32_t i = 0; i < extract->count; i++) {
        const struct candidate *other = &extract->candidates[i];
        if (other->hash == candidate->hash || (other->form != 0 && other->form == candidate->form))
            return &extract->candidates[i];
    }
    return NULL;
}

static void join_same(struct candidate *same, const struct candidate *candidate)
{
    double score = same->score > candidate->score ? same->score : candidate->score;
    if (same->hash == candidate->hash)
        same->cited |= candidate->cited;
    else if (candidate->at_ms > same->at_ms)
        *same = *candidate;
    same->at_ms = candidate->at_ms > same->at_ms ? candidate->at_ms : same->at_ms;
    same->score = score;
}

static void add_candidate(struct extract *extract, const struct dv_hit *hit, uint64_t bits, double score, struct dv_piece sentence, uint32_t piece)
{
    const char *text = sentence.text;
    size_t length = sentence.length;
    strip_end(&text, &length);
    if (length == 0 || length >= DV_SENTENCE_MAX)
        return;
    bool meets = bits != 0 || hit->fits;
    const struct candidate candidate = { .text = text, .length = length, .hash = dv_hash64(text, length, 0), .form = form_of(hit, sentence.text == hit->told.advice.text),
        .meets = meets, .cited = UINT32_C(1) << piece, .at_ms = hit->at.present ? hit->at.integer : INT64_MIN,
        .score = score };
    struct candidate *same = find_same(extract, &candidate);
    extract->meets = extract->meets || meets;
    if (same != NULL)
        join_same(same, &candidate);
    else if (extract->count < CANDIDATES_MAX)
        extract->candidates[extract->count++] = candidate;
}

/* What is told of a group is one sentence, whatever stops stand in its name, and what to do about it is the next. What rises is
 * before what strays and shifts, and that before what is large. */
static void collect_told(struct extract *extract, const struct dv_hit *hit, uint32_t piece)
{
    const struct dv_rag_told *told = &hit->told;
    double order = told->kind == DV_TOLD_LEADS ? told->rank : piece;
    double score = KIND_SCORE * (DV_TOLD_KINDS - (int)told->kind) - order;
    add_candidate(extract, hit, 0, score, told->finding, piece);
    add_candidate(extract, hit, 0, score - 0.5, told->advice, piece);
}

static void collect(struct extract *extract, const struct dv_evidence *evidence)
{
    for (uint32_t i = 0; i < evidence->count; i++) {
        const struct dv_piece *piece = &evidence->hits[i].text;
        if (evidence->hits[i].told.kind != DV_TOLD_OTHER) {
            collect_told(extract, &evidence->hits[i], i);
            continue;
        }
        for (size_t at = 0, length = 0; at < piece->length; at += length) {
            length = dv_sentence_next(piece->text + at, piece->length - at, true);
            uint64_t bits = stems_in(&extract->stems, piece->text + at, length);
            add_candidate(extract, &evidence->hits[i], bits, score_of(&extract->stems, bits, i), (struct dv_piece){ piece->text + at, length }, i);
        }
    }
}

/* Sentences that share no word with the question are told only if none does: then they were found by what they mean. */
static struct candidate *best_of(struct extract *extract)
{
    struct candidate *best = NULL;
    for (uint32_t i = 0; i < extract->count; i++) {
        struct candidate *candidate = &extract->candidates[i];
        bool fits = candidate->meets || !extract->meets;
        if (fits && !candidate->said && (best == NULL || candidate->score > best->score))
            best = candidate;
    }
    return best;
}

/* "… [1, 3]." */
static void say(struct dv_answer *answer, const struct candidate *candidate)
{
    char said[DV_SENTENCE_MAX + CITATIONS_BYTES];
    memcpy(said, candidate->text, candidate->length);
    size_t used = candidate->length;
    const char *before = " [";
    for (uint32_t i = 0; i < DV_EVIDENCE_MAX; i++) {
        if ((candidate->cited >> i & 1) == 0)
            continue;
        used += (size_t)snprintf(said + used, sizeof said - used, "%s%u", before, i + 1);
        before = ", ";
    }
    memcpy(said + used, "].", 2);
    dv_answer_sentence(answer, said, used + 2);
}

void dv_rag_extract(struct dv_answer *answer, const char *question, size_t length, uint32_t sentences_max)
{
    struct extract *extract = dv_arena_zeroed(answer->arena, 1, sizeof *extract);
    if (extract == NULL) {
        dv_answer_over(answer, DV_ANSWER_CUT, "no memory for the answer");
        return;
    }
    read_question(&extract->stems, question, length, answer->evidence);
    collect(extract, answer->evidence);
    struct candidate *best = NULL;
    while (answer->kept < sentences_max && (best = best_of(extract)) != NULL) {
        best->said = true;
        say(answer, best);
    }
    dv_answer_over(answer, DV_ANSWER_COMPLETE, NULL);
}
