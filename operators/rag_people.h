/* SPDX-License-Identifier: Apache-2.0
 * rag_people.h - what records of single persons may say in an answer: only what k of them say.
 *
 * Taken for an adversary: who asks knows what is kept but for one record, words his questions as he likes, asks as often as he
 * likes and compares the answers. A rare fact stands in one record; whatever leaves of a record's own words could be it, or lead
 * to it. So a sentence leaves only if k people's records have the very same one (DV_PEOPLE_WORDS). Else a record is told of by
 * words of the question, and only by those that at least k people's records have together; a word that fewer have is as if it had
 * not been asked. A record that shares no such word, found by what it means alone, counts for nobody and is not told. How many
 * there are is not told either, only that they are k.
 *
 * DV_PEOPLE_SENTENCES is for readers who may read each redacted record: a sentence leaves as it is if sentences of k people have
 * all the question's words that it has, and it has one. What else stands in it leaves with it. */
#ifndef DV_OPERATORS_RAG_PEOPLE_H
#define DV_OPERATORS_RAG_PEOPLE_H

#include "operators/evidence.h"
#include "operators/rag_asking.h"

enum dv_people_how { DV_PEOPLE_WORDS, DV_PEOPLE_SENTENCES };

struct dv_people_rule {
    uint64_t k;
    int how; /* enum dv_people_how */
};

/* Gives each record of a single person the text that may be told of it, and leaves out those that have none. `words`: which of the
 * question's words count. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_people_tell(struct dv_evidence *evidence, const struct dv_asking *asking, uint32_t words, const struct dv_people_rule *rule,
                                struct dv_arena *arena);

#endif
