/* SPDX-License-Identifier: Apache-2.0
 * llm_budget.c - the tokens of each tenant's day. */
#include "connectors/llm_budget.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { MS_PER_DAY = 86400000 };

static struct dv_llm_account *account_of(struct dv_llm_budget *budget, const char *tenant)
{
    for (uint32_t i = 0; i < DV_LLM_TENANTS_MAX; i++)
        if (strcmp(budget->accounts[i].tenant, tenant) == 0)
            return &budget->accounts[i];
    return NULL;
}

/* A place that is free, or holds nothing but the past. */
static struct dv_llm_account *open_account(struct dv_llm_budget *budget, const char *tenant, int64_t day)
{
    for (uint32_t i = 0; i < DV_LLM_TENANTS_MAX; i++) {
        struct dv_llm_account *account = &budget->accounts[i];
        if (account->tenant[0] != '\0' && account->day >= day)
            continue;
        *account = (struct dv_llm_account){ .day = day };
        int length = snprintf(account->tenant, sizeof account->tenant, "%s", tenant);
        if (length > 0 && (size_t)length < sizeof account->tenant)
            return account;
        account->tenant[0] = '\0';
        return NULL;
    }
    return NULL;
}

const char *dv_llm_budget_take(struct dv_llm_budget *budget, const char *tenant, int64_t wall_ms, uint64_t tokens)
{
    int64_t day = wall_ms / MS_PER_DAY;
    if (budget->limit == 0)
        return NULL;
    struct dv_llm_account *account = account_of(budget, tenant);
    if (account == NULL)
        account = open_account(budget, tenant, day);
    if (account == NULL)
        return "too many tenants ask: their tokens cannot be counted";
    if (account->day < day) { /* a clock that goes back gives nobody another day */
        account->day = day;
        account->used = 0;
    }
    if (account->used > budget->limit || tokens > budget->limit - account->used)
        return "the tenant's tokens of this day are spent";
    account->used += tokens;
    return NULL;
}

void dv_llm_budget_settle(struct dv_llm_budget *budget, const char *tenant, int64_t taken_ms, uint64_t taken,
                          uint64_t used)
{
    struct dv_llm_account *account = budget->limit != 0 ? account_of(budget, tenant) : NULL;
    if (account == NULL || account->day != taken_ms / MS_PER_DAY)
        return;
    account->used = account->used > taken ? account->used - taken : 0;
    account->used += used;
}
