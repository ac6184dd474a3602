/* SPDX-License-Identifier: Apache-2.0
 * snowflake_token.c - reads the key, takes its fingerprint, and signs who we are. */
#include "connectors/snowflake_token.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "engine/base64.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/option.h"

#define BEARER "Bearer "

enum {
    PEM_MAX = 32 * 1024,
    PHRASE_MAX = 1024,
    DIGEST = 32,
    FINGERPRINT_MAX = 64,
    CLAIMS_MAX = 4096,
    SIGNATURE_MAX = 2048, /* of 16384 bits */
    BITS_MIN = 2048,
    SKEW_MAX_S = 300,
    MS_PER_S = 1000
};

/* ---- names ---- */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_account(const char *account)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t length = strlen(account);
    return length > 0 && length <= DV_SNOWFLAKE_NAME_MAX && strspn(account, allowed) == length && account[0] != '.' &&
           account[0] != '-';
}

/* Where the region of a locator begins, or NULL: all of them have a dash, which no account's name behind a dot can have. */
static const char *region_of(const char *account)
{
    const char *dot = strchr(account, '.');
    return dot != NULL && strchr(dot, '-') != NULL ? dot : NULL;
}

bool dv_snowflake_account_claim(const char *account, char *out, size_t size)
{
    const char *region = region_of(account);
    size_t length = region != NULL ? (size_t)(region - account) : strlen(account);
    if (!is_account(account) || length >= size)
        return false;
    for (size_t i = 0; i < length; i++)
        out[i] = account[i] == '.' ? '-' : upper(account[i]);
    out[length] = '\0';
    return true;
}

bool dv_snowflake_account_host(const char *account, char *out, size_t size)
{
    bool has_region = region_of(account) != NULL;
    size_t length = strlen(account);
    if (!is_account(account) || length >= size)
        return false;
    for (size_t i = 0; i <= length; i++)
        out[i] = account[i] == '_' || (account[i] == '.' && !has_region) ? '-' : lower(account[i]);
    return true;
}

bool dv_snowflake_account_url(const char *account, char *out, size_t size)
{
    char host[DV_SNOWFLAKE_NAME_MAX + 1];
    if (account == NULL || !dv_snowflake_account_host(account, host, sizeof host))
        return false;
    int length = snprintf(out, size, "https://%s.snowflakecomputing.com", host);
    return length > 0 && (size_t)length < size;
}

const char *dv_snowflake_proof_word(enum dv_snowflake_proof proof)
{
    static const char *const words[] = { "KEYPAIR_JWT", "PROGRAMMATIC_ACCESS_TOKEN", "OAUTH" };
    return words[proof];
}

/* ---- the key ---- */

struct phrase {
    const char *at;
    size_t length;
};

/* OpenSSL asks for the passphrase here, and never on a terminal. */
static int on_phrase(char *out, int size, int writing, void *data)
{
    const struct phrase *phrase = data;
    (void)writing;
    if (phrase->at == NULL || size < 0 || phrase->length > (size_t)size)
        return -1;
    memcpy(out, phrase->at, phrase->length);
    return (int)phrase->length;
}

static EVP_PKEY *parse_key(const char *pem, size_t length, struct phrase phrase)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)length);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, on_phrase, &phrase) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static dv_rc judge_key(EVP_PKEY *key, struct dv_error *error)
{
    if (key == NULL)
        return dv_error_set(error, DV_E_CONFIG,
                            "the key is no PEM of a private key, or it is encrypted and its passphrase is another one");
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < BITS_MIN ||
        EVP_PKEY_get_size(key) > SIGNATURE_MAX)
        return dv_error_set(error, DV_E_CONFIG, "the key is no RSA key of 2048 bits or more");
    return DV_OK;
}

/* In pages that are neither swapped nor dumped: first the passphrase, then the key's text. */
static dv_rc read_key_into(char *pages, const struct dv_snowflake_identity *identity, EVP_PKEY **ret_key,
                           struct dv_error *error)
{
    struct phrase phrase = { 0 };
    size_t length = 0;
    if (identity->passphrase != NULL) {
        DV_TRY(dv_secret_read(identity->passphrase, pages, PHRASE_MAX, &phrase.length, error));
        phrase.at = pages;
    }
    DV_TRY(dv_secret_read(identity->secret, pages + PHRASE_MAX, PEM_MAX, &length, error));
    EVP_PKEY *key = parse_key(pages + PHRASE_MAX, length, phrase);
    dv_rc rc = judge_key(key, error);
    if (rc == DV_OK)
        *ret_key = key;
    else
        EVP_PKEY_free(key);
    return rc;
}

