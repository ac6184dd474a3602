/* SPDX-License-Identifier: Apache-2.0
 * test_operators_rag_fit.c - what a ward physician and a bank's analyst ask, and what they must be told: of what they named and of
 * the newest windows, or that it is not covered. The findings are those that insights_say.c writes.
 *
 * shows: RAG-7 RAG-8 RAG-9 RAG-10 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/random.h"
#include "operators/form.h"
#include "operators/insights_say.h"
#include "tests/unit/answer_scene.h"

enum { HOUR_MS = 3600000, K = 5 };

static int setup(void **state)
{
    return scene_setup(state, 1u << DV_PII_SSN | 1u << DV_PII_ID | 1u << DV_PII_CREDIT_CARD | 1u << DV_PII_IBAN | 1u << DV_PII_EMAIL | 1u << DV_PII_PHONE |
                                  1u << DV_PII_MRN | 1u << DV_PII_IP | 1u << DV_PII_MAC);
}

/* ---- what was found ---- */

static const struct dv_insights_plan plan = { .k = K };

struct finding {
    const char *id;
    enum dv_insight_kind kind;
    int64_t hour; /* of the window */
    const char *schema, *of, *group, *measure;
    uint32_t rank;
    const char *say;
};

static const char *told_of(const struct finding *finding, char buffer[DV_INSIGHTS_TOLD_MAX])
{
    const struct dv_insight insight = { .kind = finding->kind, .observed = 60 + (double)finding->hour, .expected = 12, .effect = 5, .score = 9,
                                        .p = 7.5e-19, .q = 2e-18, .windows = 12 };
    const struct dv_insight_names names = { finding->group, finding->of, finding->measure, finding->rank,
                                            1790000000000 / HOUR_MS * HOUR_MS + finding->hour * HOUR_MS,
                                            1790000000000 / HOUR_MS * HOUR_MS + (finding->hour + 1) * HOUR_MS };
    assert_true(dv_insight_told(&plan, &insight, &names, finding->say, buffer) > 0);
    return buffer;
}

static void add_hit(struct scene *scene, const char *id, const char *schema, int person, const char *text)
{
    struct dv_json quoted;
    char line[DV_INSIGHTS_TOLD_MAX * 2], subject[16] = "null";
    dv_json_init(&quoted, line, sizeof line);
    dv_json_string(&quoted, text);
    assert_false(quoted.full);
    if (person > 0)
        (void)snprintf(subject, sizeof subject, "%d", person);
    scene->used += (size_t)snprintf(scene->json + scene->used, SCENE_JSON_MAX - scene->used,
                                    "%s{\"id\":\"%s\",\"schema\":\"%s\",\"at\":1,\"subject\":%s,\"subjects\":%d,\"text\":%.*s}",
                                    scene->used > 0 ? "," : "{\"hits\":[", id, schema, subject, person > 0 ? 1 : 9, (int)dv_json_length(&quoted), line);
    assert_true(scene->used < SCENE_JSON_MAX);
}

static void add_finding(struct scene *scene, const struct finding *finding)
{
    char text[DV_INSIGHTS_TOLD_MAX];
    add_hit(scene, finding->id, finding->schema, 0, told_of(finding, text));
}

#define WATCH "Ask who records it for a known cause; plan for as many again."

/* A hospital and a bank. Each finding has a letter; the order is no help. */
static const struct finding findings[] = {
    { "j", DV_INSIGHT_TOP, 10, "wards", "diagnosis", "Renal failure", "count", 3, "" },
    { "b", DV_INSIGHT_EMERGING, 9, "wards", "diagnosis", "Influenza", "count", 0, WATCH },
    { "g", DV_INSIGHT_TOP, 9, "wards", "diagnosis", "Hypertension", "count", 1, "" },
    { "a", DV_INSIGHT_EMERGING, 10, "wards", "diagnosis", "Influenza", "count", 0, WATCH },
    { "c", DV_INSIGHT_TOP, 10, "wards", "diagnosis", "Asthma", "count", 2, "" },
    { "d", DV_INSIGHT_TOP, 10, "wards", "diagnosis", "Influenza", "count", 1, "" },
    { "e", DV_INSIGHT_EMERGING, 3, "wards", "diagnosis", "Migraine", "count", 0, WATCH },
    { "f", DV_INSIGHT_DRIFT, 10, "wards", "diagnosis", "", "count", 0, "Look which groups gained and lost. Then look again." },
    { "i", DV_INSIGHT_EMERGING, 10, "wards", "diagnosis", "Heart failure", "count", 0, WATCH },
    { "h", DV_INSIGHT_ANOMALY, 10, "tills", "merchant_category", "Groceries", "mean amount", 0, "Review the sealed records." },
    { "k", DV_INSIGHT_EMERGING, 10, "tills", "merchant_category", "Travel", "count", 0, WATCH },
    { "l", DV_INSIGHT_TOP, 10, "tills", "merchant_category", "Fuel", "count", 1, "" },
};

