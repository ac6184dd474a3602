/* SPDX-License-Identifier: Apache-2.0
 * keyring_file.c - reading, checking and writing the file of a keyring. */
#include "vault/keyring_file.h"

#include <openssl/crypto.h>
#include <unistd.h>

static const char file_name[] = "keyring.dv";
static const char magic[8] = { 'D', 'V', 'K', 'E', 'Y', 'R', '0', '1' };

enum {
    HEAD_BYTES = 8 + 4 * 4 + DV_ROOT_SALT_BYTES + DV_KEYRING_ID_BYTES + DV_WRAPPED_BYTES + 8 + 4,
    FILE_BYTES_MIN = HEAD_BYTES + DV_HMAC_BYTES,
    ARENA_BYTES = 4 * DV_RING_BYTES_MAX, /* the image, its keys, a change to them, and the next image */
};

void dv_ring_init(struct dv_ring *ring)
{
    *ring = (struct dv_ring){ 0 };
    dv_arena_init(&ring->arena, ARENA_BYTES);
}

void dv_ring_free(struct dv_ring *ring)
{
    dv_arena_free(&ring->arena);
    dv_ring_init(ring);
}

static dv_rc no_memory(struct dv_error *error)
{
    return dv_error_set(error, DV_E_MEMORY, "no memory for the keyring");
}

static void read_head(struct dv_ring *ring, const uint8_t *at)
{
    DV_ASSERT(ring->image.length >= FILE_BYTES_MIN);
    struct dv_root *root = &ring->root;
    at += sizeof magic;
    root->kind = dv_bytes_get32(at) == DV_ROOT_MACHINE      ? DV_ROOT_MACHINE
                 : dv_bytes_get32(at) == DV_ROOT_PASSPHRASE ? DV_ROOT_PASSPHRASE
                                                            : (enum dv_root_kind)0;
    root->passes = dv_bytes_get32(at + 4);
    root->memory_kib = dv_bytes_get32(at + 8);
    root->lanes = dv_bytes_get32(at + 12);
    at += 16;
    memcpy(root->salt, at, sizeof root->salt);
    at += sizeof root->salt;
    memcpy(root->keyring_id, at, sizeof root->keyring_id);
    at += sizeof root->keyring_id;
    memcpy(root->sealed, at, sizeof root->sealed);
    at += sizeof root->sealed;
    ring->generation = dv_bytes_get64(at);
    ring->key_count = 0; /* until verified */
}

dv_rc dv_ring_take(struct dv_ring *ring, struct dv_bytes image, struct dv_error *error)
{
    DV_ASSERT(image.at != NULL || image.length == 0);
    DV_ASSERT(ring->key_count == 0);
    if (image.length < FILE_BYTES_MIN || image.length > DV_RING_BYTES_MAX || memcmp(image.at, magic, sizeof magic) != 0)
        return dv_error_set(error, DV_E_TAMPER, "%s is not a keyring of format 01, or was altered or cut", file_name);
    ring->image = image;
    read_head(ring, image.at);
    return dv_root_check(&ring->root, error);
}

dv_rc dv_ring_read(struct dv_ring *ring, const struct dv_private_dir *directory, struct dv_error *error)
{
    DV_ASSERT(ring->image.at == NULL);
    int fd = -1;
    size_t size = 0;
    DV_TRY(dv_private_open(directory, file_name, &fd, &size, error));
    uint8_t *bytes = size <= DV_RING_BYTES_MAX ? dv_arena_alloc(&ring->arena, size) : NULL;
    if (bytes == NULL) {
        (void)close(fd);
        return dv_error_set(error, DV_E_LIMIT, "%s has %zu bytes, for which there is no room", file_name, size);
    }
    DV_TRY(dv_private_read(fd, bytes, size, file_name, error));
    return dv_ring_take(ring, (struct dv_bytes){ bytes, size }, error);
}

