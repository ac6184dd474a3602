/* SPDX-License-Identifier: Apache-2.0
 * talk_guard.c - which types it looks for. */
#include "operators/talk_guard.h"

#include "engine/memory.h"
#include "privacy/guard.h"

dv_rc dv_talk_guard_open(struct dv_talk_guard *guard)
{
    const struct dv_guard_options options = {
        .types = 1u << DV_PII_SSN | 1u << DV_PII_ID | 1u << DV_PII_CREDIT_CARD | 1u << DV_PII_IBAN | 1u << DV_PII_EMAIL | 1u << DV_PII_PHONE |
                 1u << DV_PII_MRN | 1u << DV_PII_IP | 1u << DV_PII_MAC,
        .action = DV_GUARD_BLOCK,
        .strength = DV_GUARD_PATTERNS,
    };
    guard->rules = dv_memory_zeroed(1, sizeof *guard->rules);
    if (guard->rules == NULL)
        return DV_E_MEMORY;
    DV_TRY(dv_guard_rules_open(guard->rules, &options));
    return dv_guard_open(&guard->guard, guard->rules);
}

void dv_talk_guard_close(struct dv_talk_guard *guard)
{
    dv_guard_close(guard->guard);
    guard->guard = NULL;
    if (guard->rules != NULL)
        dv_guard_rules_close(guard->rules);
    dv_memory_free(guard->rules);
    guard->rules = NULL;
}
