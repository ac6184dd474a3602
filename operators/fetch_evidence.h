/* SPDX-License-Identifier: Apache-2.0
 * fetch_evidence.h - the hits of an evidence (evidence.h), as they stand: which sealed record each names, and the same evidence again
 * with other texts. Pure; what a hit says beside its text is copied byte for byte. */
#ifndef DV_OPERATORS_FETCH_EVIDENCE_H
#define DV_OPERATORS_FETCH_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { DV_FETCH_HITS_MAX = 64, DV_FETCH_ID_BYTES = 16, DV_FETCH_HASH_BYTES = 32 };

/* One hit. */
struct dv_fetch_hit {
    const char *at; /* the object */
    size_t length;
    bool group; /* it is about several people, so there is no sealed record behind it */
    bool named; /* it has an id and a hash, as of a sealed record */
    uint8_t id[DV_FETCH_ID_BYTES];
    uint8_t hash[DV_FETCH_HASH_BYTES];
};

/* The hits of an evidence. DV_E_SYNTAX: it is none, or has more than DV_FETCH_HITS_MAX. */
DV_CHECKED dv_rc dv_fetch_hits(const char *evidence, size_t length, struct dv_fetch_hit hits[DV_FETCH_HITS_MAX], uint32_t *ret_count);

/* What becomes of a hit: its text is replaced, or it stays as it is (`text` NULL), or it goes. */
struct dv_fetch_fate {
    bool goes;
    const char *text;
    size_t length;
};

/* The bytes that the evidence with these fates needs at most. */
size_t dv_fetch_bound(size_t length, const struct dv_fetch_fate *fates, uint32_t count);

/* Writes it into `out` of at least that size; gives back its length. */
size_t dv_fetch_write(const char *evidence, size_t length, const struct dv_fetch_hit *hits, const struct dv_fetch_fate *fates, uint32_t count,
                      char *out, size_t size);

#endif
