/* SPDX-License-Identifier: Apache-2.0
 * llm_budget.h - how many tokens each tenant may still use today, by UTC.
 *
 * A request takes what it may cost at most before it is sent, and gives back afterwards what it did not. Kept in memory:
 * a restart begins the day anew. */
#ifndef DV_CONNECTORS_LLM_BUDGET_H
#define DV_CONNECTORS_LLM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum { DV_LLM_TENANTS_MAX = 64, DV_LLM_TENANT_BYTES = 64 };

/* The table; zero-initialise and set the limit. */
struct dv_llm_budget {
    uint64_t limit; /* tokens of a tenant and day; 0: none */
    struct dv_llm_account {
        char tenant[DV_LLM_TENANT_BYTES]; /* "": free */
        int64_t day;                      /* since 1970 */
        uint64_t used;                    /* on that day */
    } accounts[DV_LLM_TENANTS_MAX];
};

/* Takes `tokens` from the tenant's day; NULL, or why not, a literal. */
const char *dv_llm_budget_take(struct dv_llm_budget *budget, const char *tenant, int64_t wall_ms, uint64_t tokens);

/* Corrects what was `taken` at `taken_ms` to what was used. */
void dv_llm_budget_settle(struct dv_llm_budget *budget, const char *tenant, int64_t taken_ms, uint64_t taken,
                          uint64_t used);

#endif
