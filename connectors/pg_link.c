/* SPDX-License-Identifier: Apache-2.0
 * pg_link.c - one connection: resolve, connect, set up, serve, lose, wait, and again.
 *
 * libpq may close a socket and open another inside any of its calls, so the watch is stopped before each step of
 * connecting, and a new one is made when the number has changed. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "connectors/pg_error.h"
#include "connectors/pg_internal.h"
#include "connectors/pg_url.h"
#include "engine/breaker.h"
#include "engine/crash.h"
#include "engine/memory.h"

enum { SERVER_VERSION_MIN = 120000, GRACE_MS = 2000 };
enum { ADDRESSES_MAX = 4, LIST_MAX = 1100 }; /* a name has at most 253 characters */

/* The handle of one socket; it outlives the socket until the loop has closed it. */
struct dv_pg_watch {
    uv_poll_t uv;
    struct dv_pg_connection *connection; /* NULL: closing */
    int socket;
};

/* Row: from; bit: to. */
static const unsigned allowed[DV_PG_STATES] = {
    [DV_PG_CLOSED] = 1u << DV_PG_RESOLVING | 1u << DV_PG_CONNECTING | 1u << DV_PG_WAITING,
    [DV_PG_RESOLVING] = 1u << DV_PG_CONNECTING | 1u << DV_PG_WAITING | 1u << DV_PG_CLOSED,
    [DV_PG_CONNECTING] = 1u << DV_PG_SETTING_UP | 1u << DV_PG_WAITING | 1u << DV_PG_CLOSED,
    [DV_PG_SETTING_UP] = 1u << DV_PG_IDLE | 1u << DV_PG_WAITING | 1u << DV_PG_CLOSED,
    [DV_PG_IDLE] = 1u << DV_PG_BUSY | 1u << DV_PG_WAITING | 1u << DV_PG_CLOSED,
    [DV_PG_BUSY] = 1u << DV_PG_IDLE | 1u << DV_PG_WAITING | 1u << DV_PG_CLOSED,
    [DV_PG_WAITING] = 1u << DV_PG_RESOLVING | 1u << DV_PG_CONNECTING | 1u << DV_PG_CLOSED,
};

void dv_pg_link_move(struct dv_pg_connection *connection, enum dv_pg_state to)
{
    if (to == connection->state && (to == DV_PG_CLOSED || to == DV_PG_WAITING))
        return;
    DV_ASSERT((allowed[connection->state] >> to & 1u) != 0);
    connection->state = to;
}

/* ---- the watch ---- */

static void on_socket(uv_poll_t *uv, int status, int events);

static void watch_closed(uv_handle_t *handle)
{
    dv_memory_free(handle->data);
}

static void close_watch(struct dv_pg_connection *connection)
{
    struct dv_pg_watch *watch = connection->watch;
    connection->watch = NULL;
    if (watch == NULL)
        return;
    watch->connection = NULL;
    (void)uv_poll_stop(&watch->uv);
    uv_close((uv_handle_t *)&watch->uv, watch_closed);
}

/* A watch of the socket that the link has now; false if that cannot be had. */
static bool have_watch(struct dv_pg_connection *connection)
{
    int socket = PQsocket(connection->link);
    if (connection->watch != NULL && connection->watch->socket == socket)
        return true;
    close_watch(connection);
    struct dv_pg_watch *watch = socket >= 0 ? dv_memory_zeroed(1, sizeof *watch) : NULL;
    if (watch == NULL)
        return false;
    if (uv_poll_init(dv_loop_uv(connection->pg->loop), &watch->uv, socket) != 0) {
        dv_memory_free(watch);
        return false;
    }
    watch->uv.data = watch;
    watch->connection = connection;
    watch->socket = socket;
    connection->watch = watch;
    return true;
}

static bool watch_for(struct dv_pg_connection *connection, int events)
{
    return have_watch(connection) && uv_poll_start(&connection->watch->uv, events, on_socket) == 0;
}

/* ---- losing ---- */

