/* SPDX-License-Identifier: Apache-2.0
 * evidence.h - what a search found for a question: the pieces that an answer may rest on, and how many people they are of.
 *
 *   {"lexical":false,"hits":[{"id":"…","hash":"…","schema":"healthcare","at":1,"score":0.8,"cosine":0.6,"subject":2,
 *                             "subjects":1,"text":"…"}]}
 * `subject` numbers people within one search; it is null where a hit is about a group of `subjects`. */
#ifndef DV_OPERATORS_EVIDENCE_H
#define DV_OPERATORS_EVIDENCE_H

#include "engine/batch.h"
#include "engine/json.h"
#include "operators/citation.h"
#include "operators/rag_told.h"

enum { DV_EVIDENCE_MAX = DV_CITE_CITED_MAX, DV_EVIDENCE_JSON_MAX = 1024 * 1024 };

/* One piece. Texts live in the arena that was given. */
struct dv_hit {
    struct dv_piece text; /* cleaned */
    struct dv_cell id, hash, schema, at, subject, subjects;
    struct dv_rag_told told; /* dv_rag_fit(): what an insight says */
    bool fits;           /* dv_rag_fit(): it answers the question, whatever words it has */
};

struct dv_evidence {
    bool lexical; /* found by words alone */
    uint32_t count;
    struct dv_hit hits[DV_EVIDENCE_MAX];
    /* The people that they are about at least, once dv_evidence_of_many() has looked: those told apart, k at most, or the largest
     * group, whichever is more. Groups may hold the same people, so they are not added. */
    uint64_t people;
};

/* Reads such JSON; one for all of a node. */
struct dv_evidence_reader {
    struct dv_json_reader *json;
    struct dv_schema *schema;
    struct dv_batch row;
};

/* Its memory is the arena's; DV_E_MEMORY. Close it with dv_evidence_close(), which accepts a zeroed one. */
DV_CHECKED dv_rc dv_evidence_open(struct dv_evidence_reader *reader, struct dv_arena *arena);
void dv_evidence_close(struct dv_evidence_reader *reader);

/* Takes the hits whose cosine is known and at least `floor`, or not known; of each text the sentences that begin in its first
 * `piece_max` bytes. DV_E_SYNTAX: it is not what a search writes; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_evidence_read(struct dv_evidence_reader *reader, const char *text, size_t length, double floor, size_t piece_max,
                                  struct dv_arena *arena, struct dv_evidence *ret);

/* Leaves out what is about fewer than k people: smaller groups, and the records of single persons unless k of these are told apart,
 * for a group beside them does not hide whose they are. */
void dv_evidence_of_many(struct dv_evidence *evidence, uint64_t k);

/* Fills `people` from the hits that are left. Of persons told apart k at most count: how many more there are is not told. */
void dv_evidence_count_people(struct dv_evidence *evidence, uint64_t k);

/* Writes the hits of the bits `cited` as JSON: [{"n":1,"id":"…","hash":"…","schema":"…","at":"2026-11-23T06:00:00Z"}]; `at` is the
 * end of a group's window, and the day of a person's record, in UTC. */
void dv_evidence_citations(struct dv_json *json, const struct dv_evidence *evidence, uint32_t cited);

#endif
