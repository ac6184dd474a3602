/* SPDX-License-Identifier: Apache-2.0
 * source_snowflake.c - what a statement or a table of Snowflake shows now, as records, again and again: for the page's statistics.
 *
 * Each answer is a snapshot, whole or not at all: at most a batch of rows, which travel together, so that nobody sees the half of one.
 * Nothing is remembered and nothing can be lost: what could not be read, is asked for again, and status says why. That holds for an
 * answer that is not as its schema says, too: it stays in the warehouse, so it needs no dead letter, and one each minute would be
 * many. What a column holds is what the schema states; a column that it does not name is in `_extra`, as with any source. */
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "connectors/snowflake.h"
#include "connectors/snowflake_sql.h"
#include "engine/diag.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/columns.h"
#include "operators/schema_option.h"
#include "operators/snowflake_option.h"

enum {
    SQL_MAX = 64 * 1024,
    ROW_MAX = 1024 * 1024,
    RETRY_MS = 10000,  /* what heals is asked for again well within the default `stall` */
    AMISS_MS = 30000,  /* an answer that is not as it should be may cost a warehouse each time */
    STOP_MS = 2000,    /* for Snowflake to say that it has the statement, and that it ended it */
    STOP_LOOK_MS = 10,
    FIGURES = 3,
};

struct source_snowflake {
    struct dv_snowflake_server snowflake;
    const char *records, *saved, *table;
    int64_t every_ms;
    bool follow;

    const struct dv_schema *schema;
    const char *sql;
    struct dv_node *node;
    struct dv_snowflake account;
    struct dv_snowflake_statement statement;
    const struct dv_snowflake_column *columns; /* while rows come */
    struct dv_snowflake_writer writer;
    struct dv_json_reader *reader;
    struct dv_timer timer; /* before the next look */
    struct dv_batch *held;
    uint64_t source; /* stands for graph, node and process in the records' ids */
    uint64_t sequence, snapshots, failures;
    int64_t now_ms;     /* when the snapshot was asked for */
    uint64_t stop_ns;   /* when the stop began, or 0 */
    dv_rc columns_rc;   /* whether there is memory for their names */
    const char *reason; /* why the last one could not be read, or NULL */
    bool asking, answered, ended, opened;
};

static const struct dv_option options[] = {
    DV_SNOWFLAKE_ACCOUNT_ROWS(struct source_snowflake, DV_REQUIRED),
    DV_SNOWFLAKE_SERVER_ROWS(struct source_snowflake),
    { "records", DV_NAME, offsetof(struct source_snowflake, records), .flags = DV_REQUIRED,
      .help = "Schema of the rows, schemas/<name>.yaml beside the graph file; names that Snowflake made upper case are written small." },
    { "saved", DV_NAME, offsetof(struct source_snowflake, saved),
      .help = "Statement that is asked, analytics/<name>.sql beside the graph file; it reads, and has no question marks." },
    { "table", DV_NAME, offsetof(struct source_snowflake, table),
      .help = "Table or view that is read whole, instead of a statement; as SHOW writes it." },
    { "every", DV_DURATION, offsetof(struct source_snowflake, every_ms), .initial = "60s", .min = 1000, .max = 86400000,
      .help = "How long to wait between two answers; each wakes the warehouse." },
    { "follow", DV_BOOL, offsetof(struct source_snowflake, follow), .initial = "true",
      .help = "Whether to ask again and again; else the source ends behind the first answer." },
    { 0 },
};

/* ---- the statement ---- */

static dv_rc read_saved(struct dv_node *node, struct source_snowflake *source)
{
    const char *path = dv_arena_printf(dv_node_arena(node), "%s/analytics/%s.sql", dv_node_directory(node), source->saved);
    char *text = dv_arena_alloc(dv_node_arena(node), SQL_MAX + 2);
    struct dv_error error = { 0 };
    uint32_t marks = 0;
    if (path == NULL || text == NULL)
        return dv_fail(node, DV_E_MEMORY, "the graph's memory is used up");
    if (dv_snowflake_sql_read(path, text, SQL_MAX, &error) != DV_OK)
        return dv_refuse(node, "saved", "C270", "statements are looked up in analytics/ beside the graph file", "%s", error.text);
    dv_diags_source(dv_node_diags(node), path, text, strlen(text)); /* another text is another graph */
    const char *fault = dv_snowflake_sql_fault(text, &marks);
    if (fault == NULL && marks > 0)
        fault = "a statement that is asked again and again has no question marks";
    source->sql = text;
    return fault == NULL ? DV_OK : dv_refuse(node, "saved", "C271", NULL, "'%s': %s", path, fault);
}

