/* SPDX-License-Identifier: Apache-2.0
 * kanon_table.h - a table of records as ranks: what k-anonymity, diversity and risks are computed on.
 *
 * A column becomes one number a row: the rank of its value among the column's different values. Ranks compare as the values
 * do, count in arrays and say nothing about a value, so all that follows is the same for texts and numbers. */
#ifndef DV_PRIVACY_KANON_TABLE_H
#define DV_PRIVACY_KANON_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/schema.h"

struct dv_arena;
struct dv_cell;

enum { DV_KANON_QUASI_MAX = 16, DV_KANON_ROWS_MAX = 1 << 26 };

/* Row r has the value of rank codes[r]. A missing value is one of its own, and the lowest. */
struct dv_kanon_column {
    uint32_t *codes;    /* [rows] */
    uint32_t values;    /* different ones */
    uint32_t *example;  /* [values]: a row that has the value */
    double *at;         /* [values], ascending: the values of a number column; NULL: of another type */
    bool missing;       /* rank 0 stands for missing, and at[0] for nothing */
};

/* The rows of a table; the arrays are the caller's. */
struct dv_kanon_table {
    uint32_t rows;
    uint32_t quasi_count;
    struct dv_kanon_column quasi[DV_KANON_QUASI_MAX];
    const uint32_t *subjects; /* [rows]: who a row is about, below `rows`, or DV_KANON_NOBODY; NULL: each is another */
};

#define DV_KANON_NOBODY UINT32_MAX /* a row that belongs to nobody known, and so hides nobody */

/* Ranks `rows` cells of one type; texts, bytes and json by their bytes. O(n log n); everything comes from `arena`.
 * DV_E_MEMORY when that is full. */
DV_CHECKED dv_rc dv_kanon_encode(const struct dv_cell *cells, enum dv_type type, uint32_t rows, struct dv_arena *arena,
                                 struct dv_kanon_column *ret);

/* Ranks hashes, of subjects for instance: equal hashes are one. A hash of 0 is nobody. */
DV_CHECKED dv_rc dv_kanon_encode_hashes(const uint64_t *hashes, uint32_t rows, struct dv_arena *arena, uint32_t **ret);

/* Rows sorted by any key of 64 bits, equal ones by row: `keys` of row r is its r-th. NULL when the arena is full. */
uint32_t *dv_kanon_sort(const uint64_t *keys, uint32_t rows, struct dv_arena *arena);

#endif
