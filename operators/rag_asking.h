/* SPDX-License-Identifier: Apache-2.0
 * rag_asking.h - what a question asks for: what it wants to know, and of what.
 *
 * Each word of a question is either known here - it asks for something ("rising", "unusual", "should"), names what all records are
 * of ("patients", "payments"), or says nothing - or it is a topic: what the answer must be about. So a word in another language,
 * a place or a time that nobody foresaw is a topic that nothing is found for, and the question is not covered. */
#ifndef DV_OPERATORS_RAG_ASKING_H
#define DV_OPERATORS_RAG_ASKING_H

#include "operators/citation_number.h"

/* What is wanted, as bits. */
enum dv_ask_want {
    DV_ASK_RISING = 1,
    DV_ASK_FALLING = 2, /* or steady, or rare: what no insight tells */
    DV_ASK_UNUSUAL = 4,
    DV_ASK_MIX = 8,
    DV_ASK_MOST = 16,
    DV_ASK_ADVICE = 32,
    DV_ASK_NEWS = 64, /* whatever is remarkable */
    DV_ASK_COUNT = 128,
};

/* What all records are of, as bits. */
enum dv_ask_domain { DV_ASK_HEALTH = 1, DV_ASK_MONEY = 2 };

enum { DV_ASK_WORDS_MAX = 32 };

struct dv_asking {
    uint32_t wants;
    uint32_t domains;
    bool persons; /* it asks who */
    bool negated; /* it asks what is not so, or leaves something out */
    bool overfull; /* it has more words than are kept */
    uint32_t count;
    uint32_t topics; /* which words are topics; the others say what is wanted */
    struct {
        char text[DV_CITE_RUN_MAX + 1]; /* in lower case */
    } words[DV_ASK_WORDS_MAX];
};

/* Reads a question; whatever it is, it asks for something, of something, or for nothing. Of several, each with its question mark, the
 * last that asks for a kind of finding says which, and what is not so; they are about all that any of them names. */
void dv_asking_read(struct dv_asking *ret, const char *question, size_t length);

/* Which of the question's words are in a text, whatever their endings are, as bits. */
uint32_t dv_asking_in(const struct dv_asking *asking, const char *text, size_t length);

/* The domains that a text's words are of. */
uint32_t dv_asking_domains(const char *text, size_t length);

/* Whether two words of lower case are one with other endings: "allergy", "allergies"; not "hypertension" and "hypotension". */
bool dv_words_alike(const char *a, const char *b);

#endif
