/* SPDX-License-Identifier: Apache-2.0
 * test_operators_rag_people.c - somebody who knows what is kept asks for what only one record has: in hundreds of wordings, beside
 * what many have, one word changed at a time. He learns what k people's records say.
 *
 * shows: RAG-10 ANO-8 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/random.h"
#include "operators/rag_prompt.h"
#include "tests/unit/answer_scene.h"

enum { K = 5, TEXT_MAX = 512, ROUNDS = 60 };

static int setup(void **state)
{
    return scene_setup(state, 1u << DV_PII_EMAIL);
}

/* ---- what is kept ---- */

/* What many have, and what one has: in a sentence of its own, in one with what many have, and as its only word. */
static const char *const many[] = { "cough", "fever", "night" };
static const char *const notes[] = {
    "A dry cough, and fever at night.", "Cough with fever, worse at night.", "Coughing all night, some fever.", "Fever and cough during the night.",
    "The cough keeps her awake at night, with fever.", "Coughs. Fevers every night.",
    "A cough. A parrot bit his thumb.", "Cough since the divorce.", "Fever after swimming in the quarry.", "At night she hears a zither.",
    "Cough and fever. He keeps falcons.", "A marathon in Reykjavik.", "Fever at night, works as a glazier.",
};
static const char *const rare[] = { "parrot", "thumb", "bit", "divorce", "swimming", "quarry", "zither", "falcons", "marathon", "reykjavik", "glazier" };
enum { NOTES = sizeof notes / sizeof *notes, RARE = sizeof rare / sizeof *rare, MANY = sizeof many / sizeof *many };

static const char *const wordings[] = {
    "who has a %s, or %s?", "%s and %s", "who was treated for %s because of %s?", "which patients mention %s but also %s?", "%s %s", "%s. %s!",
    "Tell me all about %s. And %s, too, please.", "has anybody with a %s a %s?", "list records with %s: %s", "whose %s is it, and whose %s?",
    "what should we do about %s and %s?", "anything unusual about %s or %s?", "is %s or %s rising?", "who has %s not %s?",
};
enum { WORDINGS = sizeof wordings / sizeof *wordings };

/* ---- asking ---- */

/* The hits of `chosen`, as a search would give them, in an order of its own. */
static void find(struct scene *scene, uint32_t chosen, uint32_t first)
{
    size_t used = (size_t)snprintf(scene->json, SCENE_JSON_MAX, "{\"hits\":[");
    const char *comma = "";
    for (uint32_t at = 0; at < NOTES; at++) {
        uint32_t note = (first + at) % NOTES;
        if ((chosen >> note & 1) == 0)
            continue;
        used += (size_t)snprintf(scene->json + used, SCENE_JSON_MAX - used, "%s{\"id\":\"id-%02u\",\"subject\":%u,\"subjects\":1,\"text\":\"%s\"}", comma, note, at + 1, notes[note]);
        comma = ",";
    }
    (void)snprintf(scene->json + used, SCENE_JSON_MAX - used, "]}");
    scene_read(scene, scene->json);
}

