/* SPDX-License-Identifier: Apache-2.0
 * risk.c - classes of equal rows, and the figures about them. */
#include "privacy/risk.h"

#include <math.h>

#include "engine/arena.h"
#include "privacy/diversity.h"
#include "privacy/kanon_table.h"

/* Numbers the different pairs of what a row was so far and its next code, in ascending order. */
static dv_rc refine(const struct dv_kanon_column *quasi, uint32_t *classes, uint64_t *keys, uint32_t rows,
                    struct dv_arena *arena)
{
    for (uint32_t row = 0; row < rows; row++)
        keys[row] = (uint64_t)classes[row] << 32 | quasi->codes[row];
    const uint32_t *sorted = dv_kanon_sort(keys, rows, arena);
    if (sorted == NULL)
        return DV_E_MEMORY;
    uint32_t next = 0;
    for (uint32_t i = 0; i < rows; i++) {
        next += i > 0 && keys[sorted[i]] != keys[sorted[i - 1]];
        classes[sorted[i]] = next;
    }
    return DV_OK;
}

static uint32_t count_subjects(const uint32_t *subjects, const uint32_t *rows, uint32_t count, uint32_t *stamps,
                               uint32_t stamp)
{
    uint32_t found = 0;
    if (subjects == NULL)
        return count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t subject = subjects[rows[i]];
        if (subject == DV_KANON_NOBODY || stamps[subject] == stamp)
            continue;
        stamps[subject] = stamp;
        found++;
    }
    return found;
}

/* From the number of each row's class to rows by class. */
static dv_rc list(const struct dv_kanon_table *table, const uint32_t *numbers, struct dv_arena *arena,
                  struct dv_risk_classes *ret)
{
    uint32_t rows = table->rows;
    uint32_t *stamps = dv_arena_zeroed(arena, rows + 1, sizeof *stamps);
    for (uint32_t row = 0; row < rows; row++)
        ret->count = numbers[row] >= ret->count ? numbers[row] + 1 : ret->count;
    ret->rows = dv_arena_zeroed(arena, rows + 1, sizeof *ret->rows);
    ret->from = dv_arena_zeroed(arena, ret->count + 2, sizeof *ret->from);
    ret->size = dv_arena_zeroed(arena, ret->count + 1, sizeof *ret->size);
    if (stamps == NULL || ret->rows == NULL || ret->from == NULL || ret->size == NULL)
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < rows; row++)
        ret->from[numbers[row] + 2]++;
    for (uint32_t i = 2; i <= ret->count; i++)
        ret->from[i] += ret->from[i - 1];
    for (uint32_t row = 0; row < rows; row++)
        ret->rows[ret->from[numbers[row] + 1]++] = row;
    for (uint32_t i = 0; i < ret->count; i++)
        ret->size[i] = count_subjects(table->subjects, &ret->rows[ret->from[i]], ret->from[i + 1] - ret->from[i], stamps,
                                      i + 1);
    return DV_OK;
}

dv_rc dv_risk_group(const struct dv_kanon_table *table, struct dv_arena *arena, struct dv_risk_classes *ret)
{
    uint32_t *numbers = dv_arena_zeroed(arena, table->rows + 1, sizeof *numbers);
    uint64_t *keys = dv_arena_alloc(arena, (table->rows + 1) * sizeof *keys);
    *ret = (struct dv_risk_classes){ 0 };
    if (numbers == NULL || keys == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < table->quasi_count; i++)
        DV_TRY(refine(&table->quasi[i], numbers, keys, table->rows, arena));
    return list(table, numbers, arena, ret);
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

struct dv_risk dv_risk_of(uint64_t subjects, uint64_t classes, uint64_t k, uint64_t unique, double squares,
                          uint64_t population)
{
    struct dv_risk risk = { .subjects = subjects, .classes = classes, .k = k, .unique = unique };
    double sampled = population > subjects ? (double)subjects / (double)population : 1;
    risk.uniqueness = ratio((double)unique, (double)subjects);
    risk.prosecutor = ratio(1, (double)k);
    risk.prosecutor_average = ratio((double)classes, (double)subjects);
    risk.journalist = risk.prosecutor * sampled;
    risk.marketer = risk.prosecutor_average * sampled;
    risk.average_class = ratio((double)subjects, (double)classes);
    risk.discernibility = squares;
    return risk;
}

struct dv_risk dv_risk_measure(const struct dv_kanon_table *table, const struct dv_risk_classes *classes,
                               uint64_t population)
{
    uint64_t subjects = 0, count = 0, k = UINT64_MAX, largest = 0, unique = 0;
    double squares = 0;
    for (uint32_t i = 0; i < classes->count; i++) {
        uint64_t size = classes->size[i];
        if (size == 0)
            continue; /* rows that are about nobody known */
        count++;
        subjects += size;
        squares += (double)size * (double)size;
        k = size < k ? size : k;
        largest = size > largest ? size : largest;
        unique += size == 1;
    }
    struct dv_risk risk = dv_risk_of(subjects, count, count > 0 ? k : 0, unique, squares, population);
    risk.records = table->rows;
    risk.largest = largest;
    return risk;
}

static void add_class(struct dv_diversity *diversity, struct dv_risk_sensitive *ret)
{
    uint32_t l = dv_diversity_distinct(diversity);
    ret->l = l < ret->l ? l : ret->l;
    ret->entropy = fmin(ret->entropy, dv_diversity_entropy(diversity));
    ret->t = fmax(ret->t, dv_diversity_distance(diversity));
}

dv_rc dv_risk_spread(const struct dv_risk_classes *classes, const struct dv_kanon_column *sensitive, uint32_t rows,
                     struct dv_arena *arena, struct dv_risk_sensitive *ret)
{
    struct dv_diversity diversity;
    DV_TRY(dv_diversity_init(&diversity, sensitive, rows, arena));
    *ret = (struct dv_risk_sensitive){ .l = UINT32_MAX, .entropy = (double)INFINITY };
    for (uint32_t i = 0; i < classes->count; i++) {
        dv_diversity_load(&diversity, &classes->rows[classes->from[i]], classes->from[i + 1] - classes->from[i]);
        add_class(&diversity, ret);
    }
    if (classes->count == 0)
        *ret = (struct dv_risk_sensitive){ 0 };
    for (uint32_t i = 0; i < classes->count; i++) {
        dv_diversity_load(&diversity, &classes->rows[classes->from[i]], classes->from[i + 1] - classes->from[i]);
        ret->c = fmax(ret->c, dv_diversity_recursive(&diversity, ret->l));
    }
    return DV_OK;
}
