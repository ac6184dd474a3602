/* SPDX-License-Identifier: Apache-2.0
 * keyring_use.c - what a keyring's keys are used for: sealers, openers by key reference, derived and wrapped keys. */
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "vault/blob.h"
#include "vault/keyring_inside.h"
#include "vault/seal.h"

enum { SALT_BYTES = 16, SALT_DIGITS = 2 * SALT_BYTES, VERSION_DIGITS_MAX = 10 };

/* A key reference, taken apart. */
struct reference {
    struct dv_bytes tenant;
    struct dv_bytes dataset;
    uint32_t version;
    uint8_t salt[SALT_BYTES];
};

/* The part of `rest` before the next '/', which is passed over; empty if there is none. */
static struct dv_bytes take_part(struct dv_bytes *rest)
{
    DV_ASSERT(rest->at != NULL || rest->length == 0);
    const uint8_t *slash = rest->length != 0 ? memchr(rest->at, '/', rest->length) : NULL;
    size_t length = slash != NULL ? (size_t)(slash - rest->at) : 0;
    struct dv_bytes part = { rest->at, length };
    if (slash != NULL)
        *rest = (struct dv_bytes){ slash + 1, rest->length - length - 1 };
    return part;
}

/* A number without leading zeros; 0 for anything else. */
static uint32_t parse_version(struct dv_bytes digits)
{
    uint64_t value = 0;
    if (digits.length == 0 || digits.length > VERSION_DIGITS_MAX || digits.at[0] == '0')
        return 0;
    for (size_t i = 0; i < digits.length; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return 0;
        value = value * 10 + (uint64_t)(digits.at[i] - '0');
    }
    return value <= UINT32_MAX ? (uint32_t)value : 0;
}

/* The value of a lower-case hexadecimal digit, or 16. */
static unsigned digit_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10u : 16u;
}

