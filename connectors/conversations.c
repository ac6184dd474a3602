/* SPDX-License-Identifier: Apache-2.0
 * conversations.c - the store of conversations: opening, and the queue of requests before its one worker. */
#include "connectors/conversations.h"

#include <sqlite3.h>

#include "connectors/sqlite_file.h"

enum { FAILURES_MAX = 3, PAUSE_FIRST_MS = 50, PAUSE_MAX_MS = 2000 };

static const char create[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS conversations("
    " n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE CHECK(length(id)=16), tenant TEXT NOT NULL,"
    " asker BLOB NOT NULL CHECK(length(asker)=16), created_at INTEGER NOT NULL, used_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS conversations_asker ON conversations(tenant, asker, used_at);"
    "CREATE INDEX IF NOT EXISTS conversations_used ON conversations(used_at);"
    "CREATE TABLE IF NOT EXISTS turns("
    " n INTEGER PRIMARY KEY, conversation INTEGER NOT NULL REFERENCES conversations(n) ON DELETE CASCADE,"
    " id BLOB NOT NULL UNIQUE CHECK(length(id)=16), asked_at INTEGER NOT NULL, question TEXT NOT NULL, whole TEXT NOT NULL,"
    " status TEXT, cut INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS turns_conversation ON turns(conversation, n);"
    "CREATE INDEX IF NOT EXISTS turns_asked ON turns(asked_at);"
    "CREATE TABLE IF NOT EXISTS sentences("
    " turn INTEGER NOT NULL REFERENCES turns(n) ON DELETE CASCADE, n INTEGER NOT NULL, text TEXT NOT NULL,"
    " citations TEXT NOT NULL, PRIMARY KEY(turn, n)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS totals(bytes INTEGER NOT NULL) STRICT;"
    "INSERT INTO totals SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM totals);"
    "CREATE TRIGGER IF NOT EXISTS turns_come AFTER INSERT ON turns BEGIN UPDATE totals SET bytes=bytes + NEW.bytes; END;"
    "CREATE TRIGGER IF NOT EXISTS turns_grow AFTER UPDATE OF bytes ON turns BEGIN"
    " UPDATE totals SET bytes=bytes + NEW.bytes - OLD.bytes; END;"
    "CREATE TRIGGER IF NOT EXISTS turns_go AFTER DELETE ON turns BEGIN UPDATE totals SET bytes=bytes - OLD.bytes; END;"
    "PRAGMA application_id=1146508116;" /* "DVST" */
    "PRAGMA user_version=1;"
    "COMMIT;";

static const struct dv_sqlite_kind kind = { .application = 1146508116, .version = 1, .create = create, .wipes = true };

static void on_worker(struct dv_job *job)
{
    struct dv_conversations *store = job->data;
    if (store->failed)
        store->current.rc = DV_E_FAILED;
    else
        dv_conversations_work(store, &store->current);
}

/* The worker has a copy: whoever cancels takes the request's memory away. */
static void start(struct dv_conversations *store)
{
    if (store->state != DV_TALK_IDLE || store->first == NULL || store->timer.active || store->calling)
        return;
    uint64_t now = dv_now_ns(store->timer.loop);
    if (!dv_breaker_admits(&store->breaker, now)) {
        dv_timer_start(&store->timer, dv_breaker_wait_ms(&store->breaker, now));
        return;
    }
    store->state = DV_TALK_WORKING;
    store->working = store->first;
    store->current = *store->working;
    store->first = store->working->next;
    if (store->first == NULL)
        store->last = NULL;
    dv_job_start(&store->job);
}

static void on_timer(struct dv_timer *timer)
{
    start(timer->data);
}

/* What has a reason of its own is no ailment of the file's. */
static void note(struct dv_conversations *store, const struct dv_conversations_request *done)
{
    store->reason = done->reason == NULL ? dv_sqlite_reason(done->rc, store->failed) : NULL;
    if (store->reason == NULL)
        (void)dv_breaker_succeeded(&store->breaker);
    else
        (void)dv_breaker_failed(&store->breaker, dv_now_ns(store->timer.loop), store->reason);
}

static void after_work(struct dv_job *job)
{
    struct dv_conversations *store = job->data;
    struct dv_conversations_request *request = store->working;
    store->working = NULL;
    note(store, &store->current);
    store->state = DV_TALK_IDLE;
    if (request != NULL) {
        request->rc = store->current.rc;
        request->file_is_well = store->current.reason != NULL;
        request->reason = store->current.reason != NULL ? store->current.reason : store->reason;
        request->total = store->current.total;
        request->conversations = store->current.conversations;
        request->turns = store->current.turns;
        store->calling = true; /* the next job would overwrite what the callback reads */
        request->callback(request);
        store->calling = false;
    }
    start(store);
}

void dv_conversations_request(struct dv_conversations *store, struct dv_conversations_request *request)
{
    DV_ASSERT(store->state != DV_TALK_CLOSED && request->callback != NULL && request->count <= DV_CONVERSATIONS_ROWS_MAX);
    request->next = NULL;
    if (store->last != NULL)
        store->last->next = request;
    else
        store->first = request;
    store->last = request;
    start(store);
}

void dv_conversations_cancel(struct dv_conversations *store, struct dv_conversations_request *request)
{
    struct dv_conversations_request *before = NULL;
    if (store->working == request) {
        store->working = NULL;
        return;
    }
    for (struct dv_conversations_request *at = store->first; at != NULL; before = at, at = at->next) {
        if (at != request)
            continue;
        if (before != NULL)
            before->next = at->next;
        else
            store->first = at->next;
        if (store->last == at)
            store->last = before;
        return;
    }
}

const char *dv_conversations_waits(const struct dv_conversations *store)
{
    return store->reason;
}

static void close_database(struct dv_conversations *store)
{
    for (size_t i = 0; i < DV_TALK_SQL_COUNT; i++)
        (void)sqlite3_finalize(store->statements[i]);
    int result = sqlite3_close(store->db);
    DV_ASSERT(result == SQLITE_OK);
    store->db = NULL;
    dv_arena_free(&store->arena);
}

static void tell_closed(struct dv_conversations_request *request)
{
    if (request == NULL || !request->waited)
        return;
    request->rc = DV_E_DEPENDENCY;
    request->file_is_well = false;
    request->reason = "the run ends, or its file is read again";
    request->callback(request);
}

void dv_conversations_close(struct dv_conversations *store)
{
    if (store->state == DV_TALK_CLOSED)
        return;
    (void)dv_job_close(&store->job);
    dv_timer_close(&store->timer);
    close_database(store);
    store->state = DV_TALK_CLOSED;
    tell_closed(store->working);
    store->working = NULL;
    while (store->first != NULL) {
        struct dv_conversations_request *request = store->first;
        store->first = request->next;
        tell_closed(request);
    }
    store->last = NULL;
}

/* What a process that was killed has deleted may still be in the log; who reads just now keeps it there until the first sweep. */
static int begin_clean(sqlite3 *db)
{
    int result = sqlite3_exec(db, "PRAGMA foreign_keys=ON", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = dv_sqlite_try_cut_log(db);
    return (result & 0xff) == SQLITE_BUSY ? SQLITE_OK : result;
}

dv_rc dv_conversations_open(struct dv_conversations *store, struct dv_loop *loop, const char *path, const char *tenant,
                            const struct dv_conversations_limits *limits, struct dv_error *error)
{
    *store = (struct dv_conversations){ .tenant = tenant, .limits = *limits, .smeared = true };
    dv_arena_init(&store->arena, DV_CONVERSATIONS_ANSWER_BYTES);
    DV_TRY(dv_sqlite_open_file(&store->db, path, &kind, error));
    int result = begin_clean(store->db);
    if (result == SQLITE_OK)
        result = dv_conversations_prepare(store);
    if (result != SQLITE_OK) {
        dv_rc rc = dv_sqlite_failed_open(store->db, result, path, error);
        close_database(store);
        return rc;
    }
    dv_breaker_init(&store->breaker, FAILURES_MAX, (struct dv_backoff){ PAUSE_FIRST_MS, PAUSE_MAX_MS }, dv_now_ns(loop));
    dv_timer_init(loop, &store->timer, on_timer, store);
    dv_job_init(&store->job, loop, on_worker, after_work, store);
    store->state = DV_TALK_IDLE;
    return DV_OK;
}