static void find_all(struct scene *scene)
{
    scene->used = 0;
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++)
        add_finding(scene, &findings[i]);
}

/* What is told, as the ids that its sentences cite, each once; "" if nothing is. */
static const char *told_for(struct scene *scene, const char *question)
{
    static char ids[64];
    size_t used = 0;
    scene->json[scene->used] = '\0';
    (void)snprintf(scene->json + scene->used, SCENE_JSON_MAX - scene->used, "]}");
    scene_read(scene, scene->json);
    scene_ask(scene, question, K, DV_PEOPLE_WORDS);
    assert_int_equal(scene->answer.dropped, 0);
    ids[0] = '\0';
    for (const struct dv_answer_sentence *at = scene->answer.first; at != NULL; at = at->next) {
        for (uint32_t i = 0; i < scene->evidence.count; i++)
            if ((at->cited >> i & 1) != 0 && strchr(ids, scene->evidence.hits[i].id.text[0]) == NULL)
                ids[used++] = scene->evidence.hits[i].id.text[0];
        ids[used] = '\0';
    }
    return ids;
}

/* ---- questions ---- */

/* `told`: the findings, in any order; "": it is not covered. */
static const struct { const char *question, *told; } asked[] = {
    /* what rises */
    { "which conditions are rising?", "ai" },
    { "Which diagnoses are on the rise today?", "ai" },
    { "rising conditions, which are there", "ai" },
    { "Are any diseases increasing right now?", "ai" },
    { "what is going up?", "aik" },
    { "Is there an outbreak?", "aik" },
    { "which categories are growing?", "k" },
    { "Which transactions are increasing?", "k" },
    { "what has risen?", "aik" },
    /* a group that is named */
    { "is influenza rising?", "a" },
    { "Is the flu on the rise?", "a" },
    { "Has INFLUENZA increased this week?", "a" },
    { "how is influenza?", "ad" },
    { "Tell me about influenza, please.", "ad" },
    { "is asthma rising?", "c" },
    { "are asthmatic patients increasing?", "c" },
    { "how many asthma cases are there?", "c" },
    { "is heart failure rising?", "i" },
    { "how is heart failure?", "i" },
    { "is renal failure increasing?", "j" },
    { "is failure rising?", "ij" },
    { "how are influenza and asthma?", "adc" },
    { "Is travel unusual?", "k" },
    { "how are groceries?", "h" },
    { "is influenza falling?", "ad" },
    { "is influenza the most frequent diagnosis?", "d" },
    { "is hypertension rising?", "" }, /* it led the window before, not this one */
    /* what nobody has told of */
    { "is pneumonia rising?", "" },
    { "is hypotension rising?", "" },
    { "is influenza rising in Leeds?", "" },
    { "is influenza rising on ward 3?", "" },
    { "are influenza and pneumonia rising?", "" },
    { "was influenza rising last week?", "" },
    { "what rose yesterday?", "" },
    { "is migraine rising?", "" }, /* that was seven windows ago */
    { "which conditions are falling?", "" },
    { "what is the least frequent diagnosis?", "" },
    { "how many patients are there?", "" },
    { "what is the weather?", "" },
    { "hello", "" },
    { "who is the president?", "" },
    { "is there fraud?", "" },
    /* negations and exceptions */
    { "which conditions are not rising?", "" },
    { "which conditions aren't rising?", "" },
    { "what is rising except influenza?", "" },
    { "is everything but nothing rising?", "" },
    /* what is unusual */
    { "anything unusual today?", "aihkf" },
    { "explain the unusual transactions", "hk" },
    { "Explain unusual transactions.", "hk" },
    { "are there anomalies in the payments?", "hk" },
    { "which irregular spending is there?", "hk" },
    { "what is strange about groceries?", "h" },
    { "any abnormal diagnoses?", "aif" },
    { "what's new?", "aihkf" },
    { "did anything change?", "aihkf" },
    /* what leads */
    { "what is the most frequent diagnosis?", "dcj" },
    { "the top 3 conditions?", "dcj" },
    { "what are the 3 most common conditions?", "dcj" },
    { "which merchant category is largest?", "l" },
    /* the mix */
    { "did the mix of diagnoses change?", "f" },
    { "has the distribution of conditions shifted?", "f" },
    { "did the mix of payments change?", "" },
    /* what to do */
    { "what should we do about influenza?", "a" },
    { "what is to do about the flu?", "a" },
    { "what do you recommend for groceries?", "h" },
    { "any recommendations?", "aifhk" },
    { "what should we do about the unusual transactions?", "hk" },
    { "what should we do about asthma?", "" },
    /* with what they follow */
    { "how is influenza? is it rising?", "a" },
    { "which conditions are rising? why?", "ai" },
    { "how is influenza? and asthma?", "adc" },
    { "how is influenza? what should we do about it?", "a" },
    { "how is influenza? and in Boston?", "" },
    { "how is influenza? and last week?", "" },
    { "which conditions are rising? what about the most frequent?", "dcj" },
    { "what are the most frequent conditions? and which are rising?", "ai" },
    { "which conditions are not rising? what about the most frequent?", "dcj" },
    { "which conditions are rising? which are not rising?", "" },
    { "which conditions are rising? how many?", "ai" },
    { "which conditions are rising? and which are falling?", "" },
    { "which conditions are rising? and influenza?", "a" },
    /* other languages */
    { "Welche Krankheiten nehmen zu?", "" },
    { "\xc2\xbfQu\xc3\xa9 enfermedades est\xc3\xa1n aumentando?", "" },
    { "Nimmt Influenza zu?", "" },
    { "Quelles maladies augmentent ?", "" },
    { "\xe5\x93\xaa\xe4\xba\x9b\xe7\x96\xbe\xe7\x97\x85\xe5\x9c\xa8\xe4\xb8\x8a\xe5\x8d\x87\xef\xbc\x9f", "" },
};