/* One row more than there may be, so that it shows. */
static dv_rc make_statement(struct dv_node *node, struct source_snowflake *source)
{
    if ((source->saved != NULL) == (source->table != NULL))
        return dv_refuse(node, NULL, "C272", "as in saved: top-groups", "'%s' needs either a `saved` statement or a `table`", dv_node_name(node));
    if (source->saved != NULL)
        return read_saved(node, source);
    source->sql = dv_arena_printf(dv_node_arena(node), "SELECT * FROM \"%s\" LIMIT %d", source->table, DV_BATCH_ROWS + 1);
    return source->sql != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "the graph's memory is used up");
}

/* The same rows come again and again: unless each says whose it is, one person counted with every answer would make a group of k. */
static dv_rc take_schema(struct dv_node *node, struct source_snowflake *source, const struct dv_schema *schema)
{
    source->schema = schema;
    if (!source->follow || schema->subject >= 0)
        return DV_OK;
    struct dv_schema *copy = dv_schema_copy(dv_node_arena(node), schema);
    if (copy == NULL)
        return dv_fail(node, DV_E_MEMORY, "the graph's memory is used up");
    copy->subject = DV_SUBJECT_REPEATED;
    source->schema = copy;
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct source_snowflake *source = dv_state(node);
    DV_TRY(dv_snowflake_server_check(node, &source->snowflake));
    DV_TRY(make_statement(node, source));
    const struct dv_schema *schema = dv_load_schema(node, "records", source->records);
    if (schema == NULL)
        return DV_E_CONFIG;
    DV_TRY(take_schema(node, source, schema));
    shape->out[0] = source->schema;
    return DV_OK;
}

/* ---- snapshots ---- */

static void end(struct source_snowflake *source)
{
    if (!source->ended)
        dv_end(source->node);
    source->ended = true;
}

static void wait_a_while(struct source_snowflake *source, int64_t pause_ms)
{
    dv_timer_stop(&source->timer);
    dv_timer_start(&source->timer, (uint64_t)(pause_ms < source->every_ms ? pause_ms : source->every_ms));
}

/* It is whole. */
static void pass_on(struct source_snowflake *source)
{
    struct dv_batch *batch = source->held;
    source->held = NULL;
    source->reason = NULL;
    source->snapshots++;
    if (source->follow)
        wait_a_while(source, source->every_ms);
    else
        end(source);
    if (batch->rows > 0)
        dv_claim(source->node, batch, source->sequence, source->sequence + batch->rows - 1);
    source->sequence += batch->rows;
    dv_finish(source->node, batch, batch->rows > 0 ? DV_PASS : DV_DROP);
}

/* The end after a stop: what nobody waits for any more is ended in Snowflake, too, which can be told so once it has said that it runs. */
static void wind_up(struct source_snowflake *source)
{
    struct dv_batch *batch = source->held;
    bool late = dv_now_ns(dv_node_loop(source->node)) - source->stop_ns >= (uint64_t)STOP_MS * 1000000;
    if (source->asking && (source->statement.running || source->answered || late)) {
        dv_snowflake_cancel(&source->account, &source->statement);
        source->asking = false;
    }
    dv_timer_stop(&source->timer);
    if (!late && !dv_snowflake_is_idle(&source->account)) {
        dv_timer_start(&source->timer, STOP_LOOK_MS);
        return;
    }
    source->held = NULL;
    end(source);
    if (batch == NULL)
        return;
    batch->rows = 0;
    dv_finish(source->node, batch, DV_DROP);
}

