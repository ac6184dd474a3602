/* SPDX-License-Identifier: Apache-2.0
 * anonymize_plan.h - what a policy makes of a schema: which columns go, which change, and their labels after.
 *
 * `anonymize` runs the plan; `decrypt` reads from it what was sealed. */
#ifndef DV_OPERATORS_ANONYMIZE_PLAN_H
#define DV_OPERATORS_ANONYMIZE_PLAN_H

#include "engine/operator.h"
#include "operators/columns.h"
#include "privacy/policy.h"

/* A column whose values change. */
struct dv_anonymize_step {
    const struct dv_rule *rule;
    uint32_t from; /* column of the input */
    uint32_t to;   /* column of the output */
    enum dv_type type; /* of the input */
    const char *column;
};

/* Zero-initialise it. */
struct dv_anonymize_plan {
    struct dv_columns columns; /* from[] is -1 for a column that changes */
    struct dv_anonymize_step steps[DV_COLUMNS_MAX];
    uint32_t step_count;
    const struct dv_custom *custom; /* the policy's own detectors; NULL: none */
    int32_t subject; /* the subject's column of the input, or -1 */
    enum dv_type subject_type;
};

/* During transfer(): loads `policies/<policy>.yaml` beside the graph file and applies it to `in`. Findings: a policy
 * that is missing or wrong, a column that no rule and no class covers, a rule that does not fit the column's type.
 * `option` is where the node names the policy. */
DV_CHECKED dv_rc dv_anonymize_plan(struct dv_node *node, const char *option, const char *policy,
                                   const struct dv_schema *in, struct dv_anonymize_plan *plan);

#endif
