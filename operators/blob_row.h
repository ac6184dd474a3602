/* SPDX-License-Identifier: Apache-2.0
 * blob_row.h - a row of the schema "blob" as the vault's blob, and where blobs begin and end in a file. */
#ifndef DV_OPERATORS_BLOB_ROW_H
#define DV_OPERATORS_BLOB_ROW_H

#include "engine/batch.h"
#include "vault/blob.h"

struct dv_store_row;

/* Fills `ret` from a row of a sealed batch; texts stay the batch's. DV_E_DATA if a column is missing or of a wrong
 * size. */
DV_CHECKED dv_rc dv_blob_of_row(const struct dv_batch *batch, uint32_t row, struct dv_blob *ret);

/* Fills `ret` from a row of a store, whose bytes stay the store's. False: it does not fit a blob, so it was altered. */
bool dv_blob_of_store(const struct dv_store_row *row, struct dv_blob *ret);

/* The length of the packed blob that begins `bytes`, as dv_record_length of connectors/file.h wants it. */
size_t dv_blob_record_length(const uint8_t *bytes, size_t length);

#endif