static bool is_same_set(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && strspn(a, b) == strlen(a) && strspn(b, a) == strlen(b);
}

static void test_what_is_asked_is_answered(void **state)
{
    struct scene *scene = *state;
    uint32_t wrong = 0;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        find_all(scene);
        const char *told = told_for(scene, asked[i].question);
        if (is_same_set(told, asked[i].told) && (told[0] != '\0') == (scene->reason == NULL))
            continue;
        wrong++;
        print_error("'%s': told '%s', not '%s'\n", asked[i].question, told, asked[i].told);
    }
    assert_int_equal(wrong, 0);
}

/* Nothing was planted: only what leads is known. */
static void test_quiet_windows_rise_in_no_words(void **state)
{
    struct scene *scene = *state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        scene->used = 0;
        for (size_t j = 0; j < sizeof findings / sizeof *findings; j++)
            if (findings[j].kind == DV_INSIGHT_TOP)
                add_finding(scene, &findings[j]);
        (void)told_for(scene, asked[i].question);
        assert_null(strstr(scene->said, "rising"));
        assert_null(strstr(scene->said, "unusual"));
    }
    for (const char *const *question = (const char *const[]){ "which conditions are rising?", "explain the unusual transactions", "anything unusual today?", NULL };
         *question != NULL; question++)
        assert_string_equal(told_for(scene, *question), "");
}

