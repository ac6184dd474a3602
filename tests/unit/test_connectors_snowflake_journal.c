/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_journal.c - what was sent is remembered, by numbers and ids, several requests at once, and by
 * nothing that is damaged.
 *
 * shows: SNO-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/memory.h"
#include "tests/unit/snowflake_book.h"

static void remembers_what_was_sent(void **state)
{
    struct world *world = *state;
    struct book book;
    const uint64_t got[] = { 2, 9 }; /* one of another's that came with the same request does not count */
    book_open_fine(world, &book);
    assert_int_equal(book.journal.unit, 0);
    assert_int_equal(book_find(&book, 1), 0);
    book_send(world, &book, 1, 3);
    book_settle(&book, 1, 5);
    book_send(world, &book, 4, 5);
    assert_int_equal(book_find(&book, 1), 1); /* of this process, too */
    assert_int_equal(book_find(&book, 5), 2);
    assert_int_equal(book_find(&book, 6), 0);
    book_open_again(world, &book);
    assert_int_equal(book.journal.unit, 2);
    assert_int_equal(book.journal.settled, 1);
    assert_int_equal(book.journal.errors, 5);
    for (uint64_t number = 0; number < 7; number++)
        assert_int_equal(book_find(&book, number), number == 0 || number > 5 ? 0 : number < 4 ? 1 : 2);
    assert_int_equal(book_missing(&book, 0, 1, NULL, 0), 3);
    assert_int_equal(book_missing(&book, 0, 1, got, 2), 2);
    assert_int_equal(book_missing(&book, 1, 2, got, 2), 2);
    assert_int_equal(book_missing(&book, 0, 2, got, 2), 4);
    book_close(world, &book);
}

static void knows_how_far_back_it_remembers(void **state)
{
    struct world *world = *state;
    struct book book;
    book_open_fine(world, &book);
    book_send(world, &book, 1, 3);
    book_send(world, &book, 4, 5);
    book_send(world, &book, 6, 9);
    const struct dv_snowflake_ids *ids = &book.journal.ids;
    assert_int_equal(dv_snowflake_ids_behind(ids, 3, 100), 0);
    assert_int_equal(dv_snowflake_ids_behind(ids, 3, 6), 1);
    assert_int_equal(dv_snowflake_ids_behind(ids, 3, 5), 2); /* whole requests */
    assert_int_equal(dv_snowflake_ids_behind(ids, 3, 4), 2);
    assert_int_equal(dv_snowflake_ids_behind(ids, 3, 1), 2); /* but one at least */
    assert_int_equal(dv_snowflake_ids_behind(ids, 2, 2), 1);
    book_close(world, &book);
}

/* Two of them would each take for its own what the other has committed. */
static void has_one_owner(void **state)
{
    struct world *world = *state;
    struct book book, other;
    struct dv_error error = { 0 };
    book_open_fine(world, &book);
    assert_int_equal(book_open(world, &other, 7, &error), DV_E_FENCED);
    assert_non_null(strstr(error.text, "is in use by another process"));
    book_send(world, &book, 1, 3);
    assert_int_equal(book_open(world, &other, 7, &error), DV_E_FENCED);
    book_close(world, &book);
    book_open_fine(world, &other);
    book_close(world, &other);
}

/* A request of the same number is another one. */
static void makes_each_token_once(void **state)
{
    struct world *world = *state;
    struct book book;
    char tokens[3][DV_SNOWFLAKE_TOKEN], again[DV_SNOWFLAKE_TOKEN];
    book_open_fine(world, &book);
    dv_snowflake_journal_token(&book.journal, 0, again);
    assert_string_equal(again, "");
    assert_int_equal(dv_snowflake_journal_number(&book.journal, ""), 0);
    for (uint64_t unit = 1; unit <= 3; unit++) {
        book_send(world, &book, 10 * unit, 10 * unit + 3);
        dv_snowflake_journal_token(&book.journal, unit, tokens[unit - 1]);
    }
    book_settle(&book, 1, 0);
    assert_int_equal(strlen(tokens[0]), DV_SNOWFLAKE_TOKEN - 1);
    assert_memory_equal(tokens[1], "00000000000000000002-", 21);
    book_open_again(world, &book);
    assert_int_equal(dv_snowflake_journal_number(&book.journal, ""), UINT64_MAX); /* it was behind that once */
    for (uint64_t unit = 1; unit <= 3; unit++)
        assert_int_equal(dv_snowflake_journal_number(&book.journal, tokens[unit - 1]), unit);
    book_take_back(&book, 2);
    assert_int_equal(dv_snowflake_journal_number(&book.journal, tokens[2]), UINT64_MAX);
    book_send(world, &book, 30, 33);
    assert_int_equal(dv_snowflake_journal_number(&book.journal, tokens[2]), UINT64_MAX);
    book_open_again(world, &book);
    assert_int_equal(dv_snowflake_journal_number(&book.journal, tokens[2]), UINT64_MAX);
    dv_snowflake_journal_token(&book.journal, 3, again);
    assert_memory_equal(again, tokens[2], 21);
    assert_string_not_equal(again, tokens[2]);
    book_close(world, &book);
}

