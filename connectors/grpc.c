/* SPDX-License-Identifier: Apache-2.0
 * grpc.c - the listener, its connections, and the way to the end.
 *
 * Everything that a turn of the loop has to say to a client goes out in one write, before the loop waits again. Who is
 * sent away is not cut off at once: the socket would throw away what the client has not read yet. */
#include "connectors/grpc.h"

#include <string.h>
#include <unistd.h>

#include "connectors/grpc_internal.h"
#include "engine/log.h"
#include "engine/memory.h"

enum {
    PULSE_MS = 1000,
    GREETING_MS = 10000,
    ANSWER_MS = 20000,
    LINGER_MS = 1000,
    LINGER_STEP_MS = 10,
    WRITES_MAX = 16,
    DISCARDED_MAX = 1024 * 1024
};
static const uint64_t ms_ns = 1000000;

static struct dv_grpc_connection *connection_of(struct dv_grpc_session *session)
{
    return (struct dv_grpc_connection *)((char *)session - offsetof(struct dv_grpc_connection, session));
}

static uint64_t now_of(const struct dv_grpc_server *server)
{
    return dv_now_ns(server->config.loop);
}

/* ---- the end of a connection ---- */

static void on_connection_closed(uv_handle_t *handle)
{
    struct dv_grpc_connection *connection = (struct dv_grpc_connection *)handle;
    struct dv_grpc_server *server = connection->session.server;
    if (server->connections == connection)
        server->connections = connection->next;
    else
        connection->previous->next = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    server->connection_count--;
    dv_grpc_buffer_clear(&connection->unsent, true, &server->budget);
    dv_memory_free(connection);
}

static void close_connection(struct dv_grpc_connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    dv_grpc_session_free(&connection->session);
    dv_tls_stop(&connection->tls);
    uv_close((uv_handle_t *)connection, on_connection_closed);
}

static void on_shut_down(uv_shutdown_t *request, int status)
{
    (void)request;
    (void)status;
}

/* No more is sent; what still comes is thrown away until the client hangs up, for a second, or a megabyte. */
static void end_connection(struct dv_grpc_connection *connection)
{
    if (connection->closing || connection->ends)
        return;
    connection->ends = true;
    connection->ends_ns = now_of(connection->session.server);
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)connection, on_shut_down) != 0)
        close_connection(connection);
}

/* ---- bytes out ---- */

static void flush(struct dv_grpc_connection *connection);

static void on_written(uv_write_t *request, int status)
{
    struct dv_grpc_connection *connection = request->data;
    connection->writing = false;
    if (connection->closing)
        return;
    dv_grpc_buffer_clear(&connection->unsent, true, &connection->session.server->budget);
    if (status != 0)
        close_connection(connection);
    else
        flush(connection);
}

/* Bytes to the socket; what it does not take now waits. False: the connection is broken, or there is no memory. */
static bool put(struct dv_grpc_connection *connection, const char *bytes, size_t length)
{
    int taken = 0;
    if (dv_grpc_buffer_length(&connection->unsent) == 0) {
        uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)length);
        taken = uv_try_write((uv_stream_t *)connection, &buffer, 1);
        if (taken < 0 && taken != UV_EAGAIN)
            return false;
    }
    size_t done = taken > 0 ? (size_t)taken : 0;
    return dv_grpc_buffer_add(&connection->unsent, bytes + done, length - done, &connection->session.server->budget);
}

/* What TLS has for the wire. */
static bool put_sealed(struct dv_grpc_connection *connection)
{
    struct dv_grpc_server *server = connection->session.server;
    bool sound = true;
    while (sound && dv_tls_pending(&connection->tls) > 0)
        sound = put(connection, server->wire, dv_tls_take(&connection->tls, server->wire, sizeof server->wire));
    return sound;
}

/* One piece of what HTTP/2 has to say; *ret_more: perhaps there is another. */
static bool put_piece(struct dv_grpc_connection *connection, bool *ret_more)
{
    struct dv_grpc_server *server = connection->session.server;
    bool is_clear = connection->tls.session == NULL;
    bool sound = true;
    size_t length = 0;
    if (is_clear || connection->tls.secured)
        length = dv_grpc_session_take(&connection->session, server->wire, sizeof server->wire);
    if (length > 0 && is_clear)
        sound = put(connection, server->wire, length);
    else if (length > 0)
        sound = dv_tls_write(&connection->tls, server->wire, length);
    explicit_bzero(server->wire, length);
    *ret_more = length > 0;
    return sound && (is_clear || put_sealed(connection));
}

