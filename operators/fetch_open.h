/* SPDX-License-Identifier: Apache-2.0
 * fetch_open.h - opens one sealed record at a time, and makes the text of some of its columns. */
#ifndef DV_OPERATORS_FETCH_OPEN_H
#define DV_OPERATORS_FETCH_OPEN_H

#include "engine/batch.h"
#include "vault/blob.h"

struct dv_json_reader;
struct dv_keyring;
struct dv_store_row;
struct dv_text_form;

/* One for all of a node. */
struct dv_fetch_opener {
    struct dv_keyring *keyring;
    const struct dv_schema *schema; /* of what was sealed */
    const struct dv_text_form *form;
    struct dv_json_reader *json;
    struct dv_batch row;
};

/* A record's text; it lives until the wipe. */
struct dv_fetch_opened {
    uint8_t hash[DV_BLOB_HASH_BYTES];
    const char *text;
    size_t length;
};

/* For records of at most `record_bytes`; the rest is lent. DV_E_MEMORY. Close it with dv_fetch_opener_close(), which accepts a zeroed
 * one. */
DV_CHECKED dv_rc dv_fetch_opener_open(struct dv_fetch_opener *opener, struct dv_arena *arena, struct dv_keyring *keyring,
                                      const struct dv_schema *schema, const struct dv_text_form *form, size_t record_bytes);
void dv_fetch_opener_close(struct dv_fetch_opener *opener);

/* False: there is no key for it, it was altered, or it is a record of another kind. */
bool dv_fetch_open(struct dv_fetch_opener *opener, const struct dv_store_row *row, struct dv_fetch_opened *ret);

/* Wipes what the last record left behind. */
void dv_fetch_opener_wipe(struct dv_fetch_opener *opener);

#endif
