/* SPDX-License-Identifier: Apache-2.0
 * test_operators_snowflake_unit.c - which rows rest, are away or over while requests are made, taken back, halved, refused, lost and
 * closed.
 *
 * shows: SNO-1 SNO-6 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/operator.h"
#include "operators/sink_snowflake_aside.h"
#include "tests/unit/snowflake_ring.h"

/* Rows that are rejected already do not travel, a batch of none is over at once, and a batch is finished when its last row is. */
static void units_of_several_batches(void **state)
{
    struct world *world = *state;
    ring.early[2] = ring.early[7] = true;
    ring_begin(world, 4, 4, 3, 0, 2, 4);
    ring_assert_sound();
    assert_true(dv_snow_rests_any(&ring.load));
    ring_send("1 3 4 5");
    ring_send("6 8 9");
    assert_null(ring_start());
    assert_string_equal(ring_away(), "1 3 4 5 6 8 9");
    assert_true(dv_snow_rests_any(&ring.load)); /* the empty one */
    ring_finish("2");
    assert_false(dv_snow_rests_any(&ring.load));
    ring_settle(1, NULL);
    assert_string_equal(ring_away(), "6 8 9");
    ring_finish("2 1 3");
    ring_settle(2, NULL);
    ring_finish("2 1 3 4");
    assert_string_equal(ring_letters(world), "2 7");
    assert_null(ring.load.first);
    ring_end(world);
    assert_int_equal(world->rc, DV_OK);
}

/* The second row of an id waits for the first: it is over with it, or goes in its place. */
static void the_same_id_twice(void **state)
{
    struct world *world = *state;
    for (int outcome = 0; outcome < 3; outcome++) {
        ring.same[3] = 1;
        ring.same[5] = 2;
        ring_begin(world, 100, 2, 3, 3);
        ring_send("1 2 4 6");
        assert_null(ring_start());
        assert_string_equal(ring_resting(), "3 5");
        if (outcome == 0) {
            ring_settle(1, NULL);
            assert_null(ring_start());
        } else if (outcome == 1) {
            ring_settle(1, (const uint32_t[]){ 1, 2, 0 });
            assert_string_equal(ring_letters(world), "1 2");
            ring_send("3 5");
            ring_settle(2, NULL);
        } else {
            ring_take_back(0);
            assert_string_equal(ring_resting(), "1 2 3 4 5 6");
            ring_send("1 2 4 6");
            ring_settle(1, NULL);
            assert_null(ring_start());
        }
        assert_string_equal(ring_resting(), "");
        ring_finish("1 2");
        assert_int_equal(world->letter_count, outcome == 1 ? 2 : 0);
        ring_end(world);
    }
}

/* What was committed before this process began, or by it, is over when it comes again. */
static void what_is_known_is_over(void **state)
{
    struct world *world = *state;
    ring.same[4] = 1;
    ring_begin(world, 2, 2, 3, 2);
    ring_send("1 2");
    ring_settle(1, NULL);
    ring_send("3 5"); /* 4 is the first one */
    assert_string_equal(ring_away(), "3 5");
    assert_string_equal(ring_resting(), "");
    ring_settle(2, NULL);
    ring_finish("1 2");
    assert_int_equal(world->letter_count, 0);
    ring_end(world);
}

/* An answer is lost: of five requests so many are over, and so many committed; the others are taken back and go anew. */
static void taken_back(struct world *world, uint32_t over, uint32_t committed)
{
    static const char *const units[] = { "1 2", "3 4", "5 6", "7 8", "9 10" };
    char expected[RING_TEXT];
    ring_begin(world, 2, 3, 3, 3, 4);
    for (uint32_t i = 0; i < 5; i++)
        ring_send(units[i]);
    ring_settle(over, NULL);
    ring_take_back(committed);
    (void)snprintf(expected, sizeof expected, "%s", ring_join(2 * over + 1, 2 * committed));
    assert_string_equal(ring_away(), expected);
    (void)snprintf(expected, sizeof expected, "%s", ring_join(2 * committed + 1, 10));
    assert_string_equal(ring_resting(), expected);
    for (uint32_t number = 1; number <= 10; number++)
        assert_int_equal(ring_remembered(number), number <= 2 * committed ? (number + 1) / 2 : 0);
    for (uint32_t i = committed; i < 5; i++)
        ring_send(units[i]);
    assert_null(ring_start());
    ring_settle(5, NULL);
    ring_finish("1 2 3");
    assert_int_equal(world->letter_count, 0);
    ring_end(world);
}