static void drop_link(struct dv_pg_connection *connection)
{
    dv_timer_stop(&connection->timer);
    close_watch(connection);
    PQclear(connection->result);
    connection->result = NULL;
    PQfinish(connection->link);
    connection->link = NULL;
    connection->useful = false;
    dv_pg_params_free(connection->params);
    connection->params = NULL;
    dv_memory_free(connection->buffer);
    connection->buffer = NULL;
    connection->buffer_bytes = 0;
}

void dv_pg_link_lost(struct dv_pg_connection *connection, const struct dv_pg_outcome *outcome)
{
    const struct dv_pg_outcome why = *outcome; /* it may be the connection's own */
    struct dv_pg *pg = connection->pg;
    const char *reason = why.reason != NULL ? why.reason : dv_rc_text(why.rc);
    drop_link(connection);
    dv_pg_link_move(connection, DV_PG_WAITING);
    dv_timer_start(&connection->timer, dv_breaker_failed(&pg->breaker, dv_now_ns(pg->loop), reason));
    dv_pg_dropped(connection, &why);
}

static void lost(struct dv_pg_connection *connection, dv_rc rc, const char *reason)
{
    const struct dv_pg_outcome outcome = dv_pg_outcome_make(rc, reason);
    dv_pg_link_lost(connection, &outcome);
}

void dv_pg_link_close(struct dv_pg_connection *connection)
{
    drop_link(connection);
    if (connection->resolving)
        (void)uv_cancel((uv_req_t *)&connection->resolve);
    dv_timer_close(&connection->timer);
    dv_pg_link_move(connection, DV_PG_CLOSED);
}

/* ---- setting up ---- */

static void set_up(struct dv_pg_connection *connection)
{
    if (PQserverVersion(connection->link) < SERVER_VERSION_MIN) {
        lost(connection, DV_E_CONFIG, "the server is older than PostgreSQL 12");
        return;
    }
    if (PQsetnonblocking(connection->link, 1) != 0) {
        lost(connection, DV_E_DEPENDENCY, "the connection to the server was lost");
        return;
    }
    dv_pg_link_move(connection, DV_PG_SETTING_UP);
    dv_pg_link_sent(connection, DV_PG_TASK_SETTINGS, dv_pg_send_settings(connection));
}

static void is_ready(struct dv_pg_connection *connection)
{
    dv_timer_stop(&connection->timer);
    dv_pg_link_move(connection, DV_PG_IDLE);
    DV_CRASH_POINT("pg.set-up");
    dv_pg_ready(connection);
}

/* A reader needs other rights than a writer. */
static void refused(struct dv_pg_connection *connection, struct dv_pg_outcome outcome)
{
    if (connection->pg->config.reader != NULL && strcmp(outcome.sqlstate, "42501") == 0)
        outcome.reason = "permission denied: the role needs USAGE on the schema, SELECT on the table and on readers, SELECT, "
                         "UPDATE and DELETE on pending";
    dv_pg_link_lost(connection, &outcome);
}

/* A step of setting up is over. */
static void set_up_further(struct dv_pg_connection *connection)
{
    if (connection->outcome.rc != DV_OK) {
        refused(connection, connection->outcome);
        return;
    }
    bool first = connection->task == DV_PG_TASK_SETTINGS;
    if (first && !dv_pg_result_grants(connection)) {
        refused(connection, dv_pg_outcome_of("42501"));
    } else if (first && !dv_pg_result_has_reader(connection)) {
        lost(connection, DV_E_CONFIG, "the table does not know the reader; run: datavault migrate FILE");
    } else if (first && !connection->pg->config.reads_only && connection->pg->config.vector_width == 0) {
        dv_pg_link_sent(connection, DV_PG_TASK_PREPARE, dv_pg_send_prepare(connection));
    } else {
        is_ready(connection);
    }
}

/* ---- serving ---- */

static void flush(struct dv_pg_connection *connection)
{
    int left = PQflush(connection->link);
    if (left < 0 || !watch_for(connection, left > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE))
        lost(connection, DV_E_DEPENDENCY, "the connection to the server was lost");
}