static dv_rc read_key(const struct dv_snowflake_identity *identity, EVP_PKEY **ret_key, struct dv_error *error)
{
    char *pages = dv_memory_secret(PHRASE_MAX + PEM_MAX);
    if (pages == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for the key");
    dv_rc rc = read_key_into(pages, identity, ret_key, error);
    dv_memory_secret_free(pages, PHRASE_MAX + PEM_MAX);
    return rc;
}

/* "SHA256:" and the digest of the public key, as Snowflake shows it for the user. */
static bool take_fingerprint(EVP_PKEY *key, char out[FINGERPRINT_MAX])
{
    unsigned char digest[DIGEST], *der = NULL;
    size_t written = 0;
    int length = i2d_PUBKEY(key, &der);
    bool made = length > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)length, digest, &written) == 1 &&
                written == DIGEST;
    OPENSSL_free(der);
    if (!made)
        return false;
    memcpy(out, "SHA256:", 7);
    out[7 + dv_base64_encode(out + 7, digest, DIGEST)] = '\0';
    return true;
}

/* ---- the token ---- */

/* RFC 7515: of the URL alphabet, without padding. Returns the length. */
static size_t put_part(char *out, const void *bytes, size_t length)
{
    size_t written = dv_base64_encode(out, bytes, length);
    while (written > 0 && out[written - 1] == '=')
        written--;
    for (size_t i = 0; i < written; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    return written;
}

static bool write_claims(const struct dv_snowflake_identity *identity, const char *fingerprint, int64_t now_s,
                         struct dv_json *json)
{
    char subject[2 * (DV_SNOWFLAKE_NAME_MAX + 1) + 1], issuer[sizeof subject + FINGERPRINT_MAX + 1];
    if (!dv_snowflake_account_claim(identity->account, subject, sizeof subject))
        return false;
    size_t at = strlen(subject);
    subject[at++] = '.';
    for (const char *from = identity->user; *from != '\0'; from++)
        subject[at++] = upper(*from);
    subject[at] = '\0';
    (void)snprintf(issuer, sizeof issuer, "%s.%s", subject, fingerprint);
    dv_json_open(json, '{');
    dv_json_key(json, "iss");
    dv_json_string(json, issuer);
    dv_json_key(json, "sub");
    dv_json_string(json, subject);
    dv_json_key(json, "iat");
    dv_json_int(json, now_s);
    dv_json_key(json, "exp");
    dv_json_int(json, now_s + DV_SNOWFLAKE_JWT_LIFE_S);
    dv_json_close(json, '}');
    return !json->full;
}

static bool sign(EVP_PKEY *key, const char *text, size_t length, unsigned char *out, size_t *ret_length)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    *ret_length = SIGNATURE_MAX;
    bool made = context != NULL && EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
                EVP_DigestSign(context, out, ret_length, (const unsigned char *)text, length) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return made;
}

