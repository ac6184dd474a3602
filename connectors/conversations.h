/* SPDX-License-Identifier: Apache-2.0
 * conversations.h - what was asked and answered in turns, in one SQLite file: bounded, each asker's for himself, and erased for good.
 *
 *     conversations(n, id BLOB, tenant TEXT, asker BLOB, created_at, used_at INTEGER (ms since 1970))
 *     turns(n, conversation, id BLOB (of the question's record), asked_at, question TEXT, whole TEXT, status TEXT or NULL, cut, bytes)
 *     sentences(turn, n, text TEXT, citations TEXT)
 *
 * Whoever asks names himself with every request, by a digest, and meets his own conversations only: another's is as missing as
 * one that never was.
 *
 * Bounds: of a conversation the newest turns are kept, of an asker the conversations used last; what is older than `keep_ms` lapses,
 * and is gone with the next sweep at the latest. When `bytes` are used up, the asker's own older conversations make room; when he has
 * none left, nothing more of his is kept, and he is told so.
 *
 * WAL and synchronous=FULL, as sqlite.h; one worker job runs at a time, for one request, in the order in which they came. What is
 * erased is overwritten in the file, and the log is cut, before the callback says so.
 *
 * A caller embeds requests in its own state; what they point to is lent until the callback, which comes from the loop, once, and never
 * inside request() or cancel(). */
#ifndef DV_CONNECTORS_CONVERSATIONS_H
#define DV_CONNECTORS_CONVERSATIONS_H

#include <stdbool.h>

#include "connectors/job.h"
#include "connectors/store.h"
#include "engine/arena.h"
#include "engine/breaker.h"
#include "engine/loop.h"

enum {
    DV_ASKER_BYTES = 16,
    DV_CONVERSATIONS_ROWS_MAX = 256,        /* questions or lines of answers in a request */
    DV_CONVERSATIONS_MAX = 1000,            /* of an asker */
    DV_TURNS_MAX = 200,                     /* of a conversation */
    DV_TURN_QUESTION_MAX = 4096,            /* bytes of a question that are kept */
    DV_TURN_WHOLE_MAX = 1024,               /* bytes of a question made whole out of several */
    DV_TURN_BYTES_MAX = 64 * 1024,          /* the most that a turn may take */
    DV_CONVERSATIONS_ANSWER_BYTES = 32 * 1024 * 1024, /* of one answer of the store */
};

struct dv_conversations_limits {
    uint32_t turns;         /* of a conversation */
    uint32_t conversations; /* of an asker */
    uint32_t remembered;    /* turns that come back with a question */
    uint32_t turn_bytes;    /* question and answer; sentences that do not fit are left out */
    uint64_t bytes;         /* of all turns */
    int64_t keep_ms;
};

/* A conversation. */
struct dv_conversation {
    uint8_t id[DV_STORE_ID_BYTES];
    int64_t created_ms, used_ms;
    uint32_t turns;
};

/* A sentence of an answer, and its citations as JSON. */
struct dv_said {
    struct dv_store_bytes text, citations;
};

/* A turn; lent for the callback. */
struct dv_turn {
    uint8_t id[DV_STORE_ID_BYTES]; /* of the question's record */
    int64_t asked_ms;
    struct dv_store_bytes question;
    struct dv_store_bytes status; /* how its answer ended; NULL: it has not */
    bool cut;                     /* there was more of the answer than there is room for */
    struct dv_said *said;
    uint32_t said_count;
};

/* A question that is asked in a conversation, and what the store says to it. */
struct dv_turn_question {
    uint8_t asker[DV_ASKER_BYTES];
    uint8_t conversation[DV_STORE_ID_BYTES];
    uint8_t id[DV_STORE_ID_BYTES]; /* of its record */
    struct dv_store_bytes text;
    bool follows; /* it is to be understood from the one before */

    bool known; /* it is the asker's conversation */
    bool kept;
    struct dv_store_bytes whole; /* the question with what it follows */
    struct dv_turn *turns;       /* those before it, newest first */
    uint32_t turn_count;
};

/* A line of an answer: a sentence, or its end if it has a status. */
struct dv_turn_line {
    uint8_t id[DV_STORE_ID_BYTES]; /* of the question's record */
    struct dv_said said;
    struct dv_store_bytes status;
    bool withdrawn; /* with the end: none of the sentences is to be used */
};

enum dv_conversations_kind {
    DV_CONVERSATIONS_MAKE,   /* `id`, the asker's from now on; DV_E_FULL */
    DV_CONVERSATIONS_KNOW,   /* whether `id` is the asker's: DV_OK or DV_E_MISSING */
    DV_CONVERSATIONS_LIST,   /* the asker's → conversations[0 .. total-1], those used last first */
    DV_CONVERSATIONS_SHOW,   /* `id` → conversations[0] and turns[0 .. total-1], newest first; DV_E_MISSING */
    DV_CONVERSATIONS_ASK,    /* questions[0 .. count-1] are kept, and answered each for itself */
    DV_CONVERSATIONS_ANSWER, /* lines[0 .. count-1] of answers to questions that are kept; others are passed over. `total`: kept */
    DV_CONVERSATIONS_ERASE,  /* `id`, or all of the asker's: for good; `total`: how many. DV_E_MISSING if `id` is none of his */
    DV_CONVERSATIONS_SWEEP,  /* what has lapsed goes; `total`: conversations that did */
    DV_CONVERSATIONS_FORGET, /* the tenant's turns whose answers cite one of `ids`, whoever asked; `total`: how many. What the log has of them
                              * goes with DV_CONVERSATIONS_CUT */
    DV_CONVERSATIONS_CUT,    /* what was erased, now or earlier, goes from the log, too */
};

