/* SPDX-License-Identifier: Apache-2.0
 * sqlite.c - the embedded store: opening, and the queue of requests that its one worker works off. */
#include "connectors/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "connectors/sys.h"
#include "engine/breaker.h"
#include "engine/crash.h"
#include "engine/yaml.h"

/* Row: from; bit: to. */
static const unsigned allowed[DV_SQLITE_STATES] = {
    [DV_SQLITE_CLOSED] = 1u << DV_SQLITE_IDLE,
    [DV_SQLITE_IDLE] = 1u << DV_SQLITE_WORKING | 1u << DV_SQLITE_CLOSED,
    [DV_SQLITE_WORKING] = 1u << DV_SQLITE_IDLE | 1u << DV_SQLITE_CLOSED,
};

static void move(struct dv_sqlite *sqlite, enum dv_sqlite_state to)
{
    DV_ASSERT((allowed[sqlite->state] >> to & 1u) != 0);
    sqlite->state = to;
}

/* An id is stored once, in a table that is its own index: ids grow with time, so pages fill in order. A page must be
 * large for that, or every record would sit on an overflow page. */
static const char setup[] = "PRAGMA page_size=16384;"
                            "PRAGMA journal_mode=WAL;"
                            "PRAGMA synchronous=FULL;"
                            "PRAGMA wal_autocheckpoint=1000;"
                            "PRAGMA journal_size_limit=33554432;"
                            "PRAGMA trusted_schema=OFF;"
                            "PRAGMA cell_size_check=ON;"
                            "PRAGMA temp_store=MEMORY;";

static const char create[] = "BEGIN IMMEDIATE;"
                             "CREATE TABLE IF NOT EXISTS encrypted_blobs("
                             " id BLOB NOT NULL PRIMARY KEY CHECK(length(id)=16),"
                             " tenant TEXT NOT NULL, schema TEXT NOT NULL, created_at INTEGER NOT NULL,"
                             " data_hash BLOB NOT NULL, key_ref TEXT NOT NULL, subject_ref BLOB,"
                             " nonce BLOB NOT NULL, ciphertext BLOB NOT NULL) STRICT, WITHOUT ROWID;"
                             "PRAGMA application_id=1146508114;" /* "DVSR" */
                             "PRAGMA user_version=1;"
                             "COMMIT;";

#define COLUMNS "id, tenant, schema, created_at, data_hash, key_ref, subject_ref, nonce, ciphertext"
enum { COL_ID, COL_TENANT, COL_SCHEMA, COL_CREATED, COL_HASH, COL_KEY, COL_SUBJECT, COL_NONCE, COL_CIPHERTEXT };

static bool disk_full(sqlite3 *db, int result)
{
    int error = sqlite3_system_errno(db);
    return result == SQLITE_FULL || ((result & 0xff) == SQLITE_IOERR && (error == ENOSPC || error == EDQUOT));
}

static bool is_sync_error(int result)
{
    return result == SQLITE_IOERR_FSYNC || result == SQLITE_IOERR_DIR_FSYNC;
}

