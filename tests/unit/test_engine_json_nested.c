/* SPDX-License-Identifier: Apache-2.0
 * test_engine_json_nested.c - what paths of a schema find inside objects and lists, and that nothing else is lost.
 *
 * shows: ANO-6 ING-13 MIS-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "engine/random.h"
#include "tests/unit/json_fixture.h"

static int setup(void **state)
{
    struct json_fixture *fixture = malloc(sizeof *fixture);
    if (fixture == NULL)
        return -1;
    fixture_open(fixture);
    *state = fixture;
    return fixture->reader == NULL;
}

static int teardown(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

struct taken {
    const char *text;
    const char *written;
};

#define PATIENT_YEARS "years_of_age_when_it_was_seen_last"

static const struct taken taken_texts[] = {
    { "{\"patient\":{\"name\":{\"family\":\"Moe\"}}}", "{\"patient.name.family\":\"Moe\"}" },
    { "{\"patient\" : { \"name\":\n{ \"family\" : \"M\\u006fe\" } , \"" PATIENT_YEARS "\":7 } , \"id\":\"a\"}",
      "{\"id\":\"a\",\"patient.name.family\":\"Moe\",\"patient." PATIENT_YEARS "\":7}" },
    { "{\"\\u0070atient\":{\"n\\u0061me\":{\"family\":\"Moe\"}}}", "{\"patient.name.family\":\"Moe\"}" },
    { "{\"patient.name.family\":\"Moe\"}", "{\"patient.name.family\":\"Moe\"}" },
    { "{\"patient\":null}", "{}" },
    { "{\"patient\":{}}", "{}" },
    { "{\"patient\":{\"name\":{}}}", "{}" },
    { "{\"patient\":{\"name\":null}}", "{}" },
    { "{\"patient\":{\"name\":{\"family\":null}}}", "{}" },
    { "{\"contacts\":[]}", "{}" },
    { "{\"contacts\":null}", "{}" },
    { "{\"contacts\":[null,{},{\"phone\":null}]}", "{}" },
    { "{\"contacts\":[{\"phone\":\"1\"},{},{\"phone\":null},null,{\"phone\":[2,\n{\"x\":3}]}]}",
      "{\"contacts[].phone\":[\"1\",[2, {\"x\":3}]]}" },
    { "{\"contacts[].phone\":[1]}", "{\"contacts[].phone\":[1]}" },
    { "{\"contacts\":[{\"at\":{\"home\":[{\"street\":\"A\",\"city\":\"B\"},{\"city\":\"C\"}]}},"
      "{\"at\":{\"home\":[{\"street\":\"D\"}]},\"phone\":4}]}",
      "{\"contacts[].phone\":[4],\"contacts[].at.home[].street\":[\"A\",\"D\"],"
      "\"contacts[].at.home[].city\":[\"B\",\"C\"]}" },
    /* What no path names stays where it was. */
    { "{\"x\":1,\"patient\":{\"y\":2,\"name\":{\"family\":\"Moe\",\"given\":\"Al\"},\"z\":[3]},\"w\":4}",
      "{\"patient.name.family\":\"Moe\",\"x\":1,\"patient\":{\"y\":2,\"name\":{\"given\":\"Al\"},\"z\":[3]},\"w\":4}" },
    { "{\"patient\":{\"name\":{\"given\":\"Al\"}}}", "{\"patient\":{\"name\":{\"given\":\"Al\"}}}" },
    { "{\"patient\":{\"patient\":{\"name\":{\"family\":\"Moe\"}}}}",
      "{\"patient\":{\"patient\":{\"name\":{\"family\":\"Moe\"}}}}" },
    { "{\"name\":{\"family\":\"Moe\"},\"family\":1}", "{\"name\":{\"family\":\"Moe\"},\"family\":1}" },
    { "{\"patient\":{\"name.family\":\"Moe\",\"patient.name.family\":1,\"id\":2}}",
      "{\"patient\":{\"name.family\":\"Moe\",\"patient.name.family\":1,\"id\":2}}" },
    { "{\"patient.name\":{\"family\":\"Moe\"}}", "{\"patient.name\":{\"family\":\"Moe\"}}" },
    { "{\"patient\":{\"_extra\":1},\"_extra\":2}", "{\"patient\":{\"_extra\":1},\"_extra\":2}" },
    { "{\"contacts\":[{\"phone\":1},null,{\"kind\" : \"x\"},{\"kind\":\"y\",\"phone\":2},{}]}",
      "{\"contacts[].phone\":[1,2],\"contacts\":[{},{},{\"kind\" : \"x\"},{\"kind\":\"y\"},{}]}" },
    { "{\"contacts\":[{\"at\":{\"work\":1,\"home\":[{},{\"zip\":2}]}},{\"at\":{\"home\":[{\"city\":\"C\"}]}}]}",
      "{\"contacts[].at.home[].city\":[\"C\"],\"contacts\":[{\"at\":{\"work\":1,\"home\":[{},{\"zip\":2}]}},{}]}" },
};

