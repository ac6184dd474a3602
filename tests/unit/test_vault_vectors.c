/* SPDX-License-Identifier: Apache-2.0
 * test_vault_vectors.c - AES-256-GCM, HMAC and HKDF against published vectors and against plain OpenSSL.
 * shows: ENC-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "vault/seal.h"

enum { TEXT_MAX = 128 };

static size_t from_hex(const char *hex, uint8_t *ret)
{
    size_t length = strlen(hex) / 2;
    for (size_t i = 0; i < length; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        ret[i] = (uint8_t)byte;
    }
    return length;
}

static void assert_hex(const uint8_t *bytes, const char *hex)
{
    uint8_t expected[TEXT_MAX];
    size_t length = from_hex(hex, expected);
    assert_memory_equal(bytes, expected, length);
}

/* Test cases 13 to 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", which NIST SP 800-38D took over. */
struct vector {
    const char *key, *nonce, *aad, *plaintext, *sealed;
};

static const struct vector vectors[] = {
    { "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
      "530f8afbc74536b9a963b4f1c4cb738b" },
    { "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
      "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
    { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
      "b094dac5d93471bdec1a502270e3cc6c" },
    { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
      "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static void check_vector(const struct vector *vector)
{
    uint8_t key[32], nonce[12], aad[32], plaintext[TEXT_MAX], sealed[TEXT_MAX], out[TEXT_MAX];
    struct dv_aead seal = { 0 };
    struct dv_aead open = { 0 };
    (void)from_hex(vector->key, key);
    (void)from_hex(vector->nonce, nonce);
    struct dv_bytes bound = { aad, from_hex(vector->aad, aad) };
    struct dv_bytes text = { plaintext, from_hex(vector->plaintext, plaintext) };
    size_t sealed_length = from_hex(vector->sealed, sealed);
    assert_int_equal(dv_aead_init(&seal, key, DV_AEAD_SEAL, NULL), DV_OK);
    assert_int_equal(dv_aead_init(&open, key, DV_AEAD_OPEN, NULL), DV_OK);
    for (int twice = 0; twice < 2; twice++) { /* the second use of a context must not depend on the first */
        assert_int_equal(dv_aead_seal(&seal, nonce, bound, text, out), DV_OK);
        assert_memory_equal(out, sealed, sealed_length);
        assert_int_equal(dv_aead_open(&open, nonce, bound, (struct dv_bytes){ sealed, sealed_length }, out), DV_OK);
        assert_memory_equal(out, plaintext, text.length);
    }
    dv_aead_wipe(&seal);
    dv_aead_wipe(&open);
    dv_aead_wipe(&open);
}

static void test_gcm_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        check_vector(&vectors[i]);
}

/* RFC 4231, cases 1, 2 and 6. */
static void test_hmac_vectors(void **state)
{
    (void)state;
    uint8_t key[131], out[32];
    struct dv_hmac hmac;
    memset(key, 0x0b, 20);
    dv_hmac_init(&hmac, (struct dv_bytes){ key, 20 });
    dv_hmac(&hmac, "Hi There", 8, out);
    assert_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    dv_hmac_init(&hmac, dv_bytes_text("Jefe"));
    dv_hmac(&hmac, "what do ya want for nothing?", 28, out);
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    dv_hmac_init(&hmac, (struct dv_bytes){ key, sizeof key });
    dv_hmac(&hmac, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    assert_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    dv_hmac_wipe(&hmac);
    struct dv_hmac zero = { 0 };
    assert_memory_equal(&hmac, &zero, sizeof hmac);
}

static void test_hmac_equals_openssl(void **state)
{
    (void)state;
    uint8_t data[300], mine[32], theirs[32];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + 1);
    for (size_t key = 1; key <= 130; key += 3) {
        struct dv_hmac hmac;
        dv_hmac_init(&hmac, (struct dv_bytes){ data, key });
        for (size_t length = 0; length < sizeof data; length++) {
            dv_hmac(&hmac, data, length, mine);
            assert_non_null(HMAC(EVP_sha256(), data, (int)key, data, length, theirs, NULL));
            assert_memory_equal(mine, theirs, sizeof mine);
        }
    }
}

/* RFC 5869, cases 1 and 3, of whose output the first 32 bytes are one block. */
static void test_hkdf_vectors(void **state)
{
    (void)state;
    uint8_t key[22], salt[13], info[10], out[32];
    memset(key, 0x0b, sizeof key);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof info; i++)
        info[i] = (uint8_t)(0xf0 + i);
    struct dv_bytes none = { 0 };
    dv_hkdf((struct dv_bytes){ key, 22 }, (struct dv_bytes){ salt, 13 }, (struct dv_bytes){ info, 10 }, out);
    assert_hex(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    dv_hkdf((struct dv_bytes){ key, 22 }, none, none, out);
    assert_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcm_vectors),
        cmocka_unit_test(test_hmac_vectors),
        cmocka_unit_test(test_hmac_equals_openssl),
        cmocka_unit_test(test_hkdf_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
