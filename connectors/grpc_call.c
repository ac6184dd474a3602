/* SPDX-License-Identifier: Apache-2.0
 * grpc_call.c - a call from its head to its trailers: messages in, messages out, its status, its deadline. */
#include <string.h>

#include "connectors/grpc_internal.h"
#include "engine/memory.h"

enum { FREE_CALLS_MAX = 4096, DEADLINE_STEP_MS = 10, TIMEOUT_MAX_MS = 30LL * 86400 * 1000 };
static const uint64_t ms_ns = 1000000;

/* A header field of which nghttp2 needs no copy, and one of which it does. */
#define FIELD(name, value)                                                                                             \
    {                                                                                                                  \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1,              \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                                               \
    }
#define FIELD_COPIED(name, value, length)                                                                              \
    {                                                                                                                  \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, (length),                       \
            NGHTTP2_NV_FLAG_NO_COPY_NAME                                                                               \
    }

/* ---- the beginning and the end ---- */

struct dv_grpc_call *dv_grpc_call_new(struct dv_grpc_session *session, int32_t stream)
{
    struct dv_grpc_server *server = session->server;
    struct dv_grpc_call *call = server->free_calls;
    if (call != NULL) {
        server->free_calls = call->next;
        server->free_count--;
    } else {
        call = dv_memory_zeroed(1, sizeof *call);
    }
    if (call == NULL)
        return NULL;
    *call = (struct dv_grpc_call){ .server = server,
                                   .session = session,
                                   .stream = stream,
                                   .references = 1,
                                   .next = session->calls,
                                   .in = call->in,
                                   .out = call->out };
    if (session->calls != NULL)
        session->calls->previous = call;
    session->calls = call;
    session->call_count++;
    return call;
}

struct dv_grpc_call *dv_grpc_ref(struct dv_grpc_call *call)
{
    DV_ASSERT(call->references > 0);
    call->references++;
    return call;
}

void dv_grpc_unref(struct dv_grpc_call *call)
{
    struct dv_grpc_server *server = call->server;
    DV_ASSERT(call->references > 0);
    if (--call->references > 0)
        return;
    DV_ASSERT(call->session == NULL);
    bool keep = server->free_count < FREE_CALLS_MAX && !server->closed;
    dv_grpc_buffer_clear(&call->in, !keep, &server->budget);
    dv_grpc_buffer_clear(&call->out, !keep, &server->budget);
    explicit_bzero(call->data, sizeof call->data);
    if (!keep) {
        dv_memory_free(call);
        return;
    }
    call->next = server->free_calls;
    server->free_calls = call;
    server->free_count++;
}

void dv_grpc_calls_free(struct dv_grpc_server *server)
{
    for (struct dv_grpc_call *call = server->free_calls, *next; call != NULL; call = next) {
        next = call->next;
        dv_grpc_buffer_clear(&call->in, true, &server->budget);
        dv_grpc_buffer_clear(&call->out, true, &server->budget);
        dv_memory_free(call);
    }
    server->free_calls = NULL;
    server->free_count = 0;
}

/* Nobody waits for the answer any more: the method learns of it, once. */
static void tell_ended(struct dv_grpc_call *call)
{
    if (!call->finishing && call->begun && call->method != NULL && call->method->ended != NULL && !call->server->closed)
        call->method->ended(call);
    call->finishing = true;
}

void dv_grpc_call_over(struct dv_grpc_call *call)
{
    struct dv_grpc_session *session = call->session;
    tell_ended(call);
    if (session->calls == call)
        session->calls = call->next;
    else
        call->previous->next = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    session->call_count--;
    (void)nghttp2_session_set_stream_user_data(session->http, call->stream, NULL);
    call->session = NULL;
    dv_grpc_unref(call);
}

void *dv_grpc_call_data(struct dv_grpc_call *call)
{
    return call->data;
}

