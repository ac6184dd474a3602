/* SPDX-License-Identifier: Apache-2.0
 * conversations_work.c - what the store of conversations does for each request; all of it runs on a worker. */
#include <string.h>

#include "connectors/conversations_sql.h"
#include "connectors/sqlite_file.h"

#define FULL "the place for conversations is full: erase some, or raise `bytes`"

/* ---- bounds ---- */

static int64_t since(const struct dv_conversations *store, const struct dv_conversations_request *request)
{
    return request->now_ms - store->limits.keep_ms;
}

static int lapse(struct dv_conversations *store, const struct dv_conversations_request *request, uint64_t *ret_gone)
{
    static const enum dv_conversations_sql steps[] = { DV_TALK_LAPSE_TURNS, DV_TALK_LAPSE };
    int result = SQLITE_OK;
    for (size_t i = 0; i < 2 && result == SQLITE_OK; i++) {
        result = dv_talk_delete(store, steps[i], sqlite3_bind_int64(store->statements[steps[i]], 1, since(store, request)));
        *ret_gone = result == SQLITE_OK ? (uint64_t)sqlite3_changes(store->db) : 0;
    }
    return result;
}

static int read_number(sqlite3_stmt *statement, int bound, int64_t *ret)
{
    *ret = 0;
    if (bound == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    return dv_talk_reset(statement, bound);
}

static int count_bytes(struct dv_conversations *store, uint64_t *ret)
{
    int64_t bytes = 0;
    int result = read_number(store->statements[DV_TALK_BYTES], SQLITE_OK, &bytes);
    *ret = (uint64_t)bytes;
    return result;
}

/* Takes away the asker's conversation that was used longest ago. */
static int drop_oldest(struct dv_conversations *store, const uint8_t asker[DV_ASKER_BYTES], int64_t but)
{
    sqlite3_stmt *oldest = store->statements[DV_TALK_OLDEST];
    return dv_talk_delete(store, DV_TALK_OLDEST, dv_talk_bind_asker(oldest, store->tenant, asker) | sqlite3_bind_int64(oldest, 3, but));
}

/* The asker's other conversations go, those used longest ago first, until there is room; none of them if that would not be enough. */
static int make_room(struct dv_conversations *store, const uint8_t asker[DV_ASKER_BYTES], int64_t but, bool *ret_full)
{
    sqlite3_stmt *others = store->statements[DV_TALK_OTHERS];
    uint64_t bytes = 0;
    int64_t own = 0;
    int result = count_bytes(store, &bytes);
    if (result == SQLITE_OK && bytes >= store->limits.bytes)
        result = read_number(others, dv_talk_bind_asker(others, store->tenant, asker) | sqlite3_bind_int64(others, 3, but), &own);
    *ret_full = bytes - (uint64_t)own >= store->limits.bytes;
    while (result == SQLITE_OK && !*ret_full && bytes >= store->limits.bytes) {
        result = drop_oldest(store, asker, but);
        if (result == SQLITE_OK)
            result = count_bytes(store, &bytes);
    }
    return result;
}

/* ---- one's conversations ---- */

static int insert_conversation(struct dv_conversations *store, const struct dv_conversations_request *request)
{
    sqlite3_stmt *spare = store->statements[DV_TALK_SPARE], *make = store->statements[DV_TALK_MAKE];
    int bound = dv_talk_bind_asker(spare, store->tenant, request->asker) | sqlite3_bind_int64(spare, 3, (int64_t)store->limits.conversations - 1);
    int result = dv_talk_delete(store, DV_TALK_SPARE, bound);
    if (result != SQLITE_OK)
        return result;
    bound = dv_talk_bind_asker(make, store->tenant, request->asker) | dv_talk_bind_id(make, 3, request->id) | sqlite3_bind_int64(make, 4, request->now_ms);
    return dv_talk_run(make, bound);
}

static dv_rc make(struct dv_conversations *store, struct dv_conversations_request *request)
{
    bool full = false;
    uint64_t gone = 0;
    int result = dv_talk_begin(store);
    if (result == SQLITE_OK)
        result = lapse(store, request, &gone);
    if (result == SQLITE_OK)
        result = make_room(store, request->asker, 0, &full);
    if (result == SQLITE_OK && !full)
        result = insert_conversation(store, request);
    DV_TRY(dv_talk_end(store, DV_OK, result));
    request->reason = full ? FULL : NULL;
    return full ? DV_E_FULL : DV_OK;
}

/* DV_E_MISSING: it is not the asker's, or it has lapsed. */
static dv_rc find(struct dv_conversations *store, const struct dv_conversations_request *request, const uint8_t asker[DV_ASKER_BYTES],
                  const uint8_t id[DV_STORE_ID_BYTES], int64_t *ret_n, struct dv_conversation *ret)
{
    sqlite3_stmt *statement = store->statements[DV_TALK_FIND];
    int bound = dv_talk_bind_asker(statement, store->tenant, asker) | dv_talk_bind_id(statement, 3, id) | sqlite3_bind_int64(statement, 4, since(store, request));
    int result = bound == SQLITE_OK ? sqlite3_step(statement) : bound;
    if (result == SQLITE_ROW) {
        *ret_n = sqlite3_column_int64(statement, 0);
        *ret = (struct dv_conversation){ .created_ms = sqlite3_column_int64(statement, 1), .used_ms = sqlite3_column_int64(statement, 2) };
        memcpy(ret->id, id, sizeof ret->id);
    }
    (void)dv_talk_reset(statement, bound);
    return result == SQLITE_DONE ? DV_E_MISSING : dv_sqlite_code(store->db, result);
}

static dv_rc know(struct dv_conversations *store, struct dv_conversations_request *request)
{
    struct dv_conversation found;
    int64_t n = 0;
    return find(store, request, request->asker, request->id, &n, &found);
}

static dv_rc list(struct dv_conversations *store, struct dv_conversations_request *request)
{
    sqlite3_stmt *statement = store->statements[DV_TALK_LIST];
    struct dv_conversation *found = dv_arena_zeroed(&store->arena, store->limits.conversations, sizeof *found);
    int bound = dv_talk_bind_asker(statement, store->tenant, request->asker) | sqlite3_bind_int64(statement, 3, since(store, request));
    bool sound = true;
    if (found == NULL)
        return DV_E_MEMORY;
    while (bound == SQLITE_OK && sound && request->total < store->limits.conversations && sqlite3_step(statement) == SQLITE_ROW) {
        struct dv_conversation *one = &found[request->total++];
        sound = dv_talk_take_id(statement, 0, one->id);
        one->created_ms = sqlite3_column_int64(statement, 1);
        one->used_ms = sqlite3_column_int64(statement, 2);
        one->turns = (uint32_t)sqlite3_column_int64(statement, 3);
    }
    int result = dv_talk_reset(statement, bound);
    request->conversations = found;
    return sound ? dv_sqlite_code(store->db, result) : DV_E_FAILED;
}

/* ---- turns ---- */

/* What was said in a turn; its sentences are as many as its bytes allow. */
static dv_rc read_said(struct dv_conversations *store, struct dv_turn *turn, int64_t n)
{
    sqlite3_stmt *statement = store->statements[DV_TALK_SAID];
    uint32_t room = 0;
    bool copied = true;
    int bound = sqlite3_bind_int64(statement, 1, n);
    while (bound == SQLITE_OK && copied && sqlite3_step(statement) == SQLITE_ROW) {
        if (turn->said_count == room) {
            struct dv_said *more = dv_arena_zeroed(&store->arena, room == 0 ? 8 : 2 * (size_t)room, sizeof *more);
            if (more != NULL && room > 0)
                memcpy(more, turn->said, room * sizeof *more);
            copied = more != NULL;
            turn->said = copied ? more : turn->said;
            room = room == 0 ? 8 : 2 * room;
        }
        if (copied)
            copied = dv_talk_take_text(store, statement, 0, &turn->said[turn->said_count].text) &&
                     dv_talk_take_text(store, statement, 1, &turn->said[turn->said_count].citations);
        turn->said_count += copied;
    }
    int result = dv_talk_reset(statement, bound);
    return copied ? dv_sqlite_code(store->db, result) : DV_E_MEMORY;
}

/* The turns of a conversation, newest first. */
struct reading {
    const uint8_t *but; /* the id of one that is left out */
    int64_t since;
    uint32_t most;
    struct dv_turn *turns;
    uint32_t count;
    int64_t numbers[DV_TURNS_MAX];
    struct dv_store_bytes whole, question; /* of the newest that stands; NULL: none does */
};

/* What was refused, or failed, is nothing that a question follows. */
static bool stands(const struct dv_turn *turn)
{
    static const char *const fallen[] = { "refused", "failed" };
    for (size_t i = 0; i < sizeof fallen / sizeof *fallen; i++)
        if (turn->status.length == strlen(fallen[i]) && memcmp(turn->status.at, fallen[i], turn->status.length) == 0)
            return false;
    return true;
}

static dv_rc read_turn(struct dv_conversations *store, sqlite3_stmt *statement, struct reading *reading)
{
    struct dv_turn *turn = &reading->turns[reading->count];
    struct dv_store_bytes whole;
    reading->numbers[reading->count] = sqlite3_column_int64(statement, 0);
    turn->asked_ms = sqlite3_column_int64(statement, 2);
    turn->cut = sqlite3_column_int(statement, 5) != 0;
    if (!dv_talk_take_id(statement, 1, turn->id))
        return DV_E_FAILED;
    if (!dv_talk_take_text(store, statement, 3, &turn->question) || !dv_talk_take_text(store, statement, 4, &turn->status) || !dv_talk_take_text(store, statement, 6, &whole))
        return DV_E_MEMORY;
    reading->count++;
    if (reading->question.at == NULL && stands(turn)) {
        reading->whole = whole;
        reading->question = turn->question;
    }
    return DV_OK;
}

static dv_rc read_turns(struct dv_conversations *store, int64_t conversation, struct reading *reading)
{
    sqlite3_stmt *statement = store->statements[DV_TALK_TURNS];
    dv_rc rc = DV_OK;
    reading->turns = dv_arena_zeroed(&store->arena, reading->most, sizeof *reading->turns);
    if (reading->turns == NULL)
        return DV_E_MEMORY;
    int bound = sqlite3_bind_int64(statement, 1, conversation) | dv_talk_bind_id(statement, 2, reading->but) |
                sqlite3_bind_int64(statement, 3, reading->since) | sqlite3_bind_int64(statement, 4, reading->most);
    while (bound == SQLITE_OK && rc == DV_OK && sqlite3_step(statement) == SQLITE_ROW)
        rc = read_turn(store, statement, reading);
    int result = dv_talk_reset(statement, bound);
    if (rc == DV_OK)
        rc = dv_sqlite_code(store->db, result);
    for (uint32_t i = 0; rc == DV_OK && i < reading->count; i++)
        rc = read_said(store, &reading->turns[i], reading->numbers[i]);
    return rc;
}

static dv_rc show(struct dv_conversations *store, struct dv_conversations_request *request)
{
    static const uint8_t nobody[DV_STORE_ID_BYTES];
    struct reading reading = { .but = nobody, .since = since(store, request), .most = store->limits.turns };
    struct dv_conversation *found = dv_arena_zeroed(&store->arena, 1, sizeof *found);
    int64_t n = 0;
    if (found == NULL)
        return DV_E_MEMORY;
    DV_TRY(find(store, request, request->asker, request->id, &n, found));
    DV_TRY(read_turns(store, n, &reading));
    found->turns = reading.count;
    request->conversations = found;
    request->turns = reading.turns;
    request->total = reading.count;
    return DV_OK;
}

/* ---- asking ---- */

/* Whole characters only. */
static struct dv_store_bytes cut_text(struct dv_store_bytes text, size_t most)
{
    const unsigned char *bytes = text.at;
    if (text.length <= most)
        return text;
    while (most > 0 && (bytes[most] & 0xC0) == 0x80)
        most--;
    return (struct dv_store_bytes){ text.at, most };
}

/* "before after", or NULL if that is too long or there is no memory for it. */
static const char *join(struct dv_conversations *store, struct dv_store_bytes before, struct dv_store_bytes after, size_t *ret_length)
{
    *ret_length = before.length + 1 + after.length;
    char *text = *ret_length <= DV_TURN_WHOLE_MAX ? dv_arena_text(&store->arena, *ret_length) : NULL;
    if (text == NULL)
        return NULL;
    memcpy(text, before.at, before.length);
    text[before.length] = ' ';
    memcpy(text + before.length + 1, after.at, after.length);
    return text;
}

/* What a question that follows means: with all that the last one that stands meant, with that one alone if that is too long, or alone. */
static struct dv_store_bytes make_whole(struct dv_conversations *store, const struct dv_turn_question *question, const struct reading *before)
{
    struct dv_store_bytes whole = question->text;
    if (!question->follows || before->question.at == NULL)
        return whole;
    size_t length = 0;
    const char *text = join(store, before->whole, question->text, &length);
    if (text == NULL)
        text = join(store, before->question, question->text, &length);
    return text != NULL ? (struct dv_store_bytes){ text, length } : whole;
}

/* A question that comes again, and has no whole answer yet, is answered from the start. */
static int begin_again(struct dv_conversations *store, const struct dv_turn_question *question, int64_t n)
{
    sqlite3_stmt *open = store->statements[DV_TALK_OPEN], *unsay = store->statements[DV_TALK_UNSAY], *withdraw = store->statements[DV_TALK_WITHDRAW];
    int64_t turn = 0;
    int result = read_number(open, sqlite3_bind_int64(open, 1, n) | dv_talk_bind_id(open, 2, question->id), &turn);
    if (result == SQLITE_OK && turn != 0)
        result = dv_talk_delete(store, DV_TALK_UNSAY, sqlite3_bind_int64(unsay, 1, turn));
    if (result == SQLITE_OK && turn != 0)
        result = dv_talk_run(withdraw, sqlite3_bind_int64(withdraw, 1, turn));
    return result;
}

static int insert_turn(struct dv_conversations *store, const struct dv_conversations_request *request, struct dv_turn_question *question, int64_t n)
{
    sqlite3_stmt *ask = store->statements[DV_TALK_ASK], *fall = store->statements[DV_TALK_FALL], *use = store->statements[DV_TALK_USE];
    struct dv_store_bytes text = cut_text(question->text, DV_TURN_QUESTION_MAX), whole = cut_text(question->whole, DV_TURN_WHOLE_MAX);
    int bound = sqlite3_bind_int64(ask, 1, n) | dv_talk_bind_id(ask, 2, question->id) | sqlite3_bind_int64(ask, 3, request->now_ms) |
                dv_talk_bind_text(ask, 4, text) | dv_talk_bind_text(ask, 5, whole) | sqlite3_bind_int64(ask, 6, (int64_t)(text.length + whole.length));
    int result = dv_talk_run(ask, bound);
    if (result == SQLITE_OK && sqlite3_changes(store->db) == 0)
        result = begin_again(store, question, n);
    if (result == SQLITE_OK)
        result = dv_talk_delete(store, DV_TALK_FALL, sqlite3_bind_int64(fall, 1, n) | sqlite3_bind_int64(fall, 2, store->limits.turns));
    if (result == SQLITE_OK)
        result = dv_talk_run(use, sqlite3_bind_int64(use, 1, n) | sqlite3_bind_int64(use, 2, request->now_ms));
    question->kept = result == SQLITE_OK;
    return result;
}

/* One question of a batch; `*result` is what SQLite says. */
static dv_rc ask_one(struct dv_conversations *store, const struct dv_conversations_request *request, struct dv_turn_question *question, int *result)
{
    struct reading reading = { .but = question->id, .since = since(store, request), .most = store->limits.remembered };
    struct dv_conversation found;
    int64_t n = 0;
    bool full = false;
    question->whole = question->text;
    dv_rc rc = find(store, request, question->asker, question->conversation, &n, &found);
    question->known = rc == DV_OK;
    if (rc == DV_E_MISSING)
        return DV_OK;
    DV_TRY(rc);
    DV_TRY(read_turns(store, n, &reading));
    question->turns = reading.turns;
    question->turn_count = reading.count;
    question->whole = make_whole(store, question, &reading);
    *result = make_room(store, question->asker, n, &full);
    if (*result == SQLITE_OK && !full)
        *result = insert_turn(store, request, question, n);
    return DV_OK;
}

static dv_rc ask(struct dv_conversations *store, struct dv_conversations_request *request)
{
    uint64_t gone = 0;
    dv_rc rc = DV_OK;
    int result = dv_talk_begin(store);
    if (result == SQLITE_OK)
        result = lapse(store, request, &gone);
    for (uint32_t i = 0; i < request->count && result == SQLITE_OK && rc == DV_OK; i++)
        rc = ask_one(store, request, &request->questions[i], &result);
    return dv_talk_end(store, rc, result);
}

/* ---- answering ---- */

/* Its number and size; not found: nobody keeps it, or its answer is whole, and comes again. */
static int find_turn(struct dv_conversations *store, const struct dv_turn_line *line, int64_t *ret_n, int64_t *ret_bytes, bool *ret_found)
{
    sqlite3_stmt *statement = store->statements[DV_TALK_TURN];
    int bound = sqlite3_bind_text(statement, 1, store->tenant, -1, SQLITE_STATIC) | dv_talk_bind_id(statement, 2, line->id);
    *ret_found = bound == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;
    if (*ret_found) {
        *ret_n = sqlite3_column_int64(statement, 0);
        *ret_bytes = sqlite3_column_int64(statement, 1);
    }
    return dv_talk_reset(statement, bound);
}

static int say(struct dv_conversations *store, const struct dv_turn_line *line, int64_t n, int64_t bytes)
{
    sqlite3_stmt *say = store->statements[DV_TALK_SAY], *grow = store->statements[DV_TALK_GROW];
    int64_t more = (int64_t)(line->said.text.length + line->said.citations.length);
    uint64_t total = 0;
    int result = count_bytes(store, &total);
    bool fits = total < store->limits.bytes && bytes + more <= (int64_t)store->limits.turn_bytes;
    if (result == SQLITE_OK && fits)
        result = dv_talk_run(say, sqlite3_bind_int64(say, 1, n) | dv_talk_bind_text(say, 2, line->said.text) | dv_talk_bind_text(say, 3, line->said.citations));
    if (result == SQLITE_OK)
        result = dv_talk_run(grow, sqlite3_bind_int64(grow, 1, n) | sqlite3_bind_int64(grow, 2, fits ? more : 0) | sqlite3_bind_int64(grow, 3, !fits));
    return result;
}

static int conclude(struct dv_conversations *store, const struct dv_turn_line *line, int64_t n)
{
    sqlite3_stmt *status = store->statements[DV_TALK_END], *unsay = store->statements[DV_TALK_UNSAY];
    sqlite3_stmt *withdraw = store->statements[DV_TALK_WITHDRAW];
    int result = dv_talk_run(status, sqlite3_bind_int64(status, 1, n) | dv_talk_bind_text(status, 2, line->status));
    if (result == SQLITE_OK && line->withdrawn)
        result = dv_talk_delete(store, DV_TALK_UNSAY, sqlite3_bind_int64(unsay, 1, n));
    if (result == SQLITE_OK && line->withdrawn)
        result = dv_talk_run(withdraw, sqlite3_bind_int64(withdraw, 1, n));
    return result;
}

/* Most answers belong to no conversation, and write nothing. */
static dv_rc answer(struct dv_conversations *store, struct dv_conversations_request *request)
{
    int64_t n = 0, bytes = 0;
    bool found = false, begun = false;
    int result = SQLITE_OK;
    for (uint32_t i = 0; i < request->count && result == SQLITE_OK; i++) {
        const struct dv_turn_line *line = &request->lines[i];
        result = find_turn(store, line, &n, &bytes, &found);
        if (result != SQLITE_OK || !found)
            continue;
        if (!begun) { /* from here on nobody takes it away */
            result = dv_talk_begin(store);
            begun = result == SQLITE_OK;
            i--;
            continue;
        }
        result = line->status.at != NULL ? conclude(store, line, n) : say(store, line, n, bytes);
        request->total++;
    }
    return begun ? dv_talk_end(store, DV_OK, result) : dv_sqlite_code(store->db, result);
}

/* ---- erasing ---- */

static dv_rc erase(struct dv_conversations *store, struct dv_conversations_request *request)
{
    enum dv_conversations_sql which = request->all ? DV_TALK_ERASE_ALL : DV_TALK_ERASE;
    bool again = store->owes_cut; /* whoever was told to erase it again finds it gone, which is what he wants to hear */
    sqlite3_stmt *statement = store->statements[which];
    int result = dv_talk_begin(store);
    if (result == SQLITE_OK) {
        int bound = dv_talk_bind_asker(statement, store->tenant, request->asker);
        if (!request->all)
            bound |= dv_talk_bind_id(statement, 3, request->id);
        result = dv_talk_delete(store, which, bound);
        request->total = (uint64_t)sqlite3_changes(store->db);
    }
    DV_TRY(dv_talk_end(store, DV_OK, result));
    store->owes_cut = store->owes_cut || request->total > 0;
    DV_TRY(dv_talk_wipe_log(store, request));
    store->owes_cut = false;
    return request->total == 0 && !request->all && !again ? DV_E_MISSING : DV_OK;
}

static dv_rc sweep(struct dv_conversations *store, struct dv_conversations_request *request)
{
    int result = dv_talk_begin(store);
    if (result == SQLITE_OK)
        result = lapse(store, request, &request->total);
    DV_TRY(dv_talk_end(store, DV_OK, result));
    return dv_talk_wipe_log(store, request);
}

void dv_conversations_work(struct dv_conversations *store, struct dv_conversations_request *request)
{
    static dv_rc (*const works[])(struct dv_conversations *store, struct dv_conversations_request *request) = {
        [DV_CONVERSATIONS_MAKE] = make, [DV_CONVERSATIONS_KNOW] = know,     [DV_CONVERSATIONS_LIST] = list,   [DV_CONVERSATIONS_SHOW] = show,
        [DV_CONVERSATIONS_ASK] = ask,   [DV_CONVERSATIONS_ANSWER] = answer, [DV_CONVERSATIONS_ERASE] = erase, [DV_CONVERSATIONS_SWEEP] = sweep,
        [DV_CONVERSATIONS_FORGET] = dv_conversations_forget, [DV_CONVERSATIONS_CUT] = dv_talk_wipe_log,
    };
    request->reason = NULL;
    request->total = 0;
    request->conversations = NULL;
    request->turns = NULL;
    dv_arena_reset(&store->arena);
    request->rc = works[request->kind](store, request);
}
