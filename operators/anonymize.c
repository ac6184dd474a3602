/* SPDX-License-Identifier: Apache-2.0
 * anonymize.c - gives each field of a record the transform that a policy names for it.
 *
 * The policy is resolved once into a list of columns and functions; a batch then goes through it column by column. The
 * results stand aside until all columns are done, so that a rejected record reaches the dead letters as it came.
 * Fields that the policy does not name, if their class has no rule either, stop the graph before it starts. */
#include <string.h>

#include "engine/crash.h"
#include "engine/memory.h"
#include "operators/anonymize_ask.h"
#include "operators/anonymize_plan.h"
#include "operators/keys.h"
#include "privacy/apply.h"
#include "privacy/labels.h"

struct anonymize {
    const char *policy;
    const char *key;
    const char *parts;
    struct dv_anonymize_plan plan;
    struct dv_anonymize_ask ask;
    struct dv_batch *held; /* while a model is asked about its texts */
    struct dv_applier *appliers; /* one for each step */
    struct dv_labels *labels[DV_COLUMNS_MAX]; /* of each step; steps of one domain share a table */
    struct dv_pseudonym *makers; /* DV_APPLY_MAKERS for each step, where something is keyed; in secret pages */
};

static const struct dv_option options[] = {
    { "policy", DV_NAME, offsetof(struct anonymize, policy), .flags = DV_REQUIRED,
      .help = "Policy: policies/<name>.yaml beside the graph file." },
    { "key", DV_SECRET, offsetof(struct anonymize, key),
      .help = "Key of the pseudonyms, for readers outside; none: the tenant's key in the keyring." },
    { "parts", DV_STR, offsetof(struct anonymize, parts), .initial = "parts",
      .help = "Folder of the models that `redact: { mode: thorough }` asks; tools/parts brings them." },
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
        if (!dv_rule_is_keyed(anonymize->plan.steps[i].rule))
            continue;
        struct dv_pseudonym *makers = &anonymize->makers[(size_t)i * DV_APPLY_MAKERS];
        dv_rc rc = dv_applier_key(&anonymize->appliers[i], makers, key, length, version);
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
        if (dv_rule_is_keyed(plan->steps[i].rule))
            return true;
    }
    return false;
}

static dv_rc open_appliers(struct dv_node *node)
{
    struct anonymize *anonymize = dv_state(node);
    const struct dv_anonymize_plan *plan = &anonymize->plan;
    anonymize->appliers = dv_memory_zeroed(plan->step_count + 1, sizeof *anonymize->appliers);
    dv_rc rc = anonymize->appliers != NULL ? DV_OK : DV_E_MEMORY;
    for (uint32_t i = 0; rc == DV_OK && i < plan->step_count; i++)
        rc = dv_applier_open(&anonymize->appliers[i], plan->steps[i].rule,
                             plan->steps[i].column, plan->steps[i].type);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "no memory for the transforms");
}

static bool counts_labels(const struct dv_rule *rule)
{
    return rule->surrogate.domain != NULL && rule->surrogate.style == DV_SURROGATE_LABEL;
}

static bool share_labels(const struct dv_anonymize_plan *plan, uint32_t a, uint32_t b)
{
    const struct dv_rule *first = plan->steps[a].rule;
    const struct dv_rule *second = plan->steps[b].rule;
    return counts_labels(first) && counts_labels(second) && strcmp(first->surrogate.domain, second->surrogate.domain) == 0;
}

/* A table for step `first` and all later ones of its domain: of their sizes and windows the smallest counts. */
static dv_rc open_table(struct dv_node *node, uint32_t first)
{
    struct anonymize *anonymize = dv_state(node);
    const struct dv_anonymize_plan *plan = &anonymize->plan;
    uint32_t size = DV_LABELS_MAX;
    int64_t window_ms = 0;
    for (uint32_t i = first; i < plan->step_count; i++) {
        const struct dv_surrogate_options *how = &plan->steps[i].rule->surrogate;
        if (!share_labels(plan, first, i))
            continue;
        size = how->size < size ? how->size : size;
        if (how->window_ms != 0 && (window_ms == 0 || how->window_ms < window_ms))
            window_ms = how->window_ms;
    }
    struct dv_labels *labels = dv_labels_new(size, window_ms);
    if (labels == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the labels");
    for (uint32_t i = first; i < plan->step_count; i++)
        if (share_labels(plan, first, i))
            anonymize->labels[i] = labels;
    return DV_OK;
}

static dv_rc open_labels(struct dv_node *node)
{
    const struct anonymize *anonymize = dv_state(node);
    for (uint32_t i = 0; i < anonymize->plan.step_count; i++)
        if (counts_labels(anonymize->plan.steps[i].rule) && anonymize->labels[i] == NULL)
            DV_TRY(open_table(node, i));
    return DV_OK;
}

static void close_labels(struct anonymize *anonymize)
{
    for (uint32_t i = 0; i < anonymize->plan.step_count; i++) {
        struct dv_labels *labels = anonymize->labels[i];
        for (uint32_t k = i; labels != NULL && k < anonymize->plan.step_count; k++)
            if (anonymize->labels[k] == labels)
                anonymize->labels[k] = NULL;
        dv_labels_free(labels);
    }
}

static size_t makers_bytes(const struct anonymize *anonymize)
{
    return (size_t)anonymize->plan.step_count * DV_APPLY_MAKERS * sizeof *anonymize->makers;
}

static dv_rc open_model(struct dv_node *node)
{
    struct anonymize *anonymize = dv_state(node);
    struct dv_error error = { 0 };
    dv_rc rc = dv_anonymize_ask_open(&anonymize->ask, &anonymize->plan, node, anonymize->parts, &error);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "%s", error.text);
}