static void test_what_to_do_stands_behind_what_it_is_about(void **state)
{
    struct scene *scene = *state;
    find_all(scene);
    assert_string_equal(told_for(scene, "what should we do about influenza?"), "a");
    assert_non_null(strstr(scene->said, "Influenza is rising: 70 records, 5.0 times the 12.0 that are usual, counted by diagnosis from "));
    assert_non_null(strstr(scene->said, "].\nWhat to do about Influenza: Ask who records it for a known cause; plan for as many again ["));
    find_all(scene);
    (void)told_for(scene, "is influenza rising?");
    assert_null(strstr(scene->said, "What to do"));
}

static void test_the_window_is_told(void **state)
{
    struct scene *scene = *state;
    find_all(scene);
    (void)told_for(scene, "is influenza rising?");
    assert_non_null(strstr(scene->said, "from 2026-09-22 00:00:00 to 2026-09-22 01:00:00 UTC"));
}

/* As `embed` of the column `sentence` alone keeps it: nothing says of which window, so each is as good as another. */
static void test_sentences_alone(void **state)
{
    struct scene *scene = *state;
    scene->used = 0;
    add_hit(scene, "a", "r", 0, "Influenza is rising: 60 records, 5.0 times the 12.0 that are usual (negative-binomial, p = 1e-9, q = 2e-9, 12 windows).");
    add_hit(scene, "b", "r", 0, "B: the mean cost is 160, 3.20 times the 50 that is usual (robust-z, p = 1e-9, q = 1e-9, 12 windows).");
    add_hit(scene, "c", "r", 0, "The mix of ward has changed: stability index 0.40 over 90 records, against what is usual.");
    add_hit(scene, "d", "r", 0, "Asthma is number 2: 20 records, 33 % of the window.");
    assert_string_equal(told_for(scene, "which conditions are rising?"), "a");
    assert_true(is_same_set(told_for(scene, "anything unusual?"), "abc"));
    assert_string_equal(told_for(scene, "is asthma rising?"), "d");
    assert_string_equal(told_for(scene, "did the mix of wards change?"), "c");
}

/* ---- the templates, there and back ---- */

static void test_what_is_told_is_read(void **state)
{
    (void)state;
    char text[DV_INSIGHTS_TOLD_MAX];
    static const enum dv_rag_told_kind kinds[DV_INSIGHT_KINDS] = { DV_TOLD_RISES, DV_TOLD_STRAYS, DV_TOLD_SHIFTS, DV_TOLD_LEADS };
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++) {
        const struct finding *finding = &findings[i];
        struct dv_rag_told told;
        (void)told_of(finding, text);
        assert_true(dv_rag_told_read(&told, text, strlen(text)));
        assert_int_equal(told.kind, kinds[finding->kind]);
        assert_int_equal(told.group.length, strlen(finding->group));
        assert_memory_equal(told.group.text != NULL ? told.group.text : "", finding->group, told.group.length);
        assert_int_equal(told.of.length, strlen(finding->of));
        assert_memory_equal(told.of.text, finding->of, told.of.length);
        assert_int_equal(told.end_ms - told.start_ms, HOUR_MS);
        assert_int_equal(told.end_ms, 1790000000000 / HOUR_MS * HOUR_MS + (finding->hour + 1) * HOUR_MS);
        assert_int_equal(told.rank, finding->rank);
        assert_int_equal(told.advice.length > 0, finding->say[0] != '\0');
        assert_int_equal(told.finding.length + told.advice.length + (told.advice.length > 0), strlen(text));
        if (finding->kind == DV_INSIGHT_ANOMALY)
            assert_memory_equal(told.measure.text, finding->measure, told.measure.length);
    }
}

static void pass_over(void *data, const char *bytes, size_t length)
{
    (void)data;
    (void)bytes;
    (void)length;
}

