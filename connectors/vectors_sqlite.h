/* SPDX-License-Identifier: Apache-2.0
 * vectors_sqlite.h - vectors in one SQLite file, for installations without a database server: exact, and all in memory.
 *
 *     embeddings(n INTEGER PRIMARY KEY, id BLOB, tenant TEXT, schema TEXT, created_at INTEGER (ms since 1970), model TEXT or NULL,
 *                text TEXT, subject_ref BLOB or NULL, subjects INTEGER, hash BLOB, vector BLOB or NULL; (tenant, id) is unique)
 *     embeddings_words: FTS5 over `text`, stemmed
 *
 * WAL and synchronous=FULL, as sqlite.h; one worker job runs at a time, for one request. The vectors are also in memory
 * (vectors_memory.h), read when the store opens; what another process has put into the file or removed since is seen by the
 * next request. What is removed is overwritten in the file and gone from the index. */
#ifndef DV_CONNECTORS_VECTORS_SQLITE_H
#define DV_CONNECTORS_VECTORS_SQLITE_H

#include "connectors/job.h"
#include "connectors/vectors.h"
#include "connectors/vectors_memory.h"
#include "engine/arena.h"
#include "engine/breaker.h"
#include "engine/loop.h"

enum { DV_VECTORS_ANSWER_BYTES = 8 * 1024 * 1024 }; /* of the hits of one search */

struct sqlite3;
struct sqlite3_stmt;

enum dv_vectors_sql {
    DV_VECTORS_BEGIN,
    DV_VECTORS_COMMIT,
    DV_VECTORS_ROLLBACK,
    DV_VECTORS_INSERT,
    DV_VECTORS_INDEX,
    DV_VECTORS_EMBED,
    DV_VECTORS_WORDS,
    DV_VECTORS_FETCH,
    DV_VECTORS_LIST,
    DV_VECTORS_UNINDEX,
    DV_VECTORS_DELETE,
    DV_VECTORS_LIST_ID,
    DV_VECTORS_UNINDEX_ID,
    DV_VECTORS_DELETE_ID,
    DV_VECTORS_LIST_OLD,
    DV_VECTORS_LIST_IDS,
    DV_VECTORS_UNINDEX_N,
    DV_VECTORS_DELETE_N,
    DV_VECTORS_NOTE,
    DV_VECTORS_CHANGES,
    DV_VECTORS_VERSION,
    DV_VECTORS_LOAD,
    DV_VECTORS_HAS,
    DV_VECTORS_TOTAL,
    DV_VECTORS_SQL_COUNT
};

enum dv_vectors_state { DV_VECTORS_CLOSED, DV_VECTORS_IDLE, DV_VECTORS_WORKING };

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). */
struct dv_vectors_sqlite {
    struct dv_vectors vectors;
    enum dv_vectors_state state;
    struct sqlite3 *db;
    struct sqlite3_stmt *statements[DV_VECTORS_SQL_COUNT];
    struct dv_vectors_memory memory;
    int64_t version;      /* of the file, when it was looked at last */
    int64_t changes;      /* its count of rows that were changed or removed */
    int64_t last;         /* the greatest number read */
    bool partial;         /* the file has more vectors than memory: none is compared */
    struct dv_arena arena; /* of the last answer */
    struct dv_vectors_hit hits[DV_VECTORS_TOP_MAX];
    struct dv_job job;
    struct dv_breaker breaker;
    struct dv_timer timer;                   /* the breaker's pause */
    struct dv_vectors_request *first, *last_waiting;
    struct dv_vectors_request *working;
    bool calling; /* a callback is under way: its hits must stay */
    bool failed;  /* a sync failed: nothing is tried any more */
    const char *reason;
};

#define DV_VECTORS_MEMORY_FULL "the vectors are as many as may be in memory: raise `memory`, or use pgvector"

/* Opens `path`, makes the tables if the file is new, and reads its vectors; blocks for that. At most `memory_bytes` of
 * vectors are held; 0: none are read, for somebody who counts and removes. If another process puts more than that into the
 * file, searches go on by words alone, and vectors are refused. DV_E_CONFIG: it is no store of ours, of a later version, or
 * has more vectors than that; DV_E_IO,
 * DV_E_FULL, DV_E_DEPENDENCY. Close with dv_vectors_close(&sqlite->vectors). */
DV_CHECKED dv_rc dv_vectors_sqlite_open(struct dv_vectors_sqlite *sqlite, struct dv_loop *loop, const char *path, size_t memory_bytes,
                                        struct dv_error *error);

/* ---- vectors_sqlite_work.c, for vectors_sqlite.c alone ---- */

/* Prepares the statements; SQLite's result. */
int dv_vectors_sqlite_prepare(struct dv_vectors_sqlite *sqlite);

/* Reads what is new in the file. DV_E_FULL: more than memory may hold. */
DV_CHECKED dv_rc dv_vectors_sqlite_refresh(struct dv_vectors_sqlite *sqlite);

/* Does what a request asks, on a worker, and leaves the answer in it. */
void dv_vectors_sqlite_work(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *request);

/* vectors_sqlite_remove.c: the same of a removal, of what is old, and of whose texts there are. */
DV_CHECKED dv_rc dv_vectors_sqlite_remove(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *remove);
DV_CHECKED dv_rc dv_vectors_sqlite_expire(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *expire);
DV_CHECKED dv_rc dv_vectors_sqlite_ids(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *ids);

#endif
