/* SPDX-License-Identifier: Apache-2.0
 * snowflake_book.h - a journal of what was sent into a channel, in a test's own world: records are numbers. */
#ifndef DV_TESTS_SNOWFLAKE_BOOK_H
#define DV_TESTS_SNOWFLAKE_BOOK_H

#include "connectors/snowflake_journal.h"
#include "tests/unit/connectors_world.h"

enum { BOOK_IDS = DV_SNOWFLAKE_JOURNAL_IDS_MIN };

/* A journal and how often it said that it is saved. */
struct book {
    struct dv_snowflake_journal journal;
    uint64_t saves;
    bool is_read, closes; /* closes: as soon as it is */
    dv_rc rc;
    struct dv_error error;
};

/* Begins to open "deep/out.journal" of a channel; opens it; or that of 7 without a fault; what a record's number is as an id; where it was sent; a request of records, not
 * saved yet; what is not saved is saved; both; and the journal's own calls, which must be fine. After a crash only what is durable is there.
 * book_missing() gives how many records of the requests behind `from`, up to `to`, are not among `numbers`. */
void book_begin(struct world *world, struct book *book, uint64_t channel);
dv_rc book_open(struct world *world, struct book *book, uint64_t channel, struct dv_error *error);
void book_open_fine(struct world *world, struct book *book);
const uint8_t *book_id(uint64_t number);
uint64_t book_find(const struct book *book, uint64_t number);
void book_enter(struct book *book, uint64_t first, uint64_t last);
void book_save(struct world *world, struct book *book);
void book_send(struct world *world, struct book *book, uint64_t first, uint64_t last);
void book_settle(struct book *book, uint64_t unit, uint64_t errors);
void book_take_back(struct book *book, uint64_t unit);
void book_close(struct world *world, struct book *book);
void book_open_again(struct world *world, struct book *book);
void book_crash(struct world *world, struct book *book, const char *to);
uint32_t book_missing(const struct book *book, uint64_t from, uint64_t to, const uint64_t *numbers, uint32_t count);

#endif
