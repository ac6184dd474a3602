/* SPDX-License-Identifier: Apache-2.0
 * snowflake_ring.h - the real ring, packer and journal of rows on their way into Snowflake, over a worker that works when it is told,
 * and requests that take what a script says. */
#ifndef DV_TESTS_SNOWFLAKE_RING_H
#define DV_TESTS_SNOWFLAKE_RING_H

#include "operators/sink_snowflake_unit.h"
#include "tests/unit/operators_world.h"

enum { RING_BATCHES = 300, RING_CREDITS = 16, RING_NUMBERS = RING_BATCHES * DV_BATCH_ROWS + 1, RING_TEXT = 4096 };

/* Rows are numbered from 1 on, over all batches; so are the batches. */
extern struct ring {
    struct dv_snow_load load;
    struct dv_node *node;
    uint32_t sizes[RING_BATCHES], batch_count, made, number;
    uint32_t same[RING_NUMBERS];  /* a row with the id of that one; 0: its own */
    bool early[RING_NUMBERS];     /* it was rejected before it came */
    dv_rc unfit[RING_NUMBERS];    /* no request takes it */
    uint32_t room;           /* rows of a request; 0: any number */
    uint32_t over[RING_NUMBERS];  /* times that a request with it was committed */
    uint32_t portion;             /* rows that are over at a time; 0: all of them */
    uint8_t missing[64][DV_SNOWFLAKE_JOURNAL_ID]; /* ids that were refused of what is settled */
    uint32_t missing_count;
    bool ended;              /* what dv_snow_pack_end() said */
    dv_rc read;                   /* what reading the journal said */
    uint32_t closed;                  /* jobs */
    bool works_at_close;     /* the worker had begun by then */
    char settled[RING_TEXT];      /* batches, in order */
    uint32_t settled_count;
    char text[RING_TEXT];
} ring;

/* The source of numbers, for another's sink: ring.sizes and ring.batch_count say of which batches. */
extern const struct dv_operator ring_source;

/* cmocka's setup; world_teardown() is the end. */
int ring_setup(void **state);

/* A run whose source makes batches of so many rows (first how many batches; 0: as ring.sizes says), all of them held; requests are of `unit_most`. And its end, with all that is left of it;
 * then everything is as it was before. */
#define ring_begin(world, unit_most, ...) ring_begin_with(world, unit_most, (const uint32_t[]){ __VA_ARGS__ })
void ring_begin_with(struct world *world, uint32_t unit_most, const uint32_t *sizes);
void ring_end(struct world *world);

/* The worker's part of a job, and what comes back of it. */
void ring_work(struct dv_job *job);
void ring_come_home(struct dv_job *job);

/* The journal of the world. */
dv_rc ring_open_journal(struct dv_snowflake_journal *journal, const struct world *world, struct dv_loop *loop);

/* Numbers of rows, as "1 2 3"; the newest is valid. */
const char *ring_rows_in(const struct dv_snow_pack *pack);
const char *ring_away(void);
const char *ring_resting(void);
const char *ring_letters(const struct world *world);
const char *ring_join(uint32_t from, uint32_t to);

/* The first row of those that are away. */
uint32_t ring_first_away(void);

/* What must be so after every step: no row is in two places, and the numbers are those of the rows. */
void ring_assert_sound(void);

/* A pack that is being made; NULL: there was nothing to make it of. And a request of these rows (NULL: any), which is sent and answered. */
struct dv_snow_pack *ring_start(void);
void ring_send(const char *rows);

/* Requests up to `unit` are committed, but for the rows of these numbers, up to a 0; the same in two parts: the journal has it, and then so many
 * rows are over, false if not all; those behind it are taken back; and the batches that are over are finished, which makes these in all. */
void ring_settle(uint64_t unit, const uint32_t *refused);
void ring_note_settled(uint64_t unit, const uint32_t *refused);
bool ring_over(uint32_t most);
void ring_take_back(uint64_t unit);
void ring_finish(const char *settled);

/* The request in which the journal has the row; 0: none. */
uint64_t ring_remembered(uint32_t number);

#endif
