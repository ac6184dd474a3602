/* SPDX-License-Identifier: Apache-2.0
 * test_operators_seal.c - what encrypt seals decrypt opens, and nothing that was touched on the way.
 * shows: ENC-1 ENC-4 ENC-6 ENC-7 PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "engine/batch.h"
#include "operators/blob_schema.h"
#include "tests/unit/operators_world.h"
#include "vault/blob.h"
#include "vault/seal.h"

#define SOURCE "  in: { op: source, from: text, schema: visit }\n"

static const char visits[] =
    "{\"id\":\"ann\",\"age\":30,\"note\":\"a \\\"word\\\"\"}\n{\"id\":\"bob\",\"new\":[1,2]}\n";
static const char opened[] = "out.visit {\"id\":\"ann\",\"age\":30,\"note\":\"a \\\"word\\\"\"}\n"
                             "out.visit {\"id\":\"bob\",\"new\":[1,2]}\n";

static int setup(void **state)
{
    (void)world_setup(state);
    (void)setenv("DV_TEST_AES", "0123456789abcdef0123456789abcdef", 1);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n"
               "  id: { type: text, class: direct-id, required: true }\n"
               "  age: { type: int, class: quasi-id }\n"
               "  note: { type: text, class: free-text }\n");
    world_file(*state, "schemas/other.yaml",
               "name: other\nsubject: id\nfields:\n"
               "  id: { type: text, class: direct-id, required: true }\n"
               "  age: { type: int, class: quasi-id }\n"
               "  note: { type: text, class: free-text }\n");
    world_keyring(*state);
    return 0;
}

static void load(struct world *world, const char *nodes)
{
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
}

static void test_blob_round_trip(void **state)
{
    struct world *world = *state;
    load(world, SOURCE "  e: { op: encrypt, after: in, key: visits }\n  d: { op: decrypt, after: e, schema: visit }\n"
                       "  out: { op: lines, after: d }\n");
    assert_string_equal(world_run(world, visits), opened);
    assert_int_equal(world->rc, DV_OK);
    assert_string_equal(world_label(world, "out", "id"), "direct-id, plain");
    assert_string_equal(world_label(world, "out", "_extra"), "direct-id, plain");
    assert_int_equal(world->settled, 1);
}

static void test_blob_columns(void **state)
{
    struct world *world = *state;
    load(world, SOURCE "  e: { op: encrypt, after: in, key: visits }\n  out: { op: store, after: e }\n");
    const char *output = world_run(world, visits);
    assert_int_equal(world->rc, DV_OK);
    assert_null(strstr(output, "ann"));
    assert_null(strstr(output, "word"));
    assert_non_null(strstr(output, "out.blob {\"schema\":\"visit\",\"data_hash\":\""));
    assert_non_null(strstr(output, "\"key_ref\":\"default/visits/1/"));
    assert_non_null(strstr(output, "\"subject_ref\":\""));
}

/* The text of a JSON member in the n-th line. */
static void member(const char *output, unsigned line, const char *key, char *ret, size_t size)
{
    char quoted[64];
    while (line-- > 0)
        output = strchr(output, '\n') + 1;
    (void)snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const char *at = strstr(output, quoted);
    assert_non_null(at);
    at += strlen(quoted);
    (void)snprintf(ret, size, "%.*s", (int)strcspn(at, "\""), at);
}

static void test_equal_records(void **state)
{
    struct world *world = *state;
    char first[2][4096], second[2][4096];
    static const char *const keys[] = { "ciphertext", "nonce", "subject_ref", "data_hash" };
    static const bool equal[] = { false, false, true, true };
    load(world, SOURCE "  e: { op: encrypt, after: in, key: visits }\n  out: { op: lines, after: e }\n");
    const char *output = world_run(world, "{\"id\":\"ann\"}\n{\"id\":\"ann\"}\n");
    for (size_t i = 0; i < 4; i++) {
        member(output, 0, keys[i], first[0], sizeof first[0]);
        member(output, 1, keys[i], second[0], sizeof second[0]);
        assert_int_equal(strcmp(first[0], second[0]) == 0, equal[i]);
    }
}

