/* SPDX-License-Identifier: Apache-2.0
 * snowflake_journal.h - what was sent into a channel: its requests are numbered, and their records known by their ids.
 *
 * A request is written down before it is sent; several may be under way. After a crash the channel tells the token of the
 * last one that is committed, and the journal which records it and those before it were: they are not sent again when their
 * source, who was not told in time, gives them once more. The file is only ever appended to, and made anew when half of it is
 * of no use any more (snowflake_log.h); a worker does that. What is damaged is an error, since without it records would be doubled or lost.
 *
 * One owner has it at a time: a lock on a file beside it tells. A request's token is its number and 64 random bits: whoever
 * has a copy of the journal makes other tokens, so nobody takes for his own what another has committed.
 *
 * Memory: 32 bytes for each id that is remembered, and what is being written. */
#ifndef DV_CONNECTORS_SNOWFLAKE_JOURNAL_H
#define DV_CONNECTORS_SNOWFLAKE_JOURNAL_H

#include "connectors/job.h"
#include "connectors/snowflake_ids.h"
#include "connectors/snowflake_log.h"
#include "engine/loop.h"

enum {
    DV_SNOWFLAKE_JOURNAL_ID = DV_SNOWFLAKE_ID,
    DV_SNOWFLAKE_JOURNAL_IDS_MIN = 131072, /* that are remembered: more than a sink can have under way */
    DV_SNOWFLAKE_JOURNAL_IDS_MAX = 64 * 1024 * 1024,
    DV_SNOWFLAKE_TOKEN = 20 + 1 + 16 + 1, /* bytes of a request's token: its number, what is random, NUL */
    DV_SNOWFLAKE_JOURNAL_RETRY_MS = 1000
};

/* Records that are not in the file yet. */
struct dv_snowflake_page {
    char *bytes;
    size_t used, room;
    uint64_t ticket;  /* of the last record */
    uint64_t settled; /* with them */
    uint64_t in_file; /* without them: requests up to it can be compacted */
};

struct dv_snowflake_journal;

/* Where it is, and whose it is. */
struct dv_snowflake_journal_options {
    struct dv_loop *loop;
    const struct dv_sys *sys; /* &dv_sys_real */
    const char *path;         /* lent until it is read */
    uint64_t channel;         /* hash of whose it is: another channel's journal is refused */
    uint32_t remember;        /* ids, at least DV_SNOWFLAKE_JOURNAL_IDS_MIN */
    /* From the loop: it was read, and can be used from now on; or why not, with a text. It may be closed inside. */
    void (*read)(struct dv_snowflake_journal *journal, dv_rc rc, const struct dv_error *error);
    void (*saved)(void *data); /* from the loop: more is durable */
    void *data;
};

/* The journal. Lives in memory of the owner's that must stay until the loop has run dry after close(). All but the first
 * block is private. */
struct dv_snowflake_journal {
    uint64_t unit;      /* the number of the last request that was entered and not taken back; 0: none yet */
    uint64_t settled;   /* of the last one whose records are known to be in the table, or were rejected */
    uint64_t errors;    /* rows that Snowflake had refused by then, all of them accounted for */
    uint64_t ticket;    /* of what was entered, settled or taken back last */
    const char *reason; /* why nothing is written, a literal, or NULL */

    struct dv_snowflake_journal_options options;
    struct dv_snowflake_ids ids;              /* to be asked with its own functions */
    uint64_t randoms[DV_SNOWFLAKE_UNITS_MAX]; /* of the requests behind `settled`, by their numbers */
    bool known[DV_SNOWFLAKE_UNITS_MAX];       /* those */
    uint64_t settled_random, random;          /* of `settled`, and of the one that was begun */
    bool begun;
    struct dv_snowflake_page pending, writing; /* `writing` is the worker's while it works */
    uint64_t durable;                          /* a ticket */
    uint64_t in_file;                          /* `settled`, as the file tells it */
    struct dv_snowflake_log log;               /* the worker's while it works */
    int lock;                                  /* of one owner at a time */
    int error;
    dv_rc rc; /* of reading, as what follows */
    struct dv_error fault;
    struct dv_job job;
    struct dv_timer timer;
    bool held, opened; /* from open() to close(); it was read: until then it is the worker's */
};

/* Begins to open and read it; the rest comes by `read`. A worker does that: a million ids take a tenth of a second. DV_E_FENCED: somebody has
 * it open; DV_E_CONFIG: it is another channel's, or of an earlier version; DV_E_TAMPER: it is damaged; DV_E_IO; DV_E_MEMORY. */
void dv_snowflake_journal_open(struct dv_snowflake_journal *journal, const struct dv_snowflake_journal_options *options);

/* Begins the next request, under a token that nobody else makes; there must be room (has_room), and none begun. Then a note() for each of its
 * records, from which on they are found, and enter() or cancel(). */
bool dv_snowflake_journal_has_room(const struct dv_snowflake_journal *journal);
void dv_snowflake_journal_begin(struct dv_snowflake_journal *journal, char token[DV_SNOWFLAKE_TOKEN]);
void dv_snowflake_journal_note(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID]);

/* The request that was begun is made of the first `count` of its records, those that were dropped meanwhile left out. DV_E_MEMORY: then it is cancelled. */
DV_CHECKED dv_rc dv_snowflake_journal_enter(struct dv_snowflake_journal *journal, uint32_t count);
void dv_snowflake_journal_cancel(struct dv_snowflake_journal *journal);

/* Requests up to `unit` are committed, and all of their records are accounted for; so many were refused in all, and these ids
 * did not get in, as if they had not been sent. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_snowflake_journal_settle(struct dv_snowflake_journal *journal, uint64_t unit, uint64_t errors,
                                             const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count);

/* Requests behind `unit` were not taken and will not be sent as they are: as if they had not been begun. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_snowflake_journal_take_back(struct dv_snowflake_journal *journal, uint64_t unit);

/* Writes what is not durable, unless it is being written already. And whether all is durable up to a ticket. */
void dv_snowflake_journal_save(struct dv_snowflake_journal *journal);
bool dv_snowflake_journal_is_durable(const struct dv_snowflake_journal *journal, uint64_t ticket);

/* The number of the request with this token, if that is `settled` or one behind it ("": 0); else UINT64_MAX. And the other way round. */
uint64_t dv_snowflake_journal_number(const struct dv_snowflake_journal *journal, const char *token);
void dv_snowflake_journal_token(const struct dv_snowflake_journal *journal, uint64_t unit,
                                char token[DV_SNOWFLAKE_TOKEN]);

/* The record that was noted is not in the request that was begun. */
void dv_snowflake_journal_drop(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID]);

/* The number in a token; UINT64_MAX: it is none. "" is 0. */
uint64_t dv_snowflake_token_number(const char *token);

/* Waits for what is being read or written, writes what is not, and closes; may block. Accepts a zeroed one. */
void dv_snowflake_journal_close(struct dv_snowflake_journal *journal);

#endif