/* What is left to read. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

static const uint8_t *take(struct reader *reader, size_t length)
{
    DV_ASSERT(reader->at <= reader->end);
    if (length > (size_t)(reader->end - reader->at))
        return NULL;
    reader->at += length;
    return reader->at - length;
}

static bool take_name(struct reader *reader, struct dv_bytes *ret)
{
    const uint8_t *length = take(reader, 1);
    if (length == NULL || *length > DV_KEY_NAME_MAX)
        return false;
    *ret = (struct dv_bytes){ take(reader, *length), *length };
    return ret->at != NULL && dv_bytes_is_name(*ret, DV_KEY_NAME_MAX);
}

static size_t version_bytes(enum dv_key_kind kind)
{
    DV_ASSERT(kind == DV_KEY_DATASET || kind == DV_KEY_DERIVE);
    return 8 + (size_t)DV_WRAPPED_BYTES * (kind == DV_KEY_DATASET ? 2 : 1);
}

static bool take_version(struct reader *reader, enum dv_key_kind kind, struct dv_ring_version *version)
{
    DV_ASSERT(version != NULL);
    const uint8_t *at = take(reader, version_bytes(kind));
    if (at == NULL || dv_bytes_get64(at) > INT64_MAX)
        return false;
    version->created_ms = (int64_t)dv_bytes_get64(at);
    memcpy(version->under_root, at + 8, DV_WRAPPED_BYTES);
    if (kind == DV_KEY_DATASET)
        memcpy(version->under_kek, at + 8 + DV_WRAPPED_BYTES, DV_WRAPPED_BYTES);
    return true;
}

static bool take_key(struct reader *reader, struct dv_arena *arena, struct dv_ring_key *key)
{
    const uint8_t *at = take(reader, 8);
    if (at == NULL)
        return false;
    uint32_t kind = dv_bytes_get32(at);
    key->version_count = dv_bytes_get32(at + 4);
    if ((kind != DV_KEY_DATASET && kind != DV_KEY_DERIVE) || key->version_count == 0 ||
        key->version_count > DV_RING_VERSIONS_MAX || !take_name(reader, &key->tenant) || !take_name(reader, &key->name))
        return false;
    key->kind = (enum dv_key_kind)kind;
    key->versions = dv_arena_zeroed(arena, key->version_count, sizeof *key->versions);
    bool fine = key->versions != NULL;
    for (uint32_t i = 0; fine && i < key->version_count; i++)
        fine = take_version(reader, key->kind, &key->versions[i]);
    return fine;
}

static bool take_keys(struct reader *reader, struct dv_ring *ring, uint32_t count)
{
    DV_ASSERT(ring->keys == NULL);
    if (count > DV_RING_KEYS_MAX)
        return false;
    ring->keys = dv_arena_zeroed(&ring->arena, count, sizeof *ring->keys);
    bool fine = ring->keys != NULL;
    for (uint32_t i = 0; fine && i < count; i++)
        fine = take_key(reader, &ring->arena, &ring->keys[i]);
    return fine && reader->at == reader->end;
}

dv_rc dv_ring_verify(struct dv_ring *ring, const struct dv_hmac *hmac, struct dv_error *error)
{
    DV_ASSERT(ring->image.length >= FILE_BYTES_MIN && ring->key_count == 0);
    size_t body = ring->image.length - DV_HMAC_BYTES;
    uint8_t expected[DV_HMAC_BYTES];
    dv_hmac(hmac, ring->image.at, body, expected);
    if (CRYPTO_memcmp(expected, ring->image.at + body, sizeof expected) != 0)
        return dv_error_set(error, DV_E_TAMPER, "%s was altered; restore it from a backup", file_name);
    struct reader reader = { ring->image.at + HEAD_BYTES, ring->image.at + body };
    uint32_t count = dv_bytes_get32(ring->image.at + HEAD_BYTES - 4);
    if (!take_keys(&reader, ring, count))
        return dv_error_set(error, DV_E_TAMPER, "%s is authentic and yet malformed at byte %zu", file_name,
                            (size_t)(reader.at - ring->image.at));
    ring->key_count = count;
    return DV_OK;
}

static size_t image_bytes(const struct dv_ring *ring)
{
    size_t bytes = FILE_BYTES_MIN;
    for (uint32_t i = 0; i < ring->key_count; i++) {
        const struct dv_ring_key *key = &ring->keys[i];
        bytes += 8 + 2 + key->tenant.length + key->name.length + key->version_count * version_bytes(key->kind);
    }
    return bytes;
}

static uint8_t *put_head(uint8_t *to, const struct dv_ring *ring)
{
    const struct dv_root *root = &ring->root;
    to = dv_bytes_put(to, magic, sizeof magic);
    to = dv_bytes_put32(to, (uint32_t)root->kind);
    to = dv_bytes_put32(to, root->passes);
    to = dv_bytes_put32(to, root->memory_kib);
    to = dv_bytes_put32(to, root->lanes);
    to = dv_bytes_put(to, root->salt, sizeof root->salt);
    to = dv_bytes_put(to, root->keyring_id, sizeof root->keyring_id);
    to = dv_bytes_put(to, root->sealed, sizeof root->sealed);
    to = dv_bytes_put64(to, ring->generation);
    return dv_bytes_put32(to, ring->key_count);
}

static uint8_t *put_key(uint8_t *to, const struct dv_ring_key *key)
{
    DV_ASSERT(key->version_count >= 1 && key->version_count <= DV_RING_VERSIONS_MAX);
    DV_ASSERT(key->tenant.length <= DV_KEY_NAME_MAX && key->name.length <= DV_KEY_NAME_MAX);
    to = dv_bytes_put32(to, (uint32_t)key->kind);
    to = dv_bytes_put32(to, key->version_count);
    to = dv_bytes_put_counted(to, key->tenant);
    to = dv_bytes_put_counted(to, key->name);
    for (uint32_t i = 0; i < key->version_count; i++) {
        const struct dv_ring_version *version = &key->versions[i];
        to = dv_bytes_put64(to, (uint64_t)version->created_ms);
        to = dv_bytes_put(to, version->under_root, DV_WRAPPED_BYTES);
        if (key->kind == DV_KEY_DATASET)
            to = dv_bytes_put(to, version->under_kek, DV_WRAPPED_BYTES);
    }
    return to;
}

dv_rc dv_ring_print(struct dv_ring *ring, const struct dv_hmac *hmac, struct dv_bytes *ret, struct dv_error *error)
{
    DV_ASSERT(ring->key_count <= DV_RING_KEYS_MAX);
    size_t size = image_bytes(ring);
    if (size > DV_RING_BYTES_MAX)
        return dv_error_set(error, DV_E_LIMIT, "the keyring would pass %d bytes", DV_RING_BYTES_MAX);
    uint8_t *image = dv_arena_alloc(&ring->arena, size);
    if (image == NULL)
        return no_memory(error);
    ring->generation++;
    uint8_t *to = put_head(image, ring);
    for (uint32_t i = 0; i < ring->key_count; i++)
        to = put_key(to, &ring->keys[i]);
    DV_ASSERT(to + DV_HMAC_BYTES == image + size);
    dv_hmac(hmac, image, (size_t)(to - image), to);
    *ret = (struct dv_bytes){ image, size };
    return DV_OK;
}

dv_rc dv_ring_write(struct dv_ring *ring, const struct dv_private_dir *directory, const struct dv_hmac *hmac,
                    struct dv_error *error)
{
    struct dv_bytes image = { 0 };
    DV_TRY(dv_ring_print(ring, hmac, &image, error));
    return dv_private_write(directory, file_name, image, error);
}

struct dv_ring_key *dv_ring_find(const struct dv_ring *ring, enum dv_key_kind kind, struct dv_bytes tenant,
                                 struct dv_bytes name)
{
    DV_ASSERT(ring->keys != NULL || ring->key_count == 0);
    for (uint32_t i = 0; i < ring->key_count; i++) {
        struct dv_ring_key *key = &ring->keys[i];
        if (key->kind == kind && dv_bytes_equal(key->tenant, tenant) && dv_bytes_equal(key->name, name))
            return key;
    }
    return NULL;
}

static struct dv_bytes copied(struct dv_arena *arena, struct dv_bytes bytes)
{
    DV_ASSERT(bytes.at != NULL);
    char *copy = dv_arena_copy(arena, (const char *)bytes.at, bytes.length);
    return (struct dv_bytes){ (const uint8_t *)copy, bytes.length };
}

dv_rc dv_ring_add(struct dv_ring *ring, enum dv_key_kind kind, struct dv_bytes tenant, struct dv_bytes name,
                  struct dv_ring_key **ret, struct dv_error *error)
{
    DV_ASSERT(dv_bytes_is_name(tenant, DV_KEY_NAME_MAX) && dv_bytes_is_name(name, DV_KEY_NAME_MAX));
    if (ring->key_count >= DV_RING_KEYS_MAX)
        return dv_error_set(error, DV_E_LIMIT, "the keyring has all the %d keys it can hold", DV_RING_KEYS_MAX);
    struct dv_ring_key *keys = dv_arena_zeroed(&ring->arena, ring->key_count + 1u, sizeof *keys);
    struct dv_ring_key added = { .kind = kind,
                                 .tenant = copied(&ring->arena, tenant),
                                 .name = copied(&ring->arena, name) };
    if (keys == NULL || added.tenant.at == NULL || added.name.at == NULL)
        return no_memory(error);
    if (ring->key_count != 0)
        memcpy(keys, ring->keys, ring->key_count * sizeof *keys);
    keys[ring->key_count] = added;
    ring->keys = keys;
    *ret = &keys[ring->key_count++];
    return DV_OK;
}

dv_rc dv_ring_add_version(struct dv_ring *ring, struct dv_ring_key *key, struct dv_ring_version **ret,
                          struct dv_error *error)
{
    DV_ASSERT(key >= ring->keys && key < ring->keys + ring->key_count);
    if (key->version_count >= DV_RING_VERSIONS_MAX)
        return dv_error_set(error, DV_E_LIMIT, "the key has all the %d versions it can have", DV_RING_VERSIONS_MAX);
    struct dv_ring_version *versions = dv_arena_zeroed(&ring->arena, key->version_count + 1u, sizeof *versions);
    if (versions == NULL)
        return no_memory(error);
    if (key->version_count != 0)
        memcpy(versions, key->versions, key->version_count * sizeof *versions);
    key->versions = versions;
    *ret = &versions[key->version_count++];
    return DV_OK;
}
