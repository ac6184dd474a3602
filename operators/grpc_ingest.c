/* SPDX-License-Identifier: Apache-2.0
 * grpc_ingest.c - datavault.v1.Ingest: each message is a request of the ingest, whose outcome is the answer.
 *
 * A single call that finds the queue full is told so; a stream is held back instead, by HTTP/2's windows. */
#include <stdio.h>
#include <string.h>

#include "connectors/protobuf.h"
#include "engine/id.h"
#include "engine/operator.h"
#include "operators/grpc_source.h"
#include "proto/datavault/v1/datavault.pb-c.h"

enum kind { ONE, STREAM, ACKS };

/* A message under way. */
struct dv_grpc_pending {
    struct dv_grpc_source *source;
    struct dv_grpc_call *call;               /* one reference */
    struct dv_grpc_pending *next, *previous; /* of the call's, or of the free ones */
    uint64_t sequence;                       /* the message's number in its call */
    uint64_t ticket;
};

/* What is kept with a call. */
struct ingest_call {
    enum kind kind;
    struct dv_grpc_pending *first;
    uint64_t taken, durable;
    bool sent_all;
    bool waits; /* for room */
    struct dv_grpc_call *next_waiting;
};
_Static_assert(sizeof(struct ingest_call) <= DV_GRPC_CALL_DATA, "what is kept with a call fits into it");

dv_rc dv_grpc_ingest_open(struct dv_grpc_source *source)
{
    size_t count = source->ingest.slot_count;
    struct dv_grpc_pending *all = dv_arena_zeroed(dv_node_arena(source->node), count, sizeof *all);
    if (all == NULL)
        return dv_fail(source->node, DV_E_FAILED, "no memory for %zu requests", count);
    for (size_t i = 0; i < count; i++) {
        all[i].source = source;
        all[i].next = source->free_pending;
        source->free_pending = &all[i];
    }
    dv_arena_init(&source->scratch, 4 * (size_t)source->ingest.max_body + DV_ARENA_CHUNK);
    return DV_OK;
}

static struct dv_grpc_pending *keep(struct dv_grpc_source *source, struct dv_grpc_call *call)
{
    struct ingest_call *state = dv_grpc_call_data(call);
    struct dv_grpc_pending *pending = source->free_pending;
    if (pending == NULL)
        return NULL;
    source->free_pending = pending->next;
    *pending = (struct dv_grpc_pending){
        .source = source, .call = dv_grpc_ref(call), .next = state->first, .sequence = state->taken
    };
    if (state->first != NULL)
        state->first->previous = pending;
    state->first = pending;
    return pending;
}

/* The call may be gone after it. */
static void forget(struct dv_grpc_pending *pending)
{
    struct dv_grpc_source *source = pending->source;
    struct dv_grpc_call *call = pending->call;
    struct ingest_call *state = dv_grpc_call_data(call);
    if (pending->previous != NULL)
        pending->previous->next = pending->next;
    else
        state->first = pending->next;
    if (pending->next != NULL)
        pending->next->previous = pending->previous;
    *pending = (struct dv_grpc_pending){ .source = source, .next = source->free_pending };
    source->free_pending = pending;
    dv_grpc_unref(call);
}

void dv_grpc_ingest_ended(struct dv_grpc_call *call)
{
    struct ingest_call *state = dv_grpc_call_data(call);
    (void)dv_grpc_ref(call);
    while (state->first != NULL) {
        dv_ingest_cancel(&state->first->source->ingest, state->first->ticket);
        forget(state->first);
    }
    dv_grpc_unref(call);
}

/* ---- answers ---- */

static void reply(struct dv_grpc_call *call, const ProtobufCMessage *message)
{
    uint8_t bytes[512];
    DV_ASSERT(protobuf_c_message_get_packed_size(message) <= sizeof bytes);
    (void)dv_grpc_send(call, bytes, protobuf_c_message_pack(message, bytes));
}

static void reply_id(struct dv_grpc_call *call, char id[DV_UUID_TEXT])
{
    Datavault__V1__IngestReply message;
    datavault__v1__ingest_reply__init(&message);
    message.id = id;
    reply(call, &message.base);
    dv_grpc_finish(call, DV_GRPC_OK, NULL);
}

