/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_ask.h - which rows of some requests a table has: what Snowflake refuses passes silently there. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_ASK_H
#define DV_OPERATORS_SINK_SNOWFLAKE_ASK_H

#include "connectors/snowflake.h"
#include "connectors/snowflake_journal.h"
#include "engine/loop.h"
#include "operators/sink_snowflake_unit.h"

enum { DV_SNOW_ASK_AGAIN_MS = 1000, DV_SNOW_ASK_ROOM = DV_SNOW_ROWS_MAX + DV_SNOW_UNIT_ROWS };

/* Asks; zero at first. All but the first block is private. */
struct dv_snow_ask {
    bool asking;
    bool range;                                  /* by their numbers, since their tokens are not known any more */
    uint64_t from, to;                           /* requests behind the one, up to the other */
    uint8_t (*missing)[DV_SNOWFLAKE_JOURNAL_ID]; /* their records that are not in the table, sorted */
    uint32_t missing_count;
    void (*on_end)(struct dv_snow_ask *ask, dv_rc rc,
                   const char *reason); /* from the loop; DV_OK, or why it will never be known */
    void *data;

    struct dv_snowflake *snowflake;
    const struct dv_snowflake_journal *journal;
    char table[4 * DV_SNOWFLAKE_NAME_MAX];
    char sql[4 * DV_SNOWFLAKE_NAME_MAX + 3 * DV_SNOWFLAKE_UNITS_MAX];
    char ends[2][DV_SNOWFLAKE_TOKEN];
    char tokens[DV_SNOWFLAKE_UNITS_MAX][DV_SNOWFLAKE_TOKEN];
    struct dv_snowflake_bind binds[DV_SNOWFLAKE_UNITS_MAX];
    struct dv_snowflake_statement statement;
    uint8_t (*got)[DV_SNOWFLAKE_JOURNAL_ID];
    uint32_t got_count;
    struct dv_timer timer;
};

/* Of the requests behind `from`, up to `to`: at least one, and each of them known to the journal. */
void dv_snow_ask_start(struct dv_snow_ask *ask, uint64_t from, uint64_t to);

/* The same of requests that are settled: only their numbers are looked at, and rows that the journal does not know are another channel's. */
void dv_snow_ask_start_range(struct dv_snow_ask *ask, uint64_t from, uint64_t to);

/* False: the names are too long. And the end; nothing comes any more. Accepts a zeroed one. */
bool dv_snow_ask_open(struct dv_snow_ask *ask, struct dv_loop *loop, const char *database, const char *schema,
                      const char *table);
void dv_snow_ask_close(struct dv_snow_ask *ask);

#endif
