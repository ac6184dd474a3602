/* SPDX-License-Identifier: Apache-2.0
 * answer_scene.h - what was found for a question, and what is answered from it without a model: for the tests of answers. */
#ifndef DV_TESTS_ANSWER_SCENE_H
#define DV_TESTS_ANSWER_SCENE_H

#include "engine/arena.h"
#include "operators/rag_people.h"
#include "operators/answer.h"
#include "privacy/guard.h"

enum { SCENE_JSON_MAX = 65536, SCENE_SAID_MAX = 16384 };

/* Big, so it is kept on the heap by cmocka's state. */
struct scene {
    struct dv_arena arena, work; /* of the node, of a question */
    struct dv_evidence_reader reader;
    struct dv_guard_rules rules;
    struct dv_guard *guard;
    struct dv_evidence evidence;
    struct dv_answer answer;
    const char *reason;         /* why it is not covered, or NULL */
    char json[SCENE_JSON_MAX];  /* the evidence, as a test writes it */
    char said[SCENE_SAID_MAX];  /* the sentences, one a line */
    size_t used;                /* of the evidence */
};

/* For cmocka: *state is a scene whose guard blocks these types; and its end. */
int scene_setup(void **state, uint32_t types);
int scene_teardown(void **state);

/* Reads evidence, in memory that lasts until the next. */
void scene_read(struct scene *scene, const char *json);

/* Answers a question from what was read and is of k people, by extracts. */
void scene_ask(struct scene *scene, const char *question, uint64_t k, int how);

#endif
