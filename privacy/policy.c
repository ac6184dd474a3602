/* SPDX-License-Identifier: Apache-2.0
 * policy.c - looks a field's rule up, and tells what its label becomes. */
#include "privacy/policy.h"

#include <string.h>

const struct dv_rule *dv_policy_rule(const struct dv_privacy_policy *policy, const char *field)
{
    for (uint32_t i = 0; i < policy->rule_count; i++)
        if (strcmp(policy->rules[i].field, field) == 0)
            return &policy->rules[i];
    return NULL;
}

const struct dv_rule *dv_policy_rule_for(const struct dv_privacy_policy *policy, const char *field, enum dv_class class)
{
    DV_ASSERT((unsigned)class < DV_POLICY_CLASSES);
    const struct dv_rule *rule = dv_policy_rule(policy, field);
    return rule != NULL ? rule : policy->by_class[class];
}

struct dv_label dv_rule_label(const struct dv_rule *rule, struct dv_label label)
{
    static const enum dv_form forms[DV_ACTION_COUNT] = {
        [DV_ACTION_MASK] = DV_FORM_MASKED,
        [DV_ACTION_PSEUDONYM] = DV_FORM_PSEUDONYM,
        [DV_ACTION_GENERALIZE] = DV_FORM_GENERALIZED,
        [DV_ACTION_REDACT] = DV_FORM_REDACTED,
    };
    DV_ASSERT((unsigned)rule->action < DV_ACTION_COUNT && rule->action != DV_ACTION_DROP);
    /* A bucket of an identifier's number is as good as the identifier. */
    bool bucket = rule->action == DV_ACTION_GENERALIZE && rule->to == DV_TO_NUMBER;
    if (rule->action == DV_ACTION_KEEP || (bucket && label.class == DV_CLASS_DIRECT_ID))
        return label;
    return dv_label((enum dv_class)label.class, forms[rule->action]);
}

enum dv_date_part dv_rule_date_part(const struct dv_rule *rule)
{
    DV_ASSERT(rule->to == DV_TO_YEAR || rule->to == DV_TO_QUARTER || rule->to == DV_TO_MONTH);
    return rule->to == DV_TO_YEAR ? DV_DATE_YEAR : rule->to == DV_TO_QUARTER ? DV_DATE_QUARTER : DV_DATE_MONTH;
}

const char *dv_action_name(enum dv_action action)
{
    static const char *const names[DV_ACTION_COUNT] = { "keep", "drop", "mask", "pseudonym", "generalize", "redact" };
    DV_ASSERT((unsigned)action < DV_ACTION_COUNT);
    return names[action];
}
