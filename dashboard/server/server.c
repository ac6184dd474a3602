/* SPDX-License-Identifier: Apache-2.0
 * server.c - the listener, its connections, the tick of every second, and the way to the end. */
#include "dashboard/server/server.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "connectors/listen.h"
#include "connectors/tls.h"
#include "dashboard/server/server_internal.h"
#include "engine/memory.h"

enum {
    STREAMS_MAX = 256,
    CONNECTIONS_MAX = 1024,
    REQUEST_MS = 10000,
    UPLOAD_MS = 30000, /* the head and the body, where bodies are taken */
    BODY_MAX = 1024,
    BODY_NEVER = 1024 * 1024 * 1024,
    BODIES = 4,        /* of the longest that are read at a time */
    SEND_BUFFER = 128 * 1024,
    NOT_SENT_LOW = 32 * 1024,
    TICK_MS = 1000,
    STUCK_S = 5,
    BUSY_S = 30,
    STOP_S = 2,
    STOP_TICK_MS = 50,
};
static const uint64_t second_ns = 1000000000;

static struct dv_connection *connection_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct dv_connection, link, link);
}

static void cut_off(const struct dv_connection *connection)
{
    uv_os_fd_t fd = -1;
    if (uv_fileno((const uv_handle_t *)connection, &fd) == 0)
        (void)shutdown(fd, SHUT_RDWR);
}

static void finish_stop(struct dv_server *server);

static void on_connection_closed(uv_handle_t *handle)
{
    struct dv_connection *connection = (struct dv_connection *)handle;
    struct dv_server *server = connection->server;
    dv_gate_leave(connection);
    h2o_linklist_unlink(&connection->link);
    server->connection_count--;
    dv_memory_free(connection);
    if (server->stopping)
        finish_stop(server);
}