static void knows_a_token_by_its_form(void **state)
{
    (void)state;
    assert_int_equal(dv_snowflake_token_number(""), 0);
    assert_int_equal(dv_snowflake_token_number("00000000000000000042-00ff00ff00ff00ff"), 42);
    static const char *const others[] = { "42", "00000000000000000042", "00000000000000000042-00FF00ff00ff00ff",
                                          "90000000000000000042-00ff00ff00ff00ff",
                                          "0000000000000000042-00ff00ff00ff00fff" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(dv_snowflake_token_number(others[i]), UINT64_MAX);
}

/* What is entered is durable when it says so, not before; and the rest is written at the close. */
static void tells_what_is_durable(void **state)
{
    struct world *world = *state;
    struct book book;
    book_open_fine(world, &book);
    book_enter(&book, 1, 3);
    uint64_t first = book.journal.ticket;
    dv_snowflake_journal_save(&book.journal);
    book_enter(&book, 4, 5); /* while the first is written */
    uint64_t second = book.journal.ticket;
    assert_false(dv_snowflake_journal_is_durable(&book.journal, first));
    world_run_while_less(world, &book.saves, 1);
    assert_true(dv_snowflake_journal_is_durable(&book.journal, first));
    assert_false(dv_snowflake_journal_is_durable(&book.journal, second));
    world_run_while_less(world, &book.saves, 2);
    assert_true(dv_snowflake_journal_is_durable(&book.journal, second));
    book_settle(&book, 2, 1);
    book_crash(world, &book, "copy"); /* nobody saved that */
    assert_int_equal(book.journal.unit, 2);
    assert_int_equal(book.journal.settled, 0);
    book_settle(&book, 2, 1);
    book_open_again(world, &book);
    assert_int_equal(book.journal.settled, 2);
    assert_int_equal(book.journal.errors, 1);
    book_close(world, &book);
}

static void takes_back_what_was_not_taken(void **state)
{
    struct world *world = *state;
    struct book book;
    char token[DV_SNOWFLAKE_TOKEN];
    book_open_fine(world, &book);
    for (uint64_t unit = 0; unit < 5; unit++)
        book_send(world, &book, 1 + 10 * unit, 5 + 10 * unit);
    book_settle(&book, 1, 0);
    dv_snowflake_journal_begin(&book.journal, token); /* goes with them */
    dv_snowflake_journal_note(&book.journal, book_id(99));
    book_take_back(&book, 2);
    assert_int_equal(book.journal.unit, 2);
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(book_find(&book, 15), 2);
        assert_int_equal(book_find(&book, 21), 0);
        assert_int_equal(book_find(&book, 45), 0);
        assert_int_equal(book_find(&book, 99), 0);
        book_open_again(world, &book);
    }
    book_send(world, &book, 21, 22);
    book_open_again(world, &book);
    assert_int_equal(book.journal.unit, 3);
    assert_int_equal(book_find(&book, 22), 3);
    assert_int_equal(book_find(&book, 23), 0);
    book_close(world, &book);
}

