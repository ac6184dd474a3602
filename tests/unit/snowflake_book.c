/* SPDX-License-Identifier: Apache-2.0
 * snowflake_book.c - what the tests of journals do with one. */
#include "tests/unit/snowflake_book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void on_saved(void *data)
{
    ((struct book *)data)->saves++;
}

static void on_read(struct dv_snowflake_journal *journal, dv_rc rc, const struct dv_error *error)
{
    struct book *book = journal->options.data;
    assert_false(book->is_read);
    book->is_read = true;
    book->rc = rc;
    book->error = *error;
    if (book->closes)
        dv_snowflake_journal_close(journal);
}

void book_begin(struct world *world, struct book *book, uint64_t channel)
{
    const struct dv_snowflake_journal_options options = { .loop = &world->loop.base,
                                                          .sys = &faulty_sys,
                                                          .path = world_path(world, "deep/out.journal"),
                                                          .channel = channel,
                                                          .remember = BOOK_IDS,
                                                          .read = on_read,
                                                          .saved = on_saved,
                                                          .data = book };
    dv_snowflake_journal_open(&book->journal, &options);
    assert_false(book->is_read);
}

dv_rc book_open(struct world *world, struct book *book, uint64_t channel, struct dv_error *error)
{
    memset(book, 0, sizeof *book);
    book_begin(world, book, channel);
    world_run_until(world, &book->is_read);
    if (error != NULL)
        *error = book->error;
    if (book->rc != DV_OK)
        book_close(world, book);
    return book->rc;
}

void book_open_fine(struct world *world, struct book *book)
{
    struct dv_error error = { 0 };
    if (book_open(world, book, 7, &error) != DV_OK)
        fail_msg("%s", error.text);
}

const uint8_t *book_id(uint64_t number)
{
    static uint8_t id[DV_SNOWFLAKE_JOURNAL_ID];
    for (unsigned i = 0; i < 8; i++)
        id[15 - i] = (uint8_t)(number >> 8 * i);
    return id;
}

uint64_t book_find(const struct book *book, uint64_t number)
{
    return dv_snowflake_ids_find(&book->journal.ids, book_id(number));
}

/* A request of the records from `first` to `last`, not saved yet. */
void book_enter(struct book *book, uint64_t first, uint64_t last)
{
    char token[DV_SNOWFLAKE_TOKEN];
    dv_snowflake_journal_begin(&book->journal, token);
    for (uint64_t number = first; number <= last; number++)
        dv_snowflake_journal_note(&book->journal, book_id(number));
    assert_int_equal(dv_snowflake_journal_enter(&book->journal, (uint32_t)(last - first + 1)), DV_OK);
    assert_int_equal(dv_snowflake_journal_number(&book->journal, token), book->journal.unit);
}

void book_save(struct world *world, struct book *book)
{
    dv_snowflake_journal_save(&book->journal);
    while (!dv_snowflake_journal_is_durable(&book->journal, book->journal.ticket))
        world_run_while_less(world, &book->saves, book->saves + 1);
}

void book_send(struct world *world, struct book *book, uint64_t first, uint64_t last)
{
    book_enter(book, first, last);
    book_save(world, book);
}

void book_settle(struct book *book, uint64_t unit, uint64_t errors)
{
    assert_int_equal(dv_snowflake_journal_settle(&book->journal, unit, errors, NULL, 0), DV_OK);
}

void book_take_back(struct book *book, uint64_t unit)
{
    assert_int_equal(dv_snowflake_journal_take_back(&book->journal, unit), DV_OK);
}

void book_close(struct world *world, struct book *book)
{
    dv_snowflake_journal_close(&book->journal);
    world_run_dry(world);
}

void book_open_again(struct world *world, struct book *book)
{
    book_close(world, book);
    book_open_fine(world, book);
}

/* As after a crash: what is not durable is not there. */
void book_crash(struct world *world, struct book *book, const char *to)
{
    static char bytes[1 << 20];
    const char *path = world_path(world, "deep/out.journal");
    size_t length = world_read(path, bytes, sizeof bytes);
    world_write(world_path(world, to), bytes, length);
    book_close(world, book);
    world_write(path, bytes, length);
    book_open_fine(world, book);
}

uint32_t book_missing(const struct book *book, uint64_t from, uint64_t to, const uint64_t *numbers, uint32_t count)
{
    uint8_t ids[8][DV_SNOWFLAKE_JOURNAL_ID], out[8][DV_SNOWFLAKE_JOURNAL_ID];
    for (uint32_t i = 0; i < count; i++)
        memcpy(ids[i], book_id(numbers[i]), sizeof ids[i]);
    return dv_snowflake_ids_missing(&book->journal.ids, from, to, (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])ids, count,
                                    out, 8);
}
