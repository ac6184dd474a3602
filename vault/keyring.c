/* SPDX-License-Identifier: Apache-2.0
 * keyring.c - creating, opening and closing a keyring, and the small things its other files share. */
#include "vault/keyring.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <unistd.h>

#include "engine/memory.h"
#include "vault/keyring_inside.h"

static const char machine_file[] = "machine.key";

dv_rc dv_keyring_forget(struct dv_keyring *keyring, dv_rc rc)
{
    DV_ASSERT(keyring->secrets != NULL);
    OPENSSL_cleanse(&keyring->secrets->now, sizeof keyring->secrets->now);
    return rc;
}

dv_rc dv_keyring_check_alive(const struct dv_keyring *keyring, struct dv_error *error)
{
    DV_ASSERT(keyring->secrets != NULL);
    if (keyring->secrets->alive)
        return DV_OK;
    return dv_error_set(error, DV_E_KEY, "keys do not pass to a forked process; open the keyring after the fork");
}

dv_rc dv_keyring_check_names(struct dv_bytes tenant, struct dv_bytes name, struct dv_error *error)
{
    if (dv_bytes_is_name(tenant, DV_KEY_NAME_MAX) && dv_bytes_is_name(name, DV_KEY_NAME_MAX))
        return DV_OK;
    return dv_error_set(error, DV_E_USAGE, "names of tenants and keys have 1 to %d of the characters A-Z a-z 0-9 _ . -",
                        DV_KEY_NAME_MAX);
}

dv_rc dv_keyring_find(const struct dv_ring *ring, enum dv_key_kind kind, struct dv_bytes tenant, struct dv_bytes name,
                      struct dv_ring_key **ret, struct dv_error *error)
{
    DV_ASSERT(ret != NULL);
    DV_TRY(dv_keyring_check_names(tenant, name, error));
    *ret = dv_ring_find(ring, kind, tenant, name);
    if (*ret != NULL)
        return DV_OK;
    return dv_error_set(error, DV_E_KEY, "the keyring has no key for the %s '%.*s' of tenant '%.*s'; add it first",
                        kind == DV_KEY_DATASET ? "dataset" : "purpose", (int)name.length, (const char *)name.at,
                        (int)tenant.length, (const char *)tenant.at);
}

struct dv_wrap_label dv_keyring_label(const struct dv_keyring *keyring, const struct dv_ring_key *key,
                                      enum dv_wrap_purpose purpose, uint32_t version)
{
    DV_ASSERT(key->tenant.length != 0 && key->name.length != 0);
    return (struct dv_wrap_label){ .keyring_id = keyring->ring.root.keyring_id,
                                   .purpose = purpose,
                                   .version = version,
                                   .tenant = key->tenant,
                                   .name = key->name };
}

dv_rc dv_keyring_unwrap_top(const struct dv_keyring *keyring, const struct dv_ring_key *key, uint32_t version,
                            uint8_t ret[DV_KEY_BYTES], struct dv_error *error)
{
    DV_ASSERT(version >= 1 && version <= key->version_count);
    enum dv_wrap_purpose purpose = key->kind == DV_KEY_DATASET ? DV_WRAP_KEK : DV_WRAP_DERIVE;
    struct dv_wrap_label label = dv_keyring_label(keyring, key, purpose, version);
    return dv_unwrap(keyring->secrets->wrapping, &label, key->versions[version - 1].under_root, ret, error);
}

dv_rc dv_keyring_unwrap_dek(const struct dv_keyring *keyring, const struct dv_ring_key *key, uint32_t version,
                            const uint8_t kek[DV_KEY_BYTES], uint8_t ret[DV_KEY_BYTES], struct dv_error *error)
{
    DV_ASSERT(key->kind == DV_KEY_DATASET && version >= 1 && version <= key->version_count);
    struct dv_wrap_label label = dv_keyring_label(keyring, key, DV_WRAP_DEK, version);
    return dv_unwrap(kek, &label, key->versions[version - 1].under_kek, ret, error);
}

/* The two keys that are kept, from the root. */
static void derive_from_root(struct dv_keyring *keyring)
{
    DV_ASSERT(!keyring->secrets->alive);
    struct dv_keyring_secrets *secrets = keyring->secrets;
    struct dv_bytes root = { secrets->now.root, DV_KEY_BYTES };
    struct dv_bytes salt = { keyring->ring.root.keyring_id, DV_KEYRING_ID_BYTES };
    dv_hkdf(root, salt, dv_bytes_text("datavault/root/wrap/v1"), secrets->wrapping);
    dv_hkdf(root, salt, dv_bytes_text("datavault/root/file/v1"), secrets->now.hash);
    dv_hmac_init(&secrets->file, (struct dv_bytes){ secrets->now.hash, DV_KEY_BYTES });
    secrets->alive = true;
}

