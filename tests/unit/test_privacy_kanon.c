/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_kanon.c - every class keeps what was asked, nothing is lost, and no class could be cut further; all counted
 * again the slow way, over random tables.
 * shows: PRV-4 PRV-5 PRV-8 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/arena.h"
#include "engine/batch.h"
#include "engine/random.h"
#include "privacy/kanon.h"
#include "privacy/kanon_table.h"
#include "privacy/risk.h"

enum { ROWS = 400, QUASI = 3, TABLES = 400 };

/* A random table: two numbers and a text, people with several rows, a sensitive text or number. */
struct table {
    struct dv_arena arena;
    uint32_t rows;
    struct dv_cell cells[QUASI + 1][ROWS];
    enum dv_type types[QUASI + 1];
    uint64_t people[ROWS];
    struct dv_kanon_table ranks;
    struct dv_kanon_column sensitive;
};

static struct table table;
static struct dv_random chance;

static int setup(void **state)
{
    const char *seed = getenv("DATAVAULT_SEED");
    uint64_t number = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)(uintptr_t)state ^ (uint64_t)time(NULL);
    print_message("DATAVAULT_SEED=%llu\n", (unsigned long long)number);
    dv_random_seed(&chance, number);
    dv_arena_init(&table.arena, 1 << 26);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dv_arena_free(&table.arena);
    return 0;
}

static struct dv_cell random_cell(enum dv_type type, unsigned spread)
{
    static const char *const words[] = { "", "a", "ab", "abcdefgh", "abcdefghi", "abcdefghz", "b", "\xff" };
    struct dv_cell cell = { .present = dv_random_chance(&chance, 95) };
    uint64_t drawn = dv_random_below(&chance, spread);
    if (type == DV_TYPE_INT)
        cell.integer = (int64_t)drawn - 3;
    else if (type == DV_TYPE_FLOAT)
        cell.number = ldexp((double)drawn, -2) * (dv_random_chance(&chance, 3) ? 1000 : 1);
    else
        cell.text = words[drawn % 8], cell.length = (uint32_t)strlen(words[drawn % 8]);
    return cell;
}

static void make_table(void)
{
    static const enum dv_type types[] = { DV_TYPE_INT, DV_TYPE_FLOAT, DV_TYPE_TEXT };
    unsigned spread = 2 + (unsigned)dv_random_below(&chance, 40);
    bool has_people = dv_random_chance(&chance, 50);
    uint32_t *subjects = NULL;
    dv_arena_reset(&table.arena);
    table.rows = (uint32_t)dv_random_below(&chance, ROWS);
    table.ranks = (struct dv_kanon_table){ .rows = table.rows, .quasi_count = 1 + (uint32_t)dv_random_below(&chance, QUASI) };
    for (uint32_t i = 0; i <= QUASI; i++) {
        table.types[i] = types[dv_random_below(&chance, 3)];
        for (uint32_t row = 0; row < table.rows; row++)
            table.cells[i][row] = random_cell(table.types[i], spread);
        struct dv_kanon_column *column = i < QUASI ? &table.ranks.quasi[i] : &table.sensitive;
        assert_int_equal(dv_kanon_encode(table.cells[i], table.types[i], table.rows, &table.arena, column), DV_OK);
    }
    for (uint32_t row = 0; row < table.rows; row++)
        table.people[row] = dv_random_below(&chance, 80);
    assert_int_equal(dv_kanon_encode_hashes(table.people, table.rows, &table.arena, &subjects), DV_OK);
    table.ranks.subjects = has_people ? subjects : NULL;
}

/* The order of two cells, by another way than that of the code. */
static int order_of(enum dv_type type, const struct dv_cell *a, const struct dv_cell *b)
{
    if (!a->present || !b->present)
        return (a->present != 0) - (b->present != 0);
    if (type == DV_TYPE_INT)
        return (a->integer > b->integer) - (a->integer < b->integer);
    if (type == DV_TYPE_FLOAT)
        return (a->number > b->number) - (a->number < b->number);
    int order = strcmp(a->text, b->text);
    return (order > 0) - (order < 0);
}

