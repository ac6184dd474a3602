/* SPDX-License-Identifier: Apache-2.0
 * ingest.c - the requests of a source: taken, looked at, passed on row by row, settled. */
#include "operators/ingest.h"

#include <uv.h>

#include "engine/id.h"
#include "engine/memory.h"
#include "engine/operator.h"

enum {
    BATCH_BYTES = 256 * 1024, /* of records in one batch, but for its last */
    LOOK_BYTES = 256 * 1024,  /* of records that are looked at in one call, but for the last */
    RECORD_COST = 64,         /* what the shortest record counts */
    TRIAL_COPIES = 4,         /* of a record's text may be needed to read it */
};

enum phase { OVER, LOOKING, PASSING, PASSED };

/* A request under way. */
struct dv_ingest_slot {
    enum phase phase;
    uint64_t number;
    char *text;                   /* in the ring */
    struct dv_ingest_lines lines; /* how far it is read */
    struct dv_ingest_name name;
    uint32_t records;             /* found by looking */
    uint32_t passed;              /* of these */
    uint32_t unsettled;           /* batches that hold rows of it */
    bool failed;
    bool has_asker;
    uint8_t asker[DV_INGEST_ASKER];
    dv_ingest_callback callback;  /* NULL: nobody waits any more */
    void *data;
};

static struct dv_ingest_slot *slot_of(const struct dv_ingest *ingest, uint64_t number)
{
    return &ingest->slots[number & (ingest->slot_count - 1)];
}

/* The same, or NULL if the request is over; its slot may be another one's by now. */
static struct dv_ingest_slot *find(const struct dv_ingest *ingest, uint64_t number)
{
    struct dv_ingest_slot *slot = slot_of(ingest, number);
    return slot->phase != OVER && slot->number == number ? slot : NULL;
}

void dv_ingest_id(const struct dv_ingest_name *name, uint32_t record, uint8_t id[DV_ID_BYTES])
{
    dv_id_make(id, name->order, name->index + record, name->hash);
}

/* ---- the end of a request ---- */

static void forget(struct dv_ingest *ingest, struct dv_ingest_slot *slot)
{
    *slot = (struct dv_ingest_slot){ 0 };
    while (ingest->oldest < ingest->head && slot_of(ingest, ingest->oldest)->phase == OVER)
        ingest->oldest++;
}

static void answer(struct dv_ingest *ingest, struct dv_ingest_slot *slot, struct dv_ingest_answer answer)
{
    dv_ingest_callback callback = slot->callback;
    void *data = slot->data;
    answer.name = slot->name;
    forget(ingest, slot);
    if (callback != NULL)
        callback(data, &answer);
}

/* The request at the head needs its text no longer. */
static void leave_head(struct dv_ingest *ingest, struct dv_ingest_slot *slot)
{
    explicit_bzero(slot->text, slot->lines.length);
    ingest->head++;
    dv_ingest_ring_give(&ingest->ring, ingest->head < ingest->next ? slot_of(ingest, ingest->head)->text : NULL);
    slot->lines = (struct dv_ingest_lines){ 0 };
    slot->text = NULL;
}

static void refuse(struct dv_ingest *ingest, struct dv_ingest_slot *slot, dv_rc code, const char *reason)
{
    uint64_t line = slot->lines.number;
    leave_head(ingest, slot);
    answer(ingest, slot, (struct dv_ingest_answer){ .outcome = DV_INGEST_REFUSED, .line = line > 0 ? line : 1,
                                                    .code = code, .reason = reason });
}

/* ---- room ---- */

static bool has_slot(const struct dv_ingest *ingest)
{
    return ingest->next - ingest->oldest < ingest->slot_count;
}

static size_t room(const struct dv_ingest *ingest)
{
    size_t bytes = has_slot(ingest) && !ingest->stopping ? dv_ingest_ring_room(&ingest->ring) : 0;
    bytes = bytes > DV_JSON_PADDING ? bytes - DV_JSON_PADDING : 0;
    return bytes < (size_t)ingest->max_body ? bytes : (size_t)ingest->max_body;
}

