/* SPDX-License-Identifier: Apache-2.0
 * snowflake.h - an account of Snowflake behind HTTP: statements of SQL, their rows, and (snowflake_channel.h) channels.
 *
 * A caller embeds statements in its own state. What one points to is lent until `on_end`, which comes from the loop, once,
 * and never inside run(), which must have been DV_OK; after cancel() or close() nothing comes any more. Nothing of a
 * statement, a value or a server's text ever enters a log or an error: reasons are literals.
 *
 * A statement that may have been executed is sent again with the same request id, which Snowflake executes once. The id is
 * the caller's, who keeps it before he runs the statement and runs it again with `sent` after a crash. How long Snowflake
 * remembers an id is not told: what must happen once is a MERGE on a key, too.
 *
 * Failures in a row open the circuit; statements wait for it within their time. */
#ifndef DV_CONNECTORS_SNOWFLAKE_H
#define DV_CONNECTORS_SNOWFLAKE_H

#include "connectors/http.h"
#include "connectors/snowflake_limits.h"
#include "connectors/snowflake_sign.h"
#include "connectors/snowflake_value.h"
#include "engine/breaker.h"
#include "engine/id.h"

enum {
    DV_SNOWFLAKE_REQUEST_ID = 16,
    DV_SNOWFLAKE_TALKS_MAX = 32,            /* statements at a time; more are refused */
    DV_SNOWFLAKE_SQL_MAX = 8 * 1024 * 1024, /* bytes of a statement with its values */
    DV_SNOWFLAKE_BINDS_MAX = 1000,
    DV_SNOWFLAKE_COLUMNS_MAX = 1000
};

/* A value for a question mark. */
struct dv_snowflake_bind {
    const char *type; /* a literal: "FIXED", "REAL", "BOOLEAN", …; NULL: "TEXT", from which SQL converts */
    struct dv_snowflake_text value;
};

struct dv_snowflake;
struct dv_snowflake_call;
struct dv_snowflake_talk;
struct dv_snowflake_statement;

/* A statement and its answer. Zero-initialise. */
struct dv_snowflake_statement {
    const char *sql;
    const struct dv_snowflake_bind *binds;
    uint32_t bind_count;
    uint32_t statements; /* how many `sql` holds; 0: one. Several take no values and give no rows */
    const char *tag;     /* to find it by in Snowflake's history; NULL: none */
    bool async;          /* not waited for by Snowflake: asked for until it is over */
    bool sent;           /* it may have been sent before, under this id */
    uint8_t request_id[DV_SNOWFLAKE_REQUEST_ID]; /* random or derived, never another statement's */
    uint32_t total_ms;                           /* 0: that of the connection */
    /* The result's columns, once, before its rows and without any, too; they stay until on_end has returned. It may
     * cancel nothing. NULL: not wanted. */
    void (*on_columns)(struct dv_snowflake_statement *statement, const struct dv_snowflake_column *columns,
                       uint32_t count);
    /* A row of the result; cells are valid during the call. It may cancel statements. NULL: rows are not wanted. */
    void (*on_row)(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count);
    /* What the server says of a failure, before on_end: pieces of the statement, and values. It is for the eyes of the
     * person who asked, never for a log, an error or a file. It may cancel nothing. NULL: not wanted, as usual. */
    void (*on_words)(struct dv_snowflake_statement *statement, const char *text, size_t length);
    void (*on_end)(struct dv_snowflake_statement *statement);
    void *data; /* the caller's */

    bool executed; /* it may have been, or is being executed, whatever its end is called */
    bool running; /* Snowflake has said that it works on it: who cancels it now, ends it there */

