/* SPDX-License-Identifier: Apache-2.0
 * vectors_sqlite_sql.c - binds, runs and commits. */
#include "connectors/vectors_sqlite_sql.h"

#include <sqlite3.h>

#include "connectors/sqlite_file.h"
#include "engine/crash.h"

int dv_vectors_sql_text(sqlite3_stmt *statement, int at, struct dv_store_bytes text)
{
    if (text.at == NULL)
        return sqlite3_bind_null(statement, at);
    return sqlite3_bind_text64(statement, at, text.at, text.length, SQLITE_STATIC, SQLITE_UTF8);
}

int dv_vectors_sql_bytes(sqlite3_stmt *statement, int at, struct dv_store_bytes bytes)
{
    if (bytes.at == NULL)
        return sqlite3_bind_null(statement, at);
    return sqlite3_bind_blob64(statement, at, bytes.at, bytes.length, SQLITE_STATIC);
}

int dv_vectors_sql_run(sqlite3_stmt *statement)
{
    (void)sqlite3_step(statement);
    int result = sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return result;
}

int dv_vectors_sql_number(sqlite3_stmt *statement, int64_t *ret)
{
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    int reset = sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return reset;
}

dv_rc dv_vectors_sql_begin(struct dv_vectors_sqlite *sqlite)
{
    return dv_sqlite_code(sqlite->db, dv_vectors_sql_run(sqlite->statements[DV_VECTORS_BEGIN]));
}

dv_rc dv_vectors_sql_end(struct dv_vectors_sqlite *sqlite, int result)
{
    DV_CRASH_POINT("vectors.before-commit");
    if (result == SQLITE_OK)
        result = dv_vectors_sql_run(sqlite->statements[DV_VECTORS_COMMIT]);
    DV_CRASH_POINT("vectors.committed");
    dv_rc rc = dv_sqlite_code(sqlite->db, result);
    sqlite->failed = sqlite->failed || dv_sqlite_is_sync_error(result);
    if (rc != DV_OK && sqlite3_get_autocommit(sqlite->db) == 0)
        (void)dv_vectors_sql_run(sqlite->statements[DV_VECTORS_ROLLBACK]);
    return rc;
}