/* Each is written, and what was written is read to the same again, by a reader that has learned another order. */
static void takes_paths_and_loses_nothing(void **state)
{
    struct json_fixture *fixture = *state;
    for (size_t i = 0; i < sizeof taken_texts / sizeof *taken_texts; i++) {
        for (int round = 0; round < 2; round++) {
            const char *text = round == 0 ? taken_texts[i].text : taken_texts[i].written;
            if (fixture_read(fixture, text) != DV_OK)
                fail_msg("'%s': %s", text, fixture->reason);
            char *written = fixture_write(fixture);
            assert_string_equal(written, taken_texts[i].written);
            free(written);
        }
    }
}

struct refused {
    const char *text;
    dv_rc rc;
    const char *reason; /* NULL: any */
};

static const struct refused refused_texts[] = {
    { "{\"patient\":\"Moe\"}", DV_E_DATA, "a field that the schema looks into is no object" },
    { "{\"patient\":[{\"name\":{}}]}", DV_E_DATA, "a field that the schema looks into is no object" },
    { "{\"patient\":{\"name\":7}}", DV_E_DATA, "a field that the schema looks into is no object" },
    { "{\"patient\":true}", DV_E_DATA, "a field that the schema looks into is no object" },
    { "{\"contacts\":{\"phone\":1}}", DV_E_DATA, "a field that the schema looks into is no list of objects" },
    { "{\"contacts\":\"1\"}", DV_E_DATA, "a field that the schema looks into is no list of objects" },
    { "{\"contacts\":[{\"phone\":1},2]}", DV_E_DATA,
      "a list whose objects the schema looks into holds something else" },
    { "{\"contacts\":[[{\"phone\":1}]]}", DV_E_DATA,
      "a list whose objects the schema looks into holds something else" },
    { "{\"contacts\":[{\"at\":[]}]}", DV_E_DATA, "a field that the schema looks into is no object" },
    { "{\"patient\":{\"name\":{\"family\":7}}}", DV_E_DATA, "a text field holds another type" },
    { "{\"patient\":{\"" PATIENT_YEARS "\":1.5}}", DV_E_DATA, "a whole number is expected" },
    { "{\"patient\":{},\"patient\":{}}", DV_E_SYNTAX, "a name stands twice in one object" },
    { "{\"patient\":null,\"id\":\"a\",\"patient\":{}}", DV_E_SYNTAX, "a name stands twice in one object" },
    { "{\"patient\":{\"name\":{},\"name\":{}}}", DV_E_SYNTAX, "a name stands twice in one object" },
    { "{\"patient\":{\"name\":{\"family\":null,\"f\\u0061mily\":\"a\"}}}", DV_E_SYNTAX,
      "a name stands twice in one object" },
    { "{\"patient\":{\"x\":1,\"\\u0078\":2}}", DV_E_SYNTAX, "a name stands twice in one object" },
    { "{\"contacts\":[{\"phone\":1,\"phone\":2}]}", DV_E_SYNTAX, "a name stands twice in one object" },
    { "{\"contacts\":[{\"phone\":null,\"phone\":null}]}", DV_E_SYNTAX, "a name stands twice in one object" },
    { "{\"patient.name.family\":\"a\",\"patient\":{\"name\":{\"family\":\"b\"}}}", DV_E_SYNTAX,
      "a name stands twice in one object" },
    { "{\"patient\":{\"name\":{\"family\":\"b\"}},\"patient.name.family\":\"a\"}", DV_E_SYNTAX,
      "a name stands twice in one object" },
    { "{\"contacts\":[{\"phone\":1}],\"contacts[].phone\":[2]}", DV_E_SYNTAX, "a name stands twice in one object" },
    { "{\"patient\":{", DV_E_SYNTAX, NULL },
    { "{\"patient\":{\"name\"", DV_E_SYNTAX, NULL },
    { "{\"patient\":{\"name\":", DV_E_SYNTAX, NULL },
    { "{\"patient\":{\"name\":}}", DV_E_SYNTAX, NULL },
    { "{\"patient\":{\"name\":{}", DV_E_SYNTAX, NULL },
    { "{\"patient\":{\"name\":{]}}", DV_E_SYNTAX, NULL },
    { "{\"patient\":{\"name\" {}}}", DV_E_SYNTAX, NULL },
    { "{\"patient\":{\"x\":1,}}", DV_E_SYNTAX, NULL },
    { "{\"patient\":{,\"x\":1}}", DV_E_SYNTAX, NULL },
    { "{\"patient\":{7:1}}", DV_E_SYNTAX, NULL },
    { "{\"patient\":nul}", DV_E_SYNTAX, NULL },
    { "{\"patient\":[nul]}", DV_E_SYNTAX, NULL },
    { "{\"contacts\":[", DV_E_SYNTAX, NULL },
    { "{\"contacts\":[{\"phone\":1}", DV_E_SYNTAX, NULL },
    { "{\"contacts\":[{\"phone\":1}}", DV_E_SYNTAX, NULL },
    { "{\"contacts\":[{\"phone\":1},]}", DV_E_SYNTAX, NULL },
    { "{\"contacts\":[{\"phone\":01}]}", DV_E_SYNTAX, NULL },
    { "{\"contacts\":[{\"phone\":}]}", DV_E_SYNTAX, NULL },
};

