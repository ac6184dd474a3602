/* SPDX-License-Identifier: Apache-2.0
 * pg.c - the pool: requests in, statements out, answers back; and what is done when nobody knows. */
#include "connectors/pg.h"

#include <stdio.h>
#include <string.h>

#include "connectors/pg_array.h"
#include "connectors/pg_error.h"
#include "connectors/pg_internal.h"
#include "connectors/pg_run.h"
#include "connectors/pg_url.h"
#include "engine/breaker.h"
#include "engine/crash.h"
#include "engine/log.h"

#define TAKEN_OVER "another process has taken this owner's name: this one writes no more"

enum { PATIENCE_MS = 30000, STATEMENT_BYTES_MAX = 256 * 1024 * 1024 };

/* ---- queues ---- */

static void push_last(struct dv_pg_queue *queue, struct dv_store_request *request)
{
    request->next = NULL;
    if (queue->last != NULL)
        queue->last->next = request;
    else
        queue->first = request;
    queue->last = request;
}

static struct dv_store_request *take_first(struct dv_pg_queue *queue)
{
    struct dv_store_request *request = queue->first;
    if (request == NULL)
        return NULL;
    queue->first = request->next;
    if (queue->first == NULL)
        queue->last = NULL;
    request->next = NULL;
    return request;
}

/* A whole chain at the end. */
static void push_chain(struct dv_pg_queue *queue, struct dv_store_request *chain)
{
    while (chain != NULL) {
        struct dv_store_request *next = chain->next;
        push_last(queue, chain);
        chain = next;
    }
}

/* The bytes of one put of a chain. */
static size_t size_of(const struct dv_store_request *put)
{
    struct dv_store_request one = *put;
    one.next = NULL;
    return dv_pg_arrays_size(&one);
}

/* The put at the head and those behind it that fit into one statement with it. */
static struct dv_store_request *take_puts(struct dv_pg *pg)
{
    struct dv_store_request *group = take_first(&pg->waiting);
    struct dv_store_request *end = group;
    uint64_t rows = group->count;
    uint64_t bytes = size_of(group);
    while (pg->waiting.first != NULL && pg->waiting.first->kind == DV_STORE_PUT) {
        rows += pg->waiting.first->count;
        bytes += size_of(pg->waiting.first);
        if (rows > DV_PG_ROWS_MAX || bytes > DV_PG_STATEMENT_BYTES)
            break;
        end->next = take_first(&pg->waiting);
        end = end->next;
    }
    return group;
}

/* ---- answering ---- */

/* Callbacks may ask again, or close the store: then nobody else is called. */
static void answer_chain(struct dv_pg *pg, struct dv_store_request *chain, dv_rc rc, const char *reason)
{
    while (chain != NULL && pg->open) {
        struct dv_store_request *next = chain->next;
        chain->next = NULL;
        chain->rc = rc;
        chain->reason = reason;
        chain->callback(chain);
        chain = next;
    }
}

static void answer_waiting(struct dv_pg *pg, dv_rc rc, const char *reason)
{
    struct dv_pg_queue all = { 0 };
    push_chain(&all, pg->doubtful.first);
    push_chain(&all, pg->alone.first);
    push_chain(&all, pg->waiting.first);
    pg->doubtful = pg->alone = pg->waiting = (struct dv_pg_queue){ 0 };
    answer_chain(pg, all.first, rc, reason);
}

static bool has_requests(const struct dv_pg *pg)
{
    return pg->doubtful.first != NULL || pg->alone.first != NULL || pg->waiting.first != NULL;
}

/* ---- sending ---- */

static void kick(struct dv_pg *pg)
{
    if (pg->open && !pg->kick.active)
        dv_timer_start(&pg->kick, 0);
}

static void send_request(struct dv_pg_connection *connection, struct dv_store_request *request)
{
    if (request->kind == DV_STORE_PUT && size_of(request) > STATEMENT_BYTES_MAX) {
        answer_chain(connection->pg, request, DV_E_LIMIT, NULL);
        kick(connection->pg);
        return;
    }
    connection->group = request;
    dv_pg_link_move(connection, DV_PG_BUSY);
    DV_CRASH_POINT("pg.before-send");
    switch (request->kind) {
    case DV_STORE_PUT: dv_pg_link_sent(connection, DV_PG_TASK_PUT, dv_pg_send_put(connection)); break;
    case DV_STORE_GET: dv_pg_link_sent(connection, DV_PG_TASK_GET, dv_pg_send_get(connection)); break;
    case DV_STORE_RUN: dv_pg_link_sent(connection, DV_PG_TASK_RUN, dv_pg_send_run(connection)); break;
    case DV_STORE_COUNT: dv_pg_link_sent(connection, DV_PG_TASK_COUNT, dv_pg_send_count(connection)); break;
    default: dv_pg_link_sent(connection, DV_PG_TASK_READER, dv_pg_send_reader(connection)); break;
    }
}