void dv_pg_link_sent(struct dv_pg_connection *connection, enum dv_pg_task task, int sent)
{
    PQclear(connection->result);
    connection->result = NULL;
    connection->task = task;
    connection->outcome = (struct dv_pg_outcome){ 0 };
    if (sent == 0) {
        lost(connection, DV_E_DEPENDENCY, "a statement could not be sent");
        return;
    }
    /* The server ends a slow statement itself; this is for one that is not heard of any more. */
    dv_timer_start(&connection->timer, (uint64_t)connection->pg->config.timeout_ms + GRACE_MS);
    flush(connection);
}

static void statement_over(struct dv_pg_connection *connection)
{
    dv_timer_stop(&connection->timer);
    DV_CRASH_POINT("pg.answered");
    if (PQstatus(connection->link) == CONNECTION_BAD) {
        if (connection->outcome.rc == DV_OK)
            connection->outcome = dv_pg_outcome_of(NULL);
        dv_pg_link_lost(connection, &connection->outcome);
    } else if (connection->state == DV_PG_SETTING_UP) {
        set_up_further(connection);
    } else {
        DV_ASSERT(connection->state == DV_PG_BUSY);
        dv_pg_answered(connection);
    }
}

/* Reading is tried even if only writing was asked for: the server may wait until we read. */
static void serve(struct dv_pg_connection *connection)
{
    if (PQconsumeInput(connection->link) == 0) {
        /* What came before the end tells why: "terminating connection due to administrator command". */
        (void)dv_pg_take_results(connection);
        if (connection->outcome.rc == DV_OK)
            connection->outcome = dv_pg_outcome_of(NULL);
        dv_pg_link_lost(connection, &connection->outcome);
    } else if (connection->state == DV_PG_IDLE) {
        if (PQstatus(connection->link) == CONNECTION_BAD)
            lost(connection, DV_E_DEPENDENCY, "the connection to the server was lost");
    } else if (dv_pg_take_results(connection)) {
        statement_over(connection);
    } else {
        flush(connection);
    }
}

/* ---- connecting ---- */

static void go_on_connecting(struct dv_pg_connection *connection)
{
    if (connection->watch != NULL)
        (void)uv_poll_stop(&connection->watch->uv);
    PostgresPollingStatusType step = PQconnectPoll(connection->link);
    if (step == PGRES_POLLING_OK) {
        set_up(connection);
    } else if (step == PGRES_POLLING_FAILED) {
        struct dv_pg_outcome outcome = dv_pg_outcome_of_message(PQerrorMessage(connection->link));
        if (PQconnectionNeedsPassword(connection->link))
            outcome = dv_pg_outcome_make(DV_E_CONFIG, "the server asks for a password, and there is none");
        dv_pg_link_lost(connection, &outcome);
    } else if (!watch_for(connection, step == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE)) {
        lost(connection, DV_E_DEPENDENCY, "the server cannot be reached");
    }
}

static void on_socket(uv_poll_t *uv, int status, int events)
{
    struct dv_pg_connection *connection = ((struct dv_pg_watch *)uv->data)->connection;
    (void)events;
    if (connection == NULL)
        return;
    if (connection->state == DV_PG_CONNECTING)
        go_on_connecting(connection);
    else if (status < 0)
        lost(connection, DV_E_DEPENDENCY, "the connection to the server was lost");
    else
        serve(connection);
}

/* Notices could hold values and would go to standard error. */
static void ignore_notice(void *data, const PGresult *result)
{
    (void)data;
    (void)result;
}

static void connect_now(struct dv_pg_connection *connection)
{
    struct dv_pg_params *params = connection->params;
    dv_pg_link_move(connection, DV_PG_CONNECTING);
    connection->link = PQconnectStartParams(params->keys, params->values, 0);
    dv_pg_params_free(params);
    connection->params = NULL;
    if (connection->link == NULL) {
        lost(connection, DV_E_DEPENDENCY, "no memory for a connection");
        return;
    }
    (void)PQsetErrorVerbosity(connection->link, PQERRORS_SQLSTATE);
    (void)PQsetNoticeReceiver(connection->link, ignore_notice, NULL);
    if (PQstatus(connection->link) == CONNECTION_BAD) {
        const struct dv_pg_outcome outcome = dv_pg_outcome_of_message(PQerrorMessage(connection->link));
        dv_pg_link_lost(connection, &outcome);
        return;
    }
    dv_timer_start(&connection->timer, (uint64_t)connection->pg->config.connect_timeout_ms);
    if (!watch_for(connection, UV_WRITABLE))
        lost(connection, DV_E_DEPENDENCY, "the server cannot be reached");
}