size_t dv_ingest_room(struct dv_ingest *ingest)
{
    size_t bytes = room(ingest);
    ingest->starved = ingest->starved || bytes < (size_t)ingest->max_body;
    return bytes;
}

/* Room again is told when there is enough for the longest request, or for half the ring if that is less. */
static void tell_room(struct dv_ingest *ingest)
{
    size_t enough = ingest->ring.size / 2;
    if (enough > (size_t)ingest->max_body)
        enough = (size_t)ingest->max_body;
    if (!ingest->starved || ingest->on_room == NULL || room(ingest) < enough)
        return;
    ingest->starved = false;
    ingest->on_room(ingest->on_room_data);
}

/* ---- requests come ---- */

static struct dv_ingest_name name_of(struct dv_ingest *ingest, const struct dv_ingest_request *request)
{
    struct dv_ingest_name name = { .index = request->index };
    uint8_t id[DV_ID_BYTES];
    if (request->key == NULL) {
        name.order = (uint64_t)dv_wall_ms(dv_node_loop(ingest->node));
        name.hash = dv_random_u64(&ingest->random);
        return name;
    }
    name.hash = dv_hash64(request->key, request->key_length, ingest->source);
    name.order = dv_hash64(request->key, request->key_length, ~ingest->source) >> 16;
    if (dv_id_parse(request->key, request->key_length, id) && id[6] >> 4 == 7) {
        name.order = 0;
        for (size_t i = 0; i < 6; i++)
            name.order = name.order << 8 | id[i];
    }
    return name;
}

enum dv_ingest_outcome dv_ingest_push(struct dv_ingest *ingest, const struct dv_ingest_request *request,
                                      uint64_t *ret_ticket)
{
    DV_ASSERT(request->callback != NULL && request->key_length <= DV_INGEST_KEY_MAX);
    if (ingest->stopping)
        return DV_INGEST_DRAINING;
    if (dv_leads_nowhere(ingest->node))
        return DV_INGEST_SPENT;
    if (request->length > (size_t)ingest->max_body)
        return DV_INGEST_LARGE;
    char *text = has_slot(ingest) ? dv_ingest_ring_take(&ingest->ring, request->length + DV_JSON_PADDING) : NULL;
    if (text == NULL) {
        ingest->starved = true;
        return DV_INGEST_FULL;
    }
    if (request->length > 0)
        memcpy(text, request->text, request->length);
    memset(text + request->length, 0, DV_JSON_PADDING);
    *ret_ticket = ingest->next++;
    *slot_of(ingest, *ret_ticket) = (struct dv_ingest_slot){
        .phase = LOOKING,
        .number = *ret_ticket,
        .text = text,
        .lines = { .text = text, .length = request->length, .form = request->form },
        .name = name_of(ingest, request),
        .callback = request->callback,
        .data = request->data,
    };
    if (request->asker != NULL)
        memcpy(slot_of(ingest, *ret_ticket)->asker, request->asker, DV_INGEST_ASKER);
    slot_of(ingest, *ret_ticket)->has_asker = request->asker != NULL;
    if (ingest->held != NULL) /* what else comes in this turn of the loop shares the batch */
        dv_timer_start(&ingest->wake, 0);
    return DV_INGEST_QUEUED;
}

bool dv_ingest_record_id(const struct dv_ingest *ingest, uint64_t ticket, uint32_t record, uint8_t id[DV_ID_BYTES])
{
    const struct dv_ingest_slot *slot = find(ingest, ticket);
    if (slot != NULL)
        dv_ingest_id(&slot->name, record, id);
    return slot != NULL;
}

void dv_ingest_cancel(struct dv_ingest *ingest, uint64_t ticket)
{
    struct dv_ingest_slot *slot = ingest->slots != NULL ? find(ingest, ticket) : NULL;
    if (slot != NULL)
        slot->callback = NULL;
}

