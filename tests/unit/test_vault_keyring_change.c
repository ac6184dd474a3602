/* SPDX-License-Identifier: Apache-2.0
 * test_vault_keyring_change.c - a keyring rotates without loss, for one writer or two, in crashes and without memory.
 * shows: ENC-4 ENC-5 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory.h"
#include "tests/unit/vault_world.h"

static void test_rotation_keeps_old_blobs(void **state)
{
    struct fixture *fixture = *state;
    enum { ROTATIONS = 5 };
    struct dv_sealer *sealers[ROTATIONS + 1] = { 0 };
    uint8_t sealed[ROTATIONS + 1][64];
    struct dv_blob blobs[ROTATIONS + 1];
    for (uint8_t i = 0; i <= ROTATIONS; i++) {
        char expected[] = "acme/patients/1/";
        expected[14] = (char)('1' + i);
        if (i > 0)
            assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 3000 + i, NULL), DV_OK);
        blobs[i] = seal_text(fixture->keyring, "patients", "kept", sealed[i], &sealers[i]);
        assert_memory_equal(blobs[i].key_ref.at, expected, 16);
        for (uint8_t old = 0; old <= i; old++)
            assert_opens(fixture->keyring, &blobs[old], "kept");
    }
    assert_int_not_equal(memcmp(blobs[0].data_hash, blobs[1].data_hash, 32), 0);
    dv_keyring_close(fixture->keyring);
    fixture->keyring = NULL;
    assert_int_equal(dv_keyring_open(&fixture->keyring, fixture->directory, NULL, NULL), DV_OK);
    for (uint8_t i = 0; i <= ROTATIONS; i++) {
        assert_opens(fixture->keyring, &blobs[i], "kept");
        dv_sealer_free(sealers[i]);
    }
}

/* Wrapped keys that changed places in memory, as they could in a file whose HMAC somebody can make. */
static void test_versions_keep_their_places(void **state)
{
    struct fixture *fixture = *state;
    struct dv_keyring *keyring = fixture->keyring;
    struct dv_sealer *sealer = NULL;
    uint8_t key[32];
    assert_int_equal(dv_keyring_rotate(keyring, "acme", "patients", 1, NULL), DV_OK);
    struct dv_ring_key *patients =
        dv_ring_find(&keyring->ring, DV_KEY_DATASET, dv_bytes_text("acme"), dv_bytes_text("patients"));
    struct dv_ring_key *trials =
        dv_ring_find(&keyring->ring, DV_KEY_DATASET, dv_bytes_text("acme"), dv_bytes_text("trials"));
    struct dv_ring_version first = patients->versions[0];
    memcpy(patients->versions[0].under_root, patients->versions[1].under_root, DV_WRAPPED_BYTES);
    assert_int_equal(dv_keyring_unwrap_top(keyring, patients, 1, key, &fixture->error), DV_E_TAMPER);
    memcpy(patients->versions[1].under_kek, first.under_kek, DV_WRAPPED_BYTES);
    assert_int_equal(dv_keyring_sealer(keyring, "acme", "patients", &sealer, &fixture->error), DV_E_TAMPER);
    memcpy(trials->versions[0].under_root, first.under_root, DV_WRAPPED_BYTES);
    assert_int_equal(dv_keyring_unwrap_top(keyring, trials, 1, key, &fixture->error), DV_E_TAMPER);
    assert_null(sealer);
}

