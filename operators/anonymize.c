/* SPDX-License-Identifier: Apache-2.0
 * anonymize.c - gives each field of a record the transform that a policy names for it.
 *
 * The policy is resolved once into a list of columns and functions; a batch then goes through it column by column. The
 * results stand aside until all columns are done, so that a rejected record reaches the dead letters as it came.
 * Fields that the policy does not name, if their class has no rule either, stop the graph before it starts. */
#include <stdio.h>

#include "engine/crash.h"
#include "engine/memory.h"
#include "operators/anonymize_plan.h"
#include "operators/keys.h"
#include "privacy/redact.h"

enum { NUMBER_MAX = 24 };

struct anonymize {
    const char *policy;
    const char *key;
    struct dv_anonymize_plan plan;
    struct dv_finder *finders;    /* one for each step, used by redactions */
    struct dv_pseudonym *makers; /* one for each step, used by pseudonyms; in secret pages */
};

static const struct dv_option options[] = {
    { "policy", DV_NAME, offsetof(struct anonymize, policy), .flags = DV_REQUIRED,
      .help = "Policy: policies/<name>.yaml beside the graph file." },
    { "key", DV_SECRET, offsetof(struct anonymize, key),
      .help = "Key of the pseudonyms, for readers outside; none: the tenant's key in the keyring." },
    { 0 },
};

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct anonymize *anonymize = dv_state(node);
    DV_TRY(dv_anonymize_plan(node, "policy", anonymize->policy, shape->in, &anonymize->plan));
    shape->out[0] = anonymize->plan.columns.schema;
    return DV_OK;
}

static dv_rc key_makers(struct dv_node *node, const uint8_t *key, size_t length, uint32_t version)
{
    struct anonymize *anonymize = dv_state(node);
    for (uint32_t i = 0; i < anonymize->plan.step_count; i++) {
        const struct dv_rule *rule = anonymize->plan.steps[i].rule;
        if (rule->action != DV_ACTION_PSEUDONYM)
            continue;
        struct dv_pseudonym_options how = rule->pseudonym;
        how.version = version;
        dv_rc rc = dv_pseudonym_init(&anonymize->makers[i], key, length, &how);
        if (dv_is_error(rc))
            return dv_fail(node, rc, "the key of the pseudonyms is too short: it needs at least %d bytes",
                           DV_PSEUDONYM_KEY_MIN);
    }
    return DV_OK;
}

static dv_rc key_all(struct dv_node *node)
{
    const struct anonymize *anonymize = dv_state(node);
    uint8_t key[DV_RAW_KEY_MAX] = { 0 };
    size_t length = DV_KEY_BYTES;
    uint32_t version = 1;
    dv_rc rc = anonymize->key != NULL ? dv_node_raw_key(node, anonymize->key, key, &length)
                                      : dv_node_purpose_key(node, DV_PURPOSE_PSEUDONYM, &version, key);
    if (!dv_is_error(rc))
        rc = key_makers(node, key, length, version);
    explicit_bzero(key, sizeof key);
    return rc;
}

static bool needs_key(const struct dv_anonymize_plan *plan)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].rule->action == DV_ACTION_PSEUDONYM)
            return true;
    }
    return false;
}

static dv_rc open_finders(struct dv_node *node)
{
    struct anonymize *anonymize = dv_state(node);
    uint32_t count = anonymize->plan.step_count;
    anonymize->finders = dv_memory_zeroed(count + 1, sizeof *anonymize->finders);
    for (uint32_t i = 0; anonymize->finders != NULL && i < count; i++) {
        const struct dv_rule *rule = anonymize->plan.steps[i].rule;
        if (rule->action == DV_ACTION_REDACT)
            DV_TRY(dv_finder_open(&anonymize->finders[i], rule->types));
    }
    return anonymize->finders != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "no memory to look for personal data");
}

static dv_rc open_node(struct dv_node *node)
{
    struct anonymize *anonymize = dv_state(node);
    DV_TRY(open_finders(node));
    if (!needs_key(&anonymize->plan))
        return DV_OK;
    anonymize->makers = dv_memory_secret(anonymize->plan.step_count * sizeof *anonymize->makers);
    if (anonymize->makers == NULL)
        return dv_fail(node, DV_E_MEMORY, "no locked memory for keys; raise the limit (ulimit -l, LimitMEMLOCK=)");
    return key_all(node);
}

/* One step over one batch. */
struct run {
    const struct dv_anonymize_step *step;
    const struct dv_pseudonym *maker;
    const struct dv_finder *finder;
    struct dv_arena *arena; /* the batch's: results live there */
};

static struct dv_buffer take_buffer(const struct run *run, size_t size)
{
    return (struct dv_buffer){ .text = dv_arena_text(run->arena, size), .size = size };
}

/* What is in a buffer becomes the value; the rest of its room is given back. */
static dv_rc keep_buffer(const struct run *run, dv_rc rc, const struct dv_buffer *buffer, struct dv_cell *out)
{
    dv_arena_trim(run->arena, buffer->text, buffer->size, buffer->length);
    *out = (struct dv_cell){ .text = buffer->text, .length = (uint32_t)buffer->length, .present = rc == DV_OK };
    return rc;
}

/* The value as text: an int in decimal digits. */
static const char *as_text(const struct run *run, const struct dv_cell *in, char *digits, size_t *ret_length)
{
    *ret_length = in->length;
    if (run->step->type == DV_TYPE_TEXT)
        return in->text;
    *ret_length = (size_t)snprintf(digits, NUMBER_MAX, "%lld", (long long)in->integer);
    return digits;
}

