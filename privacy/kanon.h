/* SPDX-License-Identifier: Apache-2.0
 * kanon.h - k-anonymous classes of a table's rows: Mondrian.
 *
 * LeFevre, DeWitt, Ramakrishnan, "Mondrian Multidimensional K-Anonymity", 2006. All rows are one class at first. A class is
 * cut at the median of the quasi-identifier that spreads widest in it, compared with the whole table, if both halves keep
 * what the rules ask for; else at that of the next one; a class that cannot be cut is final. Numbers spread by their values,
 * everything else by how many values lie between. Strict: equal values stay together. Relaxed: they may part, so that classes
 * are smaller and may overlap.
 *
 * A class has k different subjects, not k rows. Rows are kept sorted by every quasi-identifier at once and parted stably, so
 * a cut needs no sorting: q quasi-identifiers and n rows take O(q n log n) and q + 6 numbers a row. */
#ifndef DV_PRIVACY_KANON_H
#define DV_PRIVACY_KANON_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "privacy/diversity.h"

struct dv_arena;
struct dv_kanon_column;
struct dv_kanon_table;

/* What every class must keep. */
struct dv_kanon_rules {
    uint32_t k; /* different subjects, at least 1 */
    bool is_relaxed;
    /* Rows that may be left out so that others stay precise: few who stretch a class to more than twice its width. */
    uint32_t outliers_max;
    const struct dv_kanon_column *sensitive; /* NULL: k alone */
    enum dv_diversity_kind diversity;
    double l; /* 0: none */
    double c; /* of the recursive kind */
    double t; /* 1 or more: none */
};

/* The classes: class i is rows[from[i]] .. rows[from[i + 1] - 1]. What had to be left out stands behind the last, from
 * rows[from[count]] on. Rows within a class are sorted by the first quasi-identifier: shuffle them before they are shown. */
struct dv_kanon_classes {
    uint32_t *rows; /* [row_count] */
    uint32_t *from; /* [count + 1] */
    uint32_t count;
    uint32_t suppressed; /* rows */
};

/* Parts the table. The result and what is needed meanwhile come from `arena`: DV_E_MEMORY when it is full. A table that does
 * not keep the rules as a whole has no class. At least one quasi-identifier. */
DV_CHECKED dv_rc dv_kanon_partition(const struct dv_kanon_table *table, const struct dv_kanon_rules *rules,
                                    struct dv_arena *arena, struct dv_kanon_classes *ret);

#endif
