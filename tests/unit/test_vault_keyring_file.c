/* SPDX-License-Identifier: Apache-2.0
 * test_vault_keyring_file.c - a keyring's files open for their owner alone, refuse every altered bit, and hold no key
 * in the clear.
 * shows: ENC-5 ENC-6 PRV-15 */
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

enum { HEAD_BYTES = 128 };

static void test_files_are_private(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    assert_int_equal(stat(fixture->directory, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(stat(fixture->file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stat(fixture->machine, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 32);
}

static void test_open_to_others_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const char *const paths[] = { fixture->directory, fixture->file, fixture->machine };
    static const mode_t bits[] = { 0040, 0020, 0010, 0004, 0002, 0001 };
    for (size_t i = 0; i < 3; i++) {
        mode_t mode = i == 0 ? 0700 : 0600;
        for (size_t bit = 0; bit < 6; bit++) {
            assert_int_equal(chmod(paths[i], mode | bits[bit]), 0);
            assert_int_equal(try_open(fixture, NULL), DV_E_CONFIG);
            assert_non_null(strstr(fixture->error.text, i == 0 ? "run: chmod 700" : "run: chmod 600"));
        }
        assert_int_equal(chmod(paths[i], mode), 0);
    }
    assert_int_equal(chmod(fixture->file, 0644), 0);
    assert_int_equal(try_open(fixture, NULL), DV_E_CONFIG);
    assert_int_equal(chmod(fixture->file, 0600), 0);
    assert_int_equal(try_open(fixture, NULL), DV_OK);
}

static void test_what_is_no_keyring(void **state)
{
    struct fixture *fixture = *state;
    struct dv_keyring *none = NULL;
    char long_path[400];
    char other[PATH_BYTES];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(dv_keyring_open(&none, long_path, NULL, &fixture->error), DV_E_CONFIG);
    assert_int_equal(dv_keyring_open(&none, "/tmp/dv-there-is-nothing-here", NULL, &fixture->error), DV_E_MISSING);
    assert_int_equal(dv_keyring_open(&none, fixture->file, NULL, &fixture->error), DV_E_IO); /* not a directory */
    (void)snprintf(other, sizeof other, "%s/moved", fixture->base);
    assert_int_equal(rename(fixture->file, other), 0);
    assert_int_equal(try_open(fixture, NULL), DV_E_MISSING);
    assert_int_equal(symlink(other, fixture->file), 0);
    assert_int_equal(try_open(fixture, NULL), DV_E_IO); /* links are not followed */
    assert_int_equal(unlink(fixture->file), 0);
    assert_int_equal(mkfifo(fixture->file, 0600), 0);
    assert_int_equal(try_open(fixture, NULL), DV_E_CONFIG);
    assert_int_equal(unlink(fixture->file), 0);
    file_store(fixture->file, (const uint8_t *)"", 0);
    assert_int_equal(chmod(fixture->file, 0600), 0);
    assert_int_equal(try_open(fixture, NULL), DV_E_TAMPER);
    assert_int_equal(truncate(fixture->file, (off_t)DV_RING_BYTES_MAX + 1), 0);
    assert_int_equal(try_open(fixture, NULL), DV_E_LIMIT);
    assert_null(none);
}

static void test_create_overwrites_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint8_t before[FILE_BYTES_MAX], after[FILE_BYTES_MAX];
    size_t length = file_load(fixture->file, before);
    assert_int_equal(dv_keyring_create(fixture->directory, NULL, &fixture->error), DV_E_USAGE);
    assert_int_equal(file_load(fixture->file, after), length);
    assert_memory_equal(before, after, length);
    struct dv_passphrase shorter = { "seven77", 7 };
    assert_int_equal(dv_keyring_create(fixture->directory, &shorter, &fixture->error), DV_E_USAGE);
    assert_int_equal(dv_keyring_create("/tmp/dv-no-parent/ring", NULL, &fixture->error), DV_E_MISSING);
}

static void test_machine_key(void **state)
{
    struct fixture *fixture = *state;
    uint8_t key[FILE_BYTES_MAX];
    struct dv_passphrase passphrase = { "correct horse", 13 };
    assert_int_equal(file_load(fixture->machine, key), 32);
    assert_int_equal(try_open(fixture, &passphrase), DV_E_KEY);
    assert_non_null(strstr(fixture->error.text, "takes no passphrase"));
    for (size_t bit = 0; bit < 256; bit++) {
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        file_store(fixture->machine, key, 32);
        assert_int_equal(try_open(fixture, NULL), DV_E_KEY);
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    file_store(fixture->machine, key, 31);
    assert_int_equal(try_open(fixture, NULL), DV_E_KEY);
    assert_int_equal(unlink(fixture->machine), 0);
    assert_int_equal(try_open(fixture, NULL), DV_E_MISSING);
}

/* An own keyring under a passphrase; gives back its file's bytes. */
static size_t make_with_passphrase(struct fixture *fixture, const struct dv_passphrase *passphrase, uint8_t *bytes)
{
    (void)snprintf(fixture->directory, PATH_BYTES, "%s/phrase", fixture->base);
    (void)snprintf(fixture->file, PATH_BYTES, "%s/phrase/keyring.dv", fixture->base);
    assert_int_equal(dv_keyring_create(fixture->directory, passphrase, NULL), DV_OK);
    return file_load(fixture->file, bytes);
}

static void test_passphrase(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[FILE_BYTES_MAX];
    struct dv_passphrase right = { "correct horse", 13 };
    struct dv_passphrase wrong = { "correct house", 13 };
    struct dv_passphrase longer = { "correct horse ", 14 };
    struct dv_passphrase endless = { "x", DV_PASSPHRASE_MAX + 1 };
    size_t length = make_with_passphrase(fixture, &right, bytes);
    assert_int_equal(dv_bytes_get32(bytes + 8), DV_ROOT_PASSPHRASE);
    assert_int_equal(dv_bytes_get32(bytes + 12), 3);
    assert_int_equal(dv_bytes_get32(bytes + 16), 65536);
    assert_int_equal(dv_bytes_get32(bytes + 20), 1);
    assert_null(memmem(bytes, length, "horse", 5));
    assert_int_equal(try_open(fixture, &right), DV_OK);
    assert_int_equal(try_open(fixture, &wrong), DV_E_KEY);
    assert_null(strstr(fixture->error.text, "house"));
    assert_int_equal(try_open(fixture, &longer), DV_E_KEY);
    assert_int_equal(try_open(fixture, &endless), DV_E_KEY);
    assert_int_equal(try_open(fixture, NULL), DV_E_KEY);
    assert_non_null(strstr(fixture->error.text, "needs its passphrase"));
}

/* One bit of each byte of the head: whatever it makes of the costs, the keyring must not open. */
static void test_altered_head_of_a_passphrase_keyring(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[FILE_BYTES_MAX];
    struct dv_passphrase right = { "correct horse", 13 };
    size_t length = make_with_passphrase(fixture, &right, bytes);
    for (size_t at = 0; at < HEAD_BYTES; at += at < 24 ? 1 : 6) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        file_store(fixture->file, bytes, length);
        assert_true(dv_is_error(try_open(fixture, &right)));
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
}

/* Costs out of bounds are refused before any memory is taken: the first big allocation would fail here. */
static void test_hostile_costs(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        uint32_t kind, passes, memory_kib, lanes;
    } costs[] = {
        { 1, 0, 65536, 1 }, { 1, 1, 65536, 1 },         { 1, 11, 65536, 1 },       { 1, UINT32_MAX, 65536, 1 },
        { 1, 3, 0, 1 },     { 1, 3, 19 * 1024 - 1, 1 }, { 1, 3, 262145, 1 },       { 1, 3, UINT32_MAX, 1 },
        { 1, 3, 65536, 0 }, { 1, 3, 65536, 5 },         { 1, 3, 65536, 1u << 24 }, { 0, 3, 65536, 1 },
        { 3, 3, 65536, 1 }, { 2, 3, 65536, 1 },         { UINT32_MAX, 0, 0, 0 },
    };
    uint8_t bytes[FILE_BYTES_MAX];
    struct dv_passphrase right = { "correct horse", 13 };
    size_t length = make_with_passphrase(fixture, &right, bytes);
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        uint8_t *to = dv_bytes_put32(bytes + 8, costs[i].kind);
        to = dv_bytes_put32(to, costs[i].passes);
        to = dv_bytes_put32(to, costs[i].memory_kib);
        (void)dv_bytes_put32(to, costs[i].lanes);
        file_store(fixture->file, bytes, length);
        dv_memory_fail_at(4); /* 1: the keyring, 2: its secret page, 3: the file; 4 would be Argon2id's */
        assert_int_equal(try_open(fixture, &right), DV_E_LIMIT);
        dv_memory_fail_at(0);
    }
}

static void test_every_bit_of_the_file(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[FILE_BYTES_MAX];
    size_t length = file_load(fixture->file, bytes);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        file_store(fixture->file, bytes, length);
        assert_true(dv_is_error(try_open(fixture, NULL)));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < length; cut++) {
        file_store(fixture->file, bytes, cut);
        assert_int_equal(try_open(fixture, NULL), DV_E_TAMPER);
    }
    file_store(fixture->file, bytes, length);
    assert_int_equal(try_open(fixture, NULL), DV_OK);
}

