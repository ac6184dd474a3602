/* SPDX-License-Identifier: Apache-2.0
 * keyring.c - from a reference to an open keyring; the passphrase lives in locked memory meanwhile. */
#include "cli/keyring.h"

#include <string.h>

#include "engine/memory.h"
#include "engine/option.h"
#include "vault/root.h"

const char *dv_keyring_directory(const char *keyring, struct dv_error *error)
{
    if (strncmp(keyring, "file:", 5) == 0)
        keyring += 5;
    if (keyring[0] != '\0' && strchr(keyring, ':') == NULL)
        return keyring;
    (void)dv_error_set(error, DV_E_CONFIG, "a keyring is a directory: write it as file:var/keyring");
    return NULL;
}

typedef dv_rc (*with_passphrase)(struct dv_keyring **ret, const char *directory, const struct dv_passphrase *passphrase,
                                 struct dv_error *error);

/* Reads the passphrase, if there is one, for the length of one call. */
static dv_rc with_secret(with_passphrase act, struct dv_keyring **ret, const char *keyring, const char *reference,
                         struct dv_error *error)
{
    const char *directory = dv_keyring_directory(keyring, error);
    if (directory == NULL)
        return DV_E_CONFIG;
    if (reference == NULL)
        return act(ret, directory, NULL, error);
    char *text = dv_memory_secret(DV_PASSPHRASE_MAX + 1);
    if (text == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no locked memory for the passphrase");
    size_t length = 0;
    dv_rc rc = dv_secret_read(reference, text, DV_PASSPHRASE_MAX + 1, &length, error);
    if (rc == DV_OK) {
        const struct dv_passphrase passphrase = { .text = text, .length = length };
        rc = act(ret, directory, &passphrase, error);
    } else if (rc == DV_E_MISSING) {
        rc = DV_E_KEY; /* the passphrase is what is not there: the keyring may be */
    }
    dv_memory_secret_free(text, DV_PASSPHRASE_MAX + 1);
    return rc;
}

static dv_rc create(struct dv_keyring **ret, const char *directory, const struct dv_passphrase *passphrase,
                    struct dv_error *error)
{
    (void)ret;
    return dv_keyring_create(directory, passphrase, error);
}

dv_rc dv_keyring_open_named(struct dv_keyring **ret, const char *keyring, const char *passphrase,
                            struct dv_error *error)
{
    dv_rc rc = with_secret(dv_keyring_open, ret, keyring, passphrase, error);
    if (rc == DV_E_MISSING)
        return dv_error_set(error, DV_E_CONFIG,
                            "there is no keyring at '%s'; make one with: datavault keys init --keyring %s%s%s", keyring,
                            keyring, passphrase != NULL ? " --passphrase " : "",
                            passphrase != NULL ? passphrase : "");
    return rc;
}

dv_rc dv_keyring_create_named(const char *keyring, const char *passphrase, struct dv_error *error)
{
    return with_secret(create, NULL, keyring, passphrase, error);
}
