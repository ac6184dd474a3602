/* SPDX-License-Identifier: Apache-2.0
 * sqlite.c - the embedded store: opening, and the queue of requests that its one worker works off. */
#include "connectors/sqlite.h"

#include <sqlite3.h>
#include <string.h>

#include "connectors/sqlite_file.h"
#include "engine/breaker.h"
#include "engine/crash.h"

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

/* An id is stored once, in a table that is its own index: ids grow with time, so pages fill in order. */
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

static const struct dv_sqlite_kind kind = { .application = 1146508114, .version = 1, .create = create };

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
    dv_rc rc = dv_sqlite_code(sqlite->db, result);
    sqlite->failed = sqlite->failed || dv_sqlite_is_sync_error(result);
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
    return result == SQLITE_ROW ? read_row(sqlite, &request->row) : dv_sqlite_code(sqlite->db, result);
}

static dv_rc count_all(struct dv_sqlite *sqlite, struct dv_store_request *request)
{
    int result = sqlite3_step(sqlite->count);
    if (result == SQLITE_ROW)
        request->total = (uint64_t)sqlite3_column_int64(sqlite->count, 0);
    dv_rc rc = dv_sqlite_code(sqlite->db, result);
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
    sqlite->reason = dv_sqlite_reason(rc, sqlite->failed);
    if (sqlite->reason == NULL)
        (void)dv_breaker_succeeded(&sqlite->breaker);
    else
        (void)dv_breaker_failed(&sqlite->breaker, dv_now_ns(sqlite->timer.loop), sqlite->reason);
}

/* The next job starts before the callbacks, so that the disk does not wait for them - except after a get, whose row the
 * callback still reads: until then the worker counts as busy, so that what the callback asks for waits, too. */
static void after_work(struct dv_job *job)
{
    struct dv_sqlite *sqlite = job->data;
    struct dv_store_request *request = sqlite->working;
    bool is_get = request->kind == DV_STORE_GET;
    sqlite->working = NULL;
    note(sqlite, request->rc);
    const char *reason = sqlite->reason;
    DV_CRASH_POINT("sqlite.before-answer");
    if (!is_get) {
        move(sqlite, DV_SQLITE_IDLE);
        start(sqlite);
    }
    while (request != NULL) {
        struct dv_store_request *next = request->next; /* the callback may use the request again */
        request->reason = reason;
        request->callback(request);
        request = next;
    }
    if (!is_get || sqlite->state == DV_SQLITE_CLOSED)
        return;
    (void)sqlite3_reset(sqlite->get);
    move(sqlite, DV_SQLITE_IDLE);
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
            return dv_sqlite_failed_open(sqlite->db, result, path, error);
    }
    return DV_OK;
}

dv_rc dv_sqlite_open(struct dv_sqlite *sqlite, struct dv_loop *loop, const char *path, struct dv_error *error)
{
    *sqlite = (struct dv_sqlite){ 0 };
    DV_TRY(dv_sqlite_open_file(&sqlite->db, path, &kind, error));
    dv_rc rc = prepare_all(sqlite, path, error);
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
