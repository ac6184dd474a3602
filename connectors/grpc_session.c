/* SPDX-License-Identifier: Apache-2.0
 * grpc_session.c - HTTP/2 with one client: nghttp2's callbacks, and the budget for work that nobody wants.
 *
 * A reset costs a client a few bytes and a server a stream, whether the client sends it or makes the server do so; pings,
 * settings and empty frames cost an answer. All of them draw on one bucket, which fills slowly. */
#include <string.h>

#include "connectors/grpc_internal.h"
#include "engine/log.h"

enum {
    CONNECTION_WINDOW = 1024 * 1024,
    MEMORY_PER_CONNECTION = 1024 * 1024,
    FRAME_MAX = 16384 + 9,
    DRAIN_MS = 500, /* in which calls that were under way arrive */
    SCRATCH_MAX = 64 * 1024,
};
static const uint64_t ms_ns = 1000000;

/* ---- nghttp2's callbacks ---- */

static struct dv_grpc_call *call_of(nghttp2_session *http, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(http, stream);
}

static int on_begin_headers(nghttp2_session *http, const nghttp2_frame *frame, void *user)
{
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct dv_grpc_call *call = dv_grpc_call_new(user, frame->hd.stream_id);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return nghttp2_session_set_stream_user_data(http, frame->hd.stream_id, call);
}

static int on_header(nghttp2_session *http, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
    (void)flags;
    (void)user;
    struct dv_grpc_call *call = call_of(http, frame->hd.stream_id);
    if (call != NULL)
        dv_grpc_head_field(call, (const char *)name, name_length, (const char *)value, value_length);
    return 0;
}

/* The connection's window is given back at once, so that a stream that is held does not hold the others. */
static int on_data(nghttp2_session *http, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t length,
                   void *user)
{
    (void)flags;
    (void)user;
    struct dv_grpc_call *call = call_of(http, stream);
    int rc = nghttp2_session_consume_connection(http, length);
    if (rc != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (call != NULL)
        dv_grpc_call_data_in(call, bytes, length);
    return 0;
}

static void at_end_of_stream(nghttp2_session *http, const nghttp2_frame *frame)
{
    struct dv_grpc_call *call = call_of(http, frame->hd.stream_id);
    if (call == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return;
    call->half_closed = true;
    dv_grpc_call_pump(call);
}

static int on_frame(nghttp2_session *http, const nghttp2_frame *frame, void *user)
{
    struct dv_grpc_session *session = user;
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    bool acknowledges = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && call_of(http, frame->hd.stream_id) != NULL)
            dv_grpc_head_judge(call_of(http, frame->hd.stream_id));
        at_end_of_stream(http, frame);
        break;
    case NGHTTP2_DATA:
        if (!ends && frame->hd.length == frame->data.padlen)
            dv_grpc_session_fault(session);
        at_end_of_stream(http, frame);
        break;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING:
        session->greeted = true; /* it begins with settings */
        if (!acknowledges)
            dv_grpc_session_fault(session);
        break;
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PRIORITY: dv_grpc_session_fault(session); break;
    default: break;
    }
    return 0;
}

static int on_invalid(nghttp2_session *http, const nghttp2_frame *frame, int error, void *user)
{
    (void)http;
    (void)frame;
    (void)error;
    dv_grpc_session_fault(user);
    return 0;
}

static int on_sent(nghttp2_session *http, const nghttp2_frame *frame, void *user)
{
    int32_t stream = frame->hd.stream_id;
    struct dv_grpc_call *call = stream != 0 ? call_of(http, stream) : NULL;
    if (call != NULL)
        call->progress_ns = 0;
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
        dv_grpc_session_fault(user);
    bool answered_early = frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                          nghttp2_session_get_stream_remote_close(http, stream) == 0;
    return answered_early ? nghttp2_submit_rst_stream(http, 0, stream, NGHTTP2_NO_ERROR) : 0;
}

static int on_stream_close(nghttp2_session *http, int32_t stream, uint32_t error, void *user)
{
    (void)error;
    (void)user;
    struct dv_grpc_call *call = call_of(http, stream);
    if (call != NULL)
        dv_grpc_call_over(call);
    return 0;
}

/* ---- what all sessions share ---- */

