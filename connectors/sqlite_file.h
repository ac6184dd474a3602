/* SPDX-License-Identifier: Apache-2.0
 * sqlite_file.h - what all stores in an SQLite file share: how the file is made and set up, and what its errors mean. */
#ifndef DV_CONNECTORS_SQLITE_FILE_H
#define DV_CONNECTORS_SQLITE_FILE_H

#include <stdbool.h>

#include "engine/error.h"

struct sqlite3;

/* What is kept in a file. */
struct dv_sqlite_kind {
    int application;    /* the file's mark, so that a store of another kind is not taken for this */
    int version;        /* of its tables; a later one is refused */
    const char *create; /* makes them, with mark and version, in a transaction */
    bool wipes;         /* what is deleted is overwritten */
};

/* Opens `path`, made with mode 0600 if it is new, in WAL mode with synchronous=FULL. DV_E_CONFIG: it is none of ours, of
 * another kind or a later version; DV_E_IO, DV_E_FULL, DV_E_DEPENDENCY. After an error there is nothing to close. */
DV_CHECKED dv_rc dv_sqlite_open_file(struct sqlite3 **ret_db, const char *path, const struct dv_sqlite_kind *kind, struct dv_error *error);

/* The error of a step of opening, in words. */
dv_rc dv_sqlite_failed_open(struct sqlite3 *db, int result, const char *path, struct dv_error *error);

/* What SQLite's (extended) result means here; DV_OK for a row, too. */
dv_rc dv_sqlite_code(struct sqlite3 *db, int result);

/* Whether a sync failed: what is on the disk is unknown from then on. */
bool dv_sqlite_is_sync_error(int result);

/* Writes the log back and cuts it, so that nothing deleted is left in it; on a worker, as it waits some 2 s for those who read. Whoever
 * writes is not held up meanwhile, which SQLite alone would do. SQLITE_BUSY: somebody reads still. */
int dv_sqlite_cut_log(struct sqlite3 *db);

/* The same without waiting: what cannot be cut now is left to a later time. */
int dv_sqlite_try_cut_log(struct sqlite3 *db);

/* Why a store with this answer cannot go on, a literal; NULL: it is well. */
const char *dv_sqlite_reason(dv_rc rc, bool sync_failed);

#endif
