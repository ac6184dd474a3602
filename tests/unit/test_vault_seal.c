/* SPDX-License-Identifier: Apache-2.0
 * test_vault_seal.c - what is sealed opens with its key alone and to the bit; sealers keep their nonces and their keys.
 * shows: ENC-1 ENC-6 PRV-15 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/memory.h"
#include "vault/seal.h"

enum { TEXT_MAX = 128 };

/* A sealer and an opener of one key. */
struct pair {
    uint8_t key[32], hash_key[32];
    struct dv_sealer *sealer;
    struct dv_opener *opener;
};

static void pair_open(struct pair *pair, uint64_t records_max)
{
    for (size_t i = 0; i < 32; i++) {
        pair->key[i] = (uint8_t)(i + 1);
        pair->hash_key[i] = (uint8_t)(200 - i);
    }
    struct dv_seal_key key = { pair->key, pair->hash_key, dv_bytes_text("a/b/1/c"), records_max };
    assert_int_equal(dv_sealer_new(&pair->sealer, &key, NULL), DV_OK);
    assert_int_equal(dv_opener_new(&pair->opener, &key, NULL), DV_OK);
}

static void pair_close(struct pair *pair)
{
    dv_sealer_free(pair->sealer);
    dv_opener_free(pair->opener);
}

static void test_round_trip(void **state)
{
    (void)state;
    enum { LENGTH_MAX = 600 };
    struct pair pair;
    uint8_t text[LENGTH_MAX], sealed[LENGTH_MAX + 16], out[LENGTH_MAX], nonce[12];
    struct dv_bytes aad = dv_bytes_text("bound");
    pair_open(&pair, 0);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)i;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        struct dv_bytes plaintext = { text, length };
        assert_int_equal(dv_seal(pair.sealer, aad, plaintext, nonce, sealed, NULL), DV_OK);
        if (length >= 8)
            assert_null(memmem(sealed, length + 16, text, 8));
        assert_int_equal(dv_unseal(pair.opener, aad, nonce, (struct dv_bytes){ sealed, length + 16 }, out, NULL),
                         DV_OK);
        assert_memory_equal(out, text, length);
    }
    assert_int_equal(dv_sealer_left(pair.sealer), ((uint64_t)1 << 32) - LENGTH_MAX - 1);
    assert_true(dv_bytes_equal(dv_sealer_key_ref(pair.sealer), dv_bytes_text("a/b/1/c")));
    assert_true(dv_bytes_equal(dv_opener_key_ref(pair.opener), dv_bytes_text("a/b/1/c")));
    pair_close(&pair);
}

static void assert_refused(struct dv_opener *opener, struct dv_bytes aad, const uint8_t *nonce, struct dv_bytes sealed)
{
    uint8_t out[TEXT_MAX];
    uint8_t zero[TEXT_MAX] = { 0 };
    struct dv_error error = { 0 };
    memset(out, 0xee, sizeof out);
    assert_int_equal(dv_unseal(opener, aad, nonce, sealed, out, &error), DV_E_TAMPER);
    assert_int_equal(error.code, DV_E_TAMPER);
    if (sealed.length >= 16)
        assert_memory_equal(out, zero, sealed.length - 16);
}

static void test_every_bit_counts(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t nonce[12], sealed[33 + 16], aad[20] = "twenty bytes of aad";
    struct dv_bytes bound = { aad, sizeof aad };
    struct dv_bytes whole = { sealed, sizeof sealed };
    pair_open(&pair, 0);
    assert_int_equal(
        dv_seal(pair.sealer, bound, dv_bytes_text("a patient's name and his illness."), nonce, sealed, NULL), DV_OK);
    for (size_t bit = 0; bit < 8 * (12 + sizeof aad + sizeof sealed); bit++) {
        size_t at = bit / 8;
        uint8_t *byte = at < 12 ? nonce + at : at < 12 + sizeof aad ? aad + at - 12 : sealed + at - 12 - sizeof aad;
        *byte ^= (uint8_t)(1u << bit % 8);
        assert_refused(pair.opener, bound, nonce, whole);
        *byte ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t length = 0; length < sizeof sealed; length++)
        assert_refused(pair.opener, bound, nonce, (struct dv_bytes){ sealed, length });
    assert_refused(pair.opener, (struct dv_bytes){ aad, sizeof aad - 1 }, nonce, whole);
    uint8_t out[33];
    assert_int_equal(dv_unseal(pair.opener, bound, nonce, whole, out, NULL), DV_OK);
    pair_close(&pair);
}