static bool begin_writing(struct dv_grpc_connection *connection)
{
    size_t length = dv_grpc_buffer_length(&connection->unsent);
    if (length == 0)
        return true;
    uv_buf_t buffer = uv_buf_init((char *)connection->unsent.bytes + connection->unsent.start, (unsigned)length);
    connection->write.data = connection;
    connection->writing = uv_write(&connection->write, (uv_stream_t *)connection, &buffer, 1, on_written) == 0;
    connection->stuck_ns = now_of(connection->session.server);
    return connection->writing;
}

static void flush(struct dv_grpc_connection *connection)
{
    bool more = true, sound = true;
    if (connection->writing || connection->closing || connection->ends)
        return;
    bool last = connection->session.server->closed;
    for (int i = 0; (i < WRITES_MAX || last) && more && sound && dv_grpc_buffer_length(&connection->unsent) == 0; i++)
        sound = put_piece(connection, &more);
    if (!sound || !begin_writing(connection))
        close_connection(connection);
    else if (!connection->writing && more)
        dv_grpc_session_touch(&connection->session);
    else if (!connection->writing && (last || dv_grpc_session_is_over(&connection->session)))
        end_connection(connection);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct dv_grpc_server *server = prepare->data;
    struct dv_grpc_session *session = server->dirty;
    server->dirty = NULL;
    while (session != NULL) {
        struct dv_grpc_session *next = session->next_dirty;
        session->dirty = false;
        flush(connection_of(session));
        session = next;
    }
}

/* ---- bytes in ---- */

static void feed(struct dv_grpc_connection *connection, const char *bytes, size_t length)
{
    if (dv_grpc_session_feed(&connection->session, bytes, length) || connection->closing)
        return;
    flush(connection); /* the reason */
    end_connection(connection);
}

/* Bytes from under TLS, by way of the same buffer. */
static void feed_sealed(struct dv_grpc_connection *connection, size_t length)
{
    struct dv_grpc_server *server = connection->session.server;
    const char *reason = NULL;
    enum dv_tls_step step = DV_TLS_DONE;
    if (!dv_tls_feed(&connection->tls, server->wire, length)) {
        close_connection(connection);
        return;
    }
    if (!connection->tls.secured)
        step = dv_tls_handshake(&connection->tls, &reason);
    dv_grpc_session_touch(&connection->session);
    if (step == DV_TLS_FAILED) {
        server->untrusted_count++;
        server->untrusted_why = dv_tls_refusal(&connection->tls);
        (void)put_sealed(connection); /* the alert tells the client why */
        end_connection(connection);
        return;
    }
    while (step == DV_TLS_DONE && !connection->closing && !connection->ends) {
        size_t clear = 0;
        step = dv_tls_read(&connection->tls, server->wire, sizeof server->wire, &clear);
        if (step == DV_TLS_DONE)
            feed(connection, server->wire, clear);
    }
    if (step == DV_TLS_FAILED)
        close_connection(connection);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct dv_grpc_connection *connection = (struct dv_grpc_connection *)stream;
    struct dv_grpc_server *server = connection->session.server;
    (void)buffer;
    connection->discarded += connection->ends && count > 0 ? (size_t)count : 0;
    if (count < 0 || connection->discarded > DISCARDED_MAX)
        close_connection(connection);
    if (count <= 0 || connection->closing || connection->ends)
        return;
    connection->heard_ns = now_of(server);
    connection->asked = false;
    bool is_clear = connection->tls.session == NULL;
    if (is_clear)
        feed(connection, server->wire, (size_t)count);
    else
        feed_sealed(connection, (size_t)count);
    explicit_bzero(server->wire, is_clear ? (size_t)count : sizeof server->wire);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct dv_grpc_server *server = ((struct dv_grpc_connection *)handle)->session.server;
    (void)suggested;
    *buffer = uv_buf_init(server->wire, sizeof server->wire);
}

