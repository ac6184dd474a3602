/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_ask.c - the ids of requests as the table has them, held against those that the journal knows. */
#include "operators/sink_snowflake_ask.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/id.h"
#include "engine/memory.h"
#include "operators/sink_snowflake_count.h"

static int by_id(const void *one, const void *other)
{
    return memcmp(one, other, DV_SNOWFLAKE_JOURNAL_ID);
}

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_snow_ask *ask = statement->data;
    if (count == 1 && cells[0].at != NULL && ask->got_count < DV_SNOW_ASK_ROOM &&
        dv_id_parse(cells[0].at, cells[0].length, ask->got[ask->got_count]) &&
        (!ask->range || dv_snowflake_ids_find(&ask->journal->ids, ask->got[ask->got_count]) != 0))
        ask->got_count++;
}

static void compare(struct dv_snow_ask *ask)
{
    qsort(ask->got, ask->got_count, sizeof *ask->got, by_id);
    ask->missing_count = dv_snowflake_ids_missing(&ask->journal->ids, ask->from, ask->to,
                                                  (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])ask->got, ask->got_count,
                                                  ask->missing, DV_SNOW_ASK_ROOM);
    DV_ASSERT(ask->missing_count <= DV_SNOW_ASK_ROOM);
    qsort(ask->missing, ask->missing_count, sizeof *ask->missing, by_id);
}

static void on_statement_end(struct dv_snowflake_statement *statement)
{
    struct dv_snow_ask *ask = statement->data;
    const dv_rc rc = dv_snow_asked(statement);
    if (rc == DV_E_DEPENDENCY || rc == DV_E_MEMORY) {
        dv_timer_start(&ask->timer, DV_SNOW_ASK_AGAIN_MS);
        return;
    }
    ask->asking = false;
    if (rc == DV_OK)
        compare(ask);
    ask->on_end(ask, rc, statement->reason);
}

static bool take_memory(struct dv_snow_ask *ask)
{
    if (ask->got == NULL)
        ask->got = dv_memory_zeroed(DV_SNOW_ASK_ROOM, sizeof *ask->got);
    if (ask->missing == NULL)
        ask->missing = dv_memory_zeroed(DV_SNOW_ASK_ROOM, sizeof *ask->missing);
    return ask->got != NULL && ask->missing != NULL;
}

/* One question mark for each request, and its token. */
static uint32_t write_question(struct dv_snow_ask *ask)
{
    uint32_t count = 0;
    size_t at =
        (size_t)snprintf(ask->sql, sizeof ask->sql, "SELECT \"DV_ID\" FROM %s WHERE \"DV_UNIT\" IN (", ask->table);
    for (uint64_t unit = ask->from + 1; unit <= ask->to; unit++, count++) {
        DV_ASSERT(count < DV_SNOWFLAKE_UNITS_MAX && at + 3 < sizeof ask->sql);
        dv_snowflake_journal_token(ask->journal, unit, ask->tokens[count]);
        ask->binds[count] = (struct dv_snowflake_bind){ .value = { ask->tokens[count], strlen(ask->tokens[count]) } };
        ask->sql[at++] = '?';
        ask->sql[at++] = unit < ask->to ? ',' : ')';
    }
    ask->sql[at] = '\0';
    return count;
}

/* Behind a number the token goes on with a '-', so the two ends are no tokens. */
static uint32_t write_range(struct dv_snow_ask *ask)
{
    const uint64_t ends[] = { ask->from + 1, ask->to + 1 };
    int length = snprintf(ask->sql, sizeof ask->sql,
                          "SELECT \"DV_ID\" FROM %s WHERE \"DV_UNIT\" >= ? AND \"DV_UNIT\" < ?", ask->table);
    DV_ASSERT(length > 0 && (size_t)length < sizeof ask->sql);
    for (uint32_t i = 0; i < 2; i++) {
        (void)snprintf(ask->ends[i], sizeof ask->ends[i], "%020" PRIu64, ends[i]);
        ask->binds[i] = (struct dv_snowflake_bind){ .value = { ask->ends[i], strlen(ask->ends[i]) } };
    }
    return 2;
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_snow_ask *ask = timer->data;
    struct dv_snowflake_statement *statement = &ask->statement;
    ask->got_count = 0;
    *statement = (struct dv_snowflake_statement){ .sql = ask->sql,
                                                  .binds = ask->binds,
                                                  .bind_count = ask->range ? write_range(ask) : write_question(ask),
                                                  .tag = "datavault-refused",
                                                  .on_row = on_row,
                                                  .on_end = on_statement_end,
                                                  .data = ask };
    if (!take_memory(ask) || RAND_bytes(statement->request_id, sizeof statement->request_id) != 1 ||
        dv_snowflake_run(ask->snowflake, statement) != DV_OK)
        dv_timer_start(&ask->timer, DV_SNOW_ASK_AGAIN_MS);
}

static void start(struct dv_snow_ask *ask, bool range, uint64_t from, uint64_t to)
{
    DV_ASSERT(!ask->asking && from < to);
    ask->range = range;
    ask->asking = true;
    ask->from = from;
    ask->to = to;
    dv_timer_start(&ask->timer, 0);
}

void dv_snow_ask_start(struct dv_snow_ask *ask, uint64_t from, uint64_t to)
{
    start(ask, false, from, to);
}

void dv_snow_ask_start_range(struct dv_snow_ask *ask, uint64_t from, uint64_t to)
{
    start(ask, true, from, to);
}

bool dv_snow_ask_open(struct dv_snow_ask *ask, struct dv_loop *loop, const char *database, const char *schema,
                      const char *table)
{
    int length = snprintf(ask->table, sizeof ask->table, "\"%s\".\"%s\".\"%s\"", database, schema, table);
    dv_timer_init(loop, &ask->timer, on_timer, ask);
    return length > 0 && (size_t)length < sizeof ask->table;
}

void dv_snow_ask_close(struct dv_snow_ask *ask)
{
    if (ask->timer.loop == NULL)
        return;
    if (ask->asking)
        dv_snowflake_cancel(ask->snowflake, &ask->statement);
    ask->asking = false;
    dv_timer_close(&ask->timer);
    ask->timer.loop = NULL;
    dv_memory_free(ask->got);
    dv_memory_free(ask->missing);
    ask->got = ask->missing = NULL;
}
