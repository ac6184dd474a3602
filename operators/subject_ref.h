/* SPDX-License-Identifier: Apache-2.0
 * subject_ref.h - by which reference a sealed record names the person it is about, and all references that a plain name may have.
 *
 * A reference is the HMAC of the value of the schema's subject, under the tenant's key for it. A policy may have changed that value
 * before it was sealed, under a key of its own; and either key may have been replaced since: then one person has several. */
#ifndef DV_OPERATORS_SUBJECT_REF_H
#define DV_OPERATORS_SUBJECT_REF_H

#include "privacy/apply.h"
#include "vault/hmac.h"

struct dv_anonymize_plan;
struct dv_anonymize_step;
struct dv_keyring;

enum {
    DV_SUBJECT_REF_BYTES = 16,
    DV_SUBJECT_VERSIONS_MAX = 16, /* of a key that are looked at, the newest first */
    DV_SUBJECT_REFS_MAX = DV_SUBJECT_VERSIONS_MAX * DV_SUBJECT_VERSIONS_MAX,
    DV_SUBJECT_NAME_MAX = 4096,
};

/* The reference to whoever a present cell names. */
void dv_subject_ref(const struct dv_hmac *key, enum dv_type type, const struct dv_cell *cell, uint8_t ret[DV_SUBJECT_REF_BYTES]);

struct dv_subject_keys;

/* What turns plain names into references. */
struct dv_subject_namer {
    const struct dv_anonymize_step *step; /* of the policy, on the subject; NULL: it is sealed as it came */
    enum dv_type type;                    /* of the plain value */
    uint32_t makers, references;          /* versions of each key */
    struct dv_applier appliers[DV_SUBJECT_VERSIONS_MAX];
    struct dv_subject_keys *keys; /* in secret pages */
    struct dv_arena arena;
};

/* Where to look: what was sealed, and by which policy. */
struct dv_subject_place {
    const struct dv_schema *sealed;
    const struct dv_anonymize_plan *plan; /* NULL: none */
    struct dv_keyring *keyring;
    const char *tenant;
    const char *key; /* a secret's reference to the policy's own key; NULL: the tenant's */
};

/* DV_E_CONFIG: the records name nobody, or by what no plain name leads to; DV_E_KEY: the keyring never had the key. Close it with
 * dv_subject_namer_close(), which accepts a zeroed one. */
DV_CHECKED dv_rc dv_subject_namer_open(struct dv_subject_namer *namer, const struct dv_subject_place *place, struct dv_error *error);
void dv_subject_namer_close(struct dv_subject_namer *namer);

/* The references of a plain name, each another; *ret_count: how many. DV_E_DATA: it is no value of the subject's type; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_subject_names(struct dv_subject_namer *namer, const char *name, size_t length,
                                  uint8_t refs[DV_SUBJECT_REFS_MAX][DV_SUBJECT_REF_BYTES], uint32_t *ret_count);

#endif
