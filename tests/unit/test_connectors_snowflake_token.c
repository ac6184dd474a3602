/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_token.c - who we are: names, keys, signatures, given tokens.
 *
 * shows: SNO-6 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base64.h"
#include "engine/memory.h"
#include "tests/unit/connectors_world.h"
#include "tests/unit/snowflake_script.h"

static void names_of_accounts(void **state)
{
    static const struct {
        const char *account, *claim, *host;
    } rows[] = {
        { "myorg-account1", "MYORG-ACCOUNT1", "myorg-account1" },
        { "MYORG-My_Account", "MYORG-MY_ACCOUNT", "myorg-my-account" },
        { "myorg.account1", "MYORG-ACCOUNT1", "myorg-account1" },
        { "xy12345", "XY12345", "xy12345" },
        { "xy12345.eu-central-1", "XY12345", "xy12345.eu-central-1" },
        { "xy12345.west-europe.azure", "XY12345", "xy12345.west-europe.azure" },
        { "", NULL, NULL },
        { "-a", NULL, NULL },
        { ".a", NULL, NULL },
        { "a/b", NULL, NULL },
        { "a b", NULL, NULL },
        { "a@evil.example", NULL, NULL },
        { "a\n", NULL, NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char claim[64] = "", host[64] = "";
        bool sound = rows[i].claim != NULL;
        assert_int_equal(dv_snowflake_account_claim(rows[i].account, claim, sizeof claim), sound);
        assert_int_equal(dv_snowflake_account_host(rows[i].account, host, sizeof host), sound);
        if (sound) {
            assert_string_equal(claim, rows[i].claim);
            assert_string_equal(host, rows[i].host);
        }
    }
    char small[4];
    assert_false(dv_snowflake_account_claim("abcd", small, sizeof small));
    assert_true(dv_snowflake_account_claim("abc", small, sizeof small));
    assert_false(dv_snowflake_account_host("abcd", small, sizeof small));
}

/* RFC 7515's alphabet back to bytes. */
static size_t decode(const char *text, size_t length, unsigned char *out)
{
    char padded[4096];
    size_t written = 0;
    memcpy(padded, text, length);
    for (size_t i = 0; i < length; i++)
        padded[i] = padded[i] == '-' ? '+' : padded[i] == '_' ? '/' : padded[i];
    while (length % 4 != 0)
        padded[length++] = '=';
    assert_true(dv_base64_decode(out, &written, padded, length));
    out[written] = '\0';
    return written;
}

/* The claims of "Bearer a.b.c", whose signature the key's public half must confirm. */
static void read_token(const char *bearer, EVP_PKEY *key, char *claims)
{
    unsigned char bytes[4096];
    assert_memory_equal(bearer, "Bearer ", 7);
    const char *head = bearer + 7;
    const char *first = strchr(head, '.');
    const char *second = strrchr(head, '.');
    assert_true(first != NULL && second > first);
    (void)decode(head, (size_t)(first - head), bytes);
    assert_string_equal((const char *)bytes, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
    (void)decode(first + 1, (size_t)(second - first - 1), bytes);
    (void)snprintf(claims, SNOW_TEXT_MAX, "%s", (const char *)bytes);
    size_t length = decode(second + 1, strlen(second + 1), bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL), 1);
    assert_int_equal(EVP_DigestVerify(context, bytes, length, (const unsigned char *)head, (size_t)(second - head)), 1);
    EVP_MD_CTX_free(context);
}

static void fingerprint(EVP_PKEY *key, char out[64])
{
    unsigned char *der = NULL, digest[32];
    size_t written = 0;
    int length = i2d_PUBKEY(key, &der);
    assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)length, digest, &written), 1);
    OPENSSL_free(der);
    out[dv_base64_encode(out, digest, 32)] = '\0';
}

static void signs_who_we_are(void **state)
{
    const struct dv_snowflake_config config = snow_config();
    struct dv_snowflake_token token = { 0 };
    struct dv_error error = { 0 };
    char claims[SNOW_TEXT_MAX], wanted[SNOW_TEXT_MAX], print[64], bearer[DV_SNOWFLAKE_BEARER_MAX];
    const char *reason = "";
    (void)state;
    assert_int_equal(dv_snowflake_token_init(&token, &config.identity, 1700000000123, &error), DV_OK);
    assert_int_equal(dv_snowflake_token_show(&token, 1700000000123, bearer, &reason), DV_OK);
    assert_null(reason);
    read_token(bearer, snow_key(), claims);
    fingerprint(snow_key(), print);
    (void)snprintf(
        wanted, sizeof wanted,
        "{\"iss\":\"ORG-ACC.LOADER.SHA256:%s\",\"sub\":\"ORG-ACC.LOADER\",\"iat\":1700000000,\"exp\":1700003540}",
        print);
    assert_string_equal(claims, wanted);
    dv_snowflake_token_free(&token);
}