static dv_rc open_node(struct dv_node *node)
{
    struct anonymize *anonymize = dv_state(node);
    DV_TRY(open_appliers(node));
    DV_TRY(open_model(node));
    DV_TRY(open_labels(node));
    if (!needs_key(&anonymize->plan))
        return DV_OK;
    anonymize->makers = dv_memory_secret(makers_bytes(anonymize));
    if (anonymize->makers == NULL)
        return dv_fail(node, DV_E_MEMORY, "no locked memory for keys; raise the limit (ulimit -l, LimitMEMLOCK=)");
    return key_all(node);
}

static void run_step(struct dv_node *node, struct dv_batch *batch, uint32_t index, struct dv_cell *out)
{
    struct anonymize *anonymize = dv_state(node);
    const struct dv_anonymize_plan *plan = &anonymize->plan;
    const struct dv_applier *applier = &anonymize->appliers[index];
    const struct dv_cell *in = dv_batch_cells(batch, plan->steps[index].from);
    const struct dv_cell *subjects = plan->subject >= 0 ? dv_batch_cells(batch, (uint32_t)plan->subject) : NULL;
    struct dv_apply_row around = { .arena = &batch->arena, .subject_type = plan->subject_type,
                                   .labels = anonymize->labels[index] };
    if (around.labels != NULL)
        around.now_ms = (int64_t)(dv_now_ns(dv_node_loop(node)) / 1000000);
    struct dv_found found;
    for (uint32_t row = 0; row < batch->rows; row++) {
        out[row].present = 0;
        if (!in[row].present || dv_batch_rejected(batch, row))
            continue;
        around.subject = subjects != NULL ? &subjects[row] : NULL;
        around.found = dv_anonymize_found(&anonymize->ask, plan, index, row, &found) ? &found : NULL;
        dv_rc rc = dv_apply(applier, &around, &in[row], &out[row]);
        if (dv_is_error(rc))
            dv_reject_row(node, batch, row, rc, applier->reason);
    }
}

static dv_rc run_steps(struct dv_node *node, struct dv_batch *batch)
{
    const struct anonymize *anonymize = dv_state(node);
    const struct dv_anonymize_plan *plan = &anonymize->plan;
    struct dv_cell *results[DV_COLUMNS_MAX] = { 0 };
    DV_CRASH_POINT("anonymize.before");
    for (uint32_t i = 0; i < plan->step_count; i++) {
        struct dv_cell *column = dv_batch_new_cells(batch);
        if (column == NULL)
            return dv_fail(node, DV_E_MEMORY, "no memory to anonymize a batch");
        run_step(node, batch, i, column);
        results[plan->steps[i].to] = column;
    }
    DV_CRASH_POINT("anonymize.after");
    return dv_batch_reshape_with(batch, plan->columns.schema, plan->columns.from, results);
}

static void on_answer(struct dv_thorough_question *question)
{
    struct dv_node *node = question->data;
    struct anonymize *anonymize = dv_state(node);
    struct dv_batch *batch = anonymize->held;
    anonymize->held = NULL;
    dv_rc rc = question->rc == DV_OK ? run_steps(node, batch) : dv_fail(node, question->rc, "%s", question->error.text);
    dv_finish(node, batch, rc);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct anonymize *anonymize = dv_state(node);
    if (!dv_anonymize_ask(&anonymize->ask, &anonymize->plan, anonymize->appliers, batch, on_answer, node))
        return run_steps(node, batch);
    anonymize->held = batch;
    return DV_HOLD;
}

static void close_node(struct dv_node *node)
{
    struct anonymize *anonymize = dv_state(node);
    dv_anonymize_ask_close(&anonymize->ask);
    for (uint32_t i = 0; anonymize->appliers != NULL && i < anonymize->plan.step_count; i++)
        dv_applier_close(&anonymize->appliers[i]);
    close_labels(anonymize);
    dv_memory_free(anonymize->appliers);
    anonymize->appliers = NULL;
    dv_memory_secret_free(anonymize->makers, makers_bytes(anonymize));
    anonymize->makers = NULL;
}

/* For the guards of exits: the detectors of the policy. */
static const void *sought(const struct dv_node *node)
{
    const struct anonymize *anonymize = dv_state(node);
    return anonymize->plan.custom;
}

const struct dv_operator dv_operator_anonymize = {
    .name = "anonymize",
    .summary = "Gives each field the transform that a policy names: drop, mask, pseudonym, generalize, redact, surrogate, shift, bucket or round.",
    .options = options,
    .size = sizeof(struct anonymize),
    .edits = true,
    .sought = sought,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .close = close_node,
};