static void test_ranks_are_in_order(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        make_table();
        for (uint32_t i = 0; i < QUASI; i++) {
            const struct dv_kanon_column *column = &table.ranks.quasi[i];
            for (uint32_t a = 0; a < table.rows; a++) {
                uint32_t b = (uint32_t)dv_random_below(&chance, table.rows);
                int ranks = (column->codes[a] > column->codes[b]) - (column->codes[a] < column->codes[b]);
                assert_int_equal(ranks, order_of(table.types[i], &table.cells[i][a], &table.cells[i][b]));
                assert_true(column->codes[a] < column->values);
            }
        }
    }
}

static uint32_t count_people(const uint32_t *rows, uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool fresh = table.ranks.subjects == NULL || table.people[rows[i]] != 0;
        for (uint32_t j = 0; fresh && table.ranks.subjects != NULL && j < i; j++)
            fresh = table.people[rows[i]] != table.people[rows[j]];
        found += fresh;
    }
    return found;
}

static double share(const uint32_t *rows, uint32_t count, uint32_t value)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += table.sensitive.codes[rows != NULL ? rows[i] : i] == value;
    return (double)found / count;
}

/* The earth mover's distance as the paper has it. */
static double distance_of(const uint32_t *rows, uint32_t count)
{
    double sum = 0, carried = 0;
    for (uint32_t value = 0; value < table.sensitive.values; value++) {
        double more = share(rows, count, value) - share(NULL, table.rows, value);
        carried += more;
        sum += fabs(table.sensitive.at != NULL ? carried : more);
    }
    if (table.sensitive.at == NULL)
        return sum / 2;
    return table.sensitive.values > 1 ? sum / (table.sensitive.values - 1) : 0;
}

static int descending(const void *a, const void *b)
{
    return *(const int *)b - *(const int *)a;
}

static bool is_diverse(const struct dv_kanon_rules *rules, const uint32_t *rows, uint32_t count)
{
    int counts[ROWS] = { 0 };
    uint32_t distinct = 0;
    double entropy = 0, tail = 0;
    for (uint32_t i = 0; i < count; i++)
        counts[table.sensitive.codes[rows[i]]]++;
    qsort(counts, ROWS, sizeof counts[0], descending);
    for (; distinct < ROWS && counts[distinct] > 0; distinct++)
        entropy -= (double)counts[distinct] / count * log((double)counts[distinct] / count);
    for (uint32_t i = (uint32_t)rules->l - 1; rules->l >= 1 && i < distinct; i++)
        tail += counts[i];
    if (rules->l == 0)
        return true;
    if (rules->diversity == DV_DIVERSITY_DISTINCT)
        return distinct >= rules->l;
    if (rules->diversity == DV_DIVERSITY_ENTROPY)
        return exp(entropy) >= rules->l - 1e-6;
    return distinct >= rules->l && counts[0] < rules->c * tail;
}

static bool keeps(const struct dv_kanon_rules *rules, const uint32_t *rows, uint32_t count)
{
    if (count == 0 || count_people(rows, count) < rules->k)
        return false;
    return rules->sensitive == NULL ||
           ((rules->t >= 1 || distance_of(rows, count) <= rules->t + 1e-9) && is_diverse(rules, rows, count));
}

static struct dv_kanon_rules random_rules(void)
{
    static const double distances[] = { 1, 0.9, 0.4, 0.2 };
    struct dv_kanon_rules rules = { .k = 1 + (uint32_t)dv_random_below(&chance, 12), .t = 1 };
    rules.is_relaxed = dv_random_chance(&chance, 30);
    if (dv_random_chance(&chance, 60))
        rules.sensitive = &table.sensitive;
    rules.t = distances[dv_random_below(&chance, 4)];
    rules.l = (double)dv_random_below(&chance, 4);
    rules.c = 0.5 + dv_random_unit(&chance);
    rules.diversity = (enum dv_diversity_kind)dv_random_below(&chance, 3);
    rules.outliers_max = dv_random_chance(&chance, 30) ? table.rows / 10 : 0;
    return rules;
}

/* A class that the rules let stand apart at its median was not cut far enough. */
static void assert_no_cut_is_left(const struct dv_kanon_rules *rules, const uint32_t *rows, uint32_t count)
{
    for (uint32_t i = 0; i < table.ranks.quasi_count; i++) {
        const uint32_t *codes = table.ranks.quasi[i].codes;
        for (uint32_t pivot = 0; pivot < count; pivot++) {
            uint32_t left[ROWS], right[ROWS], lefts = 0, rights = 0, equal = 0;
            for (uint32_t j = 0; j < count; j++) {
                equal += codes[rows[j]] == codes[rows[pivot]];
                if (codes[rows[j]] < codes[rows[pivot]])
                    left[lefts++] = rows[j];
                else
                    right[rights++] = rows[j];
            }
            bool is_median = lefts <= count / 2 && count / 2 < lefts + equal;
            if (is_median)
                assert_false(keeps(rules, left, lefts) && keeps(rules, right, rights));
        }
    }
}