static void test_wrong_key(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t nonce[12], sealed[4 + 16];
    struct dv_bytes none = { 0 };
    pair_open(&pair, 0);
    assert_int_equal(dv_seal(pair.sealer, none, dv_bytes_text("text"), nonce, sealed, NULL), DV_OK);
    for (size_t bit = 0; bit < 256; bit++) {
        struct dv_opener *other = NULL;
        pair.key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct dv_seal_key key = { .key = pair.key };
        assert_int_equal(dv_opener_new(&other, &key, NULL), DV_OK);
        assert_refused(other, none, nonce, (struct dv_bytes){ sealed, sizeof sealed });
        dv_opener_free(other);
        pair.key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    pair_close(&pair);
}

static void test_hash_is_the_keyed_one(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t mine[32], opened[32], theirs[32];
    pair_open(&pair, 0);
    dv_sealer_hash(pair.sealer, dv_bytes_text("text"), mine);
    dv_opener_hash(pair.opener, dv_bytes_text("text"), opened);
    assert_non_null(HMAC(EVP_sha256(), pair.hash_key, 32, (const uint8_t *)"text", 4, theirs, NULL));
    assert_memory_equal(mine, theirs, 32);
    assert_memory_equal(opened, theirs, 32);
    pair_close(&pair);
}

static int compare_nonces(const void *a, const void *b)
{
    return memcmp(a, b, 12);
}

/* Three sealers of one key at once, as three processes would have them. */
static void test_a_million_nonces_differ(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    struct pair pairs[3];
    uint8_t(*nonces)[12] = dv_memory_alloc(COUNT * sizeof *nonces);
    uint8_t sealed[16];
    struct dv_bytes none = { 0 };
    assert_non_null(nonces);
    for (size_t i = 0; i < 3; i++)
        pair_open(&pairs[i], 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(dv_seal(pairs[i % 3].sealer, none, none, nonces[i], sealed, NULL), DV_OK);
    qsort(nonces, COUNT, sizeof *nonces, compare_nonces);
    for (size_t i = 1; i < COUNT; i++)
        assert_int_not_equal(memcmp(nonces[i - 1], nonces[i], 12), 0);
    for (size_t i = 0; i < 3; i++)
        pair_close(&pairs[i]);
    dv_memory_free(nonces);
}

static void test_limits(void **state)
{
    (void)state;
    struct pair pair;
    struct dv_error error = { 0 };
    uint8_t nonce[12], sealed[5 + 16];
    uint8_t first[12] = { 0 };
    struct dv_bytes none = { 0 };
    pair_open(&pair, 300);
    struct dv_bytes huge = { sealed, (size_t)DV_SEAL_MAX + 1 };
    assert_int_equal(dv_seal(pair.sealer, none, huge, first, sealed, &error), DV_E_LIMIT);
    for (uint64_t left = 300; left > 0; left--) {
        assert_int_equal(dv_sealer_left(pair.sealer), left);
        assert_int_equal(dv_seal(pair.sealer, none, dv_bytes_text("hello"), nonce, sealed, NULL), DV_OK);
    }
    memset(sealed, 0xee, sizeof sealed);
    assert_int_equal(dv_seal(pair.sealer, none, dv_bytes_text("hello"), nonce, sealed, &error), DV_E_LIMIT);
    assert_non_null(strstr(error.text, "rotate the key"));
    assert_int_equal(sealed[0], 0xee);
    pair_close(&pair);
}

static void test_bare_form(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t message[5 + DV_BARE_BYTES], out[5];
    struct dv_error error = { 0 };
    pair_open(&pair, 0);
    assert_int_equal(dv_seal_bare(pair.sealer, dv_bytes_text("hello"), message, NULL), DV_OK);
    assert_int_equal(dv_unseal_bare(pair.opener, (struct dv_bytes){ message, sizeof message }, out, NULL), DV_OK);
    assert_memory_equal(out, "hello", 5);
    for (size_t length = 0; length < sizeof message; length++)
        assert_int_equal(dv_unseal_bare(pair.opener, (struct dv_bytes){ message, length }, out, &error), DV_E_TAMPER);
    for (size_t bit = 0; bit < 8 * sizeof message; bit++) {
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(dv_unseal_bare(pair.opener, (struct dv_bytes){ message, sizeof message }, out, &error),
                         DV_E_TAMPER);
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    pair_close(&pair);
}

/* What a reader without DataVault does: plain OpenSSL over nonce, ciphertext and tag. */
static void test_bare_form_for_others(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t message[5 + DV_BARE_BYTES], out[5];
    int written = 0;
    pair_open(&pair, 0);
    assert_int_equal(dv_seal_bare(pair.sealer, dv_bytes_text("hello"), message, NULL), DV_OK);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, pair.key, message), 1);
    assert_int_equal(EVP_DecryptUpdate(context, out, &written, message + 12, 5), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, message + 17), 1);
    assert_int_equal(EVP_DecryptFinal_ex(context, out + 5, &written), 1);
    assert_memory_equal(out, "hello", 5);
    EVP_CIPHER_CTX_free(context);
    pair_close(&pair);
}

