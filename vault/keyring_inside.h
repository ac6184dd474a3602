/* SPDX-License-Identifier: Apache-2.0
 * keyring_inside.h - the struct behind keyring.h, for the files that implement it. */
#ifndef DV_VAULT_KEYRING_INSIDE_H
#define DV_VAULT_KEYRING_INSIDE_H

#include "vault/keyring.h"
#include "vault/keyring_file.h"

enum { DV_OPENERS = 32 };

/* All that is secret, in one locked page that is zero in a forked child. */
struct dv_keyring_secrets {
    bool alive;                     /* false in a forked child */
    uint8_t wrapping[DV_KEY_BYTES]; /* derived from the root: wraps keks and secrets */
    struct dv_hmac file;            /* derived from the root: authenticates the file */
    struct {
        uint8_t sealing[DV_KEY_BYTES]; /* seals the root */
        uint8_t root[DV_KEY_BYTES];
        uint8_t kek[DV_KEY_BYTES];
        uint8_t old_kek[DV_KEY_BYTES];
        uint8_t dek[DV_KEY_BYTES];
        uint8_t seal[DV_KEY_BYTES];
        uint8_t hash[DV_KEY_BYTES];
    } now; /* wiped at the end of each call that uses it */
};

/* An open keyring. */
struct dv_keyring {
    struct dv_private_dir directory;
    struct dv_ring ring;
    struct dv_keyring_secrets *secrets;
    struct dv_opener *openers[DV_OPENERS]; /* the most recently used first */
};

/* Wipes what a call has unwrapped and gives back `rc`. */
dv_rc dv_keyring_forget(struct dv_keyring *keyring, dv_rc rc);

/* DV_E_KEY in a forked child. */
dv_rc dv_keyring_check_alive(const struct dv_keyring *keyring, struct dv_error *error);

/* DV_E_USAGE unless both are names. */
dv_rc dv_keyring_check_names(struct dv_bytes tenant, struct dv_bytes name, struct dv_error *error);

/* The key of this name in `ring`, or DV_E_KEY with a text that says what is missing. */
dv_rc dv_keyring_find(const struct dv_ring *ring, enum dv_key_kind kind, struct dv_bytes tenant, struct dv_bytes name,
                      struct dv_ring_key **ret, struct dv_error *error);

/* Unwraps what a version has under the root (the kek or the secret) and under its kek (the dek). */
dv_rc dv_keyring_unwrap_top(const struct dv_keyring *keyring, const struct dv_ring_key *key, uint32_t version,
                            uint8_t ret[DV_KEY_BYTES], struct dv_error *error);
dv_rc dv_keyring_unwrap_dek(const struct dv_keyring *keyring, const struct dv_ring_key *key, uint32_t version,
                            const uint8_t kek[DV_KEY_BYTES], uint8_t ret[DV_KEY_BYTES], struct dv_error *error);

/* What is bound to a key of the ring. */
struct dv_wrap_label dv_keyring_label(const struct dv_keyring *keyring, const struct dv_ring_key *key,
                                      enum dv_wrap_purpose purpose, uint32_t version);

/* Drops the cached openers. */
void dv_keyring_drop_openers(struct dv_keyring *keyring);

#endif