static void test_policy_gives_the_labels(void **state)
{
    struct world *world = *state;
    world_file(world, "policies/p.yaml",
               "name: p\nfields:\n  id: { pseudonym: { domain: x } }\n"
               "  age: { generalize: { to: age-band } }\n  note: drop\n");
    load(world, SOURCE "  a: { op: anonymize, after: in, policy: p }\n  e: { op: encrypt, after: a, key: visits }\n"
                       "  d: { op: decrypt, after: e, schema: visit, policy: p }\n  out: { op: lines, after: d }\n"
                       "  ref: { op: lines, after: a }\n");
    const char *output = world_run(world, visits);
    assert_int_equal(world->rc, DV_OK);
    assert_string_equal(world_label(world, "out", "age"), "quasi-id, generalized");
    assert_string_equal(world_label(world, "out", "note"), "-");
    char before[256], after[256];
    const char *ref = strstr(output, "ref.visit ");
    const char *out = strstr(output, "out.visit ");
    assert_true(ref != NULL && out != NULL);
    (void)snprintf(before, sizeof before, "%.*s", (int)strcspn(ref + 4, "\n"), ref + 4);
    (void)snprintf(after, sizeof after, "%.*s", (int)strcspn(out + 4, "\n"), out + 4);
    assert_string_equal(before, after);
}

static uint32_t flip_column, flip_bit;

static void flip(struct dv_batch *batch)
{
    struct dv_cell *cell = &dv_batch_edit(batch, flip_column)[0];
    char *copy = dv_arena_copy(&batch->arena, cell->text, cell->length);
    assert_non_null(copy);
    copy[flip_bit / 8 % cell->length] ^= (char)(1 << flip_bit % 8);
    cell->text = copy;
}

static void flip_id(struct dv_batch *batch)
{
    batch->row[0].id[3] ^= 1;
}

static void flip_time(struct dv_batch *batch)
{
    batch->row[0].created_ms++;
}

static void cut(struct dv_batch *batch)
{
    dv_batch_edit(batch, flip_column)[0].length = flip_bit;
}

static void lose(struct dv_batch *batch)
{
    dv_batch_edit(batch, flip_column)[0].present = 0;
}

static void refused(struct world *world, const char *spoilt)
{
    const char *output = world_run(world, visits);
    if (world->rc != DV_OK || world->letter_count != 1 || strstr(output, "ann") != NULL)
        fail_msg("%s: rc %d, %u letters: %s", spoilt, (int)world->rc, world->letter_count, output);
    assert_non_null(strstr(output, "bob"));
    assert_null(strstr(world->letter[0].payload, "ann"));
    assert_non_null(strstr(world->letter[0].payload, "\":\""));
}

#define SPOILT                                                                                                         \
    SOURCE "  e: { op: encrypt, after: in, key: visits }\n  t: { op: tamper, after: e }\n"                             \
           "  d: { op: decrypt, after: t, schema: visit }\n  out: { op: lines, after: d }\n"

static void test_tampering(void **state)
{
    struct world *world = *state;
    world->tamper = flip;
    for (flip_column = 0; flip_column < DV_BLOB_COLUMNS; flip_column++) {
        for (flip_bit = 0; flip_bit < 400; flip_bit += 37) {
            load(world, SPOILT);
            refused(world, "a bit");
        }
    }
    world->tamper = flip_id;
    load(world, SPOILT);
    refused(world, "the id");
    assert_int_equal(world->letter[0].code, DV_E_TAMPER);
    world->tamper = flip_time;
    load(world, SPOILT);
    refused(world, "the time");
}

static void test_cut_short(void **state)
{
    struct world *world = *state;
    for (flip_column = 0; flip_column < DV_BLOB_COLUMNS; flip_column++) {
        for (flip_bit = 0; flip_bit < 12; flip_bit += 11) {
            world->tamper = cut;
            load(world, SPOILT);
            if (flip_column == DV_BLOB_KEY_REF || flip_column == DV_BLOB_SCHEMA_NAME || flip_bit == 0 ||
                flip_column != DV_BLOB_SUBJECT_REF)
                refused(world, "a shorter column");
        }
        world->tamper = lose;
        load(world, SPOILT);
        refused(world, "a lost column");
    }
}

