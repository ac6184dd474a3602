/* SPDX-License-Identifier: Apache-2.0
 * test_operators_subject_ref.c - a plain name leads to every reference that `encrypt` has given to its person: through the policy,
 * and under keys that were replaced since.
 * shows: VEC-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "operators/decrypt.h"
#include "operators/subject_ref.h"
#include "tests/unit/operators_world.h"
#include "vault/keyring.h"

enum { REF_TEXT = 64, SEALED = 6 };

static const char *const policies[] = { NULL, "pseudonyms", "masks", "kept" };

static const char *chain(struct world *world, const char *schema, const char *policy)
{
    (void)snprintf(world->text, sizeof world->text,
                   "  in: { op: source, from: text, schema: %s }\n%s%s%s  e: { op: encrypt, after: %s, key: visits }\n"
                   "  d: { op: decrypt, after: e, schema: %s, references: true%s%s }\n  out: { op: lines, after: d }\n  blobs: { op: lines, after: e }\n",
                   schema, policy != NULL ? "  a: { op: anonymize, after: in, policy: " : "", policy != NULL ? policy : "", policy != NULL ? " }\n" : "",
                   policy != NULL ? "a" : "in", schema, policy != NULL ? ", policy: " : "", policy != NULL ? policy : "");
    return world->text;
}

static void load(struct world *world, const char *schema, const char *policy)
{
    char nodes[1024];
    (void)snprintf(nodes, sizeof nodes, "%s", chain(world, schema, policy));
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
}

/* The reference of the first record, in base64 as the output has it. */
static void sealed_as(struct world *world, const char *schema, const char *policy, const char *record, char ret[REF_TEXT])
{
    load(world, schema, policy);
    const char *at = strstr(world_run(world, record), "\"subject_ref\":\"");
    assert_int_equal(world->rc, DV_OK);
    assert_non_null(at);
    at += strlen("\"subject_ref\":\"");
    (void)snprintf(ret, REF_TEXT, "%.*s", (int)strcspn(at, "\""), at);
}

static void base64(const uint8_t *bytes, char ret[REF_TEXT])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = 0;
    for (int i = 0; i < DV_SUBJECT_REF_BYTES; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        int left = DV_SUBJECT_REF_BYTES - i;
        three |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        three |= left > 2 ? bytes[i + 2] : 0;
        for (int k = 0; k < 4; k++)
            ret[length++] = k <= left ? digits[three >> (18 - 6 * k) & 63] : '=';
    }
    ret[length] = '\0';
}

static dv_rc open_namer(struct world *world, struct dv_subject_namer *namer, bool as_sealed)
{
    struct dv_opened opened = { 0 };
    bool found = false;
    for (uint32_t i = 0; i < dv_graph_node_count(world->graph) && !found; i++)
        found = dv_decrypt_opened(dv_graph_node(world->graph, i), &opened);
    assert_true(found && opened.references);
    const struct dv_subject_place place = { .sealed = opened.sealed, .plan = as_sealed ? NULL : opened.plan, .keyring = world->keyring,
                                            .tenant = "default" };
    return dv_subject_namer_open(namer, &place, &world->error);
}

static uint32_t refs_of(struct world *world, struct dv_subject_namer *namer, const char *name, const char *sought, bool *ret_among)
{
    static uint8_t refs[DV_SUBJECT_REFS_MAX][DV_SUBJECT_REF_BYTES];
    uint32_t count = 0;
    (void)world;
    assert_int_equal(dv_subject_names(namer, name, strlen(name), refs, &count), DV_OK);
    *ret_among = false;
    for (uint32_t i = 0; i < count; i++) {
        char text[REF_TEXT];
        base64(refs[i], text);
        *ret_among = *ret_among || strcmp(text, sought) == 0;
    }
    return count;
}

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml", "name: visit\nsubject: id\nfields:\n  id: { type: text, class: direct-id, required: true }\n"
                                             "  note: { type: text, class: free-text }\n");
    world_file(*state, "schemas/number.yaml", "name: number\nsubject: id\nfields:\n  id: { type: int, class: direct-id, required: true }\n"
                                              "  note: { type: text, class: free-text }\n");
    world_file(*state, "schemas/weight.yaml", "name: weight\nsubject: id\nfields:\n  id: { type: float, class: direct-id, required: true }\n"
                                              "  note: { type: text, class: free-text }\n");
    world_file(*state, "policies/pseudonyms.yaml", "name: pseudonyms\nfields:\n  id: { pseudonym: { domain: x } }\n  note: drop\n");
    world_file(*state, "policies/masks.yaml", "name: masks\nfields:\n  id: { mask: { style: text, keep: 2 } }\n  note: drop\n");
    world_file(*state, "policies/kept.yaml", "name: kept\nfields:\n  id: keep\n  note: drop\n");
    world_file(*state, "policies/none.yaml", "name: none\nfields:\n  id: drop\n  note: keep\n");
    world_keyring(*state);
    return 0;
}