bool dv_ingest_is_draining(const struct dv_ingest *ingest)
{
    return ingest->stopping;
}

/* ---- requests become rows ---- */

/* One call that fills a batch. */
struct filling {
    struct dv_ingest *ingest;
    struct dv_batch *batch;
    int64_t now_ms;
    size_t looked, filled; /* bytes */
    uint64_t first;        /* the first request with a row in the batch */
    bool any;
};

/* Reads the request to its end, as far as one call may go; true when the next step can follow. */
static bool look(struct filling *filling, struct dv_ingest_slot *slot)
{
    struct dv_ingest *ingest = filling->ingest;
    const char *text = NULL;
    const char *reason = "";
    size_t length = 0;
    while (filling->looked < LOOK_BYTES) {
        if (!dv_ingest_lines_next(&slot->lines, &text, &length)) {
            if (slot->records == 0) {
                refuse(ingest, slot, DV_E_SYNTAX, "the request holds no record");
                return true;
            }
            slot->lines.at = 0;
            slot->lines.number = 0;
            slot->phase = PASSING;
            return true;
        }
        dv_rc rc = DV_E_LIMIT;
        if (slot->records == DV_INGEST_RECORDS_MAX)
            reason = "the request has too many records";
        else
            rc = dv_json_reader_in_place(ingest->json, text, length, &ingest->trial, 0, &reason);
        if (rc != DV_OK) {
            refuse(ingest, slot, rc == DV_E_MEMORY ? DV_E_LIMIT : rc, reason);
            return true;
        }
        slot->records++;
        filling->looked += length + RECORD_COST;
    }
    return false;
}

static struct dv_row place_of(const struct filling *filling, const struct dv_ingest_slot *slot)
{
    struct dv_row place = { .offset = slot->passed, .line = slot->lines.number, .created_ms = filling->now_ms };
    dv_ingest_id(&slot->name, slot->passed, place.id);
    return place;
}

/* Nobody says for himself who he is. */
static dv_rc put_asker(const struct filling *filling, const struct dv_ingest_slot *slot)
{
    struct dv_batch *batch = filling->batch;
    if (filling->ingest->asker_column < 0)
        return DV_OK;
    char *copy = dv_arena_copy(&batch->arena, (const char *)slot->asker, DV_INGEST_ASKER);
    batch->cells[filling->ingest->asker_column][batch->rows] =
        (struct dv_cell){ .text = copy, .length = DV_INGEST_ASKER, .present = slot->has_asker && copy != NULL };
    return copy != NULL ? DV_OK : DV_E_MEMORY;
}

/* DV_E_MEMORY: the batch's arena is used up, and the record may fit into an empty one. What does not is a dead letter:
 * the request was found to be right. */
static dv_rc put_row(struct filling *filling, const struct dv_ingest_slot *slot, const char *text, size_t length)
{
    struct dv_batch *batch = filling->batch;
    const char *reason = "the record does not fit into a batch";
    size_t size = length + DV_JSON_PADDING;
    char *copy = dv_arena_text(&batch->arena, size);
    dv_rc rc = DV_E_MEMORY;
    if (copy != NULL) {
        memcpy(copy, text, length);
        memset(copy + length, 0, DV_JSON_PADDING);
        dv_arena_trim(&batch->arena, copy, size, length);
        rc = dv_json_reader_in_place(filling->ingest->json, copy, length, batch, batch->rows, &reason);
        rc = rc == DV_OK ? put_asker(filling, slot) : rc;
    }
    struct dv_row place = place_of(filling, slot);
    if (rc == DV_E_MEMORY && filling->any)
        return DV_E_MEMORY;
    if (rc != DV_OK)
        dv_reject_raw(filling->ingest->node, batch, text, length, &place, rc, reason);
    else
        batch->row[batch->rows++] = place;
    return DV_OK;
}

