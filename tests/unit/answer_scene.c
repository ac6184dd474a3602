/* SPDX-License-Identifier: Apache-2.0
 * answer_scene.c - from evidence to what is said. */
#include "tests/unit/answer_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "operators/rag_extract.h"
#include "operators/rag_fit.h"

enum { ARENA_BYTES = 64 << 20, TEXT_BYTES = 4096, SENTENCES = 64 };

int scene_setup(void **state, uint32_t types)
{
    const struct dv_guard_options options = { .types = types, .action = DV_GUARD_BLOCK };
    struct scene *scene = test_calloc(1, sizeof *scene);
    dv_arena_init(&scene->arena, ARENA_BYTES);
    dv_arena_init(&scene->work, ARENA_BYTES);
    assert_int_equal(dv_evidence_open(&scene->reader, &scene->arena), DV_OK);
    assert_int_equal(dv_guard_rules_open(&scene->rules, &options), DV_OK);
    assert_int_equal(dv_guard_open(&scene->guard, &scene->rules), DV_OK);
    *state = scene;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *scene = *state;
    dv_guard_close(scene->guard);
    dv_guard_rules_close(&scene->rules);
    dv_evidence_close(&scene->reader);
    dv_arena_free(&scene->work);
    dv_arena_free(&scene->arena);
    test_free(scene);
    return 0;
}

void scene_read(struct scene *scene, const char *json)
{
    dv_arena_reset(&scene->work);
    assert_int_equal(dv_evidence_read(&scene->reader, json, strlen(json), 0.25, TEXT_BYTES, &scene->work, &scene->evidence), DV_OK);
}

void scene_ask(struct scene *scene, const char *question, uint64_t k, int how)
{
    const struct dv_people_rule rule = { k, how };
    size_t used = 0;
    dv_evidence_of_many(&scene->evidence, k);
    assert_int_equal(dv_rag_fit(&scene->evidence, question, strlen(question), &rule, &scene->work, &scene->reason), DV_OK);
    assert_int_equal(dv_answer_begin(&scene->answer, &scene->work, &scene->evidence, scene->guard), DV_OK);
    if (scene->reason != NULL)
        dv_answer_refuse(&scene->answer, scene->reason);
    else
        dv_rag_extract(&scene->answer, question, strlen(question), SENTENCES);
    scene->said[0] = '\0';
    for (const struct dv_answer_sentence *at = scene->answer.first; at != NULL; at = at->next)
        used += (size_t)snprintf(scene->said + used, SCENE_SAID_MAX - used, "%.*s\n", (int)at->length, at->text);
    assert_true(used < SCENE_SAID_MAX);
}
