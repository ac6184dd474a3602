/* SPDX-License-Identifier: Apache-2.0
 * sqlite_file.c - opens the file of an embedded store, and reads SQLite's errors. */
#include "connectors/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "connectors/sys.h"

enum { BUSY_MS = 2000, CUT_HOLD_MS = 50, CUT_REST_MS = 100, CUT_TRIES = 14 };

/* A page must be large, or every record would sit on an overflow page. */
static const char setup[] = "PRAGMA page_size=16384;"
                            "PRAGMA journal_mode=WAL;"
                            "PRAGMA synchronous=FULL;"
                            "PRAGMA wal_autocheckpoint=1000;"
                            "PRAGMA journal_size_limit=33554432;"
                            "PRAGMA trusted_schema=OFF;"
                            "PRAGMA cell_size_check=ON;"
                            "PRAGMA temp_store=MEMORY;";

static bool disk_full(sqlite3 *db, int result)
{
    int error = sqlite3_system_errno(db);
    return result == SQLITE_FULL || ((result & 0xff) == SQLITE_IOERR && (error == ENOSPC || error == EDQUOT));
}

bool dv_sqlite_is_sync_error(int result)
{
    return result == SQLITE_IOERR_FSYNC || result == SQLITE_IOERR_DIR_FSYNC;
}

dv_rc dv_sqlite_code(sqlite3 *db, int result)
{
    if (dv_sqlite_is_sync_error(result))
        return DV_E_FAILED;
    if (disk_full(db, result))
        return DV_E_FULL;
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW: return DV_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return DV_E_DEPENDENCY;
    case SQLITE_TOOBIG: return DV_E_LIMIT;
    case SQLITE_CONSTRAINT: return DV_E_DATA;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM: return DV_E_IO;
    default: return DV_E_FAILED;
    }
}

/* A checkpoint that waits for readers keeps the writers' lock meanwhile. */
static int cut_log(sqlite3 *db, int hold_ms)
{
    (void)sqlite3_busy_timeout(db, hold_ms);
    int result = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(db, BUSY_MS);
    return result;
}

int dv_sqlite_try_cut_log(sqlite3 *db)
{
    return cut_log(db, 0);
}

int dv_sqlite_cut_log(sqlite3 *db)
{
    int result = cut_log(db, CUT_HOLD_MS);
    for (int tries = 1; tries < CUT_TRIES && (result & 0xff) == SQLITE_BUSY; tries++) {
        (void)sqlite3_sleep(CUT_REST_MS);
        result = cut_log(db, CUT_HOLD_MS);
    }
    return result;
}

const char *dv_sqlite_reason(dv_rc rc, bool sync_failed)
{
    if (sync_failed)
        return "a sync of the store failed: what is on the disk is unknown";
    if (rc == DV_OK || rc == DV_E_MISSING || dv_rc_policy(rc) == DV_POLICY_REJECT)
        return NULL; /* the store is well */
    switch (rc) {
    case DV_E_FULL: return "no space left on device";
    case DV_E_DEPENDENCY: return "another process holds the store's lock";
    case DV_E_FAILED: return "the store is damaged";
    default: return "the store reports an error";
    }
}

/* Made by us, so that the mode is ours whatever the umask; SQLite would take 0644. */
static dv_rc make_file(const char *path, struct dv_error *error)
{
    int failed = dv_sys_make_parents(path);
    int fd = failed == 0 ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0) {
        failed = failed != 0 ? failed : errno;
        return dv_error_set(error, failed == ENOSPC ? DV_E_FULL : DV_E_IO, "%s: %s", path, strerror(failed));
    }
    (void)close(fd);
    return DV_OK;
}

dv_rc dv_sqlite_failed_open(sqlite3 *db, int result, const char *path, struct dv_error *error)
{
    dv_rc rc = dv_sqlite_code(db, result);
    if ((result & 0xff) == SQLITE_NOTADB || (result & 0xff) == SQLITE_ERROR)
        rc = DV_E_CONFIG;
    return dv_error_set(error, rc != DV_OK ? rc : DV_E_FAILED, "%s: %s", path, sqlite3_errstr(result));
}

static int pragma_int(sqlite3 *db, const char *pragma, int *ret)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, pragma, -1, &statement, NULL);
    if (result == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        *ret = sqlite3_column_int(statement, 0);
    int finalized = sqlite3_finalize(statement);
    return result != SQLITE_OK ? result : finalized;
}

static dv_rc make_tables(sqlite3 *db, const char *path, const struct dv_sqlite_kind *kind, struct dv_error *error)
{
    int version = 0, application = 0;
    int result = pragma_int(db, "PRAGMA user_version", &version);
    if (result == SQLITE_OK)
        result = pragma_int(db, "PRAGMA application_id", &application);
    if (result != SQLITE_OK)
        return dv_sqlite_failed_open(db, result, path, error);
    if (application != 0 && application != kind->application)
        return dv_error_set(error, DV_E_CONFIG, "%s: a store of another kind; name another path", path);
    if (version > kind->version)
        return dv_error_set(error, DV_E_CONFIG, "%s: written by a later version (%d); upgrade first", path, version);
    if (version == 0)
        result = sqlite3_exec(db, kind->create, NULL, NULL, NULL);
    return result == SQLITE_OK ? DV_OK : dv_sqlite_failed_open(db, result, path, error);
}

dv_rc dv_sqlite_open_file(sqlite3 **ret_db, const char *path, const struct dv_sqlite_kind *kind, struct dv_error *error)
{
    sqlite3 *db = NULL;
    *ret_db = NULL;
    DV_TRY(make_file(path, error));
    int result = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_busy_timeout(db, BUSY_MS);
    if (result == SQLITE_OK)
        result = sqlite3_exec(db, setup, NULL, NULL, NULL);
    if (result == SQLITE_OK && kind->wipes)
        result = sqlite3_exec(db, "PRAGMA secure_delete=ON", NULL, NULL, NULL);
    dv_rc rc = result == SQLITE_OK ? make_tables(db, path, kind, error) : dv_sqlite_failed_open(db, result, path, error);
    if (rc == DV_OK) {
        *ret_db = db;
        return DV_OK;
    }
    (void)sqlite3_close(db);
    return rc;
}
