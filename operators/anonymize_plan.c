/* SPDX-License-Identifier: Apache-2.0
 * anonymize_plan.c - a policy meets a schema; what is not covered is refused, column by column. */
#include "operators/anonymize_plan.h"

#include <unistd.h>

static const struct dv_privacy_policy *load_policy(struct dv_node *node, const char *option, const char *name)
{
    const char *path = dv_arena_printf(dv_node_arena(node), "%s/policies/%s.yaml", dv_node_directory(node), name);
    if (path == NULL) {
        (void)dv_refuse(node, option, "C030", NULL, "the graph's memory is used up");
        return NULL;
    }
    /* A wrong name is a mistake in the graph file, so the finding belongs there and not to a file that is not. */
    if (access(path, R_OK) != 0) {
        (void)dv_refuse(node, option, "C032", "policies are looked up in policies/ beside the graph file",
                        "cannot read the policy file '%s'", path);
        return NULL;
    }
    return dv_policy_load(path, dv_node_arena(node), dv_node_diags(node));
}

static dv_rc uncovered(struct dv_node *node, const char *option, const struct dv_privacy_policy *policy,
                       const struct dv_column *column)
{
    const char *help = dv_arena_printf(dv_node_arena(node), "add a rule for `%s`, or for the class %s", column->name,
                                       dv_class_name((enum dv_class)column->label.class));
    return dv_refuse(node, option, "P104", help, "policy '%s' has no rule for column `%s`", policy->name, column->name);
}

static dv_rc misfit(struct dv_node *node, const struct dv_rule *rule, const struct dv_column *column)
{
    dv_diags_add(dv_node_diags(node), rule->place, "C120", NULL, "use another action, or `drop`",
                 "'%s' cannot be applied to column `%s` of type %s", dv_action_name(rule->action), column->name,
                 dv_type_name(column->type));
    return DV_E_CONFIG;
}

static dv_rc no_subject(struct dv_node *node, const struct dv_rule *rule, const struct dv_column *column)
{
    dv_diags_add(dv_node_diags(node), rule->place, "C121", NULL, "name it in the schema: `subject: COLUMN`",
                 "the dates of column `%s` cannot be shifted: the schema does not say whose they are", column->name);
    return DV_E_CONFIG;
}

static dv_rc plan_column(struct dv_node *node, const struct dv_rule *rule, const struct dv_schema *in, uint32_t index,
                         struct dv_anonymize_plan *plan)
{
    const struct dv_column *column = &in->columns[index];
    if (rule->action == DV_ACTION_DROP)
        return DV_OK;
    bool keep = rule->action == DV_ACTION_KEEP;
    if (!dv_rule_fits(rule, column->type))
        return misfit(node, rule, column);
    if (dv_rule_needs_subject(rule) && in->subject < 0)
        return no_subject(node, rule, column);
    uint32_t to = plan->columns.schema->column_count;
    struct dv_column *out = dv_columns_take(&plan->columns, in, index);
    out->label = dv_rule_label(rule, column->label);
    if (keep)
        return DV_OK;
    plan->steps[plan->step_count++] =
        (struct dv_anonymize_step){ .rule = rule, .from = index, .to = to, .type = column->type, .column = column->name };
    plan->columns.from[to] = -1;
    out->type = dv_rule_type(rule, column->type);
    out->bounded = false;
    return DV_OK;
}

dv_rc dv_anonymize_plan(struct dv_node *node, const char *option, const char *policy_name, const struct dv_schema *in,
                        struct dv_anonymize_plan *plan)
{
    const struct dv_privacy_policy *policy = load_policy(node, option, policy_name);
    if (policy == NULL)
        return DV_E_CONFIG;
    if (!dv_columns_start(&plan->columns, dv_node_arena(node), in))
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    dv_rc rc = DV_OK;
    plan->step_count = 0;
    plan->custom = policy->custom;
    plan->subject = in->subject;
    plan->subject_type = in->subject >= 0 ? in->columns[in->subject].type : DV_TYPE_TEXT;
    for (uint32_t i = 0; i < in->column_count; i++) {
        /* Nobody knows what is in fields that no schema names, so no rule can be right for them. */
        if ((int32_t)i == in->extra)
            continue;
        const struct dv_column *column = &in->columns[i];
        const struct dv_rule *rule = dv_policy_rule_for(policy, column->name, (enum dv_class)column->label.class, column->type);
        dv_rc planned = rule != NULL ? plan_column(node, rule, in, i, plan) : uncovered(node, option, policy, column);
        rc = dv_is_error(planned) ? planned : rc;
    }
    if (!dv_is_error(rc) && plan->columns.schema->column_count == 0)
        rc = dv_refuse(node, option, "C102", "keep at least one column", "policy '%s' drops every column", policy_name);
    return rc;
}