/* ---- the beginning of a connection ---- */

static bool begin_connection(struct dv_grpc_connection *connection)
{
    struct dv_grpc_server *server = connection->session.server;
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    connection->born_ns = now_of(server);
    connection->heard_ns = connection->born_ns;
    if (dv_grpc_session_init(&connection->session, server) != DV_OK)
        return false;
    if (server->config.tls != NULL && dv_tls_accept(&connection->tls, server->config.tls) != DV_OK)
        return false;
    dv_grpc_session_touch(&connection->session);
    if (server->draining)
        dv_grpc_session_drain(&connection->session);
    return uv_read_start((uv_stream_t *)connection, on_alloc, on_read) == 0;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct dv_grpc_server *server = listener->data;
    if (status != 0)
        return;
    struct dv_grpc_connection *connection = dv_memory_zeroed(1, sizeof *connection);
    server->accept_owed = connection == NULL;
    if (connection == NULL)
        return; /* libuv stops listening until it is taken: the pulse tries again */
    connection->session.server = server;
    int failed = uv_tcp_init(dv_loop_uv(server->config.loop), &connection->tcp);
    DV_ASSERT(failed == 0);
    connection->next = server->connections;
    if (server->connections != NULL)
        server->connections->previous = connection;
    server->connections = connection;
    server->connection_count++;
    bool full = server->connection_count > server->config.connections_max;
    if (uv_accept(listener, (uv_stream_t *)connection) != 0 || full) {
        server->refused_count++;
        connection->closing = true;
        uv_close((uv_handle_t *)connection, on_connection_closed);
    } else if (!begin_connection(connection)) {
        close_connection(connection);
    }
}

/* ---- now and then ---- */

static bool is_past(uint64_t now, uint64_t since, uint64_t patience_ms)
{
    return now > since && now - since >= patience_ms * ms_ns;
}

static void sweep_connection(struct dv_grpc_connection *connection, uint64_t now)
{
    const struct dv_grpc_config *config = &connection->session.server->config;
    bool stuck = connection->writing && is_past(now, connection->stuck_ns, config->stall_ms);
    bool mute = !connection->session.greeted && is_past(now, connection->born_ns, GREETING_MS);
    bool dead = connection->asked && is_past(now, connection->heard_ns, config->keepalive_ms + ANSWER_MS);
    if (stuck || mute || dead || (connection->ends && is_past(now, connection->ends_ns, LINGER_MS))) {
        close_connection(connection);
        return;
    }
    if (connection->ends || !connection->session.greeted)
        return;
    if (!connection->asked && is_past(now, connection->heard_ns, config->keepalive_ms)) {
        connection->asked = true;
        (void)nghttp2_submit_ping(connection->session.http, NGHTTP2_FLAG_NONE, NULL);
        dv_grpc_session_touch(&connection->session);
    }
    dv_grpc_session_sweep(&connection->session, now);
}

/* Once a second at most, however often they try. */
static void tell_untrusted(struct dv_grpc_server *server)
{
    if (server->untrusted_told == server->untrusted_count)
        return;
    server->untrusted_told = server->untrusted_count;
    dv_log(DV_LOG_WARN, "grpc.tls-refused", DV_LOG_NAMED("node", server->config.name), server->untrusted_why,
           DV_LOG_NUMBER("refusals", server->untrusted_count));
}

static void on_pulse(struct dv_timer *timer)
{
    struct dv_grpc_server *server = timer->data;
    uint64_t now = now_of(server);
    if (server->accept_owed)
        on_connection((uv_stream_t *)&server->listener, 0);
    for (struct dv_grpc_connection *connection = server->connections; connection != NULL; connection = connection->next)
        if (!connection->closing)
            sweep_connection(connection, now);
    tell_untrusted(server);
    dv_timer_start(&server->pulse, PULSE_MS);
}

static void on_deadline(struct dv_timer *timer)
{
    struct dv_grpc_server *server = timer->data;
    uint64_t now = now_of(server);
    server->due_ns = 0;
    for (struct dv_grpc_connection *connection = server->connections; connection != NULL; connection = connection->next)
        if (!connection->closing)
            dv_grpc_deadlines(server, &connection->session, now);
}