/* A child that sealed with its parent's buffer would use the same nonces. */
static void test_a_forked_child_gets_nothing(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t nonce[12], sealed[4 + 16], out[4];
    struct dv_bytes none = { 0 };
    pair_open(&pair, 0);
    assert_int_equal(dv_seal(pair.sealer, none, dv_bytes_text("text"), nonce, sealed, NULL), DV_OK);
    pid_t child = fork();
    if (child == 0) {
        dv_rc seal = dv_seal(pair.sealer, none, dv_bytes_text("text"), nonce, sealed, NULL);
        dv_rc open = dv_unseal(pair.opener, none, nonce, (struct dv_bytes){ sealed, 20 }, out, NULL);
        _exit(seal == DV_E_KEY && open == DV_E_KEY && dv_sealer_left(pair.sealer) == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(dv_unseal(pair.opener, none, nonce, (struct dv_bytes){ sealed, 20 }, out, NULL), DV_OK);
    pair_close(&pair);
}

#if !defined(__SANITIZE_ADDRESS__)
/* How often the key whose complement is `masked` lies in this process's writable memory. */
static size_t count_in_memory(const uint8_t masked[32])
{
    enum { WINDOW = 1 << 20 };
    size_t found = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    uint8_t *window = dv_memory_alloc(WINDOW);
    char line[512], mode[8];
    unsigned long start = 0, end = 0;
    assert_true(maps != NULL && memory >= 0 && window != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) != 3 || mode[1] != 'w')
            continue;
        for (unsigned long at = start; at + 32 <= end; at += WINDOW - 32) {
            ssize_t got = pread(memory, window, WINDOW, (off_t)at);
            for (ssize_t i = 0; i + 32 <= got; i++) {
                size_t same = 0;
                while (same < 32 && (window[i + (ssize_t)same] ^ masked[same]) == 0xff)
                    same++;
                bool own = at + (unsigned long)i >= (unsigned long)window &&
                           at + (unsigned long)i < (unsigned long)window + WINDOW;
                found += same == 32 && !own;
            }
        }
    }
    explicit_bzero(window, WINDOW);
    dv_memory_free(window);
    (void)close(memory);
    (void)fclose(maps);
    return found;
}
#endif

/* The key schedule holds the key itself, so an open sealer is found; after it is freed nothing may be. */
static void test_no_key_stays_in_memory(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* its shadow and quarantine are no memory of ours */
#else
    struct dv_sealer *sealer = NULL;
    struct dv_opener *opener = NULL;
    uint8_t masked[32], nonce[12], sealed[16], plaintext[1];
    struct dv_bytes none = { 0 };
    uint8_t *key = dv_memory_secret(32);
    for (size_t i = 0; i < 32; i++) {
        masked[i] = (uint8_t)(i * 29 + 77);
        key[i] = (uint8_t)~masked[i];
    }
    struct dv_seal_key seal_key = { .key = key };
    assert_int_equal(dv_sealer_new(&sealer, &seal_key, NULL), DV_OK);
    assert_int_equal(dv_opener_new(&opener, &seal_key, NULL), DV_OK);
    dv_memory_secret_free(key, 32);
    assert_int_equal(dv_seal(sealer, none, none, nonce, sealed, NULL), DV_OK);
    assert_int_equal(dv_unseal(opener, none, nonce, (struct dv_bytes){ sealed, 16 }, plaintext, NULL), DV_OK);
    assert_true(count_in_memory(masked) >= 1);
    dv_sealer_free(sealer);
    dv_opener_free(opener);
    assert_int_equal(count_in_memory(masked), 0);
#endif
}

static void test_no_memory(void **state)
{
    (void)state;
    uint8_t raw[32] = { 1 };
    struct dv_seal_key key = { .key = raw };
    struct dv_sealer *sealer = NULL;
    struct dv_opener *opener = NULL;
    struct dv_error error = { 0 };
    dv_memory_fail_at(1);
    assert_int_equal(dv_sealer_new(&sealer, &key, &error), DV_E_MEMORY);
    assert_null(sealer);
    dv_memory_fail_at(1);
    assert_int_equal(dv_opener_new(&opener, &key, &error), DV_E_MEMORY);
    assert_null(opener);
    assert_non_null(strstr(error.text, "ulimit -l"));
    dv_sealer_free(NULL);
    dv_opener_free(NULL);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "a/b", "a b", "a\n", "\x1b[0m", "\xc3\xa4", "a'b", "a%b" };
    assert_true(dv_bytes_is_name(dv_bytes_text("A-z_0.9"), 64));
    assert_true(dv_bytes_is_path(dv_bytes_text("A-z/_0.9"), 64));
    assert_false(dv_bytes_is_name(dv_bytes_text("abc"), 2));
    assert_false(dv_bytes_is_name((struct dv_bytes){ (const uint8_t *)"a\0b", 3 }, 64));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(dv_bytes_is_name(dv_bytes_text(bad[i]), 64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_hash_is_the_keyed_one),
        cmocka_unit_test(test_a_million_nonces_differ),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bare_form),
        cmocka_unit_test(test_bare_form_for_others),
        cmocka_unit_test(test_a_forked_child_gets_nothing),
        cmocka_unit_test(test_no_key_stays_in_memory),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
