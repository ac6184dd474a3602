/* SPDX-License-Identifier: Apache-2.0
 * conversation.c - keeps questions as turns of their askers' conversations, and puts beside each what came before it.
 *
 * Two columns are added, and those of the conversation and the asker taken away:
 *   whole    text: the question with what it follows, if it follows (follow_up.h), for the search; else the question
 *   history  text: the turns before it, for a prompt (history.h); missing if there are none
 * A question without a conversation, or of one that is not its asker's, stands for itself and is not kept. What is kept will be in
 * prompts, so it must be cleared for one. `sink-conversation` adds the answers. */
#include "operators/conversation.h"

#include <string.h>

#include "engine/graph.h"
#include "engine/id.h"
#include "engine/memory.h"
#include "engine/stats.h"
#include "operators/exit_guard.h"
#include "operators/follow_up.h"
#include "operators/history.h"
#include "operators/keys.h"
#include "vault/hmac.h"

enum { PARTS = 3, SWEEPS = 24, SWEEP_MIN_MS = 1000, SWEEP_MAX_MS = 3600000 };
enum part { QUESTION, CONVERSATION, ASKER };

struct conversation {
    const char *path;
    const char *names[PARTS];
    int64_t turns, conversations, remembered, turn_bytes, history_bytes, bytes, keep_ms;
    uint32_t column[PARTS];
    const struct dv_schema *out;
    int from[DV_COLUMNS_MAX];
    struct dv_node *node;
    struct dv_conversations store;
    struct dv_hmac *key; /* in secret pages; NULL: there is no keyring, and nobody to name */
    struct dv_batch *held;
    struct dv_turn_question *questions; /* of that batch */
    uint16_t rows[DV_BATCH_ROWS];       /* that they stand in */
    struct dv_conversations_request request, sweep;
    struct dv_timer timer; /* when to sweep */
    bool opened, sweeping;
    uint64_t kept, unknown, left_out, followed;
};

static const struct dv_option options[] = {
    { "path", DV_STR, offsetof(struct conversation, path), .flags = DV_REQUIRED, .help = "SQLite file of the conversations, made if it is missing." },
    { "question", DV_STR, offsetof(struct conversation, names[QUESTION]), .initial = "question", .help = "Text column of the question." },
    { "conversation", DV_STR, offsetof(struct conversation, names[CONVERSATION]), .initial = "conversation",
      .help = "Text column of the conversation's id, a UUID." },
    { "asker", DV_STR, offsetof(struct conversation, names[ASKER]), .initial = "asker",
      .help = "Bytes column of who asks, which `source from: http` fills by its option of that name." },
    { "turns", DV_INT, offsetof(struct conversation, turns), .initial = "20", .min = 1, .max = DV_TURNS_MAX,
      .help = "Turns of a conversation; the oldest fall out." },
    { "conversations", DV_INT, offsetof(struct conversation, conversations), .initial = "100", .min = 1, .max = DV_CONVERSATIONS_MAX,
      .help = "Conversations of an asker; a new one puts out the one that was used longest ago." },
    { "keep", DV_DURATION, offsetof(struct conversation, keep_ms), .initial = "30d", .min = 1000, .max = INT64_C(315360000000),
      .help = "What is older is gone." },
    { "turn_bytes", DV_SIZE, offsetof(struct conversation, turn_bytes), .initial = "16KiB", .min = 1024, .max = DV_TURN_BYTES_MAX,
      .help = "Bytes of a question with its answer; sentences beyond them are not kept." },
    { "bytes", DV_SIZE, offsetof(struct conversation, bytes), .initial = "256MiB", .min = 64 * 1024, .max = INT64_C(1) << 40,
      .help = "Bytes of all questions and answers; when they are used up an asker's older conversations make room for his new turns, and when "
              "he has none his turns are not kept." },
    { "remembered", DV_INT, offsetof(struct conversation, remembered), .initial = "4", .min = 1, .max = DV_TURNS_MAX,
      .help = "Turns before a question that are put beside it, at most." },
    { "history_bytes", DV_SIZE, offsetof(struct conversation, history_bytes), .initial = "4KiB", .min = 64, .max = 65536,
      .help = "Bytes of them, at most; the oldest are left out." },
    { 0 },
};

/* ---- the schema ---- */

