/* SPDX-License-Identifier: Apache-2.0
 * action.c - the table of actions, and what a rule is by it: label, type, fit. */
#include "privacy/action.h"

#include "privacy/generalize.h"

#define TYPE(type) (1u << DV_TYPE_##type)

enum { TEXT = TYPE(TEXT), NUMBER = TYPE(INT) | TYPE(FLOAT), ANY_TYPE = 0xFF };

const struct dv_action_kind dv_action_kinds[DV_ACTION_COUNT] = {
    [DV_ACTION_KEEP] = { .name = "keep", .form = DV_FORM_PLAIN, .types = ANY_TYPE, .keeps_type = true },
    [DV_ACTION_DROP] = { .name = "drop", .form = DV_FORM_PLAIN, .types = ANY_TYPE, .keeps_type = true },
    [DV_ACTION_MASK] = { .name = "mask", .how = "{ mask: { style: text } }", .read = dv_read_mask,
                         .apply = dv_apply_mask, .form = DV_FORM_MASKED, .types = TEXT | TYPE(INT),
                         .reason = "a field cannot be masked" },
    [DV_ACTION_PSEUDONYM] = { .name = "pseudonym", .how = "{ pseudonym: { domain: patient } }",
                              .read = dv_read_pseudonym, .apply = dv_apply_pseudonym, .form = DV_FORM_PSEUDONYM,
                              .types = TEXT | TYPE(INT), .keyed = true,
                              .reason = "a field cannot be given a pseudonym" },
    [DV_ACTION_GENERALIZE] = { .name = "generalize", .how = "{ generalize: { to: year } }",
                               .read = dv_read_generalize, .apply = dv_apply_generalize, .form = DV_FORM_GENERALIZED,
                               .types = TEXT, .reason = "a field is not of the form that its policy generalizes" },
    [DV_ACTION_REDACT] = { .name = "redact", .read = dv_read_redact, .apply = dv_apply_redact,
                           .form = DV_FORM_REDACTED, .types = TEXT, .reason = "a text cannot be redacted" },
    [DV_ACTION_SHIFT] = { .name = "shift", .how = "{ shift: { by: subject, days: 365 } }", .read = dv_read_shift,
                          .apply = dv_apply_shift, .form = DV_FORM_GENERALIZED, .types = TEXT, .keyed = true,
                          .reason = "a date cannot be shifted: it is malformed, or nobody is named whose it is" },
    [DV_ACTION_BUCKET] = { .name = "bucket", .how = "{ bucket: { width: 10 } }", .read = dv_read_bucket,
                           .apply = dv_apply_bucket, .form = DV_FORM_GENERALIZED, .types = TEXT | NUMBER,
                           .reason = "a field is no number that a bucket could hold" },
    [DV_ACTION_ROUND] = { .name = "round", .how = "{ round: { to: 100 } }", .read = dv_read_round,
                          .apply = dv_apply_round, .form = DV_FORM_GENERALIZED, .types = NUMBER, .keeps_type = true,
                          .reason = "a field is no number that can be rounded" },
    [DV_ACTION_SURROGATE] = { .name = "surrogate", .how = "{ surrogate: { style: fake, domain: patient } }",
                              .read = dv_read_surrogate, .apply = dv_apply_surrogate, .form = DV_FORM_PSEUDONYM,
                              .types = TEXT | TYPE(INT), .keyed = true,
                              .reason = "a field is not of the form that its surrogate needs" },
};

static const struct dv_action_kind *kind_of(const struct dv_rule *rule)
{
    DV_ASSERT((unsigned)rule->action < DV_ACTION_COUNT);
    return &dv_action_kinds[rule->action];
}

const char *dv_action_name(enum dv_action action)
{
    DV_ASSERT((unsigned)action < DV_ACTION_COUNT);
    return dv_action_kinds[action].name;
}

static bool is_number(const struct dv_rule *rule)
{
    return rule->action == DV_ACTION_BUCKET || rule->action == DV_ACTION_ROUND ||
           (rule->action == DV_ACTION_GENERALIZE && rule->to == DV_TO_NUMBER);
}

struct dv_label dv_rule_label(const struct dv_rule *rule, struct dv_label label)
{
    DV_ASSERT(rule->action != DV_ACTION_DROP);
    /* A bucket of an identifier's number is as good as the identifier. */
    bool bare = is_number(rule) && label.class == DV_CLASS_DIRECT_ID;
    /* The day of a date is the date: it only loses its time. */
    bare |= rule->action == DV_ACTION_GENERALIZE && rule->to == DV_TO_DAY;
    if (kind_of(rule)->form == DV_FORM_PLAIN || bare)
        return label;
    return dv_label((enum dv_class)label.class, kind_of(rule)->form);
}

enum dv_type dv_rule_type(const struct dv_rule *rule, enum dv_type type)
{
    return kind_of(rule)->keeps_type ? type : DV_TYPE_TEXT;
}

bool dv_rule_fits(const struct dv_rule *rule, enum dv_type type)
{
    unsigned types = kind_of(rule)->types;
    if (rule->action == DV_ACTION_GENERALIZE)
        types |= rule->to == DV_TO_NUMBER                              ? NUMBER
                 : rule->to == DV_TO_AGE_BAND || rule->to == DV_TO_LEVEL ? TYPE(INT)
                                                                         : 0;
    return (types >> type & 1u) != 0;
}

bool dv_rule_needs_subject(const struct dv_rule *rule)
{
    return rule->days != 0;
}

bool dv_rule_is_keyed(const struct dv_rule *rule)
{
    return kind_of(rule)->keyed || dv_rule_needs_subject(rule) || rule->surrogate.domain != NULL;
}

enum dv_date_part dv_rule_date_part(const struct dv_rule *rule)
{
    static const enum dv_date_part parts[] = {
        [DV_TO_DAY] = DV_DATE_DAY,         [DV_TO_WEEK] = DV_DATE_WEEK, [DV_TO_MONTH] = DV_DATE_MONTH,
        [DV_TO_QUARTER] = DV_DATE_QUARTER, [DV_TO_YEAR] = DV_DATE_YEAR, [DV_TO_DECADE] = DV_DATE_DECADE,
    };
    DV_ASSERT(rule->to >= DV_TO_DAY && rule->to <= DV_TO_DECADE);
    return parts[rule->to];
}
