/* SPDX-License-Identifier: Apache-2.0
 * test_vault_keyring.c - a keyring opens for its owner alone, refuses every altered bit, and rotates without loss.
 * shows: ENC-1 ENC-4 ENC-5 ENC-6 PRV-12 PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/memory.h"
#include "vault/blob.h"
#include "vault/keyring_inside.h"
#include "vault/seal.h"

enum { PATH_BYTES = 128, FILE_BYTES_MAX = 16384, HEAD_BYTES = 128 };

/* A directory of its own for each test. */
struct fixture {
    char base[PATH_BYTES / 2];
    char directory[PATH_BYTES]; /* base/ring */
    char file[PATH_BYTES];      /* base/ring/keyring.dv */
    char machine[PATH_BYTES];
    struct dv_keyring *keyring; /* of the machine key, with acme/patients and acme/trials */
    struct dv_error error;
};

static int set_up(void **state)
{
    struct fixture *fixture = dv_memory_zeroed(1, sizeof *fixture);
    (void)snprintf(fixture->base, sizeof fixture->base, "/tmp/dv-keyring-XXXXXX");
    assert_non_null(mkdtemp(fixture->base));
    (void)snprintf(fixture->directory, PATH_BYTES, "%s/ring", fixture->base);
    (void)snprintf(fixture->file, PATH_BYTES, "%s/ring/keyring.dv", fixture->base);
    (void)snprintf(fixture->machine, PATH_BYTES, "%s/ring/machine.key", fixture->base);
    assert_int_equal(dv_keyring_create(fixture->directory, NULL, NULL), DV_OK);
    assert_int_equal(dv_keyring_open(&fixture->keyring, fixture->directory, NULL, NULL), DV_OK);
    assert_int_equal(dv_keyring_add(fixture->keyring, "acme", "patients", 1000, NULL), DV_OK);
    assert_int_equal(dv_keyring_add(fixture->keyring, "acme", "trials", 2000, NULL), DV_OK);
    *state = fixture;
    return 0;
}

static int delete_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    dv_keyring_close(fixture->keyring);
    (void)nftw(fixture->base, delete_one, 8, FTW_DEPTH | FTW_PHYS);
    dv_memory_free(fixture);
    return 0;
}

static size_t load(const char *path, uint8_t *bytes)
{
    FILE *file = fopen(path, "rbe");
    assert_non_null(file);
    size_t length = fread(bytes, 1, FILE_BYTES_MAX, file);
    assert_true(length < FILE_BYTES_MAX);
    (void)fclose(file);
    return length;
}

static void store(const char *path, const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(path, "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    (void)fclose(file);
}

/* Opens and closes; what came of it. */
static dv_rc try_open(struct fixture *fixture, const struct dv_passphrase *passphrase)
{
    struct dv_keyring *keyring = NULL;
    dv_rc rc = dv_keyring_open(&keyring, fixture->directory, passphrase, &fixture->error);
    assert_true(dv_is_error(rc) ? keyring == NULL : keyring != NULL);
    dv_keyring_close(keyring);
    return rc;
}

/* A blob of a dataset, sealed into `sealed` of at least 40 bytes. */
static struct dv_blob seal_text(struct dv_keyring *keyring, const char *dataset, const char *text, uint8_t *sealed,
                                struct dv_sealer **ret_sealer)
{
    struct dv_blob blob = { .tenant = dv_bytes_text("acme"), .schema = dv_bytes_text("s"), .created_ms = 5 };
    assert_int_equal(dv_keyring_sealer(keyring, "acme", dataset, ret_sealer, NULL), DV_OK);
    assert_int_equal(dv_blob_seal(&blob, *ret_sealer, dv_bytes_text(text), sealed, NULL), DV_OK);
    return blob;
}

static void assert_opens(struct dv_keyring *keyring, const struct dv_blob *blob, const char *text)
{
    char plaintext[64] = { 0 };
    assert_int_equal(blob->ciphertext.length, strlen(text) + 16);
    assert_int_equal(dv_keyring_open_blob(keyring, blob, (uint8_t *)plaintext, NULL), DV_OK);
    assert_string_equal(plaintext, text);
}

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
    store(fixture->file, (const uint8_t *)"", 0);
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
    size_t length = load(fixture->file, before);
    assert_int_equal(dv_keyring_create(fixture->directory, NULL, &fixture->error), DV_E_USAGE);
    assert_int_equal(load(fixture->file, after), length);
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
    assert_int_equal(load(fixture->machine, key), 32);
    assert_int_equal(try_open(fixture, &passphrase), DV_E_KEY);
    assert_non_null(strstr(fixture->error.text, "takes no passphrase"));
    for (size_t bit = 0; bit < 256; bit++) {
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        store(fixture->machine, key, 32);
        assert_int_equal(try_open(fixture, NULL), DV_E_KEY);
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    store(fixture->machine, key, 31);
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
    return load(fixture->file, bytes);
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
        store(fixture->file, bytes, length);
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
        store(fixture->file, bytes, length);
        dv_memory_fail_at(4); /* 1: the keyring, 2: its secret page, 3: the file; 4 would be Argon2id's */
        assert_int_equal(try_open(fixture, &right), DV_E_LIMIT);
        dv_memory_fail_at(0);
    }
}

