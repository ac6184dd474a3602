/* SPDX-License-Identifier: Apache-2.0
 * action.h - the table of actions: adding one is a row here, a parser and a function. Private to privacy/. */
#ifndef DV_PRIVACY_ACTION_H
#define DV_PRIVACY_ACTION_H

#include "privacy/policy.h"

struct dv_applier;
struct dv_apply_row;
struct dv_cell;
struct dv_yaml;

/* One load of a policy. */
struct dv_policy_reading {
    struct dv_arena *arena;
    struct dv_diags *diags;
    const struct dv_custom *custom; /* the detectors of the policy; may be NULL */
    const char *path;               /* of the policy's file: what it names is looked up beside it */
};

/* Reads the options of an action into the rule. Errors are told with their place. */
typedef dv_rc dv_action_read(const struct dv_policy_reading *reading, const struct dv_yaml *node, struct dv_rule *rule);

/* Makes the new value of a present cell; *ret is undefined after an error. */
typedef dv_rc dv_action_apply(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                              struct dv_cell *ret);

struct dv_action_kind {
    const char *name;
    const char *how;       /* how it is written when the word alone will not do; NULL: alone is enough */
    dv_action_read *read;  /* NULL: takes no options */
    dv_action_apply *apply; /* NULL: the value stays or goes */
    enum dv_form form;     /* of the label after it; DV_FORM_PLAIN: as it was */
    unsigned types;        /* bits 1u << enum dv_type: the columns it can change */
    bool keyed;
    bool keeps_type;       /* the column's type stays; else it is text */
    const char *reason;    /* for a record it cannot be done to, a literal */
};

extern const struct dv_action_kind dv_action_kinds[DV_ACTION_COUNT];

/* Tells "message 'name'" at a place of the policy; gives back DV_E_CONFIG. */
dv_rc dv_policy_wrong(const struct dv_policy_reading *reading, struct dv_place place, const char *help,
                      const char *message, const char *name);

/* The parsers, in policy_options.c. */
dv_action_read dv_read_mask, dv_read_pseudonym, dv_read_generalize, dv_read_redact, dv_read_shift, dv_read_bucket,
    dv_read_round, dv_read_surrogate;

/* The functions, in apply.c. */
dv_action_apply dv_apply_mask, dv_apply_pseudonym, dv_apply_generalize, dv_apply_redact, dv_apply_shift, dv_apply_bucket,
    dv_apply_round, dv_apply_surrogate;

#endif