/* Of what was noted only that is entered for which there was room, and nothing that was dropped. */
static void enters_what_there_is_room_for(void **state)
{
    struct world *world = *state;
    struct book book;
    char token[DV_SNOWFLAKE_TOKEN];
    book_open_fine(world, &book);
    for (unsigned round = 0; round < 2; round++) {
        dv_snowflake_journal_begin(&book.journal, token);
        for (uint64_t number = 1; number <= 9; number++)
            dv_snowflake_journal_note(&book.journal, book_id(number));
        dv_snowflake_journal_drop(&book.journal, book_id(2));
        dv_snowflake_journal_drop(&book.journal, book_id(9));
        if (round == 0) {
            dv_snowflake_journal_cancel(&book.journal);
            for (uint64_t number = 1; number <= 9; number++)
                assert_int_equal(book_find(&book, number), 0);
        }
    }
    assert_int_equal(dv_snowflake_journal_enter(&book.journal, 4), DV_OK);
    for (unsigned again = 0; again < 2; again++) {
        for (uint64_t number = 1; number <= 9; number++)
            assert_int_equal(book_find(&book, number), number != 2 && number <= 5 ? 1 : 0);
        book_open_again(world, &book);
    }
    book_close(world, &book);
}

/* A refused record is as if it had not been sent, also for the process after this one; sent again it counts again. */
static void forgets_what_was_refused(void **state)
{
    struct world *world = *state;
    struct book book;
    uint8_t ids[2][DV_SNOWFLAKE_JOURNAL_ID];
    memcpy(ids[0], book_id(2), sizeof ids[0]);
    memcpy(ids[1], book_id(5), sizeof ids[1]);
    book_open_fine(world, &book);
    book_send(world, &book, 1, 4);
    book_send(world, &book, 5, 6);
    assert_int_equal(
        dv_snowflake_journal_settle(&book.journal, 2, 2, (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])ids, 2), DV_OK);
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(book_find(&book, 2), 0);
        assert_int_equal(book_find(&book, 5), 0);
        assert_int_equal(book_find(&book, 3), 1);
        assert_int_equal(book_find(&book, 6), 2);
        assert_int_equal(book_missing(&book, 0, 2, NULL, 0), 4);
        book_open_again(world, &book);
    }
    book_send(world, &book, 2, 2);
    book_open_again(world, &book);
    assert_int_equal(book_find(&book, 2), 3);
    assert_int_equal(book_find(&book, 5), 0);
    book_close(world, &book);
}

/* At once, when the worker has begun or not; and when it comes home: nothing is left open, and the lock is free. */
static void closes_while_it_is_read(void **state)
{
    struct world *world = *state;
    struct book book;
    book_open_fine(world, &book);
    book_send(world, &book, 1, 3);
    book_close(world, &book);
    for (unsigned round = 0; round < 50; round++) {
        memset(&book, 0, sizeof book);
        book_begin(world, &book, 7);
        (void)usleep(20 * round);
        book_close(world, &book);
        assert_false(book.is_read);
    }
    for (uint64_t channel = 7; channel <= 8; channel++) {
        memset(&book, 0, sizeof book);
        book.closes = true;
        book_begin(world, &book, channel);
        world_run_until(world, &book.is_read);
        assert_int_equal(book.rc, channel == 7 ? DV_OK : DV_E_CONFIG);
        book_close(world, &book);
    }
    book_open_fine(world, &book);
    assert_int_equal(book_find(&book, 3), 1);
    book_close(world, &book);
}

static void survives_without_memory(void **state)
{
    struct world *world = *state;
    struct book book;
    dv_rc rc = DV_E_MEMORY;
    unsigned tries = 0;
    char token[DV_SNOWFLAKE_TOKEN];
    book_open_fine(world, &book);
    book_send(world, &book, 1, 3);
    book_close(world, &book);
    while (rc != DV_OK) {
        dv_memory_fail_at(++tries);
        rc = book_open(world, &book, 7, NULL);
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY);
    }
    assert_true(tries > 3);
    dv_snowflake_journal_begin(&book.journal, token);
    dv_snowflake_journal_note(&book.journal, book_id(9));
    dv_memory_fail_at(1);
    assert_int_equal(dv_snowflake_journal_enter(&book.journal, 1), DV_E_MEMORY);
    dv_memory_fail_at(0);
    assert_int_equal(book_find(&book, 9), 0);
    book_send(world, &book, 9, 9);
    book_open_again(world, &book);
    assert_int_equal(book_find(&book, 9), 2);
    book_close(world, &book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(remembers_what_was_sent, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(knows_how_far_back_it_remembers, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(has_one_owner, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(makes_each_token_once, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(knows_a_token_by_its_form, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(tells_what_is_durable, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(takes_back_what_was_not_taken, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(enters_what_there_is_room_for, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(forgets_what_was_refused, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(closes_while_it_is_read, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(survives_without_memory, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
