/* SPDX-License-Identifier: Apache-2.0
 * keyring_change.c - adding and rotating keys.
 *
 * A change starts from the newest file under the directory's lock, is made on a copy, and takes the copy's place only
 * when it is on disk: so two processes never lose each other's keys, and no key seals anything that a crash could
 * forget. */
#include <openssl/rand.h>
#include <unistd.h>

#include "engine/crash.h"
#include "vault/keyring_inside.h"

/* What to change. `apply` edits `next`, which is not yet the keyring's ring. */
struct change {
    dv_rc (*apply)(struct dv_keyring *keyring, struct dv_ring *next, const struct change *change,
                   struct dv_error *error);
    enum dv_key_kind kind;
    struct dv_bytes tenant;
    struct dv_bytes name;
    int64_t now_ms;
};

/* Reads the file into `next` and checks that it is this keyring's and not an older state of it. */
static dv_rc read_next(struct dv_keyring *keyring, struct dv_ring *next, struct dv_error *error)
{
    DV_ASSERT(next->key_count == 0);
    DV_TRY(dv_ring_read(next, &keyring->directory, error));
    if (memcmp(next->root.keyring_id, keyring->ring.root.keyring_id, DV_KEYRING_ID_BYTES) != 0)
        return dv_error_set(error, DV_E_TAMPER, "%s now holds another keyring", keyring->directory.path);
    DV_TRY(dv_ring_verify(next, &keyring->secrets->file, error));
    if (next->generation < keyring->ring.generation)
        return dv_error_set(error, DV_E_TAMPER, "%s was put back to an older state", keyring->directory.path);
    return DV_OK;
}

static void take_over(struct dv_keyring *keyring, const struct dv_ring *next)
{
    DV_ASSERT(next->generation >= keyring->ring.generation);
    dv_keyring_drop_openers(keyring);
    dv_ring_free(&keyring->ring);
    keyring->ring = *next;
}

uint64_t dv_keyring_generation(const struct dv_keyring *keyring)
{
    return keyring->ring.generation;
}

dv_rc dv_keyring_reload(struct dv_keyring *keyring, struct dv_error *error)
{
    DV_ASSERT(keyring != NULL);
    struct dv_ring next;
    DV_TRY(dv_keyring_check_alive(keyring, error));
    dv_ring_init(&next);
    dv_rc rc = read_next(keyring, &next, error);
    if (dv_is_error(rc))
        dv_ring_free(&next);
    else
        take_over(keyring, &next);
    return rc;
}

static dv_rc make_next(struct dv_keyring *keyring, struct dv_ring *next, const struct change *change,
                       struct dv_error *error)
{
    DV_ASSERT(change->apply != NULL);
    DV_TRY(read_next(keyring, next, error));
    DV_TRY(change->apply(keyring, next, change, error));
    return dv_ring_write(next, &keyring->directory, &keyring->secrets->file, error);
}

static dv_rc make(struct dv_keyring *keyring, const struct change *change, struct dv_error *error)
{
    DV_ASSERT(change->now_ms >= 0);
    struct dv_ring next;
    int lock = -1;
    DV_TRY(dv_keyring_check_alive(keyring, error));
    DV_TRY(dv_keyring_check_names(change->tenant, change->name, error));
    DV_TRY(dv_private_dir_lock(&keyring->directory, &lock, error));
    DV_CRASH_POINT("keyring.locked");
    dv_ring_init(&next);
    dv_rc rc = dv_keyring_forget(keyring, make_next(keyring, &next, change, error));
    (void)close(lock);
    DV_CRASH_POINT("keyring.changed");
    if (dv_is_error(rc))
        dv_ring_free(&next);
    else
        take_over(keyring, &next);
    return rc;
}

/* A fresh random key in `key`, and wrapped under `under` in `wrapped`. */
static dv_rc fresh(const uint8_t *under, const struct dv_wrap_label *label, uint8_t *key, uint8_t *wrapped,
                   struct dv_error *error)
{
    DV_ASSERT(under != key);
    if (RAND_priv_bytes(key, DV_KEY_BYTES) != 1)
        return dv_error_set(error, DV_E_FAILED, "the system gives no randomness");
    return dv_wrap(under, label, key, wrapped, error);
}

/* A further version of a dataset or purpose, with fresh keys. Leaves the dataset's new kek in secrets->now.kek. */
static dv_rc add_version(struct dv_keyring *keyring, struct dv_ring *next, struct dv_ring_key *key, int64_t now_ms,
                         struct dv_error *error)
{
    DV_ASSERT(now_ms >= 0);
    struct dv_keyring_secrets *secrets = keyring->secrets;
    struct dv_ring_version *version = NULL;
    DV_TRY(dv_ring_add_version(next, key, &version, error));
    version->created_ms = now_ms;
    bool dataset = key->kind == DV_KEY_DATASET;
    struct dv_wrap_label top =
        dv_keyring_label(keyring, key, dataset ? DV_WRAP_KEK : DV_WRAP_DERIVE, key->version_count);
    DV_TRY(fresh(secrets->wrapping, &top, secrets->now.kek, version->under_root, error));
    if (!dataset)
        return DV_OK;
    struct dv_wrap_label dek = dv_keyring_label(keyring, key, DV_WRAP_DEK, key->version_count);
    return fresh(secrets->now.kek, &dek, secrets->now.dek, version->under_kek, error);
}