/* What SQLite's (extended) result means here. */
static dv_rc code_of(sqlite3 *db, int result)
{
    if (is_sync_error(result))
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

static const char *reason_of(dv_rc rc, bool sync_failed)
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

/* ---- on the worker ---- */

static int bind_bytes(sqlite3_stmt *statement, int column, struct dv_store_bytes bytes)
{
    if (bytes.at == NULL)
        return sqlite3_bind_null(statement, column + 1);
    return sqlite3_bind_blob64(statement, column + 1, bytes.at, bytes.length, SQLITE_STATIC);
}

static int bind_text(sqlite3_stmt *statement, int column, struct dv_store_bytes text)
{
    return sqlite3_bind_text64(statement, column + 1, text.at, text.length, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_row(sqlite3_stmt *insert, const struct dv_store_row *row)
{
    int result = sqlite3_bind_blob(insert, COL_ID + 1, row->id, sizeof row->id, SQLITE_STATIC);
    result |= bind_text(insert, COL_TENANT, row->tenant);
    result |= bind_text(insert, COL_SCHEMA, row->schema);
    result |= sqlite3_bind_int64(insert, COL_CREATED + 1, row->created_ms);
    result |= bind_bytes(insert, COL_HASH, row->data_hash);
    result |= bind_text(insert, COL_KEY, row->key_ref);
    result |= bind_bytes(insert, COL_SUBJECT, row->subject_ref);
    result |= bind_bytes(insert, COL_NONCE, row->nonce);
    result |= bind_bytes(insert, COL_CIPHERTEXT, row->ciphertext);
    return result;
}

static int run(sqlite3_stmt *statement)
{
    (void)sqlite3_step(statement);
    return sqlite3_reset(statement); /* gives back the step's error */
}

static int insert_rows(struct dv_sqlite *sqlite, struct dv_store_request *request)
{
    request->total = 0;
    for (uint32_t i = 0; i < request->count; i++) {
        if (bind_row(sqlite->insert, &request->rows[i]) != SQLITE_OK)
            return SQLITE_TOOBIG;
        int result = run(sqlite->insert);
        if (result != SQLITE_OK)
            return result;
        request->total += (uint64_t)sqlite3_changes(sqlite->db);
    }
    return SQLITE_OK;
}

/* The puts from `from` up to `until` in one transaction, which is undone if anything in it fails. The code must be read
 * before the undoing, which has a result of its own. */
static dv_rc put_range(struct dv_sqlite *sqlite, struct dv_store_request *from, const struct dv_store_request *until)
{
    DV_CRASH_POINT("sqlite.before-begin");
    int result = run(sqlite->begin);
    DV_CRASH_POINT("sqlite.begun");
    for (struct dv_store_request *put = from; put != until && result == SQLITE_OK; put = put->next)
        result = insert_rows(sqlite, put);
    DV_CRASH_POINT("sqlite.before-commit");
    if (result == SQLITE_OK)
        result = run(sqlite->commit);
    DV_CRASH_POINT("sqlite.committed");
    dv_rc rc = code_of(sqlite->db, result);
    sqlite->failed = sqlite->failed || is_sync_error(result);
    if (rc != DV_OK && sqlite3_get_autocommit(sqlite->db) == 0)
        (void)run(sqlite->rollback);
    (void)sqlite3_clear_bindings(sqlite->insert);
    for (struct dv_store_request *put = from; put != until; put = put->next)
        put->rc = rc;
    return rc;
}

/* One bad row must not make the puts fail that only shared a transaction with it. */
static void put_group(struct dv_sqlite *sqlite)
{
    dv_rc rc = put_range(sqlite, sqlite->working, NULL);
    if (dv_rc_policy(rc) != DV_POLICY_REJECT || sqlite->working->next == NULL)
        return;
    for (struct dv_store_request *put = sqlite->working; put != NULL; put = put->next)
        (void)put_range(sqlite, put, put->next);
}

static struct dv_store_bytes column_bytes(sqlite3_stmt *statement, int column)
{
    const void *at = sqlite3_column_blob(statement, column);
    return (struct dv_store_bytes){ at, (size_t)sqlite3_column_bytes(statement, column) };
}

static dv_rc read_row(struct dv_sqlite *sqlite, struct dv_store_row *row)
{
    sqlite3_stmt *get = sqlite->get;
    if (sqlite3_column_bytes(get, COL_ID) != DV_STORE_ID_BYTES)
        return DV_E_FAILED;
    memcpy(row->id, sqlite3_column_blob(get, COL_ID), DV_STORE_ID_BYTES);
    row->tenant = column_bytes(get, COL_TENANT);
    row->schema = column_bytes(get, COL_SCHEMA);
    row->created_ms = sqlite3_column_int64(get, COL_CREATED);
    row->data_hash = column_bytes(get, COL_HASH);
    row->key_ref = column_bytes(get, COL_KEY);
    row->subject_ref = column_bytes(get, COL_SUBJECT);
    row->nonce = column_bytes(get, COL_NONCE);
    row->ciphertext = column_bytes(get, COL_CIPHERTEXT);
    return DV_OK;
}

/* The row stays readable until the statement is reset, after the callback. */
static dv_rc get_one(struct dv_sqlite *sqlite, struct dv_store_request *request)
{
    if (sqlite3_bind_blob(sqlite->get, 1, request->id, sizeof request->id, SQLITE_STATIC) != SQLITE_OK)
        return DV_E_FAILED;
    int result = sqlite3_step(sqlite->get);
    if (result == SQLITE_DONE)
        return DV_E_MISSING;
    return result == SQLITE_ROW ? read_row(sqlite, &request->row) : code_of(sqlite->db, result);
}

static dv_rc count_all(struct dv_sqlite *sqlite, struct dv_store_request *request)
{
    int result = sqlite3_step(sqlite->count);
    if (result == SQLITE_ROW)
        request->total = (uint64_t)sqlite3_column_int64(sqlite->count, 0);
    dv_rc rc = code_of(sqlite->db, result);
    (void)sqlite3_reset(sqlite->count);
    return rc;
}

static void on_worker(struct dv_job *job)
{
    struct dv_sqlite *sqlite = job->data;
    struct dv_store_request *request = sqlite->working;
    if (sqlite->failed) {
        for (; request != NULL; request = request->next)
            request->rc = DV_E_FAILED;
        return;
    }
    if (request->kind == DV_STORE_PUT)
        put_group(sqlite);
    else
        request->rc = request->kind == DV_STORE_GET ? get_one(sqlite, request) : count_all(sqlite, request);
}

/* ---- on the loop ---- */

/* Takes the puts at the head of the queue, or the one request of another kind. */
static struct dv_store_request *take_group(struct dv_sqlite *sqlite)
{
    struct dv_store_request *group = sqlite->first;
    struct dv_store_request *end = group;
    for (int count = 1; group->kind == DV_STORE_PUT && count < DV_SQLITE_GROUP_MAX; count++) {
        if (end->next == NULL || end->next->kind != DV_STORE_PUT)
            break;
        end = end->next;
    }
    sqlite->first = end->next;
    if (sqlite->first == NULL)
        sqlite->last = NULL;
    end->next = NULL;
    return group;
}

static void start(struct dv_sqlite *sqlite)
{
    if (sqlite->state != DV_SQLITE_IDLE || sqlite->first == NULL || sqlite->timer.active)
        return;
    uint64_t now = dv_now_ns(sqlite->timer.loop);
    if (!dv_breaker_admits(&sqlite->breaker, now)) {
        dv_timer_start(&sqlite->timer, dv_breaker_wait_ms(&sqlite->breaker, now));
        return;
    }
    move(sqlite, DV_SQLITE_WORKING);
    sqlite->working = take_group(sqlite);
    dv_job_start(&sqlite->job);
}

static void on_timer(struct dv_timer *timer)
{
    start(timer->data);
}

/* What became of the job, for the breaker and for waits(). */
static void note(struct dv_sqlite *sqlite, dv_rc rc)
{
    sqlite->reason = reason_of(rc, sqlite->failed);
    if (sqlite->reason == NULL)
        (void)dv_breaker_succeeded(&sqlite->breaker);
    else
        (void)dv_breaker_failed(&sqlite->breaker, dv_now_ns(sqlite->timer.loop), sqlite->reason);
}

/* The next job starts before the callbacks, so that the disk does not wait for them - except after a get, whose row the
 * callback still reads. */
static void after_work(struct dv_job *job)
{
    struct dv_sqlite *sqlite = job->data;
    struct dv_store_request *request = sqlite->working;
    bool is_get = request->kind == DV_STORE_GET;
    sqlite->working = NULL;
    note(sqlite, request->rc);
    const char *reason = sqlite->reason;
    DV_CRASH_POINT("sqlite.before-answer");
    move(sqlite, DV_SQLITE_IDLE);
    if (!is_get)
        start(sqlite);
    while (request != NULL) {
        struct dv_store_request *next = request->next; /* the callback may use the request again */
        request->reason = reason;
        request->callback(request);
        request = next;
    }
    if (!is_get || sqlite->state == DV_SQLITE_CLOSED)
        return;
    (void)sqlite3_reset(sqlite->get);
    start(sqlite);
}

static void request_one(struct dv_store *store, struct dv_store_request *request)
{
    struct dv_sqlite *sqlite = (struct dv_sqlite *)store;
    DV_ASSERT(sqlite->state != DV_SQLITE_CLOSED && request->callback != NULL);
    request->next = NULL;
    if (sqlite->last != NULL)
        sqlite->last->next = request;
    else
        sqlite->first = request;
    sqlite->last = request;
    start(sqlite);
}

static const char *waits(const struct dv_store *store)
{
    return ((const struct dv_sqlite *)store)->reason;
}

static void close_database(struct dv_sqlite *sqlite)
{
    sqlite3_stmt *statements[] = { sqlite->begin,  sqlite->commit, sqlite->rollback,
                                   sqlite->insert, sqlite->get,    sqlite->count };
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        (void)sqlite3_finalize(statements[i]);
    int result = sqlite3_close(sqlite->db);
    DV_ASSERT(result == SQLITE_OK);
    sqlite->db = NULL;
}

static void close_store(struct dv_store *store)
{
    struct dv_sqlite *sqlite = (struct dv_sqlite *)store;
    if (sqlite->state == DV_SQLITE_CLOSED)
        return;
    (void)dv_job_close(&sqlite->job);
    dv_timer_close(&sqlite->timer);
    sqlite->first = NULL;
    sqlite->last = NULL;
    close_database(sqlite);
    move(sqlite, DV_SQLITE_CLOSED);
}

static const struct dv_store_ops ops = { .request = request_one, .waits = waits, .close = close_store };

/* ---- opening ---- */

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

static dv_rc failed_open(struct dv_sqlite *sqlite, int result, const char *path, struct dv_error *error)
{
    dv_rc rc = code_of(sqlite->db, result);
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

static dv_rc set_up(struct dv_sqlite *sqlite, const char *path, struct dv_error *error)
{
    int version = 0;
    int result = sqlite3_busy_timeout(sqlite->db, 2000);
    if (result == SQLITE_OK)
        result = sqlite3_exec(sqlite->db, setup, NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = pragma_int(sqlite->db, "PRAGMA user_version", &version);
    if (result != SQLITE_OK)
        return failed_open(sqlite, result, path, error);
    if (version > 1)
        return dv_error_set(error, DV_E_CONFIG, "%s: written by a later version (%d); upgrade first", path, version);
    if (version == 0)
        result = sqlite3_exec(sqlite->db, create, NULL, NULL, NULL);
    return result == SQLITE_OK ? DV_OK : failed_open(sqlite, result, path, error);
}

static dv_rc prepare_all(struct dv_sqlite *sqlite, const char *path, struct dv_error *error)
{
    const struct {
        struct sqlite3_stmt **to;
        const char *text;
    } statements[] = {
        { &sqlite->begin, "BEGIN IMMEDIATE" },
        { &sqlite->commit, "COMMIT" },
        { &sqlite->rollback, "ROLLBACK" },
        { &sqlite->insert,
          "INSERT INTO encrypted_blobs(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING" },
        { &sqlite->get, "SELECT " COLUMNS " FROM encrypted_blobs WHERE id=?" },
        { &sqlite->count, "SELECT count(*) FROM encrypted_blobs" },
    };
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        int result =
            sqlite3_prepare_v3(sqlite->db, statements[i].text, -1, SQLITE_PREPARE_PERSISTENT, statements[i].to, NULL);
        if (result != SQLITE_OK)
            return failed_open(sqlite, result, path, error);
    }
    return DV_OK;
}

dv_rc dv_sqlite_open(struct dv_sqlite *sqlite, struct dv_loop *loop, const char *path, struct dv_error *error)
{
    *sqlite = (struct dv_sqlite){ 0 };
    DV_TRY(make_file(path, error));
    int result =
        sqlite3_open_v2(path, &sqlite->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    dv_rc rc = result == SQLITE_OK ? set_up(sqlite, path, error) : failed_open(sqlite, result, path, error);
    if (rc == DV_OK)
        rc = prepare_all(sqlite, path, error);
    if (rc != DV_OK) {
        close_database(sqlite);
        return rc;
    }
    sqlite->store = (struct dv_store){ .ops = &ops, .breaker = &sqlite->breaker };
    dv_breaker_init(&sqlite->breaker, DV_SQLITE_FAILURES_MAX,
                    (struct dv_backoff){ DV_SQLITE_PAUSE_FIRST_MS, DV_SQLITE_PAUSE_MAX_MS }, dv_now_ns(loop));
    dv_timer_init(loop, &sqlite->timer, on_timer, sqlite);
    dv_job_init(&sqlite->job, loop, on_worker, after_work, sqlite);
    move(sqlite, DV_SQLITE_IDLE);
    return DV_OK;
}
