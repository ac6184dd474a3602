/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_pseudonym.c - tokens against OpenSSL's HMAC and RFC 4231, their form, domains, and wrong options.
 *
 * shows: ANO-2 PRV-5 ENC-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "privacy/pseudonym.h"
#include "privacy/transform.h"

static const unsigned char key[] = "0123456789abcdef0123456789abcdef";

static const char *token(const struct dv_pseudonym_options *options, const void *secret, size_t secret_length,
                         const char *value, size_t length, char text[DV_PSEUDONYM_TOKEN_MAX + 1])
{
    struct dv_pseudonym pseudonym;
    struct dv_buffer out = { .text = text, .size = DV_PSEUDONYM_TOKEN_MAX };
    assert_int_equal(dv_pseudonym_init(&pseudonym, secret, secret_length, options), DV_OK);
    assert_int_equal(dv_pseudonym_token(&pseudonym, value, length, &out), DV_OK);
    text[out.length] = '\0';
    dv_pseudonym_wipe(&pseudonym);
    return text;
}

static void bare_equals_hmac(void **state)
{
    static const struct dv_pseudonym_options bare = { .bare = true };
    (void)state;
    for (size_t key_length = 16; key_length < 140; key_length += 13) {
        for (size_t length = 0; length < 200; length += 7) {
            unsigned char secret[140];
            char value[200];
            char text[DV_PSEUDONYM_TOKEN_MAX + 1];
            char expected[65];
            unsigned char mac[32];
            memset(secret, (int)key_length, sizeof secret);
            memset(value, (int)length, sizeof value);
            assert_non_null(
                HMAC(EVP_sha256(), secret, (int)key_length, (const unsigned char *)value, length, mac, NULL));
            for (int i = 0; i < 32; i++)
                (void)snprintf(expected + 2 * i, 3, "%02x", (unsigned)mac[i]);
            assert_string_equal(token(&bare, secret, key_length, value, length, text), expected);
        }
    }
}