static void taken_back_wherever_it_is(void **state)
{
    for (uint32_t committed = 0; committed <= 5; committed++)
        for (uint32_t over = 0; over <= committed; over++)
            taken_back(*state, over, committed);
}

/* Those that are made or on their way are dropped with it, and a worker's request is stale. */
static void taken_back_while_it_is_made(void **state)
{
    struct world *world = *state;
    struct dv_snow_pack *packs = ring.load.packs;
    ring_begin(world, 2, 2, 3, 3);
    ring_send("1 2");
    assert_ptr_equal(ring_start(), &packs[0]);
    ring.unfit[3] = DV_E_LIMIT;
    ring_work(&packs[0].job);
    ring_take_back(1);
    assert_true(packs[0].stale);
    ring_come_home(&packs[0].job);
    assert_false(ring.ended);
    assert_int_equal(packs[0].step, DV_SNOW_FREE);
    ring_assert_sound();
    assert_string_equal(ring_resting(), "3 4 5 6");
    assert_int_equal(world->letter_count, 0); /* its row is tried again */
    ring.unfit[3] = DV_OK;
    assert_ptr_equal(ring_start(), &packs[0]);
    assert_false(packs[0].stale);
    ring_work(&packs[0].job);
    ring_come_home(&packs[0].job);
    packs[0].step = DV_SNOW_SENDING;
    assert_ptr_equal(ring_start(), &packs[1]);
    ring_work(&packs[1].job);
    ring_come_home(&packs[1].job);
    ring_take_back(2); /* the one that is sent was committed */
    assert_int_equal(packs[0].step, DV_SNOW_SENDING);
    assert_int_equal(packs[1].step, DV_SNOW_FREE);
    assert_string_equal(ring_resting(), "5 6");
    dv_snow_pack_free(&packs[0]);
    ring_send("5 6");
    ring_settle(3, NULL);
    ring_finish("1 2");
    ring_end(world);
}

/* Halves of halves, until one row stands alone; what was behind it is taken back with it. */
static void halved_down_to_one(void **state)
{
    static const char *const units[] = { "1 2 3 4 5 6 7", "1 2 3", "1" };
    struct world *world = *state;
    for (uint32_t large = 0; large < 2; large++) {
        ring_begin(world, 7, 3, 4, 4, 1);
        for (uint32_t unit = 0; unit < 3; unit++) {
            ring_send(units[unit]);
            ring.load.packs[0].rows.used = DV_SNOW_ASIDE_LARGE - 1 + large;
            const struct dv_snow_pack refused = ring.load.packs[0];
            if (unit == 0)
                ring_send("8 9");
            assert_int_equal(dv_snow_halve(&ring.load, &refused, DV_E_LIMIT), DV_OK);
            ring_assert_sound();
            assert_string_equal(ring_away(), "");
            assert_int_equal(ring.load.journal.unit, 0);
            assert_int_equal(ring.load.unit_most, unit == 0 ? 3 : 1);
            assert_int_equal(world->letter_count, unit == 2 && large);
        }
        assert_int_equal(ring_remembered(1), 0);
        assert_int_equal(ring.load.aside_count, !large);
        assert_string_equal(ring_resting(), large ? "2 3 4 5 6 7 8 9" : "1 2 3 4 5 6 7 8 9");
        if (large) {
            assert_string_equal(ring_letters(world), "1");
            assert_int_equal(world->letter[0].code, DV_E_LIMIT);
            assert_string_equal(world->letter[0].reason, "the record is larger than Snowflake takes");
        }
        ring.load.unit_most = 8;
        ring_send("2 3 4 5 6 7 8 9");
        ring_settle(1, NULL);
        ring_finish(large ? "1 2 3" : "2 3");
        ring_end(world);
    }
}

/* Only what is behind the refused one is taken back; what is before it stays away. */
static void halved_behind_others(void **state)
{
    struct world *world = *state;
    ring_begin(world, 4, 2, 4, 4);
    ring_send("1 2 3 4");
    ring_send("5 6 7 8");
    const struct dv_snow_pack refused = ring.load.packs[0];
    assert_int_equal(dv_snow_halve(&ring.load, &refused, DV_E_DATA), DV_OK);
    assert_string_equal(ring_away(), "1 2 3 4");
    assert_string_equal(ring_resting(), "5 6 7 8");
    assert_int_equal(ring.load.unit_most, 2);
    ring_send("5 6");
    ring_settle(2, NULL);
    ring_send("7 8");
    ring_finish("1");
    ring_settle(3, NULL);
    ring_finish("1 2");
    ring_end(world);
}

