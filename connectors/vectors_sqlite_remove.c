/* SPDX-License-Identifier: Apache-2.0
 * vectors_sqlite_remove.c - what is taken out of the embedded store of vectors: people, single texts, and what is old. On its worker. */
#include <sqlite3.h>
#include <string.h>

#include "connectors/sqlite_file.h"
#include "connectors/vectors_sqlite_sql.h"

/* A row names a person, or a text by its id: the same three statements for both. */
static sqlite3_stmt *of_row(const struct dv_vectors_sqlite *sqlite, enum dv_vectors_sql sql, const struct dv_vectors_row *row)
{
    return sqlite->statements[row->subject_ref.at != NULL ? sql : sql + (DV_VECTORS_LIST_ID - DV_VECTORS_LIST)];
}

static int bind_row(sqlite3_stmt *statement, const struct dv_vectors_request *remove, const struct dv_vectors_row *row)
{
    int result = dv_vectors_sql_text(statement, 1, remove->query.tenant);
    return result | dv_vectors_sql_bytes(statement, 2, row->subject_ref.at != NULL ? row->subject_ref : (struct dv_store_bytes){ row->id, sizeof row->id });
}

/* From memory first: whatever fails behind it, they are not found any more. */
static int forget(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_request *remove, const struct dv_vectors_row *row)
{
    sqlite3_stmt *list = of_row(sqlite, DV_VECTORS_LIST, row);
    int result = bind_row(list, remove, row);
    while (result == SQLITE_OK && sqlite3_step(list) == SQLITE_ROW)
        dv_vectors_memory_remove(&sqlite->memory, remove->query.tenant, sqlite3_column_int64(list, 0));
    int reset = sqlite3_reset(list);
    (void)sqlite3_clear_bindings(list);
    return result != SQLITE_OK ? result : reset;
}

static int remove_row(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *remove, const struct dv_vectors_row *row)
{
    static const enum dv_vectors_sql steps[] = { DV_VECTORS_UNINDEX, DV_VECTORS_DELETE };
    int result = forget(sqlite, remove, row);
    for (size_t i = 0; i < 2 && result == SQLITE_OK; i++) {
        sqlite3_stmt *statement = of_row(sqlite, steps[i], row);
        result = bind_row(statement, remove, row);
        if (result == SQLITE_OK)
            result = dv_vectors_sql_run(statement);
    }
    int gone = sqlite3_changes(sqlite->db);
    if (result == SQLITE_OK) {
        remove->total += (uint64_t)gone;
        remove->met += gone > 0;
    }
    return result;
}

/* Memory follows already, unless somebody else changed something since it was looked at. */
static int note_change(struct dv_vectors_sqlite *sqlite)
{
    int64_t changes = 0;
    int result = dv_vectors_sql_run(sqlite->statements[DV_VECTORS_NOTE]);
    if (result == SQLITE_OK)
        result = dv_vectors_sql_number(sqlite->statements[DV_VECTORS_CHANGES], &changes);
    if (changes == sqlite->changes + 1)
        sqlite->changes = changes;
    else
        sqlite->version = -1;
    return result;
}

/* The index keeps what was deleted until its parts are merged, and the log until it is written back; done even if nothing was there:
 * an earlier removal may have found somebody reading. */