/* Before anything else, once in a process's life. */
static bool must_take_fence(const struct dv_pg *pg)
{
    return pg->config.owner != NULL && pg->token == 0 && !pg->config.impatient;
}

static bool take_fence(struct dv_pg_connection *connection)
{
    if (connection->pg->taker != NULL)
        return false;
    connection->pg->taker = connection;
    dv_pg_link_move(connection, DV_PG_BUSY);
    dv_pg_link_sent(connection, DV_PG_TASK_FENCE, dv_pg_send_fence(connection));
    DV_CRASH_POINT("pg.fence-sent");
    return true;
}

/* Gives the connection the next thing to do, what is in doubt first. False: there is nothing. */
static bool send_next(struct dv_pg_connection *connection)
{
    struct dv_pg *pg = connection->pg;
    if (must_take_fence(pg))
        return take_fence(connection);
    if (pg->doubtful.first != NULL) {
        connection->group = take_first(&pg->doubtful);
        dv_pg_link_move(connection, DV_PG_BUSY);
        DV_CRASH_POINT("pg.before-check");
        dv_pg_link_sent(connection, DV_PG_TASK_CHECK, dv_pg_send_check(connection));
    } else if (pg->alone.first != NULL) {
        send_request(connection, take_first(&pg->alone));
    } else if (pg->waiting.first != NULL) {
        bool puts = pg->waiting.first->kind == DV_STORE_PUT;
        send_request(connection, puts ? take_puts(pg) : take_first(&pg->waiting));
    } else {
        return false;
    }
    return true;
}

static void send_all(struct dv_pg *pg)
{
    for (uint32_t i = 0; i < pg->count; i++)
        if (pg->connections[i].state == DV_PG_IDLE && !send_next(&pg->connections[i]))
            return;
}

static bool any_up(const struct dv_pg *pg)
{
    for (uint32_t i = 0; i < pg->count; i++)
        if (pg->connections[i].state == DV_PG_IDLE || pg->connections[i].state == DV_PG_BUSY)
            return true;
    return false;
}

static void on_kick(struct dv_timer *timer)
{
    struct dv_pg *pg = timer->data;
    if (pg->fenced)
        answer_waiting(pg, DV_E_FENCED, TAKEN_OVER);
    else
        send_all(pg);
    if (has_requests(pg) && !any_up(pg) && !pg->patience.active)
        dv_timer_start(&pg->patience, PATIENCE_MS);
}

/* The wait ends by itself, so that whoever asked can see what is wrong; asking again is its choice. */
static void on_patience(struct dv_timer *timer)
{
    struct dv_pg *pg = timer->data;
    const char *reason = pg->trouble.reason != NULL ? pg->trouble.reason : "no connection to the server is up";
    if (!any_up(pg))
        answer_waiting(pg, DV_E_DEPENDENCY, reason);
}

/* ---- what the connections tell ---- */

static const char *name_of(const struct dv_pg *pg)
{
    return pg->config.name != NULL ? pg->config.name : "pg";
}

void dv_pg_ready(struct dv_pg_connection *connection)
{
    struct dv_pg *pg = connection->pg;
    dv_timer_stop(&pg->patience);
    pg->trouble = (struct dv_pg_outcome){ 0 };
    kick(pg);
}

/* The loss of the last connection is told, and when it becomes one of another kind; not every try. */
static void note_trouble(struct dv_pg *pg, const struct dv_pg_outcome *outcome)
{
    bool is_new = pg->told != outcome->rc;
    pg->trouble = *outcome;
    if (!is_new || pg->config.impatient)
        return;
    pg->told = outcome->rc;
    dv_log(DV_LOG_WARN, "pg.down", DV_LOG_NAMED("node", name_of(pg)), DV_LOG_REASON("code", outcome->rc),
           DV_LOG_NAMED("sqlstate", outcome->sqlstate[0] != '\0' ? outcome->sqlstate : "none"));
}

void dv_pg_dropped(struct dv_pg_connection *connection, const struct dv_pg_outcome *outcome)
{
    struct dv_pg *pg = connection->pg;
    struct dv_store_request *group = connection->group;
    bool is_put = group != NULL && group->kind == DV_STORE_PUT;
    connection->group = NULL;
    DV_CRASH_POINT("pg.dropped");
    if (pg->taker == connection)
        pg->taker = NULL;
    push_chain(is_put ? &pg->doubtful : &pg->waiting, group);
    if (!any_up(pg))
        note_trouble(pg, outcome);
    if (pg->config.impatient)
        answer_waiting(pg, outcome->rc, pg->trouble.reason);
    kick(pg);
}