void *dv_grpc_server_data(const struct dv_grpc_call *call)
{
    return call->server->config.data;
}

const struct dv_grpc_method *dv_grpc_call_method(const struct dv_grpc_call *call)
{
    return call->method;
}

bool dv_grpc_is_over(const struct dv_grpc_call *call)
{
    return call->session == NULL || call->finishing;
}

size_t dv_grpc_unsent(const struct dv_grpc_call *call)
{
    return dv_grpc_buffer_length(&call->out);
}

/* ---- messages in ---- */

/* What the call has taken in may come again. */
static void give_window(struct dv_grpc_call *call, size_t length)
{
    if (call->session != NULL && length > 0)
        (void)nghttp2_session_consume_stream(call->session->http, call->stream, length);
}

void dv_grpc_call_data_in(struct dv_grpc_call *call, const uint8_t *bytes, size_t length)
{
    if (call->finishing) { /* nobody looks at it any more */
        give_window(call, length);
        return;
    }
    if (!dv_grpc_buffer_add(&call->in, bytes, length, &call->server->budget)) {
        give_window(call, length);
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "no memory for the message now");
        return;
    }
    if (call->held)
        call->owed += length;
    else
        give_window(call, length);
    dv_grpc_call_pump(call);
}

static void refuse_frame(struct dv_grpc_call *call, enum dv_grpc_framed framed)
{
    switch (framed) {
    case DV_GRPC_FRAMED_LONG:
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "the message is longer than this server takes");
        break;
    case DV_GRPC_FRAMED_COMPRESSED:
        dv_grpc_finish(call, DV_GRPC_INTERNAL, "a message is compressed, but no encoding was agreed upon");
        break;
    default: dv_grpc_finish(call, DV_GRPC_INTERNAL, "the body is not made of gRPC messages"); break;
    }
}

/* At the end of the body. */
static void end_body(struct dv_grpc_call *call)
{
    if (dv_grpc_buffer_length(&call->in) > 0)
        dv_grpc_finish(call, DV_GRPC_INTERNAL, "the body ends inside a message");
    else if (!call->method->client_streams && !call->got)
        dv_grpc_finish(call, DV_GRPC_INTERNAL, "the call has no message");
    else if (!call->told_half_closed && call->method->client_streams && call->method->half_closed != NULL) {
        call->told_half_closed = true;
        call->method->half_closed(call);
    }
}

/* The one message of a method that takes one; it must be all there is. */
static void take_only(struct dv_grpc_call *call, size_t length)
{
    const uint8_t *message = dv_grpc_buffer_front(&call->in) + DV_GRPC_PREFIX;
    if (dv_grpc_buffer_length(&call->in) != DV_GRPC_PREFIX + length) {
        dv_grpc_finish(call, DV_GRPC_INTERNAL, "more than one message, where one is due");
        return;
    }
    call->got = true;
    call->held = call->method->take(call, message, length) == DV_GRPC_LATER;
    if (!call->held)
        dv_grpc_buffer_drop(&call->in, DV_GRPC_PREFIX + length);
}

static void take_next(struct dv_grpc_call *call, size_t length)
{
    const uint8_t *message = dv_grpc_buffer_front(&call->in) + DV_GRPC_PREFIX;
    call->held = dv_grpc_unsent(call) > DV_GRPC_OUT_HIGH || call->method->take(call, message, length) == DV_GRPC_LATER;
    if (!call->held)
        dv_grpc_buffer_drop(&call->in, DV_GRPC_PREFIX + length);
}

/* One step; whether another may follow. */
static bool pump_once(struct dv_grpc_call *call)
{
    size_t length = 0;
    enum dv_grpc_framed framed = dv_grpc_framed(dv_grpc_buffer_front(&call->in), dv_grpc_buffer_length(&call->in),
                                                call->server->config.message_max, &length);
    if (framed == DV_GRPC_FRAMED_PART) {
        if (call->half_closed)
            end_body(call);
        return false;
    }
    if (framed != DV_GRPC_FRAMED_WHOLE) {
        refuse_frame(call, framed);
        return false;
    }
    if (call->method->client_streams) {
        take_next(call, length);
        return true;
    }
    if (!call->half_closed)
        return false;
    take_only(call, length);
    return false;
}

