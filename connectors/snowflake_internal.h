/* SPDX-License-Identifier: Apache-2.0
 * snowflake_internal.h - between the files of Snowflake's connector: one call, what its answer means, statements. */
#ifndef DV_CONNECTORS_SNOWFLAKE_INTERNAL_H
#define DV_CONNECTORS_SNOWFLAKE_INTERNAL_H

#include "connectors/snowflake.h"
#include "connectors/snowflake_answer.h"

/* What is to be done about an answer. */
enum dv_snowflake_action {
    DV_SNOWFLAKE_FINE,
    DV_SNOWFLAKE_RUNNING, /* it is not over yet */
    DV_SNOWFLAKE_RENEW,   /* another token; once */
    DV_SNOWFLAKE_AGAIN,   /* the same, later: nothing was taken */
    DV_SNOWFLAKE_UNKNOWN, /* the same, later, but it may have been taken */
    DV_SNOWFLAKE_REOPEN,  /* the channel is not ours, or not in order */
    DV_SNOWFLAKE_SETTLE,  /* what was sent into the channel is not committed yet */
    DV_SNOWFLAKE_LARGE,   /* less at a time */
    DV_SNOWFLAKE_STOP,    /* no other try ends otherwise */
};

/* Whose rules count where a status means different things. */
enum dv_snowflake_side { DV_SNOWFLAKE_SQL, DV_SNOWFLAKE_CHANNEL };

struct dv_snowflake_verdict {
    enum dv_snowflake_action action;
    dv_rc rc;           /* DV_OK if it is fine or running */
    const char *reason; /* a literal */
};

/* snowflake_fault.c: by the code first, then by the SQL state, then by the status. */
struct dv_snowflake_verdict dv_snowflake_judge(enum dv_snowflake_side side, unsigned status, const char *code,
                                               const char *sqlstate);

/* One exchange; zero-initialise. Who makes it fills the first part. */
struct dv_snowflake_call {
    struct dv_snowflake *snowflake;
    enum dv_snowflake_side side;
    struct dv_http *http; /* whom it asks */
    const char *method;   /* a literal, or NULL */
    const char *body;     /* lent */
    size_t length;
    const char *type;    /* the body's, a literal */
    const char *packing; /* "gzip", or NULL */
    const char *scoped;  /* "Bearer …", shown instead of who we are; NULL */
    const char *affinity; /* the session of an answer before, which leads to the same server; NULL */
    char raw_length[24];  /* the body's before it was packed; "": not told */
    bool untyped;        /* what kind of proof is shown is not said */
    uint32_t total_ms;   /* 0: the connection's */
    void (*end)(struct dv_snowflake_call *call);
    void *data;
    char path[DV_HTTP_URL_MAX + 1];

    struct dv_snowflake_verdict verdict;
    struct dv_snowflake_answer answer; /* until the next start */
    char code[DV_SNOWFLAKE_CODE_MAX];
    char sqlstate[DV_SNOWFLAKE_SQLSTATE + 1];
    char session[DV_SNOWFLAKE_SESSION_MAX + 1]; /* of the answer; "": none */

    bool asking; /* private, as what follows */
    bool renewed, probe;
    bool unread;   /* there was no memory for a piece */
    bool too_long; /* for a channel: the rest was not kept */
    struct dv_snowflake_wish wish; /* for a token */
    char *bearer;
    struct dv_http_header headers[DV_HTTP_HEADERS_MAX];
    struct dv_http_request request;
};

/* Asks, or ends at once if it cannot: from the loop only. The breaker must admit it: see dv_snowflake_admits(). */
void dv_snowflake_call_start(struct dv_snowflake_call *call);

/* Ends it without a word; accepts one that is over. */
void dv_snowflake_call_cancel(struct dv_snowflake_call *call);

/* Wipes and frees what it holds; it must be over. */
void dv_snowflake_call_free(struct dv_snowflake_call *call);

/* How many ms to wait before a call may start; 0: now, and it must then be started. */
uint64_t dv_snowflake_admits(struct dv_snowflake_call *call);

/* Whether what a call named is not there, be it channel, pipe, table or path. */
bool dv_snowflake_is_gone(const struct dv_snowflake_call *call);

/* A text with what a URL's path cannot hold as it stands escaped; false: no room. */
bool dv_snowflake_escape(const char *text, char *out, size_t size);

/* ---- statements ---- */

enum { DV_SNOWFLAKE_PARTITIONS_MAX = 100000 };

enum dv_snowflake_step {
    DV_SNOWFLAKE_SUBMIT,
    DV_SNOWFLAKE_POLL,  /* is it over? */
    DV_SNOWFLAKE_FETCH, /* the partitions behind the first */
    DV_SNOWFLAKE_ABORT, /* nobody wants it any more */
};

/* A statement on its way; made by run(). */
struct dv_snowflake_talk {
    struct dv_snowflake *snowflake;
    struct dv_snowflake_statement *statement; /* NULL: of which nothing more is wanted */
    enum dv_snowflake_step step;
    struct dv_snowflake_call call;
    uint64_t due_ns, deadline_ns;
    uint32_t tries, polls; /* in a row */
    bool sent;             /* it may have been executed */
    bool busy;             /* in the hands of callbacks, after which it is freed if it is gone */
    bool gone;
    struct dv_sse_text body;
    char handle[DV_SNOWFLAKE_HANDLE_MAX + 1]; /* "": not told yet */
    uint32_t partition, partitions;
    bool counted; /* the answer says how many rows there are */
    uint64_t rows;
    struct dv_snowflake_text *cells; /* room for a row */
    uint32_t cell_count;
    struct dv_snowflake_column *columns; /* if they are wanted */
    struct dv_snowflake_talk *next;
};

/* Writes the request's body; false: no memory. */
bool dv_snowflake_write(struct dv_snowflake_talk *talk);

/* How many bytes a statement has with its values. */
uint64_t dv_snowflake_statement_bytes(const struct dv_snowflake_statement *statement);

/* Notes the handle of an answer, if it names one. */
void dv_snowflake_note_handle(struct dv_snowflake_talk *talk);

/* Reads the head of a result, and hands out the rows of an answer. DV_OK, or an error with a literal in *ret_reason. After
 * rows the talk may be gone. */
DV_CHECKED dv_rc dv_snowflake_read_head(struct dv_snowflake_talk *talk, const char **ret_reason);
DV_CHECKED dv_rc dv_snowflake_read_rows(struct dv_snowflake_talk *talk, const char **ret_reason);

#endif