/* In the words that people have for it, in the answer too; and the check lets nobody take the one for the other. */
static void test_measures_are_told_in_words(void **state)
{
    struct scene *scene = *state;
    static const char *const columns[] = { "p50_amount", "sum_amount", "p90_amount", "p99_9_amount" };
    static const char *const questions[] = { "is anything unusual?", "what is the median amount of groceries?", "how are the amounts of groceries?" };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        char words[DV_INSIGHTS_KEY_MAX], text[DV_INSIGHTS_TOLD_MAX], said[256];
        const struct finding finding = { "h", DV_INSIGHT_ANOMALY, 10, "tills", "merchant_category", "Groceries", dv_insight_measure(columns[i], words), 0, WATCH };
        struct dv_rag_told told;
        scene->used = 0;
        add_finding(scene, &finding);
        (void)told_of(&finding, text);
        assert_true(dv_rag_told_read(&told, text, strlen(text)));
        assert_int_equal(told.kind, DV_TOLD_STRAYS);
        assert_int_equal(told.measure.length, strlen(words));
        assert_memory_equal(told.measure.text, words, told.measure.length);
        (void)snprintf(said, sizeof said, "Groceries is unusual: the %s is 70, 5.00 times the 12 that is usual", words);
        for (size_t question = 0; question < sizeof questions / sizeof *questions; question++) {
            assert_string_equal(told_for(scene, questions[question]), "h");
            if (strstr(scene->said, said) == NULL)
                fail_msg("%s: no '%s' in: %s", questions[question], said, scene->said);
        }
    }
}

/* Figures, p-values and moments look like nobody's number: else what rises would be taken for personal, and not told. */
static void test_no_finding_looks_personal(void **state)
{
    struct scene *scene = *state;
    static const char *const groups[] = { "Influenza", "40-49", "Ward 12", "E11.9", "restaurants / 100-199", "Heart failure / 2026" };
    static const char *const measures[] = { "mean amount", "median amount", "99.9th percentile of amount" };
    const struct dv_guard_out out = { pass_over, NULL };
    struct dv_random random;
    dv_random_seed(&random, 1105);
    for (int i = 0; i < 6000; i++) {
        char text[DV_INSIGHTS_TOLD_MAX];
        const struct dv_insight insight = { .kind = (enum dv_insight_kind)(i % DV_INSIGHT_KINDS), .observed = dv_random_unit(&random) * (double)(1 + dv_random_below(&random, 1000000)),
                                            .expected = dv_random_unit(&random) * (double)(1 + dv_random_below(&random, 100000)), .effect = dv_random_unit(&random) * 90,
                                            .p = dv_random_unit(&random) / (double)(1 + dv_random_u64(&random)), .q = dv_random_unit(&random) / 1e6, .windows = (uint32_t)dv_random_below(&random, 3000) };
        int64_t start_ms = (int64_t)dv_random_below(&random, 2000000000) * 1000;
        const struct dv_insight_names names = { groups[dv_random_below(&random, 6)], "diagnosis", measures[i % 3], 3, start_ms, start_ms + 1000 * (int64_t)dv_random_below(&random, 700000) };
        size_t length = dv_insight_told(&plan, &insight, &names, WATCH, text);
        assert_int_equal(dv_guard_push(scene->guard, text, length, &out), DV_OK);
        if (dv_guard_end(scene->guard, &out) != DV_OK)
            fail_msg("%s", text);
    }
}

