/* SPDX-License-Identifier: Apache-2.0
 * snowflake_journal.h - what was sent into a channel, in a small file: its requests are numbered, and the records of the last
 * of them are known by their ids.
 *
 * A request is written down before it is sent. After a crash the channel tells the number of the last one that is committed,
 * and the journal which records those were: they are not sent again when their source, who was not told in time, gives them
 * once more. The file is replaced whole, so a crash leaves the old one or the new one; one that is damaged is an error, since
 * without it records would be doubled or lost.
 *
 * One owner has it at a time: a lock on a file beside it tells. A request's token is its number and 64 random bits: whoever
 * has a copy of the journal makes other tokens, so nobody takes for his own what another has committed. */
#ifndef DV_CONNECTORS_SNOWFLAKE_JOURNAL_H
#define DV_CONNECTORS_SNOWFLAKE_JOURNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "connectors/job.h"
#include "connectors/sys.h"
#include "engine/error.h"
#include "engine/loop.h"

enum {
    DV_SNOWFLAKE_JOURNAL_IDS = 16384, /* that are remembered: far more than can be under way */
    DV_SNOWFLAKE_JOURNAL_ID = 16,
    DV_SNOWFLAKE_TOKEN = 20 + 1 + 16 + 1, /* bytes of a request's token: its number, what is random, NUL */
    DV_SNOWFLAKE_JOURNAL_RETRY_MS = 1000
};

/* A record, and in which request it was sent. */
struct dv_snowflake_sent {
    uint8_t id[DV_SNOWFLAKE_JOURNAL_ID];
    uint64_t unit;
};

/* The journal. Lives in memory of the owner's that must stay until the loop has run dry after close(). All but the first
 * block is private. */
struct dv_snowflake_journal {
    uint64_t unit;      /* the number of the last request that was written down; 0: none yet */
    uint64_t settled;   /* of the last one whose records are known to be in the table, or were rejected: it, or the one before */
    uint64_t errors;    /* rows that Snowflake had refused by then, all of them accounted for */
    const char *reason; /* why nothing is written, a literal, or NULL */
    char token[DV_SNOWFLAKE_TOKEN];       /* of that request; "": none yet */
    char token_before[DV_SNOWFLAKE_TOKEN]; /* of the one before; "": there was none, or `unit` was taken back to */

    struct dv_loop *loop;
    const struct dv_sys *sys;
    uint64_t channel;               /* hash of whose journal this is */
    struct dv_snowflake_sent *sent; /* a ring */
    uint32_t first, count;
    uint32_t *chains, *next; /* places in the ring, plus one, by the ids' hashes; 0: the end */
    int lock; /* of one owner at a time */
    char *bytes; /* the worker's, while it saves */
    size_t length;
    int error;
    void (*saved)(void *data);
    void *data;
    struct dv_job job;
    struct dv_timer timer;
    bool opened, dirty;
    char path[PATH_MAX], fresh[PATH_MAX], locked[PATH_MAX];
};

/* Where it is, and whose it is. */
struct dv_snowflake_journal_options {
    struct dv_loop *loop;
    const struct dv_sys *sys; /* &dv_sys_real */
    const char *path;
    uint64_t channel;          /* another channel's journal is refused */
    void (*saved)(void *data); /* from the loop: what save() was called for is durable */
    void *data;
};

/* Opens and reads it; may block. DV_E_FENCED: somebody has it open; DV_E_CONFIG: it is another channel's; DV_E_TAMPER: it is
 * damaged; DV_E_IO; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_snowflake_journal_open(struct dv_snowflake_journal *journal,
                                           const struct dv_snowflake_journal_options *options, struct dv_error *error);

/* Begins the next request, under a token that nobody else makes. Then a note() for each record, and save(). */
void dv_snowflake_journal_begin(struct dv_snowflake_journal *journal);
void dv_snowflake_journal_note(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID]);
void dv_snowflake_journal_save(struct dv_snowflake_journal *journal);

/* The last request is committed, and all of its records are accounted for; so many were refused. It is written down with the
 * next one, or at the close. */
void dv_snowflake_journal_settle(struct dv_snowflake_journal *journal, uint64_t errors);

/* The last request was not taken and will not be sent as it is: as if it had not been begun. */
void dv_snowflake_journal_take_back(struct dv_snowflake_journal *journal);

/* The request in which the record was sent last; 0: none that is remembered. */
uint64_t dv_snowflake_journal_find(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID]);

/* A record did not get into the table: as if it had not been sent. */
void dv_snowflake_journal_drop(struct dv_snowflake_journal *journal, const uint8_t id[DV_SNOWFLAKE_JOURNAL_ID]);

/* Of the records that were sent in a request only these, which are sorted, got into the table: the
 * others are as if they had not been sent. And how many are not among them. */
void dv_snowflake_journal_keep_only(struct dv_snowflake_journal *journal, uint64_t unit,
                                    const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count);
uint32_t dv_snowflake_journal_missing(const struct dv_snowflake_journal *journal, uint64_t unit,
                                      const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count);

/* Waits for what is being written, writes what is not, and closes; may block. Accepts a zeroed one. */
void dv_snowflake_journal_close(struct dv_snowflake_journal *journal);

#endif