/* Puts the machine key into `ret`; DV_E_MISSING if there is none. */
static dv_rc read_machine_key(const struct dv_private_dir *directory, uint8_t ret[DV_KEY_BYTES], struct dv_error *error)
{
    DV_ASSERT(directory->fd >= 0);
    int fd = -1;
    size_t size = 0;
    DV_TRY(dv_private_open(directory, machine_file, &fd, &size, error));
    if (size != DV_KEY_BYTES) {
        (void)close(fd);
        return dv_error_set(error, DV_E_KEY, "%s has %zu bytes; it must have exactly %d", machine_file, size,
                            DV_KEY_BYTES);
    }
    return dv_private_read(fd, ret, DV_KEY_BYTES, machine_file, error);
}

/* The key that seals the root, from the passphrase or the machine key. */
static dv_rc unlock(struct dv_keyring *keyring, const struct dv_passphrase *passphrase, struct dv_error *error)
{
    DV_ASSERT(keyring->secrets != NULL);
    const struct dv_root *root = &keyring->ring.root;
    struct dv_keyring_secrets *secrets = keyring->secrets;
    bool wanted = root->kind == DV_ROOT_PASSPHRASE;
    if (wanted != (passphrase != NULL))
        return dv_error_set(error, DV_E_KEY,
                            wanted ? "the keyring needs its passphrase"
                                   : "the keyring is sealed by a machine key and takes no passphrase");
    struct dv_bytes secret = { secrets->now.kek, DV_KEY_BYTES };
    if (wanted && passphrase->length > DV_PASSPHRASE_MAX)
        return dv_error_set(error, DV_E_KEY, "a passphrase has at most %d bytes", DV_PASSPHRASE_MAX);
    if (wanted)
        secret = (struct dv_bytes){ (const uint8_t *)passphrase->text, passphrase->length };
    else
        DV_TRY(read_machine_key(&keyring->directory, secrets->now.kek, error));
    return dv_root_sealing_key(root, secret, secrets->now.sealing, error);
}

static dv_rc random_bytes(uint8_t *ret, size_t size, struct dv_error *error)
{
    DV_ASSERT(size != 0 && size <= 1024);
    if (RAND_priv_bytes(ret, (int)size) == 1)
        return DV_OK;
    return dv_error_set(error, DV_E_FAILED, "the system gives no randomness");
}

