/* SPDX-License-Identifier: Apache-2.0
 * snowflake_sql.h - whether a statement only reads, before it is sent.
 *
 * The role decides what is allowed; this is against mistakes: a statement is read as Snowflake reads it, past comments,
 * texts and quoted names, and what does not begin as statements that read do is refused. So are several in one, whether a
 * semicolon stands between them or the flow operator `->>`, and a WITH that is a procedure's. */
#ifndef DV_CONNECTORS_SNOWFLAKE_SQL_H
#define DV_CONNECTORS_SNOWFLAKE_SQL_H

#include <stddef.h>
#include <stdint.h>

/* Why a statement is not run, a literal; NULL: it reads. *ret_marks: its question marks (may be NULL). */
const char *dv_snowflake_sql_fault(const char *sql, uint32_t *ret_marks);

#endif