static void refuses_what_a_path_cannot_lead_into(void **state)
{
    static const char hostile[] = { '7', '"', '}', ',', ' ', '\\', '\0', '\xff' };
    struct json_fixture *fixture = *state;
    for (size_t i = 0; i < sizeof refused_texts / sizeof *refused_texts; i++) {
        const struct refused *one = &refused_texts[i];
        for (size_t j = 0; j < sizeof hostile; j++) {
            dv_rc rc = fixture_read_before(fixture, one->text, strlen(one->text), hostile[j]);
            if (rc != one->rc || (one->reason != NULL && strcmp(fixture->reason, one->reason) != 0))
                fail_msg("'%s': %s (%s)", one->text, dv_rc_name(rc), fixture->reason);
        }
    }
}

/* Values below an inner object count the levels above them. */
static void refuses_deep_nesting_inside(void **state)
{
    struct json_fixture *fixture = *state;
    for (int inner = 60; inner <= 61; inner++) {
        char text[512] = "{\"contacts\":[{\"at\":{\"x\":";
        for (int i = 0; i < inner; i++)
            strcat(text, "[");
        for (int i = 0; i < inner; i++)
            strcat(text, "]");
        strcat(text, "}}]}");
        assert_int_equal(fixture_read(fixture, text), inner == 60 ? DV_OK : DV_E_SYNTAX);
    }
    assert_string_equal(fixture->reason, "nested more than 64 levels deep");
}

static void an_inner_field_may_be_required(void **state)
{
    struct json_fixture *fixture = *state;
    static const char *const texts[] = { "{}", "{\"patient\":{\"name\":{}}}", "{\"patient\":null}" };
    fixture->columns[FAMILY].required = true;
    fixture->columns[PHONES].required = true;
    struct dv_json_reader *learned = fixture->reader;
    fixture->reader = dv_json_reader_new(&fixture->schema, FIXTURE_LIMIT);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(fixture_read(fixture, texts[i]), DV_E_DATA);
    assert_int_equal(fixture_read(fixture, "{\"patient\":{\"name\":{\"family\":\"a\"}},\"contacts\":[{}]}"), DV_E_DATA);
    assert_string_equal(fixture->reason, "a required field is missing");
    assert_int_equal(fixture_read(fixture, "{\"patient\":{\"name\":{\"family\":\"a\"}},\"contacts\":[{\"phone\":1}]}"),
                     DV_OK);
    dv_json_reader_free(learned);
}

static void refuses_inner_fields_without_a_place_for_them(void **state)
{
    struct json_fixture *fixture = *state;
    struct dv_json_reader *learned = fixture->reader;
    fixture->schema.extra = -1;
    fixture->reader = dv_json_reader_new(&fixture->schema, FIXTURE_LIMIT);
    assert_int_equal(fixture_read(fixture, "{\"patient\":{\"name\":{\"family\":\"a\"}}}"), DV_OK);
    assert_int_equal(fixture_read(fixture, "{\"patient\":{\"name\":{\"given\":\"a\"}}}"), DV_E_DATA);
    assert_string_equal(fixture->reason, "a field that the schema does not name");
    dv_json_reader_free(learned);
}

/* Adds the members of `words` whose bits are set, in a random order. */
static void add_members(char *text, struct dv_random *random, const char *const *words, unsigned count, unsigned set)
{
    bool first = true;
    while (set != 0) {
        unsigned pick = (unsigned)dv_random_below(random, count);
        if ((set >> pick & 1u) == 0)
            continue;
        set &= ~(1u << pick);
        strcat(strcat(text, first ? "" : ","), words[pick]);
        first = false;
    }
}