/* What is in the batch so far goes with it; the next one is asked for by the timer. */
static void give_up(struct source_snowflake *source, dv_rc rc, const char *reason)
{
    struct dv_batch *batch = source->held;
    bool heals = rc == DV_E_DEPENDENCY || rc == DV_E_MEMORY;
    source->held = NULL;
    batch->rows = 0;
    source->failures++;
    if (source->reason != reason)
        dv_log(DV_LOG_WARN, "snowflake.not-read", DV_LOG_NAMED("node", dv_node_name(source->node)), DV_LOG_REASON("why", rc));
    source->reason = reason;
    if (heals || source->follow) {
        wait_a_while(source, heals ? RETRY_MS : AMISS_MS);
        dv_finish(source->node, batch, DV_DROP);
    } else {
        dv_finish(source->node, batch, dv_fail(source->node, rc == DV_E_CONFIG ? DV_E_CONFIG : DV_E_FAILED, "Snowflake: %s", reason));
    }
}

static struct dv_row place_of(const struct source_snowflake *source, uint32_t row)
{
    struct dv_row place = { .offset = source->sequence + row, .created_ms = source->now_ms };
    dv_id_make(place.id, (uint64_t)source->now_ms, row, source->source);
    return place;
}

/* Names of the schema are written small: a column beside one of its names could be taken for it. *ret_reason: a literal. */
static dv_rc judge_columns(const struct source_snowflake *source, const char **ret_reason)
{
    *ret_reason = source->columns_rc != DV_OK ? "no memory for the columns" : "two columns of the answer have one name, written small: call one by another, as by AS";
    return source->columns_rc != DV_OK ? source->columns_rc : source->writer.doubled ? DV_E_DATA : DV_OK;
}

/* *ret_reason: a literal. */
static dv_rc take_row(struct source_snowflake *source, const struct dv_snowflake_text *cells, uint32_t count, const char **ret_reason)
{
    struct dv_batch *batch = source->held;
    DV_TRY(judge_columns(source, ret_reason));
    *ret_reason = "the answer has more than 256 rows: end the statement with a LIMIT";
    if (batch->rows == DV_BATCH_ROWS)
        return DV_E_LIMIT;
    *ret_reason = "no memory for a row";
    DV_TRY(dv_snowflake_writer_row(&source->writer, source->columns, cells, count));
    size_t length = source->writer.row.used, size = length + DV_JSON_PADDING;
    *ret_reason = "a row is longer than 1 MiB";
    if (length > ROW_MAX)
        return DV_E_LIMIT;
    *ret_reason = "the answer does not fit into a batch";
    char *text = dv_arena_text(&batch->arena, size);
    if (text == NULL)
        return DV_E_LIMIT;
    memcpy(text, source->writer.row.bytes, length);
    dv_arena_trim(&batch->arena, text, size, length);
    dv_rc rc = dv_json_reader_in_place(source->reader, text, length, batch, batch->rows, ret_reason);
    if (rc == DV_OK) {
        batch->row[batch->rows] = place_of(source, batch->rows);
        batch->rows++;
    }
    return rc == DV_OK ? DV_OK : DV_E_DATA;
}

static void on_columns(struct dv_snowflake_statement *statement, const struct dv_snowflake_column *columns, uint32_t count)
{
    struct source_snowflake *source = statement->data;
    source->columns = columns;
    source->columns_rc = dv_snowflake_writer_begin(&source->writer, columns, count, true);
    source->answered = true;
}

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct source_snowflake *source = statement->data;
    const char *reason = NULL;
    if (source->stop_ns != 0) {
        wind_up(source);
        return;
    }
    dv_rc rc = take_row(source, cells, count, &reason);
    if (rc == DV_OK)
        return;
    dv_snowflake_cancel(&source->account, statement);
    source->asking = false;
    give_up(source, rc, reason);
}

static void on_end(struct dv_snowflake_statement *statement)
{
    struct source_snowflake *source = statement->data;
    const char *reason = statement->reason;
    source->asking = false;
    dv_rc rc = statement->rc == DV_OK ? judge_columns(source, &reason) : statement->rc;
    if (source->stop_ns != 0)
        wind_up(source);
    else if (rc == DV_OK)
        pass_on(source);
    else
        give_up(source, rc, reason);
}

static void ask(struct source_snowflake *source)
{
    if (source->asking || source->held == NULL)
        return;
    struct dv_snowflake_statement *statement = &source->statement;
    *statement = (struct dv_snowflake_statement){ .sql = source->sql, .tag = "datavault-source", .async = true, .on_columns = on_columns,
                                                  .on_row = on_row, .on_end = on_end, .data = source };
    source->answered = source->writer.doubled = false;
    source->columns_rc = DV_OK;
    source->now_ms = dv_wall_ms(dv_node_loop(source->node));
    source->asking = RAND_bytes(statement->request_id, sizeof statement->request_id) == 1 &&
                     dv_snowflake_run(&source->account, statement) == DV_OK;
    if (!source->asking)
        wait_a_while(source, RETRY_MS);
}

