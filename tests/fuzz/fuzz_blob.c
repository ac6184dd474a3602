/* SPDX-License-Identifier: Apache-2.0
 * fuzz_blob.c - any bytes: they are refused, or they are a blob that packs to the very same bytes and does not open. */
#include <stdlib.h>

#include "engine/memory.h"
#include "vault/blob.h"
#include "vault/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_does_not_open(const struct dv_blob *blob)
{
    uint8_t key[DV_KEY_BYTES] = { 1 };
    struct dv_seal_key seal_key = { key, key, { 0 }, 0 };
    struct dv_opener *opener = NULL;
    uint8_t *plaintext = dv_memory_alloc(blob->ciphertext.length);
    DV_ASSERT(plaintext != NULL && dv_opener_new(&opener, &seal_key, NULL) == DV_OK);
    DV_ASSERT(dv_blob_open(blob, opener, plaintext, NULL) == DV_E_TAMPER);
    dv_opener_free(opener);
    dv_memory_free(plaintext);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_blob blob;
    struct dv_error error = { 0 };
    if (dv_blob_parse(&blob, (struct dv_bytes){ data, size }, &error) != DV_OK)
        return 0;
    DV_ASSERT(dv_blob_size(&blob) == size && size <= blob.ciphertext.length + DV_BLOB_OVERHEAD_MAX);
    uint8_t *again = dv_memory_alloc(size);
    DV_ASSERT(again != NULL && dv_blob_pack(&blob, again) == size && memcmp(again, data, size) == 0);
    dv_memory_free(again);
    check_does_not_open(&blob);
    return 0;
}
