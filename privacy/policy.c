/* SPDX-License-Identifier: Apache-2.0
 * policy.c - looks a field's rule up. */
#include "privacy/policy.h"

#include <string.h>

const struct dv_rule *dv_policy_rule(const struct dv_privacy_policy *policy, const char *field)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        if (strcmp(policy->rules[i].field, field) == 0)
            return &policy->rules[i];
    return NULL;
}

const struct dv_rule *dv_policy_rule_for(const struct dv_privacy_policy *policy, const char *field, enum dv_class class,
                                         enum dv_type type)
{
    DV_ASSERT((unsigned)class < DV_POLICY_CLASSES && (unsigned)type < DV_POLICY_TYPES);
    const struct dv_rule *rule = dv_policy_rule(policy, field);
    rule = rule != NULL ? rule : policy->by_type[class][type];
    return rule != NULL ? rule : policy->by_class[class];
}
