/* SPDX-License-Identifier: Apache-2.0
 * vectors_sqlite_work.c - the SQL of the embedded store of vectors; all of it runs on a worker. */
#include <math.h>
#include <sqlite3.h>
#include <string.h>

#include "connectors/sqlite_file.h"
#include "connectors/vectors_fuse.h"
#include "connectors/vectors_sqlite_sql.h"
#include "connectors/vectors_words.h"

enum { MATCH_BYTES = DV_WORDS_MAX * (DV_WORD_BYTES_MAX + 8) };

static const char *const texts[DV_VECTORS_SQL_COUNT] = {
    [DV_VECTORS_BEGIN] = "BEGIN IMMEDIATE",
    [DV_VECTORS_COMMIT] = "COMMIT",
    [DV_VECTORS_ROLLBACK] = "ROLLBACK",
    [DV_VECTORS_INSERT] = "INSERT INTO embeddings(id, tenant, schema, created_at, model, text, subject_ref, subjects, hash, vector)"
                          " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10) ON CONFLICT(tenant, id) DO NOTHING",
    [DV_VECTORS_INDEX] = "INSERT INTO embeddings_words(rowid, text) VALUES(?1, ?2)",
    [DV_VECTORS_EMBED] = "UPDATE embeddings SET model=?3, vector=?4 WHERE tenant=?1 AND id=?2 AND vector IS NULL",
    [DV_VECTORS_WORDS] = "SELECT e.n FROM embeddings_words w JOIN embeddings e ON e.n = w.rowid WHERE embeddings_words MATCH ?1"
                         " AND e.tenant=?2 AND (?3 IS NULL OR e.schema=?3) AND e.created_at >= ?4 AND e.created_at < ?5"
                         " ORDER BY bm25(embeddings_words), e.n LIMIT ?6",
    [DV_VECTORS_FETCH] = "SELECT id, tenant, schema, created_at, text, subject_ref, subjects, hash, vector FROM embeddings"
                         " WHERE n=?1 AND tenant=?2",
    [DV_VECTORS_LIST] = "SELECT n FROM embeddings WHERE tenant=?1 AND subject_ref=?2",
    [DV_VECTORS_UNINDEX] = "INSERT INTO embeddings_words(embeddings_words, rowid, text)"
                           " SELECT 'delete', n, text FROM embeddings WHERE tenant=?1 AND subject_ref=?2",
    [DV_VECTORS_DELETE] = "DELETE FROM embeddings WHERE tenant=?1 AND subject_ref=?2",
    [DV_VECTORS_LIST_ID] = "SELECT n FROM embeddings WHERE tenant=?1 AND id=?2",
    [DV_VECTORS_UNINDEX_ID] = "INSERT INTO embeddings_words(embeddings_words, rowid, text)"
                              " SELECT 'delete', n, text FROM embeddings WHERE tenant=?1 AND id=?2",
    [DV_VECTORS_DELETE_ID] = "DELETE FROM embeddings WHERE tenant=?1 AND id=?2",
    [DV_VECTORS_LIST_OLD] = "SELECT n FROM embeddings WHERE tenant=?1 AND schema=?2 AND created_at < ?3 ORDER BY created_at LIMIT ?4",
    [DV_VECTORS_LIST_IDS] = "SELECT id FROM embeddings WHERE tenant=?1 AND subject_ref=?2 AND id > ?3 ORDER BY id LIMIT ?4",
    [DV_VECTORS_UNINDEX_N] = "INSERT INTO embeddings_words(embeddings_words, rowid, text) SELECT 'delete', n, text FROM embeddings WHERE n=?1",
    [DV_VECTORS_DELETE_N] = "DELETE FROM embeddings WHERE n=?1",
    [DV_VECTORS_NOTE] = "UPDATE embeddings_changes SET changes = changes + 1",
    [DV_VECTORS_CHANGES] = "SELECT changes FROM embeddings_changes",
    [DV_VECTORS_VERSION] = "PRAGMA data_version",
    [DV_VECTORS_LOAD] = "SELECT n, tenant, schema, created_at, model, vector FROM embeddings WHERE n > ?1 AND vector IS NOT NULL ORDER BY n",
    [DV_VECTORS_HAS] = "SELECT count(*) FROM embeddings WHERE tenant=?1 AND id=?2 AND (?3=0 OR vector IS NOT NULL)",
    [DV_VECTORS_TOTAL] = "SELECT count(*) FROM embeddings WHERE ?1 IS NULL OR tenant=?1",
};

