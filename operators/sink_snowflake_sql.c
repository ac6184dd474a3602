/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_sql.c - `mode: sql`: rows into a table of Snowflake by statements, of each id one, whatever happens.
 *
 * A request is a MERGE of rows from several batches on DV_ID. That makes it happen once: a row that is in the table already, from
 * an answer that was lost, a process that died or another one, is met there. So nothing is written down. The id under which a
 * request is sent is made for it and goes with it as long as the process lives: sent again, it says `retry`, which spares Snowflake
 * the second run. An id that outlived the process could not be used so: Snowflake would tell of the first run although the table
 * was emptied since. What is proved before a record is rejected, the header says. */
#include "operators/sink_snowflake_sql.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "connectors/snowflake_array.h"
#include "connectors/snowflake_merge.h"
#include "engine/id.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "operators/sink_snowflake.h"
#include "operators/sink_snowflake_count.h"
#include "operators/sink_snowflake_keep.h"
#include "operators/sink_snowflake_preflight.h"

enum { HALVES_MAX = 16, IN_A_ROW_MAX = 64, PAUSE_MS = 1000, PAUSE_MAX_MS = 30000, LOOK_MS = 25, LOOK_MAX_MS = 1000, NS_PER_MS = 1000000 };

/* What becomes of a record that stands alone and is refused. */
enum step { SENDS, PROVES, LOOKS, SENDS_AGAIN };

/* A request: of its rows those from `from` to `to` are under way, as a statement or waiting to be one. */
struct dv_snow_request {
    struct dv_snow_sql *sql;
    struct dv_snow_taken *rows; /* room for as many as the options say */
    uint32_t count;             /* 0: free */
    uint32_t from, to;
    uint32_t ends[HALVES_MAX]; /* of what comes behind `to`, the nearest last */
    uint32_t end_count;
    enum step step;
    bool looked, passed; /* at the table; with records that were not there */
    uint32_t refused;    /* records */
    uint32_t tries; /* in a row, after which nobody knows more */
    const char *reason;
    struct dv_snowflake_array array;
    struct dv_snowflake_statement statement;
    struct dv_snowflake_bind binds[2];
    char unit[DV_UUID_TEXT];
    struct dv_timer timer;
    struct dv_snow_preflight look;
    struct dv_snow_count counting;
};

/* The mode's state. */
struct dv_snow_sql {
    const struct dv_snow_options *options;
    struct dv_snowflake *snowflake;
    struct dv_snow_keep keep;
    const struct dv_schema *columns;
    const char *text, *count_text;
    dv_rc rc; /* why it halted */
    const char *reason; /* NULL: it has not */
    struct dv_error told; /* what the reason may point to */
    bool doubted; /* a record that was a request of its own was refused, and none has passed since */
    uint32_t in_a_row; /* refused, and none has passed since */
    uint64_t due_ns; /* when what waits is sent; 0: nothing waits */
    uint64_t pause_ms; /* until the next look whether more can come */
    struct dv_timer timer;
    uint32_t request_count; /* as many as the options say */
    struct dv_snow_request requests[DV_SNOW_REQUESTS_MAX];
};

static void send_range(struct dv_snow_request *request);
static void begin_requests(struct dv_snow_sql *sql);
static void look_at_table(struct dv_snow_request *request);
static void settle(struct dv_snow_request *request);

/* ---- halting ---- */

static void halt(struct dv_snow_sql *sql, dv_rc rc, const char *reason)
{
    if (sql->reason != NULL)
        return;
    sql->rc = rc == DV_E_CONFIG ? rc : DV_E_FAILED; /* no batch is at fault: none may be tried in halves */
    sql->reason = reason;
    dv_timer_stop(&sql->timer);
    for (uint32_t i = 0; i < sql->request_count; i++) {
        dv_snowflake_cancel(sql->snowflake, &sql->requests[i].statement);
        dv_timer_stop(&sql->requests[i].timer);
        dv_snow_preflight_close(&sql->requests[i].look);
        dv_snow_count_close(&sql->requests[i].counting);
    }
    dv_log(DV_LOG_ERROR, "snowflake.halted", DV_LOG_NAMED("node", dv_node_name(sql->keep.node)), DV_LOG_REASON("why", rc));
    dv_snow_keep_fail(&sql->keep, sql->rc, reason);
}

/* ---- statements ---- */

static void on_end(struct dv_snowflake_statement *statement);

