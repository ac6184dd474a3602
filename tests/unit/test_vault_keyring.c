/* SPDX-License-Identifier: Apache-2.0
 * test_vault_keyring.c - a keyring opens what it sealed, and nothing for another key, dataset, tenant or process.
 * shows: ENC-1 ENC-4 ENC-5 ENC-6 PRV-12 PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/vault_world.h"

static void test_blobs(void **state)
{
    struct fixture *fixture = *state;
    struct dv_sealer *sealers[2] = { 0 };
    uint8_t sealed[2][64];
    struct dv_blob patient = seal_text(fixture->keyring, "patients", "a patient", sealed[0], &sealers[0]);
    struct dv_blob trial = seal_text(fixture->keyring, "trials", "a trial", sealed[1], &sealers[1]);
    assert_opens(fixture->keyring, &patient, "a patient");
    assert_opens(fixture->keyring, &trial, "a trial");
    assert_memory_equal(patient.key_ref.at, "acme/patients/1/", 16);
    assert_int_equal(patient.key_ref.length, 16 + 32);
    struct dv_blob mixed = trial;
    mixed.key_ref = patient.key_ref;
    uint8_t out[64];
    assert_int_equal(dv_keyring_open_blob(fixture->keyring, &mixed, out, &fixture->error), DV_E_TAMPER);
    dv_sealer_free(sealers[0]);
    dv_sealer_free(sealers[1]);
}

/* Two sealers of one dek: other keys, but the same hash of the same text; another dataset hashes differently. */
static void test_sealers_of_one_dek(void **state)
{
    struct fixture *fixture = *state;
    struct dv_sealer *sealers[3] = { 0 };
    uint8_t sealed[3][64];
    struct dv_blob blobs[3];
    for (size_t i = 0; i < 3; i++)
        blobs[i] = seal_text(fixture->keyring, i < 2 ? "patients" : "trials", "same", sealed[i], &sealers[i]);
    assert_false(dv_bytes_equal(dv_sealer_key_ref(sealers[0]), dv_sealer_key_ref(sealers[1])));
    assert_memory_equal(blobs[0].data_hash, blobs[1].data_hash, 32);
    assert_int_not_equal(memcmp(blobs[0].data_hash, blobs[2].data_hash, 32), 0);
    struct dv_blob mixed = blobs[0];
    mixed.key_ref = blobs[1].key_ref;
    uint8_t out[64];
    assert_int_equal(dv_keyring_open_blob(fixture->keyring, &mixed, out, NULL), DV_E_TAMPER);
    for (size_t i = 0; i < 3; i++)
        dv_sealer_free(sealers[i]);
}

static void test_bad_references(void **state)
{
    struct fixture *fixture = *state;
    static const char *const references[] = {
        "",
        "acme",
        "acme/patients",
        "acme/patients/1",
        "acme/patients/1/",
        "acme/patients/1/0123456789abcdef0123456789abcde",
        "acme/patients/1/0123456789abcdef0123456789abcdef0",
        "acme/patients/1/0123456789ABCDEF0123456789abcdef",
        "acme/patients/01/0123456789abcdef0123456789abcdef",
        "acme/patients/0/0123456789abcdef0123456789abcdef",
        "acme/patients/2/0123456789abcdef0123456789abcdef",
        "acme/patients/4294967297/0123456789abcdef0123456789abcdef",
        "acme/patients/99999999999999999999/0123456789abcdef0123456789abcdef",
        "acme/patients/-1/0123456789abcdef0123456789abcdef",
        "acme/pseudonym/1/0123456789abcdef0123456789abcdef",
        "acme/nobody/1/0123456789abcdef0123456789abcdef",
        "/patients/1/0123456789abcdef0123456789abcdef",
        "acme//1/0123456789abcdef0123456789abcdef",
        "acme/pat\nients/1/0123456789abcdef0123456789abcdef",
    };
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        struct dv_opener *opener = NULL;
        assert_int_equal(dv_keyring_opener(fixture->keyring, dv_bytes_text(references[i]), &opener, &fixture->error),
                         DV_E_KEY);
        assert_null(opener);
        assert_null(strchr(fixture->error.text, '\n'));
    }
}

/* Another tenant's blob, relabelled: the key and the blob must be of one tenant. */
static void test_tenants_are_apart(void **state)
{
    struct fixture *fixture = *state;
    struct dv_sealer *sealer = NULL;
    uint8_t sealed[64], out[64];
    assert_int_equal(dv_keyring_add(fixture->keyring, "other", "patients", 1, NULL), DV_OK);
    struct dv_blob blob = seal_text(fixture->keyring, "patients", "mine", sealed, &sealer);
    blob.tenant = dv_bytes_text("other");
    assert_int_equal(dv_keyring_open_blob(fixture->keyring, &blob, out, &fixture->error), DV_E_TAMPER);
    assert_int_equal(dv_blob_seal(&blob, sealer, dv_bytes_text("sealed by the wrong one"), sealed, NULL), DV_OK);
    assert_int_equal(dv_keyring_open_blob(fixture->keyring, &blob, out, &fixture->error), DV_E_TAMPER);
    dv_sealer_free(sealer);
    uint8_t keys[2][32];
    uint32_t version = 0;
    assert_int_equal(dv_keyring_derive(fixture->keyring, "acme", "pseudonym", &version, keys[0], NULL), DV_OK);
    assert_int_equal(dv_keyring_derive(fixture->keyring, "other", "pseudonym", &version, keys[1], NULL), DV_OK);
    assert_int_not_equal(memcmp(keys[0], keys[1], 32), 0);
}