static void test_every_bit_of_the_file(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[FILE_BYTES_MAX];
    size_t length = load(fixture->file, bytes);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        store(fixture->file, bytes, length);
        assert_true(dv_is_error(try_open(fixture, NULL)));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < length; cut++) {
        store(fixture->file, bytes, cut);
        assert_int_equal(try_open(fixture, NULL), DV_E_TAMPER);
    }
    store(fixture->file, bytes, length);
    assert_int_equal(try_open(fixture, NULL), DV_OK);
}

/* Bodies that are authentic and yet malformed, as only a bug could write them: refused, and nothing read past the end.
 */
static void test_malformed_bodies(void **state)
{
    struct fixture *fixture = *state;
    const struct dv_hmac *hmac = &fixture->keyring->secrets->file;
    uint8_t bytes[FILE_BYTES_MAX];
    size_t body = load(fixture->file, bytes) - DV_HMAC_BYTES;
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
    size_t old_length = load(fixture->file, old);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, NULL), DV_OK);
    size_t new_length = load(fixture->file, new);
    store(fixture->file, old, old_length);
    assert_int_equal(dv_keyring_reload(fixture->keyring, &fixture->error), DV_E_TAMPER);
    assert_int_equal(dv_keyring_rotate(fixture->keyring, "acme", "patients", 1, &fixture->error), DV_E_TAMPER);
    assert_int_equal(unlink(fixture->file), 0);
    assert_int_equal(dv_keyring_create(fixture->directory, NULL, NULL), DV_OK);
    assert_int_equal(dv_keyring_reload(fixture->keyring, &fixture->error), DV_E_TAMPER);
    assert_non_null(strstr(fixture->error.text, "another keyring"));
    store(fixture->file, new, new_length);
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
    store(beside, (const uint8_t *)"half", 4);
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

/* Every key there is, against the bytes of the file and the text of an error. */
static void test_no_key_in_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct dv_keyring *keyring = fixture->keyring;
    uint8_t keys[3 * 4][32];
    uint8_t bytes[FILE_BYTES_MAX];
    size_t count = 0;
    assert_int_equal(load(fixture->machine, bytes), 32);
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
    size_t length = load(fixture->file, bytes);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
        TEST(test_blobs),
        TEST(test_sealers_of_one_dek),
        TEST(test_rotation_keeps_old_blobs),
        TEST(test_versions_keep_their_places),
        TEST(test_bad_references),
        TEST(test_tenants_are_apart),
        TEST(test_many_references),
        TEST(test_pseudonym_keys_stay),
        TEST(test_outside_keys),
        TEST(test_list),
        TEST(test_bad_names),
        TEST(test_two_writers),
        TEST(test_put_back_or_replaced),
        TEST(test_crash_leftovers),
        TEST(test_memory_gives_out),
        TEST(test_no_memory_for_argon2),
        TEST(test_a_forked_child_gets_nothing),
        TEST(test_no_key_in_the_file),
        TEST(test_raw_keys),
        TEST(test_versions_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
