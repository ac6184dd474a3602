/* SPDX-License-Identifier: Apache-2.0
 * keyring.h - opens and makes the keyring that a graph file or the command line names. */
#ifndef DV_CLI_KEYRING_H
#define DV_CLI_KEYRING_H

#include "vault/keyring.h"
#include "vault/private_file.h"

/* The directory of "file:DIR" (or of a bare DIR); NULL after *error for any other form. */
const char *dv_keyring_directory(const char *keyring, struct dv_error *error);

/* Opens it; `passphrase` is a secret's reference, or NULL for the machine key. The text of a missing keyring says how
 * to make one. The passphrase is wiped. */
DV_CHECKED dv_rc dv_keyring_open_named(struct dv_keyring **ret, const char *keyring, const char *passphrase,
                                       struct dv_error *error);

/* Makes it. */
DV_CHECKED dv_rc dv_keyring_create_named(const char *keyring, const char *passphrase, struct dv_error *error);

#endif
