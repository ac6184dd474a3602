/* SPDX-License-Identifier: Apache-2.0
 * vectors_sqlite_sql.h - the small steps that the SQL of the embedded store of vectors is made of. On its worker, for its own files. */
#ifndef DV_CONNECTORS_VECTORS_SQLITE_SQL_H
#define DV_CONNECTORS_VECTORS_SQLITE_SQL_H

#include "connectors/vectors_sqlite.h"

/* Binds what must stay until the statement has run; NULL if it is none. SQLite's result. */
int dv_vectors_sql_text(struct sqlite3_stmt *statement, int at, struct dv_store_bytes text);
int dv_vectors_sql_bytes(struct sqlite3_stmt *statement, int at, struct dv_store_bytes bytes);

/* Runs a statement to its end and forgets what was bound; SQLite's result. The second: the one number that it gives. */
int dv_vectors_sql_run(struct sqlite3_stmt *statement);
int dv_vectors_sql_number(struct sqlite3_stmt *statement, int64_t *ret);

/* Begins a transaction; commits it, or undoes all if `result`, SQLite's, is an error. */
DV_CHECKED dv_rc dv_vectors_sql_begin(struct dv_vectors_sqlite *sqlite);
DV_CHECKED dv_rc dv_vectors_sql_end(struct dv_vectors_sqlite *sqlite, int result);

#endif