static dv_rc mask(const struct run *run, const struct dv_cell *in, struct dv_cell *out)
{
    char digits[NUMBER_MAX];
    size_t length = 0;
    const char *text = as_text(run, in, digits, &length);
    struct dv_buffer buffer = take_buffer(run, length + 16);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(run, dv_mask_value(&run->step->rule->mask, text, length, &buffer), &buffer, out);
}

static dv_rc pseudonym(const struct run *run, const struct dv_cell *in, struct dv_cell *out)
{
    char digits[NUMBER_MAX];
    size_t length = 0;
    const char *text = as_text(run, in, digits, &length);
    struct dv_buffer buffer = take_buffer(run, DV_PSEUDONYM_TOKEN_MAX);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(run, dv_pseudonym_token(run->maker, text, length, &buffer), &buffer, out);
}

static dv_rc generalize_into(const struct run *run, const struct dv_cell *in, struct dv_buffer *buffer)
{
    const struct dv_rule *rule = run->step->rule;
    bool is_text = run->step->type == DV_TYPE_TEXT;
    switch (rule->to) {
    case DV_TO_AGE_BAND:
        return is_text ? dv_age_band_text(&rule->band, in->text, in->length, buffer)
                       : dv_age_band(&rule->band, in->integer, buffer);
    case DV_TO_ZIP3:
        return dv_zip3(in->text, in->length, buffer);
    case DV_TO_NUMBER:
        if (is_text)
            return dv_number_bucket_text(rule->band.width, in->text, in->length, buffer);
        return dv_number_bucket(rule->band.width, run->step->type == DV_TYPE_INT ? (double)in->integer : in->number,
                                buffer);
    default:
        return dv_date_cut(dv_rule_date_part(rule), in->text, in->length, buffer);
    }
}

static dv_rc generalize(const struct run *run, const struct dv_cell *in, struct dv_cell *out)
{
    struct dv_buffer buffer = take_buffer(run, DV_TRANSFORM_TEXT_MAX);
    if (buffer.text == NULL)
        return DV_E_MEMORY;
    return keep_buffer(run, generalize_into(run, in, &buffer), &buffer, out);
}

static dv_rc redact(const struct run *run, const struct dv_cell *in, struct dv_cell *out)
{
    struct dv_redacted redacted;
    DV_TRY(dv_redact(run->finder, run->arena, in->text, in->length, &redacted));
    *out = (struct dv_cell){ .text = redacted.text, .length = redacted.length, .present = 1 };
    return DV_OK;
}

/* What to do for an action, and what a record that cannot be done is rejected for. */
struct transform {
    dv_rc (*apply)(const struct run *run, const struct dv_cell *in, struct dv_cell *out);
    const char *reason;
};

static const struct transform transforms[DV_ACTION_COUNT] = {
    [DV_ACTION_MASK] = { mask, "a field cannot be masked" },
    [DV_ACTION_PSEUDONYM] = { pseudonym, "a field cannot be given a pseudonym" },
    [DV_ACTION_GENERALIZE] = { generalize, "a field is not of the form that its policy generalizes" },
    [DV_ACTION_REDACT] = { redact, "a text cannot be redacted" },
};

static void run_step(struct dv_node *node, struct dv_batch *batch, const struct run *run, struct dv_cell *out)
{
    const struct transform *transform = &transforms[run->step->rule->action];
    DV_ASSERT(transform->apply != NULL);
    const struct dv_cell *in = dv_batch_cells(batch, run->step->from);
    for (uint32_t row = 0; row < batch->rows; row++) {
        out[row].present = 0;
        if (!in[row].present || dv_batch_rejected(batch, row))
            continue;
        dv_rc rc = transform->apply(run, &in[row], &out[row]);
        if (dv_is_error(rc))
            dv_reject_row(node, batch, row, rc, transform->reason);
    }
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct anonymize *anonymize = dv_state(node);
    const struct dv_anonymize_plan *plan = &anonymize->plan;
    struct dv_cell *results[DV_COLUMNS_MAX] = { 0 };
    struct run run = { .arena = &batch->arena };
    DV_CRASH_POINT("anonymize.before");
    for (uint32_t i = 0; i < plan->step_count; i++) {
        run.step = &plan->steps[i];
        run.finder = &anonymize->finders[i];
        run.maker = anonymize->makers != NULL ? &anonymize->makers[i] : NULL;
        struct dv_cell *column = dv_batch_new_cells(batch);
        if (column == NULL)
            return dv_fail(node, DV_E_MEMORY, "no memory to anonymize a batch");
        run_step(node, batch, &run, column);
        results[run.step->to] = column;
    }
    DV_CRASH_POINT("anonymize.after");
    return dv_batch_reshape_with(batch, plan->columns.schema, plan->columns.from, results);
}

static void close_node(struct dv_node *node)
{
    struct anonymize *anonymize = dv_state(node);
    for (uint32_t i = 0; anonymize->finders != NULL && i < anonymize->plan.step_count; i++)
        dv_finder_close(&anonymize->finders[i]);
    dv_memory_free(anonymize->finders);
    anonymize->finders = NULL;
    dv_memory_secret_free(anonymize->makers, anonymize->plan.step_count * sizeof *anonymize->makers);
    anonymize->makers = NULL;
}

const struct dv_operator dv_operator_anonymize = {
    .name = "anonymize",
    .summary = "Gives each field the transform that a policy names: drop, mask, pseudonym, generalize or redact.",
    .options = options,
    .size = sizeof(struct anonymize),
    .edits = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .close = close_node,
};
