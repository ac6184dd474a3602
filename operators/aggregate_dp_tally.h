/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp_tally.h - what the records of a window come to, exactly, with a bound on what one person can change.
 *
 * A person is a value of the schema's subject column. Of each at most `records_max` records count in a window, in at most
 * `groups_of_one` groups, the first that come. Which records of a person count depends on his own records only, so adding
 * a person adds at most that, and takes nothing away (Wilson et al. 2020, "Differentially Private SQL with Bounded User
 * Contribution"). A record without a subject never counts: many of them would share one person's bound, and one more
 * could push another's record out.
 *
 * The table of subjects has `subjects_max` places, and a person who finds none counts nothing. This is where one person can
 * push out another: who comes one earlier takes the place that the last one would have had. At most one person loses a
 * place by one that is added, so two persons' records change, not one's; whoever answers from a tally that may be `full`
 * makes its noise twice as wide, or shows first, privately, that the table was not full (aggregate_dp_answer.c).
 *
 * Groups that are not listed are found in the data. There are never more than subjects × groups of one, which is the size
 * of their table: no group is ever pushed out by another. (One that was would take all of its records with it, which no
 * noise for one person's records hides.)
 *
 * Subjects are told apart by 128 bits of two hashes with secret seeds: two of 2^20 persons share a place with a probability
 * below 2^-88, and would then share one bound. */
#ifndef DV_OPERATORS_AGGREGATE_DP_TALLY_H
#define DV_OPERATORS_AGGREGATE_DP_TALLY_H

#include "engine/batch.h"
#include "privacy/dp.h"

enum {
    DV_TALLY_BY_MAX = 2,
    DV_TALLY_NUMBERS_MAX = 8,
    DV_TALLY_NAME_MAX = 256,
    DV_TALLY_GROUPS_OF_ONE = 8,
    DV_TALLY_RECORDS_OF_ONE = 1000,
    DV_TALLY_SUBJECTS_MAX = 1 << 20,
    DV_TALLY_EDGES_MAX = 31,
    DV_TALLY_RANKS = 256, /* bins of a column whose quantiles are asked for */
    DV_TALLY_BYTES_MAX = 512 * 1024 * 1024,
};

/* A number column: clamped to its bounds and counted in steps. */
struct dv_tally_number {
    uint32_t column;
    struct dv_dp_range range;
};

/* What is counted; fixed for the life of the graph. Columns are indices into the input's schema. */
struct dv_tally_plan {
    const struct dv_schema *schema;
    uint32_t by[DV_TALLY_BY_MAX];
    uint32_t by_count;
    int32_t subject; /* or -1: each record is a person of its own */
    uint32_t records_max, groups_of_one, subjects_max;
    bool is_open; /* groups are found in the data; else they are listed */
    uint32_t groups_max;
    struct dv_tally_number sums[DV_TALLY_NUMBERS_MAX], means[DV_TALLY_NUMBERS_MAX];
    uint32_t sum_count, mean_count;
    int32_t histogram; /* a column, or -1 */
    double edges[DV_TALLY_EDGES_MAX]; /* ascending; bin i is below edge i, the last one is not below any */
    uint32_t edge_count;
    int32_t quantile; /* a column, or -1 */
    double low, high; /* its bounds */
    uint32_t rank_count;
    uint32_t at_sums, at_means, at_bins, at_ranks, width; /* counters of a group: where each kind begins, and all */
};

enum { DV_TALLY_RECORDS, DV_TALLY_SUBJECTS, DV_TALLY_FIRST }; /* the first counters of a group */

/* One group. Sums are one counter each, means two: steps and how many. */
struct dv_tally_group {
    struct dv_cell by[DV_TALLY_BY_MAX];
    uint64_t hash;
    int64_t *counters; /* `width` */
};

/* A window. Zero it and call dv_tally_init(). */
struct dv_tally {
    const struct dv_tally_plan *plan;
    struct dv_arena arena; /* of groups that were found */
    struct dv_tally_group **groups;
    uint32_t group_count;
    uint32_t *slots; /* hash table of indices into groups, plus 1 */
    uint32_t slot_mask;
    struct dv_tally_subject *subjects; /* NULL: there is no table */
    uint32_t *of_subjects;             /* groups_of_one of each: indices into groups, plus 1 */
    uint32_t *subject_slots;
    uint32_t subject_mask, subject_count;
    uint64_t seeds[3];
    bool full;         /* a person found no place */
    uint64_t left_out; /* records that do not count, since the reset */
};

/* Where each kind of counter begins, from the rest of the plan. */
void dv_tally_lay_out(struct dv_tally_plan *plan);

/* Whether people are told apart in a table, which may be full. */
bool dv_tally_has_table(const struct dv_tally_plan *plan);

/* The most memory that a tally takes. */
size_t dv_tally_bytes(const struct dv_tally_plan *plan);

/* Takes its tables from `arena`; `seeds` are secret random numbers. `plan` stays the caller's. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_tally_init(struct dv_tally *tally, const struct dv_tally_plan *plan, struct dv_arena *arena,
                               const uint64_t seeds[3]);

/* Adds a listed group, before the first record; its texts stay the caller's. False: it is there, or there is no room. */
bool dv_tally_list(struct dv_tally *tally, const struct dv_cell by[DV_TALLY_BY_MAX], struct dv_arena *arena);

/* Counts every row of a batch that has the plan's schema. DV_E_MEMORY: the machine has none. */
DV_CHECKED dv_rc dv_tally_add(struct dv_tally *tally, const struct dv_batch *batch);

/* Back to zero; `keep_subjects`: what each person has used up stays. */
void dv_tally_reset(struct dv_tally *tally, bool keep_subjects);

/* Wipes everything and gives it back. */
void dv_tally_free(struct dv_tally *tally);

#endif
