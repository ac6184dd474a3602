/* SPDX-License-Identifier: Apache-2.0
 * rag_fit.h - which of what was found may answer a question, whoever writes the answer: an extract or a model.
 *
 * A search finds what is like a question. That is not yet an answer: what rises is told of influenza when asthma was asked for,
 * and the largest groups when it was asked what rises. So insights (rag_told.h) are left out unless
 *   they are of the newest windows: of a finding that is told of several, the newest; none that three windows later is told no
 *   more; of what leads, the newest window alone;
 *   they find what was asked for: only what rises for "which conditions are rising?"; whatever is known of a group that is
 *   named, if what was asked for is not;
 *   they are about all that was named: if one word of a question that is a topic is in none of them, none is an answer;
 *   they say what to do, if that was asked.
 * Records of single persons must be borne out by k (rag_people.h). Other texts about groups are left out only where it was asked
 * for what insights tell. */
#ifndef DV_OPERATORS_RAG_FIT_H
#define DV_OPERATORS_RAG_FIT_H

#include "operators/evidence.h"

struct dv_people_rule;

/* Leaves what may answer; `evidence` has been left by dv_evidence_of_many(). NULL: something is left; else why nothing is, a
 * literal. DV_E_MEMORY: the arena is full, and nothing is left. */
DV_CHECKED dv_rc dv_rag_fit(struct dv_evidence *evidence, const char *question, size_t length,
                            const struct dv_people_rule *rule, struct dv_arena *arena, const char **ret_reason);

#endif