/* The same again, a while later. */
static void pause_request(struct dv_snow_request *request, const char *reason)
{
    uint64_t pause_ms = (uint64_t)PAUSE_MS << (request->tries < 5 ? request->tries : 5);
    request->reason = reason;
    request->tries++;
    dv_timer_start(&request->timer, pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
}

static void run(struct dv_snow_request *request)
{
    if (dv_snowflake_run(request->sql->snowflake, &request->statement) != DV_OK)
        pause_request(request, "no memory for a request");
}

/* A statement of its own id. */
static void begin_statement(struct dv_snow_request *request, struct dv_snowflake_text array)
{
    struct dv_snowflake_statement *statement = &request->statement;
    *statement = (struct dv_snowflake_statement){ .sql = request->sql->text,
                                                  .binds = request->binds,
                                                  .bind_count = 2,
                                                  .tag = "datavault-merge",
                                                  .on_end = on_end,
                                                  .data = request };
    if (RAND_bytes(statement->request_id, sizeof statement->request_id) != 1) {
        halt(request->sql, DV_E_FAILED, "there are no random bytes");
        return;
    }
    dv_id_text(request->unit, statement->request_id);
    request->binds[0].value = (struct dv_snowflake_text){ request->unit, strlen(request->unit) };
    request->binds[1].value = array;
    run(request);
}

/* ---- rows ---- */

static void end_on(struct dv_snow_request *request, uint32_t to)
{
    DV_ASSERT(request->end_count < HALVES_MAX && request->from < to && to < request->to);
    request->ends[request->end_count++] = request->to;
    request->to = to;
}

static void end_request(struct dv_snow_request *request)
{
    request->count = 0;
    dv_snowflake_array_free(&request->array);
    dv_snow_keep_finish(&request->sql->keep);
    begin_requests(request->sql);
}

/* Of those that were refused nobody knows yet whether they go to the dead letters: that is settled at the end. */
static void end_range(struct dv_snow_request *request)
{
    for (uint32_t i = request->from; i < request->to; i++)
        dv_snow_keep_end(request->rows[i]);
    request->step = SENDS;
    request->from = request->to;
    if (request->end_count > 0) {
        request->to = request->ends[--request->end_count];
        send_range(request);
    } else if (request->refused > 1) {
        look_at_table(request);
    } else if (request->refused > 0) {
        settle(request);
    } else {
        end_request(request);
    }
}

static void send_range(struct dv_snow_request *request)
{
    uint32_t to = request->to;
    dv_rc rc = dv_snow_keep_fill(&request->sql->keep, request->rows, request->from, &to, &request->array);
    if (to < request->to)
        end_on(request, to); /* what does not fit comes behind it */
    if (rc != DV_OK)
        pause_request(request, "no memory for a request");
    else if (request->array.count > 0)
        begin_statement(request, dv_snowflake_array_end(&request->array));
    else
        end_range(request);
}

/* ---- refusals ---- */

/* Whether Snowflake had looked at the statement, and said no. */
static bool is_refused(const struct dv_snowflake_statement *statement)
{
    bool is_answer = strcmp(statement->code, "090001") != 0 && statement->code[0] != '\0';
    if (statement->rc == DV_E_DEPENDENCY || statement->rc == DV_E_MEMORY || dv_snowflake_is_disturbed(statement))
        return false;
    return statement->rc != DV_E_DATA || is_answer;
}

/* Codes are letters and digits. */
static void halt_for_all(struct dv_snow_request *request)
{
    const struct dv_snowflake_statement *statement = &request->statement;
    (void)dv_error_set(&request->sql->told, DV_E_FAILED, "it refuses every record (code %s, SQLSTATE %s: %s): is the table one for them?",
                       statement->code, statement->sqlstate, statement->reason);
    halt(request->sql, DV_E_FAILED, request->sql->told.text);
}

/* When the request is over: see the head. */
static void settle(struct dv_snow_request *request)
{
    struct dv_snow_sql *sql = request->sql;
    if (!request->passed && (request->refused > 1 || sql->doubted)) {
        halt_for_all(request);
        return;
    }
    sql->doubted = !request->passed;
    dv_snow_keep_reject_refused(&sql->keep, request->rows, request->to);
    end_request(request);
}

static void send_again(struct dv_snow_request *request)
{
    request->step = SENDS_AGAIN;
    begin_statement(request, dv_snowflake_array_end(&request->array));
}

static void on_look(struct dv_snow_preflight *look)
{
    struct dv_snow_request *request = look->data;
    if (look->rc != DV_OK) {
        request->sql->told = look->error;
        halt(request->sql, look->rc, request->sql->told.text);
    } else if (request->from < request->to) {
        send_again(request);
    } else {
        settle(request);
    }
}

static void look_at_table(struct dv_snow_request *request)
{
    struct dv_snow_preflight *look = &request->look;
    request->step = LOOKS;
    request->looked = true;
    look->options = request->sql->options;
    look->schema = request->sql->columns;
    look->on_end = on_look;
    look->data = request;
    dv_snow_preflight_start(look, request->sql->snowflake);
}

static void send_halves(struct dv_snow_request *request)
{
    end_on(request, request->from + (request->to - request->from) / 2);
    send_range(request);
}

static void take_refusal(struct dv_snow_request *request)
{
    struct dv_snowflake_statement *statement = &request->statement;
    if (request->step == PROVES || statement->rc == DV_E_CONFIG) {
        halt(request->sql, statement->rc, statement->reason);
    } else if (request->to - request->from > 1) {
        send_halves(request);
    } else if (request->step == SENDS) {
        request->step = PROVES;
        begin_statement(request, (struct dv_snowflake_text){ "[]", 2 });
    } else if (++request->sql->in_a_row >= IN_A_ROW_MAX) {
        halt_for_all(request);
    } else {
        request->refused++;
        request->rows[request->from].refused = statement->rc == DV_E_LIMIT ? DV_E_LIMIT : DV_E_DATA;
        end_range(request);
    }
}

/* ---- answers ---- */

static void on_timer(struct dv_timer *timer)
{
    struct dv_snow_request *request = timer->data;
    if (request->array.count == 0)
        send_range(request);
    else
        run(request);
}

/* Nobody knows whether it was executed: the same once more, and Snowflake is told so. One that took too long: its halves. */
static void take_silence(struct dv_snow_request *request)
{
    struct dv_snowflake_statement *statement = &request->statement;
    if (strcmp(statement->code, "000630") == 0 && request->to - request->from > 1) {
        send_halves(request);
        return;
    }
    statement->sent = true;
    pause_request(request, statement->reason);
}

/* A row that was not inserted was there before, or a table with ERROR_LOGGING has put it aside without a word. */
static void on_counted(struct dv_snow_count *count)
{
    struct dv_snow_request *request = count->data;
    if (count->rc == DV_E_DEPENDENCY || count->rc == DV_E_MEMORY) {
        request->statement.sent = true;
        pause_request(request, count->reason);
    } else if (count->rc != DV_OK) {
        halt(request->sql, count->rc, count->reason);
    } else if (count->found < request->array.count) {
        request->statement.rc = DV_E_DATA;
        request->statement.reason = "the table puts records aside (ERROR_LOGGING)";
        take_refusal(request);
    } else {
        end_range(request);
    }
}

static void count_ids(struct dv_snow_request *request)
{
    request->counting.on_end = on_counted;
    request->counting.data = request;
    dv_snow_count_start(&request->counting, request->sql->snowflake, request->sql->count_text, dv_snowflake_array_end(&request->array));
}

/* What was there already proves nothing of what is refused: none of it was inserted. */
static void note_inserted(struct dv_snow_request *request)
{
    if (request->statement.inserted == 0)
        return;
    request->passed = true;
    request->sql->doubted = false;
    request->sql->in_a_row = 0;
}

static void take_success(struct dv_snow_request *request)
{
    note_inserted(request);
    if (request->step == PROVES && request->looked)
        send_again(request);
    else if (request->step == PROVES)
        look_at_table(request);
    else if (request->statement.inserted < request->array.count)
        count_ids(request);
    else
        end_range(request);
}

static void on_end(struct dv_snowflake_statement *statement)
{
    struct dv_snow_request *request = statement->data;
    if (statement->rc != DV_OK && !is_refused(statement)) {
        take_silence(request);
        return;
    }
    request->tries = 0;
    request->reason = NULL;
    if (statement->rc != DV_OK)
        take_refusal(request);
    else
        take_success(request);
}

/* ---- gathering ---- */

static void begin_request(struct dv_snow_request *request, uint32_t count)
{
    request->count = request->to = count;
    request->from = request->end_count = request->tries = request->refused = 0;
    request->step = SENDS;
    request->looked = request->passed = false;
    request->reason = NULL;
    send_range(request);
}

static struct dv_snow_request *free_request(struct dv_snow_sql *sql, bool *ret_idle)
{
    struct dv_snow_request *found = NULL;
    *ret_idle = true;
    for (uint32_t i = sql->request_count; i-- > 0;) {
        if (sql->requests[i].count == 0)
            found = &sql->requests[i];
        else
            *ret_idle = false;
    }
    return found;
}

/* Whether what waits is sent now: there is enough of it, it has waited, or no more can come. */
static bool is_due(const struct dv_snow_sql *sql, uint32_t waiting, bool idle)
{
    return waiting >= (uint32_t)sql->options->rows || dv_now_ns(dv_node_loop(sql->keep.node)) >= sql->due_ns ||
           (idle && dv_snow_keep_is_full(&sql->keep)) || dv_input_rests(sql->keep.node);
}

/* Comes back to what waits when it is due: at once, but not from here, or a while after the first of it came, or when nothing
 * more comes: of which nobody tells, so that is looked for, the less often the longer nothing came. */
static void wait_for_more(struct dv_snow_sql *sql, uint32_t waiting, bool idle)
{
    uint64_t now = dv_now_ns(dv_node_loop(sql->keep.node));
    if (sql->due_ns == 0)
        sql->due_ns = now + (uint64_t)sql->options->linger_ms * NS_PER_MS;
    uint64_t pause_ms = is_due(sql, waiting, idle) ? 0 : (sql->due_ns - now) / NS_PER_MS + 1;
    dv_timer_stop(&sql->timer);
    dv_timer_start(&sql->timer, pause_ms < sql->pause_ms ? pause_ms : sql->pause_ms);
    sql->pause_ms = sql->pause_ms < LOOK_MAX_MS / 2 ? 2 * sql->pause_ms : LOOK_MAX_MS;
}

static void begin_requests(struct dv_snow_sql *sql)
{
    bool idle = true;
    struct dv_snow_request *request = NULL;
    while (sql->reason == NULL && (request = free_request(sql, &idle)) != NULL) {
        uint32_t waiting = dv_snow_keep_waiting(&sql->keep);
        if (waiting == 0)
            sql->due_ns = 0;
        else if (sql->due_ns == 0 || !is_due(sql, waiting, idle))
            wait_for_more(sql, waiting, idle);
        if (waiting == 0 || !is_due(sql, waiting, idle))
            return;
        uint32_t count = dv_snow_keep_take(&sql->keep, request->rows, (uint32_t)sql->options->rows);
        if (count == 0)
            return; /* all of them are under way already: when that is over */
        sql->due_ns = 0; /* what came meanwhile lingers from when it is looked at */
        begin_request(request, count);
    }
}

static void on_linger(struct dv_timer *timer)
{
    begin_requests(timer->data);
}

/* ---- the mode ---- */

static dv_rc prepare(struct dv_snow_sql *sql, const struct dv_schema *columns)
{
    const struct dv_snow_options *options = sql->options;
    struct dv_node *node = sql->keep.node;
    dv_timer_init(dv_node_loop(node), &sql->timer, on_linger, sql);
    for (uint32_t i = 0; i < sql->request_count; i++) {
        struct dv_snow_request *request = &sql->requests[i];
        request->sql = sql;
        request->rows = dv_arena_zeroed(dv_node_arena(node), (size_t)options->rows, sizeof *request->rows);
        dv_timer_init(dv_node_loop(node), &request->timer, on_timer, request);
        if (request->rows == NULL)
            return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    }
    sql->text = dv_snowflake_merge_sql(dv_node_arena(node), options->snowflake.database, options->snowflake.schema, options->table, columns);
    sql->count_text = dv_snowflake_count_sql(dv_node_arena(node), options->snowflake.database, options->snowflake.schema, options->table);
    return sql->text != NULL && sql->count_text != NULL ? DV_OK : dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
}

dv_rc dv_snow_sql_open(struct dv_node *node, const struct dv_snow_options *options, const struct dv_schema *columns,
                       struct dv_snowflake *snowflake, struct dv_snow_sql **ret)
{
    struct dv_snow_sql *sql = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *sql);
    DV_ASSERT(options->requests <= DV_SNOW_REQUESTS_MAX);
    if (sql == NULL)
        return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    sql->options = options;
    sql->request_count = (uint32_t)options->requests;
    sql->columns = columns;
    sql->pause_ms = LOOK_MS;
    sql->snowflake = snowflake;
    sql->keep.node = node;
    *ret = sql;
    return prepare(sql, columns);
}

