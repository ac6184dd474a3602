/* SPDX-License-Identifier: Apache-2.0
 * infer_column.h - what is known of one field of the sample; private to infer*.c. */
#ifndef DV_PRIVACY_INFER_COLUMN_H
#define DV_PRIVACY_INFER_COLUMN_H

#include "privacy/infer.h"
#include "privacy/key_name.h"

enum { DV_INFER_HASHES = 512 };

/* The kinds of JSON values. */
enum dv_infer_kind {
    DV_KIND_NULL,
    DV_KIND_BOOL,
    DV_KIND_INT,
    DV_KIND_FLOAT,
    DV_KIND_BIG,
    DV_KIND_TEXT,
    DV_KIND_NESTED,
    DV_KIND_COUNT
};

/* Counts of one field's values. */
struct dv_infer_column {
    char name[DV_INFER_NAME_MAX + 1];
    uint32_t name_length;
    struct dv_key_hint hint;
    uint64_t kinds[DV_KIND_COUNT];
    uint64_t records;                      /* that have it; in lists there may be more values */
    uint64_t last_record;                  /* that had it, by its number */
    uint64_t hollow_objects, hollow_lists; /* values in which nothing was found that has a path */
    uint64_t flat;                         /* values under a key that is the whole path */
    double low, high;                      /* of the numbers */
    uint64_t words;                        /* in all texts */
    uint64_t characters;
    uint64_t codes;               /* texts that look made by a machine: long, without blanks, with digits */
    uint32_t examined;            /* texts that the finder saw */
    uint32_t dates;               /* of them: nothing but a date or a time */
    uint32_t parts;               /* with a finding inside */
    uint32_t whole[DV_PII_COUNT]; /* that are nothing but one */
    uint32_t hash_count;
    uint64_t hashes[DV_INFER_HASHES]; /* the smallest of the values, a heap with the greatest on top */
};

/* Adds a value's hash. */
void dv_infer_hash(struct dv_infer_column *column, uint64_t hash);

/* About how many different values there were. */
uint64_t dv_infer_distinct(const struct dv_infer_column *column);

/* Values that are not null. */
uint64_t dv_infer_present(const struct dv_infer_column *column);

/* Type, class and reasons; `subject` is left alone. */
void dv_infer_judge(const struct dv_infer_column *column, struct dv_inferred *ret_field);

/* How well the field would do as the key of the person a record is about; 0: not at all. */
uint32_t dv_infer_subject_rank(const struct dv_infer_column *column, uint64_t records);

#endif