int dv_vectors_sqlite_prepare(struct dv_vectors_sqlite *sqlite)
{
    int made = sqlite3_exec(sqlite->db, "CREATE INDEX IF NOT EXISTS embeddings_age ON embeddings(tenant, schema, created_at)", NULL, NULL, NULL);
    if (made != SQLITE_OK) /* files made before texts could be kept for a time only */
        return made;
    for (size_t i = 0; i < DV_VECTORS_SQL_COUNT; i++) {
        int result = sqlite3_prepare_v3(sqlite->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &sqlite->statements[i], NULL);
        if (result != SQLITE_OK)
            return result;
    }
    return SQLITE_OK;
}

/* ---- what is in the file and not in memory ---- */

static struct dv_store_bytes column(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at);
    return (struct dv_store_bytes){ bytes, (size_t)sqlite3_column_bytes(statement, at) };
}

static dv_rc load_row(struct dv_vectors_sqlite *sqlite, sqlite3_stmt *load)
{
    struct dv_vectors_row row = { .tenant = column(load, 1), .schema = column(load, 2), .created_ms = sqlite3_column_int64(load, 3),
                                  .model = column(load, 4), .vector = column(load, 5) };
    if (row.model.at == NULL || row.vector.length % sizeof(float) != 0 || row.vector.length == 0 ||
        !dv_vectors_memory_fits(&sqlite->memory, row.tenant, row.model, row.vector.length / sizeof(float)))
        return DV_E_FAILED;
    DV_TRY(dv_vectors_memory_reserve(&sqlite->memory, &row, 1));
    sqlite->last = sqlite3_column_int64(load, 0);
    dv_vectors_memory_add(&sqlite->memory, &row, sqlite->last);
    return DV_OK;
}

static dv_rc load_new(struct dv_vectors_sqlite *sqlite)
{
    sqlite3_stmt *load = sqlite->statements[DV_VECTORS_LOAD];
    dv_rc rc = DV_OK;
    int result = sqlite3_bind_int64(load, 1, sqlite->last);
    while (rc == DV_OK && result == SQLITE_OK && sqlite3_step(load) == SQLITE_ROW)
        rc = load_row(sqlite, load);
    int reset = sqlite3_reset(load);
    return rc != DV_OK ? rc : dv_sqlite_code(sqlite->db, result != SQLITE_OK ? result : reset);
}

dv_rc dv_vectors_sqlite_refresh(struct dv_vectors_sqlite *sqlite)
{
    int64_t version = 0, changes = 0;
    int result = dv_vectors_sql_number(sqlite->statements[DV_VECTORS_VERSION], &version);
    if (result != SQLITE_OK || version == sqlite->version)
        return dv_sqlite_code(sqlite->db, result);
    result = dv_vectors_sql_number(sqlite->statements[DV_VECTORS_CHANGES], &changes);
    if (result != SQLITE_OK)
        return dv_sqlite_code(sqlite->db, result);
    if (changes != sqlite->changes) {
        dv_vectors_memory_free(&sqlite->memory);
        sqlite->last = 0;
    }
    dv_rc rc = sqlite->memory.bytes_max > 0 ? load_new(sqlite) : DV_OK;
    if (rc != DV_OK && rc != DV_E_FULL)
        return rc;
    sqlite->changes = changes;
    sqlite->version = rc == DV_OK ? version : -1; /* the next request may find room for the rest */
    return rc;
}

/* ---- putting ---- */

static int insert_row(sqlite3_stmt *insert, const struct dv_vectors_row *row)
{
    bool embedded = row->vector.at != NULL;
    int result = sqlite3_bind_blob(insert, 1, row->id, sizeof row->id, SQLITE_STATIC);
    result |= dv_vectors_sql_text(insert, 2, row->tenant);
    result |= dv_vectors_sql_text(insert, 3, row->schema);
    result |= sqlite3_bind_int64(insert, 4, row->created_ms);
    result |= dv_vectors_sql_text(insert, 5, embedded ? row->model : (struct dv_store_bytes){ 0 });
    result |= dv_vectors_sql_text(insert, 6, dv_vectors_kept_text(row));
    result |= dv_vectors_sql_bytes(insert, 7, row->subject_ref);
    result |= sqlite3_bind_int64(insert, 8, row->subjects);
    result |= dv_vectors_sql_bytes(insert, 9, row->hash);
    result |= dv_vectors_sql_bytes(insert, 10, row->vector);
    return result != SQLITE_OK ? SQLITE_TOOBIG : dv_vectors_sql_run(insert);
}

