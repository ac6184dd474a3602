/* SPDX-License-Identifier: Apache-2.0
 * test_operators_snowflake_aside.c - a row that is refused alone is rejected only if others passed before and after; and when it is the table
 * that refuses.
 *
 * shows: SNO-1 SNO-6 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/id.h"
#include "operators/sink_snowflake_aside.h"
#include "tests/unit/snowflake_ring.h"

static void refuse(dv_rc rc)
{
    const struct dv_snow_pack refused = ring.load.packs[0];
    assert_int_equal(dv_snow_halve(&ring.load, &refused, rc), DV_OK);
    ring_assert_sound();
}

/* The request was taken. */
static void pass(void)
{
    dv_snow_aside_passed(&ring.load, &ring.load.packs[0]);
}

/* A row is rejected when it was refused alone, another passed, it was refused again, and one more passed. */
static void refused_again_while_others_pass(void **state)
{
    static const dv_rc rcs[] = { DV_E_DATA, DV_E_LIMIT };
    struct world *world = *state;
    for (uint32_t i = 0; i < 2; i++) {
        ring_begin(world, 1, 1, 4);
        ring_send("1");
        refuse(rcs[i]);
        ring_send("2");
        pass();
        ring.load.unit_most = 4;
        ring_send("1"); /* alone, though others would fit */
        refuse(rcs[i]);
        assert_int_equal(world->letter_count, 0);
        assert_false(dv_snow_aside_is_stuck(&ring.load));
        ring_send("3");
        assert_int_equal(world->letter_count, 0);
        pass();
        assert_string_equal(ring_letters(world), "1");
        assert_int_equal(world->letter[0].code, rcs[i]);
        assert_string_equal(world->letter[0].reason,
                            i == 0 ? "Snowflake refused the record" : "the record is larger than Snowflake takes");
        assert_int_equal(ring.load.aside_count, 0);
        ring_send("4");
        pass();
        ring_settle(3, NULL);
        ring_finish("1");
        ring_end(world);
    }
}

/* What came and went: the row passes the second time; and so does one that was refused after it. */
static void refused_once_and_taken(void **state)
{
    struct world *world = *state;
    ring_begin(world, 1, 1, 4);
    ring_send("1");
    refuse(DV_E_DATA);
    ring_send("2");
    refuse(DV_E_DATA);
    ring_send("3");
    pass();
    ring_send("1");
    pass();
    ring_send("2");
    ring_take_back(2); /* its answer was lost */
    ring_send("2");
    pass();
    assert_int_equal(ring.load.aside_count, 0);
    ring_send("4");
    ring_settle(4, NULL);
    ring_finish("1");
    assert_int_equal(world->letter_count, 0);
    ring_end(world);
}

/* Nothing passes: the first is tried again, for so many times; no row of them is rejected when it passes in the end. */
static void refused_and_nothing_passes(void **state)
{
    struct world *world = *state;
    ring_begin(world, 1, 1, DV_SNOW_ASIDE_MAX + 1);
    for (uint32_t row = 1; row <= DV_SNOW_ASIDE_MAX; row++) {
        ring_send(ring_join(row, row));
        refuse(DV_E_DATA);
    }
    for (uint32_t i = 0; i < DV_SNOW_VAIN_MAX; i++) {
        assert_null(ring_start()); /* there is no room for one more */
        assert_true(dv_snow_aside_is_stuck(&ring.load));
        assert_int_equal(ring.load.vain, i);
        dv_snow_aside_try(&ring.load);
        ring_send("1");
        refuse(DV_E_DATA);
    }
    assert_int_equal(ring.load.vain, DV_SNOW_VAIN_MAX);
    dv_snow_aside_try(&ring.load);
    ring_send("1");
    pass();
    assert_int_equal(ring.load.vain, 0);
    for (uint32_t row = 2; row <= DV_SNOW_ASIDE_MAX + 1; row++) {
        ring_send(ring_join(row, row));
        pass();
    }
    assert_int_equal(world->letter_count, 0);
    ring_settle(ring.load.journal.unit, NULL);
    ring_finish("1");
    ring_end(world);
}

/* A batch that ends takes what was aside of it along: its place is another's then. */
static void aside_of_a_batch_that_is_over(void **state)
{
    struct world *world = *state;
    ring.same[3] = 1; /* the same record, in another batch */
    ring_begin(world, 1, 2, 2, 1);
    ring_send("1");
    refuse(DV_E_DATA);
    ring.load.unit_most = 4;
    ring_send("2 3");
    ring_settle(1, NULL);
    ring_finish("2");
    assert_int_equal(ring.load.aside_count, 1);
    assert_null(ring_start()); /* it was committed with the other */
    ring_finish("2 1");
    assert_int_equal(ring.load.aside_count, 0);
    assert_int_equal(world->letter_count, 0);
    ring_end(world);
}

static int by_id(const void *one, const void *other)
{
    return memcmp(one, other, DV_ID_BYTES);
}

static bool refuses_all(uint64_t unit, uint32_t first, uint32_t last)
{
    uint8_t ids[2 * DV_BATCH_ROWS][DV_ID_BYTES];
    uint32_t count = 0;
    for (uint32_t number = first; number <= last; number++)
        dv_id_make(ids[count++], number, 0, 7);
    qsort(ids, count, sizeof *ids, by_id);
    return dv_snow_refuses_all(&ring.load, unit, (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])ids, count);
}

/* Three requests of eight rows, or 256 rows of fewer, of which none got in; one that did begins it anew. */
static void all_are_refused(void **state)
{
    struct world *world = *state;
    ring_begin(world, 3, 3, DV_BATCH_ROWS, DV_BATCH_ROWS, 10);
    ring_send("1 2 3");
    ring_send("4 5 6");
    ring_send("7 8 9");
    assert_false(refuses_all(2, 1, 6));
    assert_int_equal(ring.load.whole_rows, 6);
    ring.load.whole_units = ring.load.whole_rows = 0;
    assert_true(refuses_all(3, 1, 9));
    assert_false(refuses_all(3, 1, 8)); /* the last row got in */
    assert_int_equal(ring.load.whole_units, 0);
    assert_false(refuses_all(3, 2, 9)); /* the first one did: two are left */
    assert_int_equal(ring.load.whole_units, 2);
    ring.load.whole_units = ring.load.whole_rows = 0;
    ring_settle(3, NULL);
    ring.load.unit_most = DV_BATCH_ROWS;
    ring_send(NULL);
    assert_false(refuses_all(4, 10, 8 + DV_BATCH_ROWS));
    assert_true(refuses_all(4, 10, 9 + DV_BATCH_ROWS));
    ring_settle(4, NULL);
    ring.load.unit_most = 2;
    ring_send(NULL);
    ring_send(NULL);
    ring_send(NULL);
    ring.load.whole_units = ring.load.whole_rows = 0;
    assert_false(refuses_all(7, 10 + DV_BATCH_ROWS, 15 + DV_BATCH_ROWS)); /* three, but six rows */
    assert_int_equal(ring.load.whole_units, 3);
    ring.load.unit_most = DV_SNOW_UNIT_ROWS;
    ring_send(NULL);
    ring_settle(8, NULL);
    ring_finish("1 2 3");
    ring_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refused_again_while_others_pass, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(refused_once_and_taken, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(refused_and_nothing_passes, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(aside_of_a_batch_that_is_over, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(all_are_refused, ring_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