/* More references than openers are kept: each still opens, also after it was dropped. */
static void test_many_references(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = DV_OPENERS + 8 };
    static uint8_t sealed[COUNT][64];
    struct dv_sealer *sealers[COUNT] = { 0 };
    struct dv_blob blobs[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        blobs[i] = seal_text(fixture->keyring, "patients", "one of many", sealed[i], &sealers[i]);
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT; i++)
            assert_opens(fixture->keyring, &blobs[round == 1 ? COUNT - 1 - i : i], "one of many");
    for (size_t i = 0; i < COUNT; i++)
        dv_sealer_free(sealers[i]);
}

static void test_outside_keys(void **state)
{
    struct fixture *fixture = *state;
    uint8_t key[32] = "a subject's key, 31 bytes long.";
    uint8_t out[32];
    uint8_t wrapped[DV_OUTSIDE_BYTES];
    struct dv_bytes which = dv_bytes_text("subject-0001");
    struct dv_keyring *keyring = fixture->keyring;
    assert_int_equal(dv_keyring_wrap(keyring, "acme", "patients", which, key, wrapped, NULL), DV_OK);
    assert_int_equal(dv_keyring_rotate(keyring, "acme", "patients", 1, NULL), DV_OK);
    assert_int_equal(dv_keyring_unwrap(keyring, "acme", "patients", which, wrapped, out, NULL), DV_OK);
    assert_memory_equal(key, out, 32);
    assert_int_equal(dv_keyring_unwrap(keyring, "acme", "patients", dv_bytes_text("subject-0002"), wrapped, out, NULL),
                     DV_E_TAMPER);
    assert_int_equal(dv_keyring_unwrap(keyring, "acme", "trials", which, wrapped, out, NULL), DV_E_TAMPER);
    assert_int_equal(dv_keyring_unwrap(keyring, "acme", "nobody", which, wrapped, out, NULL), DV_E_KEY);
    assert_int_equal(dv_keyring_wrap(keyring, "acme", "nobody", which, key, wrapped, NULL), DV_E_KEY);
    for (size_t bit = 0; bit < 8 * sizeof wrapped; bit++) {
        wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(dv_is_error(dv_keyring_unwrap(keyring, "acme", "patients", which, wrapped, out, NULL)));
        wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_bad_names(void **state)
{
    struct fixture *fixture = *state;
    char name[66];
    memset(name, 'n', sizeof name - 1);
    name[65] = '\0';
    const char *const names[] = { "", "a/b", "a b", "a\n\x1b[2J", "..\\x", name };
    struct dv_keyring *keyring = fixture->keyring;
    struct dv_sealer *sealer = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(dv_keyring_add(keyring, names[i], "d", 1, &fixture->error), DV_E_USAGE);
        assert_int_equal(dv_keyring_add(keyring, "t", names[i], 1, &fixture->error), DV_E_USAGE);
        assert_int_equal(dv_keyring_sealer(keyring, "acme", names[i], &sealer, &fixture->error), DV_E_USAGE);
        assert_null(strchr(fixture->error.text, '\n'));
    }
    name[64] = '\0';
    assert_int_equal(dv_keyring_add(keyring, name, name, 1, &fixture->error), DV_OK);
    assert_int_equal(dv_keyring_sealer(keyring, name, name, &sealer, NULL), DV_OK);
    struct dv_opener *opener = NULL;
    assert_int_equal(dv_keyring_opener(keyring, dv_sealer_key_ref(sealer), &opener, NULL), DV_OK);
    dv_sealer_free(sealer);
    assert_int_equal(dv_keyring_add(keyring, "acme", "patients", 1, &fixture->error), DV_E_USAGE);
    assert_int_equal(dv_keyring_rotate(keyring, "acme", "nobody", 1, &fixture->error), DV_E_KEY);
    assert_int_equal(dv_keyring_sealer(keyring, "acme", "nobody", &sealer, &fixture->error), DV_E_KEY);
}

static void test_a_forked_child_gets_nothing(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = fork();
    if (child == 0) {
        struct dv_sealer *sealer = NULL;
        uint8_t out[32];
        uint32_t version = 0;
        dv_rc seal = dv_keyring_sealer(fixture->keyring, "acme", "patients", &sealer, NULL);
        dv_rc derive = dv_keyring_derive(fixture->keyring, "acme", "pseudonym", &version, out, NULL);
        dv_rc rotate = dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, NULL);
        dv_rc reload = dv_keyring_reload(fixture->keyring, NULL);
        _exit(seal == DV_E_KEY && derive == DV_E_KEY && rotate == DV_E_KEY && reload == DV_E_KEY ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_blobs),
        TEST(test_sealers_of_one_dek),
        TEST(test_bad_references),
        TEST(test_tenants_are_apart),
        TEST(test_many_references),
        TEST(test_outside_keys),
        TEST(test_bad_names),
        TEST(test_a_forked_child_gets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