    dv_rc rc; /* DV_OK; DV_E_DEPENDENCY: may heal, and may have been executed; DV_E_CONFIG: token, name or permission;
               * DV_E_DATA: a value; DV_E_LIMIT: too large; DV_E_FAILED: refused for good; DV_E_MEMORY */
    const char *reason;                       /* a literal; NULL if DV_OK */
    char code[DV_SNOWFLAKE_CODE_MAX];         /* of the last answer, as Snowflake lists them; "": none */
    char sqlstate[DV_SNOWFLAKE_SQLSTATE + 1]; /* of the last answer; "": none */
    uint64_t rows;                            /* that were handed out */
    uint64_t inserted, updated, deleted;      /* of a statement that changes a table */

    struct dv_snowflake_talk *talk; /* the connector's */
};

/* What a connector is made of; its texts must stay as long as it is open. */
struct dv_snowflake_config {
    struct dv_loop *loop;
    const char *url; /* of the account; NULL: https://ACCOUNT.snowflakecomputing.com */
    struct dv_snowflake_identity identity;
    const char *role, *warehouse, *database, *schema; /* as SHOW writes them; NULL: the user's own */
    const char *ca;                                   /* a file of trusted certificates; NULL: the system's */
    struct dv_http_deadlines deadlines;
    uint32_t pause_ms;    /* before the second try; 0: 1000. It doubles up to a minute, and half of it is random */
    struct dv_http *http; /* instead of clients of its own: a test's script, which the connector closes */
};

/* The connector. Lives in memory of the owner's that must stay until the loop has run dry after close(); private. */
struct dv_snowflake {
    struct dv_snowflake_config config;
    char url[DV_HTTP_URL_MAX + 1];
    struct dv_http_client client;
    struct dv_http *http; /* the client, or a script */
    struct dv_snowflake_token token;
    struct dv_snowflake_signer signer;
    struct dv_breaker breaker;
    char refused[DV_UUID_TEXT]; /* the number of the last refusal of a token; "": none */
    struct dv_timer timer;
    struct dv_snowflake_talk *first; /* in the order they were run */
    uint32_t count;
    bool opened;
    bool skewed; /* as the last answer told it */
};

/* Opens a connector; nothing is connected yet, but a token is signed once. DV_E_CONFIG and what dv_secret_read() says, with
 * a text. Close with dv_snowflake_close(). */
DV_CHECKED dv_rc dv_snowflake_open(struct dv_snowflake *snowflake, const struct dv_snowflake_config *config,
                                   struct dv_error *error);

/* Runs a statement; its answer is cleared first. DV_E_LIMIT: DV_SNOWFLAKE_TALKS_MAX are under way already, or it is too
 * long; DV_E_MEMORY: then nothing comes. */
DV_CHECKED dv_rc dv_snowflake_run(struct dv_snowflake *snowflake, struct dv_snowflake_statement *statement);

/* Whether what was answered, other than DV_E_DEPENDENCY, tells of the service and not of the statement: it was cancelled or lost there,
 * stood in another's way, or met a fault of Snowflake's own. The same may be sent again, under the same id. */
bool dv_snowflake_is_disturbed(const struct dv_snowflake_statement *statement);

/* Ends a statement of which nothing more is wanted, also in Snowflake, if that has said that it runs; accepts one that is
 * over. */
void dv_snowflake_cancel(struct dv_snowflake *snowflake, struct dv_snowflake_statement *statement);

/* Whether nothing is under way, also no ending of what was cancelled. */
bool dv_snowflake_is_idle(const struct dv_snowflake *snowflake);

/* Ends everything at once; accepts a zeroed one. Channels must be closed before. Not from inside `on_row`. */
void dv_snowflake_close(struct dv_snowflake *snowflake);

/* Why nothing gets through now, a literal; or NULL. */
const char *dv_snowflake_waits(const struct dv_snowflake *snowflake);

/* Whether this machine's clock and Snowflake's are so far apart that keys, which are signed with the time, may not count. */
bool dv_snowflake_is_skewed(const struct dv_snowflake *snowflake);

/* The circuit breaker of the account. */
const struct dv_breaker *dv_snowflake_breaker(const struct dv_snowflake *snowflake);

#endif