static void test_a_name_leads_to_what_was_sealed(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        struct dv_subject_namer namer;
        char sealed[REF_TEXT];
        bool among;
        sealed_as(world, "visit", policies[i], "{\"id\":\"ann-4711\",\"note\":\"n\"}\n", sealed);
        assert_int_equal(open_namer(world, &namer, false), DV_OK);
        assert_int_equal(refs_of(world, &namer, "ann-4711", sealed, &among), 1);
        assert_true(among);
        (void)refs_of(world, &namer, "ann-4712", sealed, &among);
        assert_false(among);
        dv_subject_namer_close(&namer);
    }
}

static void test_numbers_are_names_too(void **state)
{
    struct world *world = *state;
    struct dv_subject_namer namer;
    uint8_t refs[DV_SUBJECT_REFS_MAX][DV_SUBJECT_REF_BYTES];
    static const char *const bad[] = { "", "x", "12x", "1.5", " 12", "99999999999999999999", "12345678901234567890123456" };
    char sealed[REF_TEXT];
    uint32_t count;
    bool among;
    sealed_as(world, "number", NULL, "{\"id\":-12,\"note\":\"n\"}\n", sealed);
    assert_int_equal(open_namer(world, &namer, false), DV_OK);
    assert_int_equal(refs_of(world, &namer, "-12", sealed, &among), 1);
    assert_true(among);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(dv_subject_names(&namer, bad[i], strlen(bad[i]), refs, &count), DV_E_DATA);
    dv_subject_namer_close(&namer);
    sealed_as(world, "number", "pseudonyms", "{\"id\":-12,\"note\":\"n\"}\n", sealed);
    assert_int_equal(open_namer(world, &namer, false), DV_OK);
    assert_int_equal(refs_of(world, &namer, "-12", sealed, &among), 1);
    assert_true(among);
    dv_subject_namer_close(&namer);
}

/* Records are sealed before and after each key is replaced: the name leads to all of them. */
static void test_keys_that_were_replaced(void **state)
{
    struct world *world = *state;
    struct dv_subject_namer namer;
    char sealed[SEALED][REF_TEXT];
    bool among;
    for (int i = 0; i < SEALED; i++) {
        sealed_as(world, "visit", "pseudonyms", "{\"id\":\"ann\",\"note\":\"n\"}\n", sealed[i]);
        if (i + 1 < SEALED)
            assert_int_equal(dv_keyring_rotate_purpose(world->keyring, "default", i % 2 == 0 ? DV_PURPOSE_SUBJECT : DV_PURPOSE_PSEUDONYM, 1,
                                                       &world->error), DV_OK);
    }
    assert_int_equal(open_namer(world, &namer, false), DV_OK);
    for (int i = 0; i < SEALED; i++) {
        assert_int_equal(refs_of(world, &namer, "ann", sealed[i], &among), 4 * 3);
        assert_true(among);
    }
    dv_subject_namer_close(&namer);
}

/* Two people of a float subject are two, and no plain name is made up for them. */
static void test_what_no_name_leads_to(void **state)
{
    struct world *world = *state;
    struct dv_subject_namer namer;
    char first[REF_TEXT], second[REF_TEXT];
    sealed_as(world, "weight", NULL, "{\"id\":1.5,\"note\":\"n\"}\n", first);
    sealed_as(world, "weight", NULL, "{\"id\":2.5,\"note\":\"n\"}\n", second);
    assert_string_not_equal(first, second);
    assert_int_equal(open_namer(world, &namer, false), DV_E_CONFIG);
    load(world, "visit", "none");
    assert_int_equal(open_namer(world, &namer, false), DV_E_CONFIG);
    assert_non_null(strstr(world->error.text, "--record"));
    dv_subject_namer_close(&namer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_name_leads_to_what_was_sealed),
        TEST(test_numbers_are_names_too),
        TEST(test_keys_that_were_replaced),
        TEST(test_what_no_name_leads_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
