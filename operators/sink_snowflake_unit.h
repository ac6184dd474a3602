/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_unit.h - batches on their way into Snowflake, and the request that is made of them. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_UNIT_H
#define DV_OPERATORS_SINK_SNOWFLAKE_UNIT_H

#include "connectors/snowflake_journal.h"
#include "connectors/snowflake_rows.h"
#include "engine/batch.h"

enum {
    DV_SNOW_HELD_MAX = 8,
    DV_SNOW_UNIT_ROWS = DV_SNOW_HELD_MAX * DV_BATCH_ROWS,
};

/* A batch on its way. */
struct dv_snow_held {
    struct dv_batch *batch; /* NULL: free */
    uint64_t order;
    uint64_t over[DV_BATCH_ROWS / 64]; /* rows that are in the table, or rejected */
};

/* A row of the request. */
struct dv_snow_row {
    struct dv_snow_held *held;
    uint16_t row;
};

struct dv_node;

/* What is on its way. Zero at first. */
struct dv_snow_load {
    struct dv_node *node;
    struct dv_snowflake_journal journal;
    struct dv_snowflake_rows rows;
    struct dv_snow_held held[DV_SNOW_HELD_MAX];
    uint64_t order;
    struct dv_snow_row *unit; /* room for DV_SNOW_UNIT_ROWS */
    uint32_t unit_count, unit_most;
    uint8_t (*got)[DV_SNOWFLAKE_JOURNAL_ID]; /* ids that the table has, the same room */
    uint32_t got_count;
    char offset[DV_SNOWFLAKE_TOKEN];
    char *text; /* of a row */
    size_t text_size;
};

/* Makes the next request of the rows that are held; false: there is nothing to be sent, and what is over may be finished. */
bool dv_snow_make_unit(struct dv_snow_load *load);

/* Snowflake does not take the request as it is: the next one is half of it. One row alone is rejected. */
void dv_snow_halve_unit(struct dv_snow_load *load, dv_rc rc);

/* Marks the request's rows as over: all of them, but those that are not among `got` are rejected if `asked`. */
void dv_snow_settle_unit(struct dv_snow_load *load, bool asked);

/* How many of the request's rows are not among `got`, which this sorts. */
uint32_t dv_snow_count_missing(struct dv_snow_load *load);

/* Finishes the batches of which all rows are over; and every batch, with an error. */
void dv_snow_finish_batches(struct dv_snow_load *load);
void dv_snow_fail_batches(struct dv_snow_load *load, dv_rc rc, const char *reason);

/* Whether any batch is held; and takes one more. */
bool dv_snow_holds_any(const struct dv_snow_load *load);
void dv_snow_hold(struct dv_snow_load *load, struct dv_batch *batch);

/* Takes the memory, in the node's arena; and wipes what was made of rows. */
DV_CHECKED dv_rc dv_snow_load_open(struct dv_snow_load *load, struct dv_node *node);
void dv_snow_load_close(struct dv_snow_load *load);

/* The number in a request's token; UINT64_MAX: it is none. "" is 0. */
uint64_t dv_snow_unit_of(const char *offset);

#endif
