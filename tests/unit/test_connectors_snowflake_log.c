/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_snowflake_log.c - the journal's file: torn by a crash, damaged, made anew, or not to be written.
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

#include "tests/unit/snowflake_book.h"

/* And the file does not grow for ever. */
static void forgets_the_oldest(void **state)
{
    struct world *world = *state;
    struct book book;
    const char *path = world_path(world, "deep/out.journal");
    enum { EACH = BOOK_IDS / 8, ROUNDS = 8 * 5 };
    long largest = 0;
    book_open_fine(world, &book);
    for (uint64_t unit = 0; unit < ROUNDS; unit++) {
        book_send(world, &book, unit * EACH, unit * EACH + EACH - 1);
        if (unit % 3 == 2)
            book_settle(&book, unit - 1, 0);
        largest = world_size(path) > largest ? world_size(path) : largest;
        if (unit % 16 == 15)
            book_open_again(world, &book);
    }
    assert_in_range(largest, 16L * BOOK_IDS, 3 * 16L * BOOK_IDS);
    for (unsigned again = 0; again < 2; again++) {
        for (uint64_t number = 0; number < ROUNDS * EACH; number += 7)
            assert_int_equal(book_find(&book, number), number < (ROUNDS - 8) * EACH ? 0 : 1 + number / EACH);
        book_open_again(world, &book);
    }
    book_close(world, &book);
}

/* What is under way is never forgotten, however little it is that counts as old. */
static void keeps_what_is_under_way(void **state)
{
    struct world *world = *state;
    struct book book;
    char token[DV_SNOWFLAKE_TOKEN];
    enum { EACH = BOOK_IDS / 256, ROUNDS = 250 };
    book_open_fine(world, &book);
    book_send(world, &book, 0, EACH - 1);
    book_settle(&book, 1, 0);
    for (uint64_t unit = 1; unit < ROUNDS; unit++)
        book_enter(&book, unit * EACH, unit * EACH + EACH - 1);
    assert_true(dv_snowflake_journal_has_room(&book.journal));
    for (uint64_t round = 0; round < 60;
         round++) { /* what is sent again and again and taken back makes the file grow */
        book_take_back(&book, 1);
        for (uint64_t unit = 1; unit < ROUNDS; unit++)
            book_enter(&book, unit * EACH, unit * EACH + EACH - 1);
        book_save(world, &book);
    }
    assert_in_range(world_size(world_path(world, "deep/out.journal")), 16L * BOOK_IDS, 4 * 16L * BOOK_IDS);
    dv_snowflake_journal_token(&book.journal, 1, token);
    book_open_again(world, &book);
    assert_int_equal(book.journal.unit, ROUNDS);
    assert_int_equal(book.journal.settled, 1);
    assert_int_equal(dv_snowflake_journal_number(&book.journal, token), 1);
    assert_int_equal(book_find(&book, 0), 1);
    assert_int_equal(book_missing(&book, 1, ROUNDS, NULL, 0), (ROUNDS - 1) * EACH);
    book_close(world, &book);
}

/* Three saves, of which the last tells that the first request is settled. */
static size_t write_three(struct world *world, char *bytes, size_t size, size_t *ret_first, size_t *ret_last)
{
    struct book book;
    const char *path = world_path(world, "deep/out.journal");
    book_open_fine(world, &book);
    book_send(world, &book, 1, 3);
    *ret_first = (size_t)world_size(path);
    book_send(world, &book, 4, 5);
    *ret_last = (size_t)world_size(path);
    book_settle(&book, 1, 0);
    book_close(world, &book);
    return world_read(path, bytes, size);
}