/* A keyring without keys, with its directory open; `create` makes the directory. */
static dv_rc keyring_new(struct dv_keyring **ret, const char *path, bool create, struct dv_error *error)
{
    struct dv_keyring *keyring = dv_memory_zeroed(1, sizeof *keyring);
    if (keyring == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for the keyring");
    dv_ring_init(&keyring->ring);
    keyring->directory.fd = -1;
    keyring->secrets = dv_memory_secret(sizeof *keyring->secrets);
    dv_rc rc = keyring->secrets != NULL
                   ? dv_private_dir_open(&keyring->directory, path, create, error)
                   : dv_error_set(error, DV_E_MEMORY, "no locked memory for keys; raise the limit (ulimit -l)");
    if (dv_is_error(rc)) {
        dv_keyring_close(keyring);
        return rc;
    }
    *ret = keyring;
    return DV_OK;
}

void dv_keyring_close(struct dv_keyring *keyring)
{
    if (keyring == NULL)
        return;
    dv_keyring_drop_openers(keyring);
    dv_ring_free(&keyring->ring);
    dv_memory_secret_free(keyring->secrets, sizeof *keyring->secrets);
    if (keyring->directory.fd >= 0)
        dv_private_dir_close(&keyring->directory);
    dv_memory_free(keyring);
}

static dv_rc make_machine_key(struct dv_keyring *keyring, struct dv_error *error)
{
    uint8_t *key = keyring->secrets->now.kek;
    dv_rc rc = read_machine_key(&keyring->directory, key, error);
    if (rc != DV_E_MISSING)
        return rc;
    DV_TRY(random_bytes(key, DV_KEY_BYTES, error));
    return dv_private_write(&keyring->directory, machine_file, (struct dv_bytes){ key, DV_KEY_BYTES }, error);
}

/* DV_E_USAGE if the directory has a keyring already: making another would lose every key of the first. */
static dv_rc check_absent(struct dv_keyring *keyring, struct dv_error *error)
{
    DV_ASSERT(keyring->ring.key_count == 0);
    struct dv_ring other;
    dv_ring_init(&other);
    dv_rc rc = dv_ring_read(&other, &keyring->directory, error);
    dv_ring_free(&other);
    if (rc == DV_E_MISSING)
        return DV_OK;
    return dv_error_set(error, DV_E_USAGE, "%s has a keyring already; it is left as it is", keyring->directory.path);
}

static dv_rc fill_new(struct dv_keyring *keyring, const struct dv_passphrase *passphrase, struct dv_error *error)
{
    struct dv_root *root = &keyring->ring.root;
    DV_TRY(check_absent(keyring, error));
    *root = (struct dv_root){ .kind = DV_ROOT_MACHINE };
    if (passphrase != NULL)
        *root = (struct dv_root){
            DV_ROOT_PASSPHRASE, DV_ROOT_PASSES, DV_ROOT_MEMORY_KIB, DV_ROOT_LANES, { 0 }, { 0 }, { 0 }
        };
    else
        DV_TRY(make_machine_key(keyring, error));
    DV_TRY(random_bytes(root->salt, sizeof root->salt, error));
    DV_TRY(random_bytes(root->keyring_id, sizeof root->keyring_id, error));
    DV_TRY(random_bytes(keyring->secrets->now.root, DV_KEY_BYTES, error));
    DV_TRY(unlock(keyring, passphrase, error));
    DV_TRY(dv_root_seal(root, keyring->secrets->now.sealing, keyring->secrets->now.root, error));
    derive_from_root(keyring);
    return dv_ring_write(&keyring->ring, &keyring->directory, &keyring->secrets->file, error);
}

dv_rc dv_keyring_create(const char *directory, const struct dv_passphrase *passphrase, struct dv_error *error)
{
    DV_ASSERT(directory != NULL);
    if (passphrase != NULL && (passphrase->length < DV_PASSPHRASE_MIN || passphrase->length > DV_PASSPHRASE_MAX))
        return dv_error_set(error, DV_E_USAGE, "a passphrase has %d to %d bytes", DV_PASSPHRASE_MIN, DV_PASSPHRASE_MAX);
    struct dv_keyring *keyring = NULL;
    int lock = -1;
    DV_TRY(keyring_new(&keyring, directory, true, error));
    DV_ASSERT(keyring != NULL);
    dv_rc rc = dv_private_dir_lock(&keyring->directory, &lock, error);
    if (!dv_is_error(rc)) {
        rc = fill_new(keyring, passphrase, error);
        (void)close(lock);
    }
    dv_keyring_close(keyring);
    return rc;
}

static dv_rc fill_from_file(struct dv_keyring *keyring, const struct dv_passphrase *passphrase, struct dv_error *error)
{
    DV_ASSERT(keyring->ring.key_count == 0);
    DV_TRY(dv_ring_read(&keyring->ring, &keyring->directory, error));
    DV_TRY(unlock(keyring, passphrase, error));
    struct dv_keyring_secrets *secrets = keyring->secrets;
    DV_TRY(dv_root_open(&keyring->ring.root, secrets->now.sealing, secrets->now.root, error));
    derive_from_root(keyring);
    return dv_ring_verify(&keyring->ring, &secrets->file, error);
}

dv_rc dv_keyring_open(struct dv_keyring **ret, const char *directory, const struct dv_passphrase *passphrase,
                      struct dv_error *error)
{
    DV_ASSERT(ret != NULL && directory != NULL);
    struct dv_keyring *keyring = NULL;
    DV_TRY(keyring_new(&keyring, directory, false, error));
    DV_ASSERT(keyring != NULL);
    dv_rc rc = dv_keyring_forget(keyring, fill_from_file(keyring, passphrase, error));
    if (dv_is_error(rc)) {
        dv_keyring_close(keyring);
        return rc;
    }
    *ret = keyring;
    return DV_OK;
}

dv_rc dv_keyring_list(const struct dv_keyring *keyring, dv_keyring_visit visit, void *data)
{
    DV_ASSERT(visit != NULL);
    for (uint32_t i = 0; i < keyring->ring.key_count; i++) {
        const struct dv_ring_key *key = &keyring->ring.keys[i];
        for (uint32_t version = 1; version <= key->version_count; version++) {
            struct dv_key_info info = { .dataset = key->kind == DV_KEY_DATASET,
                                        .tenant = key->tenant,
                                        .name = key->name,
                                        .version = version,
                                        .created_ms = key->versions[version - 1].created_ms,
                                        .active = version == key->version_count };
            DV_TRY(visit(data, &info));
        }
    }
    return DV_OK;
}
