/* SPDX-License-Identifier: Apache-2.0
 * blob_schema.h - the columns of sealed records: what `encrypt` emits and the stores and files accept.
 *
 * A blob's id, creation time and tenant are those of the record: they come from dv_row and dv_batch. The plaintext that
 * was sealed could be anything, so what is derived from it (hash, subject, ciphertext) has the worst class and only its
 * form makes it fit to leave. */
#ifndef DV_OPERATORS_BLOB_SCHEMA_H
#define DV_OPERATORS_BLOB_SCHEMA_H

#include <stdbool.h>

#include "engine/schema.h"

#define DV_BLOB_SCHEMA "blob"
#define DV_BARE_SCHEMA "bare"

/* The columns of the schema "blob", by index. */
enum dv_blob_column {
    DV_BLOB_SCHEMA_NAME, /* text: the schema of the record inside */
    DV_BLOB_DATA_HASH,   /* bytes: keyed digest of the plaintext */
    DV_BLOB_KEY_REF,     /* text: which key opens it */
    DV_BLOB_SUBJECT_REF, /* bytes: pseudonym of the person; missing when the record has none */
    DV_BLOB_NONCE,       /* bytes */
    DV_BLOB_CIPHERTEXT,  /* bytes, with the tag at the end */
    DV_BLOB_COLUMNS
};

/* The one column of the schema "bare". */
enum dv_bare_column {
    DV_BARE_SEALED, /* bytes: nonce, ciphertext and tag in one piece */
    DV_BARE_COLUMNS
};

/* The schema "blob" in `arena`, of sealed records of the schema `inside`, or NULL when that is full. */
const struct dv_schema *dv_blob_schema_new(struct dv_arena *arena, const struct dv_schema *inside);

/* The schema "bare" in `arena`, likewise. */
const struct dv_schema *dv_bare_schema_new(struct dv_arena *arena, const struct dv_schema *inside);

/* Whether `schema` is one of these: by its columns and labels, so that no schema file can pass for it by its name. */
bool dv_schema_is_blob(const struct dv_schema *schema);
bool dv_schema_is_bare(const struct dv_schema *schema);

#endif