static void reply_ack(struct dv_grpc_call *call, uint64_t sequence, char *id, enum dv_grpc_status status, char *text)
{
    Datavault__V1__IngestAck message;
    datavault__v1__ingest_ack__init(&message);
    message.sequence = sequence;
    message.id = id;
    message.code = (int32_t)status;
    message.message = text;
    reply(call, &message.base);
}

/* All messages of a stream are answered for. */
static void finish_if_done(struct dv_grpc_call *call)
{
    const struct ingest_call *state = dv_grpc_call_data(call);
    if (!state->sent_all || state->first != NULL || state->kind == ONE || dv_grpc_is_over(call))
        return;
    if (state->kind == STREAM) {
        Datavault__V1__IngestSummary message;
        datavault__v1__ingest_summary__init(&message);
        message.records = state->durable;
        reply(call, &message.base);
    }
    dv_grpc_finish(call, DV_GRPC_OK, NULL);
}

static void say_refused(struct dv_grpc_call *call, uint64_t sequence, const struct dv_ingest_answer *answer)
{
    const struct ingest_call *state = dv_grpc_call_data(call);
    enum dv_grpc_status status = answer->code == DV_E_LIMIT ? DV_GRPC_RESOURCE_EXHAUSTED : DV_GRPC_INVALID_ARGUMENT;
    char text[128], none[1] = "";
    if (state->kind == STREAM)
        (void)snprintf(text, sizeof text, "message %llu: %s", (unsigned long long)sequence, answer->reason);
    else
        (void)snprintf(text, sizeof text, "%s", answer->reason);
    if (state->kind == ACKS) {
        reply_ack(call, sequence, none, status, text);
        return;
    }
    dv_grpc_ingest_ended(call);
    dv_grpc_finish(call, status, text);
}

static void on_answer(void *data, const struct dv_ingest_answer *answer)
{
    struct dv_grpc_pending *pending = data;
    struct dv_grpc_call *call = dv_grpc_ref(pending->call);
    struct ingest_call *state = dv_grpc_call_data(call);
    uint64_t sequence = pending->sequence;
    char id[DV_UUID_TEXT], none[1] = "";
    uint8_t bytes[DV_ID_BYTES];
    forget(pending);
    if (answer->outcome == DV_INGEST_DURABLE) {
        state->durable++;
        dv_ingest_id(&answer->name, 0, bytes);
        if (state->kind == ONE)
            reply_id(call, (char *)(uintptr_t)dv_id_text(id, bytes));
        else if (state->kind == ACKS)
            reply_ack(call, sequence, (char *)(uintptr_t)dv_id_text(id, bytes), DV_GRPC_OK, none);
    } else if (answer->outcome == DV_INGEST_REFUSED) {
        say_refused(call, sequence, answer);
    } else {
        dv_grpc_ingest_ended(call);
        dv_grpc_finish(call, DV_GRPC_UNAVAILABLE, "the run ended before the record was durable: send it again");
    }
    finish_if_done(call);
    dv_grpc_unref(call);
}

/* ---- messages ---- */

/* protobuf-c ends texts at the first NUL: such a key would pass for a shorter one. What is written as no encoder does it
 * is refused with it. */
static bool key_is_whole(const Datavault__V1__IngestRequest *request, size_t length)
{
    size_t packed = datavault__v1__ingest_request__get_packed_size(request);
    return packed == length || (request->idempotency_key[0] == '\0' && packed < length && length - packed <= 2);
}

static enum dv_grpc_taken wait_for_room(struct dv_grpc_source *source, struct dv_grpc_call *call)
{
    struct ingest_call *state = dv_grpc_call_data(call);
    if (state->kind == ONE) {
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "the queue is full: try again later");
        return DV_GRPC_TAKEN;
    }
    if (!state->waits) {
        state->waits = true;
        state->next_waiting = source->waiting;
        source->waiting = dv_grpc_ref(call);
    }
    return DV_GRPC_LATER;
}