/* ---- the server ---- */

static dv_rc listen_on(struct dv_grpc_server *server, int fd, struct dv_error *error)
{
    uv_loop_t *uv = dv_loop_uv(server->config.loop);
    int failed = uv_tcp_init(uv, &server->listener);
    failed |= uv_prepare_init(uv, &server->prepare);
    failed |= uv_timer_init(uv, &server->linger);
    DV_ASSERT(failed == 0);
    server->listener.data = server;
    server->prepare.data = server;
    server->linger.data = server;
    dv_timer_init(server->config.loop, &server->pulse, on_pulse, server);
    dv_timer_init(server->config.loop, &server->deadline, on_deadline, server);
    dv_timer_start(&server->pulse, PULSE_MS);
    (void)uv_prepare_start(&server->prepare, on_prepare);
    uv_unref((uv_handle_t *)&server->prepare);
    if (uv_tcp_open(&server->listener, fd) != 0) {
        (void)close(fd);
        return dv_error_set(error, DV_E_IO, "listen: cannot listen on %s", server->config.listen);
    }
    if (uv_listen((uv_stream_t *)&server->listener, (int)server->config.connections_max, on_connection) != 0)
        return dv_error_set(error, DV_E_IO, "listen: cannot listen on %s", server->config.listen);
    return DV_OK;
}

dv_rc dv_grpc_open(struct dv_grpc_server **ret_server, const struct dv_grpc_config *config, struct dv_error *error)
{
    int fd = -1;
    DV_TRY(dv_listen_bind(&config->where, config->listen, &fd, error));
    struct dv_grpc_server *server = dv_memory_zeroed(1, sizeof *server);
    if (server == NULL || dv_grpc_core_init(server, config) != DV_OK) {
        dv_memory_free(server);
        (void)close(fd);
        return dv_error_set(error, DV_E_FAILED, "no memory for the server");
    }
    server->port = dv_listen_port(fd);
    dv_rc rc = listen_on(server, fd, error);
    if (rc != DV_OK) {
        dv_grpc_close(server);
        return rc;
    }
    *ret_server = server;
    return DV_OK;
}

uint16_t dv_grpc_port(const struct dv_grpc_server *server)
{
    return server->port;
}

void dv_grpc_drain(struct dv_grpc_server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    for (struct dv_grpc_connection *connection = server->connections; connection != NULL; connection = connection->next)
        if (!connection->closing && !connection->ends)
            dv_grpc_session_drain(&connection->session);
}

static void on_server_closed(uv_handle_t *handle)
{
    struct dv_grpc_server *server = handle->data;
    dv_grpc_core_free(server);
    dv_memory_free(server);
}

/* Runs in turns of the loop after those in which the timers were closed. */
static void on_linger(uv_timer_t *timer)
{
    struct dv_grpc_server *server = timer->data;
    bool over = uv_hrtime() - server->closed_ns >= LINGER_MS * ms_ns;
    for (struct dv_grpc_connection *connection = server->connections; connection != NULL && over;
         connection = connection->next)
        close_connection(connection);
    if (server->connection_count == 0)
        uv_close((uv_handle_t *)timer, on_server_closed);
}

void dv_grpc_close(struct dv_grpc_server *server)
{
    if (server == NULL || server->closed)
        return;
    dv_grpc_drain(server);
    server->closed = true;
    server->closed_ns = uv_hrtime();
    for (struct dv_grpc_connection *connection = server->connections; connection != NULL;
         connection = connection->next) {
        if (connection->closing || connection->ends)
            continue;
        (void)nghttp2_submit_goaway(connection->session.http, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(connection->session.http), NGHTTP2_NO_ERROR,
                                    NULL, 0);
        flush(connection);
    }
    dv_timer_close(&server->pulse);
    dv_timer_close(&server->deadline);
    uv_close((uv_handle_t *)&server->listener, NULL);
    uv_close((uv_handle_t *)&server->prepare, NULL);
    (void)uv_timer_start(&server->linger, on_linger, LINGER_STEP_MS, LINGER_STEP_MS);
}