/* What was in doubt is either all there or put again. */
static void checked(struct dv_pg_connection *connection, struct dv_store_request *put)
{
    DV_CRASH_POINT("pg.checked");
    if (dv_pg_result_total(connection) == put->count) {
        put->total = 0;
        answer_chain(connection->pg, put, DV_OK, NULL);
    } else {
        push_last(&connection->pg->alone, put);
    }
}

/* Only now: a server that lets us in and refuses each statement is not up, and must not be asked without a pause. */
static void note_success(struct dv_pg_connection *connection)
{
    struct dv_pg *pg = connection->pg;
    pg->reason = NULL;
    /* A connection tells once: one that works says nothing of a server that takes no second one. */
    if (!connection->useful && dv_breaker_succeeded(&pg->breaker))
        dv_pg_link_wake(pg);
    connection->useful = true;
    if (pg->told != DV_OK)
        dv_log(DV_LOG_INFO, "pg.up", DV_LOG_NAMED("node", name_of(pg)));
    pg->told = DV_OK;
}

/* Whoever has the fence now has it for good; what waits is not to be written by us. */
static void note_fenced(struct dv_pg *pg)
{
    if (!pg->fenced)
        dv_log(DV_LOG_ERROR, "pg.fenced", DV_LOG_NAMED("node", name_of(pg)), DV_LOG_REASON("code", DV_E_FENCED));
    pg->fenced = true;
    pg->reason = TAKEN_OVER;
    kick(pg);
}

static void fence_answered(struct dv_pg_connection *connection)
{
    struct dv_pg *pg = connection->pg;
    const struct dv_pg_outcome outcome = connection->outcome;
    pg->taker = NULL;
    if (outcome.rc == DV_OK) {
        note_success(connection);
        pg->token = (int64_t)dv_pg_result_total(connection);
        DV_CRASH_POINT("pg.fence-taken");
        return;
    }
    pg->reason = outcome.reason;
    dv_pg_link_lost(connection, &outcome);
}

static void tell_total(struct dv_store_request *group, uint64_t total)
{
    for (; group != NULL; group = group->next, total = 0)
        group->total = total;
}

static void succeeded(struct dv_pg_connection *connection, struct dv_store_request *group)
{
    struct dv_pg *pg = connection->pg;
    bool lends = connection->task == DV_PG_TASK_GET; /* the callback reads the result */
    dv_rc rc = DV_OK;
    note_success(connection);
    switch (connection->task) {
    case DV_PG_TASK_PUT:
        if (dv_pg_result_fenced(connection)) {
            note_fenced(pg);
            answer_chain(pg, group, DV_E_FENCED, TAKEN_OVER);
            return;
        }
        break;
    case DV_PG_TASK_CHECK:
        checked(connection, group);
        return;
    case DV_PG_TASK_GET:
        memcpy(group->row.id, group->id, sizeof group->row.id);
        rc = dv_pg_result_row(connection, &group->row);
        break;
    case DV_PG_TASK_RUN:
        lends = true;
        group->run->result = connection->result;
        break;
    case DV_PG_TASK_READER:
        lends = group->kind == DV_STORE_TAKE || group->kind == DV_STORE_FIND;
        rc = lends ? dv_pg_result_taken(connection, group) : DV_OK;
        break;
    default: break;
    }
    if (!lends) {
        tell_total(group, dv_pg_result_total(connection));
        DV_CRASH_POINT("pg.after-commit");
        send_all(pg); /* before the callbacks, so that the server does not wait for them */
    }
    DV_CRASH_POINT("pg.before-answer");
    answer_chain(pg, group, rc, NULL);
}

/* While running, nothing is for good: somebody may give the right back or make the table again. */
static dv_rc lasting(const struct dv_pg *pg, dv_rc rc)
{
    return rc == DV_E_CONFIG && !pg->config.impatient ? DV_E_DEPENDENCY : rc;
}

/* Whether the error may be a row's: it ends in a rejection, at once or after some tries. */
static bool may_blame_a_row(dv_rc rc)
{
    return dv_rc_policy(rc) == DV_POLICY_REJECT || rc == DV_E_IO;
}