void dv_grpc_ingest_room(void *data)
{
    struct dv_grpc_source *source = data;
    struct dv_grpc_call *call = source->waiting;
    source->waiting = NULL;
    for (struct dv_grpc_call *next; call != NULL; call = next) {
        struct ingest_call *state = dv_grpc_call_data(call);
        next = state->next_waiting;
        state->waits = false;
        dv_grpc_resume(call);
        dv_grpc_unref(call);
    }
}

static enum dv_grpc_taken push(struct dv_grpc_source *source, struct dv_grpc_call *call,
                               const Datavault__V1__IngestRequest *request)
{
    struct ingest_call *state = dv_grpc_call_data(call);
    size_t key_length = strlen(request->idempotency_key);
    if (key_length > DV_INGEST_KEY_MAX) {
        dv_grpc_finish(call, DV_GRPC_INVALID_ARGUMENT, "the idempotency key is longer than 128 bytes");
        return DV_GRPC_TAKEN;
    }
    struct dv_grpc_pending *pending = keep(source, call);
    if (pending == NULL) {
        (void)dv_ingest_room(&source->ingest); /* which tells when there is some */
        return wait_for_room(source, call);
    }
    const struct dv_ingest_request what = {
        .text = (const char *)request->payload.data,
        .length = request->payload.len,
        .form = DV_INGEST_ONE,
        .key = key_length > 0 ? request->idempotency_key : NULL,
        .key_length = key_length,
        .callback = on_answer,
        .data = pending,
    };
    enum dv_ingest_outcome outcome = dv_ingest_push(&source->ingest, &what, &pending->ticket);
    if (outcome == DV_INGEST_QUEUED) {
        state->taken++;
        return DV_GRPC_TAKEN;
    }
    forget(pending);
    if (outcome == DV_INGEST_FULL)
        return wait_for_room(source, call);
    if (outcome == DV_INGEST_LARGE)
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "the record is longer than this server takes");
    else if (outcome == DV_INGEST_SPENT)
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "the privacy budget of all that the record would come to is spent");
    else
        dv_grpc_finish(call, DV_GRPC_UNAVAILABLE, "the server is shutting down");
    return DV_GRPC_TAKEN;
}

static enum dv_grpc_taken take(struct dv_grpc_call *call, enum kind kind, const uint8_t *message, size_t length)
{
    struct dv_grpc_source *source = dv_grpc_server_data(call);
    struct ingest_call *state = dv_grpc_call_data(call);
    ProtobufCAllocator allocator = dv_protobuf_allocator(&source->scratch);
    const Datavault__V1__IngestRequest *request = datavault__v1__ingest_request__unpack(&allocator, length, message);
    enum dv_grpc_taken taken = DV_GRPC_TAKEN;
    state->kind = kind;
    if (request == NULL || !key_is_whole(request, length))
        dv_grpc_finish(call, DV_GRPC_INVALID_ARGUMENT, "the message is not an IngestRequest");
    else
        taken = push(source, call, request);
    dv_arena_reset(&source->scratch);
    if (dv_grpc_is_over(call))
        dv_grpc_ingest_ended(call);
    return taken;
}

enum dv_grpc_taken dv_grpc_ingest_one(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    return take(call, ONE, message, length);
}

enum dv_grpc_taken dv_grpc_ingest_stream(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    return take(call, STREAM, message, length);
}

enum dv_grpc_taken dv_grpc_ingest_acks(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    return take(call, ACKS, message, length);
}

void dv_grpc_ingest_sent_all(struct dv_grpc_call *call)
{
    struct ingest_call *state = dv_grpc_call_data(call);
    state->kind = dv_grpc_call_method(call)->take == dv_grpc_ingest_stream ? STREAM : ACKS;
    state->sent_all = true;
    finish_if_done(call);
}

void dv_grpc_ingest_close(struct dv_grpc_source *source)
{
    for (struct dv_grpc_call *call = source->waiting, *next; call != NULL; call = next) {
        next = ((struct ingest_call *)dv_grpc_call_data(call))->next_waiting;
        dv_grpc_unref(call);
    }
    source->waiting = NULL;
    dv_arena_free(&source->scratch);
}