/* Kept for four fifths of its life, and not when the clock is set back, or it was refused. */
static void signs_no_more_often_than_it_must(void **state)
{
    const struct dv_snowflake_config config = snow_config();
    const int64_t start = 1700000000000;
    static const struct {
        int64_t after_s;
        bool same, drop;
    } rows[] = { { 1, true, false },    { 2831, true, false },   { 2832, false, false },
                 { 2833, true, false }, { -4000, false, false }, { -3999, false, true } };
    struct dv_snowflake_token token = { 0 };
    char before[DV_SNOWFLAKE_BEARER_MAX], bearer[DV_SNOWFLAKE_BEARER_MAX];
    const char *reason = NULL;
    (void)state;
    assert_int_equal(dv_snowflake_token_init(&token, &config.identity, start, NULL), DV_OK);
    assert_int_equal(dv_snowflake_token_show(&token, start, before, &reason), DV_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].drop)
            dv_snowflake_token_drop(&token);
        assert_int_equal(dv_snowflake_token_show(&token, start + rows[i].after_s * 1000, bearer, &reason), DV_OK);
        assert_int_equal(strcmp(bearer, before) == 0, rows[i].same);
        memcpy(before, bearer, sizeof before);
    }
    dv_snowflake_token_free(&token);
}

static void set_pem(EVP_PKEY *key, const char *phrase)
{
    char *pem = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = phrase != NULL ? EVP_aes_256_cbc() : NULL;
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, phrase, phrase != NULL ? (int)strlen(phrase) : 0, NULL, NULL),
        1);
    long length = BIO_get_mem_data(bio, &pem);
    char *text = strndup(pem, (size_t)length);
    assert_int_equal(setenv("SNOW_TEST_PEM", text, 1), 0);
    free(text);
    BIO_free(bio);
}

static dv_rc init(const char *passphrase, struct dv_error *error)
{
    const struct dv_snowflake_identity identity = {
        .account = "a", .user = "u", .secret = "env:SNOW_TEST_PEM", .passphrase = passphrase
    };
    struct dv_snowflake_token token = { 0 };
    dv_rc rc = dv_snowflake_token_init(&token, &identity, 0, error);
    dv_snowflake_token_free(&token);
    return rc;
}

static void takes_keys_with_passphrases(void **state)
{
    struct dv_error error = { 0 };
    (void)state;
    assert_int_equal(setenv("SNOW_TEST_PHRASE", "open sesame", 1), 0);
    assert_int_equal(setenv("SNOW_TEST_OTHER", "close sesame", 1), 0);
    set_pem(snow_key(), "open sesame");
    assert_int_equal(init("env:SNOW_TEST_PHRASE", &error), DV_OK);
    assert_int_equal(init("env:SNOW_TEST_OTHER", &error), DV_E_CONFIG);
    assert_non_null(strstr(error.text, "its passphrase is another one"));
    assert_int_equal(init(NULL, &error), DV_E_CONFIG); /* and nobody is asked on a terminal */
    set_pem(snow_key(), NULL);
    assert_int_equal(init(NULL, &error), DV_OK);
    assert_int_equal(init("env:SNOW_TEST_PHRASE", &error), DV_OK);
}

static void refuses_other_keys(void **state)
{
    struct dv_error error = { 0 };
    EVP_PKEY *small = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-256");
    (void)state;
    EVP_PKEY *const keys[] = { small, curve };
    for (size_t i = 0; i < 2; i++) {
        set_pem(keys[i], NULL);
        assert_int_equal(init(NULL, &error), DV_E_CONFIG);
        assert_string_equal(error.text, "the key is no RSA key of 2048 bits or more");
        EVP_PKEY_free(keys[i]);
    }
    assert_int_equal(setenv("SNOW_TEST_PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", 1), 0);
    assert_int_equal(init(NULL, &error), DV_E_CONFIG);
    assert_int_equal(unsetenv("SNOW_TEST_PEM"), 0);
    assert_int_equal(init(NULL, &error), DV_E_MISSING);
}

