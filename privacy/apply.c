/* SPDX-License-Identifier: Apache-2.0
 * apply.c - one function for each action: a cell in, a cell out. */
#include "privacy/apply.h"

#include <string.h>

#include "engine/json_number.h"
#include "privacy/action.h"
#include "privacy/date.h"
#include "privacy/generalize.h"
#include "privacy/redact.h"
#include "privacy/shift.h"

enum { DOMAIN_MAX = 192 };

static struct dv_buffer take_buffer(const struct dv_apply_row *row, size_t size)
{
    return (struct dv_buffer){ .text = dv_arena_text(row->arena, size), .size = size };
}

/* What is in a buffer becomes the value; the rest of its room is given back. */
static dv_rc keep_buffer(const struct dv_apply_row *row, dv_rc rc, const struct dv_buffer *buffer, struct dv_cell *out)
{
    dv_arena_trim(row->arena, buffer->text, buffer->size, buffer->length);
    *out = (struct dv_cell){ .text = buffer->text, .length = (uint32_t)buffer->length, .present = rc == DV_OK };
    return rc;
}

/* The value as text: an int in decimal digits. */
static const char *as_text(enum dv_type type, const struct dv_cell *in, char digits[DV_JSON_INT_MAX], size_t *ret_length)
{
    *ret_length = in->length;
    if (type != DV_TYPE_INT)
        return in->text;
    *ret_length = dv_json_put_int(digits, in->integer);
    return digits;
}

dv_rc dv_apply_mask(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                    struct dv_cell *ret)
{
    char digits[DV_JSON_INT_MAX];
    size_t length = 0;
    const char *text = as_text(applier->type, in, digits, &length);
    struct dv_buffer buffer = take_buffer(row, length + 16);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(row, dv_mask_value(&applier->rule->mask, text, length, &buffer), &buffer, ret);
}

dv_rc dv_apply_pseudonym(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                         struct dv_cell *ret)
{
    char digits[DV_JSON_INT_MAX];
    size_t length = 0;
    const char *text = as_text(applier->type, in, digits, &length);
    struct dv_buffer buffer = take_buffer(row, DV_PSEUDONYM_TOKEN_MAX);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(row, dv_pseudonym_token(&applier->makers[DV_APPLY_OWN], text, length, &buffer), &buffer, ret);
}

static dv_rc bucket_into(const struct dv_applier *applier, const struct dv_cell *in, struct dv_buffer *buffer)
{
    uint32_t width = applier->rule->band.width;
    if (applier->type == DV_TYPE_TEXT)
        return dv_number_bucket_text(width, in->text, in->length, buffer);
    return dv_number_bucket(width, applier->type == DV_TYPE_INT ? (double)in->integer : in->number, buffer);
}

static dv_rc generalize_into(const struct dv_applier *applier, const struct dv_cell *in, struct dv_buffer *buffer)
{
    const struct dv_rule *rule = applier->rule;
    switch (rule->to) {
    case DV_TO_AGE_BAND:
        return applier->type == DV_TYPE_TEXT ? dv_age_band_text(&rule->band, in->text, in->length, buffer)
                                             : dv_age_band(&rule->band, in->integer, buffer);
    case DV_TO_ZIP3:
        return dv_zip3(in->text, in->length, buffer);
    case DV_TO_NUMBER:
        return bucket_into(applier, in, buffer);
    case DV_TO_RELATIVE_WEEK:
        return dv_date_relative_week(rule->since, in->text, in->length, buffer);
    case DV_TO_ICD10_CATEGORY:
    case DV_TO_ICD10_BLOCK:
    case DV_TO_ICD10_CHAPTER:
        return dv_icd10((enum dv_icd10_part)(rule->to - DV_TO_ICD10_CATEGORY), in->text, in->length, buffer);
    default:
        return dv_date_cut(dv_rule_date_part(rule), in->text, in->length, buffer);
    }
}

/* The text stays in the table, which lives as long as the policy; the batch may not, so it is copied. */
static dv_rc apply_level(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                         struct dv_cell *ret)
{
    char digits[DV_JSON_INT_MAX];
    size_t length = 0;
    uint32_t found = 0;
    const char *text = as_text(applier->type, in, digits, &length);
    const char *level = dv_hierarchy_find(applier->rule->hierarchy, applier->rule->level, text, length, &found);
    if (level == NULL)
        return DV_E_DATA;
    char *copy = dv_arena_text(row->arena, found);
    if (copy == NULL)
        return DV_E_MEMORY;
    memcpy(copy, level, found);
    *ret = (struct dv_cell){ .text = copy, .length = found, .present = 1 };
    return DV_OK;
}

dv_rc dv_apply_generalize(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                          struct dv_cell *ret)
{
    if (applier->rule->to == DV_TO_LEVEL)
        return apply_level(applier, row, in, ret);
    struct dv_buffer buffer = take_buffer(row, DV_TRANSFORM_TEXT_MAX);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(row, generalize_into(applier, in, &buffer), &buffer, ret);
}

dv_rc dv_apply_bucket(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                      struct dv_cell *ret)
{
    struct dv_buffer buffer = take_buffer(row, DV_TRANSFORM_TEXT_MAX);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(row, bucket_into(applier, in, &buffer), &buffer, ret);
}