static bool tells(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

static void assert_tells_nothing_rare(const char *text)
{
    for (size_t i = 0; i < RARE; i++)
        if (tells(text, rare[i]))
            fail_msg("'%s' was told: %s", rare[i], text);
}

/* All of them, and then whatever a search could have found, in any order. */
static uint32_t choose(struct dv_random *random, int round)
{
    return round == 0 ? (1u << NOTES) - 1 : (uint32_t)dv_random_below(random, 1u << NOTES);
}

static void test_a_rare_fact_is_never_told(void **state)
{
    struct scene *scene = *state;
    struct dv_random random;
    dv_random_seed(&random, 1103);
    uint32_t answered = 0;
    for (size_t i = 0; i < RARE * MANY * WORDINGS; i++) {
        char question[TEXT_MAX];
        const char *one = rare[i % RARE], *all = many[i / RARE % MANY], *wording = wordings[i / RARE / MANY];
        bool swapped = dv_random_below(&random, 2) == 1;
        (void)snprintf(question, sizeof question, wording, swapped ? one : all, swapped ? all : one);
        for (int round = 0; round < 4; round++) {
            find(scene, choose(&random, round), (uint32_t)dv_random_below(&random, NOTES));
            scene_ask(scene, question, K, DV_PEOPLE_WORDS);
            assert_tells_nothing_rare(scene->said);
            answered += scene->reason == NULL;
        }
    }
    assert_true(answered > RARE * MANY * WORDINGS / 2); /* a control: what many have is told */
}

/* Words of the question stand in the prompt, as the question; all before it is evidence. */
static void test_a_prompt_holds_nothing_rare(void **state)
{
    struct scene *scene = *state;
    struct dv_random random;
    dv_random_seed(&random, 7);
    for (size_t i = 0; i < RARE * MANY; i++) {
        char question[TEXT_MAX], shown[SCENE_SAID_MAX];
        size_t length = 0;
        (void)snprintf(question, sizeof question, wordings[i % WORDINGS], many[i % MANY], rare[i / MANY]);
        find(scene, (1u << NOTES) - 1, (uint32_t)dv_random_below(&random, NOTES));
        scene_ask(scene, question, K, DV_PEOPLE_WORDS);
        if (scene->reason != NULL)
            continue;
        const char *prompt = dv_rag_prompt(&scene->work, question, strlen(question), &scene->evidence, (struct dv_piece){ 0 }, 9, &length);
        const char *end = memmem(prompt, length, "Question, as data", 17);
        (void)snprintf(shown, sizeof shown, "%.*s", (int)(end - prompt), prompt);
        assert_true(tells(shown, many[i % MANY]));
        assert_tells_nothing_rare(shown);
    }
}

/* He asks again with one word more: if only one record has it, the answer is the same, to the letter. */
static void test_one_word_more_tells_nothing(void **state)
{
    struct scene *scene = *state;
    struct dv_random random;
    dv_random_seed(&random, 11);
    static char before[SCENE_SAID_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t chosen = choose(&random, round), first = (uint32_t)dv_random_below(&random, NOTES);
        for (size_t i = 0; i < RARE; i++) {
            char question[TEXT_MAX];
            find(scene, chosen, first);
            scene_ask(scene, "who has a cough or fever?", K, DV_PEOPLE_WORDS);
            memcpy(before, scene->said, sizeof before);
            (void)snprintf(question, sizeof question, "who has a cough or fever or %s?", rare[i]);
            find(scene, chosen, (uint32_t)dv_random_below(&random, NOTES));
            scene_ask(scene, question, K, DV_PEOPLE_WORDS);
            assert_string_equal(scene->said, before);
        }
    }
}

/* A record more or less changes what is told only if k others say it, too: and then not in words. */
static void test_one_record_more_tells_nothing_but_that_it_is_there(void **state)
{
    struct scene *scene = *state;
    const uint32_t five = 0x1F;
    static const char told[] = "Records of at least 5 people mention fever and night [1, 2, 3, 4, 5";
    for (uint32_t note = 5; note < NOTES; note++) {
        find(scene, five, 0);
        scene_ask(scene, "who has fever at night?", K, DV_PEOPLE_WORDS);
        assert_memory_equal(scene->said, told, strlen(told));
        find(scene, five | 1u << note, 0);
        scene_ask(scene, "who has fever at night?", K, DV_PEOPLE_WORDS);
        assert_memory_equal(scene->said, told, strlen(told));
        assert_null(strchr(strchr(scene->said, '\n') + 1, '\n')); /* one sentence */
        find(scene, (five & ~1u) | 1u << note, 0);
        scene_ask(scene, "who has fever at night?", K, DV_PEOPLE_WORDS);
        bool has = tells(notes[note], "fever") || tells(notes[note], "night"); /* it makes the four others five, with one word or both */
        assert_int_equal(scene->reason == NULL, has);
    }
}

/* ---- what is told ---- */

static void tell(struct scene *scene, const char *const *texts, size_t count, const int *subjects, int how)
{
    size_t used = (size_t)snprintf(scene->json, SCENE_JSON_MAX, "{\"hits\":[");
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(scene->json + used, SCENE_JSON_MAX - used, "%s{\"id\":\"%c\",\"subject\":%d,\"subjects\":1,\"text\":\"%s\"}", i > 0 ? "," : "",
                                 (char)('a' + (int)i), subjects[i], texts[i]);
    (void)snprintf(scene->json + used, SCENE_JSON_MAX - used, "]}");
    scene_read(scene, scene->json);
    scene_ask(scene, "who has a cough, or a rash?", K, how);
}

static void test_what_is_told(void **state)
{
    struct scene *scene = *state;
    static const int people[] = { 1, 2, 3, 4, 5, 6 };
    static const char *const texts[] = { "Coughs a lot.", "A cough. A rash.", "Cough.", "The cough is dry.", "Coughing.", "A rash." };
    tell(scene, texts, 6, people, DV_PEOPLE_WORDS);
    assert_string_equal(scene->said, "Records of at least 5 people mention cough [1, 2, 3, 4, 5].\n");
    assert_int_equal(scene->evidence.count, 5);
    static const char *const all[] = { "Cough.", "A cough.", "Coughs.", "The cough is dry.", "Coughing.", "Coughed." };
    tell(scene, all, 6, people, DV_PEOPLE_WORDS);
    assert_int_equal(scene->evidence.people, K); /* not how many more */
    tell(scene, texts, 4, people, DV_PEOPLE_WORDS);
    assert_string_equal(scene->said, "");
    static const int few[] = { 1, 2, 3, 4, 4, 6 };
    tell(scene, texts, 6, few, DV_PEOPLE_WORDS); /* five people, of whom four cough */
    assert_string_equal(scene->said, "");
    assert_string_equal(scene->reason, "what was found is about too few people");
    static const int unknown[] = { 0, 0, 0, 0, 0, 0 };
    tell(scene, texts, 6, unknown, DV_PEOPLE_WORDS);
    assert_string_equal(scene->said, "");
}

static void test_what_k_people_say_alike_is_told_as_it_is(void **state)
{
    struct scene *scene = *state;
    static const int people[] = { 1, 2, 3, 4, 5, 6 };
    static const char *const alike[] = { "Has a cough.", "Has a cough.", "Has a cough.", "Has a cough.", "Has a cough.", "Tired. Has a cough." };
    tell(scene, alike, 6, people, DV_PEOPLE_WORDS);
    assert_string_equal(scene->said, "Has a cough [1, 2, 3, 4, 5, 6].\n");
    static const char *const nearly[] = { "Has a cough.", "Has a cough.", "Has a cough.", "Has a cough.", "Has a cough.", "Cough in Leeds." };
    tell(scene, nearly, 6, people, DV_PEOPLE_WORDS);
    assert_string_equal(scene->said, "Has a cough [1, 2, 3, 4, 5].\nRecords of at least 5 people mention cough [1, 2, 3, 4, 5, 6].\n");
}

static void test_sentences_as_they_stand_there(void **state)
{
    struct scene *scene = *state;
    static const int people[] = { 1, 2, 3, 4, 5, 6 };
    static const char *const texts[] = { "Coughs a lot. In Leeds.", "A cough. A rash.", "Cough.", "The cough is dry.", "Coughing.", "A rash. A cough and a rash." };
    tell(scene, texts, 6, people, DV_PEOPLE_SENTENCES);
    assert_null(strstr(scene->said, "rash"));
    assert_null(strstr(scene->said, "Leeds"));
    assert_non_null(strstr(scene->said, "The cough is dry [4].\n"));
    assert_int_equal(scene->evidence.count, 5);
    tell(scene, texts, 4, people, DV_PEOPLE_SENTENCES);
    assert_string_equal(scene->said, "");
}

/* Many short sentences that are all the same: as quick as they are many, and told as one is. */
static void test_notes_of_many_sentences(void **state)
{
    struct scene *scene = *state;
    enum { SENTENCES = 205 };
    static const int people[] = { 1, 2, 3, 4, 5 };
    static char note[SENTENCES * 7 + 1];
    for (int i = 0; i < SENTENCES; i++)
        memcpy(note + 7 * i, "Cough! ", 8);
    const char *const texts[] = { note, note, note, note, note };
    tell(scene, texts, 5, people, DV_PEOPLE_WORDS);
    assert_string_equal(scene->said, "Cough! [1, 2, 3, 4, 5].\n");
    assert_int_equal(scene->evidence.people, K);
    tell(scene, texts, 5, people, DV_PEOPLE_SENTENCES);
    assert_string_equal(scene->said, "Cough! [1, 2, 3, 4, 5].\n");
    static const int one_twice[] = { 1, 2, 3, 4, 4 };
    tell(scene, texts, 5, one_twice, DV_PEOPLE_WORDS);
    assert_string_equal(scene->said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_rare_fact_is_never_told, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_a_prompt_holds_nothing_rare, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_one_word_more_tells_nothing, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_one_record_more_tells_nothing_but_that_it_is_there, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_told, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_what_k_people_say_alike_is_told_as_it_is, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_sentences_as_they_stand_there, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_notes_of_many_sentences, setup, scene_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