/* One that was there before, without a vector. */
static int embed_row(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_row *row, bool *ret_changed)
{
    sqlite3_stmt *embed = sqlite->statements[DV_VECTORS_EMBED];
    *ret_changed = false;
    if (row->vector.at == NULL)
        return SQLITE_OK;
    int result = dv_vectors_sql_text(embed, 1, row->tenant);
    result |= sqlite3_bind_blob(embed, 2, row->id, sizeof row->id, SQLITE_STATIC);
    result |= dv_vectors_sql_text(embed, 3, row->model);
    result |= dv_vectors_sql_bytes(embed, 4, row->vector);
    if (result != SQLITE_OK)
        return SQLITE_TOOBIG;
    result = dv_vectors_sql_run(embed);
    *ret_changed = result == SQLITE_OK && sqlite3_changes(sqlite->db) > 0;
    return result;
}

static int put_row(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_row *row, uint64_t *total, bool *changed)
{
    sqlite3_stmt *index = sqlite->statements[DV_VECTORS_INDEX];
    bool embedded = false;
    int result = insert_row(sqlite->statements[DV_VECTORS_INSERT], row);
    if (result != SQLITE_OK)
        return result;
    if (sqlite3_changes(sqlite->db) == 0) {
        result = embed_row(sqlite, row, &embedded);
        *changed = *changed || embedded;
        return result;
    }
    (*total)++;
    result = sqlite3_bind_int64(index, 1, sqlite3_last_insert_rowid(sqlite->db));
    result |= dv_vectors_sql_text(index, 2, dv_vectors_kept_text(row));
    return result != SQLITE_OK ? SQLITE_TOOBIG : dv_vectors_sql_run(index);
}

/* All of one tenant and one model, and the model is that of the tenant's other vectors. */
static bool is_of_the_model(const struct dv_vectors_sqlite *sqlite, const struct dv_vectors_request *put)
{
    const struct dv_vectors_row *first = NULL;
    for (uint32_t i = 0; i < put->count; i++) {
        const struct dv_vectors_row *row = &put->rows[i];
        if (row->vector.at == NULL)
            continue;
        first = first != NULL ? first : row;
        if (row->vector.length != first->vector.length || row->model.length != first->model.length ||
            memcmp(row->model.at, first->model.at, row->model.length) != 0)
            return false;
    }
    return first == NULL || dv_vectors_memory_fits(&sqlite->memory, first->tenant, first->model, first->vector.length / sizeof(float));
}

static dv_rc reserve(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_request *put)
{
    for (uint32_t i = 0; i < put->count; i++)
        if (put->rows[i].vector.at != NULL)
            DV_TRY(sqlite->partial ? DV_E_FULL : dv_vectors_memory_reserve(&sqlite->memory, &put->rows[i], put->count));
    return DV_OK;
}

/* Whether all that a put brings is in the file: what is read a second time needs no room. */
static bool adds_nothing(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_request *put)
{
    sqlite3_stmt *has = sqlite->statements[DV_VECTORS_HAS];
    for (uint32_t i = 0; i < put->count; i++) {
        const struct dv_vectors_row *row = &put->rows[i];
        int64_t there = 0;
        int result = dv_vectors_sql_text(has, 1, row->tenant) | sqlite3_bind_blob(has, 2, row->id, sizeof row->id, SQLITE_STATIC) |
                     sqlite3_bind_int(has, 3, row->vector.at != NULL);
        if (result != SQLITE_OK || dv_vectors_sql_number(has, &there) != SQLITE_OK || there == 0)
            return false;
    }
    return true;
}

/* After the commit all is read back from the file, as another process would: there is one way into memory. */
static dv_rc put_all(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *put)
{
    bool changed = false;
    put->total = 0;
    if (!is_of_the_model(sqlite, put)) {
        put->reason = DV_VECTORS_OTHER_MODEL;
        return DV_E_CONFIG;
    }
    dv_rc rc = reserve(sqlite, put);
    if (rc == DV_E_FULL && adds_nothing(sqlite, put))
        return DV_OK;
    put->reason = rc == DV_E_FULL || rc == DV_E_MEMORY ? DV_VECTORS_MEMORY_FULL : NULL;
    if (rc != DV_OK)
        return rc == DV_E_MEMORY ? DV_E_FULL : rc;
    DV_TRY(dv_vectors_sql_begin(sqlite));
    int result = SQLITE_OK;
    for (uint32_t i = 0; i < put->count && result == SQLITE_OK; i++)
        result = put_row(sqlite, &put->rows[i], &put->total, &changed);
    if (result == SQLITE_OK && changed)
        result = dv_vectors_sql_run(sqlite->statements[DV_VECTORS_NOTE]);
    DV_TRY(dv_vectors_sql_end(sqlite, result));
    sqlite->version = -1;
    return DV_OK;
}