static void test_bare_round_trip(void **state)
{
    struct world *world = *state;
    load(world, SOURCE "  e: { op: encrypt, after: in, format: bare, raw_key: \"env:DV_TEST_AES\" }\n"
                       "  d: { op: decrypt, after: e, schema: visit, raw_key: \"env:DV_TEST_AES\" }\n"
                       "  out: { op: lines, after: d }\n  sealed: { op: file, after: e }\n");
    const char *output = world_run(world, visits);
    assert_int_equal(world->rc, DV_OK);
    assert_non_null(strstr(output, "out.visit {\"id\":\"ann\",\"age\":30,"));
    assert_non_null(strstr(output, "sealed.bare {\"sealed\":\""));
    assert_null(strstr(output, "sealed.visit"));
}

static void test_bare_tampering(void **state)
{
    struct world *world = *state;
    world->tamper = flip;
    flip_column = DV_BARE_SEALED;
    for (flip_bit = 0; flip_bit < 500; flip_bit += 31) {
        load(world, SOURCE "  e: { op: encrypt, after: in, format: bare, raw_key: \"env:DV_TEST_AES\" }\n"
                           "  t: { op: tamper, after: e }\n"
                           "  d: { op: decrypt, after: t, schema: visit, raw_key: \"env:DV_TEST_AES\" }\n"
                           "  out: { op: lines, after: d }\n");
        assert_null(strstr(world_run(world, visits), "ann"));
        assert_int_equal(world->letter_count, 1);
        assert_int_equal(world->letter[0].code, DV_E_TAMPER);
    }
    world->tamper = cut;
    for (flip_bit = 0; flip_bit < 30; flip_bit += 27) {
        load(world, SOURCE "  e: { op: encrypt, after: in, format: bare, raw_key: \"env:DV_TEST_AES\" }\n"
                           "  t: { op: tamper, after: e }\n"
                           "  d: { op: decrypt, after: t, schema: visit, raw_key: \"env:DV_TEST_AES\" }\n"
                           "  out: { op: lines, after: d }\n");
        (void)world_run(world, visits);
        assert_int_equal(world->letter_count, 1);
    }
}

static void finds(void **state, const char *nodes, const char *code)
{
    struct world *world = *state;
    assert_false(world_load(world, nodes));
    if (strstr(world->findings, code) == NULL)
        fail_msg("expected %s in:\n%s", code, world->findings);
}

static void test_findings(void **state)
{
    finds(state, SOURCE "  e: { op: encrypt, after: in }\n  out: { op: lines, after: e }\n", "C131");
    finds(state, SOURCE "  e: { op: encrypt, after: in, key: visits, format: bare }\n  out: { op: lines, after: e }\n",
          "C130");
    finds(state, SOURCE "  d: { op: decrypt, after: in, schema: visit }\n  out: { op: lines, after: d }\n", "C132");
    finds(state,
          SOURCE "  e: { op: encrypt, after: in, key: v }\n  d: { op: decrypt, after: e, schema: visits }\n  out: { "
                 "op: lines, after: d }\n",
          "C031");
    finds(state,
          SOURCE "  e: { op: encrypt, after: in, format: bare, raw_key: \"env:A\" }\n  d: { op: decrypt, after: e, "
                 "schema: visit }\n  out: { op: lines, after: d }\n",
          "C130");
    finds(state, SOURCE "  e: { op: encrypt, after: in, key: v }\n  out: { op: sse, after: e }\n", "P001");
}

/* The labels of what comes out are those of what went in: nobody can call records anonymised that were sealed plain. */
static void test_labels_are_no_promise(void **state)
{
    static const char tail[] = "  out: { op: lines, after: d }\n";
    static const char *const wrong[] = {
        "  e: { op: encrypt, after: in, key: v }\n  d: { op: decrypt, after: e, schema: visit, policy: p }\n",
        "  e: { op: encrypt, after: in, key: v }\n  d: { op: decrypt, after: e, schema: tame }\n",
        "  a: { op: anonymize, after: in, policy: p }\n  e: { op: encrypt, after: a, key: v }\n"
        "  f: { op: encrypt, after: in, key: v }\n  d: { op: decrypt, after: [e, f], schema: visit, policy: p }\n",
    };
    char nodes[1024];
    world_file(*state, "schemas/tame.yaml", "name: tame\nfields:\n  id: { type: text, class: public }\n");
    world_file(*state, "policies/p.yaml",
               "name: p\nfields:\n  id: { pseudonym: { domain: x } }\n  age: drop\n  note: drop\n");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        (void)snprintf(nodes, sizeof nodes, SOURCE "%s%s", wrong[i], tail);
        finds(state, nodes, "P105");
    }
}