/* An answer is lost, and of what was committed some rows were refused: they are dead letters, the others over, and what was taken back travels
 * again; what is refused of a request that nobody has settled yet waits for it. */
static void refused_beside_taken_back(void **state)
{
    struct world *world = *state;
    ring_begin(world, 3, 3, 4, 4, 4);
    ring_send("1 2 3");
    ring_send("4 5 6");
    ring_send("7 8 9");
    ring_send("10 11 12");
    ring_take_back(3);
    ring_settle(2, (const uint32_t[]){ 6, 2, 4, 0 });
    assert_string_equal(ring_letters(world), "2 4 6");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(world->letter[i].code, DV_E_DATA);
        assert_string_equal(world->letter[i].reason, "Snowflake refused the record");
    }
    assert_string_equal(ring_away(), "7 8 9");
    assert_string_equal(ring_resting(), "10 11 12");
    assert_int_equal(ring_remembered(2), 0);
    assert_int_equal(ring_remembered(5), 2);
    ring_finish("1");
    ring_take_back(2);
    ring_send("7 8 9");
    ring_settle(3, (const uint32_t[]){ 8, 12, 0 }); /* 12 is in no request that is over */
    assert_string_equal(ring_letters(world), "2 4 6 8");
    ring_finish("1 2");
    ring_send("10 11 12");
    ring_settle(4, NULL);
    ring_finish("1 2 3");
    assert_string_equal(ring_letters(world), "2 4 6 8");
    ring_end(world);
    assert_int_equal(world->rc, DV_OK);
}

/* Rows that fit in no request are rejected, those of which it has no room travel in the next one. */
static void what_does_not_fit(void **state)
{
    struct world *world = *state;
    ring.unfit[2] = DV_E_LIMIT;
    ring.room = 3;
    ring_begin(world, 100, 2, 4, 4);
    ring_send("1 3 4");
    assert_string_equal(ring_letters(world), "2");
    assert_int_equal(world->letter[0].code, DV_E_LIMIT);
    assert_string_equal(world->letter[0].reason, "the record is larger than Snowflake takes");
    assert_string_equal(ring_resting(), "5 6 7 8");
    assert_string_equal(ring_away(), "1 3 4");
    for (uint32_t number = 1; number <= 8; number++)
        assert_int_equal(ring_remembered(number), number == 1 || number == 3 || number == 4);
    ring_send("5 6 7");
    ring_send("8");
    ring_settle(3, NULL);
    ring_finish("1 2");
    ring_end(world);
}

/* No memory for a row is nobody's fault: the request ends there, or there is none, and all that is left goes another time. */
static void memory_is_short(void **state)
{
    struct world *world = *state;
    ring.unfit[1] = DV_E_MEMORY;
    ring.unfit[4] = DV_E_MEMORY;
    ring_begin(world, 100, 2, 4, 4);
    struct dv_snow_pack *pack = ring_start();
    ring_work(&pack->job);
    ring_come_home(&pack->job);
    assert_false(ring.ended);
    assert_true(pack->starved);
    assert_int_equal(pack->step, DV_SNOW_FREE);
    assert_string_equal(ring_resting(), "1 2 3 4 5 6 7 8");
    ring.unfit[1] = DV_OK;
    ring_send("1 2 3");
    assert_string_equal(ring_resting(), "4 5 6 7 8");
    ring.unfit[4] = DV_OK;
    ring_send("4 5 6 7 8");
    ring_settle(2, NULL);
    ring_finish("1 2");
    assert_string_equal(ring_letters(world), "");
    ring_end(world);
}

/* A request in which nothing is left is none; and only so many are told of at a time. */
static void nothing_fits(void **state)
{
    struct world *world = *state;
    for (uint32_t number = 1; number <= DV_SNOW_UNFIT_MAX + 3; number++)
        ring.unfit[number] = DV_E_LIMIT;
    ring_begin(world, 100, 1, DV_SNOW_UNFIT_MAX + 4);
    struct dv_snow_pack *pack = ring_start();
    ring_work(&pack->job);
    ring_come_home(&pack->job);
    assert_false(ring.ended);
    assert_int_equal(pack->step, DV_SNOW_FREE);
    assert_false(ring.load.journal.begun);
    ring_assert_sound();
    assert_int_equal(ring.load.journal.unit, 0);
    assert_int_equal(world->letter_count, DV_SNOW_UNFIT_MAX);
    assert_string_equal(ring_resting(), ring_join(DV_SNOW_UNFIT_MAX + 1, DV_SNOW_UNFIT_MAX + 4));
    ring_send("68");
    assert_int_equal(world->letter_count, DV_SNOW_UNFIT_MAX + 3);
    ring_settle(1, NULL);
    ring_finish("1");
    ring_end(world);
}

