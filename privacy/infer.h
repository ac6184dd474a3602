/* SPDX-License-Identifier: Apache-2.0
 * infer.h - drafts a schema from sample records: types, classes, subject key, and why.
 *
 * Each field is judged by its name (key_name.h) and by a vote of its values: what the finder sees in some of them, how many
 * are different, how they look. Every doubt ends with the stricter class, and what nobody knows is direct-id. Memory does
 * not grow with the sample: a fixed number of columns, and for each the smallest hashes of its values, from which the
 * number of different ones is estimated (Bar-Yossef et al., "Counting distinct elements in a data stream", 2002).
 *
 * Objects and lists of objects are gone into, and what lies there is named by its path (engine/schema_path.h). A list of
 * anything else, an object with too many keys, and what is not always an object are one field of type json. */
#ifndef DV_PRIVACY_INFER_H
#define DV_PRIVACY_INFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/label.h"
#include "engine/schema.h"

enum { DV_INFER_FIELDS_MAX = DV_COLUMNS_MAX - 1, DV_INFER_NAME_MAX = 128 };

/* A field as it would stand in a schema file. */
struct dv_inferred {
    const char *name; /* NUL-terminated, a name or path that a schema may have; the inference's */
    enum dv_type type;
    enum dv_class class;
    bool is_subject;
    const char *reason;         /* of the class, a literal; holds no value */
    const char *type_reason;    /* of the type; NULL when it needs none */
    uint64_t present, distinct; /* records that have it, and (about) how many values are different */
    bool ranged;                /* the numbers lie between these, which were rounded outwards: no value is told */
    double low, high;
};

/* What was left out: these fall into `_extra`, which fails closed. */
struct dv_infer_left {
    uint64_t odd_names; /* values under keys that no schema can name, or not beside the others */
    uint64_t too_many;  /* values of fields past DV_INFER_FIELDS_MAX */
};

struct dv_infer;

/* Makes an empty inference, NULL when memory is short. */
struct dv_infer *dv_infer_new(void);
void dv_infer_free(struct dv_infer *infer);

/* Looks at one record, a JSON object that was checked; whatever the bytes are, none outside is read. */
void dv_infer_record(struct dv_infer *infer, const char *object, size_t length);

/* Judges field `index`, in the order of their first appearance; false: there are no more. */
bool dv_infer_field(const struct dv_infer *infer, uint32_t index, struct dv_inferred *ret_field);

/* How many records were looked at, and what was left out. */
uint64_t dv_infer_records(const struct dv_infer *infer);
struct dv_infer_left dv_infer_left_out(const struct dv_infer *infer);

#endif
