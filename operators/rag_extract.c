/* SPDX-License-Identifier: Apache-2.0
 * rag_extract.c - a sentence counts by the words that it shares with the question, the rarer the more, and by the rank of the
 * record that it stands in. */
#include "operators/rag_extract.h"

#include <stdio.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/id.h"

enum { CANDIDATES_MAX = 128, STEMS_MAX = 64, CITATIONS_BYTES = 4 * DV_EVIDENCE_MAX + 8 };

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
    uint32_t cited;
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

static void add_candidate(struct extract *extract, const char *text, size_t length, uint32_t piece)
{
    strip_end(&text, &length);
    if (length == 0 || length >= DV_SENTENCE_MAX)
        return;
    uint64_t hash = dv_hash64(text, length, 0);
    for (uint32_t i = 0; i < extract->count; i++)
        if (extract->candidates[i].hash == hash) {
            extract->candidates[i].cited |= UINT32_C(1) << piece;
            return;
        }
    if (extract->count == CANDIDATES_MAX)
        return;
    uint64_t bits = stems_in(&extract->stems, text, length);
    extract->meets = extract->meets || bits != 0;
    extract->candidates[extract->count++] = (struct candidate){ .text = text, .length = length, .hash = hash, .meets = bits != 0,
        .cited = UINT32_C(1) << piece, .score = score_of(&extract->stems, bits, piece) };
}

static void collect(struct extract *extract, const struct dv_evidence *evidence)
{
    for (uint32_t i = 0; i < evidence->count; i++) {
        const struct dv_piece *piece = &evidence->hits[i].text;
        for (size_t at = 0, length = 0; at < piece->length; at += length) {
            length = dv_sentence_next(piece->text + at, piece->length - at, true);
            add_candidate(extract, piece->text + at, length, i);
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
