/* SPDX-License-Identifier: Apache-2.0
 * sqlite.h - a store in one SQLite file, for installations without a database server.
 *
 * WAL and synchronous=FULL: a commit is on the disk before its callback. One worker job runs at a time; puts that came
 * while it ran go together into the next transaction, so that one fdatasync serves them all. The file is made with mode
 * 0600 and SQLite gives its companions (-wal, -shm) the same. The table:
 *
 *     encrypted_blobs(id BLOB PRIMARY KEY, tenant TEXT, schema TEXT, created_at INTEGER (ms since 1970),
 *                     data_hash BLOB, key_ref TEXT, subject_ref BLOB or NULL, nonce BLOB, ciphertext BLOB)
 */
#ifndef DV_CONNECTORS_SQLITE_H
#define DV_CONNECTORS_SQLITE_H

#include <stdbool.h>

#include "connectors/job.h"
#include "connectors/store.h"
#include "engine/breaker.h"
#include "engine/loop.h"

enum {
    DV_SQLITE_GROUP_MAX = 64, /* puts in one transaction */
    DV_SQLITE_FAILURES_MAX = 3, /* in a row, before the circuit opens */
    DV_SQLITE_PAUSE_FIRST_MS = 50,
    DV_SQLITE_PAUSE_MAX_MS = 2000,
};

struct sqlite3;
struct sqlite3_stmt;

enum dv_sqlite_state { DV_SQLITE_CLOSED, DV_SQLITE_IDLE, DV_SQLITE_WORKING, DV_SQLITE_STATES };

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). */
struct dv_sqlite {
    struct dv_store store;
    enum dv_sqlite_state state;
    struct sqlite3 *db;
    struct sqlite3_stmt *begin, *commit, *rollback, *insert, *get, *count;
    struct dv_job job;
    struct dv_breaker breaker;
    struct dv_timer timer;                 /* the breaker's pause */
    struct dv_store_request *first, *last; /* waiting, in order */
    struct dv_store_request *working;      /* the worker's: puts, or one of another kind */
    bool failed;                           /* a sync failed: nothing is tried any more */
    const char *reason;
};

/* Opens `path` and makes the table if the file is new. DV_E_CONFIG: it is no store of ours, or of a later version;
 * DV_E_IO, DV_E_FULL, DV_E_DEPENDENCY. Close with dv_store_close(&sqlite->store). */
DV_CHECKED dv_rc dv_sqlite_open(struct dv_sqlite *sqlite, struct dv_loop *loop, const char *path,
                                struct dv_error *error);

#endif
