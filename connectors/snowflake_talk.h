/* SPDX-License-Identifier: Apache-2.0
 * snowflake_talk.h - between the files of statements: one on its way, its request as JSON, its answer as rows. */
#ifndef DV_CONNECTORS_SNOWFLAKE_TALK_H
#define DV_CONNECTORS_SNOWFLAKE_TALK_H

#include "connectors/snowflake_internal.h"

enum { DV_SNOWFLAKE_HANDLE_MAX = 64, DV_SNOWFLAKE_PARTITIONS_MAX = 100000 };

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