/* "Bearer header.claims.signature" */
static bool write_token(const struct dv_snowflake_identity *identity, EVP_PKEY *key, int64_t now_s, char *out)
{
    static const char head[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
    const size_t skip = sizeof BEARER - 1;
    char fingerprint[FINGERPRINT_MAX], claims[CLAIMS_MAX];
    unsigned char signature[SIGNATURE_MAX];
    size_t length = 0;
    struct dv_json json;
    dv_json_init(&json, claims, sizeof claims);
    if (!take_fingerprint(key, fingerprint) || !write_claims(identity, fingerprint, now_s, &json))
        return false;
    memcpy(out, BEARER, skip);
    size_t at = skip + put_part(out + skip, head, sizeof head - 1);
    out[at++] = '.';
    at += put_part(out + at, claims, dv_json_length(&json));
    if (!sign(key, out + skip, at - skip, signature, &length))
        return false;
    out[at++] = '.';
    at += put_part(out + at, signature, length);
    out[at] = '\0';
    return true;
}

static bool is_signed(const struct dv_snowflake_token *token)
{
    return token->identity.proof == DV_SNOWFLAKE_KEYPAIR;
}

static dv_rc sign_token(struct dv_snowflake_token *token, int64_t wall_ms, struct dv_error *error)
{
    EVP_PKEY *key = NULL;
    DV_TRY(read_key(&token->identity, &key, error));
    bool made = write_token(&token->identity, key, wall_ms / MS_PER_S, token->bearer);
    EVP_PKEY_free(key);
    token->renew_ms = wall_ms + (int64_t)DV_SNOWFLAKE_JWT_LIFE_S * MS_PER_S / 5 * 4;
    return made ? DV_OK : dv_error_set(error, DV_E_MEMORY, "no memory to sign a token");
}

static dv_rc read_given(struct dv_snowflake_token *token, struct dv_error *error)
{
    const size_t skip = sizeof BEARER - 1;
    size_t length = 0;
    memcpy(token->bearer, BEARER, skip);
    return dv_secret_read(token->identity.secret, token->bearer + skip, DV_SNOWFLAKE_BEARER_MAX - skip, &length, error);
}

dv_rc dv_snowflake_token_make(struct dv_snowflake_token *token, int64_t wall_ms, struct dv_error *error)
{
    dv_snowflake_token_drop(token);
    token->bearer = dv_memory_zeroed(1, DV_SNOWFLAKE_BEARER_MAX);
    if (token->bearer == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a token");
    dv_rc rc = is_signed(token) ? sign_token(token, wall_ms, error) : read_given(token, error);
    if (rc != DV_OK)
        dv_snowflake_token_drop(token);
    return rc;
}

void dv_snowflake_token_drop(struct dv_snowflake_token *token)
{
    if (token->bearer != NULL)
        explicit_bzero(token->bearer, DV_SNOWFLAKE_BEARER_MAX);
    dv_memory_free(token->bearer);
    token->bearer = NULL;
}

void dv_snowflake_token_rest(struct dv_snowflake_token *token)
{
    if (!is_signed(token))
        dv_snowflake_token_drop(token);
}

bool dv_snowflake_token_is_slow(const struct dv_snowflake_token *token)
{
    return is_signed(token) || strncmp(token->identity.secret, "file:", 5) == 0;
}

/* A clock that was set back would keep an old one for too long. */
bool dv_snowflake_token_is_fresh(const struct dv_snowflake_token *token, int64_t wall_ms)
{
    bool in_time = wall_ms < token->renew_ms && token->renew_ms - wall_ms <= (int64_t)DV_SNOWFLAKE_JWT_LIFE_S * MS_PER_S;
    return token->bearer != NULL && (in_time || !is_signed(token));
}

const char *dv_snowflake_token_fault(const struct dv_snowflake_token *token)
{
    return is_signed(token) ? "the key cannot be used" : "the token cannot be read";
}

void dv_snowflake_token_move(struct dv_snowflake_token *to, struct dv_snowflake_token *from)
{
    dv_snowflake_token_drop(to);
    to->bearer = from->bearer;
    to->renew_ms = from->renew_ms;
    from->bearer = NULL;
}

bool dv_snowflake_clock_is_off(const struct dv_snowflake_identity *identity, int64_t date_s, int64_t wall_ms)
{
    int64_t off_s = date_s - wall_ms / MS_PER_S;
    return date_s != 0 && (off_s > SKEW_MAX_S || off_s < -SKEW_MAX_S) && identity->proof == DV_SNOWFLAKE_KEYPAIR;
}

void dv_snowflake_token_free(struct dv_snowflake_token *token)
{
    dv_snowflake_token_drop(token);
}

/* ---- shown ---- */

dv_rc dv_snowflake_token_show(struct dv_snowflake_token *token, int64_t wall_ms, char *out, const char **ret_reason)
{
    bool fresh = dv_snowflake_token_is_fresh(token, wall_ms);
    *ret_reason = dv_snowflake_token_fault(token);
    if (!fresh)
        DV_TRY(dv_snowflake_token_make(token, wall_ms, NULL));
    DV_ASSERT(token->bearer != NULL);
    memcpy(out, token->bearer, strlen(token->bearer) + 1);
    if (!fresh)
        dv_snowflake_token_rest(token);
    *ret_reason = NULL;
    return DV_OK;
}

dv_rc dv_snowflake_identity_check(const struct dv_snowflake_identity *identity, struct dv_error *error)
{
    char claim[DV_SNOWFLAKE_NAME_MAX + 1];
    if (identity->account == NULL || !dv_snowflake_account_claim(identity->account, claim, sizeof claim))
        return dv_error_set(error, DV_E_CONFIG, "an account is like 'myorg-account1' or 'xy12345.eu-central-1'");
    if (identity->secret == NULL || !dv_is_secret_reference(identity->secret) ||
        (identity->passphrase != NULL && !dv_is_secret_reference(identity->passphrase)))
        return dv_error_set(error, DV_E_CONFIG, "keys, passphrases and tokens must be env:NAME or file:PATH");
    if (identity->proof == DV_SNOWFLAKE_KEYPAIR &&
        (identity->user == NULL || identity->user[0] == '\0' || strlen(identity->user) > DV_SNOWFLAKE_NAME_MAX))
        return dv_error_set(error, DV_E_CONFIG, "whoever signs with a key needs the name of a user");
    return DV_OK;
}

dv_rc dv_snowflake_token_init(struct dv_snowflake_token *token, const struct dv_snowflake_identity *identity,
                              int64_t wall_ms, struct dv_error *error)
{
    *token = (struct dv_snowflake_token){ .identity = *identity };
    DV_TRY(dv_snowflake_identity_check(identity, error));
    DV_TRY(dv_snowflake_token_make(token, wall_ms, error));
    dv_snowflake_token_rest(token);
    return DV_OK;
}