/* No row of another class lies within the ranges of this one. */
static void assert_box_is_its_own(const struct dv_kanon_classes *classes, uint32_t index)
{
    uint32_t inside = 0;
    for (uint32_t at = 0; at < classes->from[classes->count]; at++) {
        bool fits = true;
        for (uint32_t i = 0; i < table.ranks.quasi_count; i++) {
            const uint32_t *codes = table.ranks.quasi[i].codes;
            uint32_t low = UINT32_MAX, high = 0;
            for (uint32_t j = classes->from[index]; j < classes->from[index + 1]; j++) {
                low = codes[classes->rows[j]] < low ? codes[classes->rows[j]] : low;
                high = codes[classes->rows[j]] > high ? codes[classes->rows[j]] : high;
            }
            fits = fits && codes[classes->rows[at]] >= low && codes[classes->rows[at]] <= high;
        }
        inside += fits;
    }
    assert_int_equal(inside, classes->from[index + 1] - classes->from[index]);
}

static void assert_every_row_once(const struct dv_kanon_classes *classes)
{
    bool seen[ROWS] = { false };
    assert_int_equal(classes->from[classes->count] + classes->suppressed, table.rows);
    for (uint32_t i = 0; i < table.rows; i++) {
        assert_false(seen[classes->rows[i]]);
        seen[classes->rows[i]] = true;
    }
}

static void test_classes_keep_the_rules(void **state)
{
    (void)state;
    uint32_t parted = 0, out = 0;
    for (int round = 0; round < TABLES; round++) {
        make_table();
        struct dv_kanon_rules rules = random_rules();
        struct dv_kanon_classes classes;
        assert_int_equal(dv_kanon_partition(&table.ranks, &rules, &table.arena, &classes), DV_OK);
        assert_every_row_once(&classes);
        parted += classes.count > 1;
        out += classes.count > 0 ? classes.suppressed : 0;
        if (classes.count > 0)
            assert_true(classes.suppressed <= rules.outliers_max);
        uint32_t whole[ROWS];
        for (uint32_t i = 0; i < table.rows; i++)
            whole[i] = i;
        if (classes.count == 0)
            assert_false(keeps(&rules, whole, table.rows));
        for (uint32_t i = 0; i < classes.count; i++) {
            const uint32_t *rows = &classes.rows[classes.from[i]];
            uint32_t count = classes.from[i + 1] - classes.from[i];
            assert_true(keeps(&rules, rows, count));
            if (!rules.is_relaxed && rules.t >= 1)
                assert_no_cut_is_left(&rules, rows, count);
            if (!rules.is_relaxed)
                assert_box_is_its_own(&classes, i);
        }
    }
    assert_true(parted > TABLES / 10 && out > 0); /* the tables are not all too small to tell anything */
}

/* 64 different ages, k = 4: halved four times. */
static void test_halves_of_halves(void **state)
{
    (void)state;
    struct dv_cell cells[64];
    struct dv_kanon_table ranks = { .rows = 64, .quasi_count = 1 };
    struct dv_kanon_rules rules = { .k = 4, .t = 1 };
    struct dv_kanon_classes classes;
    for (uint32_t i = 0; i < 64; i++)
        cells[i] = (struct dv_cell){ .integer = (i * 37) % 64, .present = 1 };
    assert_int_equal(dv_kanon_encode(cells, DV_TYPE_INT, 64, &table.arena, &ranks.quasi[0]), DV_OK);
    assert_int_equal(dv_kanon_partition(&ranks, &rules, &table.arena, &classes), DV_OK);
    assert_int_equal(classes.count, 16);
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(classes.from[i], 4 * i);
        for (uint32_t j = 0; j < 4; j++)
            assert_int_equal(cells[classes.rows[4 * i + j]].integer / 4, i);
    }
}