/* RFC 4231, test case 1: a 20-byte key of 0x0b. */
static void bare_equals_rfc4231(void **state)
{
    static const struct dv_pseudonym_options bare = { .bare = true };
    unsigned char secret[20];
    char text[DV_PSEUDONYM_TOKEN_MAX + 1];
    (void)state;
    memset(secret, 0x0b, sizeof secret);
    assert_string_equal(token(&bare, secret, sizeof secret, "Hi There", 8, text),
                        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

static void domain_goes_first(void **state)
{
    static const struct dv_pseudonym_options bare = { .bare = true };
    static const struct dv_pseudonym_options hex = {
        .domain = "patient", .prefix = "pt_", .version = 7, .encoding = DV_PSEUDONYM_HEX, .bytes = 32
    };
    char a[DV_PSEUDONYM_TOKEN_MAX + 1];
    char b[DV_PSEUDONYM_TOKEN_MAX + 1];
    (void)state;
    token(&hex, key, 32, "P00000001", 9, a);
    token(&bare, key, 32, "patient\0P00000001", 17, b);
    assert_memory_equal(a, "pt_v7_", 6);
    assert_string_equal(a + 6, b);
}

static void domains_do_not_link(void **state)
{
    struct dv_pseudonym_options options = { .domain = "patient", .version = 1 };
    char a[DV_PSEUDONYM_TOKEN_MAX + 1];
    char b[DV_PSEUDONYM_TOKEN_MAX + 1];
    (void)state;
    assert_string_equal(token(&options, key, 32, "x", 1, a), token(&options, key, 32, "x", 1, b));
    options.domain = "doctor";
    assert_string_not_equal(a, token(&options, key, 32, "x", 1, b));
    options.domain = "patient";
    assert_string_not_equal(a, token(&options, key, 31, "x", 1, b));
    assert_string_not_equal(a, token(&options, key, 32, "y", 1, b));
}

/* Base32 of RFC 4648, checked digit by digit against the hex form. */
static void base32_is_rfc4648(void **state)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    (void)state;
    for (uint32_t bytes = DV_PSEUDONYM_BYTES_MIN; bytes <= DV_PSEUDONYM_BYTES_MAX; bytes++) {
        struct dv_pseudonym_options options = { .domain = "d", .bytes = bytes };
        char base32[DV_PSEUDONYM_TOKEN_MAX + 1];
        char hex[DV_PSEUDONYM_TOKEN_MAX + 1];
        unsigned char raw[DV_PSEUDONYM_BYTES_MAX + 1] = { 0 };
        token(&options, key, 32, "x", 1, base32);
        options.encoding = DV_PSEUDONYM_HEX;
        token(&options, key, 32, "x", 1, hex);
        assert_int_equal(strlen(hex), 3 + bytes * 2);
        assert_int_equal(strlen(base32), 3 + (bytes * 8 + 4) / 5);
        for (uint32_t i = 0; i < bytes; i++)
            assert_int_equal(sscanf(hex + 3 + 2 * i, "%2hhx", &raw[i]), 1);
        for (size_t bit = 0; base32[3 + bit / 5] != '\0'; bit += 5) {
            unsigned pair = (unsigned)raw[bit / 8] << 8 | (bit / 8 + 1 < bytes ? raw[bit / 8 + 1] : 0);
            assert_int_equal(base32[3 + bit / 5], digits[pair >> (11 - bit % 8) & 31]);
        }
    }
}

static void refuses_wrong_options(void **state)
{
    static const struct {
        struct dv_pseudonym_options options;
        size_t key_length;
        dv_rc rc;
    } rows[] = {
        { { .bare = true }, 15, DV_E_KEY },
        { { .domain = "patient" }, 0, DV_E_KEY },
        { { .domain = NULL }, 32, DV_E_CONFIG },
        { { .domain = "" }, 32, DV_E_CONFIG },
        { { .domain = "d", .prefix = "Pt" }, 32, DV_E_CONFIG },
        { { .domain = "d", .prefix = "a,b" }, 32, DV_E_CONFIG },
        { { .domain = "d", .prefix = "abcdefghijklmnopqrstuvwxy" }, 32, DV_E_CONFIG },
        { { .domain = "d", .bytes = 15 }, 32, DV_E_CONFIG },
        { { .domain = "d", .bytes = 33 }, 32, DV_E_CONFIG },
        { { .domain = "d", .prefix = "abcdefghijklmnopqrstuvwx", .version = UINT32_MAX, .bytes = 32 }, 32, DV_OK },
    };
    static const struct dv_pseudonym zero;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dv_pseudonym pseudonym;
        assert_int_equal(dv_pseudonym_init(&pseudonym, key, rows[i].key_length, &rows[i].options), rows[i].rc);
        if (rows[i].rc != DV_OK)
            assert_memory_equal(&pseudonym, &zero, sizeof zero);
    }
}

static void small_buffer_stays_empty(void **state)
{
    struct dv_pseudonym pseudonym;
    char text[DV_PSEUDONYM_TOKEN_MAX];
    struct dv_buffer out = { .text = text, .size = sizeof text - 1, .length = 5 };
    (void)state;
    assert_int_equal(dv_pseudonym_init(&pseudonym, key, 32, &(struct dv_pseudonym_options){ .bare = true }), DV_OK);
    assert_int_equal(dv_pseudonym_token(&pseudonym, "x", 1, &out), DV_E_LIMIT);
    assert_int_equal(out.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_equals_hmac),         cmocka_unit_test(bare_equals_rfc4231),
        cmocka_unit_test(domain_goes_first),        cmocka_unit_test(domains_do_not_link),
        cmocka_unit_test(base32_is_rfc4648),        cmocka_unit_test(refuses_wrong_options),
        cmocka_unit_test(small_buffer_stays_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