/* One byte that is another: nothing is believed, unless it could be a save that was torn by a crash. That one is as if it had never been. */
static void refuses_what_is_damaged(void **state)
{
    struct world *world = *state;
    struct book book;
    char bytes[1000];
    size_t first = 0, last = 0;
    struct dv_error error = { 0 };
    const char *path = world_path(world, "deep/out.journal");
    size_t length = write_three(world, bytes, sizeof bytes, &first, &last);
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 0x10;
        world_write(path, bytes, length);
        dv_rc rc = book_open(world, &book, 7, &error);
        assert_int_equal(rc, i < last ? DV_E_TAMPER : DV_OK);
        bytes[i] ^= 0x10;
        if (rc != DV_OK)
            continue;
        assert_int_equal(book.journal.settled, 0);
        assert_int_equal(book.journal.unit, 2);
        book_close(world, &book);
        assert_int_equal(world_size(path), last);
    }
    world_write(path, bytes, length);
    assert_int_equal(book_open(world, &book, 8, &error), DV_E_CONFIG);
    assert_non_null(strstr(error.text, "is of another channel"));
    memcpy(bytes, "DVSNOW2", 8);
    world_write(path, bytes, length);
    assert_int_equal(book_open(world, &book, 7, &error), DV_E_CONFIG);
    assert_non_null(strstr(error.text, "of an earlier version"));
}

/* Wherever the file ends, what stands before the torn save counts, and the next save goes there. */
static void cuts_what_is_torn(void **state)
{
    struct world *world = *state;
    struct book book;
    char bytes[1000], whole[1000];
    size_t first = 0, last = 0;
    struct dv_error error = { 0 };
    const char *path = world_path(world, "deep/out.journal");
    size_t length = write_three(world, whole, sizeof whole, &first, &last);
    size_t head = 0;
    for (size_t cut = length; cut-- > 0;) {
        world_write(path, whole, cut);
        dv_rc rc = book_open(world, &book, 7, &error);
        if (rc != DV_OK) { /* the head is replaced whole: no crash leaves a part of it */
            assert_int_equal(rc, DV_E_TAMPER);
            head = head > 0 ? head : cut + 1;
            continue;
        }
        assert_int_equal(head, 0);
        uint64_t before = book.journal.unit;
        assert_int_equal(before, cut >= last ? 2 : cut >= first ? 1 : 0);
        book_send(world, &book, 70, 71);
        book_open_again(world, &book);
        assert_int_equal(book.journal.unit, before + 1);
        assert_int_equal(book_find(&book, 71), before + 1);
        assert_int_equal(book_find(&book, 4), before == 2 ? 2 : 0);
        book_close(world, &book);
    }
    assert_int_equal(head, 8 + 2 * 8 + 4 * 8 + 8);
    memset(bytes, 0, sizeof bytes); /* a length that came before its bytes */
    memcpy(bytes, whole, last);
    for (size_t length_then = last + 1; length_then < sizeof bytes; length_then += 41) {
        world_write(path, bytes, length_then);
        book_open_fine(world, &book);
        assert_int_equal(book.journal.unit, 2);
        book_close(world, &book);
    }
}

/* A failed write or sync: a new file, since nobody knows what is in the old one; none is lost. */
static void tries_again_while_it_cannot_be_written(void **state)
{
    struct world *world = *state;
    struct book book;
    book_open_fine(world, &book);
    book_send(world, &book, 1, 3);
    __atomic_store_n(&faults()->write_error, ENOSPC, __ATOMIC_SEQ_CST);
    book_enter(&book, 4, 5);
    dv_snowflake_journal_save(&book.journal);
    for (int i = 0; i < 1000 && book.journal.reason == NULL; i++)
        world_run_ms(world, 10);
    assert_int_equal(book.saves, 1);
    assert_non_null(book.journal.reason);
    __atomic_store_n(&faults()->write_error, 0, __ATOMIC_SEQ_CST);
    world_run_while_less(world, &book.saves, 2);
    assert_null(book.journal.reason);
    faults()->sync_fails_at = faults()->syncs + 1;
    book_send(world, &book, 6, 7);
    for (unsigned again = 0; again < 2; again++) {
        for (uint64_t number = 1; number <= 7; number++)
            assert_int_equal(book_find(&book, number), number < 4 ? 1 : number < 6 ? 2 : 3);
        book_open_again(world, &book);
    }
    faults()->write_short = 5;
    book_send(world, &book, 8, 9);
    faults()->write_short = 0;
    book_open_again(world, &book);
    assert_int_equal(book_find(&book, 9), 4);
    book_close(world, &book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forgets_the_oldest, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(keeps_what_is_under_way, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_damaged, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(cuts_what_is_torn, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(tries_again_while_it_cannot_be_written, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