static void test_pseudonym_keys_stay(void **state)
{
    struct fixture *fixture = *state;
    uint8_t first[32], again[32], second[32], subject[32];
    uint32_t version = 0;
    assert_int_equal(dv_keyring_derive(fixture->keyring, "acme", DV_PURPOSE_PSEUDONYM, &version, first, NULL), DV_OK);
    assert_int_equal(version, 1);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, NULL), DV_OK);
    version = 0;
    assert_int_equal(dv_keyring_derive(fixture->keyring, "acme", DV_PURPOSE_PSEUDONYM, &version, again, NULL), DV_OK);
    assert_memory_equal(first, again, 32);
    assert_int_equal(dv_keyring_rotate_purpose(fixture->keyring, "acme", DV_PURPOSE_PSEUDONYM, 1, NULL), DV_OK);
    version = 0;
    assert_int_equal(dv_keyring_derive(fixture->keyring, "acme", DV_PURPOSE_PSEUDONYM, &version, second, NULL), DV_OK);
    assert_int_equal(version, 2);
    assert_int_not_equal(memcmp(first, second, 32), 0);
    version = 1;
    assert_int_equal(dv_keyring_derive(fixture->keyring, "acme", DV_PURPOSE_PSEUDONYM, &version, again, NULL), DV_OK);
    assert_memory_equal(first, again, 32);
    assert_int_equal(dv_keyring_derive(fixture->keyring, "acme", DV_PURPOSE_SUBJECT, &version, subject, NULL), DV_OK);
    assert_int_not_equal(memcmp(first, subject, 32), 0);
    version = 3;
    assert_int_equal(
        dv_keyring_derive(fixture->keyring, "acme", DV_PURPOSE_PSEUDONYM, &version, again, &fixture->error), DV_E_KEY);
    assert_int_equal(dv_keyring_derive(fixture->keyring, "acme", "nothing", &version, again, &fixture->error),
                     DV_E_KEY);
    assert_int_equal(dv_keyring_add_purpose(fixture->keyring, "acme", "audit", 1, NULL), DV_OK);
    version = 0;
    assert_int_equal(dv_keyring_derive(fixture->keyring, "acme", "audit", &version, again, NULL), DV_OK);
}

struct listed {
    size_t count, active;
    int64_t created_ms[16];
};

static dv_rc note(void *data, const struct dv_key_info *info)
{
    struct listed *listed = data;
    listed->created_ms[listed->count++] = info->created_ms;
    listed->active += info->active;
    assert_true(dv_bytes_equal(info->tenant, dv_bytes_text("acme")));
    return listed->count < 16 ? DV_OK : DV_E_LIMIT;
}

static dv_rc stop(void *data, const struct dv_key_info *info)
{
    (void)info;
    (*(size_t *)data)++;
    return DV_E_FAILED;
}

static void test_list(void **state)
{
    struct fixture *fixture = *state;
    struct listed listed = { 0 };
    size_t count = 0;
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "trials", 9000, NULL), DV_OK);
    assert_int_equal(dv_keyring_list(fixture->keyring, note, &listed), DV_OK);
    assert_int_equal(listed.count, 6); /* three purposes, patients 1, trials 1 and 2 */
    assert_int_equal(listed.active, 5);
    assert_int_equal(listed.created_ms[3], 1000);
    assert_int_equal(listed.created_ms[4], 2000);
    assert_int_equal(listed.created_ms[5], 9000);
    assert_int_equal(dv_keyring_list(fixture->keyring, stop, &count), DV_E_FAILED);
    assert_int_equal(count, 1);
}

/* Two that have the directory open change it in turn; neither loses the other's keys. */
static void test_two_writers(void **state)
{
    struct fixture *fixture = *state;
    struct dv_keyring *other = NULL;
    struct dv_sealer *sealer = NULL;
    uint8_t sealed[64], out[64];
    assert_int_equal(dv_keyring_open(&other, fixture->directory, NULL, NULL), DV_OK);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, NULL), DV_OK);
    struct dv_blob blob = seal_text(fixture->keyring, "patients", "new", sealed, &sealer);
    assert_int_equal(dv_keyring_open_blob(other, &blob, out, &fixture->error), DV_E_KEY);
    assert_non_null(strstr(fixture->error.text, "reload"));
    assert_int_equal(dv_keyring_reload(other, NULL), DV_OK);
    assert_opens(other, &blob, "new");
    assert_int_equal(dv_keyring_add(other, "acme", "labs", 1, NULL), DV_OK);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "trials", 1, NULL), DV_OK);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "labs", 1, NULL), DV_OK);
    dv_sealer_free(sealer);
    dv_keyring_close(other);
}