/* ---- searching ---- */

static int bind_words(sqlite3_stmt *statement, const struct dv_vectors_query *query, const char *match)
{
    int result = sqlite3_bind_text(statement, 1, match, -1, SQLITE_STATIC);
    result |= dv_vectors_sql_text(statement, 2, query->tenant);
    result |= dv_vectors_sql_text(statement, 3, query->schema);
    result |= sqlite3_bind_int64(statement, 4, query->from_ms);
    result |= sqlite3_bind_int64(statement, 5, query->to_ms);
    result |= sqlite3_bind_int64(statement, 6, DV_VECTORS_RANKED_MAX);
    return result;
}

/* Every word in quotes: the index's own syntax has no part in it. */
static dv_rc rank_words(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_query *query, int64_t *numbers, size_t *ret_count)
{
    struct dv_word words[DV_WORDS_MAX];
    char match[MATCH_BYTES];
    sqlite3_stmt *statement = sqlite->statements[DV_VECTORS_WORDS];
    size_t count = dv_words_of(query->text.at, query->text.length, words);
    *ret_count = 0;
    if (count == 0)
        return DV_OK;
    (void)dv_words_join(words, count, "\"", "\"", " OR ", match, sizeof match);
    int result = bind_words(statement, query, match);
    while (result == SQLITE_OK && *ret_count < DV_VECTORS_RANKED_MAX && sqlite3_step(statement) == SQLITE_ROW)
        numbers[(*ret_count)++] = sqlite3_column_int64(statement, 0);
    int reset = sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return dv_sqlite_code(sqlite->db, result != SQLITE_OK ? result : reset);
}

static size_t rank_vectors(const struct dv_vectors_sqlite *sqlite, const struct dv_vectors_query *query, int64_t *numbers)
{
    struct dv_near near[DV_VECTORS_RANKED_MAX];
    size_t count = query->vector.at != NULL ? dv_vectors_memory_scan(&sqlite->memory, query, near, DV_VECTORS_RANKED_MAX) : 0;
    for (size_t i = 0; i < count; i++)
        numbers[i] = near[i].number;
    return count;
}

static bool keep(struct dv_arena *arena, struct dv_store_bytes *bytes)
{
    if (bytes->at == NULL)
        return true;
    char *copy = dv_arena_copy(arena, bytes->at, bytes->length);
    bytes->at = copy;
    return copy != NULL;
}

/* The row of a hit, copied. */
static dv_rc read_hit(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_query *query, sqlite3_stmt *fetch, struct dv_vectors_hit *hit)
{
    struct dv_store_bytes id = column(fetch, 0), vector = column(fetch, 8);
    struct dv_vectors_row *row = &hit->row;
    *row = (struct dv_vectors_row){ .tenant = column(fetch, 1), .schema = column(fetch, 2), .created_ms = sqlite3_column_int64(fetch, 3),
                                    .text = column(fetch, 4), .subject_ref = column(fetch, 5), .hash = column(fetch, 7),
                                    .subjects = (uint32_t)sqlite3_column_int64(fetch, 6) };
    bool own = row->tenant.length == query->tenant.length && memcmp(row->tenant.at, query->tenant.at, row->tenant.length) == 0;
    if (!own || id.length != sizeof row->id)
        return DV_E_FAILED;
    memcpy(row->id, id.at, sizeof row->id);
    hit->compared = query->vector.at != NULL && vector.at != NULL && vector.length == query->vector.length;
    if (hit->compared)
        hit->cosine = (double)dv_vectors_product(query->vector.at, vector.at, vector.length / sizeof(float));
    bool kept = keep(&sqlite->arena, &row->tenant) && keep(&sqlite->arena, &row->schema) && keep(&sqlite->arena, &row->text) &&
                keep(&sqlite->arena, &row->subject_ref) && keep(&sqlite->arena, &row->hash);
    return kept ? DV_OK : DV_E_LIMIT;
}

