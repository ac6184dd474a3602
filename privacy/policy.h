/* SPDX-License-Identifier: Apache-2.0
 * policy.h - which transform each field gets: the model in memory, and its file.
 *
 *   # conf/policies/NAME.yaml
 *   name: hipaa-safe-harbor
 *   fields:
 *     patient_id: { pseudonym: { domain: patient } }
 *     name: drop
 *     ssn: { mask: { style: ssn, keep: 4 } }
 *     age: { generalize: { to: age-band, width: 10, top: 90 } }
 *     visit_date: { generalize: { to: year } }
 *     note: redact       # or { redact: { types: [ssn, email, phone] } }
 *   classes:                # by the class of the schema's field, where no field's rule matches
 *     direct-id: drop
 *
 * It fails closed: a field that no rule matches has no transform, and the caller rejects it. */
#ifndef DV_PRIVACY_POLICY_H
#define DV_PRIVACY_POLICY_H

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/label.h"
#include "privacy/pseudonym.h"
#include "privacy/transform.h"

enum { DV_POLICY_RULES_MAX = 512, DV_POLICY_CLASSES = DV_CLASS_DIRECT_ID + 1 };

enum dv_action {
    DV_ACTION_KEEP,       /* as it is */
    DV_ACTION_DROP,       /* the field goes */
    DV_ACTION_MASK,       /* dv_mask_value() with .mask */
    DV_ACTION_PSEUDONYM,  /* dv_pseudonym_token() with .pseudonym; key and version come from the vault */
    DV_ACTION_GENERALIZE, /* by .to */
    DV_ACTION_REDACT,     /* dv_redact() of .types */
    DV_ACTION_COUNT
};

enum dv_generalize {
    DV_TO_AGE_BAND, /* dv_age_band() with .band */
    DV_TO_YEAR,     /* dv_date_cut() with dv_rule_date_part() */
    DV_TO_QUARTER,
    DV_TO_MONTH,
    DV_TO_ZIP3,   /* dv_zip3() */
    DV_TO_NUMBER, /* dv_number_bucket() with .band.width */
};

/* What one field gets. Only the members its action names are set. */
struct dv_rule {
    const char *field; /* or the class's name, for a rule by class */
    enum dv_action action;
    enum dv_generalize to;
    struct dv_mask mask;
    struct dv_band band;
    struct dv_pseudonym_options pseudonym;
    uint32_t types; /* bits 1u << enum dv_pii */
    struct dv_place place; /* where it stands in the file */
};

/* A policy: read-only once made; everything lives in the arena it was made in. */
struct dv_privacy_policy {
    const char *name;
    uint32_t rule_count;
    struct dv_rule *rules;
    const struct dv_rule *by_class[DV_POLICY_CLASSES]; /* NULL: no rule for this class */
};

/* The rule that names the field, or NULL: the caller rejects. Not for hot loops: resolve once per column. */
const struct dv_rule *dv_policy_rule(const struct dv_privacy_policy *policy, const char *field);

/* The same, falling back to the rule for the class of the schema's field. */
const struct dv_rule *dv_policy_rule_for(const struct dv_privacy_policy *policy, const char *field,
                                         enum dv_class class);

/* The label a column has after the rule. Undefined for DV_ACTION_DROP: no column is left. */
struct dv_label dv_rule_label(const struct dv_rule *rule, struct dv_label label);

/* The part a rule with .to of DV_TO_YEAR, _QUARTER or _MONTH cuts a date to. */
enum dv_date_part dv_rule_date_part(const struct dv_rule *rule);

/* "keep", "drop", ...: literals, as in the file. */
const char *dv_action_name(enum dv_action action);

/* Reads a policy file into `arena`. NULL if anything was wrong, all of it in `diags`. */
struct dv_privacy_policy *dv_policy_load(const char *path, struct dv_arena *arena, struct dv_diags *diags);

/* The same from memory; `name` stands for the file in messages, `text` outlives `diags`. */
struct dv_privacy_policy *dv_policy_parse(const char *name, const char *text, size_t length, struct dv_arena *arena,
                                          struct dv_diags *diags);

#endif
