/* SPDX-License-Identifier: Apache-2.0
 * conversations_forget.c - takes away the turns whose answers cite one of some records; on a worker.
 *
 * The file has no index of what is cited: all that is cited is read, piece by piece, and what cites one of them is deleted in
 * transactions of their own, so that a graph that runs meanwhile waits for one piece at most. */
#include <stdlib.h>
#include <string.h>

#include "connectors/conversations_sql.h"
#include "connectors/sqlite_file.h"
#include "engine/id.h"

enum { PIECE = 256, ID_TEXT = DV_UUID_TEXT - 1, FIRST_DASH = 8 };

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, DV_STORE_ID_BYTES);
}

/* Whether an id of the request stands anywhere in the citations. */
static bool names_one(const struct dv_conversations_request *request, const char *citations, size_t length)
{
    uint8_t id[DV_STORE_ID_BYTES];
    for (size_t at = 0; at + ID_TEXT <= length; at++)
        if (citations[at + FIRST_DASH] == '-' && dv_id_parse(citations + at, ID_TEXT, id) &&
            bsearch(id, request->ids, request->id_count, sizeof *request->ids, by_id) != NULL)
            return true;
    return false;
}

/* Some turns behind `after` that cite one of them; fewer than PIECE: there are no more. */
static int find_cited(struct dv_conversations *store, const struct dv_conversations_request *request, int64_t after, int64_t turns[PIECE], uint32_t *ret_count)
{
    sqlite3_stmt *cited = store->statements[DV_TALK_CITED];
    int bound = sqlite3_bind_text(cited, 1, store->tenant, -1, SQLITE_STATIC) | sqlite3_bind_int64(cited, 2, after);
    *ret_count = 0;
    while (bound == SQLITE_OK && *ret_count < PIECE && sqlite3_step(cited) == SQLITE_ROW) {
        int64_t turn = sqlite3_column_int64(cited, 0);
        const char *citations = (const char *)sqlite3_column_text(cited, 1);
        bool counted = *ret_count > 0 && turns[*ret_count - 1] == turn;
        if (!counted && citations != NULL && names_one(request, citations, (size_t)sqlite3_column_bytes(cited, 1)))
            turns[(*ret_count)++] = turn;
    }
    return dv_talk_reset(cited, bound);
}

static dv_rc drop(struct dv_conversations *store, struct dv_conversations_request *request, const int64_t *turns, uint32_t count)
{
    uint64_t dropped = 0;
    int result = dv_talk_begin(store);
    for (uint32_t i = 0; i < count && result == SQLITE_OK; i++) {
        result = dv_talk_delete(store, DV_TALK_DROP, sqlite3_bind_int64(store->statements[DV_TALK_DROP], 1, turns[i]));
        dropped += result == SQLITE_OK ? (uint64_t)sqlite3_changes(store->db) : 0;
    }
    dv_rc rc = dv_talk_end(store, DV_OK, result);
    request->total += rc == DV_OK ? dropped : 0;
    return rc;
}

/* Those that have no end yet: nobody knows what they will cite. */
static dv_rc drop_open(struct dv_conversations *store, struct dv_conversations_request *request)
{
    sqlite3_stmt *open = store->statements[DV_TALK_DROP_OPEN];
    uint64_t dropped = 0;
    int result = dv_talk_begin(store);
    if (result == SQLITE_OK)
        result = dv_talk_delete(store, DV_TALK_DROP_OPEN, sqlite3_bind_text(open, 1, store->tenant, -1, SQLITE_STATIC));
    if (result == SQLITE_OK)
        dropped = (uint64_t)sqlite3_changes(store->db);
    dv_rc rc = dv_talk_end(store, DV_OK, result);
    request->total += rc == DV_OK ? dropped : 0;
    return rc;
}

/* Whether something could be dropped, though nothing may be to drop yet: who asks first has texts to lose. */
static dv_rc prove_writable(struct dv_conversations *store)
{
    int result = dv_talk_begin(store);
    return dv_talk_end(store, DV_OK, result);
}

/* Open ones first: what ends between the two steps cites nothing behind the back of the second. */
dv_rc dv_conversations_forget(struct dv_conversations *store, struct dv_conversations_request *request)
{
    int64_t turns[PIECE], after = 0;
    uint32_t count = request->id_count > 0 ? PIECE : 0;
    DV_TRY(request->open_too ? drop_open(store, request) : prove_writable(store));
    while (count == PIECE) {
        DV_TRY(dv_sqlite_code(store->db, find_cited(store, request, after, turns, &count)));
        if (count > 0) {
            DV_TRY(drop(store, request, turns, count));
            after = turns[count - 1];
        }
    }
    return DV_OK;
}
