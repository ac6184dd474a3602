/* SPDX-License-Identifier: Apache-2.0
 * keyring_file.h - the keys of a keyring as they stand in its file, all of them wrapped.
 *
 * The file `keyring.dv`, numbers big-endian:
 *
 *     "DVKEYR01"                                                  8
 *     kind, passes, memory in KiB, lanes                      4 × 4   see root.h
 *     salt, keyring id                                       2 × 16
 *     root key, sealed                                           60
 *     generation: one more at each change                         8
 *     number of keys                                              4
 *     each key:      kind, number of versions                 2 × 4
 *                    tenant, name: each behind one length byte
 *       each version: created, ms since 1970                      8
 *                     kek (dataset) or secret (derive), under the root  60
 *                     dataset only: dek, under the newest kek    60
 *     HMAC-SHA-256 of all the above, its key derived from the root  32
 *
 * Nothing behind the head is looked at before the HMAC has been checked, and even then every count is. */
#ifndef DV_VAULT_KEYRING_FILE_H
#define DV_VAULT_KEYRING_FILE_H

#include "engine/arena.h"
#include "vault/hmac.h"
#include "vault/private_file.h"
#include "vault/root.h"

enum { DV_RING_BYTES_MAX = 16 * 1024 * 1024, DV_RING_KEYS_MAX = 4096, DV_RING_VERSIONS_MAX = 4096 };

/* What a key is; the numbers are in files. */
enum dv_key_kind {
    DV_KEY_DATASET = 1, /* seals the records of a tenant's dataset */
    DV_KEY_DERIVE = 2,  /* a tenant's secret from which keys for one purpose are derived; `name` is the purpose */
};

/* One version, wrapped. */
struct dv_ring_version {
    int64_t created_ms;
    uint8_t under_root[DV_WRAPPED_BYTES]; /* the kek, or the secret to derive from */
    uint8_t under_kek[DV_WRAPPED_BYTES];  /* the dek, under the kek of the newest version; unused for DV_KEY_DERIVE */
};

/* A key with its versions 1 .. version_count, of which the last is active. */
struct dv_ring_key {
    enum dv_key_kind kind;
    struct dv_bytes tenant;
    struct dv_bytes name;
    uint32_t version_count;
    struct dv_ring_version *versions; /* version v is versions[v - 1] */
};

/* A keyring file in memory. Holds no secret that is not wrapped; `arena` owns everything in it. */
struct dv_ring {
    struct dv_arena arena;
    struct dv_root root;
    uint64_t generation;
    uint32_t key_count;
    struct dv_ring_key *keys;
    struct dv_bytes image; /* what was read, to be verified */
};

/* Makes an empty ring, to be freed by dv_ring_free(). */
void dv_ring_init(struct dv_ring *ring);
void dv_ring_free(struct dv_ring *ring);

/* Takes `image`, which must outlive the ring, and reads its head; the rest waits for dv_ring_verify(). DV_E_TAMPER if
 * it is not a keyring, DV_E_LIMIT if it asks for costs out of bounds. */
dv_rc dv_ring_take(struct dv_ring *ring, struct dv_bytes image, struct dv_error *error);

/* Reads the keyring file of a directory into the ring's arena, and its head as dv_ring_take() does. */
dv_rc dv_ring_read(struct dv_ring *ring, const struct dv_private_dir *directory, struct dv_error *error);

/* Checks the HMAC over the whole image, then reads the keys. DV_E_TAMPER. */
dv_rc dv_ring_verify(struct dv_ring *ring, const struct dv_hmac *hmac, struct dv_error *error);

/* The ring as a file, one generation on, in the ring's arena. DV_E_MEMORY. */
dv_rc dv_ring_print(struct dv_ring *ring, const struct dv_hmac *hmac, struct dv_bytes *ret, struct dv_error *error);

/* Prints and replaces the file of a directory. DV_E_MEMORY, DV_E_FULL, DV_E_IO. */
dv_rc dv_ring_write(struct dv_ring *ring, const struct dv_private_dir *directory, const struct dv_hmac *hmac,
                    struct dv_error *error);

/* The key of this kind and name, or NULL. */
struct dv_ring_key *dv_ring_find(const struct dv_ring *ring, enum dv_key_kind kind, struct dv_bytes tenant,
                                 struct dv_bytes name);

/* Adds a key without versions; the names are copied. The older pointers to keys are stale afterwards. DV_E_LIMIT,
 * DV_E_MEMORY. */
dv_rc dv_ring_add(struct dv_ring *ring, enum dv_key_kind kind, struct dv_bytes tenant, struct dv_bytes name,
                  struct dv_ring_key **ret, struct dv_error *error);

/* Adds a zeroed version behind the last. DV_E_LIMIT, DV_E_MEMORY. */
dv_rc dv_ring_add_version(struct dv_ring *ring, struct dv_ring_key *key, struct dv_ring_version **ret,
                          struct dv_error *error);

#endif
