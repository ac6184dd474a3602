/* SPDX-License-Identifier: Apache-2.0
 * pg.h - a store in a PostgreSQL table: a pool of connections that find their server again by themselves.
 *
 * A put is one INSERT ... SELECT FROM unnest(arrays) ON CONFLICT (id) DO NOTHING, a transaction of its own. Puts that
 * wait go together, up to 1,024 rows (four full batches), and each connection has one statement under way. If a
 * connection is lost behind a put, nobody knows whether it was committed: its ids are read back on the next connection,
 * and only what is not there is put again. `total` of puts that went together is told by the first of them.
 *
 * With an owner's name, puts hold only while no other process has taken that name: each process takes the next token of
 * the name's fence once, and a put locks the fence and looks for its own token in it, in one statement. Who finds another
 * there answers DV_E_FENCED from then on. With or without it, a session that was stopped inside a transaction is ended by
 * whoever connects next, so that it holds no lock for more than some seconds.
 *
 * Of several hosts in the URL the next is tried after each failure. Names are resolved off the loop. A pooler in between
 * must keep sessions, for puts are prepared. Without `sslmode` in the URL, a server that is neither on loopback nor on a
 * socket must show a certificate for its name (verify-full); `sslrootcert` names the authority, else it is the system's
 * list.
 * No message of the server is ever shown, because it may hold values: only its SQLSTATE and our own texts. */
#ifndef DV_CONNECTORS_PG_H
#define DV_CONNECTORS_PG_H

#include <stdbool.h>

#include "connectors/store.h"
#include "engine/breaker.h"
#include "engine/loop.h"

enum {
    DV_PG_CONNECTIONS_MAX = 16,
    DV_PG_FAILURES_MAX = 3,               /* in a row, before the circuit opens */
    DV_PG_PAUSE_FIRST_MS = 100,
    DV_PG_PAUSE_MAX_MS = 2000,
    DV_PG_ROWS_MAX = 1024,                /* of one statement, unless a single put has more */
    DV_PG_STATEMENT_BYTES = 8 * 1024 * 1024, /* the same in bytes */
    DV_PG_NAME_MAX = 63,                  /* the longest identifier the server keeps whole */
    DV_PG_RELATION_MAX = 2 * (DV_PG_NAME_MAX + 2) + 2,
};

/* Where the table is and how to get there. Texts must live as long as the store. */
struct dv_pg_config {
    const char *name;     /* of the node, for the log; or NULL */
    const char *url;      /* postgresql://…, or a secret's reference to one */
    const char *password; /* a secret's reference, or NULL */
    const char *schema, *table; /* at most DV_PG_NAME_MAX characters of a DV_NAME */
    const char *owner;    /* a DV_NAME; or NULL: no fence */
    const char *reader;   /* a DV_NAME, to take records one by one until they are done (reads_only); or NULL */
    int64_t lease_ms;     /* for how long a reader's records are its own */
    int64_t connections;
    int64_t connect_timeout_ms;
    int64_t timeout_ms; /* of a statement, on both sides */
    int64_t vector_width; /* of a table of vectors (vectors_pg.h): numbers of each; 0: it is one of sealed records */
    bool reads_only;    /* the right to insert is not asked for */
    bool impatient;     /* requests are answered as soon as a connection fails, not when one succeeds */
};

/* A connection's way. */
enum dv_pg_state {
    DV_PG_CLOSED,
    DV_PG_RESOLVING,  /* the server's name, on a worker thread */
    DV_PG_CONNECTING, /* TCP, TLS, password */
    DV_PG_SETTING_UP, /* settings, rights and the prepared put */
    DV_PG_IDLE,
    DV_PG_BUSY,       /* one statement is under way */
    DV_PG_WAITING,    /* before the next try */
    DV_PG_STATES
};