/* Some members of some objects, in an order that changes with every record: what was expected must not matter. */
static void reads_members_in_any_order(void **state)
{
    static const char *const inner[] = { "\"family\":\"F\"", "\"given\":\"G\"" };
    static const char *const phones[] = { "\"phone\":1", "\"at\":{\"home\":[{\"city\":\"C\"}]}", "\"kind\":2" };
    struct json_fixture *fixture = *state;
    struct dv_random random;
    dv_random_seed(&random, 11);
    for (int round = 0; round < 3000; round++) {
        unsigned name = (unsigned)dv_random_below(&random, 4), contact = (unsigned)dv_random_below(&random, 8);
        unsigned top = (unsigned)dv_random_below(&random, 8);
        char patient[128] = "\"patient\":{\"name\":{", contacts[128] = "\"contacts\":[{", text[512] = "{", expected[512];
        add_members(patient, &random, inner, 2, name);
        add_members(contacts, &random, phones, 3, contact);
        const char *const members[] = { "\"id\":\"a\"", strcat(patient, "}}"), strcat(contacts, "}]") };
        add_members(text, &random, members, 3, top);
        bool has_patient = (top & 2u) != 0, has_contacts = (top & 4u) != 0;
        (void)snprintf(expected, sizeof expected, "%d%d%d%d%d%d", (top & 1u) != 0, has_patient && (name & 1u) != 0,
                       has_contacts && (contact & 1u) != 0, has_contacts && (contact & 2u) != 0,
                       has_patient && (name & 2u) != 0, has_contacts && (contact & 4u) != 0);
        assert_int_equal(fixture_read(fixture, strcat(text, "}")), DV_OK);
        char *written = fixture_write(fixture);
        char got[8];
        (void)snprintf(got, sizeof got, "%d%d%d%d%d%d", strstr(written, "\"id\":\"a\"") != NULL,
                       strstr(written, "\"patient.name.family\":\"F\"") != NULL,
                       strstr(written, "\"contacts[].phone\":[1]") != NULL,
                       strstr(written, "\"contacts[].at.home[].city\":[\"C\"]") != NULL,
                       strstr(written, "\"patient\":{\"name\":{\"given\":\"G\"}}") != NULL,
                       strstr(written, "\"contacts\":[{\"kind\":2}]") != NULL);
        if (strcmp(got, expected) != 0)
            fail_msg("seed 11, round %d: '%s' became '%s'", round, text, written);
        free(written);
    }
}

/* Enough values that the room for them has to grow several times. */
static void takes_long_lists(void **state)
{
    enum { ELEMENTS = 20000 };
    struct json_fixture *fixture = *state;
    char *text = malloc(ELEMENTS * 24 + 32), *expected = malloc(ELEMENTS * 8 + 32);
    assert_non_null(text);
    assert_non_null(expected);
    size_t length = (size_t)sprintf(text, "{\"contacts\":["), at = (size_t)sprintf(expected, "{\"contacts[].phone\":[");
    for (int i = 0; i < ELEMENTS; i++) {
        length += (size_t)sprintf(text + length, "{\"phone\":%d},", i);
        at += (size_t)sprintf(expected + at, "%d,", i);
    }
    (void)strcpy(text + length - 1, "]}");
    (void)strcpy(expected + at - 1, "]}");
    assert_int_equal(fixture_read(fixture, text), DV_OK);
    char *written = fixture_write(fixture);
    assert_string_equal(written, expected);
    free(written);
    free(text);
    free(expected);
}

static void tells_when_memory_is_short(void **state)
{
    struct json_fixture *fixture = *state;
    static const char *const list = "{\"contacts\":[{\"phone\":1}]}";
    dv_memory_fail_at(1);
    assert_int_equal(fixture_read(fixture, list), DV_E_MEMORY);
    dv_memory_fail_at(0);
    assert_int_equal(fixture_read(fixture, list), DV_OK);
    dv_arena_free(&fixture->batch.arena);
    dv_arena_init(&fixture->batch.arena, 0);
    assert_int_equal(fixture_read(fixture, list), DV_E_MEMORY);
    assert_int_equal(fixture_read(fixture, "{\"patient\":{\"x\":1}}"), DV_E_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_paths_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_a_path_cannot_lead_into, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_deep_nesting_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(an_inner_field_may_be_required, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_inner_fields_without_a_place_for_them, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_members_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_long_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_when_memory_is_short, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