void dv_snow_sql_close(struct dv_snow_sql *sql)
{
    dv_timer_close(&sql->timer);
    for (uint32_t i = 0; i < sql->request_count; i++) {
        struct dv_snow_request *request = &sql->requests[i];
        dv_snowflake_cancel(sql->snowflake, &request->statement);
        dv_snow_preflight_close(&request->look);
        dv_snow_count_close(&request->counting);
        dv_snowflake_array_free(&request->array);
        if (request->timer.loop != NULL)
            dv_timer_close(&request->timer);
    }
}

dv_rc dv_snow_sql_take(struct dv_snow_sql *sql, struct dv_batch *batch)
{
    bool idle = true;
    if (sql->reason != NULL)
        return dv_fail(sql->keep.node, sql->rc, "Snowflake: %s", sql->reason);
    if (batch->rejected_count == batch->rows)
        return DV_PASS;
    dv_snow_keep_hold(&sql->keep, batch);
    sql->pause_ms = LOOK_MS;
    if (free_request(sql, &idle) != NULL)
        wait_for_more(sql, dv_snow_keep_waiting(&sql->keep), idle);
    return DV_HOLD;
}

const char *dv_snow_sql_waits(const struct dv_snow_sql *sql)
{
    const char *reason = sql->reason != NULL ? sql->reason : dv_snowflake_waits(sql->snowflake);
    for (uint32_t i = 0; reason == NULL && i < sql->request_count; i++)
        reason = sql->requests[i].reason;
    return reason;
}
