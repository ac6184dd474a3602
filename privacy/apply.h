/* SPDX-License-Identifier: Apache-2.0
 * apply.h - a rule at work on the values of one column. */
#ifndef DV_PRIVACY_APPLY_H
#define DV_PRIVACY_APPLY_H

#include "engine/batch.h"
#include "privacy/finder.h"
#include "privacy/policy.h"

/* Makers that a keyed rule needs: its own, and one that moves dates. */
enum { DV_APPLY_OWN, DV_APPLY_SHIFT, DV_APPLY_MAKERS };

/* A rule made ready for a column; zero-initialise it. Serves one thread. Other members are private. */
struct dv_applier {
    const struct dv_rule *rule;
    enum dv_type type;
    const char *reason; /* why a record cannot be done, a literal; for the caller */
    struct dv_finder finder;
    const struct dv_pseudonym *makers; /* DV_APPLY_MAKERS of them, or NULL */
    enum dv_pii pii;                   /* of a column that gets surrogates */
};

struct dv_found;

/* What is around a value. */
struct dv_apply_row {
    struct dv_arena *arena;        /* results live there */
    const struct dv_cell *subject; /* whose record it is; NULL or not present: unknown */
    enum dv_type subject_type;
    const struct dv_found *found; /* what is in a text that is redacted, if the caller has looked already; or NULL */
    struct dv_labels *labels;     /* of the rule's domain; for labels only */
    int64_t now_ms;
};

/* Findings of one text, sorted and apart. */
struct dv_found {
    const struct dv_span *spans;
    size_t count; /* at most DV_REDACT_SPANS_MAX */
};

/* Readies a rule for a column of a type that fits it. DV_E_MEMORY. Close it with dv_applier_close(). */
DV_CHECKED dv_rc dv_applier_open(struct dv_applier *applier, const struct dv_rule *rule, const char *column,
                                 enum dv_type type);

/* Keys a rule that is keyed. `makers` are DV_APPLY_MAKERS in the caller's secret memory and stay as long as the applier.
 * Errors: as dv_pseudonym_init(). */
DV_CHECKED dv_rc dv_applier_key(struct dv_applier *applier, struct dv_pseudonym *makers, const unsigned char *key,
                                size_t key_length, uint32_t version);

/* Gives back what dv_applier_open() took; accepts a zeroed one. */
void dv_applier_close(struct dv_applier *applier);

/* The new value of a present cell into *ret. An error means that there is none, and that the record must go no further:
 * *ret is not present then. */
DV_CHECKED dv_rc dv_apply(const struct dv_applier *applier, const struct dv_apply_row *row, const struct dv_cell *in,
                          struct dv_cell *ret);

#endif
