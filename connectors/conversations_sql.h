/* SPDX-License-Identifier: Apache-2.0
 * conversations_sql.h - the statements of the store of conversations, and how they are run. For its own files, on a worker. */
#ifndef DV_CONNECTORS_CONVERSATIONS_SQL_H
#define DV_CONNECTORS_CONVERSATIONS_SQL_H

#include <sqlite3.h>

#include "connectors/conversations.h"

/* Values of a statement, lent until it is reset; SQLite's result, or several of them joined by |. A text that is NULL is empty. */
int dv_talk_bind_text(sqlite3_stmt *statement, int at, struct dv_store_bytes text);
int dv_talk_bind_id(sqlite3_stmt *statement, int at, const uint8_t id[DV_STORE_ID_BYTES]);

/* The first two values of a statement of an asker's: his tenant and he. */
int dv_talk_bind_asker(sqlite3_stmt *statement, const char *tenant, const uint8_t asker[DV_ASKER_BYTES]);

/* Ends a statement that was bound with `bound`, and gives back the error of either. */
int dv_talk_reset(sqlite3_stmt *statement, int bound);

/* Runs one that has no rows; and one that deletes: what it was is still in the log, until that is cut. */
int dv_talk_run(sqlite3_stmt *statement, int bound);
int dv_talk_delete(struct dv_conversations *store, enum dv_conversations_sql which, int bound);

/* A text of a row, copied into the store's arena; false: no memory. One that is NULL there stays so. */
bool dv_talk_take_text(struct dv_conversations *store, sqlite3_stmt *statement, int at, struct dv_store_bytes *ret);

/* An id of a row; false: it is none. */
bool dv_talk_take_id(sqlite3_stmt *statement, int at, uint8_t ret[DV_STORE_ID_BYTES]);

/* Begins a transaction; commits it, or undoes all if `rc` or `result` is an error. */
int dv_talk_begin(struct dv_conversations *store);
DV_CHECKED dv_rc dv_talk_end(struct dv_conversations *store, dv_rc rc, int result);

/* What was deleted is overwritten in the file; from the log it goes when that is cut. DV_E_DEPENDENCY with a reason: somebody reads the
 * file, and it is to be done again. */
DV_CHECKED dv_rc dv_talk_wipe_log(struct dv_conversations *store, struct dv_conversations_request *request);

/* conversations_forget.c: does DV_CONVERSATIONS_FORGET. */
DV_CHECKED dv_rc dv_conversations_forget(struct dv_conversations *store, struct dv_conversations_request *request);

#endif
