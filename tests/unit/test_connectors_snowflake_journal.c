/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_journal.c - what was sent is remembered, by numbers and ids, and by nothing that is damaged.
 *
 * shows: SNO-1 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/snowflake_journal.h"
#include "engine/memory.h"
#include "tests/unit/connectors_world.h"

/* A journal and how often it said that it is saved. */
struct book {
    struct dv_snowflake_journal journal;
    uint64_t saves;
};

static void on_saved(void *data)
{
    ((struct book *)data)->saves++;
}

static dv_rc open_book(struct world *world, struct book *book, uint64_t channel, struct dv_error *error)
{
    const struct dv_snowflake_journal_options options = { .loop = &world->loop.base,
                                                          .sys = &faulty_sys,
                                                          .path = world_path(world, "deep/out.journal"),
                                                          .channel = channel,
                                                          .saved = on_saved,
                                                          .data = book };
    memset(book, 0, sizeof *book);
    return dv_snowflake_journal_open(&book->journal, &options, error);
}

static void open_fine(struct world *world, struct book *book)
{
    struct dv_error error = { 0 };
    if (open_book(world, book, 7, &error) != DV_OK)
        fail_msg("%s", error.text);
}

static const uint8_t *id_of(uint64_t number)
{
    static uint8_t id[DV_SNOWFLAKE_JOURNAL_ID];
    for (unsigned i = 0; i < 8; i++)
        id[15 - i] = (uint8_t)(number >> 8 * i);
    return id;
}

/* A request of the records from `first` to `last`. */
static void send_unit(struct world *world, struct book *book, uint64_t first, uint64_t last)
{
    dv_snowflake_journal_begin(&book->journal);
    for (uint64_t number = first; number <= last; number++)
        dv_snowflake_journal_note(&book->journal, id_of(number));
    dv_snowflake_journal_save(&book->journal);
    world_run_while_less(world, &book->saves, book->saves + 1);
}

static void close_book(struct world *world, struct book *book)
{
    dv_snowflake_journal_close(&book->journal);
    world_run_ms(world, 1);
}

static void remembers_what_was_sent(void **state)
{
    struct world *world = *state;
    struct book book;
    open_fine(world, &book);
    assert_int_equal(book.journal.unit, 0);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(1)), 0);
    send_unit(world, &book, 1, 3);
    dv_snowflake_journal_settle(&book.journal, 5);
    send_unit(world, &book, 4, 5);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(1)), 1); /* of this process, too */
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(5)), 2);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(6)), 0);
    close_book(world, &book);
    open_fine(world, &book);
    assert_int_equal(book.journal.unit, 2);
    assert_int_equal(book.journal.settled, 1);
    assert_int_equal(book.journal.errors, 5);
    for (uint64_t number = 0; number < 7; number++)
        assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(number)), number == 0 || number > 5 ? 0
                                                                                  : number < 4              ? 1
                                                                                                            : 2);
    assert_int_equal(dv_snowflake_journal_missing(&book.journal, 1, NULL, 0), 3);
    uint8_t ids[2][DV_SNOWFLAKE_JOURNAL_ID]; /* one of another's that came with the same request does not count */
    memcpy(ids[0], id_of(2), sizeof ids[0]);
    memcpy(ids[1], id_of(9), sizeof ids[1]);
    assert_int_equal(
        dv_snowflake_journal_missing(&book.journal, 1, (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])ids, 2), 2);
    close_book(world, &book);
}

/* Two of them would each take for its own what the other has committed. */
static void has_one_owner(void **state)
{
    struct world *world = *state;
    struct book book, other;
    struct dv_error error = { 0 };
    open_fine(world, &book);
    assert_int_equal(open_book(world, &other, 7, &error), DV_E_FENCED);
    assert_non_null(strstr(error.text, "is in use by another process"));
    send_unit(world, &book, 1, 3); /* which replaces the file, and not the lock */
    assert_int_equal(open_book(world, &other, 7, &error), DV_E_FENCED);
    close_book(world, &book);
    open_fine(world, &other);
    close_book(world, &other);
}

/* A request of the same number is another one. */
static void makes_each_token_once(void **state)
{
    struct world *world = *state;
    struct book book;
    char first[DV_SNOWFLAKE_TOKEN], second[DV_SNOWFLAKE_TOKEN];
    open_fine(world, &book);
    assert_string_equal(book.journal.token, "");
    send_unit(world, &book, 1, 3);
    memcpy(first, book.journal.token, sizeof first);
    assert_int_equal(strlen(first), DV_SNOWFLAKE_TOKEN - 1);
    assert_memory_equal(first, "00000000000000000001-", 21);
    dv_snowflake_journal_settle(&book.journal, 0);
    send_unit(world, &book, 4, 5);
    memcpy(second, book.journal.token, sizeof second);
    assert_memory_equal(second, "00000000000000000002-", 21);
    close_book(world, &book);
    open_fine(world, &book);
    assert_string_equal(book.journal.token, second);
    assert_string_equal(book.journal.token_before, first);
    dv_snowflake_journal_take_back(&book.journal);
    assert_string_equal(book.journal.token, first);
    assert_string_equal(book.journal.token_before, "");
    send_unit(world, &book, 4, 5);
    assert_string_equal(book.journal.token_before, first);
    assert_memory_equal(book.journal.token, second, 21);
    assert_string_not_equal(book.journal.token, second);
    close_book(world, &book);
}

