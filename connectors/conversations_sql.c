/* SPDX-License-Identifier: Apache-2.0
 * conversations_sql.c - the statements of the store of conversations, and how they are run. */
#include "connectors/conversations_sql.h"

#include <string.h>

#include "connectors/sqlite_file.h"

#define STILL_READ "somebody reads the file: what was erased is gone from it, but may still be in its log; erase it again"
#define OF_ASKER "tenant=?1 AND asker=?2"

static const char *const texts[DV_TALK_SQL_COUNT] = {
    [DV_TALK_BEGIN] = "BEGIN IMMEDIATE",
    [DV_TALK_COMMIT] = "COMMIT",
    [DV_TALK_ROLLBACK] = "ROLLBACK",
    [DV_TALK_LAPSE] = "DELETE FROM conversations WHERE used_at < ?1",
    [DV_TALK_LAPSE_TURNS] = "DELETE FROM turns WHERE asked_at < ?1",
    [DV_TALK_BYTES] = "SELECT bytes FROM totals",
    [DV_TALK_MAKE] = "INSERT INTO conversations(tenant, asker, id, created_at, used_at) VALUES(?1,?2,?3,?4,?4)",
    [DV_TALK_FIND] = "SELECT n, created_at, used_at FROM conversations WHERE " OF_ASKER " AND id=?3 AND used_at >= ?4",
    [DV_TALK_SPARE] = "DELETE FROM conversations WHERE n IN (SELECT n FROM conversations WHERE " OF_ASKER
                      " ORDER BY used_at DESC, n DESC LIMIT -1 OFFSET ?3)",
    [DV_TALK_OLDEST] = "DELETE FROM conversations WHERE n IN (SELECT n FROM conversations WHERE " OF_ASKER
                       " AND n<>?3 ORDER BY used_at, n LIMIT 1)",
    [DV_TALK_LIST] = "SELECT c.id, c.created_at, c.used_at, (SELECT count(*) FROM turns t WHERE t.conversation=c.n AND t.asked_at >= ?3)"
                     " FROM conversations c WHERE " OF_ASKER " AND used_at >= ?3 ORDER BY used_at DESC, n DESC",
    [DV_TALK_TURNS] = "SELECT n, id, asked_at, question, status, cut, whole FROM turns WHERE conversation=?1 AND id<>?2 AND asked_at >= ?3"
                      " ORDER BY n DESC LIMIT ?4",
    [DV_TALK_SAID] = "SELECT text, citations FROM sentences WHERE turn=?1 ORDER BY n",
    [DV_TALK_ASK] = "INSERT INTO turns(conversation, id, asked_at, question, whole, cut, bytes) VALUES(?1,?2,?3,?4,?5,0,?6)"
                    " ON CONFLICT(id) DO NOTHING",
    [DV_TALK_OPEN] = "SELECT n FROM turns WHERE conversation=?1 AND id=?2 AND status IS NULL",
    [DV_TALK_FALL] = "DELETE FROM turns WHERE conversation=?1 AND n NOT IN"
                     " (SELECT n FROM turns WHERE conversation=?1 ORDER BY n DESC LIMIT ?2)",
    [DV_TALK_USE] = "UPDATE conversations SET used_at=max(used_at, ?2) WHERE n=?1",
    [DV_TALK_TURN] = "SELECT t.n, t.bytes FROM turns t JOIN conversations c ON c.n=t.conversation WHERE c.tenant=?1 AND t.id=?2"
                     " AND t.status IS NULL",
    [DV_TALK_SAY] = "INSERT INTO sentences(turn, n, text, citations)"
                    " VALUES(?1, (SELECT coalesce(max(n), 0) + 1 FROM sentences WHERE turn=?1), ?2, ?3)",
    [DV_TALK_GROW] = "UPDATE turns SET bytes=bytes + ?2, cut=max(cut, ?3) WHERE n=?1",
    [DV_TALK_OTHERS] = "SELECT coalesce(sum(t.bytes), 0) FROM turns t JOIN conversations c ON c.n=t.conversation WHERE c." OF_ASKER " AND c.n<>?3",
    [DV_TALK_END] = "UPDATE turns SET status=?2 WHERE n=?1",
    [DV_TALK_WITHDRAW] = "UPDATE turns SET cut=0, bytes=length(CAST(question AS BLOB)) + length(CAST(whole AS BLOB)) WHERE n=?1",
    [DV_TALK_UNSAY] = "DELETE FROM sentences WHERE turn=?1",
    [DV_TALK_ERASE] = "DELETE FROM conversations WHERE " OF_ASKER " AND id=?3",
    [DV_TALK_ERASE_ALL] = "DELETE FROM conversations WHERE " OF_ASKER,
    [DV_TALK_CITED] = "SELECT t.n, s.citations FROM turns t JOIN conversations c ON c.n=t.conversation JOIN sentences s ON s.turn=t.n"
                      " WHERE c.tenant=?1 AND t.n > ?2 ORDER BY t.n",
    [DV_TALK_DROP] = "DELETE FROM turns WHERE n=?1",
    [DV_TALK_DROP_OPEN] = "DELETE FROM turns WHERE status IS NULL AND conversation IN (SELECT n FROM conversations WHERE tenant=?1)",
};