/* Bodies that are authentic and yet malformed, as only a bug could write them: refused, and nothing read past the end.
 */
static void test_malformed_bodies(void **state)
{
    struct fixture *fixture = *state;
    const struct dv_hmac *hmac = &fixture->keyring->secrets->file;
    uint8_t bytes[FILE_BYTES_MAX];
    size_t body = file_load(fixture->file, bytes) - DV_HMAC_BYTES;
    bytes[body] = 0;
    for (size_t length = HEAD_BYTES; length <= body + 1;
         length += length + 1 == body ? 2 : 1) { /* cut, or one longer */
        struct dv_ring ring;
        uint8_t *exact = dv_memory_alloc(length + DV_HMAC_BYTES);
        memcpy(exact, bytes, length);
        dv_hmac(hmac, exact, length, exact + length);
        dv_ring_init(&ring);
        assert_int_equal(dv_ring_take(&ring, (struct dv_bytes){ exact, length + DV_HMAC_BYTES }, NULL), DV_OK);
        assert_int_equal(dv_ring_verify(&ring, hmac, &fixture->error), DV_E_TAMPER);
        dv_ring_free(&ring);
        dv_memory_free(exact);
    }
    static const size_t counts[] = { HEAD_BYTES - 4, HEAD_BYTES, HEAD_BYTES + 4, HEAD_BYTES + 8 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct dv_ring ring;
        uint8_t copy[FILE_BYTES_MAX];
        memcpy(copy, bytes, body);
        memset(copy + counts[i], 0xff, i == 3 ? 1 : 4);
        dv_hmac(hmac, copy, body, copy + body);
        dv_ring_init(&ring);
        assert_int_equal(dv_ring_take(&ring, (struct dv_bytes){ copy, body + DV_HMAC_BYTES }, NULL), DV_OK);
        assert_int_equal(dv_ring_verify(&ring, hmac, &fixture->error), DV_E_TAMPER);
        dv_ring_free(&ring);
    }
}

