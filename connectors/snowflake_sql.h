/* SPDX-License-Identifier: Apache-2.0
 * snowflake_sql.h - whether a statement only reads, before it is sent.
 *
 * The role decides what is allowed; this is against mistakes: a statement is read as Snowflake reads it, past comments,
 * texts and quoted names, and what does not begin as statements that read do is refused, also behind a flow operator `->>`. So are several with a
 * semicolon between them, and a WITH that is a procedure's or has no SELECT. */
#ifndef DV_CONNECTORS_SNOWFLAKE_SQL_H
#define DV_CONNECTORS_SNOWFLAKE_SQL_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

/* Why a statement is not run, a literal; NULL: it reads. *ret_marks: its question marks (may be NULL). */
const char *dv_snowflake_sql_fault(const char *sql, uint32_t *ret_marks);

/* Reads a file ("-": standard input) into `text`, of `most` bytes and two more. DV_E_MISSING, DV_E_IO, DV_E_LIMIT if it is
 * longer, DV_E_DATA if there is a NUL in it; with a text that names the file. */
DV_CHECKED dv_rc dv_snowflake_sql_read(const char *path, char *text, size_t most, struct dv_error *error);

#endif