static void test_what_is_not_told_so_is_not_read(void **state)
{
    (void)state;
    struct dv_rag_told told;
    static const char *const texts[] = { "", " ", "Asthma rose to 14 visits.", "The mix of things.", "A is number one: he won.", "is rising",
                                         "He said: the pain is usual.", ", counted by x from y to z UTC", "X is number 4 of them" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(dv_rag_told_read(&told, texts[i], strlen(texts[i])));
    static const char window[] = "X is rising: 5 records, counted by a from 2026-99-99 00:00:00 to 2026-01-01 00:00:00 UTC.";
    for (size_t length = 0; length < sizeof window; length++)
        (void)dv_rag_told_read(&told, window, length);
    assert_true(told.kind == DV_TOLD_RISES && told.end_ms == 0 && told.start_ms == 0);
}

static void test_words_with_other_endings(void **state)
{
    (void)state;
    static const char *const alike[][2] = { { "allergy", "allergies" }, { "diabetes", "diabetic" }, { "asthma", "asthmatics" }, { "migraine", "migraines" },
                                            { "hypertension", "hypertensive" }, { "grocery", "groceries" }, { "cough", "coughing" }, { "covid", "covid-19" },
                                            { "thrombosis", "thromboses" }, { "infection", "infected" } };
    static const char *const unlike[][2] = { { "hypertension", "hypotension" }, { "hypertension", "hyperlipidemia" }, { "bronchitis", "bronchiolitis" },
                                             { "pneumonia", "pneumonitis" }, { "gastritis", "gastric" }, { "arthritis", "arthrosis" }, { "car", "care" },
                                             { "hepatitis", "hepatic" }, { "", "a" }, { "covid-19", "covid-20" } };
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        assert_true(dv_words_alike(alike[i][0], alike[i][1]));
    for (size_t i = 0; i < sizeof unlike / sizeof *unlike; i++)
        assert_false(dv_words_alike(unlike[i][0], unlike[i][1]));
}

/* ---- what is told once ---- */

static uint64_t form_of(const char *text, uint64_t seed)
{
    return dv_form_of(text, strlen(text), seed);
}

static void test_findings_of_one_group_have_one_form(void **state)
{
    (void)state;
    static const char rise[] = "Ward 3 is rising: 60 records, 5.0 times the 12.0 that are usual (negative-binomial, p = 1e-9, q = 2e-9, 12 windows).";
    static const char later[] = "Ward 3 is rising: 1,070 records, 7.5 times the 12.0 that are usual (negative-binomial, p = 1e-19, q = 2, 13 windows).";
    static const char *const others[] = {
        "Ward 4 is rising: 60 records, 5.0 times the 12.0 that are usual (negative-binomial, p = 1e-9, q = 2e-9, 12 windows).",
        "Ward 3 is rising: 60 records, 5.0 times the 12.0 that are usual, counted by ward from 2026-09-22 00:00:00 to 2026-09-22 01:00:00 UTC.",
        "Ward 3: the mean cost is 60, 3.20 times the 50 that is usual.", "Ward 3: the mean stay is 60, 3.20 times the 50 that is usual.",
        "The mix of ward 3 has changed: stability index 0.40 over 90 records, against what is usual.", "Ward 3 is number 2: 20 records, 33 % of the window.",
    };
    assert_true(form_of(rise, 1) != 0 && form_of(rise, 1) == form_of(later, 1));
    assert_true(form_of(rise, 1) != form_of(rise, 2));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_true(form_of(others[i], 1) != 0 && form_of(others[i], 1) != form_of(rise, 1));
        for (size_t j = 0; j < i; j++)
            assert_true(form_of(others[i], 1) != form_of(others[j], 1));
    }
}

/* Numbers tell them apart: as `embed` writes several columns, and whatever else is told of groups. */
static void test_other_texts_have_no_form(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "sentence: Ward 3 is rising: 60", "sentence: Ward 4 is rising: 50", "age: 30-39; n: 40", "age: 40-49; n: 44",
        "diagnosis: Type 1 diabetes; n: 20", "diagnosis: Type 2 diabetes; n: 20", "ward: 3; sentence: Asthma is number 2: 20 records", "", ": 1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_true(form_of(texts[i], 1) == 0);
}

/* Texts of several columns differ in their numbers, and each is told. */
static void test_columns_beside_a_finding(void **state)
{
    struct scene *scene = *state;
    scene->used = 0;
    add_hit(scene, "a", "r", 0, "age: 30-39; asthma: 40");
    add_hit(scene, "b", "r", 0, "age: 40-49; asthma: 44");
    assert_true(is_same_set(told_for(scene, "asthma"), "ab"));
    assert_non_null(strstr(scene->said, "asthma: 40"));
    assert_non_null(strstr(scene->said, "asthma: 44"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_asked_is_answered, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_quiet_windows_rise_in_no_words, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_what_to_do_stands_behind_what_it_is_about, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_the_window_is_told, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_sentences_alone, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_measures_are_told_in_words, setup, scene_teardown),
        cmocka_unit_test_setup_teardown(test_no_finding_looks_personal, setup, scene_teardown),
        cmocka_unit_test(test_what_is_told_is_read),
        cmocka_unit_test(test_what_is_not_told_so_is_not_read),
        cmocka_unit_test(test_words_with_other_endings),
        cmocka_unit_test(test_findings_of_one_group_have_one_form),
        cmocka_unit_test(test_other_texts_have_no_form),
        cmocka_unit_test_setup_teardown(test_columns_beside_a_finding, setup, scene_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