static void test_put_back_or_replaced(void **state)
{
    struct fixture *fixture = *state;
    uint8_t old[FILE_BYTES_MAX], new[FILE_BYTES_MAX];
    size_t old_length = file_load(fixture->file, old);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, NULL), DV_OK);
    size_t new_length = file_load(fixture->file, new);
    file_store(fixture->file, old, old_length);
    assert_int_equal(dv_keyring_reload(fixture->keyring, &fixture->error), DV_E_TAMPER);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, &fixture->error), DV_E_TAMPER);
    assert_int_equal(unlink(fixture->file), 0);
    assert_int_equal(dv_keyring_create(fixture->directory, NULL, NULL), DV_OK);
    assert_int_equal(dv_keyring_reload(fixture->keyring, &fixture->error), DV_E_TAMPER);
    assert_non_null(strstr(fixture->error.text, "another keyring"));
    file_store(fixture->file, new, new_length);
    assert_int_equal(dv_keyring_reload(fixture->keyring, NULL), DV_OK);
}

/* Leftovers of a crash between writing and renaming do no harm, and a failed change leaves all as it was. */
static void test_crash_leftovers(void **state)
{
    struct fixture *fixture = *state;
    char beside[PATH_BYTES + 8];
    struct listed before = { 0 };
    struct listed after = { 0 };
    (void)snprintf(beside, sizeof beside, "%s.new", fixture->file);
    file_store(beside, (const uint8_t *)"half", 4);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, NULL), DV_OK);
    assert_int_equal(access(beside, F_OK), -1);
    assert_int_equal(mkdir(beside, 0700), 0); /* cannot be unlinked */
    assert_int_equal(dv_keyring_list(fixture->keyring, note, &before), DV_OK);
    assert_true(dv_is_error(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, &fixture->error)));
    assert_int_equal(dv_keyring_list(fixture->keyring, note, &after), DV_OK);
    assert_int_equal(before.count, after.count);
    assert_int_equal(rmdir(beside), 0);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, NULL), DV_OK);
}

static void test_memory_gives_out(void **state)
{
    struct fixture *fixture = *state;
    uint64_t nth = 1;
    struct dv_sealer *sealer = NULL;
    uint8_t sealed[64];
    struct dv_blob blob = seal_text(fixture->keyring, "patients", "kept", sealed, &sealer);
    for (dv_rc rc = DV_E_MEMORY; rc != DV_OK; nth++) {
        dv_memory_fail_at(nth);
        rc = try_open(fixture, NULL);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY || rc == DV_E_LIMIT);
    }
    assert_true(nth >= 4);
    nth = 1;
    for (dv_rc rc = DV_E_MEMORY; rc != DV_OK; nth++) {
        dv_memory_fail_at(nth);
        rc = dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, &fixture->error);
        dv_memory_fail_at(0);
        assert_opens(fixture->keyring, &blob, "kept");
    }
    dv_memory_fail_at(0);
    dv_sealer_free(sealer);
}

static void test_versions_have_an_end(void **state)
{
    struct fixture *fixture = *state;
    struct dv_ring ring;
    struct dv_ring_key *key = NULL;
    struct dv_ring_version *version = NULL;
    (void)fixture;
    dv_ring_init(&ring);
    assert_int_equal(dv_ring_add(&ring, DV_KEY_DERIVE, dv_bytes_text("t"), dv_bytes_text("p"), &key, NULL), DV_OK);
    for (int i = 0; i < 200; i++)
        assert_int_equal(dv_ring_add_version(&ring, key, &version, NULL), DV_OK);
    key->version_count = DV_RING_VERSIONS_MAX;
    assert_int_equal(dv_ring_add_version(&ring, key, &version, &fixture->error), DV_E_LIMIT);
    ring.key_count = DV_RING_KEYS_MAX;
    assert_int_equal(dv_ring_add(&ring, DV_KEY_DERIVE, dv_bytes_text("t"), dv_bytes_text("q"), &key, &fixture->error),
                     DV_E_LIMIT);
    dv_ring_free(&ring);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rotation_keeps_old_blobs),
        TEST(test_versions_keep_their_places),
        TEST(test_pseudonym_keys_stay),
        TEST(test_list),
        TEST(test_two_writers),
        TEST(test_put_back_or_replaced),
        TEST(test_crash_leftovers),
        TEST(test_memory_gives_out),
        TEST(test_versions_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
