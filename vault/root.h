/* SPDX-License-Identifier: Apache-2.0
 * root.h - how the root key of a keyring is sealed: by a passphrase through Argon2id (RFC 9106), or by a machine key
 * file.
 *
 * The costs of Argon2id stand in the keyring's file and are read before anything of it can be authenticated. So they
 * have bounds on both sides: weak ones would let a stolen file be guessed, huge ones would let a hostile file exhaust
 * memory. */
#ifndef DV_VAULT_ROOT_H
#define DV_VAULT_ROOT_H

#include "vault/wrap.h"

enum {
    DV_ROOT_SALT_BYTES = 16,
    DV_ROOT_PASSES = 3, /* the costs a new keyring gets: RFC 9106 §4, second recommendation, with one lane */
    DV_ROOT_MEMORY_KIB = 64 * 1024,
    DV_ROOT_LANES = 1,
    DV_ROOT_PASSES_MIN = 2, /* OWASP's least: 19 MiB and two passes */
    DV_ROOT_PASSES_MAX = 10,
    DV_ROOT_MEMORY_MIN_KIB = 19 * 1024,
    DV_ROOT_MEMORY_MAX_KIB = 256 * 1024,
    DV_ROOT_LANES_MAX = 4,
    DV_PASSPHRASE_MIN = 8,
    DV_PASSPHRASE_MAX = 1024,
};

/* A passphrase of DV_PASSPHRASE_MIN to DV_PASSPHRASE_MAX bytes; the caller owns and wipes it. */
struct dv_passphrase {
    const char *text;
    size_t length;
};

/* How the root is sealed; the numbers are in files. */
enum dv_root_kind { DV_ROOT_PASSPHRASE = 1, DV_ROOT_MACHINE = 2 };

/* The lock of a keyring, as it stands at the head of its file. */
struct dv_root {
    enum dv_root_kind kind;
    uint32_t passes; /* these three are 0 for a machine key */
    uint32_t memory_kib;
    uint32_t lanes; /* always computed by one thread */
    uint8_t salt[DV_ROOT_SALT_BYTES];
    uint8_t keyring_id[DV_KEYRING_ID_BYTES];
    uint8_t
        sealed[DV_WRAPPED_BYTES]; /* the root key: nonce ‖ ciphertext ‖ tag; the rest of the struct is bound to it */
};

/* Checks the costs against the bounds. DV_E_LIMIT. */
dv_rc dv_root_check(const struct dv_root *root, struct dv_error *error);

/* The key that seals the root: `secret` is the passphrase or the machine key. Takes about 0.1 s and memory_kib for a
 * passphrase, which blocks. `ret` should be secret memory. DV_E_MEMORY, DV_E_FAILED. */
dv_rc dv_root_sealing_key(const struct dv_root *root, struct dv_bytes secret, uint8_t ret[DV_KEY_BYTES],
                          struct dv_error *error);

/* Seals `key` into root->sealed. Everything else in `root` must be set. */
dv_rc dv_root_seal(struct dv_root *root, const uint8_t sealing_key[DV_KEY_BYTES], const uint8_t key[DV_KEY_BYTES],
                   struct dv_error *error);

/* Unseals the root key into `ret`. DV_E_KEY if the passphrase or machine key is not the one it was sealed with, or the
 * head of the file was altered, between which nobody can tell. */
dv_rc dv_root_open(const struct dv_root *root, const uint8_t sealing_key[DV_KEY_BYTES], uint8_t ret[DV_KEY_BYTES],
                   struct dv_error *error);

#endif
