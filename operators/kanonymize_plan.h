/* SPDX-License-Identifier: Apache-2.0
 * kanonymize_plan.h - what a kanonymize node keeps, coarsens and promises: its options and what transfer() makes of them. */
#ifndef DV_OPERATORS_KANONYMIZE_PLAN_H
#define DV_OPERATORS_KANONYMIZE_PLAN_H

#include "engine/operator.h"
#include "operators/columns.h"
#include "privacy/kanon.h"
#include "privacy/kanon_table.h"

enum dv_leftover { DV_LEFTOVER_DROP, DV_LEFTOVER_CARRY };

/* A quasi-identifier: its place among the columns that are kept. */
struct dv_kanonymize_quasi {
    uint32_t column;
    enum dv_type type; /* before */
    bool is_prefix;
};

struct dv_kanonymize_plan {
    int64_t window_ms;
    struct dv_strs names;    /* of the quasi-identifiers */
    struct dv_strs prefixes;
    const char *of;          /* the sensitive column */
    int64_t k, rows_max, bytes_max;
    double l, c, t, suppress_max;
    int diversity, method, leftover;

    const struct dv_schema *in;
    struct dv_columns columns;         /* what leaves */
    int quasi_of[DV_COLUMNS_MAX];      /* of each of these: which quasi-identifier, or -1 */
    struct dv_kanonymize_quasi quasi[DV_KANON_QUASI_MAX];
    uint32_t quasi_count;
    int sensitive; /* among them, or -1 */
    enum dv_type sensitive_type;
    struct dv_kanon_rules rules;
};

extern const struct dv_option dv_kanonymize_options[];

/* During transfer(): fills the second half from the first; findings as usual. The plan is the beginning of the state. */
DV_CHECKED dv_rc dv_kanonymize_plan(struct dv_node *node, const struct dv_shape *shape, struct dv_kanonymize_plan *plan);

#endif