/* Each record is told by whoever rejects it; what they have in common is told once. */
static void note_refusal(struct dv_pg *pg, const char *reason)
{
    if (reason == NULL || reason == pg->refusal)
        return;
    const struct dv_log_pair why = { "reason", DV_LOG_WORD, 0, reason };
    dv_log(DV_LOG_WARN, "pg.refuses", DV_LOG_NAMED("node", name_of(pg)), why);
    pg->refusal = reason;
}

static void failed(struct dv_pg_connection *connection, struct dv_store_request *group)
{
    struct dv_pg *pg = connection->pg;
    const struct dv_pg_outcome outcome = connection->outcome;
    bool rejects = dv_rc_policy(outcome.rc) == DV_POLICY_REJECT;
    DV_CRASH_POINT("pg.refused");
    if (rejects)
        note_refusal(pg, outcome.reason);
    else
        pg->reason = outcome.reason;
    if (outcome.reconnects)
        dv_pg_link_lost(connection, &outcome);
    if (may_blame_a_row(outcome.rc) && group->next != NULL)
        push_chain(&pg->alone, group); /* one bad row must not make those fail that only went with it */
    else
        answer_chain(pg, group, lasting(pg, outcome.rc), outcome.reason);
}

void dv_pg_answered(struct dv_pg_connection *connection)
{
    struct dv_pg *pg = connection->pg;
    struct dv_store_request *group = connection->group;
    connection->group = NULL;
    dv_pg_link_move(connection, DV_PG_IDLE);
    if (connection->task == DV_PG_TASK_FENCE)
        fence_answered(connection);
    else if (connection->outcome.rc != DV_OK)
        failed(connection, group);
    else
        succeeded(connection, group);
    if (pg->open && !pg->fenced)
        send_all(pg);
}

/* ---- the store ---- */

static void request_one(struct dv_store *store, struct dv_store_request *request)
{
    struct dv_pg *pg = (struct dv_pg *)store;
    DV_ASSERT(pg->open && request->callback != NULL);
    push_last(&pg->waiting, request);
    kick(pg);
}

static const char *waits(const struct dv_store *store)
{
    const struct dv_pg *pg = (const struct dv_pg *)store;
    return pg->trouble.rc != DV_OK ? pg->trouble.reason : pg->reason;
}

static void close_store(struct dv_store *store)
{
    struct dv_pg *pg = (struct dv_pg *)store;
    if (!pg->open)
        return;
    pg->open = false;
    for (uint32_t i = 0; i < pg->count; i++)
        dv_pg_link_close(&pg->connections[i]);
    dv_timer_close(&pg->kick);
    dv_timer_close(&pg->patience);
    pg->doubtful = pg->alone = pg->waiting = (struct dv_pg_queue){ 0 };
}

static const struct dv_store_ops ops = { .request = request_one, .waits = waits, .close = close_store };

static dv_rc check_secrets(const struct dv_pg_config *config, struct dv_error *error)
{
    struct dv_pg_params *params = NULL;
    dv_rc rc = dv_pg_params_new(&params, config, 0, error);
    dv_pg_params_free(params);
    return rc == DV_E_MISSING || rc == DV_E_LIMIT ? DV_E_CONFIG : rc;
}

dv_rc dv_pg_open(struct dv_pg *pg, struct dv_loop *loop, const struct dv_pg_config *config, struct dv_error *error)
{
    *pg = (struct dv_pg){ .loop = loop, .config = *config };
    DV_TRY(dv_pg_config_check(config, error));
    DV_TRY(check_secrets(config, error));
    DV_ASSERT(config->connections >= 1 && config->connections <= DV_PG_CONNECTIONS_MAX);
    (void)snprintf(pg->relation, sizeof pg->relation, "\"%s\".\"%s\"", config->schema, config->table);
    pg->store = (struct dv_store){ .ops = &ops, .breaker = &pg->breaker };
    pg->count = (uint32_t)config->connections;
    pg->open = true;
    dv_breaker_init(&pg->breaker, DV_PG_FAILURES_MAX, (struct dv_backoff){ DV_PG_PAUSE_FIRST_MS, DV_PG_PAUSE_MAX_MS },
                    dv_now_ns(loop) ^ (uintptr_t)pg);
    dv_timer_init(loop, &pg->kick, on_kick, pg);
    dv_timer_init(loop, &pg->patience, on_patience, pg);
    pg->trouble = (struct dv_pg_outcome){ .rc = DV_E_DEPENDENCY, .reason = "connecting to the server" };
    for (uint32_t i = 0; i < pg->count; i++)
        dv_pg_link_init(&pg->connections[i], pg);
    for (uint32_t i = 0; i < pg->count; i++)
        dv_pg_link_start(&pg->connections[i]);
    return DV_OK;
}