struct dv_conversations_request;
typedef void (*dv_conversations_callback)(struct dv_conversations_request *request);

/* A request and its answer. */
struct dv_conversations_request {
    enum dv_conversations_kind kind;
    uint8_t asker[DV_ASKER_BYTES];
    uint8_t id[DV_STORE_ID_BYTES];
    bool all;    /* ERASE: not `id` alone */
    bool open_too; /* FORGET: and all that have no whole answer yet, as they may cite one of them still */
    bool waited; /* somebody waits who must be told when the store closes, too: DV_E_DEPENDENCY */
    int64_t now_ms;
    struct dv_turn_question *questions;
    const struct dv_turn_line *lines;
    uint32_t count;
    const uint8_t (*ids)[DV_STORE_ID_BYTES]; /* FORGET: of records, sorted, each once */
    uint32_t id_count;
    dv_conversations_callback callback;
    void *data;

    dv_rc rc;           /* DV_OK, DV_E_MISSING, DV_E_FULL, DV_E_IO, DV_E_DEPENDENCY, DV_E_MEMORY, DV_E_FAILED … */
    const char *reason; /* a literal, or NULL */
    bool file_is_well;  /* `reason` is the request's own: a bound that is met, or somebody else who reads */
    uint64_t total;
    const struct dv_conversation *conversations; /* the store's, valid during the callback, as what follows */
    const struct dv_turn *turns;
    struct dv_conversations_request *next; /* the store's */
};

struct sqlite3;
struct sqlite3_stmt;

enum dv_conversations_sql {
    DV_TALK_BEGIN, DV_TALK_COMMIT, DV_TALK_ROLLBACK, DV_TALK_LAPSE, DV_TALK_LAPSE_TURNS, DV_TALK_BYTES,
    DV_TALK_MAKE, DV_TALK_FIND, DV_TALK_SPARE, DV_TALK_OTHERS, DV_TALK_OLDEST, DV_TALK_LIST, DV_TALK_TURNS, DV_TALK_SAID, DV_TALK_ASK, DV_TALK_OPEN, DV_TALK_FALL,
    DV_TALK_USE, DV_TALK_TURN, DV_TALK_SAY, DV_TALK_GROW, DV_TALK_END, DV_TALK_UNSAY, DV_TALK_WITHDRAW, DV_TALK_ERASE, DV_TALK_ERASE_ALL,
    DV_TALK_CITED, DV_TALK_DROP, DV_TALK_DROP_OPEN,
    DV_TALK_SQL_COUNT
};

enum dv_conversations_state { DV_TALK_CLOSED, DV_TALK_IDLE, DV_TALK_WORKING };

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). Private. */
struct dv_conversations {
    enum dv_conversations_state state;
    const char *tenant;
    struct dv_conversations_limits limits;
    struct sqlite3 *db;
    struct sqlite3_stmt *statements[DV_TALK_SQL_COUNT];
    struct dv_arena arena; /* of the last answer */
    bool smeared;          /* of what was deleted something is still in the log */
    bool owes_cut;         /* an erasure was told that the log could not be cut */
    bool failed;           /* a sync failed: nothing is tried any more */
    struct dv_job job;
    struct dv_breaker breaker;
    struct dv_timer timer; /* the breaker's pause */
    struct dv_conversations_request *first, *last;
    struct dv_conversations_request *working; /* NULL: none, or it was cancelled */
    struct dv_conversations_request current;  /* the worker's copy of it */
    bool calling;                             /* a callback reads what the worker left behind */
    const char *reason;
};

/* Opens `path` for a tenant, whose name stays, and makes the tables if the file is new; blocks for that. DV_E_CONFIG: it is no store of
 * ours, or of a later version; DV_E_IO, DV_E_FULL, DV_E_DEPENDENCY. */
DV_CHECKED dv_rc dv_conversations_open(struct dv_conversations *store, struct dv_loop *loop, const char *path, const char *tenant,
                                       const struct dv_conversations_limits *limits, struct dv_error *error);

/* Hands a request over; its callback tells the answer. */
void dv_conversations_request(struct dv_conversations *store, struct dv_conversations_request *request);

/* Nobody waits for it any more: its memory may go. It may have been done already. */
void dv_conversations_cancel(struct dv_conversations *store, struct dv_conversations_request *request);

/* Why nothing is kept now, a literal, or NULL. */
const char *dv_conversations_waits(const struct dv_conversations *store);

/* Ends what is under way, which may block, and closes. Accepts one that was never opened. */
void dv_conversations_close(struct dv_conversations *store);

/* ---- for conversations.c alone ---- */

/* conversations_sql.c: prepares the statements; SQLite's result. */
int dv_conversations_prepare(struct dv_conversations *store);

/* conversations_work.c: does what a request asks, on a worker, and leaves the answer in it. */
void dv_conversations_work(struct dv_conversations *store, struct dv_conversations_request *request);

#endif