void dv_grpc_call_pump(struct dv_grpc_call *call)
{
    (void)dv_grpc_ref(call);
    while (call->begun && !call->held && !dv_grpc_is_over(call) && pump_once(call))
        continue;
    if (call->finishing)
        dv_grpc_buffer_clear(&call->in, false, &call->server->budget);
    dv_grpc_unref(call);
}

void dv_grpc_resume(struct dv_grpc_call *call)
{
    if (!call->held || dv_grpc_is_over(call))
        return;
    give_window(call, call->owed);
    call->owed = 0;
    call->held = false;
    dv_grpc_session_touch(call->session);
    if (call->waiting)
        return;
    call->waiting = true;
    call->next_waiting = call->session->waiting;
    call->session->waiting = dv_grpc_ref(call);
}

/* ---- answers ---- */

static const char *const status_numbers[] = { "0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                              "9", "10", "11", "12", "13", "14", "15", "16" };

/* The last fields of the answer, behind `before` others. */
static size_t put_status(const struct dv_grpc_call *call, nghttp2_nv *fields, char text[DV_GRPC_TEXT_MAX])
{
    const char *number = status_numbers[call->status];
    fields[0] = (nghttp2_nv)FIELD_COPIED("grpc-status", number, strlen(number));
    fields[0].flags |= NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    if (call->text[0] == '\0')
        return 1;
    size_t length = dv_grpc_percent_encode(text, call->text);
    fields[1] = (nghttp2_nv)FIELD_COPIED("grpc-message", text, length);
    return 2;
}

/* nghttp2 asks for bytes of the body. */
static ssize_t read_answer(nghttp2_session *http, int32_t stream, uint8_t *buffer, size_t size, uint32_t *flags,
                           nghttp2_data_source *source, void *user)
{
    struct dv_grpc_call *call = source->ptr;
    size_t length = dv_grpc_unsent(call) < size ? dv_grpc_unsent(call) : size;
    (void)user;
    if (length > 0)
        memcpy(buffer, dv_grpc_buffer_front(&call->out), length);
    dv_grpc_buffer_drop(&call->out, length);
    if (dv_grpc_unsent(call) > 0)
        return (ssize_t)length;
    if (call->held)
        dv_grpc_resume(call); /* it may have been held for want of room */
    if (!call->finishing) {
        call->deferred = length == 0;
        return length > 0 ? (ssize_t)length : NGHTTP2_ERR_DEFERRED;
    }
    char text[DV_GRPC_TEXT_MAX];
    nghttp2_nv trailers[2];
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (nghttp2_submit_trailer(http, stream, trailers, put_status(call, trailers, text)) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return (ssize_t)length;
}

/* No memory for an answer: the stream is reset. */
static void give_up(struct dv_grpc_call *call)
{
    tell_ended(call);
    (void)nghttp2_submit_rst_stream(call->session->http, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_INTERNAL_ERROR);
    dv_grpc_session_touch(call->session);
}

static bool begin_answer(struct dv_grpc_call *call)
{
    const nghttp2_nv head[] = { FIELD(":status", "200"), FIELD("content-type", "application/grpc") };
    const nghttp2_data_provider body = { .source.ptr = call, .read_callback = read_answer };
    call->answered = true;
    return nghttp2_submit_response(call->session->http, call->stream, head, sizeof head / sizeof *head, &body) == 0;
}

bool dv_grpc_send(struct dv_grpc_call *call, const void *message, size_t length)
{
    uint8_t prefix[DV_GRPC_PREFIX];
    if (dv_grpc_is_over(call))
        return false;
    dv_grpc_prefix(prefix, length);
    bool sent = dv_grpc_buffer_add(&call->out, prefix, sizeof prefix, &call->server->budget) &&
                dv_grpc_buffer_add(&call->out, message, length, &call->server->budget);
    if (sent && !call->answered)
        sent = begin_answer(call);
    else if (sent && call->deferred)
        sent = nghttp2_session_resume_data(call->session->http, call->stream) == 0;
    if (!sent) {
        give_up(call);
        return false;
    }
    call->deferred = false;
    dv_grpc_session_touch(call->session);
    return true;
}

/* A status without messages: one frame. */
static bool answer_at_once(struct dv_grpc_call *call)
{
    char text[DV_GRPC_TEXT_MAX];
    nghttp2_nv head[5] = { FIELD(":status", "200"), FIELD("content-type", "application/grpc") };
    size_t count = 2 + put_status(call, head + 2, text);
    if (call->status == DV_GRPC_UNIMPLEMENTED)
        head[count++] = (nghttp2_nv)FIELD("grpc-accept-encoding", "identity");
    call->answered = true;
    return nghttp2_submit_response(call->session->http, call->stream, head, count, NULL) == 0;
}

void dv_grpc_finish(struct dv_grpc_call *call, enum dv_grpc_status status, const char *text)
{
    if (dv_grpc_is_over(call))
        return;
    call->finishing = true;
    call->status = status;
    if (text != NULL) {
        size_t length = strnlen(text, sizeof call->text - 1);
        memcpy(call->text, text, length);
        call->text[length] = '\0';
    }
    give_window(call, call->owed);
    call->owed = 0;
    bool sent = call->answered ? !call->deferred || nghttp2_session_resume_data(call->session->http, call->stream) == 0
                               : answer_at_once(call);
    call->deferred = false;
    if (!sent)
        give_up(call);
    dv_grpc_session_touch(call->session);
}

void dv_grpc_finish_ok(struct dv_grpc_call *call)
{
    dv_grpc_finish(call, DV_GRPC_OK, NULL);
}

void dv_grpc_call_not_grpc(struct dv_grpc_call *call, const char *http_status)
{
    nghttp2_nv head[] = { FIELD_COPIED(":status", http_status, strlen(http_status)) };
    call->finishing = true;
    call->answered = true;
    if (nghttp2_submit_response(call->session->http, call->stream, head, 1, NULL) != 0)
        give_up(call);
    dv_grpc_session_touch(call->session);
}

/* ---- deadlines ---- */

static void set_timer(struct dv_grpc_server *server, uint64_t due_ns, uint64_t now)
{
    if (server->due_ns != 0 && server->due_ns <= due_ns)
        return;
    server->due_ns = due_ns;
    dv_timer_start(&server->deadline, due_ns > now ? (due_ns - now) / ms_ns + DEADLINE_STEP_MS : DEADLINE_STEP_MS);
}

void dv_grpc_call_set_due(struct dv_grpc_call *call, uint64_t timeout_ms)
{
    uint64_t now = dv_now_ns(call->server->config.loop);
    if (timeout_ms > TIMEOUT_MAX_MS)
        timeout_ms = TIMEOUT_MAX_MS;
    call->due_ns = now + timeout_ms * ms_ns;
    set_timer(call->server, call->due_ns, now);
}

void dv_grpc_deadlines(struct dv_grpc_server *server, struct dv_grpc_session *session, uint64_t now)
{
    for (struct dv_grpc_call *call = session->calls; call != NULL; call = call->next) {
        if (call->due_ns == 0 || dv_grpc_is_over(call))
            continue;
        if (call->due_ns > now) {
            set_timer(server, call->due_ns, now);
            continue;
        }
        if (call->method != NULL && call->method->ended != NULL)
            call->method->ended(call);
        dv_grpc_finish(call, DV_GRPC_DEADLINE_EXCEEDED, "the deadline has passed");
    }
}