/* Argon2id's memory too comes from the one door, and its failing is told. */
static void test_no_memory_for_argon2(void **state)
{
    struct fixture *fixture = *state;
    struct dv_passphrase right = { "correct horse", 13 };
    uint8_t bytes[FILE_BYTES_MAX];
    (void)make_with_passphrase(fixture, &right, bytes);
    dv_memory_fail_at(4);
    assert_int_equal(try_open(fixture, &right), DV_E_MEMORY);
    assert_non_null(strstr(fixture->error.text, "65536 KiB"));
    dv_memory_fail_at(0);
}

/* Every key there is, against the bytes of the file and the text of an error. */
static void test_no_key_in_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct dv_keyring *keyring = fixture->keyring;
    uint8_t keys[3 * 4][32];
    uint8_t bytes[FILE_BYTES_MAX];
    size_t count = 0;
    assert_int_equal(file_load(fixture->machine, bytes), 32);
    memcpy(keys[count++], bytes, 32);
    memcpy(keys[count++], keyring->secrets->wrapping, 32);
    for (uint32_t i = 0; i < keyring->ring.key_count; i++) {
        const struct dv_ring_key *key = &keyring->ring.keys[i];
        assert_int_equal(dv_keyring_unwrap_top(keyring, key, 1, keys[count], NULL), DV_OK);
        if (key->kind == DV_KEY_DATASET) {
            assert_int_equal(dv_keyring_unwrap_dek(keyring, key, 1, keys[count], keys[count + 1], NULL), DV_OK);
            count++;
        }
        count++;
    }
    assert_int_equal(count, 2 + 3 + 2 * 2);
    size_t length = file_load(fixture->file, bytes);
    for (size_t i = 0; i < count; i++)
        for (size_t part = 0; part + 8 <= 32; part += 8)
            assert_null(memmem(bytes, length, keys[i] + part, 8));
    struct dv_keyring_secrets zero = { 0 };
    assert_memory_equal(&keyring->secrets->now, &zero.now, sizeof zero.now);
}

static void test_raw_keys(void **state)
{
    struct fixture *fixture = *state;
    uint8_t key[32];
    assert_int_equal(dv_private_read_key(fixture->machine, key, 32, &fixture->error), DV_OK);
    assert_int_equal(dv_private_read_key(fixture->file, key, 32, &fixture->error), DV_E_KEY);
    assert_int_equal(chmod(fixture->machine, 0640), 0);
    assert_int_equal(dv_private_read_key(fixture->machine, key, 32, &fixture->error), DV_E_CONFIG);
    assert_int_equal(dv_private_read_key("/tmp/dv-there-is-nothing-here", key, 32, &fixture->error), DV_E_MISSING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_are_private),
        TEST(test_open_to_others_is_refused),
        TEST(test_what_is_no_keyring),
        TEST(test_create_overwrites_nothing),
        TEST(test_machine_key),
        TEST(test_passphrase),
        TEST(test_altered_head_of_a_passphrase_keyring),
        TEST(test_hostile_costs),
        TEST(test_every_bit_of_the_file),
        TEST(test_malformed_bodies),
        TEST(test_no_memory_for_argon2),
        TEST(test_no_key_in_the_file),
        TEST(test_raw_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
