/* SPDX-License-Identifier: Apache-2.0
 * vault_world.c - for the tests of the keyring: one in a directory of its own, its files, and blobs sealed with it. */
#include "tests/unit/vault_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <sys/stat.h>

#include "engine/memory.h"

int fixture_set_up(void **state)
{
    struct fixture *fixture = dv_memory_zeroed(1, sizeof *fixture);
    (void)snprintf(fixture->base, sizeof fixture->base, "/tmp/dv-keyring-XXXXXX");
    assert_non_null(mkdtemp(fixture->base));
    (void)snprintf(fixture->directory, PATH_BYTES, "%s/ring", fixture->base);
    (void)snprintf(fixture->file, PATH_BYTES, "%s/ring/keyring.dv", fixture->base);
    (void)snprintf(fixture->machine, PATH_BYTES, "%s/ring/machine.key", fixture->base);
    assert_int_equal(dv_keyring_create(fixture->directory, NULL, NULL), DV_OK);
    assert_int_equal(dv_keyring_open(&fixture->keyring, fixture->directory, NULL, NULL), DV_OK);
    assert_int_equal(dv_keyring_add(fixture->keyring, "acme", "patients", 1000, NULL), DV_OK);
    assert_int_equal(dv_keyring_add(fixture->keyring, "acme", "trials", 2000, NULL), DV_OK);
    *state = fixture;
    return 0;
}

static int delete_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    dv_keyring_close(fixture->keyring);
    (void)nftw(fixture->base, delete_one, 8, FTW_DEPTH | FTW_PHYS);
    dv_memory_free(fixture);
    return 0;
}

size_t file_load(const char *path, uint8_t *bytes)
{
    FILE *file = fopen(path, "rbe");
    assert_non_null(file);
    size_t length = fread(bytes, 1, FILE_BYTES_MAX, file);
    assert_true(length < FILE_BYTES_MAX);
    (void)fclose(file);
    return length;
}

void file_store(const char *path, const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(path, "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    (void)fclose(file);
}

dv_rc try_open(struct fixture *fixture, const struct dv_passphrase *passphrase)
{
    struct dv_keyring *keyring = NULL;
    dv_rc rc = dv_keyring_open(&keyring, fixture->directory, passphrase, &fixture->error);
    assert_true(dv_is_error(rc) ? keyring == NULL : keyring != NULL);
    dv_keyring_close(keyring);
    return rc;
}

struct dv_blob seal_text(struct dv_keyring *keyring, const char *dataset, const char *text, uint8_t *sealed,
                         struct dv_sealer **ret_sealer)
{
    struct dv_blob blob = { .tenant = dv_bytes_text("acme"), .schema = dv_bytes_text("s"), .created_ms = 5 };
    assert_int_equal(dv_keyring_sealer(keyring, "acme", dataset, ret_sealer, NULL), DV_OK);
    assert_int_equal(dv_blob_seal(&blob, *ret_sealer, dv_bytes_text(text), sealed, NULL), DV_OK);
    return blob;
}

void assert_opens(struct dv_keyring *keyring, const struct dv_blob *blob, const char *text)
{
    char plaintext[64] = { 0 };
    assert_int_equal(blob->ciphertext.length, strlen(text) + 16);
    assert_int_equal(dv_keyring_open_blob(keyring, blob, (uint8_t *)plaintext, NULL), DV_OK);
    assert_string_equal(plaintext, text);
}
