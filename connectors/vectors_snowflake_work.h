/* SPDX-License-Identifier: Apache-2.0
 * vectors_snowflake_work.h - a request under way at vectors in Snowflake: its statements, their values, their rows. For its own files. */
#ifndef DV_CONNECTORS_VECTORS_SNOWFLAKE_WORK_H
#define DV_CONNECTORS_VECTORS_SNOWFLAKE_WORK_H

#include "connectors/snowflake.h"
#include "connectors/vectors.h"
#include "engine/arena.h"

enum {
    DV_VECTORS_SNOWFLAKE_RANKED = 64, /* of each list that is joined */
    DV_VECTORS_SNOWFLAKE_BINDS = 16,
    DV_VECTORS_SNOWFLAKE_SQL = 4096,
    DV_VECTORS_SNOWFLAKE_NUMBER = 32,
    DV_VECTORS_SNOWFLAKE_ROWS = 2 * DV_VECTORS_SNOWFLAKE_RANKED
};

struct dv_vectors_snowflake;

/* What a request's next statement is. */
enum dv_vectors_snowflake_step {
    DV_VECTORS_SNOWFLAKE_LOOK,    /* put: whether there are vectors of another model, or of another width */
    DV_VECTORS_SNOWFLAKE_MERGE,   /* put: rows, as many as a statement holds */
    DV_VECTORS_SNOWFLAKE_REVIEW,  /* put: nothing came of it: as the first */
    DV_VECTORS_SNOWFLAKE_NOTE,    /* remove: what is to go */
    DV_VECTORS_SNOWFLAKE_DELETE,  /* remove */
    DV_VECTORS_SNOWFLAKE_CONFIRM, /* remove: it has gone */
    DV_VECTORS_SNOWFLAKE_ONLY,    /* the others have one statement */
};

/* A hit as it came. */
struct dv_vectors_snowflake_found {
    struct dv_vectors_hit hit;
    uint32_t near_rank, word_rank; /* 0: none */
};

struct dv_vectors_snowflake_work {
    struct dv_vectors_snowflake *place;
    struct dv_vectors_request *request; /* NULL: free */
    enum dv_vectors_snowflake_step step;
    uint32_t put;     /* rows of a put that are through, and those that are on their way behind them */
    uint32_t putting;
    uint64_t changed; /* by the statements so far */
    struct dv_snowflake_statement statement;
    struct dv_snowflake_bind binds[DV_VECTORS_SNOWFLAKE_BINDS];
    char numbers[DV_VECTORS_SNOWFLAKE_BINDS][DV_VECTORS_SNOWFLAKE_NUMBER];
    char sql[DV_VECTORS_SNOWFLAKE_SQL];
    struct dv_arena arena; /* texts of binds and of rows */
    bool answered, spoilt, starved; /* a row came; one could not be read; for want of memory */
    int64_t told[2];       /* numbers of the last row */
    uint32_t found_count;
    struct dv_vectors_snowflake_found found[DV_VECTORS_SNOWFLAKE_ROWS];
};

/* ---- vectors_snowflake_make.c ---- */

/* Makes the statement of the work's step. DV_OK, or: DV_E_CONFIG (vectors of another width or of several models), DV_E_MEMORY. */
DV_CHECKED dv_rc dv_vectors_snowflake_make(struct dv_vectors_snowflake_work *work);

/* ---- vectors_snowflake_text.c: values as JSON, in the work's arena; `at` is NULL if there is no memory ---- */

/* The rows of a put from `work->put` on that fit into a statement; `work->putting` is how many. */
struct dv_snowflake_text dv_vectors_snowflake_rows(struct dv_vectors_snowflake_work *work);

/* A vector of float32. */
struct dv_snowflake_text dv_vectors_snowflake_vector(struct dv_vectors_snowflake_work *work, struct dv_store_bytes vector);

/* Bytes as hex, as they stand in the table; not JSON. */
struct dv_snowflake_text dv_vectors_snowflake_hex(struct dv_vectors_snowflake_work *work, struct dv_store_bytes bytes);

/* The people or the ids that a removal names. */
struct dv_snowflake_text dv_vectors_snowflake_named(struct dv_vectors_snowflake_work *work);

/* The forms of a question's words. */
struct dv_snowflake_text dv_vectors_snowflake_words(struct dv_vectors_snowflake_work *work);

/* What parts words, and as many spaces. */
struct dv_snowflake_text dv_vectors_snowflake_partings(struct dv_vectors_snowflake_work *work, struct dv_snowflake_text *ret_spaces);

/* ---- vectors_snowflake_read.c ---- */

/* For `on_row`: of a search, of a person's ids, and of what gives numbers alone. */
void dv_vectors_snowflake_take_hit(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count);
void dv_vectors_snowflake_take_id(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count);
void dv_vectors_snowflake_take_numbers(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count);

/* Joins both ranks of what was found, into the place's hits and the request. */
void dv_vectors_snowflake_join(struct dv_vectors_snowflake_work *work);

#endif
