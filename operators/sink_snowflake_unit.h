/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_unit.h - batches on their way into Snowflake, and the requests (units) that their rows travel in.
 *
 * A row is at rest, or away in a unit, or over: in the table, or rejected. Units are committed in their order, so the rows that
 * are away stand in one ring, unit behind unit: what is settled leaves it at its front, what is taken back at its end. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_UNIT_H
#define DV_OPERATORS_SINK_SNOWFLAKE_UNIT_H

#include "connectors/snowflake_journal.h"
#include "connectors/snowflake_rows.h"
#include "engine/batch.h"

enum {
    DV_SNOW_HELD_MAX = 255,
    DV_SNOW_ROWS_MAX = DV_SNOW_HELD_MAX * DV_BATCH_ROWS, /* that are held at a time */
    DV_SNOW_UNIT_ROWS = 8192,
    DV_SNOW_PACKS = 2, /* requests in memory: one is sent, and one is made meanwhile */
    DV_SNOW_UNFIT_MAX = 64,
    DV_SNOW_ASIDE_MAX = 8
};

/* A batch on its way. */
struct dv_snow_held {
    struct dv_batch *batch;
    struct dv_snow_held *next;
    uint32_t resting, left;                                      /* rows at rest; and those that are not over */
    uint64_t away[DV_BATCH_ROWS / 64], over[DV_BATCH_ROWS / 64]; /* the other rows */
    bool known; /* some of its rows were in the table already when it came */
};

struct dv_snow_row {
    uint16_t held, row;
};

/* A request that is made by a worker, and sent. */
struct dv_snow_pack {
    struct dv_snow_load *load;
    enum { DV_SNOW_FREE, DV_SNOW_PACKING, DV_SNOW_READY, DV_SNOW_SENDING } step;
    bool stale;    /* while it was packed the request was taken back */
    uint64_t unit; /* its number, and when it is in the journal */
    uint64_t ticket;
    char token[DV_SNOWFLAKE_TOKEN];
    struct dv_snow_row *list; /* room for DV_SNOW_UNIT_ROWS; the worker's while it packs, as what follows */
    uint32_t
        count; /* of them; then of those that are in the request, at the front of the list, or of which it has no room, at its end */
    uint32_t most;                               /* at first, of them */
    uint32_t packed;                             /* those in the request */
    struct dv_snow_row unfit[DV_SNOW_UNFIT_MAX]; /* that are too large for any request */
    uint32_t unfit_count;
    bool starved; /* it ended where there was no memory for a row */
    struct dv_snowflake_rows rows;
    char *text; /* of a row */
    size_t text_size;
    struct dv_job job;
    bool made; /* the job */
};

/* A row that was refused alone: see sink_snowflake_aside.h. */
struct dv_snow_aside {
    struct dv_snow_row row;
    dv_rc rc;
    bool waits;         /* it does not travel */
    bool passed, again; /* another request did since; and it was refused once more after that */
};

struct dv_node;

/* What is on its way. Zero at first. */
struct dv_snow_load {
    struct dv_node *node;
    struct dv_snowflake_journal journal;
    struct dv_snow_held *held, *free, *first; /* all of them; those of no batch; the oldest of the others */
    struct dv_snow_row *away;                 /* a ring of DV_SNOW_ROWS_MAX */
    uint32_t away_first, away_count;
    uint32_t counts[DV_SNOWFLAKE_UNITS_MAX]; /* rows of each unit that is away, by its number */
    uint64_t done;                           /* the last unit whose rows are over */
    uint32_t unit_most;
    struct dv_snow_aside aside[DV_SNOW_ASIDE_MAX]; /* in the order in which they were refused */
    uint32_t aside_count, vain;                    /* and how often one was tried since anything has passed */
    uint32_t whole_units, whole_rows;              /* requests in a row of which every row was refused, and these */
    struct dv_snow_pack packs[DV_SNOW_PACKS];
    void (*packed)(struct dv_snow_pack *pack); /* the owner's: back from the worker */
    void *data;
};

/* A batch comes; then its rows rest. */
void dv_snow_hold(struct dv_snow_load *load, struct dv_batch *batch);

/* Fills a pack that is free with rows at rest, the oldest first, and lets the worker make a request of it; false: there are none that may be sent now,
 * or too many requests, but some rows may be over. */
bool dv_snow_pack_start(struct dv_snow_load *load, struct dv_snow_pack *pack);

/* In `packed`: enters the request into the journal; false: nothing is left of it. DV_E_MEMORY in *ret_rc. */
bool dv_snow_pack_end(struct dv_snow_pack *pack, dv_rc *ret_rc);

/* Gives a pack back that the worker does not have. */
void dv_snow_pack_free(struct dv_snow_pack *pack);
bool dv_snow_is_packing(const struct dv_snow_load *load);

/* Requests behind `unit` are taken back: their rows rest again. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_snow_take_back(struct dv_snow_load *load, uint64_t unit);

/* Snowflake does not take the request as it is: it and those behind it are taken back, and the next ones are half of it. One row alone is set aside, or rejected
 * if it is large and that is why. */
DV_CHECKED dv_rc dv_snow_halve(struct dv_snow_load *load, const struct dv_snow_pack *pack, dv_rc rc);

/* Snowflake does not take the row, which rests or is away: it is over. */
void dv_snow_reject(struct dv_snow_load *load, struct dv_snow_row row, dv_rc rc);

/* Whether the row's record has one of these ids, which are sorted. */
bool dv_snow_is_among(const struct dv_snow_load *load, struct dv_snow_row row, const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count);

/* Rows of requests up to `unit` are over, `most` of them; those with one of these ids, which are sorted, are rejected. False: some are left,
 * for the same call another time; what is taken back meanwhile must be behind `unit`. */
bool dv_snow_rows_over(struct dv_snow_load *load, uint64_t unit, const uint8_t (*refused)[DV_SNOWFLAKE_JOURNAL_ID],
                       uint32_t count, uint32_t most);

/* Finishes the batches of which all rows are over; and every batch, with an error. */
void dv_snow_finish_batches(struct dv_snow_load *load);
void dv_snow_fail_batches(struct dv_snow_load *load, dv_rc rc, const char *reason);
bool dv_snow_rests_any(const struct dv_snow_load *load);

/* Takes the memory, in the node's arena; and waits for the worker, and wipes what was made of rows. */
DV_CHECKED dv_rc dv_snow_load_open(struct dv_snow_load *load, struct dv_node *node);
void dv_snow_load_close(struct dv_snow_load *load);

#endif