/* Appends ",item", without the comma if the list is empty; false if it is full. */
static bool append(char *list, size_t size, const char *item)
{
    size_t length = strlen(list);
    int written = snprintf(list + length, size - length, "%s%s", length > 0 ? "," : "", item);
    return written > 0 && (size_t)written < size - length;
}

/* libpq tries the addresses of a name one after another; it wants the name beside each. */
static bool take_addresses(struct dv_pg_connection *connection, const struct addrinfo *found)
{
    char addresses[ADDRESSES_MAX * (INET6_ADDRSTRLEN + 32)] = "";
    char names[LIST_MAX] = "";
    char text[INET6_ADDRSTRLEN + 32];
    const char *name = dv_pg_params_get(connection->params, "host");
    for (int count = 0; found != NULL && count < ADDRESSES_MAX; found = found->ai_next, count++)
        if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0 ||
            !append(addresses, sizeof addresses, text) || !append(names, sizeof names, name))
            return false;
    return addresses[0] != '\0' && dv_pg_params_set(connection->params, "host", names) &&
           dv_pg_params_set(connection->params, "hostaddr", addresses);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct dv_pg_connection *connection = request->data;
    connection->resolving = false;
    connection->pg->loop->away--;
    if (connection->state == DV_PG_RESOLVING) {
        if (status == 0 && take_addresses(connection, found))
            connect_now(connection);
        else
            lost(connection, DV_E_DEPENDENCY, "the server's name cannot be resolved");
    }
    uv_freeaddrinfo(found);
}

static void resolve(struct dv_pg_connection *connection, const char *host)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    connection->resolve.data = connection;
    dv_pg_link_move(connection, DV_PG_RESOLVING);
    int failed = uv_getaddrinfo(dv_loop_uv(connection->pg->loop), &connection->resolve, on_resolved, host, NULL, &hints);
    if (failed != 0)
        lost(connection, DV_E_DEPENDENCY, "the server's name cannot be resolved");
    else
        connection->resolving = true;
    connection->pg->loop->away += connection->resolving;
}

void dv_pg_link_start(struct dv_pg_connection *connection)
{
    DV_ASSERT(connection->link == NULL && connection->params == NULL && !connection->resolving);
    dv_rc rc = dv_pg_params_new(&connection->params, &connection->pg->config, connection->tries++, NULL);
    if (rc != DV_OK) {
        lost(connection, rc == DV_E_MEMORY ? DV_E_DEPENDENCY : DV_E_CONFIG, "a secret of the connection cannot be read");
        return;
    }
    const char *host = dv_pg_params_unresolved(connection->params);
    if (host != NULL)
        resolve(connection, host);
    else
        connect_now(connection);
}

/* Of an open circuit's connections only one is made, until it has been of use. */
static void try_again(struct dv_pg_connection *connection)
{
    struct dv_pg *pg = connection->pg;
    uint64_t now = dv_now_ns(pg->loop);
    if (dv_breaker_admits(&pg->breaker, now))
        dv_pg_link_start(connection);
    else
        dv_timer_start(&connection->timer, dv_breaker_wait_ms(&pg->breaker, now));
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_pg_connection *connection = timer->data;
    if (connection->state == DV_PG_WAITING)
        try_again(connection);
    else if (connection->state == DV_PG_CONNECTING)
        lost(connection, DV_E_DEPENDENCY, "the server did not answer in time");
    else
        lost(connection, DV_E_DEPENDENCY, "a statement was not answered in time");
}

void dv_pg_link_wake(struct dv_pg *pg)
{
    for (uint32_t i = 0; i < pg->count; i++)
        if (pg->connections[i].state == DV_PG_WAITING)
            dv_timer_start(&pg->connections[i].timer, 0);
}

void dv_pg_link_init(struct dv_pg_connection *connection, struct dv_pg *pg)
{
    *connection = (struct dv_pg_connection){ .pg = pg };
    dv_timer_init(pg->loop, &connection->timer, on_timer, connection);
}