/* What a statement under way is for. */
enum dv_pg_task {
    DV_PG_TASK_SETTINGS,
    DV_PG_TASK_PREPARE,
    DV_PG_TASK_FENCE,
    DV_PG_TASK_PUT,
    DV_PG_TASK_CHECK,
    DV_PG_TASK_GET,
    DV_PG_TASK_COUNT,
    DV_PG_TASK_READER, /* take, keep, free, done; find */
    DV_PG_TASK_RUN
};

/* What became of a statement or a connection. */
struct dv_pg_outcome {
    dv_rc rc;
    const char *reason; /* a literal, or NULL */
    char sqlstate[6];   /* "" if the server did not tell */
    bool reconnects;    /* the connection is of no use any more */
};

struct dv_pg;
struct dv_pg_params;
struct dv_pg_watch;
struct pg_conn;
struct pg_result;

/* One connection of the pool. */
struct dv_pg_connection {
    struct dv_pg *pg;
    enum dv_pg_state state;
    enum dv_pg_task task;
    struct pg_conn *link;
    struct dv_pg_watch *watch;   /* of the link's socket */
    struct dv_pg_params *params; /* while resolving */
    struct dv_timer timer;       /* a deadline, or the pause before the next try */
    uv_getaddrinfo_t resolve;
    struct dv_store_request *group; /* what the statement is for */
    struct pg_result *result;       /* of a get or count, until it is answered */
    struct dv_pg_outcome outcome;
    char *buffer;                   /* the statement's arrays */
    size_t buffer_bytes;
    uint32_t tries;    /* picks the next host of several */
    bool resolving;    /* the worker has not come back */
    bool useful;       /* a statement has succeeded on it */
};

/* Requests in order. */
struct dv_pg_queue {
    struct dv_store_request *first, *last;
};

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). */
struct dv_pg {
    struct dv_store store;
    struct dv_loop *loop;
    struct dv_pg_config config;
    char relation[DV_PG_RELATION_MAX]; /* "schema"."table", quoted */
    struct dv_pg_connection connections[DV_PG_CONNECTIONS_MAX];
    uint32_t count;
    struct dv_pg_queue waiting;
    struct dv_pg_queue doubtful; /* puts whose commit nobody saw */
    struct dv_pg_queue alone;    /* puts that shared a statement with a bad row */
    struct dv_timer kick;        /* requests are sent from the loop, never from within request() */
    struct dv_timer patience;    /* how long requests wait for a connection */
    struct dv_breaker breaker;    /* of the server: a statement that succeeds closes it */
    struct dv_pg_outcome trouble; /* why no connection is up; rc 0: all is well */
    const char *reason;           /* why the last statement failed, or NULL */
    const char *refusal;          /* why the server refuses records, as it stands in the log, or NULL */
    int64_t token;                /* of the owner's fence; 0: not taken yet */
    struct dv_pg_connection *taker; /* takes it now, or NULL */
    bool fenced;                  /* another process has taken it */
    bool open;
    dv_rc told; /* the trouble that stands in the log, while no statement has succeeded since; or DV_OK */
};

/* Begins to connect. DV_E_CONFIG: the URL or a name is malformed, or a secret cannot be read. Whether the server can be
 * reached shows later, in waits(); ask dv_pg_probe() to know before. Close with dv_store_close(&pg->store). */
DV_CHECKED dv_rc dv_pg_open(struct dv_pg *pg, struct dv_loop *loop, const struct dv_pg_config *config,
                            struct dv_error *error);

/* Connects once, on a loop of its own, and waits for it: may take as long as the connection time-out, so only before the
 * start. DV_E_CONFIG: it will not work like this (password, rights, no table …); DV_E_DEPENDENCY: it may work later. */
DV_CHECKED dv_rc dv_pg_probe(const struct dv_pg_config *config, struct dv_error *error);

/* Runs one request to its end on a loop of its own, impatiently; the callback is called as ever. The request's rc, with
 * the reason in *error. */
DV_CHECKED dv_rc dv_pg_ask(const struct dv_pg_config *config, struct dv_store_request *request, struct dv_error *error);

#endif
