/* SPDX-License-Identifier: Apache-2.0
 * diversity.c - counting a class costs what it has of rows and values, not what the table has. */
#include "privacy/diversity.h"

#include <math.h>
#include <stdlib.h>

#include "engine/arena.h"
#include "privacy/kanon_table.h"

dv_rc dv_diversity_init(struct dv_diversity *diversity, const struct dv_kanon_column *column, uint32_t rows,
                        struct dv_arena *arena)
{
    uint32_t values = column->values;
    *diversity = (struct dv_diversity){ .column = column, .table_rows = rows, .is_ordered = column->at != NULL };
    diversity->counts = dv_arena_zeroed(arena, values + 1, sizeof *diversity->counts);
    diversity->present = dv_arena_zeroed(arena, values + 1, sizeof *diversity->present);
    diversity->below = dv_arena_zeroed(arena, values + 1, sizeof *diversity->below);
    diversity->below_sum = dv_arena_zeroed(arena, values + 1, sizeof *diversity->below_sum);
    if (diversity->counts == NULL || diversity->present == NULL || diversity->below == NULL ||
        diversity->below_sum == NULL)
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < rows; row++)
        diversity->below[column->codes[row] + 1]++;
    for (uint32_t i = 1; i <= values; i++) {
        diversity->below[i] += diversity->below[i - 1];
        diversity->below_sum[i] = diversity->below_sum[i - 1] + diversity->below[i];
    }
    return DV_OK;
}

void dv_diversity_load(struct dv_diversity *diversity, const uint32_t *rows, uint32_t count)
{
    for (uint32_t i = 0; i < diversity->present_count; i++)
        diversity->counts[diversity->present[i]] = 0;
    diversity->present_count = 0;
    diversity->class_rows = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = diversity->column->codes[rows[i]];
        if (diversity->counts[value]++ == 0)
            diversity->present[diversity->present_count++] = value;
    }
}

uint32_t dv_diversity_distinct(const struct dv_diversity *diversity)
{
    return diversity->present_count;
}

double dv_diversity_entropy(const struct dv_diversity *diversity)
{
    double entropy = 0;
    for (uint32_t i = 0; i < diversity->present_count; i++) {
        double share = (double)diversity->counts[diversity->present[i]] / diversity->class_rows;
        entropy -= share * log(share);
    }
    return exp(entropy);
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The counts take the place of the values for a moment. */
double dv_diversity_recursive(struct dv_diversity *diversity, uint32_t l)
{
    uint32_t count = diversity->present_count;
    uint32_t *present = diversity->present;
    DV_ASSERT(l > 0);
    if (count < l || count == 0)
        return (double)INFINITY;
    uint64_t tail = 0;
    uint32_t most = 0;
    /* r_l + ... + r_m are the rarest m - l + 1; partial sorting would not pay for so few. */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = present[i];
        present[i] = diversity->counts[value];
        diversity->counts[value] = 0;
        most = present[i] > most ? present[i] : most;
    }
    qsort(present, count, sizeof *present, compare);
    for (uint32_t i = 0; i <= count - l; i++)
        tail += present[i];
    diversity->present_count = 0; /* what was loaded is used up */
    return (double)most / (double)tail;
}

/* Half the sum of |q - p| is the sum of what q has more; values the class has not add nothing to that. */
static double equal_distance(const struct dv_diversity *diversity)
{
    double distance = 0;
    for (uint32_t i = 0; i < diversity->present_count; i++) {
        uint32_t value = diversity->present[i];
        double share = (double)diversity->counts[value] / diversity->class_rows;
        double table = (diversity->below[value + 1] - diversity->below[value]) / diversity->table_rows;
        distance += share > table ? share - table : 0;
    }
    return distance;
}

/* The first of from..to-1 at which the table has more than `rows` below its end; else `to`. */
static uint32_t crossing(const struct dv_diversity *diversity, uint32_t from, uint32_t to, double rows)
{
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (diversity->below[middle + 1] > rows)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

/* The sum over the values from..to-1 of |Q - P|, where the class's cumulative share Q does not change. */
static double stretch(const struct dv_diversity *diversity, uint32_t from, uint32_t to, double share)
{
    double rows = share * diversity->table_rows;
    uint32_t turn = crossing(diversity, from, to, rows);
    double under = rows * (turn - from) - (diversity->below_sum[turn] - diversity->below_sum[from]);
    double over = diversity->below_sum[to] - diversity->below_sum[turn] - rows * (to - turn);
    return (under + over) / diversity->table_rows;
}

static double ordered_distance(struct dv_diversity *diversity)
{
    uint32_t values = diversity->column->values;
    double distance = 0;
    uint64_t seen = 0;
    uint32_t at = 0;
    if (values < 2)
        return 0;
    qsort(diversity->present, diversity->present_count, sizeof *diversity->present, compare);
    for (uint32_t i = 0; i < diversity->present_count; i++) {
        uint32_t value = diversity->present[i];
        distance += stretch(diversity, at, value, (double)seen / diversity->class_rows);
        seen += diversity->counts[value];
        at = value;
    }
    distance += stretch(diversity, at, values, 1);
    return distance / (values - 1);
}

double dv_diversity_distance(struct dv_diversity *diversity)
{
    if (diversity->class_rows == 0)
        return 0;
    return diversity->is_ordered ? ordered_distance(diversity) : equal_distance(diversity);
}
