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
 *     visit_date: { shift: { by: subject, days: 365 } }
 *     note: redact       # or { redact: { types: [ssn, email, phone], mode: thorough } }
 *   classes:                # by the class of the schema's field, where no field's rule matches
 *     direct-id: drop
 *     quasi-id/int: { bucket: { width: 10 } }  # and its type: before the rule for the class alone
 *
 * The actions are rows of one table in action.c: a name, a parser, a label, a function.
 *
 *   detectors:              # of one's own, for redactions: see policy_detectors.h
 *     - { name: STUDY_ID, pattern: '\bST-[0-9]{6}\b' }
 *
 * It fails closed: a field that no rule matches has no transform, and the caller rejects it. */
#ifndef DV_PRIVACY_POLICY_H
#define DV_PRIVACY_POLICY_H

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/label.h"
#include "engine/schema.h"
#include "privacy/pseudonym.h"
#include "privacy/surrogate.h"
#include "privacy/transform.h"

struct dv_hierarchy;

enum { DV_POLICY_RULES_MAX = 512, DV_POLICY_CLASSES = DV_CLASS_DIRECT_ID + 1 };

enum { DV_POLICY_TYPES = DV_TYPE_JSON + 1 };

enum dv_action {
    DV_ACTION_KEEP,       /* as it is */
    DV_ACTION_DROP,       /* the field goes */
    DV_ACTION_MASK,       /* dv_mask_value() with .mask */
    DV_ACTION_PSEUDONYM,  /* dv_pseudonym_token() with .pseudonym; key and version come from the vault */
    DV_ACTION_GENERALIZE, /* by .to */
    DV_ACTION_REDACT,     /* dv_redact() of .types */
    DV_ACTION_SHIFT,      /* dv_date_move() by dv_shift_days() of the record's subject, at most .days */
    DV_ACTION_BUCKET,     /* dv_number_bucket() of .band.width */
    DV_ACTION_ROUND,      /* dv_round_int() or dv_round_float() to .round_to */
    DV_ACTION_SURROGATE,  /* dv_surrogate_make() with .surrogate */
    DV_ACTION_COUNT
};

enum dv_generalize {
    DV_TO_AGE_BAND, /* dv_age_band() with .band */
    DV_TO_DAY,      /* dv_date_cut() with dv_rule_date_part() */
    DV_TO_WEEK,
    DV_TO_MONTH,
    DV_TO_QUARTER,
    DV_TO_YEAR,
    DV_TO_DECADE,
    DV_TO_RELATIVE_WEEK, /* dv_date_relative_week() from .since */
    DV_TO_ZIP3,          /* dv_zip3() */
    DV_TO_NUMBER,        /* dv_number_bucket() with .band.width */
    DV_TO_ICD10_CATEGORY, /* dv_icd10() with dv_rule_icd10_part() */
    DV_TO_ICD10_BLOCK,
    DV_TO_ICD10_CHAPTER,
    DV_TO_LEVEL, /* dv_hierarchy_find() with .level */
};

/* What one field gets. Only the members its action names are set. */
struct dv_rule {
    const char *field; /* or the class's name, with "/type" or without, for a rule by class */
    enum dv_action action;
    enum dv_generalize to;
    struct dv_mask mask;
    struct dv_band band;
    struct dv_pseudonym_options pseudonym;
    struct dv_surrogate_options surrogate; /* of redactions, too */
    const struct dv_hierarchy *hierarchy;
    uint32_t level;
    uint32_t days;
    int64_t round_to;
    int64_t since; /* days from 1970-01-01 */
    uint32_t types; /* bits 1u << enum dv_pii */
    bool thorough;  /* a model is asked, too: the caller's part (operators/thorough.h) */
    const struct dv_custom *custom; /* the user's own detectors; may be NULL */
    struct dv_place place; /* where it stands in the file */
};

/* A policy: read-only once made; everything lives in the arena it was made in. */
struct dv_privacy_policy {
    const char *name;
    const struct dv_custom *custom; /* the user's own detectors; may be NULL */
    uint32_t rule_count;
    struct dv_rule *rules;
    const struct dv_rule *by_class[DV_POLICY_CLASSES]; /* NULL: no rule for this class */
    const struct dv_rule *by_type[DV_POLICY_CLASSES][DV_POLICY_TYPES]; /* NULL: the rule of the class */
};

/* The rule that names the field, or NULL: the caller rejects. Not for hot loops: resolve once per column. */
const struct dv_rule *dv_policy_rule(const struct dv_privacy_policy *policy, const char *field);

/* The same, falling back to the rule for the class and type of the schema's field, then to that for the class. */
const struct dv_rule *dv_policy_rule_for(const struct dv_privacy_policy *policy, const char *field,
                                         enum dv_class class, enum dv_type type);

/* The label a column has after the rule. Undefined for DV_ACTION_DROP: no column is left. */
struct dv_label dv_rule_label(const struct dv_rule *rule, struct dv_label label);

/* The type of the column after the rule: text, unless numbers stay numbers. */
enum dv_type dv_rule_type(const struct dv_rule *rule, enum dv_type type);

/* Whether the rule can change a column of that type. */
bool dv_rule_fits(const struct dv_rule *rule, enum dv_type type);

/* Whether the rule needs a key; whether it needs to know whose record it is. */
bool dv_rule_is_keyed(const struct dv_rule *rule);
bool dv_rule_needs_subject(const struct dv_rule *rule);

/* The part a rule with .to of DV_TO_DAY to DV_TO_DECADE cuts a date to. */
enum dv_date_part dv_rule_date_part(const struct dv_rule *rule);

/* "keep", "drop", ...: literals, as in the file. */
const char *dv_action_name(enum dv_action action);

/* Reads a policy file into `arena`. NULL if anything was wrong, all of it in `diags`. */
struct dv_privacy_policy *dv_policy_load(const char *path, struct dv_arena *arena, struct dv_diags *diags);

/* The same from memory; `name` stands for the file in messages, `text` outlives `diags`. */
struct dv_privacy_policy *dv_policy_parse(const char *name, const char *text, size_t length, struct dv_arena *arena,
                                          struct dv_diags *diags);

#endif
