/* SPDX-License-Identifier: Apache-2.0
 * claims.h - what a source has claimed and not settled yet: receipts come back in any order, a checkpoint moves in one.
 *
 * A claim says where reading would go on after its batch. The newest claim of the unbroken row of settled ones is how
 * far the source has come for good. A claim that failed stops that row for ever: what is behind it will be read
 * again. */
#ifndef DV_OPERATORS_CLAIMS_H
#define DV_OPERATORS_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "connectors/checkpoint.h"

struct dv_claim_entry {
    struct dv_checkpoint after;
    bool settled;
};

/* A ring that grows with the receipts a graph can have out. Zero-initialise; free with dv_claims_free(). */
struct dv_claims {
    struct dv_claim_entry *entries;
    uint64_t first;    /* sequence of the oldest entry */
    uint64_t next;     /* sequence of the next one */
    uint32_t capacity; /* a power of two, or 0 */
    bool failed;
};

/* Makes room for one more claim. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_claims_reserve(struct dv_claims *claims);

/* Adds the next claim; there is room. */
void dv_claims_add(struct dv_claims *claims, const struct dv_checkpoint *after);

/* Settles the claim with this sequence. True if the row has grown: *ret is how far it reaches. */
bool dv_claims_settle(struct dv_claims *claims, uint64_t sequence, bool failed, struct dv_checkpoint *ret);

/* Gives the memory back; accepts a zeroed one. */
void dv_claims_free(struct dv_claims *claims);

#endif
