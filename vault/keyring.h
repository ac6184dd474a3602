/* SPDX-License-Identifier: Apache-2.0
 * keyring.h - the keys of an installation, in a directory that only its owner can read.
 *
 *     root ── kek of (tenant, dataset), version v ── dek, version 1 .. v ── key of one sealer (dek + salt)
 *       └──── secret of (tenant, purpose), version v ── key for the purpose
 *
 * The root is sealed by a passphrase or a machine key (root.h) and exists in the clear only while the keyring is
 * opened. All other keys lie wrapped in the file and in memory, and are unwrapped into secret pages for the moment of
 * use.
 *
 * Rotating a dataset makes a new kek and a new dek and wraps the older deks under the new kek: what is sealed from then
 * on names the new version, and blobs sealed before are left alone and still open. Older keks stay, retired, for keys
 * that are kept elsewhere under them (dv_keyring_wrap()). Keys for purposes, such as pseudonyms, do not change with a
 * dataset: they have versions of their own.
 *
 * A **key reference** is `tenant/dataset/version/salt`, the version in decimal and the salt in 32 hexadecimal digits.
 * It says which dek to derive from and by which salt, is no secret, and is part of every blob.
 *
 * Names are [A-Za-z0-9_.-], 1 to 64 characters. Opening, reloading and changing block for file access, opening by
 * passphrase also for about 0.1 s and 64 MiB; sealing and opening blobs touch no file. One keyring belongs to one
 * thread. After a fork the child's pages are zero: it gets DV_E_KEY from everything and must open the keyring itself.
 * Several processes may open the same directory; changes lock it and start from the newest file. */
#ifndef DV_VAULT_KEYRING_H
#define DV_VAULT_KEYRING_H

#include "vault/wrap.h"

struct dv_blob;
struct dv_opener;
struct dv_passphrase;
struct dv_sealer;

/* A key of the caller, wrapped by dv_keyring_wrap(): the kek's version, then nonce ‖ ciphertext ‖ tag. */
enum { DV_OUTSIDE_BYTES = 4 + DV_WRAPPED_BYTES };

/* What every tenant has a secret for. Others can be added by name. */
#define DV_PURPOSE_PSEUDONYM "pseudonym" /* pseudonyms of values */
#define DV_PURPOSE_SUBJECT "subject"     /* references to data subjects */
#define DV_PURPOSE_DATA_HASH "data-hash" /* hashes of data outside blobs; a blob's own hash key comes from its dek */

struct dv_keyring;

/* Makes a keyring in `directory`, which is made too if it is missing. With `passphrase` NULL the root is sealed by the
 * file machine.key in the directory, made too if it is missing. DV_E_USAGE if there is a keyring already or the
 * passphrase is too short, DV_E_CONFIG if others could read it, DV_E_IO, DV_E_FULL, DV_E_MEMORY, DV_E_FAILED. */
dv_rc dv_keyring_create(const char *directory, const struct dv_passphrase *passphrase, struct dv_error *error);

/* Opens a keyring, to be closed by dv_keyring_close(). `passphrase` as it was created, NULL for the machine key; it is
 * not needed afterwards. DV_E_KEY: wrong or missing passphrase or machine key; DV_E_TAMPER: any bit of the file
 * differs; DV_E_LIMIT: it asks for costs out of bounds; DV_E_CONFIG: others can read it; DV_E_MISSING, DV_E_IO,
 * DV_E_MEMORY. */
dv_rc dv_keyring_open(struct dv_keyring **ret, const char *directory, const struct dv_passphrase *passphrase,
                      struct dv_error *error);

/* Wipes everything and frees; accepts NULL. Sealers stay with their owners. */
void dv_keyring_close(struct dv_keyring *keyring);

/* Reads the file again after another process has changed it. DV_E_TAMPER if it is another keyring's, or older than the
 * one that is open. On an error the keyring is as before. */
dv_rc dv_keyring_reload(struct dv_keyring *keyring, struct dv_error *error);

/* How many times the open file was changed: another number, other keys. */
uint64_t dv_keyring_generation(const struct dv_keyring *keyring);

/* Adds a dataset of a tenant with version 1 of its keys, and what is missing of the tenant's three standard purposes.
 * `now_ms`: since 1970. DV_E_USAGE if it is there already or a name is wrong; DV_E_LIMIT, DV_E_IO, DV_E_FULL, ... In
 * this and the next three an error leaves memory and file as they were. */