static dv_rc scrub(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *remove)
{
    int result = sqlite3_exec(sqlite->db, "INSERT INTO embeddings_words(embeddings_words) VALUES('optimize')", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = dv_sqlite_cut_log(sqlite->db);
    remove->remains = (result & 0xff) == SQLITE_BUSY; /* who reads now, reads what was before */
    return remove->remains ? DV_OK : dv_sqlite_code(sqlite->db, result);
}

dv_rc dv_vectors_sqlite_remove(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *remove)
{
    remove->total = remove->met = 0;
    DV_ASSERT(remove->count <= DV_VECTORS_PUT_MAX);
    DV_TRY(dv_vectors_sql_begin(sqlite));
    int result = SQLITE_OK;
    for (uint32_t i = 0; i < remove->count && result == SQLITE_OK; i++)
        result = remove_row(sqlite, remove, &remove->rows[i]);
    if (result == SQLITE_OK && remove->total > 0)
        result = note_change(sqlite);
    dv_rc rc = dv_vectors_sql_end(sqlite, result);
    if (rc != DV_OK)
        sqlite->version = sqlite->changes = -1;
    return rc != DV_OK ? rc : scrub(sqlite, remove);
}

/* ---- what is old ---- */

static dv_rc list_old(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_query *query, int64_t numbers[DV_VECTORS_EXPIRE_MAX], uint32_t *ret_count)
{
    sqlite3_stmt *list = sqlite->statements[DV_VECTORS_LIST_OLD];
    int result = dv_vectors_sql_text(list, 1, query->tenant) | dv_vectors_sql_text(list, 2, query->schema) |
                 sqlite3_bind_int64(list, 3, query->to_ms) | sqlite3_bind_int(list, 4, DV_VECTORS_EXPIRE_MAX);
    *ret_count = 0;
    while (result == SQLITE_OK && *ret_count < DV_VECTORS_EXPIRE_MAX && sqlite3_step(list) == SQLITE_ROW)
        numbers[(*ret_count)++] = sqlite3_column_int64(list, 0);
    int reset = sqlite3_reset(list);
    (void)sqlite3_clear_bindings(list);
    return dv_sqlite_code(sqlite->db, result != SQLITE_OK ? result : reset);
}

static int drop_one(struct dv_vectors_sqlite *sqlite, enum dv_vectors_sql sql, int64_t number)
{
    int result = sqlite3_bind_int64(sqlite->statements[sql], 1, number);
    return result != SQLITE_OK ? result : dv_vectors_sql_run(sqlite->statements[sql]);
}

dv_rc dv_vectors_sqlite_expire(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *expire)
{
    int64_t numbers[DV_VECTORS_EXPIRE_MAX];
    uint32_t count = 0;
    int result = SQLITE_OK;
    expire->total = 0;
    DV_TRY(dv_vectors_sql_begin(sqlite));
    dv_rc rc = list_old(sqlite, &expire->query, numbers, &count);
    for (uint32_t i = 0; rc == DV_OK && i < count && result == SQLITE_OK; i++) {
        dv_vectors_memory_remove(&sqlite->memory, expire->query.tenant, numbers[i]);
        result = drop_one(sqlite, DV_VECTORS_UNINDEX_N, numbers[i]);
        if (result == SQLITE_OK)
            result = drop_one(sqlite, DV_VECTORS_DELETE_N, numbers[i]);
    }
    if (rc == DV_OK && result == SQLITE_OK && count > 0)
        result = note_change(sqlite);
    dv_rc ended = dv_vectors_sql_end(sqlite, rc == DV_OK ? result : SQLITE_ABORT);
    if (rc != DV_OK || ended != DV_OK) {
        sqlite->version = sqlite->changes = -1;
        return rc != DV_OK ? rc : ended;
    }
    expire->total = count;
    return DV_OK;
}

/* ---- whose texts there are ---- */

dv_rc dv_vectors_sqlite_ids(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *ids)
{
    sqlite3_stmt *list = sqlite->statements[DV_VECTORS_LIST_IDS];
    const struct dv_vectors_row *row = &ids->rows[0];
    ids->total = 0;
    int result = dv_vectors_sql_text(list, 1, ids->query.tenant) | dv_vectors_sql_bytes(list, 2, row->subject_ref) |
                 dv_vectors_sql_bytes(list, 3, (struct dv_store_bytes){ row->id, sizeof row->id }) | sqlite3_bind_int(list, 4, DV_VECTORS_IDS_MAX);
    while (result == SQLITE_OK && ids->total < DV_VECTORS_IDS_MAX && sqlite3_step(list) == SQLITE_ROW) {
        const void *id = sqlite3_column_blob(list, 0);
        if (id == NULL || sqlite3_column_bytes(list, 0) != DV_STORE_ID_BYTES)
            result = SQLITE_CORRUPT;
        else
            memcpy(ids->ids[ids->total++], id, DV_STORE_ID_BYTES);
    }
    int reset = sqlite3_reset(list);
    (void)sqlite3_clear_bindings(list);
    return dv_sqlite_code(sqlite->db, result != SQLITE_OK ? result : reset);
}