/* Whether it ends by a signal when batches are failed now. */
static bool dies_of_failing(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        (void)close(STDERR_FILENO);
        dv_snow_fail_batches(&ring.load, DV_E_FAILED, "why");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* The worker reads the batches, so they are failed when it is back; none is acknowledged, and no row is a dead letter. */
static void failed_while_it_is_made(void **state)
{
    struct world *world = *state;
    ring_begin(world, 2, 4, 2, 2, 2, 1);
    ring_send("1 2");
    ring_send("3 4");
    ring_settle(1, NULL);
    ring_finish("1");
    struct dv_snow_pack *pack = ring_start();
    assert_true(dies_of_failing());
    ring_work(&pack->job);
    assert_true(dies_of_failing());
    ring_come_home(&pack->job);
    assert_string_equal(ring_rows_in(pack), "5 6");
    assert_false(dv_snow_is_packing(&ring.load));
    dv_snow_fail_batches(&ring.load, DV_E_FAILED, "why");
    assert_null(ring.load.first);
    assert_false(dv_snow_rests_any(&ring.load));
    world_steps(world);
    assert_true(world->done);
    assert_int_equal(world->rc, DV_E_FAILED);
    assert_string_equal(ring.settled, "1");
    assert_int_equal(world->letter_count, 0);
    ring_end(world);
    assert_non_null(strstr(world->error.text, "Snowflake: why"));
}

enum point { HELD, WAITING, WORKING, WORKED, STALE, READY, SENDING, BOTH, SETTLED, OVER, FINISHED, POINTS };

static void go_to(enum point point)
{
    struct dv_snow_pack *packs = ring.load.packs;
    if (point == HELD)
        return;
    (void)ring_start();
    ring.works_at_close = point == WORKING;
    if (point <= WORKING)
        return;
    ring_work(&packs[0].job);
    if (point == STALE)
        ring_take_back(0);
    if (point <= STALE)
        return;
    ring_come_home(&packs[0].job);
    if (point == SENDING)
        packs[0].step = DV_SNOW_SENDING;
    if (point == BOTH)
        (void)ring_start();
    if (point == SETTLED)
        assert_int_equal(dv_snowflake_journal_settle(&ring.load.journal, 1, 0, NULL, 0), DV_OK);
    if (point >= OVER)
        ring_settle(1, NULL);
    if (point == FINISHED)
        ring_finish("1");
}

/* Wherever it is closed nothing is left in memory, no batch is acknowledged before its time, and the journal knows what may have been sent. */
static void closed_at(struct world *world, enum point point)
{
    struct dv_snowflake_journal journal;
    ring_begin(world, 2, 2, 2, 2);
    go_to(point);
    world_end(world);
    assert_false(ring.load.journal.opened);
    assert_int_equal(ring.closed, DV_SNOW_PACKS + 1);
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++) {
        const struct dv_snow_pack *pack = &ring.load.packs[i];
        assert_true(!pack->made && pack->text == NULL && pack->rows.bytes == NULL);
    }
    assert_string_equal(ring.settled, point == FINISHED ? "1" : "");
    assert_int_equal(world->letter_count, 0);
    assert_int_equal(ring_open_journal(&journal, world, &world->loop.base), DV_OK);
    assert_int_equal(journal.unit, point >= READY);
    assert_int_equal(journal.settled, point >= SETTLED);
    ring.load.journal = journal;
    for (uint32_t number = 1; number <= 4; number++)
        assert_int_equal(ring_remembered(number), number <= 2 && point >= READY);
    dv_snowflake_journal_close(&ring.load.journal);
    ring_end(world);
}

static void closed_at_each_point(void **state)
{
    for (enum point point = 0; point < POINTS; point++)
        closed_at(*state, point);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(units_of_several_batches, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(the_same_id_twice, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_is_known_is_over, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(taken_back_wherever_it_is, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(taken_back_while_it_is_made, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(halved_down_to_one, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(halved_behind_others, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(refused_beside_taken_back, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(memory_is_short, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(nothing_fits, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(closed_at_each_point, ring_setup, world_teardown),
        cmocka_unit_test_setup_teardown(failed_while_it_is_made, ring_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