static dv_rc find_columns(struct dv_node *node, const struct dv_shape *shape)
{
    static const char *const option_names[PARTS] = { "question", "conversation", "asker" };
    static const enum dv_type types[PARTS] = { DV_TYPE_TEXT, DV_TYPE_TEXT, DV_TYPE_BYTES };
    struct conversation *state = dv_state(node);
    for (uint32_t i = 0; i < PARTS; i++) {
        int column = dv_shape_column(node, shape, option_names[i], state->names[i]);
        if (column < 0)
            return DV_E_CONFIG;
        if (shape->in->columns[column].type != types[i])
            return dv_refuse(node, option_names[i], "C230", NULL, "column '%s' is of type %s; a %s column is needed", state->names[i],
                             dv_type_name(shape->in->columns[column].type), dv_type_name(types[i]));
        state->column[i] = (uint32_t)column;
    }
    return DV_OK;
}

static bool is_left_behind(const struct conversation *state, uint32_t column)
{
    return column == state->column[CONVERSATION] || column == state->column[ASKER];
}

/* Whatever is kept was cleared for a prompt, and redacted text may go to no exit that refuses one of those labels (as in search.c). */
static const struct dv_schema *make_out(struct dv_node *node, const struct dv_shape *shape)
{
    struct conversation *state = dv_state(node);
    const struct dv_label label = dv_label(DV_CLASS_FREE_TEXT, DV_FORM_REDACTED);
    struct dv_schema *out = dv_schema_copy(dv_node_arena(node), shape->in);
    if (out == NULL)
        return NULL;
    out->column_count = 0;
    out->subject = out->extra = -1;
    for (uint32_t i = 0; i < shape->in->column_count; i++) {
        if (is_left_behind(state, i))
            continue;
        out->subject = shape->in->subject == (int32_t)i ? (int32_t)out->column_count : out->subject;
        out->extra = shape->in->extra == (int32_t)i ? (int32_t)out->column_count : out->extra;
        state->from[out->column_count] = (int)i;
        out->columns[out->column_count++] = shape->in->columns[i];
    }
    state->from[out->column_count] = state->from[out->column_count + 1] = -1;
    (void)dv_schema_add(out, "whole", DV_TYPE_TEXT, label);
    (void)dv_schema_add(out, "history", DV_TYPE_TEXT, label);
    return out;
}

/* Of what comes in, the question alone is kept: ids of conversations are the store's own, and askers are digests. */
static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct conversation *state = dv_state(node);
    DV_TRY(find_columns(node, shape));
    if (dv_schema_find(shape->in, "whole") >= 0 || dv_schema_find(shape->in, "history") >= 0)
        return dv_refuse(node, NULL, "C233", "put a `project` before it", "a column 'whole' or 'history' is there already");
    const struct dv_column *question = &shape->in->columns[state->column[QUESTION]];
    struct dv_schema *kept = dv_schema_new(dv_node_arena(node), shape->in->name, 1);
    state->out = make_out(node, shape);
    if (kept == NULL || state->out == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    (void)dv_schema_add(kept, question->name, question->type, question->label);
    shape->out[0] = state->out;
    shape->cleared = kept;
    shape->shown = kept;
    shape->shown_at = DV_EXIT_LLM;
    return DV_OK;
}

/* ---- rows ---- */

static const struct dv_cell *cell_of(const struct conversation *state, enum part part, uint32_t row)
{
    const struct dv_cell *cell = &dv_batch_cells(state->held, state->column[part])[row];
    return cell->present ? cell : NULL;
}

/* False: the row stands for itself. */
static bool read_question(const struct conversation *state, uint32_t row, struct dv_turn_question *ret)
{
    const struct dv_cell *question = cell_of(state, QUESTION, row), *conversation = cell_of(state, CONVERSATION, row);
    const struct dv_cell *asker = cell_of(state, ASKER, row);
    *ret = (struct dv_turn_question){ .known = false };
    if (dv_batch_rejected(state->held, row) || question == NULL || conversation == NULL || asker == NULL || asker->length != DV_ASKER_BYTES ||
        !dv_id_parse(conversation->text, conversation->length, ret->conversation))
        return false;
    memcpy(ret->asker, asker->text, sizeof ret->asker);
    memcpy(ret->id, state->held->row[row].id, sizeof ret->id);
    ret->text = (struct dv_store_bytes){ question->text, question->length };
    ret->follows = dv_follows(question->text, question->length);
    return true;
}

