/* SPDX-License-Identifier: Apache-2.0
 * diversity.h - how much a class of records tells about a sensitive value: l-diversity and t-closeness.
 *
 * Machanavajjhala, Gehrke, Kifer, Venkitasubramaniam, "l-Diversity: Privacy Beyond k-Anonymity", 2006: distinct values;
 * exp of the entropy; recursive (c,l), r1 < c (r_l + ... + r_m) with r1 the most frequent. Li, Li, Venkatasubramanian,
 * "t-Closeness", 2007: the earth mover's distance between the class and the table, with the equal distance for categories
 * and the ordered one for numbers. A missing value counts as a value. Records are counted, not subjects. */
#ifndef DV_PRIVACY_DIVERSITY_H
#define DV_PRIVACY_DIVERSITY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_arena;
struct dv_kanon_column;

/* Which l is meant. */
enum dv_diversity_kind { DV_DIVERSITY_DISTINCT, DV_DIVERSITY_ENTROPY, DV_DIVERSITY_RECURSIVE };

/* The counts of one class at a time. Made by dv_diversity_init(). */
struct dv_diversity {
    const struct dv_kanon_column *column;
    uint32_t *counts;  /* [values]: zero but for the values of the class that is loaded */
    uint32_t *present; /* the values of that class, ascending once they are needed so */
    uint32_t present_count;
    uint32_t class_rows, table_rows;
    double *below;     /* [values + 1]: rows of the table whose value is lower than the i-th */
    double *below_sum; /* [values + 1]: the sum of below[1 .. i] */
    bool is_ordered;   /* numbers: a value is as far from another as there are values between */
};

/* Counts the whole table of `rows`; memory from `arena`: DV_E_MEMORY when it is full. */
DV_CHECKED dv_rc dv_diversity_init(struct dv_diversity *diversity, const struct dv_kanon_column *column, uint32_t rows,
                                   struct dv_arena *arena);

/* Loads the class of these rows, in place of the one before. */
void dv_diversity_load(struct dv_diversity *diversity, const uint32_t *rows, uint32_t count);

/* Of the class that is loaded: different values; exp of the entropy of their shares. */
uint32_t dv_diversity_distinct(const struct dv_diversity *diversity);
double dv_diversity_entropy(const struct dv_diversity *diversity);

/* r1 / (r_l + ... + r_m): the class is recursive (c,l)-diverse for every c above it. Infinite: it has fewer than l values.
 * What was loaded is used up: ask for it last. */
double dv_diversity_recursive(struct dv_diversity *diversity, uint32_t l);

/* The distance of the class from the table, 0..1. */
double dv_diversity_distance(struct dv_diversity *diversity);

#endif