dv_rc dv_keyring_add(struct dv_keyring *keyring, const char *tenant, const char *dataset, int64_t now_ms,
                     struct dv_error *error);

/* Adds a secret of a tenant for a purpose. */
dv_rc dv_keyring_add_purpose(struct dv_keyring *keyring, const char *tenant, const char *purpose, int64_t now_ms,
                             struct dv_error *error);

/* Gives a dataset new keys, as told above. Sealers in use go on with the old dek until they are replaced. DV_E_KEY if
 * there is no such dataset. */
dv_rc dv_keyring_rotate(struct dv_keyring *keyring, const char *tenant, const char *dataset, int64_t now_ms,
                        struct dv_error *error);

/* Gives a purpose a new secret; keys of older versions can still be derived. */
dv_rc dv_keyring_rotate_purpose(struct dv_keyring *keyring, const char *tenant, const char *purpose, int64_t now_ms,
                                struct dv_error *error);

/* One version of one key, without anything secret. The texts live during the call. */
struct dv_key_info {
    bool dataset; /* or else a purpose */
    struct dv_bytes tenant;
    struct dv_bytes name; /* of the dataset or the purpose */
    uint32_t version;     /* from 1 */
    int64_t created_ms;   /* since 1970 */
    bool active;          /* the newest, that new records get; the others are retired */
};

/* Called for each; an error ends the list and comes back from dv_keyring_list(). */
typedef dv_rc (*dv_keyring_visit)(void *data, const struct dv_key_info *info);

/* Tells `visit` all versions of all keys, in the order in which they were added. */
dv_rc dv_keyring_list(const struct dv_keyring *keyring, dv_keyring_visit visit, void *data);

/* A sealer for new records of a dataset, with a fresh key of its own; the caller owns it. Its hash key is the same for
 * all sealers of one dek. DV_E_KEY if there is no such dataset. */
dv_rc dv_keyring_sealer(struct dv_keyring *keyring, const char *tenant, const char *dataset, struct dv_sealer **ret,
                        struct dv_error *error);

/* The opener for a key reference, which may be untrusted. The keyring owns it and keeps the last 32; it is good until
 * the next call with this keyring. DV_E_KEY if it names no key of this keyring. */
dv_rc dv_keyring_opener(struct dv_keyring *keyring, struct dv_bytes key_ref, struct dv_opener **ret,
                        struct dv_error *error);

/* Opens a blob by the key it names: dv_keyring_opener() and dv_blob_open(). DV_E_TAMPER too if the blob's tenant is not
 * the key's. `plaintext` has ciphertext.length - DV_TAG_BYTES and is wiped on an error. */
dv_rc dv_keyring_open_blob(struct dv_keyring *keyring, const struct dv_blob *blob, uint8_t *plaintext,
                           struct dv_error *error);

/* The key of a tenant for a purpose. `*version` 0 asks for the newest and is set to it. `ret` should be secret memory.
 * DV_E_KEY if there is no such purpose or version. */
dv_rc dv_keyring_derive(struct dv_keyring *keyring, const char *tenant, const char *purpose, uint32_t *version,
                        uint8_t ret[DV_KEY_BYTES], struct dv_error *error);

/* Wraps a key that is kept elsewhere (a subject's dek) under the newest kek of a dataset. `which` says whose it is, at
 * most DV_KEY_NAME_MAX bytes, and must be the same at unwrapping. DV_E_KEY if there is no such dataset. */
dv_rc dv_keyring_wrap(struct dv_keyring *keyring, const char *tenant, const char *dataset, struct dv_bytes which,
                      const uint8_t key[DV_KEY_BYTES], uint8_t ret[DV_OUTSIDE_BYTES], struct dv_error *error);

/* Unwraps it into `ret`, which should be secret memory. DV_E_TAMPER if anything differs; DV_E_KEY if the dataset or the
 * version of its kek is not there. */
dv_rc dv_keyring_unwrap(struct dv_keyring *keyring, const char *tenant, const char *dataset, struct dv_bytes which,
                        const uint8_t wrapped[DV_OUTSIDE_BYTES], uint8_t ret[DV_KEY_BYTES], struct dv_error *error);

#endif