static uint32_t read_questions(struct conversation *state)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < state->held->rows; row++) {
        state->rows[count] = (uint16_t)row;
        count += read_question(state, row, &state->questions[count]);
    }
    return count;
}

/* A question with what the store says of it; false: no memory. */
static bool write_question(struct conversation *state, const struct dv_turn_question *question, struct dv_cell *whole, struct dv_cell *history)
{
    size_t length = 0;
    state->unknown += !question->known;
    state->kept += question->kept;
    state->left_out += question->known && !question->kept;
    if (!question->known || question->turn_count == 0)
        return true;
    state->followed += question->follows;
    const char *text = dv_arena_copy(&state->held->arena, question->whole.at, question->whole.length);
    const char *before = dv_history_text(&state->held->arena, question->turns, question->turn_count, (size_t)state->history_bytes, &length);
    if (text == NULL || before == NULL)
        return false;
    *whole = (struct dv_cell){ .text = text, .length = (uint32_t)question->whole.length, .present = 1 };
    *history = (struct dv_cell){ .text = before, .length = (uint32_t)length, .present = length > 0 };
    return true;
}

/* The held batch with its new columns; `count` of its questions have been to the store. */
static dv_rc write_all(struct conversation *state, uint32_t count)
{
    struct dv_batch *batch = state->held;
    struct dv_cell *cells[DV_COLUMNS_MAX] = { 0 };
    struct dv_cell *whole = dv_batch_new_cells(batch), *history = dv_batch_new_cells(batch);
    if (whole == NULL || history == NULL)
        return DV_E_MEMORY;
    memcpy(whole, dv_batch_cells(batch, state->column[QUESTION]), batch->rows * sizeof *whole);
    memset(history, 0, batch->rows * sizeof *history);
    for (uint32_t i = 0; i < count; i++)
        if (!write_question(state, &state->questions[i], &whole[state->rows[i]], &history[state->rows[i]]))
            return DV_E_MEMORY;
    cells[state->out->column_count - 2] = whole;
    cells[state->out->column_count - 1] = history;
    return dv_batch_reshape_with(batch, state->out, state->from, cells);
}

static dv_rc finish_rows(struct conversation *state, uint32_t count)
{
    dv_rc rc = write_all(state, count);
    state->held = NULL;
    return dv_is_error(rc) ? dv_fail(state->node, rc, "no memory for the turns before a question") : DV_PASS;
}

static void on_asked(struct dv_conversations_request *request)
{
    struct conversation *state = request->data;
    struct dv_batch *batch = state->held;
    dv_rc rc = request->rc;
    if (rc == DV_OK) {
        rc = finish_rows(state, request->count);
    } else {
        state->held = NULL;
        rc = dv_fail(state->node, rc, "the conversations: %s", request->reason != NULL ? request->reason : dv_rc_text(rc));
    }
    dv_finish(state->node, batch, rc);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct conversation *state = dv_state(node);
    state->held = batch;
    uint32_t count = read_questions(state);
    if (count == 0)
        return finish_rows(state, 0);
    state->request = (struct dv_conversations_request){
        .kind = DV_CONVERSATIONS_ASK, .now_ms = dv_wall_ms(dv_node_loop(node)),
        .questions = state->questions, .count = count, .callback = on_asked, .data = state,
    };
    dv_conversations_request(&state->store, &state->request);
    return DV_HOLD;
}

/* ---- what has lapsed ---- */

static void on_swept(struct dv_conversations_request *request)
{
    struct conversation *state = request->data;
    int64_t every_ms = state->keep_ms / SWEEPS;
    state->sweeping = false;
    every_ms = every_ms < SWEEP_MIN_MS ? SWEEP_MIN_MS : every_ms > SWEEP_MAX_MS ? SWEEP_MAX_MS : every_ms;
    dv_timer_start(&state->timer, (uint64_t)every_ms);
}

static void on_timer(struct dv_timer *timer)
{
    struct conversation *state = timer->data;
    if (state->sweeping)
        return;
    state->sweeping = true;
    state->sweep = (struct dv_conversations_request){
        .kind = DV_CONVERSATIONS_SWEEP, .now_ms = dv_wall_ms(dv_node_loop(state->node)),
        .callback = on_swept, .data = state,
    };
    dv_conversations_request(&state->store, &state->sweep);
}

