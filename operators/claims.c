/* SPDX-License-Identifier: Apache-2.0
 * claims.c - a ring of claims by their sequence. */
#include "operators/claims.h"

#include "engine/memory.h"

enum { CLAIMS_FIRST = 64 };

static struct dv_claim_entry *entry_of(const struct dv_claims *claims, uint64_t sequence)
{
    return &claims->entries[sequence & (claims->capacity - 1)];
}

dv_rc dv_claims_reserve(struct dv_claims *claims)
{
    if (claims->next - claims->first < claims->capacity)
        return DV_OK;
    struct dv_claims larger = *claims;
    larger.capacity = claims->capacity != 0 ? 2 * claims->capacity : CLAIMS_FIRST;
    larger.entries = dv_memory_zeroed(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL)
        return DV_E_MEMORY;
    for (uint64_t at = claims->first; at < claims->next; at++)
        *entry_of(&larger, at) = *entry_of(claims, at);
    dv_memory_free(claims->entries);
    *claims = larger;
    return DV_OK;
}

void dv_claims_add(struct dv_claims *claims, const struct dv_checkpoint *after)
{
    DV_ASSERT(claims->next - claims->first < claims->capacity);
    *entry_of(claims, claims->next) = (struct dv_claim_entry){ .after = *after };
    claims->next++;
}

bool dv_claims_settle(struct dv_claims *claims, uint64_t sequence, bool failed, struct dv_checkpoint *ret)
{
    DV_ASSERT(sequence >= claims->first && sequence < claims->next);
    DV_ASSERT(!entry_of(claims, sequence)->settled);
    claims->failed = claims->failed || failed;
    entry_of(claims, sequence)->settled = !failed;
    uint64_t before = claims->first;
    while (claims->first < claims->next && entry_of(claims, claims->first)->settled) {
        *ret = entry_of(claims, claims->first)->after;
        claims->first++;
    }
    return claims->first != before;
}

void dv_claims_free(struct dv_claims *claims)
{
    dv_memory_free(claims->entries);
    *claims = (struct dv_claims){ 0 };
}