static dv_rc fetch_hit(struct dv_vectors_sqlite *sqlite, const struct dv_vectors_query *query, int64_t number, struct dv_vectors_hit *hit)
{
    sqlite3_stmt *fetch = sqlite->statements[DV_VECTORS_FETCH];
    int result = sqlite3_bind_int64(fetch, 1, number) | dv_vectors_sql_text(fetch, 2, query->tenant);
    if (result == SQLITE_OK)
        result = sqlite3_step(fetch);
    dv_rc rc = result == SQLITE_ROW ? read_hit(sqlite, query, fetch, hit)
                                    : result == SQLITE_DONE ? DV_E_MISSING : dv_sqlite_code(sqlite->db, result);
    (void)sqlite3_reset(fetch);
    (void)sqlite3_clear_bindings(fetch);
    return rc;
}

/* The best of the joined list that are like the question; one that has just gone is passed over. */
static dv_rc take_hits(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *search, const struct dv_vectors_query *query,
                       const struct dv_fused *fused, size_t count)
{
    for (size_t i = 0; i < count && search->total < query->top; i++) {
        struct dv_vectors_hit *hit = &sqlite->hits[search->total];
        *hit = (struct dv_vectors_hit){ .lexical_rank = fused[i].lexical_rank, .score = fused[i].score };
        dv_rc rc = fetch_hit(sqlite, query, fused[i].number, hit);
        if (rc != DV_OK && rc != DV_E_MISSING)
            return rc;
        if (rc == DV_OK && !(hit->compared && hit->cosine < query->floor))
            search->total++;
    }
    search->hits = sqlite->hits;
    return DV_OK;
}

static dv_rc search_all(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *search)
{
    struct dv_vectors_query query = search->query;
    int64_t near[DV_VECTORS_RANKED_MAX], words[DV_VECTORS_RANKED_MAX];
    struct dv_fused fused[DV_FUSED_MAX];
    size_t words_count = 0;
    DV_ASSERT(query.tenant.at != NULL && query.top <= DV_VECTORS_TOP_MAX);
    search->total = 0;
    dv_arena_reset(&sqlite->arena);
    if (sqlite->partial) /* the nearest of some are not the nearest */
        query.vector = (struct dv_store_bytes){ 0 };
    if (query.vector.at != NULL && !dv_vectors_memory_fits(&sqlite->memory, query.tenant, query.model, query.vector.length / sizeof(float))) {
        search->reason = DV_VECTORS_OTHER_MODEL;
        return DV_E_CONFIG;
    }
    search->lexical = query.vector.at == NULL || dv_vectors_memory_count(&sqlite->memory, query.tenant) == 0;
    DV_TRY(rank_words(sqlite, &query, words, &words_count));
    size_t near_count = rank_vectors(sqlite, &query, near);
    size_t count = dv_vectors_fuse(near, near_count, words, words_count, search->lexical ? 1 : 2, fused);
    return take_hits(sqlite, search, &query, fused, count);
}

/* ---- counting ---- */

static dv_rc count_all(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *count)
{
    sqlite3_stmt *statement = sqlite->statements[DV_VECTORS_TOTAL];
    int64_t total = 0;
    int result = dv_vectors_sql_text(statement, 1, count->query.tenant);
    if (result == SQLITE_OK)
        result = dv_vectors_sql_number(statement, &total);
    count->total = (uint64_t)total;
    return dv_sqlite_code(sqlite->db, result);
}

void dv_vectors_sqlite_work(struct dv_vectors_sqlite *sqlite, struct dv_vectors_request *request)
{
    request->reason = NULL;
    request->rc = dv_vectors_sqlite_refresh(sqlite);
    if (request->rc != DV_OK && request->rc != DV_E_FULL)
        return;
    /* Another process may have put more than we may hold: what the file alone can answer goes on. */
    sqlite->partial = request->rc == DV_E_FULL;
    switch (request->kind) {
    case DV_VECTORS_PUT: request->rc = put_all(sqlite, request); break;
    case DV_VECTORS_SEARCH: request->rc = search_all(sqlite, request); break;
    case DV_VECTORS_REMOVE: request->rc = dv_vectors_sqlite_remove(sqlite, request); break;
    case DV_VECTORS_EXPIRE: request->rc = dv_vectors_sqlite_expire(sqlite, request); break;
    case DV_VECTORS_IDS: request->rc = dv_vectors_sqlite_ids(sqlite, request); break;
    case DV_VECTORS_COUNT: request->rc = count_all(sqlite, request); break;
    }
}