static void refuses_wrong_names(void **state)
{
    static const struct {
        struct dv_snowflake_identity identity;
        const char *text;
    } rows[] = {
        { { .account = NULL, .user = "u", .secret = "env:A" }, "an account is like" },
        { { .account = "a b", .user = "u", .secret = "env:A" }, "an account is like" },
        { { .account = "a", .user = "u", .secret = "secret" }, "must be env:NAME or file:PATH" },
        { { .account = "a", .user = "u", .secret = NULL }, "must be env:NAME or file:PATH" },
        { { .account = "a", .user = "u", .secret = "env:A", .passphrase = "x" }, "must be env:NAME or file:PATH" },
        { { .account = "a", .user = NULL, .secret = "env:A" }, "needs the name of a user" },
        { { .account = "a", .user = "", .secret = "env:A" }, "needs the name of a user" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dv_snowflake_token token = { 0 };
        struct dv_error error = { 0 };
        assert_int_equal(dv_snowflake_token_init(&token, &rows[i].identity, 0, &error), DV_E_CONFIG);
        assert_non_null(strstr(error.text, rows[i].text));
    }
}

/* A given token is read anew each time: whoever gives it replaces it in time. */
static void shows_given_tokens(void **state)
{
    const struct dv_snowflake_identity identity = { .proof = DV_SNOWFLAKE_PAT,
                                                    .account = "a",
                                                    .secret = "env:SNOW_TEST_GIVEN" };
    struct dv_snowflake_token token = { 0 };
    char bearer[DV_SNOWFLAKE_BEARER_MAX];
    const char *reason = NULL;
    (void)state;
    assert_int_equal(setenv("SNOW_TEST_GIVEN", "one", 1), 0);
    assert_int_equal(dv_snowflake_token_init(&token, &identity, 0, NULL), DV_OK);
    assert_int_equal(setenv("SNOW_TEST_GIVEN", "two", 1), 0);
    assert_int_equal(dv_snowflake_token_show(&token, 0, bearer, &reason), DV_OK);
    assert_string_equal(bearer, "Bearer two");
    assert_null(reason);
    assert_int_equal(unsetenv("SNOW_TEST_GIVEN"), 0);
    assert_int_equal(dv_snowflake_token_show(&token, 0, bearer, &reason), DV_E_MISSING);
    assert_string_equal(reason, "the token cannot be read");
    assert_int_equal(dv_snowflake_token_init(&token, &identity, 0, NULL), DV_E_MISSING);
    dv_snowflake_token_free(&token);
    assert_string_equal(dv_snowflake_proof_word(DV_SNOWFLAKE_KEYPAIR), "KEYPAIR_JWT");
    assert_string_equal(dv_snowflake_proof_word(DV_SNOWFLAKE_PAT), "PROGRAMMATIC_ACCESS_TOKEN");
    assert_string_equal(dv_snowflake_proof_word(DV_SNOWFLAKE_OAUTH), "OAUTH");
}

static void survives_without_memory(void **state)
{
    const struct dv_snowflake_config config = snow_config();
    dv_rc rc = DV_E_MEMORY;
    unsigned tries = 0;
    (void)state;
    while (rc != DV_OK) {
        struct dv_snowflake_token token = { 0 };
        dv_memory_fail_at(++tries);
        rc = dv_snowflake_token_init(&token, &config.identity, 0, NULL);
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY);
        dv_snowflake_token_free(&token);
    }
    assert_true(tries > 1);
}

/* Somebody who wishes for a token, what he was told and shown, and whom he gives up for then. */
struct wisher {
    struct dv_snowflake_wish wish, *given_up;
    struct dv_snowflake_signer *signer;
    bool told;
    dv_rc rc;
    char bearer[DV_SNOWFLAKE_BEARER_MAX];
};

static void on_made(struct dv_snowflake_wish *wish, dv_rc rc)
{
    struct wisher *wisher = wish->data;
    const char *reason = NULL;
    assert_false(wisher->told || wish->waits);
    wisher->told = true;
    wisher->rc = rc;
    if (rc == DV_OK)
        assert_int_equal(dv_snowflake_token_show(wisher->signer->shown, dv_wall_ms(wisher->signer->loop), wisher->bearer, &reason), DV_OK);
    if (wisher->given_up != NULL)
        dv_snowflake_signer_give_up(wisher->signer, wisher->given_up);
}

