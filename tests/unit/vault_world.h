/* SPDX-License-Identifier: Apache-2.0
 * vault_world.h - for the tests of the keyring: one in a directory of its own, its files, and blobs sealed with it. */
#ifndef DV_TESTS_VAULT_WORLD_H
#define DV_TESTS_VAULT_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "vault/blob.h"
#include "vault/keyring_inside.h"
#include "vault/seal.h"

enum { PATH_BYTES = 128, FILE_BYTES_MAX = 16384 };

/* A directory of its own for each test. */
struct fixture {
    char base[PATH_BYTES / 2];
    char directory[PATH_BYTES]; /* base/ring */
    char file[PATH_BYTES];      /* base/ring/keyring.dv */
    char machine[PATH_BYTES];
    struct dv_keyring *keyring; /* of the machine key, with acme/patients and acme/trials */
    struct dv_error error;
};

/* For cmocka: *state is the fixture; and the end, which removes the directory. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* A whole file of less than FILE_BYTES_MAX: its length; and back. */
size_t file_load(const char *path, uint8_t *bytes);
void file_store(const char *path, const uint8_t *bytes, size_t length);

/* Opens and closes; what came of it. */
dv_rc try_open(struct fixture *fixture, const struct dv_passphrase *passphrase);

/* A blob of a dataset, sealed into `sealed` of at least 40 bytes. */
struct dv_blob seal_text(struct dv_keyring *keyring, const char *dataset, const char *text, uint8_t *sealed,
                         struct dv_sealer **ret_sealer);
void assert_opens(struct dv_keyring *keyring, const struct dv_blob *blob, const char *text);

#endif