/* ---- opening and the rest ---- */

/* Without a keyring there is no server, and so nobody who could be named. */
static dv_rc open_key(struct dv_node *node)
{
    struct conversation *state = dv_state(node);
    uint8_t key[DV_KEY_BYTES] = { 0 };
    uint32_t version = 0;
    if (dv_node_service(node, DV_SERVICE_KEYRING) == NULL)
        return DV_OK;
    DV_TRY(dv_node_purpose_key(node, "asker", &version, key));
    state->key = dv_memory_secret(sizeof *state->key);
    if (state->key != NULL)
        dv_hmac_init(state->key, (struct dv_bytes){ key, sizeof key });
    explicit_bzero(key, sizeof key);
    return state->key != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "no locked memory for keys; raise the limit (ulimit -l, LimitMEMLOCK=)");
}

static dv_rc open_node(struct dv_node *node)
{
    struct conversation *state = dv_state(node);
    struct dv_error error = { 0 };
    const struct dv_conversations_limits limits = {
        .turns = (uint32_t)state->turns, .conversations = (uint32_t)state->conversations, .remembered = (uint32_t)state->remembered,
        .turn_bytes = (uint32_t)state->turn_bytes, .bytes = (uint64_t)state->bytes, .keep_ms = state->keep_ms,
    };
    state->node = node;
    state->questions = dv_arena_zeroed(dv_node_arena(node), DV_BATCH_ROWS, sizeof *state->questions);
    const char *tenant = dv_arena_copy(dv_node_arena(node), dv_node_tenant(node), strlen(dv_node_tenant(node)));
    if (state->questions == NULL || tenant == NULL)
        return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    DV_TRY(open_key(node));
    dv_rc rc = dv_conversations_open(&state->store, dv_node_loop(node), state->path, tenant, &limits, &error);
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    dv_timer_init(dv_node_loop(node), &state->timer, on_timer, state);
    dv_timer_start(&state->timer, SWEEP_MIN_MS);
    state->opened = true;
    return DV_OK;
}

static void close_node(struct dv_node *node)
{
    struct conversation *state = dv_state(node);
    if (state->opened)
        dv_timer_close(&state->timer);
    dv_conversations_close(&state->store);
    dv_memory_secret_free(state->key, sizeof *state->key);
    state->key = NULL;
    state->opened = state->sweeping = false;
}

static const char *waits(struct dv_node *node)
{
    const struct conversation *state = dv_state(node);
    return dv_conversations_waits(&state->store);
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct conversation *state = dv_state(node);
    return index == 0 ? &state->store.breaker : NULL;
}

static bool gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    const struct conversation *state = dv_state(node);
    const struct dv_gauge gauges[] = {
        { "kept", (double)state->kept },
        { "follow_ups", (double)state->followed },
        { "not_kept", (double)state->left_out },
        { "unknown", (double)state->unknown },
    };
    if (index >= sizeof gauges / sizeof gauges[0])
        return false;
    *ret = gauges[index];
    return true;
}

const struct dv_operator dv_operator_conversation = {
    .name = "conversation",
    .summary = "Keeps questions as turns of their askers' conversations, and puts beside each what came before it.",
    .options = options,
    .size = sizeof(struct conversation),
    .edits = true,
    .exit = DV_EXIT_STORE,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .gauge = gauge,
    .close = close_node,
};

bool dv_node_keeps_conversations(const struct dv_node *node)
{
    return dv_node_operator(node) == &dv_operator_conversation;
}

const char *dv_conversations_path(const struct dv_node *node)
{
    const struct conversation *state = dv_state(node);
    DV_ASSERT(dv_node_keeps_conversations(node));
    return state->path;
}

struct dv_conversations *dv_conversations_of_node(const struct dv_node *node)
{
    struct conversation *state = dv_node_keeps_conversations(node) ? dv_state(node) : NULL;
    return state != NULL && state->opened ? &state->store : NULL;
}

void dv_conversations_asker(const struct dv_node *node, const void *who, size_t length, uint8_t ret[DV_ASKER_BYTES])
{
    const struct conversation *state = dv_state(node);
    uint8_t digest[DV_HMAC_BYTES];
    DV_ASSERT(dv_node_keeps_conversations(node) && state->key != NULL);
    dv_hmac(state->key, who, length, digest);
    memcpy(ret, digest, DV_ASKER_BYTES);
}
