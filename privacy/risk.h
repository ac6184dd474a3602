/* SPDX-License-Identifier: Apache-2.0
 * risk.h - how easily a person is found again in a table, as it is: k, uniqueness, the three risks, l and t.
 *
 * Records with the same values of all quasi-identifiers are a class j; f_j is how many different subjects are in it. The
 * risks are those of El Emam ("Guide to the De-Identification of Personal Health Information", 2013), as ARX shows them:
 *
 *   prosecutor  somebody known to be in the table is looked for: 1/f_j; the highest is 1/k, the average J/n
 *   journalist  anybody is looked for, who need not be in the table: 1/F_j, F_j of the population; the highest is shown
 *   marketer    all are looked for: the expected share that is found, (1/n) Σ f_j / F_j
 *
 * A population larger than the table is taken to be spread as the table is: F_j = f_j N / n. Without one, N = n. */
#ifndef DV_PRIVACY_RISK_H
#define DV_PRIVACY_RISK_H

#include <stdint.h>

#include "engine/error.h"

struct dv_arena;
struct dv_kanon_column;
struct dv_kanon_table;

/* The classes of a table as it is. Class i is rows[from[i]] .. rows[from[i + 1] - 1] and has size[i] subjects. */
struct dv_risk_classes {
    uint32_t *rows;
    uint32_t *from; /* [count + 1] */
    uint32_t *size; /* [count] */
    uint32_t count;
};

struct dv_risk {
    uint64_t records;
    uint64_t subjects; /* different ones in each class, summed over the classes: n of the formulas */
    uint64_t classes;
    uint64_t k;        /* subjects of the smallest class; 0 if there is none */
    uint64_t largest;
    uint64_t unique;   /* subjects alone in their class */
    double uniqueness; /* their share */
    double prosecutor, prosecutor_average, journalist, marketer; /* 0..1 */
    double average_class;  /* subjects of a class on average */
    double discernibility; /* the sum of squares of f_j */
};

/* What the classes tell about a sensitive column; the worst class of each. */
struct dv_risk_sensitive {
    uint32_t l;      /* fewest different values */
    double entropy;  /* smallest exp of the entropy */
    double c;        /* largest r1 / (r_l + ... + r_m) for the l above; infinite where a class has fewer */
    double t;        /* largest distance from the table */
};

/* Groups the table's rows. O(q n log n); memory from `arena`: DV_E_MEMORY when it is full. */
DV_CHECKED dv_rc dv_risk_group(const struct dv_kanon_table *table, struct dv_arena *arena, struct dv_risk_classes *ret);

/* The figures of these classes; `population` as above, 0: the table. */
struct dv_risk dv_risk_measure(const struct dv_kanon_table *table, const struct dv_risk_classes *classes,
                               uint64_t population);

/* The figures of the counts alone: `k` is the smallest class, `squares` the sum of the squares of all. */
struct dv_risk dv_risk_of(uint64_t subjects, uint64_t classes, uint64_t k, uint64_t unique, double squares,
                          uint64_t population);

/* How the classes are spread over a sensitive column. DV_E_MEMORY when the arena is full. */
DV_CHECKED dv_rc dv_risk_spread(const struct dv_risk_classes *classes, const struct dv_kanon_column *sensitive,
                                uint32_t rows, struct dv_arena *arena, struct dv_risk_sensitive *ret);

#endif