int dv_conversations_prepare(struct dv_conversations *store)
{
    for (size_t i = 0; i < DV_TALK_SQL_COUNT; i++) {
        int result = sqlite3_prepare_v3(store->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
        if (result != SQLITE_OK)
            return result;
    }
    return SQLITE_OK;
}

/* ---- binding, running, reading ---- */

int dv_talk_bind_text(sqlite3_stmt *statement, int at, struct dv_store_bytes text)
{
    return sqlite3_bind_text64(statement, at, text.at != NULL ? text.at : "", text.length, SQLITE_STATIC, SQLITE_UTF8);
}

int dv_talk_bind_id(sqlite3_stmt *statement, int at, const uint8_t id[DV_STORE_ID_BYTES])
{
    return sqlite3_bind_blob(statement, at, id, DV_STORE_ID_BYTES, SQLITE_STATIC);
}

int dv_talk_bind_asker(sqlite3_stmt *statement, const char *tenant, const uint8_t asker[DV_ASKER_BYTES])
{
    return sqlite3_bind_text(statement, 1, tenant, -1, SQLITE_STATIC) | sqlite3_bind_blob(statement, 2, asker, DV_ASKER_BYTES, SQLITE_STATIC);
}

int dv_talk_reset(sqlite3_stmt *statement, int bound)
{
    int result = sqlite3_reset(statement); /* gives back the step's error */
    (void)sqlite3_clear_bindings(statement);
    return bound != SQLITE_OK ? bound : result;
}

int dv_talk_run(sqlite3_stmt *statement, int bound)
{
    if (bound == SQLITE_OK)
        (void)sqlite3_step(statement);
    return dv_talk_reset(statement, bound);
}

int dv_talk_delete(struct dv_conversations *store, enum dv_conversations_sql which, int bound)
{
    int result = dv_talk_run(store->statements[which], bound);
    store->smeared = store->smeared || (result == SQLITE_OK && sqlite3_changes(store->db) > 0);
    return result;
}

bool dv_talk_take_text(struct dv_conversations *store, sqlite3_stmt *statement, int at, struct dv_store_bytes *ret)
{
    *ret = (struct dv_store_bytes){ 0 };
    if (sqlite3_column_type(statement, at) == SQLITE_NULL)
        return true;
    const char *text = (const char *)sqlite3_column_text(statement, at);
    ret->length = (size_t)sqlite3_column_bytes(statement, at);
    ret->at = dv_arena_copy(&store->arena, text != NULL ? text : "", ret->length);
    return ret->at != NULL;
}

bool dv_talk_take_id(sqlite3_stmt *statement, int at, uint8_t ret[DV_STORE_ID_BYTES])
{
    const void *id = sqlite3_column_blob(statement, at);
    if (id == NULL || sqlite3_column_bytes(statement, at) != DV_STORE_ID_BYTES)
        return false;
    memcpy(ret, id, DV_STORE_ID_BYTES);
    return true;
}

/* ---- transactions ---- */

int dv_talk_begin(struct dv_conversations *store)
{
    return dv_talk_run(store->statements[DV_TALK_BEGIN], SQLITE_OK);
}

dv_rc dv_talk_end(struct dv_conversations *store, dv_rc rc, int result)
{
    if (rc == DV_OK && result == SQLITE_OK)
        result = dv_talk_run(store->statements[DV_TALK_COMMIT], SQLITE_OK);
    if (rc == DV_OK)
        rc = dv_sqlite_code(store->db, result);
    store->failed = store->failed || dv_sqlite_is_sync_error(result);
    if (rc != DV_OK && sqlite3_get_autocommit(store->db) == 0)
        (void)dv_talk_run(store->statements[DV_TALK_ROLLBACK], SQLITE_OK);
    return rc;
}

dv_rc dv_talk_wipe_log(struct dv_conversations *store, struct dv_conversations_request *request)
{
    if (!store->smeared)
        return DV_OK;
    int result = dv_sqlite_cut_log(store->db);
    store->smeared = result != SQLITE_OK;
    store->failed = store->failed || dv_sqlite_is_sync_error(result);
    if ((result & 0xff) == SQLITE_BUSY)
        request->reason = STILL_READ;
    return dv_sqlite_code(store->db, result);
}
