/* SPDX-License-Identifier: Apache-2.0
 * vectors_sqlite.c - the embedded store of vectors: opening, and the queue of requests before its one worker. */
#include "connectors/vectors_sqlite.h"

#include <sqlite3.h>

#include "connectors/sqlite_file.h"

enum { FAILURES_MAX = 3, PAUSE_FIRST_MS = 50, PAUSE_MAX_MS = 2000 };

static const char create[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS embeddings("
    " n INTEGER PRIMARY KEY, id BLOB NOT NULL CHECK(length(id)=16), tenant TEXT NOT NULL, schema TEXT NOT NULL,"
    " created_at INTEGER NOT NULL, model TEXT, text TEXT NOT NULL, subject_ref BLOB, subjects INTEGER NOT NULL,"
    " hash BLOB NOT NULL, vector BLOB, UNIQUE(tenant, id)) STRICT;"
    "CREATE INDEX IF NOT EXISTS embeddings_subject ON embeddings(tenant, subject_ref) WHERE subject_ref IS NOT NULL;"
    "CREATE VIRTUAL TABLE IF NOT EXISTS embeddings_words USING fts5(text, content='embeddings', content_rowid='n',"
    " tokenize='porter unicode61');"
    "CREATE TABLE IF NOT EXISTS embeddings_changes(changes INTEGER NOT NULL) STRICT;"
    "INSERT INTO embeddings_changes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM embeddings_changes);"
    "PRAGMA application_id=1146508118;" /* "DVSV" */
    "PRAGMA user_version=1;"
    "COMMIT;";

static const struct dv_sqlite_kind kind = { .application = 1146508118, .version = 1, .create = create, .wipes = true };

/* ---- on the loop ---- */

static void on_worker(struct dv_job *job)
{
    struct dv_vectors_sqlite *sqlite = job->data;
    if (sqlite->failed)
        sqlite->working->rc = DV_E_FAILED;
    else
        dv_vectors_sqlite_work(sqlite, sqlite->working);
}

static void start(struct dv_vectors_sqlite *sqlite)
{
    if (sqlite->state != DV_VECTORS_IDLE || sqlite->first == NULL || sqlite->timer.active)
        return;
    uint64_t now = dv_now_ns(sqlite->timer.loop);
    if (!dv_breaker_admits(&sqlite->breaker, now)) {
        dv_timer_start(&sqlite->timer, dv_breaker_wait_ms(&sqlite->breaker, now));
        return;
    }
    sqlite->state = DV_VECTORS_WORKING;
    sqlite->working = sqlite->first;
    sqlite->first = sqlite->working->next;
    if (sqlite->first == NULL)
        sqlite->last_waiting = NULL;
    dv_job_start(&sqlite->job);
}

static void on_timer(struct dv_timer *timer)
{
    start(timer->data);
}

/* Another model, or memory that is full, is no ailment of the file's. */
static const char *ailment(const struct dv_vectors_sqlite *sqlite, const struct dv_vectors_request *request)
{
    if (request->reason != NULL || request->rc == DV_E_CONFIG)
        return NULL;
    return dv_sqlite_reason(request->rc, sqlite->failed);
}

static void after_work(struct dv_job *job)
{
    struct dv_vectors_sqlite *sqlite = job->data;
    struct dv_vectors_request *request = sqlite->working;
    const char *reason = ailment(sqlite, request);
    sqlite->working = NULL;
    if (reason == NULL)
        (void)dv_breaker_succeeded(&sqlite->breaker);
    else
        (void)dv_breaker_failed(&sqlite->breaker, dv_now_ns(sqlite->timer.loop), reason);
    sqlite->reason = reason;
    if (reason == NULL)
        sqlite->reason = request->rc == DV_OK && sqlite->partial ? DV_VECTORS_MEMORY_FULL : request->rc == DV_OK ? NULL : request->reason;
    if (request->reason == NULL)
        request->reason = reason;
    sqlite->state = DV_VECTORS_IDLE;
    /* The callback reads what the worker left behind, so the next job waits for it. */
    sqlite->calling = true;
    request->callback(request);
    sqlite->calling = false;
    start(sqlite);
}

static void request_one(struct dv_vectors *vectors, struct dv_vectors_request *request)
{
    struct dv_vectors_sqlite *sqlite = (struct dv_vectors_sqlite *)vectors;
    DV_ASSERT(sqlite->state != DV_VECTORS_CLOSED && request->callback != NULL);
    request->next = NULL;
    if (sqlite->last_waiting != NULL)
        sqlite->last_waiting->next = request;
    else
        sqlite->first = request;
    sqlite->last_waiting = request;
    if (!sqlite->calling)
        start(sqlite);
}

static const char *waits(const struct dv_vectors *vectors)
{
    return ((const struct dv_vectors_sqlite *)vectors)->reason;
}

static void close_database(struct dv_vectors_sqlite *sqlite)
{
    for (size_t i = 0; i < DV_VECTORS_SQL_COUNT; i++)
        (void)sqlite3_finalize(sqlite->statements[i]);
    int result = sqlite3_close(sqlite->db);
    DV_ASSERT(result == SQLITE_OK);
    sqlite->db = NULL;
    dv_vectors_memory_free(&sqlite->memory);
    dv_arena_free(&sqlite->arena);
}

static void close_store(struct dv_vectors *vectors)
{
    struct dv_vectors_sqlite *sqlite = (struct dv_vectors_sqlite *)vectors;
    if (sqlite->state == DV_VECTORS_CLOSED)
        return;
    (void)dv_job_close(&sqlite->job);
    dv_timer_close(&sqlite->timer);
    sqlite->first = sqlite->last_waiting = NULL;
    close_database(sqlite);
    sqlite->state = DV_VECTORS_CLOSED;
}

static const struct dv_vectors_ops ops = { .request = request_one, .waits = waits, .close = close_store };

static dv_rc read_all(struct dv_vectors_sqlite *sqlite, const char *path, struct dv_error *error)
{
    int result = dv_vectors_sqlite_prepare(sqlite);
    if (result != SQLITE_OK)
        return dv_sqlite_failed_open(sqlite->db, result, path, error);
    dv_rc rc = dv_vectors_sqlite_refresh(sqlite);
    if (rc == DV_E_FULL)
        return dv_error_set(error, DV_E_CONFIG, "%s: its vectors are more than may be in memory: raise `memory`, or use pgvector", path);
    return dv_is_error(rc) ? dv_error_set(error, rc, "%s: its vectors cannot be read: %s", path, dv_rc_text(rc)) : DV_OK;
}

dv_rc dv_vectors_sqlite_open(struct dv_vectors_sqlite *sqlite, struct dv_loop *loop, const char *path, size_t memory_bytes,
                             struct dv_error *error)
{
    *sqlite = (struct dv_vectors_sqlite){ .version = -1, .changes = -1 };
    dv_vectors_memory_init(&sqlite->memory, memory_bytes);
    dv_arena_init(&sqlite->arena, DV_VECTORS_ANSWER_BYTES);
    DV_TRY(dv_sqlite_open_file(&sqlite->db, path, &kind, error));
    dv_rc rc = read_all(sqlite, path, error);
    if (rc != DV_OK) {
        close_database(sqlite);
        return rc;
    }
    sqlite->vectors = (struct dv_vectors){ .ops = &ops, .breaker = &sqlite->breaker };
    dv_breaker_init(&sqlite->breaker, FAILURES_MAX, (struct dv_backoff){ PAUSE_FIRST_MS, PAUSE_MAX_MS }, dv_now_ns(loop));
    dv_timer_init(loop, &sqlite->timer, on_timer, sqlite);
    dv_job_init(&sqlite->job, loop, on_worker, after_work, sqlite);
    sqlite->state = DV_VECTORS_IDLE;
    return DV_OK;
}