static dv_rc add_key(struct dv_keyring *keyring, struct dv_ring *next, enum dv_key_kind kind, struct dv_bytes tenant,
                     struct dv_bytes name, int64_t now_ms, struct dv_error *error)
{
    struct dv_ring_key *key = NULL;
    DV_TRY(dv_ring_add(next, kind, tenant, name, &key, error));
    return add_version(keyring, next, key, now_ms, error);
}

static dv_rc add_standard_purposes(struct dv_keyring *keyring, struct dv_ring *next, const struct change *change,
                                   struct dv_error *error)
{
    static const char *const purposes[] = { DV_PURPOSE_PSEUDONYM, DV_PURPOSE_SUBJECT, DV_PURPOSE_DATA_HASH };
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++) {
        struct dv_bytes purpose = dv_bytes_text(purposes[i]);
        if (dv_ring_find(next, DV_KEY_DERIVE, change->tenant, purpose) == NULL)
            DV_TRY(add_key(keyring, next, DV_KEY_DERIVE, change->tenant, purpose, change->now_ms, error));
    }
    return DV_OK;
}

static dv_rc apply_add(struct dv_keyring *keyring, struct dv_ring *next, const struct change *change,
                       struct dv_error *error)
{
    DV_ASSERT(change->tenant.length != 0 && change->name.length != 0);
    if (dv_ring_find(next, change->kind, change->tenant, change->name) != NULL)
        return dv_error_set(error, DV_E_USAGE, "the keyring has this key already; rotate it to get a new version");
    if (change->kind == DV_KEY_DATASET)
        DV_TRY(add_standard_purposes(keyring, next, change, error));
    return add_key(keyring, next, change->kind, change->tenant, change->name, change->now_ms, error);
}

/* Moves the deks below `count` from old_kek to kek. */
static dv_rc rewrap(struct dv_keyring *keyring, struct dv_ring_key *key, uint32_t count, struct dv_error *error)
{
    struct dv_keyring_secrets *secrets = keyring->secrets;
    DV_ASSERT(count < key->version_count);
    for (uint32_t version = 1; version <= count; version++) {
        struct dv_wrap_label label = dv_keyring_label(keyring, key, DV_WRAP_DEK, version);
        DV_TRY(dv_keyring_unwrap_dek(keyring, key, version, secrets->now.old_kek, secrets->now.dek, error));
        DV_TRY(dv_wrap(secrets->now.kek, &label, secrets->now.dek, key->versions[version - 1].under_kek, error));
    }
    return DV_OK;
}

static dv_rc apply_rotate(struct dv_keyring *keyring, struct dv_ring *next, const struct change *change,
                          struct dv_error *error)
{
    DV_ASSERT(change->kind == DV_KEY_DATASET || change->kind == DV_KEY_DERIVE);
    struct dv_ring_key *key = NULL;
    DV_TRY(dv_keyring_find(next, change->kind, change->tenant, change->name, &key, error));
    uint32_t count = key->version_count;
    if (change->kind == DV_KEY_DATASET)
        DV_TRY(dv_keyring_unwrap_top(keyring, key, count, keyring->secrets->now.old_kek, error));
    DV_TRY(add_version(keyring, next, key, change->now_ms, error));
    return change->kind == DV_KEY_DATASET ? rewrap(keyring, key, count, error) : DV_OK;
}

dv_rc dv_keyring_add(struct dv_keyring *keyring, const char *tenant, const char *dataset, int64_t now_ms,
                     struct dv_error *error)
{
    struct change change = { apply_add, DV_KEY_DATASET, dv_bytes_text(tenant), dv_bytes_text(dataset), now_ms };
    return make(keyring, &change, error);
}

dv_rc dv_keyring_add_purpose(struct dv_keyring *keyring, const char *tenant, const char *purpose, int64_t now_ms,
                             struct dv_error *error)
{
    struct change change = { apply_add, DV_KEY_DERIVE, dv_bytes_text(tenant), dv_bytes_text(purpose), now_ms };
    return make(keyring, &change, error);
}

dv_rc dv_keyring_rotate(struct dv_keyring *keyring, const char *tenant, const char *dataset, int64_t now_ms,
                        struct dv_error *error)
{
    struct change change = { apply_rotate, DV_KEY_DATASET, dv_bytes_text(tenant), dv_bytes_text(dataset), now_ms };
    return make(keyring, &change, error);
}

dv_rc dv_keyring_rotate_purpose(struct dv_keyring *keyring, const char *tenant, const char *purpose, int64_t now_ms,
                                struct dv_error *error)
{
    struct change change = { apply_rotate, DV_KEY_DERIVE, dv_bytes_text(tenant), dv_bytes_text(purpose), now_ms };
    return make(keyring, &change, error);
}