/* Moves records into the batch; true when all of the request's are. */
static bool pass_on(struct filling *filling, struct dv_ingest_slot *slot)
{
    const char *text = NULL;
    size_t length = 0;
    for (; slot->passed < slot->records; slot->passed++) {
        if (filling->batch->rows == DV_BATCH_ROWS || filling->filled >= BATCH_BYTES)
            return false;
        struct dv_ingest_lines before = slot->lines;
        bool more = dv_ingest_lines_next(&slot->lines, &text, &length);
        DV_ASSERT(more);
        if (put_row(filling, slot, text, length) != DV_OK) {
            slot->lines = before;
            return false;
        }
        if (!filling->any)
            filling->first = filling->ingest->head;
        filling->any = true;
        filling->filled += length + RECORD_COST;
    }
    return true;
}

/* One step of the request at the head; false: enough for this call. */
static bool step(struct filling *filling)
{
    struct dv_ingest *ingest = filling->ingest;
    struct dv_ingest_slot *slot = slot_of(ingest, ingest->head);
    if (slot->phase == LOOKING && slot->callback == NULL) {
        leave_head(ingest, slot);
        forget(ingest, slot);
        return true;
    }
    if (slot->phase == LOOKING)
        return look(filling, slot);
    bool done = pass_on(filling, slot);
    if (done) {
        slot->phase = PASSED;
        leave_head(ingest, slot);
    }
    return done;
}

/* Requests from the first with a row in the batch to the last: every one that is not over has one. */
static void claim(const struct filling *filling)
{
    struct dv_ingest *ingest = filling->ingest;
    uint64_t last = ingest->head - 1;
    if (ingest->head < ingest->next && slot_of(ingest, ingest->head)->phase == PASSING &&
        slot_of(ingest, ingest->head)->passed > 0)
        last = ingest->head;
    for (uint64_t number = filling->first; number <= last; number++) {
        struct dv_ingest_slot *slot = find(ingest, number);
        if (slot != NULL)
            slot->unsettled++;
    }
    dv_claim(ingest->node, filling->batch, filling->first, last);
}

static void end(struct dv_ingest *ingest)
{
    if (!ingest->ended)
        dv_end(ingest->node);
    ingest->ended = true;
}

/* DV_DROP: nothing to pass on yet, but there is work left for the next call; or the end. */
static dv_rc fill(struct dv_ingest *ingest, struct dv_batch *batch)
{
    struct filling filling = { .ingest = ingest, .batch = batch, .now_ms = dv_wall_ms(dv_node_loop(ingest->node)) };
    while (ingest->head < ingest->next && step(&filling))
        ;
    dv_arena_reset(&ingest->trial.arena);
    if (filling.any)
        claim(&filling);
    tell_room(ingest);
    bool idle = ingest->head == ingest->next;
    if (idle && ingest->stopping)
        end(ingest);
    if (filling.any)
        return DV_PASS;
    return idle && !ingest->stopping ? DV_HOLD : DV_DROP;
}

static void on_wake(struct dv_timer *timer)
{
    struct dv_ingest *ingest = timer->data;
    struct dv_batch *batch = ingest->held;
    if (batch == NULL)
        return;
    dv_rc rc = fill(ingest, batch);
    if (rc == DV_HOLD || ingest->held == NULL)
        return;
    ingest->held = NULL;
    dv_finish(ingest->node, batch, rc);
}

dv_rc dv_ingest_process(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_ingest *ingest = dv_state(node);
    DV_ASSERT(ingest->held == NULL && !ingest->ended);
    dv_rc rc = fill(ingest, batch);
    if (rc == DV_HOLD)
        ingest->held = batch;
    return rc;
}

void dv_ingest_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    struct dv_ingest *ingest = dv_state(node);
    for (uint64_t number = receipt->first; number <= receipt->last; number++) {
        struct dv_ingest_slot *slot = find(ingest, number);
        if (slot == NULL)
            continue;
        DV_ASSERT(slot->unsettled > 0);
        slot->unsettled--;
        slot->failed = slot->failed || receipt->failed;
        if (slot->unsettled > 0 || slot->phase != PASSED)
            continue;
        if (slot->failed)
            answer(ingest, slot, (struct dv_ingest_answer){ .outcome = DV_INGEST_FAILED });
        else
            answer(ingest, slot, (struct dv_ingest_answer){ .outcome = DV_INGEST_DURABLE, .records = slot->records });
    }
    tell_room(ingest);
}

