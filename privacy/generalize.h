/* SPDX-License-Identifier: Apache-2.0
 * generalize.h - coarser values by a hierarchy: diagnosis codes, numbers rounded, and tables that a user brings.
 *
 * | transform  | E11.9, 1234, Lyon become        | form of the label |
 * |------------|---------------------------------|-------------------|
 * | ICD-10     | E11, E08-E13, E00-E89           | generalized       |
 * | round      | 1200                            | generalized       |
 * | hierarchy  | what the file says for a level  | generalized       |
 *
 * As in transform.h, an error leaves the result empty and the caller rejects the record. */
#ifndef DV_PRIVACY_GENERALIZE_H
#define DV_PRIVACY_GENERALIZE_H

#include "privacy/transform.h"

struct dv_arena;
struct dv_hierarchy; /* read-only once made; lives in its arena */

enum dv_icd10_part { DV_ICD10_CATEGORY, DV_ICD10_BLOCK, DV_ICD10_CHAPTER };

/* A code ("E11.9", "e119") to "E11", "E08-E13" or "E00-E89". Errors: DV_E_DATA for what is no code or in no block,
 * DV_E_LIMIT. */
DV_CHECKED dv_rc dv_icd10(enum dv_icd10_part part, const char *value, size_t length, struct dv_buffer *out);

enum { DV_HIERARCHY_LEVELS_MAX = 16, DV_HIERARCHY_BYTES_MAX = 16 << 20, DV_HIERARCHY_VALUES_MAX = 1 << 20 };

/* Reads a table of lines `value;level 1;level 2;...`, as ARX writes them: UTF-8, LF or CRLF, fields quoted by '"' where
 * they hold ';' or quotes (doubled). All lines have the same number of levels, 1..DV_HIERARCHY_LEVELS_MAX. `text` is
 * changed and must live as long as the result. NULL if something is wrong: then *ret_line is the line from 1 on (0: the
 * arena is full) and *ret_why says what, a literal. */
const struct dv_hierarchy *dv_hierarchy_parse(char *text, size_t length, struct dv_arena *arena, uint32_t *ret_line,
                                              const char **ret_why);

/* How many levels there are above the values. */
uint32_t dv_hierarchy_levels(const struct dv_hierarchy *hierarchy);

/* The text of a level ≥ 1 for a value, or NULL: the value is not in the table. Not NUL-terminated. */
const char *dv_hierarchy_find(const struct dv_hierarchy *hierarchy, uint32_t level, const char *value, size_t length,
                              uint32_t *ret_length);

/* The multiple of `to` ≥ 1 nearest to the number; halves go away from zero. DV_E_DATA past ±2^53. */
DV_CHECKED dv_rc dv_round_int(int64_t to, int64_t number, int64_t *ret);
DV_CHECKED dv_rc dv_round_float(int64_t to, double number, double *ret);

#endif