static void test_wrong_keys(void **state)
{
    struct world *world = *state;
    (void)setenv("DV_TEST_AES", "too short", 1);
    load(world, SOURCE "  e: { op: encrypt, after: in, format: bare, raw_key: \"env:DV_TEST_AES\" }\n  out: { op: "
                       "lines, after: e }\n");
    assert_string_equal(world_run(world, visits), "");
    assert_int_equal(world->rc, DV_E_KEY);
    assert_non_null(strstr(world->error.text, "9 bytes"));
}

static void test_no_keyring(void **state)
{
    struct world *world = *state;
    struct dv_keyring *keyring = world->keyring;
    world->keyring = NULL;
    load(world, SOURCE "  e: { op: encrypt, after: in, key: visits }\n  out: { op: lines, after: e }\n");
    (void)world_run(world, visits);
    assert_int_equal(world->rc, DV_E_KEY);
    assert_non_null(strstr(world->error.text, "keyring"));
    world->keyring = keyring;
}

static void test_long_and_short_records(void **state)
{
    struct world *world = *state;
    static char input[8192];
    (void)snprintf(input, sizeof input, "{\"id\":\"%0*d\"}\n{\"id\":\"b\"}\n", 3000, 7);
    load(world, SOURCE "  e: { op: encrypt, after: in, key: visits }\n  d: { op: decrypt, after: e, schema: visit }\n"
                       "  out: { op: lines, after: d }\n");
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    assert_non_null(strstr(output, "out.visit {\"id\":\"000"));
    assert_non_null(strstr(output, "{\"id\":\"b\"}"));
}

static void test_subjects(void **state)
{
    struct world *world = *state;
    static const char *const subjects[] = { "subject: n\n", "subject: t\n", "" };
    static const bool named[][2] = { { true, false }, { false, true }, { false, false } };
    for (size_t i = 0; i < 3; i++) {
        char schema[256], ref[64];
        (void)snprintf(
            schema, sizeof schema,
            "name: visit\n%sfields:\n  n: { type: int, class: direct-id }\n  t: { type: text, class: direct-id }\n",
            subjects[i]);
        world_file(world, "schemas/visit.yaml", schema);
        load(world, SOURCE "  e: { op: encrypt, after: in, key: visits }\n  out: { op: lines, after: e }\n");
        const char *output = world_run(world, "{\"n\":7}\n{\"t\":\"seven\"}\n");
        assert_int_equal(world->rc, DV_OK);
        (void)snprintf(ref, sizeof ref, "%s", "\"subject_ref\"");
        const char *second = strchr(output, '\n');
        const char *found = strstr(output, ref);
        assert_int_equal(found != NULL && found < second, named[i][0]);
        assert_int_equal(strstr(second, ref) != NULL, named[i][1]);
    }
}

static void test_wrong_key_to_open(void **state)
{
    struct world *world = *state;
    (void)setenv("DV_TEST_SHORT", "too short", 1);
    load(world, SOURCE "  e: { op: encrypt, after: in, format: bare, raw_key: \"env:DV_TEST_AES\" }\n"
                       "  d: { op: decrypt, after: e, schema: visit, raw_key: \"env:DV_TEST_SHORT\" }\n"
                       "  out: { op: lines, after: d }\n");
    assert_string_equal(world_run(world, visits), "");
    assert_int_equal(world->rc, DV_E_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blob_round_trip, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_blob_columns, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_equal_records, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_policy_gives_the_labels, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_tampering, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_cut_short, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_labels_are_no_promise, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_bare_round_trip, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_bare_tampering, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_findings, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_keys, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_no_keyring, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_long_and_short_records, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_subjects, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_wrong_key_to_open, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