static void wish(struct wisher *wisher, struct dv_snowflake_signer *signer)
{
    *wisher = (struct wisher){ .wish = { .on_made = on_made, .data = wisher }, .signer = signer };
    dv_snowflake_signer_wish(signer, &wisher->wish);
    assert_true(wisher->wish.waits && !wisher->told); /* not inside the call, whatever it takes */
}

/* Files are read, and keys are used, elsewhere: for all who wait, but for those who gave up. A given one is read anew for the next. */
static void makes_tokens_off_the_loop(void **state)
{
    struct world *world = *state;
    struct wisher first, second, third;
    struct dv_snowflake_token token = { 0 };
    struct dv_snowflake_signer signer;
    char reference[80];
    (void)snprintf(reference, sizeof reference, "file:%s", world_path(world, "token"));
    const struct dv_snowflake_identity identity = { .proof = DV_SNOWFLAKE_PAT, .account = "a", .secret = reference };
    world_write(world_path(world, "token"), "one", 3);
    assert_int_equal(chmod(world_path(world, "token"), 0600), 0);
    assert_int_equal(dv_snowflake_token_init(&token, &identity, 0, NULL), DV_OK);
    dv_snowflake_signer_open(&signer, &world->loop.base, &token);
    for (size_t round = 0; round < 2; round++) {
        static const char *const texts[] = { "two", "three" };
        assert_true(dv_snowflake_signer_wanted(&signer));
        world_write(world_path(world, "token"), texts[round], strlen(texts[round]));
        wish(&first, &signer);
        wish(&second, &signer);
        wish(&third, &signer);
        second.given_up = &first.wish; /* who waits behind it */
        dv_snowflake_signer_give_up(&signer, &third.wish);
        world_run_until(world, &second.told);
        world_run_ms(world, 5);
        assert_true(second.rc == DV_OK && !first.told && !third.told && !first.wish.waits);
        assert_string_equal(second.bearer + 7, texts[round]);
        assert_null(token.bearer); /* nor does it stay */
    }
    assert_int_equal(unlink(world_path(world, "token")), 0);
    wish(&first, &signer);
    world_run_until(world, &first.told);
    assert_int_equal(first.rc, DV_E_MISSING);
    assert_string_equal(dv_snowflake_token_fault(&token), "the token cannot be read");
    wish(&first, &signer); /* and its owner closes */
    dv_snowflake_signer_give_up(&signer, &first.wish);
    dv_snowflake_signer_close(&signer);
    dv_snowflake_token_free(&token);
}

/* A signed one is made once for its life; a variable is read where it is shown. */
static void makes_what_is_slow_alone(void **state)
{
    struct world *world = *state;
    const struct dv_snowflake_config config = snow_config();
    const struct dv_snowflake_identity given = { .proof = DV_SNOWFLAKE_OAUTH, .account = "a", .secret = "env:SNOW_TEST_GIVEN" };
    struct wisher wisher;
    struct dv_snowflake_token token = { .identity = config.identity }, variable = { .identity = given };
    struct dv_snowflake_signer signer, idle;
    dv_snowflake_signer_open(&signer, &world->loop.base, &token);
    dv_snowflake_signer_open(&idle, &world->loop.base, &variable);
    assert_true(dv_snowflake_signer_wanted(&signer) && !dv_snowflake_signer_wanted(&idle));
    wish(&wisher, &signer);
    world_run_until(world, &wisher.told);
    assert_int_equal(wisher.rc, DV_OK);
    assert_false(dv_snowflake_signer_wanted(&signer));
    assert_string_equal(wisher.bearer, token.bearer);
    dv_snowflake_signer_close(&idle);
    dv_snowflake_signer_close(&signer);
    dv_snowflake_token_free(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_accounts),
        cmocka_unit_test(signs_who_we_are),
        cmocka_unit_test(signs_no_more_often_than_it_must),
        cmocka_unit_test(takes_keys_with_passphrases),
        cmocka_unit_test(refuses_other_keys),
        cmocka_unit_test(refuses_wrong_names),
        cmocka_unit_test(shows_given_tokens),
        cmocka_unit_test(survives_without_memory),
        cmocka_unit_test_setup_teardown(makes_tokens_off_the_loop, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(makes_what_is_slow_alone, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