static void on_timer(struct dv_timer *timer)
{
    struct source_snowflake *source = timer->data;
    if (source->stop_ns != 0)
        wind_up(source);
    else
        ask(source);
}

/* ---- the operator ---- */

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct source_snowflake *source = dv_state(node);
    DV_ASSERT(source->held == NULL);
    if (source->ended)
        return DV_DROP;
    source->held = batch;
    if (!source->timer.active)
        ask(source);
    return DV_HOLD;
}

static void stop(struct dv_node *node)
{
    struct source_snowflake *source = dv_state(node);
    if (source->stop_ns != 0)
        return;
    uint64_t now_ns = dv_now_ns(dv_node_loop(node));
    source->stop_ns = now_ns > 0 ? now_ns : 1;
    wind_up(source);
}

static const char *why_not(const struct source_snowflake *source)
{
    const char *reason = source->opened ? dv_snowflake_waits(&source->account) : NULL;
    return reason != NULL ? reason : source->reason;
}

/* A run for the one answer has nothing to do without it. Who looks again and again loses nothing, and keeps nobody from sending. */
static const char *waits(struct dv_node *node)
{
    const struct source_snowflake *source = dv_state(node);
    return source->follow ? NULL : why_not(source);
}

static const char *troubles(struct dv_node *node)
{
    return why_not(dv_state(node));
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct source_snowflake *source = dv_state(node);
    return index == 0 ? dv_snowflake_breaker(&source->account) : NULL;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct source_snowflake *source = dv_state(node);
    const struct dv_gauge figures[FIGURES] = { { "snapshots", (double)source->snapshots },
                                               { "failures", (double)source->failures },
                                               { "rows", (double)source->sequence } };
    if (index >= FIGURES)
        return false;
    *ret = figures[index];
    return true;
}

static uint64_t name_source(struct dv_node *node)
{
    uint64_t begun[] = { dv_now_ns(dv_node_loop(node)), (uint64_t)dv_wall_ms(dv_node_loop(node)) };
    uint64_t hash = dv_hash64(begun, sizeof begun, 0);
    hash = dv_hash64(dv_node_graph(node), strlen(dv_node_graph(node)), hash);
    return dv_hash64(dv_node_name(node), strlen(dv_node_name(node)), hash);
}

static dv_rc open_node(struct dv_node *node)
{
    struct source_snowflake *source = dv_state(node);
    struct dv_error error = { 0 };
    const struct dv_snowflake_config config = dv_snowflake_server_config(dv_node_loop(node), &source->snowflake);
    source->node = node;
    source->source = name_source(node);
    source->reader = dv_json_reader_new(source->schema, ROW_MAX);
    if (source->reader == NULL)
        return dv_fail(node, DV_E_FAILED, "no memory for the parser");
    dv_rc rc = dv_snowflake_open(&source->account, &config, &error);
    if (rc != DV_OK)
        return dv_fail(node, rc, "Snowflake: %s", error.text);
    dv_timer_init(dv_node_loop(node), &source->timer, on_timer, source);
    source->opened = true;
    return DV_OK;
}

static void close_node(struct dv_node *node)
{
    struct source_snowflake *source = dv_state(node);
    source->held = NULL;
    if (source->opened) {
        dv_snowflake_close(&source->account);
        dv_timer_close(&source->timer);
    }
    source->opened = source->asking = false;
    dv_snowflake_writer_free(&source->writer);
    dv_json_reader_free(source->reader);
    source->reader = NULL;
}

const struct dv_operator dv_operator_source_snowflake = {
    .name = "source",
    .from = "snowflake",
    .summary = "Reads what a statement or a table of Snowflake shows, again and again.",
    .options = options,
    .size = sizeof(struct source_snowflake),
    .source = true,
    .makes = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .stop = stop,
    .waits = waits,
    .troubles = troubles,
    .breaker = breaker,
    .gauge = gauge,
    .close = close_node,
};