static void test_outliers_are_left_out(void **state)
{
    (void)state;
    struct dv_cell cells[9];
    struct dv_kanon_table ranks = { .rows = 9, .quasi_count = 1 };
    struct dv_kanon_rules rules = { .k = 8, .t = 1, .outliers_max = 1 };
    struct dv_kanon_classes classes;
    for (uint32_t i = 0; i < 9; i++)
        cells[i] = (struct dv_cell){ .integer = i == 4 ? 1000 : i, .present = 1 };
    assert_int_equal(dv_kanon_encode(cells, DV_TYPE_INT, 9, &table.arena, &ranks.quasi[0]), DV_OK);
    assert_int_equal(dv_kanon_partition(&ranks, &rules, &table.arena, &classes), DV_OK);
    assert_int_equal(classes.count, 1);
    assert_int_equal(classes.suppressed, 1);
    assert_int_equal(classes.rows[8], 4);
    rules.outliers_max = 0;
    assert_int_equal(dv_kanon_partition(&ranks, &rules, &table.arena, &classes), DV_OK);
    assert_int_equal(classes.suppressed, 0);
}

/* The worst tables for a cut at the median: crowded values, and values that double. */
static void test_hard_tables_are_fast(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    struct dv_cell *cells = test_malloc(MANY * sizeof *cells);
    struct dv_kanon_table ranks = { .rows = MANY, .quasi_count = DV_KANON_QUASI_MAX };
    struct dv_kanon_rules rules = { .k = 2, .t = 1, .outliers_max = MANY / 2 };
    struct dv_kanon_classes classes;
    dv_arena_reset(&table.arena);
    for (uint32_t i = 0; i < DV_KANON_QUASI_MAX; i++) {
        for (uint32_t row = 0; row < MANY; row++)
            cells[row] = (struct dv_cell){ .number = ldexp(1, (int)(dv_random_u64(&chance) % 2000) - 1000 + (int)i), .present = 1 };
        for (uint32_t row = 0; i % 2 == 1 && row < MANY; row++)
            cells[row].number = row % 16 == i ? row : 0;
        assert_int_equal(dv_kanon_encode(cells, DV_TYPE_FLOAT, MANY, &table.arena, &ranks.quasi[i]), DV_OK);
    }
    clock_t start = clock();
    assert_int_equal(dv_kanon_partition(&ranks, &rules, &table.arena, &classes), DV_OK);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 10); /* it takes 0.2 s with the sanitizers; n squared takes minutes */
    test_free(cells);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct dv_arena small;
    struct dv_kanon_rules rules = { .k = 2, .t = 1 };
    struct dv_kanon_classes classes;
    dv_arena_init(&small, 1024);
    make_table();
    assert_int_equal(dv_kanon_partition(&table.ranks, &rules, &small, &classes), DV_E_MEMORY);
    dv_arena_free(&small);
}

static void test_risks_of_classes(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        make_table();
        struct dv_risk_classes classes;
        struct dv_risk_sensitive spread;
        assert_int_equal(dv_risk_group(&table.ranks, &table.arena, &classes), DV_OK);
        struct dv_risk risk = dv_risk_measure(&table.ranks, &classes, 0);
        assert_int_equal(dv_risk_spread(&classes, &table.sensitive, table.rows, &table.arena, &spread), DV_OK);
        double t = 0;
        uint64_t subjects = 0, unique = 0;
        for (uint32_t i = 0; i < classes.count; i++) {
            const uint32_t *rows = &classes.rows[classes.from[i]];
            uint32_t count = classes.from[i + 1] - classes.from[i];
            t = fmax(t, distance_of(rows, count));
            subjects += count_people(rows, count);
            unique += count_people(rows, count) == 1;
            for (uint32_t j = 0; j < count; j++)
                for (uint32_t q = 0; q < table.ranks.quasi_count; q++)
                    assert_int_equal(table.ranks.quasi[q].codes[rows[j]], table.ranks.quasi[q].codes[rows[0]]);
        }
        assert_true(fabs(t - spread.t) < 1e-9);
        assert_int_equal(risk.subjects, subjects);
        assert_int_equal(risk.unique, unique);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks_are_in_order),
        cmocka_unit_test(test_classes_keep_the_rules),
        cmocka_unit_test(test_halves_of_halves),
        cmocka_unit_test(test_outliers_are_left_out),
        cmocka_unit_test(test_hard_tables_are_fast),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_risks_of_classes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
