/* SPDX-License-Identifier: Apache-2.0
 * snowflake_schema.h - what DataVault needs in a database of Snowflake, as statements: made, brought up to date, granted.
 *
 *     SUMMARIES(DV_ID, DV_UNIT, one column for each of the records')        a sink's table; it has the name that the sink says
 *     EMBEDDINGS(DV_ID, TENANT, SCHEMA_NAME, CREATED_MS, BODY, HASH, SUBJECT_REF, SUBJECTS, MODEL, EMBEDDING)
 *     EMBEDDINGS_VECTORS                                                    a view: the same, EMBEDDING as a VECTOR
 *     AUDIT_HEADS(TENANT, SEQUENCE, HEAD, AT_MS)
 *     ERASURES(TENANT, SUBJECT_REF, REQUESTED_MS, DONE_MS, TEXTS)
 *
 * Columns are in capitals, so that they are found with and without quotation marks, and by a channel, which matches names
 * whatever their case. The version stands in a table's comment: whoever may make the table may write it, it needs no other
 * table and no warehouse, and it goes where the table goes. */
#ifndef DV_CONNECTORS_SNOWFLAKE_SCHEMA_H
#define DV_CONNECTORS_SNOWFLAKE_SCHEMA_H

#include <stdint.h>

#include "engine/error.h"
#include "engine/schema.h"

enum {
    DV_SNOWFLAKE_SCHEMA_VERSION = 1,
    DV_SNOWFLAKE_WANTED_MAX = DV_COLUMNS_MAX + 2,
    DV_SNOWFLAKE_STATEMENT_MAX = 128 * 1024 /* bytes of a statement that is written here */
};

/* What a table is for. */
enum dv_snowflake_use {
    DV_SNOWFLAKE_SUMMARIES,
    DV_SNOWFLAKE_EMBEDDINGS,
    DV_SNOWFLAKE_VECTORS, /* the view */
    DV_SNOWFLAKE_HEADS,
    DV_SNOWFLAKE_ERASURES,
};

/* A column that is wanted. */
struct dv_snowflake_wanted_column {
    char name[DV_COLUMN_KEY_BYTES * 8]; /* in capitals */
    const char *type;                   /* a literal, or `vector` of the table */
    bool required;
};

/* A table or view that is wanted; texts are lent. Fill with dv_snowflake_want(). */
struct dv_snowflake_wanted {
    enum dv_snowflake_use use;
    const char *database, *schema;
    char name[256], source[256]; /* `source` is what a view is of */
    char vector[32];             /* "VECTOR(FLOAT,384)" */
    struct dv_snowflake_wanted_column columns[DV_SNOWFLAKE_WANTED_MAX];
    uint32_t count;
};

/* Fills in what is wanted in a database's schema. `table` is the name of a sink's or of the embeddings, NULL: the usual one;
 * `records` are a sink's, `width` is a vector's. DV_E_CONFIG with a text: a name is too long. */
DV_CHECKED dv_rc dv_snowflake_want(struct dv_snowflake_wanted *wanted, enum dv_snowflake_use use, const char *table,
                                   const struct dv_schema *records, uint32_t width, struct dv_error *error);

/* Statements, without a semicolon, into DV_SNOWFLAKE_STATEMENT_MAX bytes. */
void dv_snowflake_write_create(char *out, const struct dv_snowflake_wanted *wanted);
void dv_snowflake_write_add(char *out, const struct dv_snowflake_wanted *wanted, uint32_t column);

/* A pipe into a sink's table that takes a channel's rows: each column from the member of the name that `records` has it by. */
void dv_snowflake_write_pipe(char *out, const struct dv_snowflake_wanted *wanted, const char *pipe, const struct dv_schema *records);

/* `comment` is what there is, shorter than DV_SNOWFLAKE_COMMENT_MAX: its mark gives way to this version's, or gets it behind. */
enum { DV_SNOWFLAKE_COMMENT_MAX = 1024 };
void dv_snowflake_write_comment(char *out, const struct dv_snowflake_wanted *wanted, const char *comment);

/* What a role needs to write and read it. */
void dv_snowflake_write_grant(char *out, const struct dv_snowflake_wanted *wanted, const char *role);
void dv_snowflake_write_pipe_grant(char *out, const struct dv_snowflake_wanted *wanted, const char *pipe, const char *role);

/* "[datavault 1]" in a comment, and which version the last of them tells; 0: none. */
#define DV_SNOWFLAKE_MARK_FORM "[datavault %d]"
int dv_snowflake_comment_version(const char *comment);

#endif