dv_rc dv_apply_round(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                     struct dv_cell *ret)
{
    (void)row;
    *ret = (struct dv_cell){ .present = 1 };
    return applier->type == DV_TYPE_INT ? dv_round_int(applier->rule->round_to, in->integer, &ret->integer)
                                        : dv_round_float(applier->rule->round_to, in->number, &ret->number);
}

/* By how many days the dates of this record move. */
static dv_rc find_days(const struct dv_applier *applier, const struct dv_apply_row *row, int64_t *ret_days)
{
    char digits[DV_JSON_INT_MAX];
    size_t length = 0;
    if (row->subject == NULL || !row->subject->present)
        return DV_E_DATA;
    const char *subject = as_text(row->subject_type, row->subject, digits, &length);
    if (length == 0)
        return DV_E_DATA;
    *ret_days = dv_shift_days(&applier->makers[DV_APPLY_SHIFT], subject, length, applier->rule->days);
    return DV_OK;
}

dv_rc dv_apply_shift(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                     struct dv_cell *ret)
{
    int64_t days = 0;
    DV_TRY(find_days(applier, row, &days));
    struct dv_buffer buffer = take_buffer(row, in->length);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(row, dv_date_move(days, in->text, in->length, &buffer), &buffer, ret);
}

static struct dv_surrogate surrogate_of(const struct dv_applier *applier, const struct dv_apply_row *row)
{
    return (struct dv_surrogate){ .options = &applier->rule->surrogate,
                                  .maker = applier->makers,
                                  .labels = row->labels,
                                  .now_ms = row->now_ms };
}

dv_rc dv_apply_surrogate(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                         struct dv_cell *ret)
{
    char digits[DV_JSON_INT_MAX];
    size_t length = 0;
    const char *text = as_text(applier->type, in, digits, &length);
    struct dv_surrogate surrogate = surrogate_of(applier, row);
    surrogate.column = true;
    struct dv_buffer buffer = take_buffer(row, DV_SURROGATE_MAX);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(row, dv_surrogate_make(&surrogate, applier->pii, text, length, &buffer), &buffer, ret);
}

dv_rc dv_apply_redact(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                      struct dv_cell *ret)
{
    struct dv_redacted redacted;
    struct dv_redact_how how = { 0 };
    struct dv_surrogate surrogate = surrogate_of(applier, row);
    if (applier->rule->days != 0)
        DV_TRY(find_days(applier, row, &how.days));
    if (applier->rule->surrogate.domain != NULL)
        how.surrogate = &surrogate;
    if (row->found != NULL)
        DV_TRY(dv_redact_found(row->found->spans, row->found->count, &how, row->arena, in->text, in->length, &redacted));
    else
        DV_TRY(dv_redact_with(&applier->finder, &how, row->arena, in->text, in->length, &redacted));
    *ret = (struct dv_cell){ .text = redacted.text, .length = redacted.length, .present = 1 };
    return DV_OK;
}

static dv_rc open_finder(struct dv_applier *applier, const struct dv_rule *rule)
{
    DV_TRY(dv_finder_open(&applier->finder, rule->types));
    dv_rc rc = rule->custom != NULL ? dv_finder_add(&applier->finder, rule->custom) : DV_OK;
    if (rc != DV_OK)
        dv_finder_close(&applier->finder);
    return rc;
}

dv_rc dv_applier_open(struct dv_applier *applier, const struct dv_rule *rule, const char *column, enum dv_type type)
{
    DV_ASSERT(dv_action_kinds[rule->action].apply != NULL && dv_rule_fits(rule, type));
    *applier = (struct dv_applier){ .rule = rule, .type = type, .reason = dv_action_kinds[rule->action].reason };
    if (rule->action == DV_ACTION_SURROGATE)
        applier->pii = rule->surrogate.type != DV_PII_OTHER ? rule->surrogate.type : dv_surrogate_type(column);
    return rule->action == DV_ACTION_REDACT ? open_finder(applier, rule) : DV_OK;
}

dv_rc dv_applier_key(struct dv_applier *applier, struct dv_pseudonym *makers, const unsigned char *key,
                     size_t key_length, uint32_t version)
{
    static const struct dv_pseudonym_options shift = { .domain = DV_SHIFT_DOMAIN };
    struct dv_pseudonym_options own = applier->rule->pseudonym;
    own.version = version;
    applier->makers = makers;
    char domain[DOMAIN_MAX];
    if (applier->rule->surrogate.domain != NULL) {
        if (!dv_surrogate_domain(applier->rule->surrogate.domain, domain, sizeof domain))
            return DV_E_CONFIG;
        own.domain = domain;
    }
    if (own.domain != NULL || own.bare)
        DV_TRY(dv_pseudonym_init(&makers[DV_APPLY_OWN], key, key_length, &own));
    return dv_rule_needs_subject(applier->rule) ? dv_pseudonym_init(&makers[DV_APPLY_SHIFT], key, key_length, &shift)
                                                : DV_OK;
}

void dv_applier_close(struct dv_applier *applier)
{
    dv_finder_close(&applier->finder);
    *applier = (struct dv_applier){ 0 };
}

dv_rc dv_apply(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
               struct dv_cell *ret)
{
    dv_rc rc = dv_action_kinds[applier->rule->action].apply(applier, row, in, ret);
    if (dv_is_error(rc))
        ret->present = 0;
    return rc;
}
