/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_suppress.c - an attacker reads tables with totals and computes what is hidden, as closely as it can be done.
 *
 * He knows which numbers are hidden, all others, and that none is negative. The bounds of a hidden number are those of the
 * flows that fit, found here by pushing as much as goes along and against it through all other hidden arcs (whole numbers
 * suffice: the network is totally unimodular). That is exact, so nobody can do better with the table alone. He also computes
 * what any one cut tells, over all sets of nodes: a sum of hidden numbers that all cross it in one direction. He wins if a
 * small group's bounds are closer than k, or a sum with a small group in it that he knows exactly has no part of k. The
 * control is the same attacker where only the small groups are hidden, and where the rest of each line is k, too.
 *
 * shows: PRV-4 PRV-15 */
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
#include "engine/random.h"
#include "privacy/suppress.h"

enum { K = 5, SIDE_MAX = 6, NODES_MAX = 2 * SIDE_MAX + 2, ARCS_MAX = SIDE_MAX * SIDE_MAX + 2 * SIDE_MAX + 1,
       TABLES = 4000, ENDLESS = 1 << 24 };

/* A random table as a network. */
struct table {
    int rows, columns;
    uint32_t node_count, arc_count;
    int size[ARCS_MAX];
    struct dv_suppress_arc arcs[ARCS_MAX];
};

static uint64_t seed_of_run(void)
{
    const char *given = getenv("DATAVAULT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("DATAVAULT_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void add(struct table *table, int tail, int head, int size)
{
    if (size == 0)
        return;
    table->size[table->arc_count] = size;
    table->arcs[table->arc_count++] = (struct dv_suppress_arc){ .tail = (uint32_t)tail, .head = (uint32_t)head,
                                                                .cost = (uint64_t)size, .small = size < K };
}

static void make_table(struct table *table, struct dv_random *random)
{
    int in_row[SIDE_MAX] = { 0 }, in_column[SIDE_MAX] = { 0 }, all = 0;
    memset(table, 0, sizeof *table);
    table->rows = 1 + (int)dv_random_below(random, SIDE_MAX);
    table->columns = 1 + (int)dv_random_below(random, SIDE_MAX);
    table->node_count = (uint32_t)(table->rows + table->columns + 2);
    int row_of_totals = table->rows + table->columns, column_of_totals = row_of_totals + 1;
    unsigned few = 20 + (unsigned)dv_random_below(random, 70);
    for (int row = 0; row < table->rows; row++) {
        for (int column = 0; column < table->columns; column++) {
            int size = (int)(dv_random_chance(random, few) ? dv_random_below(random, 30) : dv_random_below(random, K));
            add(table, row, table->rows + column, size);
            in_row[row] += size;
            in_column[column] += size;
            all += size;
        }
    }
    for (int row = 0; row < table->rows; row++)
        add(table, column_of_totals, row, in_row[row]);
    for (int column = 0; column < table->columns; column++)
        add(table, table->rows + column, row_of_totals, in_column[column]);
    add(table, row_of_totals, column_of_totals, all);
}

/* Room for what may still be sent between two nodes; tables have at most one arc for each pair and direction. */
struct residual {
    int room[NODES_MAX][NODES_MAX];
    bool seen[NODES_MAX];
    uint32_t count;
};

static int push(struct residual *residual, uint32_t at, uint32_t to, int most)
{
    if (at == to)
        return most;
    residual->seen[at] = true;
    for (uint32_t next = 0; next < residual->count; next++) {
        int room = residual->room[at][next];
        if (room == 0 || residual->seen[next])
            continue;
        int sent = push(residual, next, to, room < most ? room : most);
        if (sent == 0)
            continue;
        residual->room[at][next] -= sent;
        residual->room[next][at] += sent;
        return sent;
    }
    return 0;
}

/* How much can be sent from one node to the other over hidden arcs but one; ENDLESS at most. */
static int most_flow(const struct table *table, uint32_t from, uint32_t to, uint32_t without)
{
    struct residual residual = { .count = table->node_count };
    for (uint32_t i = 0; i < table->arc_count; i++) {
        if (i == without || !table->arcs[i].hidden)
            continue;
        residual.room[table->arcs[i].tail][table->arcs[i].head] += ENDLESS;
        residual.room[table->arcs[i].head][table->arcs[i].tail] += table->size[i];
    }
    int total = 0;
    for (int sent = 1; sent > 0 && total < ENDLESS; total += sent) {
        memset(residual.seen, 0, sizeof residual.seen);
        sent = push(&residual, from, to, ENDLESS);
    }
    return total < ENDLESS ? total : ENDLESS;
}

/* How far the attacker's bounds of a hidden number are apart. */
static int width(const struct table *table, uint32_t index)
{
    const struct dv_suppress_arc *arc = &table->arcs[index];
    int more = most_flow(table, arc->head, arc->tail, index);
    int less = most_flow(table, arc->tail, arc->head, index);
    return more + (less < table->size[index] ? less : table->size[index]);
}

/* Whether the cut around a set of nodes tells a sum of hidden numbers, one of them small, none of them of K. */
static bool tells_small_sum(const struct table *table, uint32_t set)
{
    bool in = false, out = false, small = false, large = false;
    for (uint32_t i = 0; i < table->arc_count; i++) {
        bool tail = (set >> table->arcs[i].tail & 1u) != 0, head = (set >> table->arcs[i].head & 1u) != 0;
        if (!table->arcs[i].hidden || tail == head)
            continue;
        in = in || head;
        out = out || tail;
        small = small || table->size[i] < K;
        large = large || table->size[i] >= K;
    }
    return in != out && small && !large;
}

static bool any_cut_tells(const struct table *table)
{
    for (uint32_t set = 1; set < 1u << (table->node_count - 1); set++)
        if (tells_small_sum(table, set))
            return true;
    return false;
}

static bool any_bounds_tell(const struct table *table)
{
    for (uint32_t i = 0; i < table->arc_count; i++)
        if (table->arcs[i].small && width(table, i) < K)
            return true;
    return false;
}

/* The sum of what is hidden at a node, in one direction, if the other has nothing hidden: the rest of a line. */
static bool line_is_thin(const struct table *table, uint32_t node)
{
    int rest = 0, cells = 0;
    for (uint32_t i = 0; i < table->arc_count; i++) {
        if (!table->arcs[i].hidden || (table->arcs[i].tail != node && table->arcs[i].head != node))
            continue;
        rest += table->size[i];
        cells++;
    }
    return cells == 1 || (cells > 0 && rest < K);
}

/* The rule that is not enough: in each line the rest is none, or K in at least two. Hides one more at random. */
static void hide_by_lines(struct table *table)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t node = 0; node < table->node_count; node++) {
            for (uint32_t i = 0; i < table->arc_count && line_is_thin(table, node); i++) {
                bool touches = table->arcs[i].tail == node || table->arcs[i].head == node;
                changed = changed || (touches && !table->arcs[i].hidden);
                table->arcs[i].hidden = table->arcs[i].hidden || touches;
            }
        }
    }
}

