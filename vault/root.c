/* SPDX-License-Identifier: Apache-2.0
 * root.c - Argon2id, the machine key, and the sealed root. */
#include "vault/root.h"

#include <argon2.h>
#include <openssl/rand.h>

#include "engine/memory.h"
#include "vault/aead.h"
#include "vault/hmac.h"

enum { BOUND_BYTES = 4 + 4 * 4 + DV_ROOT_SALT_BYTES + DV_KEYRING_ID_BYTES };

dv_rc dv_root_check(const struct dv_root *root, struct dv_error *error)
{
    DV_ASSERT(root != NULL);
    if (root->kind == DV_ROOT_MACHINE && (root->passes | root->memory_kib | root->lanes) == 0)
        return DV_OK;
    if (root->kind == DV_ROOT_PASSPHRASE && root->passes >= DV_ROOT_PASSES_MIN && root->passes <= DV_ROOT_PASSES_MAX &&
        root->memory_kib >= DV_ROOT_MEMORY_MIN_KIB && root->memory_kib <= DV_ROOT_MEMORY_MAX_KIB && root->lanes >= 1 &&
        root->lanes <= DV_ROOT_LANES_MAX)
        return DV_OK;
    return dv_error_set(error, DV_E_LIMIT,
                        "the keyring asks for Argon2id with %u passes, %u KiB, %u lanes, which is out of bounds "
                        "(%d-%d, %d-%d, 1-%d); the file is not one of ours or was altered",
                        root->passes, root->memory_kib, root->lanes, DV_ROOT_PASSES_MIN, DV_ROOT_PASSES_MAX,
                        DV_ROOT_MEMORY_MIN_KIB, DV_ROOT_MEMORY_MAX_KIB, DV_ROOT_LANES_MAX);
}

static int allocate(uint8_t **ret, size_t size)
{
    DV_ASSERT(size != 0 && size <= (size_t)DV_ROOT_MEMORY_MAX_KIB * 1024);
    *ret = dv_memory_alloc(size);
    return *ret != NULL ? ARGON2_OK : ARGON2_MEMORY_ALLOCATION_ERROR;
}

static void deallocate(uint8_t *memory, size_t size)
{
    explicit_bzero(memory, size);
    dv_memory_free(memory);
}

/* The library takes its inputs as writable, and writes to none of them as no clearing flag is set. */
static uint8_t *as_input(const void *bytes)
{
    return (uint8_t *)(uintptr_t)bytes;
}

static dv_rc argon2(const struct dv_root *root, struct dv_bytes secret, uint8_t ret[DV_KEY_BYTES],
                    struct dv_error *error)
{
    DV_ASSERT(root->kind == DV_ROOT_PASSPHRASE);
    DV_ASSERT(secret.length <= DV_PASSPHRASE_MAX);
    argon2_context context = {
        .out = ret,
        .outlen = DV_KEY_BYTES,
        .pwd = as_input(secret.at),
        .pwdlen = (uint32_t)secret.length,
        .salt = as_input(root->salt),
        .saltlen = DV_ROOT_SALT_BYTES,
        .t_cost = root->passes,
        .m_cost = root->memory_kib,
        .lanes = root->lanes,
        .threads = 1,
        .version = ARGON2_VERSION_13,
        .allocate_cbk = allocate,
        .free_cbk = deallocate,
    };
    int result = argon2id_ctx(&context);
    if (result == ARGON2_MEMORY_ALLOCATION_ERROR)
        return dv_error_set(error, DV_E_MEMORY, "no memory for Argon2id, which needs %u KiB here", root->memory_kib);
    return result == ARGON2_OK ? DV_OK
                               : dv_error_set(error, DV_E_FAILED, "Argon2id failed: %s", argon2_error_message(result));
}

dv_rc dv_root_sealing_key(const struct dv_root *root, struct dv_bytes secret, uint8_t ret[DV_KEY_BYTES],
                          struct dv_error *error)
{
    DV_ASSERT(secret.at != NULL && ret != NULL);
    DV_TRY(dv_root_check(root, error));
    if (root->kind == DV_ROOT_PASSPHRASE)
        return argon2(root, secret, ret, error);
    DV_ASSERT(secret.length == DV_KEY_BYTES);
    struct dv_bytes salt = { root->salt, sizeof root->salt };
    dv_hkdf(secret, salt, dv_bytes_text("datavault/machine/v1"), ret);
    return DV_OK;
}

static struct dv_bytes bound(const struct dv_root *root, uint8_t aad[BOUND_BYTES])
{
    DV_ASSERT(root->kind == DV_ROOT_PASSPHRASE || root->kind == DV_ROOT_MACHINE);
    uint8_t *end = dv_bytes_put(aad, "DVR1", 4);
    end = dv_bytes_put32(end, (uint32_t)root->kind);
    end = dv_bytes_put32(end, root->passes);
    end = dv_bytes_put32(end, root->memory_kib);
    end = dv_bytes_put32(end, root->lanes);
    end = dv_bytes_put(end, root->salt, sizeof root->salt);
    end = dv_bytes_put(end, root->keyring_id, sizeof root->keyring_id);
    DV_ASSERT(end == aad + BOUND_BYTES);
    return (struct dv_bytes){ aad, BOUND_BYTES };
}

dv_rc dv_root_seal(struct dv_root *root, const uint8_t sealing_key[DV_KEY_BYTES], const uint8_t key[DV_KEY_BYTES],
                   struct dv_error *error)
{
    DV_ASSERT(sealing_key != key);
    struct dv_aead aead;
    uint8_t aad[BOUND_BYTES];
    if (RAND_bytes(root->sealed, DV_NONCE_BYTES) != 1)
        return dv_error_set(error, DV_E_FAILED, "the system gives no randomness");
    DV_TRY(dv_aead_init(&aead, sealing_key, DV_AEAD_SEAL, error));
    dv_rc rc = dv_aead_seal(&aead, root->sealed, bound(root, aad), (struct dv_bytes){ key, DV_KEY_BYTES },
                            root->sealed + DV_NONCE_BYTES);
    dv_aead_wipe(&aead);
    return dv_is_error(rc) ? dv_error_set(error, rc, "OpenSSL failed to seal the root key") : DV_OK;
}

dv_rc dv_root_open(const struct dv_root *root, const uint8_t sealing_key[DV_KEY_BYTES], uint8_t ret[DV_KEY_BYTES],
                   struct dv_error *error)
{
    DV_ASSERT(sealing_key != ret);
    struct dv_aead aead;
    uint8_t aad[BOUND_BYTES];
    struct dv_bytes sealed = { root->sealed + DV_NONCE_BYTES, DV_WRAPPED_BYTES - DV_NONCE_BYTES };
    DV_TRY(dv_aead_init(&aead, sealing_key, DV_AEAD_OPEN, error));
    dv_rc rc = dv_aead_open(&aead, root->sealed, bound(root, aad), sealed, ret);
    dv_aead_wipe(&aead);
    if (!dv_is_error(rc))
        return DV_OK;
    return dv_error_set(error, DV_E_KEY, "the %s does not open this keyring, or the head of its file was altered",
                        root->kind == DV_ROOT_PASSPHRASE ? "passphrase" : "machine key");
}
