/* SPDX-License-Identifier: Apache-2.0
 * pg_internal.h - what the files of the PostgreSQL store share; nobody else includes it. */
#ifndef DV_CONNECTORS_PG_INTERNAL_H
#define DV_CONNECTORS_PG_INTERNAL_H

#include <libpq-fe.h>

#include "connectors/pg.h"

/* ---- pg_link.c: a connection, from nothing to idle and back ---- */

/* A connection of the pool, closed. */
void dv_pg_link_init(struct dv_pg_connection *connection, struct dv_pg *pg);

/* From CLOSED or WAITING: begins to connect. */
void dv_pg_link_start(struct dv_pg_connection *connection);

/* Drops what there is of the link and tries again after a pause; what was under way goes back to the pool first. */
void dv_pg_link_lost(struct dv_pg_connection *connection, const struct dv_pg_outcome *outcome);

/* The server works again: connections that wait for that begin to connect. */
void dv_pg_link_wake(struct dv_pg *pg);

/* For good. */
void dv_pg_link_close(struct dv_pg_connection *connection);

/* After a statement was handed to libpq (`sent`: its answer): flushes, watches the socket and sets the deadline. */
void dv_pg_link_sent(struct dv_pg_connection *connection, enum dv_pg_task task, int sent);

/* To another state, if the table allows the move; a bug if not. */
void dv_pg_link_move(struct dv_pg_connection *connection, enum dv_pg_state to);

/* ---- pg_statement.c, pg_reader.c: SQL and its results ---- */

enum { DV_PG_SQL_MAX = 4096 };

/* The columns beside the id, in the order of struct dv_store_row's. */
#define DV_PG_COLUMN_LIST "tenant, schema, created_at, data_hash, key_ref, subject_ref, nonce, ciphertext"

/* Each hands one statement to libpq; the answer is libpq's, 0 for failure. */
int dv_pg_send_settings(struct dv_pg_connection *connection);
int dv_pg_send_prepare(struct dv_pg_connection *connection);
int dv_pg_send_fence(struct dv_pg_connection *connection);
int dv_pg_send_put(struct dv_pg_connection *connection);
int dv_pg_send_check(struct dv_pg_connection *connection);
int dv_pg_send_get(struct dv_pg_connection *connection);
int dv_pg_send_count(struct dv_pg_connection *connection);
int dv_pg_send_reader(struct dv_pg_connection *connection);
int dv_pg_send_run(struct dv_pg_connection *connection);

/* Appends to SQL of at most DV_PG_SQL_MAX bytes; more is a bug. */
void dv_pg_sql_append(char *sql, const char *format, ...) DV_FORMAT(2, 3);

/* Sends a statement whose only parameter is the array of the group's ids. */
int dv_pg_send_ids(struct dv_pg_connection *connection, const char *sql);

/* Takes the link's results as far as they have come. True: the statement is over, and `outcome` and `result` tell how. */
bool dv_pg_take_results(struct dv_pg_connection *connection);

/* Whether the settings' result grants the rights that are needed. */
bool dv_pg_result_grants(const struct dv_pg_connection *connection);

/* Whether a put found another token than its own in the fence. */
bool dv_pg_result_fenced(const struct dv_pg_connection *connection);

/* The number of rows a put inserted, of a count or of a check; the token that was taken. */
uint64_t dv_pg_result_total(const struct dv_pg_connection *connection);

/* Whether the settings' result knows the configuration's reader. */
bool dv_pg_result_has_reader(const struct dv_pg_connection *connection);

/* The rows of a take and how many there are; they point into the result. DV_E_FAILED: they are not as they must be. */
dv_rc dv_pg_result_taken(const struct dv_pg_connection *connection, struct dv_store_request *take);

/* The first columns of a result's row number `index` as a record's members; false if they are not as they must be. */
bool dv_pg_result_members(const struct pg_result *result, int index, struct dv_store_row *ret);

/* The row of a get without its id; it points into the result. */
dv_rc dv_pg_result_row(const struct dv_pg_connection *connection, struct dv_store_row *ret);

/* ---- pg.c: the pool ---- */

/* A connection is set up. */
void dv_pg_ready(struct dv_pg_connection *connection);

/* The statement for the connection's group is over. */
void dv_pg_answered(struct dv_pg_connection *connection);

/* The connection is lost, with its group if it had one. */
void dv_pg_dropped(struct dv_pg_connection *connection, const struct dv_pg_outcome *outcome);

#endif