static void hide_small(struct table *table)
{
    for (uint32_t i = 0; i < table->arc_count; i++)
        table->arcs[i].hidden = table->arcs[i].small;
}

static void test_attacker(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, seed_of_run());
    static struct table table, naive, lines;
    unsigned tables = getenv("DATAVAULT_LONG") != NULL ? 25 * TABLES : TABLES;
    unsigned with_small = 0, won_naive = 0, won_lines = 0;
    uint64_t numbers = 0, shown = 0, large = 0;
    struct dv_arena arena;
    dv_arena_init(&arena, 1 << 22);
    for (unsigned round = 0; round < tables; round++) {
        make_table(&table, &random);
        naive = table;
        hide_small(&naive);
        lines = naive;
        hide_by_lines(&lines);
        dv_arena_reset(&arena);
        assert_int_equal(dv_suppress(table.arcs, table.arc_count, table.node_count, &arena), DV_OK);
        assert_false(any_bounds_tell(&table));
        if (table.node_count <= 11)
            assert_false(any_cut_tells(&table));
        bool has_small = false;
        for (uint32_t i = 0; i < table.arc_count; i++) {
            has_small = has_small || table.arcs[i].small;
            assert_true(table.arcs[i].hidden || !table.arcs[i].small);
            numbers++;
            shown += !table.arcs[i].hidden;
            large += !table.arcs[i].small;
        }
        with_small += has_small;
        won_naive += any_bounds_tell(&naive);
        won_lines += any_bounds_tell(&lines);
    }
    print_message("%u tables, %u with small groups; the attacker wins on %u where these alone are hidden, on %u where each line's "
                  "rest is of K, on 0 here; of %llu numbers %llu are of K, %llu are shown\n", tables, with_small, won_naive,
                  won_lines, (unsigned long long)numbers, (unsigned long long)large, (unsigned long long)shown);
    assert_true(with_small > tables / 2 && won_naive > with_small / 2 && won_lines > 0);
    assert_true(shown > large / 4);
    dv_arena_free(&arena);
}

/* What is hidden anyway protects, too; and what has no totals is refused. */
static void test_hidden_and_broken(void **state)
{
    (void)state;
    struct dv_arena arena;
    dv_arena_init(&arena, 1 << 20);
    /* 3 40 | 43      nodes: rows 0 1, columns 2 3, totals 4 5
     * 20 30 | 50 */
    struct dv_suppress_arc arcs[] = {
        { 0, 2, 3, true, false }, { 0, 3, 40, false, false }, { 1, 2, 20, false, false }, { 1, 3, 30, false, false },
        { 5, 0, 43, false, false }, { 5, 1, 50, false, false }, { 2, 4, 23, false, false }, { 3, 4, 70, false, false },
        { 4, 5, 93, false, false },
    };
    struct dv_suppress_arc copy[9];
    memcpy(copy, arcs, sizeof arcs);
    assert_int_equal(dv_suppress(copy, 9, 6, &arena), DV_OK);
    assert_true(copy[0].hidden && copy[1].hidden && copy[2].hidden && copy[3].hidden && !copy[4].hidden && !copy[8].hidden);
    memcpy(copy, arcs, sizeof arcs);
    copy[4].hidden = copy[6].hidden = copy[8].hidden = true;
    assert_int_equal(dv_suppress(copy, 9, 6, &arena), DV_OK);
    assert_true(copy[0].hidden && !copy[1].hidden && !copy[2].hidden && !copy[3].hidden);
    struct dv_suppress_arc alone = { 0, 1, 3, true, false };
    assert_int_equal(dv_suppress(&alone, 1, 2, &arena), DV_E_FAILED);
    dv_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_attacker), cmocka_unit_test(test_hidden_and_broken) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
