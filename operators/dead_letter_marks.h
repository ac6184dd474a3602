/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_marks.h - what became of dead letters: a journal beside their file, `<file>.marks`.
 *
 * A letter is never changed where it stands, since a running graph may be appending behind it. That it was replayed or
 * dropped is a mark in the journal, which holds nothing that must be kept secret. A mark is 52 bytes:
 *
 *     "DVM1" ‖ state ‖ 0 0 0 ‖ id: 16 ‖ nonce: 12 ‖ at_ms: 64 bits ‖ dv_hash64 of what stands before: 64 bits
 *
 * in big-endian order. Bytes that are no mark are passed over one by one, so that damage costs the marks it hit: their
 * letters are open again, and nothing is lost. */
#ifndef DV_OPERATORS_DEAD_LETTER_MARKS_H
#define DV_OPERATORS_DEAD_LETTER_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "vault/blob.h"

enum { DV_MARK_BYTES = 52 };

enum dv_letter_state {
    DV_LETTER_OPEN,
    DV_LETTER_REPLAYED,
    DV_LETTER_DROPPED,
    DV_LETTER_STATES,
    DV_LETTER_MOVED = DV_LETTER_STATES, /* never written: another file has the same letter, and that one counts */
};

/* "open", "replayed", "dropped": literals. */
const char *dv_letter_state_name(enum dv_letter_state state);

/* What tells letters apart, also two of one record: a nonce is never used twice under a key. */
struct dv_letter_key {
    uint8_t id[DV_BLOB_ID_BYTES];
    uint8_t nonce[DV_NONCE_BYTES];
};

/* The key of a sealed letter. */
struct dv_letter_key dv_letter_key_of(const struct dv_blob *blob);

/* One mark: `state` is DV_LETTER_REPLAYED or DV_LETTER_DROPPED; at_ms since 1970. */
struct dv_mark {
    struct dv_letter_key key;
    enum dv_letter_state state;
    int64_t at_ms;
};

/* Writes it as above. */
void dv_mark_pack(const struct dv_mark *mark, uint8_t ret[DV_MARK_BYTES]);

/* Reads the mark that `bytes` begin with; false if there is none. */
bool dv_mark_parse(struct dv_mark *ret, struct dv_bytes bytes);

/* The length of what `bytes` begin with, as dv_record_length of connectors/file.h wants it: never damaged. */
size_t dv_mark_record_length(const uint8_t *bytes, size_t length);

/* All marks of a journal; zero-initialise, free with dv_marks_free(). 32 bytes a letter, at most half of them used. */
struct dv_marks {
    struct dv_marks_slot {
        struct dv_letter_key key;
        uint8_t state; /* DV_LETTER_OPEN: free */
    } * slots;
    uint32_t capacity, count;
    uint64_t damaged_bytes; /* passed over, but for a torn end */
    uint64_t damaged_at;    /* where the first of them stands */
};

/* Adds the marks of a journal; a file that is not there has none. DV_E_IO, DV_E_MEMORY. */
DV_CHECKED dv_rc dv_marks_load(struct dv_marks *marks, const char *path, struct dv_error *error);

/* Adds those in `bytes`, which stand at `offset` of the journal. *ret_used: what was read; the rest is the beginning of
 * a mark. */
DV_CHECKED dv_rc dv_marks_read(struct dv_marks *marks, struct dv_bytes bytes, uint64_t offset, size_t *ret_used);

/* Adds one, or changes its state. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_marks_put(struct dv_marks *marks, const struct dv_letter_key *key, enum dv_letter_state state);

/* What became of a letter; DV_LETTER_OPEN if nothing was marked. */
enum dv_letter_state dv_marks_get(const struct dv_marks *marks, const struct dv_letter_key *key);

/* Accepts a zeroed object. */
void dv_marks_free(struct dv_marks *marks);

#endif