/* What was taken is carried through: its clients were not told otherwise. */
void dv_ingest_stop(struct dv_node *node)
{
    struct dv_ingest *ingest = dv_state(node);
    ingest->stopping = true;
    if (ingest->head < ingest->next)
        return;
    end(ingest);
    if (ingest->held != NULL)
        dv_timer_start(&ingest->wake, 0);
}

/* ---- the beginning and the end ---- */

/* A batch of one row that no graph knows: only a parser fills it. */
static bool make_trial(struct dv_ingest *ingest)
{
    uint32_t columns = ingest->shape->column_count;
    struct dv_cell *cells = dv_arena_zeroed(dv_node_arena(ingest->node), columns, sizeof *cells);
    ingest->trial = (struct dv_batch){ .schema = ingest->shape };
    dv_arena_init(&ingest->trial.arena, TRIAL_COPIES * ((size_t)ingest->max_record + LOOK_BYTES));
    for (uint32_t i = 0; cells != NULL && i < columns; i++)
        ingest->trial.cells[i] = &cells[i];
    return cells != NULL;
}

static void make_slots(struct dv_ingest *ingest)
{
    ingest->slot_count = 1;
    while (ingest->slot_count < (uint64_t)ingest->queue_requests)
        ingest->slot_count *= 2;
    ingest->slots = dv_memory_zeroed(ingest->slot_count, sizeof *ingest->slots);
}

static uint64_t name_source(const struct dv_node *node)
{
    uint64_t hash = dv_hash64(dv_node_graph(node), strlen(dv_node_graph(node)), 0);
    return dv_hash64(dv_node_name(node), strlen(dv_node_name(node)), hash);
}

dv_rc dv_ingest_open(struct dv_node *node)
{
    struct dv_ingest *ingest = dv_state(node);
    uint64_t seed = 0;
    ingest->node = node;
    ingest->source = name_source(node);
    dv_timer_init(dv_node_loop(node), &ingest->wake, on_wake, ingest);
    ingest->timed = true;
    if (uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL) != 0)
        return dv_fail(node, DV_E_FAILED, "no random numbers");
    dv_random_seed(&ingest->random, seed);
    make_slots(ingest);
    dv_rc rc = dv_ingest_ring_init(&ingest->ring, (size_t)ingest->queue_bytes);
    ingest->json = dv_json_reader_new(ingest->shape, (size_t)ingest->max_record);
    if (ingest->slots == NULL || rc != DV_OK || ingest->json == NULL || !make_trial(ingest))
        return dv_fail(node, DV_E_FAILED, "no memory for %lld bytes of requests", (long long)ingest->queue_bytes);
    return DV_OK;
}

/* Whoever still waits is told; the callbacks find an ingest that takes nothing. */
void dv_ingest_close(struct dv_node *node)
{
    struct dv_ingest *ingest = dv_state(node);
    ingest->stopping = true;
    ingest->held = NULL;
    while (ingest->slots != NULL && ingest->head < ingest->next)
        leave_head(ingest, slot_of(ingest, ingest->head));
    for (uint64_t number = ingest->oldest; number < ingest->head; number++)
        if (find(ingest, number) != NULL)
            answer(ingest, slot_of(ingest, number), (struct dv_ingest_answer){ .outcome = DV_INGEST_FAILED });
    if (ingest->timed)
        dv_timer_close(&ingest->wake);
    ingest->timed = false;
    dv_arena_free(&ingest->trial.arena);
    dv_json_reader_free(ingest->json);
    dv_ingest_ring_free(&ingest->ring);
    dv_memory_free(ingest->slots);
    ingest->json = NULL;
    ingest->slots = NULL;
}