/* What is settled is not written at once, but it is at the close. */
static void writes_at_the_close(void **state)
{
    struct world *world = *state;
    struct book book;
    open_fine(world, &book);
    send_unit(world, &book, 1, 3);
    dv_snowflake_journal_settle(&book.journal, 1);
    close_book(world, &book);
    open_fine(world, &book);
    assert_int_equal(book.journal.settled, 1);
    assert_int_equal(book.journal.errors, 1);
    close_book(world, &book);
}

static void takes_back_what_was_not_taken(void **state)
{
    struct world *world = *state;
    struct book book;
    open_fine(world, &book);
    send_unit(world, &book, 1, 3);
    send_unit(world, &book, 4, 9);
    dv_snowflake_journal_take_back(&book.journal);
    assert_int_equal(book.journal.unit, 1);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(3)), 1);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(4)), 0);
    send_unit(world, &book, 4, 5);
    close_book(world, &book);
    open_fine(world, &book);
    assert_int_equal(book.journal.unit, 2);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(5)), 2);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(6)), 0);
    close_book(world, &book);
}

/* A refused record is as if it had not been sent, also for the process after this one; sent again it counts again. */
static void forgets_what_was_refused(void **state)
{
    struct world *world = *state;
    struct book book;
    uint8_t ids[1][DV_SNOWFLAKE_JOURNAL_ID];
    open_fine(world, &book);
    send_unit(world, &book, 1, 4);
    dv_snowflake_journal_drop(&book.journal, id_of(2));
    send_unit(world, &book, 5, 5);
    close_book(world, &book);
    open_fine(world, &book);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(2)), 0);
    memcpy(ids[0], id_of(3), sizeof ids[0]);
    dv_snowflake_journal_keep_only(&book.journal, 1, (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])ids, 1);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(1)), 0);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(3)), 1);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(5)), 2);
    dv_snowflake_journal_keep_only(&book.journal, 2, NULL, 0);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(5)), 0);
    send_unit(world, &book, 1, 1);
    close_book(world, &book);
    open_fine(world, &book);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(1)), 3);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(5)), 0);
    close_book(world, &book);
}

static void forgets_the_oldest(void **state)
{
    struct world *world = *state;
    struct book book;
    open_fine(world, &book);
    for (uint64_t first = 0; first < 3 * DV_SNOWFLAKE_JOURNAL_IDS; first += DV_SNOWFLAKE_JOURNAL_IDS / 2)
        send_unit(world, &book, first, first + DV_SNOWFLAKE_JOURNAL_IDS / 2 - 1);
    for (uint64_t number = 0; number < 3 * DV_SNOWFLAKE_JOURNAL_IDS; number++)
        assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(number)),
                         number < 2 * DV_SNOWFLAKE_JOURNAL_IDS ? 0 : 1 + 2 * number / DV_SNOWFLAKE_JOURNAL_IDS);
    close_book(world, &book);
    open_fine(world, &book);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(2 * DV_SNOWFLAKE_JOURNAL_IDS - 1)), 0);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(2 * DV_SNOWFLAKE_JOURNAL_IDS)), 5);
    assert_int_equal(dv_snowflake_journal_find(&book.journal, id_of(3 * DV_SNOWFLAKE_JOURNAL_IDS - 1)), 6);
    close_book(world, &book);
}

/* One byte that is another, one that is missing, one too many: nothing of it is believed. */
static void refuses_what_is_damaged(void **state)
{
    struct world *world = *state;
    struct book book;
    char bytes[400];
    struct dv_error error = { 0 };
    const char *path = world_path(world, "deep/out.journal");
    open_fine(world, &book);
    send_unit(world, &book, 1, 3);
    close_book(world, &book);
    size_t length = world_read(path, bytes, sizeof bytes);
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 0x10;
        world_write(path, bytes, length);
        assert_int_equal(open_book(world, &book, 7, &error), DV_E_TAMPER);
        bytes[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < length; cut += 7) {
        world_write(path, bytes, cut);
        assert_int_equal(open_book(world, &book, 7, &error), DV_E_TAMPER);
    }
    world_write(path, bytes, length + 1);
    assert_int_equal(open_book(world, &book, 7, &error), DV_E_TAMPER);
    world_write(path, bytes, length);
    assert_int_equal(open_book(world, &book, 8, &error), DV_E_CONFIG);
    assert_non_null(strstr(error.text, "is of another channel"));
    open_fine(world, &book);
    close_book(world, &book);
}

static void tries_again_while_it_cannot_be_written(void **state)
{
    struct world *world = *state;
    struct book book;
    open_fine(world, &book);
    faults()->write_error = ENOSPC;
    dv_snowflake_journal_begin(&book.journal);
    dv_snowflake_journal_save(&book.journal);
    world_run_ms(world, 100);
    assert_int_equal(book.saves, 0);
    assert_non_null(book.journal.reason);
    faults()->write_error = 0;
    world_run_while_less(world, &book.saves, 1);
    assert_null(book.journal.reason);
    close_book(world, &book);
}

static void survives_without_memory(void **state)
{
    struct world *world = *state;
    struct book book;
    dv_rc rc = DV_E_MEMORY;
    unsigned tries = 0;
    while (rc != DV_OK) {
        dv_memory_fail_at(++tries);
        rc = open_book(world, &book, 7, NULL);
        dv_memory_fail_at(0);
        assert_true(rc == DV_OK || rc == DV_E_MEMORY);
    }
    assert_true(tries > 3);
    close_book(world, &book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(remembers_what_was_sent, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(has_one_owner, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(makes_each_token_once, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(writes_at_the_close, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(takes_back_what_was_not_taken, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(forgets_what_was_refused, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(forgets_the_oldest, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_damaged, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(tries_again_while_it_cannot_be_written, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(survives_without_memory, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