static bool set_up(struct dv_grpc_server *server)
{
    if (nghttp2_session_callbacks_new(&server->callbacks) != 0 || nghttp2_option_new(&server->options) != 0)
        return false;
    nghttp2_session_callbacks_set_on_begin_headers_callback(server->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(server->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(server->callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(server->callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(server->callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_frame_send_callback(server->callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(server->callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(server->options, 1);
    nghttp2_option_set_no_closed_streams(server->options, 1);
    /* The bucket of this file comes first. */
    nghttp2_option_set_stream_reset_rate_limit(server->options, 2ull * DV_GRPC_FAULTS_MAX, 2ull * DV_GRPC_FAULTS_PER_S);
    return true;
}

dv_rc dv_grpc_core_init(struct dv_grpc_server *server, const struct dv_grpc_config *config)
{
    static const struct dv_grpc_method own[] = {
        { .path = "/grpc.health.v1.Health/Check", .take = dv_grpc_health_check },
        { .path = "/grpc.health.v1.Health/Watch", .take = dv_grpc_health_watch },
        { .path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
          .client_streams = true,
          .take = dv_grpc_reflect,
          .half_closed = dv_grpc_finish_ok },
        { .path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
          .client_streams = true,
          .take = dv_grpc_reflect,
          .half_closed = dv_grpc_finish_ok },
    };
    DV_ASSERT(config->method_count <= DV_GRPC_METHODS_MAX && config->streams_max > 0 && config->connections_max > 0);
    server->config = *config;
    for (uint32_t i = 0; i < config->method_count; i++)
        server->methods[server->method_count++] = config->methods[i];
    for (uint32_t i = 0; i < (config->reflection ? 4u : 2u); i++) {
        server->methods[server->method_count] = own[i];
        if (i >= 2)
            server->methods[server->method_count].token = config->token;
        server->method_count++;
    }
    server->last = server->methods;
    server->budget.max = config->buffer_max;
    dv_arena_init(&server->scratch, SCRATCH_MAX);
    dv_grpc_memory_init(&server->memory, ((size_t)config->connections_max + 1) * MEMORY_PER_CONNECTION);
    if (set_up(server))
        return DV_OK;
    dv_grpc_core_free(server);
    return DV_E_MEMORY;
}

void dv_grpc_core_free(struct dv_grpc_server *server)
{
    dv_grpc_calls_free(server);
    nghttp2_session_callbacks_del(server->callbacks);
    nghttp2_option_del(server->options);
    server->callbacks = NULL;
    server->options = NULL;
    dv_arena_free(&server->scratch);
    dv_grpc_memory_free(&server->memory);
    explicit_bzero(server->wire, sizeof server->wire);
}

/* ---- a session ---- */

dv_rc dv_grpc_session_init(struct dv_grpc_session *session, struct dv_grpc_server *server)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server->config.streams_max },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, DV_GRPC_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, DV_GRPC_HEAD_MAX },
    };
    *session = (struct dv_grpc_session){ .server = server };
    if (nghttp2_session_server_new3(&session->http, server->callbacks, session, server->options, &server->memory.mem) !=
        0)
        return DV_E_MEMORY;
    if (nghttp2_submit_settings(session->http, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) == 0 &&
        nghttp2_session_set_local_window_size(session->http, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) == 0)
        return DV_OK;
    nghttp2_session_del(session->http);
    session->http = NULL;
    return DV_E_MEMORY;
}

static void forget_dirty(struct dv_grpc_session *session)
{
    struct dv_grpc_session **link = &session->server->dirty;
    while (session->dirty && *link != session)
        link = &(*link)->next_dirty;
    if (session->dirty)
        *link = session->next_dirty;
    session->dirty = false;
}

void dv_grpc_session_free(struct dv_grpc_session *session)
{
    while (session->calls != NULL)
        dv_grpc_call_over(session->calls);
    for (struct dv_grpc_call *call = session->waiting, *next; call != NULL; call = next) {
        next = call->next_waiting;
        call->waiting = false;
        dv_grpc_unref(call);
    }
    session->waiting = NULL;
    forget_dirty(session);
    nghttp2_session_del(session->http);
    session->http = NULL;
}

void dv_grpc_session_touch(struct dv_grpc_session *session)
{
    if (session->dirty)
        return;
    session->dirty = true;
    session->next_dirty = session->server->dirty;
    session->server->dirty = session;
}

bool dv_grpc_session_feed(struct dv_grpc_session *session, const char *bytes, size_t length)
{
    dv_grpc_session_touch(session);
    if (session->flooded)
        return false;
    ssize_t taken = nghttp2_session_mem_recv(session->http, (const uint8_t *)bytes, length);
    return taken == (ssize_t)length && !session->flooded;
}

/* Calls that may go on. Not those that come to wait meanwhile: they are for the next turn. */
static void pump_waiting(struct dv_grpc_session *session)
{
    struct dv_grpc_call *call = session->waiting;
    session->waiting = NULL;
    for (struct dv_grpc_call *next; call != NULL; call = next) {
        next = call->next_waiting;
        call->waiting = false;
        dv_grpc_call_pump(call);
        dv_grpc_unref(call);
    }
}

size_t dv_grpc_session_take(struct dv_grpc_session *session, char *buffer, size_t size)
{
    size_t used = 0;
    pump_waiting(session);
    while (size - used >= FRAME_MAX) {
        const uint8_t *bytes = NULL;
        ssize_t length = nghttp2_session_mem_send(session->http, &bytes);
        if (length <= 0)
            break;
        DV_ASSERT((size_t)length <= size - used);
        memcpy(buffer + used, bytes, (size_t)length);
        used += (size_t)length;
    }
    return used;
}

bool dv_grpc_session_is_over(const struct dv_grpc_session *session)
{
    return session->flooded ||
           (nghttp2_session_want_read(session->http) == 0 && nghttp2_session_want_write(session->http) == 0);
}

void dv_grpc_session_fault(struct dv_grpc_session *session)
{
    struct dv_grpc_server *server = session->server;
    uint64_t now = dv_now_ns(server->config.loop);
    uint64_t leaked = (now - session->faults_ns) / (1000 * ms_ns / DV_GRPC_FAULTS_PER_S);
    if (leaked > 0) {
        session->faults -= leaked < session->faults ? leaked : session->faults;
        session->faults_ns = now;
    }
    if (++session->faults <= DV_GRPC_FAULTS_MAX || session->flooded)
        return;
    session->flooded = true;
    server->flood_count++;
    (void)nghttp2_session_terminate_session(session->http, NGHTTP2_ENHANCE_YOUR_CALM);
    dv_grpc_session_touch(session);
    dv_log(DV_LOG_WARN, "grpc.flood", DV_LOG_NAMED("node", server->config.name),
           DV_LOG_NUMBER("floods", server->flood_count));
}

void dv_grpc_session_drain(struct dv_grpc_session *session)
{
    if (session->draining)
        return;
    session->draining = true;
    session->draining_ns = dv_now_ns(session->server->config.loop);
    (void)nghttp2_submit_shutdown_notice(session->http);
    dv_grpc_health_tell(session);
    dv_grpc_session_touch(session);
}

static void finish_draining(struct dv_grpc_session *session, uint64_t now)
{
    if (!session->draining || session->drained || now - session->draining_ns < DRAIN_MS * ms_ns)
        return;
    session->drained = true;
    (void)nghttp2_submit_goaway(session->http, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session->http), NGHTTP2_NO_ERROR, NULL, 0);
    dv_grpc_session_touch(session);
}

/* An answer that the client has left unread for too long keeps memory for nothing. */
static void sweep_call(struct dv_grpc_call *call, uint64_t now)
{
    const struct dv_grpc_config *config = &call->server->config;
    bool unread = call->answered && (call->finishing || dv_grpc_unsent(call) > 0);
    if (!unread || call->progress_ns == 0)
        call->progress_ns = now;
    if (!unread || now - call->progress_ns < config->stall_ms * ms_ns)
        return;
    (void)nghttp2_submit_rst_stream(call->session->http, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
    call->progress_ns = now;
    dv_grpc_session_touch(call->session);
    dv_log(DV_LOG_WARN, "grpc.unread-answer", DV_LOG_NAMED("node", config->name));
}

void dv_grpc_session_sweep(struct dv_grpc_session *session, uint64_t now)
{
    finish_draining(session, now);
    for (struct dv_grpc_call *call = session->calls; call != NULL; call = call->next)
        sweep_call(call, now);
}
