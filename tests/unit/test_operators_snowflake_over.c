/* SPDX-License-Identifier: Apache-2.0
 * test_operators_snowflake_over.c - what is settled is over in portions, and only then are the requests' numbers free; whatever happens, each
 * row is over once.
 *
 * shows: SNO-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/random.h"
#include "tests/unit/snowflake_ring.h"

/* Settled are thousands of rows at once, and over in portions, across requests: those behind are sent, refused, lost and taken back meanwhile. */
static void over_in_portions(void **state)
{
    struct world *world = *state;
    ring_begin(world, 3, 4, 4, 4, 4, 3);
    ring_send("1 2 3");
    ring_send("4 5 6");
    ring_send("7 8 9");
    ring_note_settled(2, (const uint32_t[]){ 4, 2, 0 });
    assert_false(ring_over(2));
    assert_string_equal(ring_letters(world), "2");
    assert_string_equal(ring_away(), "3 4 5 6 7 8 9");
    ring_take_back(2);
    assert_string_equal(ring_away(), "3 4 5 6");
    ring_finish("");
    ring_send("7 8 9");
    assert_false(ring_over(2));
    assert_string_equal(ring_letters(world), "2 4");
    assert_string_equal(ring_away(), "5 6 7 8 9");
    ring_finish("1");
    ring_take_back(2);
    assert_true(ring_over(2));
    assert_string_equal(ring_away(), "");
    ring_send("7 8 9");
    ring_send("10 11 12");
    ring_send("13 14 15");
    ring_settle(5, NULL);
    ring_finish("1 2 3 4");
    assert_string_equal(ring_letters(world), "2 4");
    ring_end(world);
}

/* As many requests as there are numbers; that some are settled makes no room before their rows are over. */
static void a_number_is_free_when_its_rows_are_over(void **state)
{
    struct world *world = *state;
    ring_begin(world, 1, 2, DV_BATCH_ROWS, DV_BATCH_ROWS);
    for (uint32_t i = 1; i < DV_SNOWFLAKE_UNITS_MAX; i++)
        ring_send(NULL);
    assert_null(ring_start());
    ring_note_settled(10, NULL);
    assert_null(ring_start());
    assert_false(ring_over(2));
    ring_send("256");
    ring_send("257");
    assert_null(ring_start());
    assert_true(ring_over(UINT32_MAX));
    assert_int_equal(ring.load.away_count, DV_SNOWFLAKE_UNITS_MAX - 1 - 10 + 2);
    ring.load.unit_most = DV_BATCH_ROWS;
    ring_send(NULL);
    ring_settle(ring.load.journal.unit, NULL);
    ring_finish("1 2");
    ring_end(world);
}

/* One turn of whatever may happen; how many rows were refused. */
static uint32_t anything(struct dv_random *dice, bool *refused, bool may_refuse)
{
    const struct dv_snow_load *load = &ring.load;
    const uint64_t under_way = load->journal.unit - load->done;
    const uint64_t what = dv_random_below(dice, 10);
    ring.load.unit_most = 1 + (uint32_t)dv_random_below(dice, 200);
    if (what < 6 && load->journal.unit - load->done < DV_SNOWFLAKE_UNITS_MAX - 1 && dv_snow_rests_any(load)) {
        ring_send(NULL);
    } else if (what < 8) {
        ring_take_back(load->done + dv_random_below(dice, under_way + 1));
    } else if (under_way > 0) {
        const uint32_t bad[] = { may_refuse ? ring_first_away() : 0, 0 };
        ring_settle(load->done + 1 + dv_random_below(dice, under_way), bad);
        refused[bad[0]] = true;
        return bad[0] != 0;
    }
    return 0;
}

/* More rows and requests than the ring and the table of requests have places. */
static void each_row_once(void **state)
{
    static bool refused[RING_NUMBERS];
    struct world *world = *state;
    struct dv_random dice;
    uint32_t count = 0;
    dv_random_seed(&dice, 1);
    for (uint32_t i = 0; i < 272; i++)
        ring.sizes[i] = DV_BATCH_ROWS;
    ring.portion = 100;
    ring_begin(world, 100, 0);
    assert_int_equal(ring.made, RING_CREDITS);
    while (ring.settled_count < 272) {
        count += anything(&dice, refused, count < 200);
        dv_snow_finish_batches(&ring.load);
        world_steps(world);
    }
    assert_true(count > 50);
    assert_true(ring.load.journal.unit > 2 * DV_SNOWFLAKE_UNITS_MAX);
    assert_int_equal(ring.load.away_first, 272 * DV_BATCH_ROWS - DV_SNOW_ROWS_MAX);
    for (uint32_t number = 1; number <= 272 * DV_BATCH_ROWS; number++)
        assert_int_equal(ring.over[number], 1);
    assert_int_equal(world->letter_count, count);
    for (unsigned i = 0; i < world->letter_count; i++)
        assert_true(refused[strtoul(strstr(world->letter[i].payload, "\"n\":") + 4, NULL, 10)]);
    ring_end(world);
    assert_int_equal(world->rc, DV_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(over_in_portions, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_number_is_free_when_its_rows_are_over, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(each_row_once, ring_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