/* The kernel would take megabytes for a client that does not read; then a stall could not be seen for minutes. */
static void tune(struct dv_connection *connection)
{
    int bytes = SEND_BUFFER;
    (void)uv_send_buffer_size((uv_handle_t *)connection, &bytes);
    (void)uv_tcp_nodelay(&connection->cured.tcp, 1);
    uv_os_fd_t fd = -1;
    int low = NOT_SENT_LOW;
    if (uv_fileno((const uv_handle_t *)connection, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof low);
}

/* Of a connection whose body was refused h2o sees only the end. */
static bool before_read(struct dv_cured_tcp *cured, ssize_t count)
{
    return !((struct dv_connection *)cured)->refused || count < 0;
}

/* After a reset libuv refuses to write at once, and the libuv backend of h2o 2.2.5 does not look: it would wait for the end
 * of TLS's farewell for ever, and the connection would stay. */
static void end_farewell(h2o_socket_t *socket)
{
    h2o_socket_cb written = socket->_cb.write;
    socket->_cb.write = NULL;
    if (written != NULL)
        written(socket, h2o_socket_error_io);
}

static void after_read(struct dv_cured_tcp *cured, ssize_t count)
{
    struct dv_connection *connection = (struct dv_connection *)cured;
    bool lost = count < 0 && !uv_is_closing((uv_handle_t *)cured) && !uv_is_writable((uv_stream_t *)cured);
    if (lost)
        end_farewell(connection->socket);
    else
        dv_gate_look(connection);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct dv_server *server = listener->data;
    if (status != 0)
        return;
    struct dv_connection *connection = dv_memory_zeroed(1, sizeof *connection);
    /* libuv stops listening until this connection is taken: the tick tries again. */
    server->accept_owed = connection == NULL;
    if (connection == NULL)
        return;
    connection->server = server;
    int rc = uv_tcp_init(server->uv, &connection->cured.tcp);
    DV_ASSERT(rc == 0);
    h2o_linklist_insert(&server->connections, &connection->link);
    server->connection_count++;
    bool full = server->connection_count > server->connections_max;
    server->connections_refused += full;
    if (uv_accept(listener, (uv_stream_t *)connection) != 0 || full) {
        uv_close((uv_handle_t *)connection, on_connection_closed);
        return;
    }
    tune(connection);
    connection->cured.before = before_read;
    connection->cured.after = after_read;
    dv_tls_cure_mark(&connection->cured);
    connection->socket = h2o_uv_socket_create((uv_stream_t *)connection, on_connection_closed);
    h2o_accept(&server->accept, connection->socket);
}

/* Whether a client takes too long: nothing at all for 5 s, or not all of it for 30 s. */
static bool is_stalled(struct dv_connection *connection, uint64_t now)
{
    size_t queued = uv_stream_get_write_queue_size((const uv_stream_t *)connection);
    if (queued == 0 || connection->queued == 0)
        connection->busy_since_ns = now;
    if (queued == 0 || queued != connection->queued)
        connection->stuck_since_ns = now;
    connection->queued = queued;
    return now - connection->stuck_since_ns >= STUCK_S * second_ns ||
           now - connection->busy_since_ns >= BUSY_S * second_ns;
}

/* h2o has no time-out for writing, so this is it; streams have the hub's rule besides. */
static void sweep_connections(struct dv_server *server)
{
    uint64_t now = dv_now_ns(server->loop);
    for (h2o_linklist_t *link = server->connections.next; link != &server->connections; link = link->next) {
        struct dv_connection *connection = connection_of(link);
        if (is_stalled(connection, now)) {
            server->connections_stalled++;
            cut_off(connection);
        }
    }
}

static void publish_stats(struct dv_server *server)
{
    struct dv_json json;
    dv_json_init(&json, server->stats, sizeof server->stats);
    dv_stats_json(&json, server);
    /* The feed is lossy by nature: a second that does not fit is a second not shown. */
    if (!json.full)
        (void)!dv_feed_publish(server->feed, "stats", server->stats, dv_json_length(&json));
}

/* A stall is told when it begins and when it ends. */
static void publish_stall(struct dv_server *server)
{
    char text[512];
    struct dv_json json;
    bool stalled = dv_graph_stall(server->graph).node != NULL;
    if (stalled == server->stalled)
        return;
    server->stalled = stalled;
    dv_json_init(&json, text, sizeof text);
    dv_json_open(&json, '{');
    dv_json_key(&json, "stall");
    dv_stall_json(&json, server);
    dv_json_close(&json, '}');
    if (!json.full)
        (void)!dv_feed_publish(server->feed, "stall", text, dv_json_length(&json));
}

static void cut_off_all(struct dv_server *server)
{
    for (h2o_linklist_t *link = server->connections.next; link != &server->connections; link = link->next)
        cut_off(connection_of(link));
}

static void on_stop_tick(struct dv_server *server)
{
    if (dv_now_ns(server->loop) >= server->stop_due_ns)
        cut_off_all(server);
    finish_stop(server);
    if (!server->stopped)
        dv_timer_start(&server->tick, STOP_TICK_MS);
}

/* What the graph's sources take may change while it runs. */
static void allow_bodies(struct dv_server *server)
{
    uint64_t longest = dv_ingest_body_max(server->graph);
    /* The gate answers what is too long, as this server does; h2o's own limit is behind it. */
    server->config.max_request_entity_size = longest > 0 ? BODY_NEVER : BODY_MAX;
    server->body_bytes_max = BODIES * longest;
}

static void on_tick(struct dv_timer *timer)
{
    struct dv_server *server = timer->data;
    if (server->stopping) {
        on_stop_tick(server);
        return;
    }
    publish_stall(server);
    publish_stats(server);
    dv_hub_sweep(&server->hub);
    if (server->accept_owed)
        on_connection((uv_stream_t *)&server->listener, 0);
    sweep_connections(server);
    dv_ingest_sweep(server);
    dv_query_sweep(server);
    dv_conversation_sweep(server);
    allow_bodies(server);
    dv_timer_start(&server->tick, TICK_MS);
}

static dv_rc check_files(const struct dv_server_config *config, struct dv_error *error)
{
    if ((config->tls_cert == NULL) != (config->tls_key == NULL))
        return dv_error_set(error, DV_E_CONFIG, "tls_cert and tls_key: set both or neither");
    if (config->listen == NULL)
        return dv_error_set(error, DV_E_CONFIG, "listen: no address is set; write one, as in 127.0.0.1:8080");
    return DV_OK;
}

static dv_rc start_tls(struct dv_server *server, const struct dv_server_config *config, struct dv_error *error)
{
    if (config->tls_cert == NULL)
        return DV_OK;
    if (!dv_tls_cure_in_place())
        return dv_error_set(error, DV_E_FAILED,
                            "TLS cannot be served: this program is linked so that its own uv_read_start() is not used");
    const struct dv_tls_server how = { .cert = config->tls_cert, .key = config->tls_key, .protocol = DV_TLS_HTTP1 };
    return dv_tls_server(&server->accept.ssl_ctx, &how, error);
}

/* Everything that can be refused, before anything is set up that would have to be taken down on the loop. */
static dv_rc prepare(struct dv_server *server, const struct dv_server_config *config, int *ret_fd,
                     struct dv_error *error)
{
    struct dv_listen where;
    DV_TRY(check_files(config, error));
    DV_TRY(dv_listen_parse(config->listen, &where, error));
    DV_TRY(dv_listen_rule(&where, config->listen, config->token != NULL, config->tls_cert != NULL, error));
    DV_TRY(dv_auth_init(&server->auth, where.loopback, config->token, error));
    DV_TRY(start_tls(server, config, error));
    DV_TRY(dv_listen_bind(&where, config->listen, ret_fd, error));
    server->port = dv_listen_port(*ret_fd);
    return DV_OK;
}

/* Connections and the listener keep the loop alive, and nothing else of h2o's may: not the queue between threads, which
 * nobody uses here (its handle is its first member), and not its timers, which run on for 10 s after the last
 * connection that they watched. */
static void let_loop_end(h2o_context_t *context)
{
    h2o_timeout_t *const timeouts[] = {
        &context->zero_timeout,      &context->one_sec_timeout,   &context->hundred_ms_timeout,
        &context->handshake_timeout, &context->http1.req_timeout, &context->http2.idle_timeout,
        &context->proxy.io_timeout,  &context->http2.graceful_shutdown_timeout,
    };
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
        uv_unref((uv_handle_t *)&timeouts[i]->_backend.timer);
    uv_unref((uv_handle_t *)context->queue);
}

static void start_h2o(struct dv_server *server)
{
    h2o_config_init(&server->config);
    server->config.server_name = (h2o_iovec_t){ NULL, 0 };
    server->config.handshake_timeout = REQUEST_MS;
    server->config.http1.upgrade_to_http2 = 0;
    allow_bodies(server);
    server->config.http1.req_timeout = server->body_bytes_max > 0 ? UPLOAD_MS : REQUEST_MS;
    /* h2o keeps a body in memory until its last byte has come; a large one it would put into a file in /tmp, in the
     * clear. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    server->config.max_delegations = 0;
    h2o_hostconf_t *host = h2o_config_register_host(&server->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    dv_routes_register(server, h2o_config_register_path(host, "/", 0));
    h2o_context_init(&server->context, server->uv, &server->config);
    let_loop_end(&server->context);
    server->accept.ctx = &server->context;
    server->accept.hosts = server->config.hosts;
}

static dv_rc start_listener(struct dv_server *server, int fd, struct dv_error *error)
{
    int rc = uv_tcp_init(server->uv, &server->listener);
    DV_ASSERT(rc == 0);
    server->listener.data = server;
    rc = uv_tcp_open(&server->listener, fd);
    if (rc != 0)
        (void)close(fd);
    else
        rc = uv_listen((uv_stream_t *)&server->listener, SOMAXCONN, on_connection);
    return rc == 0 ? DV_OK : dv_error_set(error, DV_E_IO, "listen: %s", uv_strerror(rc));
}

/* On the way down before the first turn of the loop, and at the end. */
static void take_down(struct dv_server *server)
{
    h2o_context_dispose(&server->context);
    h2o_config_dispose(&server->config);
}

static void start_ticking(struct dv_server *server, const struct dv_server_config *config)
{
    h2o_linklist_init_anchor(&server->connections);
    h2o_linklist_init_anchor(&server->waiting);
    h2o_linklist_init_anchor(&server->queries);
    h2o_linklist_init_anchor(&server->conversing);
    server->connections_max = config->connections_max != 0 ? config->connections_max : CONNECTIONS_MAX;
    dv_hub_init(&server->hub, server->loop, server->feed, config->streams_max != 0 ? config->streams_max : STREAMS_MAX);
    dv_timer_init(server->loop, &server->tick, on_tick, server);
    server->started_ns = dv_now_ns(server->loop);
    dv_timer_start(&server->tick, TICK_MS);
    /* Also tells the hub the number of the newest event. */
    publish_stats(server);
}

dv_rc dv_server_start(struct dv_server **ret, const struct dv_server_config *config, struct dv_graph *graph,
                      struct dv_feed *feed, struct dv_loop_real *loop, struct dv_error *error)
{
    DV_ASSERT(ret != NULL && graph != NULL && feed != NULL && loop != NULL && error != NULL);
    struct dv_server *server = dv_memory_zeroed(1, sizeof *server);
    if (server == NULL)
        return dv_error_set(error, DV_E_MEMORY, "the server does not fit in memory");
    server->graph = graph;
    server->feed = feed;
    server->loop = &loop->base;
    server->uv = loop->uv;
    server->letters = config->dead_letters;
    server->replies = config->replies;
    server->reload = config->reload;
    int fd = -1;
    dv_rc rc = prepare(server, config, &fd, error);
    if (rc == DV_OK) {
        start_h2o(server);
        rc = start_listener(server, fd, error);
        if (rc == DV_OK) {
            start_ticking(server, config);
            /* A client that leaves early must not end the process. */
            (void)signal(SIGPIPE, SIG_IGN);
            dv_graph_provide(graph, DV_SERVICE_SERVER, server);
            *ret = server;
            return DV_OK;
        }
        uv_close((uv_handle_t *)&server->listener, NULL);
        take_down(server);
    }
    SSL_CTX_free(server->accept.ssl_ctx);
    dv_memory_free(server);
    return rc;
}

void dv_server_ready(struct dv_server *server, bool ready)
{
    server->ready = ready;
}

uint16_t dv_server_port(const struct dv_server *server)
{
    return server->port;
}

bool dv_server_is_tls(const struct dv_server *server)
{
    return server->accept.ssl_ctx != NULL;
}

static void finish_stop(struct dv_server *server)
{
    if (server->stopped || server->connection_count > 0)
        return;
    server->stopped = true;
    dv_timer_close(&server->tick);
    dv_hub_close(&server->hub);
    server->on_stopped(server, server->on_stopped_data);
}

/* A connection that waits for its next request reads, so the end of file reaches it; one that answers is left to it. */
static void cut_off_idle(struct dv_server *server)
{
    for (h2o_linklist_t *link = server->connections.next; link != &server->connections; link = link->next) {
        struct dv_connection *connection = connection_of(link);
        if (uv_stream_get_write_queue_size((const uv_stream_t *)connection) != 0)
            continue;
        uv_os_fd_t fd = -1;
        if (uv_fileno((const uv_handle_t *)connection, &fd) == 0)
            (void)shutdown(fd, SHUT_RD);
    }
}

void dv_server_stop(struct dv_server *server, dv_server_stopped stopped, void *data)
{
    DV_ASSERT(!server->stopping && stopped != NULL);
    server->ready = false;
    server->stopping = true;
    server->on_stopped = stopped;
    server->on_stopped_data = data;
    server->stop_due_ns = dv_now_ns(server->loop) + STOP_S * second_ns;
    uv_close((uv_handle_t *)&server->listener, NULL);
    /* Answers say `Connection: close` from now on. */
    server->context.shutdown_requested = 1;
    dv_hub_goodbye(&server->hub);
    cut_off_idle(server);
    dv_timer_start(&server->tick, 0);
}

void dv_server_free(struct dv_server *server)
{
    if (server == NULL)
        return;
    DV_ASSERT(server->stopped && server->connection_count == 0);
    take_down(server);
    SSL_CTX_free(server->accept.ssl_ctx);
    dv_memory_free(server);
}