static bool parse_salt(struct dv_bytes digits, uint8_t ret[SALT_BYTES])
{
    if (digits.length != SALT_DIGITS)
        return false;
    for (size_t i = 0; i < SALT_BYTES; i++) {
        unsigned high = digit_value(digits.at[2 * i]);
        unsigned low = digit_value(digits.at[2 * i + 1]);
        if ((high | low) > 15)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_reference(struct dv_bytes text, struct reference *ret)
{
    DV_ASSERT(ret != NULL);
    ret->tenant = take_part(&text);
    ret->dataset = take_part(&text);
    ret->version = parse_version(take_part(&text));
    return ret->version != 0 && parse_salt(text, ret->salt) && dv_bytes_is_name(ret->tenant, DV_KEY_NAME_MAX) &&
           dv_bytes_is_name(ret->dataset, DV_KEY_NAME_MAX);
}

static size_t print_reference(const struct dv_ring_key *key, uint32_t version, const uint8_t salt[SALT_BYTES],
                              char ret[DV_KEY_REF_MAX + 1])
{
    DV_ASSERT(version >= 1 && version <= key->version_count);
    int length = snprintf(ret, DV_KEY_REF_MAX + 1, "%.*s/%.*s/%" PRIu32 "/", (int)key->tenant.length,
                          (const char *)key->tenant.at, (int)key->name.length, (const char *)key->name.at, version);
    DV_ASSERT(length > 0 && length + SALT_DIGITS <= DV_KEY_REF_MAX);
    for (size_t i = 0; i < SALT_BYTES; i++)
        (void)snprintf(ret + length + 2 * i, 3, "%02x", salt[i]);
    return (size_t)length + SALT_DIGITS;
}

/* Unwraps a dek and derives what a sealer and its openers need into secrets->now. */
static dv_rc derive_seal_key(struct dv_keyring *keyring, const struct dv_ring_key *key, uint32_t version,
                             const uint8_t salt[SALT_BYTES], struct dv_seal_key *ret, struct dv_error *error)
{
    DV_ASSERT(key->kind == DV_KEY_DATASET);
    struct dv_keyring_secrets *secrets = keyring->secrets;
    DV_TRY(dv_keyring_unwrap_top(keyring, key, key->version_count, secrets->now.kek, error));
    DV_TRY(dv_keyring_unwrap_dek(keyring, key, version, secrets->now.kek, secrets->now.dek, error));
    struct dv_bytes dek = { secrets->now.dek, DV_KEY_BYTES };
    dv_hkdf(dek, (struct dv_bytes){ salt, SALT_BYTES }, dv_bytes_text("datavault/seal/v1"), secrets->now.seal);
    dv_hkdf(dek, (struct dv_bytes){ 0 }, dv_bytes_text("datavault/data-hash/v1"), secrets->now.hash);
    ret->key = secrets->now.seal;
    ret->hash_key = secrets->now.hash;
    return DV_OK;
}

static dv_rc make_sealer(struct dv_keyring *keyring, const struct dv_ring_key *key, struct dv_sealer **ret,
                         struct dv_error *error)
{
    DV_ASSERT(key->version_count != 0);
    uint8_t salt[SALT_BYTES];
    char key_ref[DV_KEY_REF_MAX + 1];
    struct dv_seal_key seal = { 0 };
    if (RAND_bytes(salt, sizeof salt) != 1)
        return dv_error_set(error, DV_E_FAILED, "the system gives no randomness");
    DV_TRY(derive_seal_key(keyring, key, key->version_count, salt, &seal, error));
    size_t length = print_reference(key, key->version_count, salt, key_ref);
    seal.key_ref = (struct dv_bytes){ (const uint8_t *)key_ref, length };
    return dv_sealer_new(ret, &seal, error);
}

dv_rc dv_keyring_sealer(struct dv_keyring *keyring, const char *tenant, const char *dataset, struct dv_sealer **ret,
                        struct dv_error *error)
{
    struct dv_ring_key *key = NULL;
    DV_TRY(dv_keyring_check_alive(keyring, error));
    DV_TRY(dv_keyring_find(&keyring->ring, DV_KEY_DATASET, dv_bytes_text(tenant), dv_bytes_text(dataset), &key, error));
    return dv_keyring_forget(keyring, make_sealer(keyring, key, ret, error));
}

void dv_keyring_drop_openers(struct dv_keyring *keyring)
{
    for (size_t i = 0; i < DV_OPENERS; i++) {
        dv_opener_free(keyring->openers[i]);
        keyring->openers[i] = NULL;
    }
}

/* The cached opener for a reference, moved to the front, or NULL. */
static struct dv_opener *cached(struct dv_keyring *keyring, struct dv_bytes key_ref)
{
    struct dv_opener **openers = keyring->openers;
    for (size_t i = 0; i < DV_OPENERS && openers[i] != NULL; i++) {
        struct dv_opener *found = openers[i];
        if (!dv_bytes_equal(dv_opener_key_ref(found), key_ref))
            continue;
        memmove(openers + 1, openers, i * sizeof *openers);
        openers[0] = found;
        return found;
    }
    return NULL;
}

static struct dv_opener *keep(struct dv_keyring *keyring, struct dv_opener *opener)
{
    DV_ASSERT(opener != NULL);
    struct dv_opener **openers = keyring->openers;
    dv_opener_free(openers[DV_OPENERS - 1]);
    memmove(openers + 1, openers, (DV_OPENERS - 1) * sizeof *openers);
    openers[0] = opener;
    return opener;
}

static dv_rc make_opener(struct dv_keyring *keyring, struct dv_bytes key_ref, struct dv_opener **ret,
                         struct dv_error *error)
{
    struct reference reference = { 0 };
    struct dv_ring_key *key = NULL;
    struct dv_seal_key seal = { .key_ref = key_ref };
    if (key_ref.length > DV_KEY_REF_MAX || !parse_reference(key_ref, &reference))
        return dv_error_set(error, DV_E_KEY, "a blob names no key of this format");
    DV_TRY(dv_keyring_find(&keyring->ring, DV_KEY_DATASET, reference.tenant, reference.dataset, &key, error));
    if (reference.version > key->version_count)
        return dv_error_set(error, DV_E_KEY,
                            "a blob is sealed with version %" PRIu32 " of a key of which this keyring has "
                            "%" PRIu32 "; reload it",
                            reference.version, key->version_count);
    DV_TRY(derive_seal_key(keyring, key, reference.version, reference.salt, &seal, error));
    struct dv_opener *opener = NULL;
    DV_TRY(dv_opener_new(&opener, &seal, error));
    *ret = keep(keyring, opener);
    return DV_OK;
}

dv_rc dv_keyring_opener(struct dv_keyring *keyring, struct dv_bytes key_ref, struct dv_opener **ret,
                        struct dv_error *error)
{
    DV_ASSERT(ret != NULL);
    DV_TRY(dv_keyring_check_alive(keyring, error));
    struct dv_opener *opener = cached(keyring, key_ref);
    if (opener == NULL)
        return dv_keyring_forget(keyring, make_opener(keyring, key_ref, ret, error));
    *ret = opener;
    return DV_OK;
}

dv_rc dv_keyring_open_blob(struct dv_keyring *keyring, const struct dv_blob *blob, uint8_t *plaintext,
                           struct dv_error *error)
{
    DV_ASSERT(blob != NULL);
    struct dv_opener *opener = NULL;
    struct dv_bytes rest = blob->key_ref;
    if (!dv_bytes_equal(take_part(&rest), blob->tenant))
        return dv_error_set(error, DV_E_TAMPER, "a blob's key belongs to another tenant than the blob");
    DV_TRY(dv_keyring_opener(keyring, blob->key_ref, &opener, error));
    return dv_blob_open(blob, opener, plaintext, error);
}

dv_rc dv_keyring_derive(struct dv_keyring *keyring, const char *tenant, const char *purpose, uint32_t *version,
                        uint8_t ret[DV_KEY_BYTES], struct dv_error *error)
{
    DV_ASSERT(version != NULL && ret != NULL);
    struct dv_ring_key *key = NULL;
    uint8_t *secret = keyring->secrets->now.kek;
    DV_TRY(dv_keyring_check_alive(keyring, error));
    DV_TRY(dv_keyring_find(&keyring->ring, DV_KEY_DERIVE, dv_bytes_text(tenant), dv_bytes_text(purpose), &key, error));
    if (*version > key->version_count)
        return dv_error_set(error, DV_E_KEY, "purpose '%s' has no version %" PRIu32, purpose, *version);
    uint32_t used = *version != 0 ? *version : key->version_count;
    DV_TRY(dv_keyring_unwrap_top(keyring, key, used, secret, error));
    struct dv_bytes salt = { keyring->ring.root.keyring_id, DV_KEYRING_ID_BYTES };
    dv_hkdf((struct dv_bytes){ secret, DV_KEY_BYTES }, salt, dv_bytes_text("datavault/purpose/v1"), ret);
    *version = used;
    return dv_keyring_forget(keyring, DV_OK);
}

static struct dv_wrap_label outside_label(const struct dv_keyring *keyring, const struct dv_ring_key *key,
                                          uint32_t version, struct dv_bytes which)
{
    DV_ASSERT(which.length <= DV_KEY_NAME_MAX);
    struct dv_wrap_label label = dv_keyring_label(keyring, key, DV_WRAP_OUTSIDE, version);
    label.context = which;
    return label;
}

dv_rc dv_keyring_wrap(struct dv_keyring *keyring, const char *tenant, const char *dataset, struct dv_bytes which,
                      const uint8_t key[DV_KEY_BYTES], uint8_t ret[DV_OUTSIDE_BYTES], struct dv_error *error)
{
    struct dv_ring_key *under = NULL;
    uint8_t *kek = keyring->secrets->now.kek;
    DV_TRY(dv_keyring_check_alive(keyring, error));
    DV_TRY(
        dv_keyring_find(&keyring->ring, DV_KEY_DATASET, dv_bytes_text(tenant), dv_bytes_text(dataset), &under, error));
    DV_TRY(dv_keyring_unwrap_top(keyring, under, under->version_count, kek, error));
    struct dv_wrap_label label = outside_label(keyring, under, under->version_count, which);
    uint8_t *wrapped = dv_bytes_put32(ret, under->version_count);
    return dv_keyring_forget(keyring, dv_wrap(kek, &label, key, wrapped, error));
}

dv_rc dv_keyring_unwrap(struct dv_keyring *keyring, const char *tenant, const char *dataset, struct dv_bytes which,
                        const uint8_t wrapped[DV_OUTSIDE_BYTES], uint8_t ret[DV_KEY_BYTES], struct dv_error *error)
{
    struct dv_ring_key *under = NULL;
    uint8_t *kek = keyring->secrets->now.kek;
    uint32_t version = dv_bytes_get32(wrapped);
    DV_TRY(dv_keyring_check_alive(keyring, error));
    DV_TRY(
        dv_keyring_find(&keyring->ring, DV_KEY_DATASET, dv_bytes_text(tenant), dv_bytes_text(dataset), &under, error));
    if (version == 0 || version > under->version_count)
        return dv_error_set(error, DV_E_KEY, "a wrapped key names a version of its kek that is not in this keyring");
    DV_TRY(dv_keyring_unwrap_top(keyring, under, version, kek, error));
    struct dv_wrap_label label = outside_label(keyring, under, version, which);
    return dv_keyring_forget(keyring, dv_unwrap(kek, &label, wrapped + 4, ret, error));
}
