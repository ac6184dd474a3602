/* SPDX-License-Identifier: Apache-2.0
 * redis_link.c - the socket below a connection: resolving, connecting, TLS, and bytes both ways.
 *
 * libuv reports an error of a socket as a bad status and no events; reading and writing then are what tells which. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connectors/redis.h"
#include "engine/memory.h"

enum { READS_MAX = 8 /* in one turn of the loop */, BUFFER_FIRST = 16 * 1024, BUFFER_KEPT = 1024 * 1024 };

/* ---- buffers ---- */

char *dv_redis_buffer_room(struct dv_redis_buffer *buffer, size_t size)
{
    size_t larger = buffer->size != 0 ? buffer->size : BUFFER_FIRST;
    if (size <= buffer->size - buffer->used)
        return buffer->bytes + buffer->used;
    while (larger - buffer->used < size) {
        if (larger > SIZE_MAX / 2)
            return NULL;
        larger *= 2;
    }
    char *bytes = dv_memory_alloc(larger);
    if (bytes == NULL)
        return NULL;
    if (buffer->used > 0) {
        memcpy(bytes, buffer->bytes, buffer->used);
        explicit_bzero(buffer->bytes, buffer->used);
    }
    dv_memory_free(buffer->bytes);
    buffer->bytes = bytes;
    buffer->size = larger;
    return buffer->bytes + buffer->used;
}

void dv_redis_buffer_clear(struct dv_redis_buffer *buffer, bool whole)
{
    if (buffer->bytes != NULL)
        explicit_bzero(buffer->bytes, buffer->used);
    buffer->used = 0;
    buffer->sent = 0;
    if (!whole && buffer->size <= BUFFER_KEPT)
        return;
    dv_memory_free(buffer->bytes);
    *buffer = (struct dv_redis_buffer){ 0 };
}

/* ---- the socket ---- */

static const char *reason_of(int error)
{
    switch (error) {
    case ECONNREFUSED: return "connection refused";
    case ECONNRESET:
    case EPIPE: return "the server closed the connection";
    case ETIMEDOUT: return "the server cannot be reached";
    case EHOSTUNREACH:
    case ENETUNREACH: return "no way to the server";
    default: return "the connection failed";
    }
}

static bool is_secure(const struct dv_redis_client *client)
{
    return client->tls.session != NULL;
}

static struct dv_redis_buffer *outgoing(struct dv_redis_client *client)
{
    return is_secure(client) ? &client->wire : &client->out;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    if (poll->data != NULL)
        dv_redis_link_ready(poll->data, status, events);
}

static void watch(struct dv_redis_client *client, int events)
{
    if (client->watched == events)
        return;
    client->watched = events;
    int failed = uv_poll_start(client->poll, events, on_event);
    DV_ASSERT(failed == 0);
}

static void on_poll_closed(uv_handle_t *handle)
{
    dv_memory_free(handle);
}

static void close_socket(struct dv_redis_client *client)
{
    if (client->poll != NULL) {
        client->poll->data = NULL;
        uv_close((uv_handle_t *)client->poll, on_poll_closed);
    }
    client->poll = NULL;
    client->watched = 0;
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
}

void dv_redis_link_close(struct dv_redis_client *client)
{
    close_socket(client);
    dv_tls_stop(&client->tls);
    dv_redis_buffer_clear(&client->out, true);
    dv_redis_buffer_clear(&client->wire, true);
    if (client->addresses != NULL)
        uv_freeaddrinfo(client->addresses);
    client->addresses = NULL;
    client->address = NULL;
}

/* ---- connecting ---- */

/* 0, or an errno. */
static int open_socket(struct dv_redis_client *client, const struct addrinfo *address)
{
    int on = 1;
    client->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return errno;
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(client->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (connect(client->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
        return errno;
    uv_poll_t *poll = dv_memory_zeroed(1, sizeof *poll);
    if (poll == NULL)
        return ENOMEM;
    if (uv_poll_init(dv_loop_uv(client->options.loop), poll, client->fd) != 0) {
        dv_memory_free(poll);
        return EMFILE;
    }
    poll->data = client;
    client->poll = poll;
    watch(client, UV_WRITABLE);
    return 0;
}

/* Tries addresses until one can be waited for. */
static void try_addresses(struct dv_redis_client *client, int error)
{
    for (; client->address != NULL; client->address = client->address->ai_next) {
        dv_redis_move(client, DV_REDIS_CONNECTING);
        error = open_socket(client, client->address);
        if (error == 0)
            return;
        close_socket(client);
    }
    dv_redis_lost(client, reason_of(error));
}

static void resolve(struct dv_redis_client *client);

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct dv_redis_client *client = request->data;
    client->resolving_now = false;
    client->options.loop->away--;
    if (client->state != DV_REDIS_RESOLVING || !dv_redis_place_is(&client->sought, &client->place)) {
        uv_freeaddrinfo(addresses);
        if (client->state == DV_REDIS_RESOLVING)
            resolve(client); /* another place is sought by now */
        return;
    }
    if (status != 0) {
        dv_redis_lost(client, "the server's name cannot be resolved");
        return;
    }
    client->addresses = addresses;
    client->address = addresses;
    try_addresses(client, 0);
}

static void resolve(struct dv_redis_client *client)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    char port[8];
    if (client->resolving_now)
        return; /* a question of earlier is still under way */
    (void)snprintf(port, sizeof port, "%u", (unsigned)client->place.port);
    client->sought = client->place;
    client->resolving.data = client;
    client->resolving_now = uv_getaddrinfo(dv_loop_uv(client->options.loop), &client->resolving, on_resolved,
                                           client->sought.host, port, &hints) == 0;
    client->options.loop->away += client->resolving_now;
    if (!client->resolving_now)
        dv_redis_lost(client, "the server's name cannot be resolved");
}

void dv_redis_link_start(struct dv_redis_client *client)
{
    dv_redis_move(client, DV_REDIS_RESOLVING);
    resolve(client);
}

/* ---- bytes out ---- */

/* Commands in clear become bytes for the wire. */
static bool seal(struct dv_redis_client *client)
{
    struct dv_redis_buffer *out = &client->out;
    if (client->tls.secured && out->used > 0) {
        if (!dv_tls_write(&client->tls, out->bytes, out->used))
            return false;
        dv_redis_buffer_clear(out, false);
    }
    size_t pending = dv_tls_pending(&client->tls);
    char *room = pending > 0 ? dv_redis_buffer_room(&client->wire, pending) : NULL;
    if (room != NULL)
        client->wire.used += dv_tls_take(&client->tls, room, pending);
    return pending == 0 || room != NULL;
}

/* False: the socket is broken, with errno. */
static bool send_all(int fd, struct dv_redis_buffer *buffer)
{
    while (buffer->sent < buffer->used) {
        ssize_t sent = send(fd, buffer->bytes + buffer->sent, buffer->used - buffer->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        buffer->sent += (size_t)sent;
    }
    dv_redis_buffer_clear(buffer, false);
    return true;
}

void dv_redis_link_flush(struct dv_redis_client *client)
{
    if (is_secure(client) && !seal(client)) {
        dv_redis_lost(client, "the TLS session is broken");
        return;
    }
    struct dv_redis_buffer *buffer = outgoing(client);
    if (!send_all(client->fd, buffer)) {
        dv_redis_lost(client, reason_of(errno));
        return;
    }
    watch(client, buffer->used > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

void dv_redis_link_later(struct dv_redis_client *client)
{
    watch(client, UV_READABLE | UV_WRITABLE);
}

/* ---- bytes in ---- */

/* Clear text from under TLS, as far as it goes. */
static void unseal(struct dv_redis_client *client, char *buffer, size_t size)
{
    size_t length = 0;
    enum dv_tls_step step = DV_TLS_DONE;
    while (client->fd >= 0 && (step = dv_tls_read(&client->tls, buffer, size, &length)) == DV_TLS_DONE)
        dv_redis_received(client, buffer, length);
    if (client->fd >= 0 && step == DV_TLS_FAILED)
        dv_redis_lost(client, "the server closed the connection");
    else if (client->fd >= 0 && dv_tls_pending(&client->tls) > 0)
        dv_redis_link_flush(client); /* TLS has something of its own to say */
}

static void shake_hands(struct dv_redis_client *client)
{
    const char *reason = NULL;
    enum dv_tls_step step = dv_tls_handshake(&client->tls, &reason);
    if (step == DV_TLS_FAILED) {
        (void)seal(client);
        (void)send_all(client->fd, &client->wire); /* the alert tells the server why */
        client->turned_away = dv_tls_mistrusts(&client->tls);
        dv_redis_lost(client, reason);
        return;
    }
    dv_redis_link_flush(client);
    if (step == DV_TLS_DONE && client->fd >= 0)
        dv_redis_connected(client);
}

static void take_in(struct dv_redis_client *client, char *buffer, size_t length)
{
    if (!is_secure(client)) {
        dv_redis_received(client, buffer, length);
        return;
    }
    if (!dv_tls_feed(&client->tls, buffer, length)) {
        dv_redis_lost(client, "no memory for what the server sends");
        return;
    }
    if (client->state == DV_REDIS_SECURING)
        shake_hands(client);
    if (client->fd >= 0 && client->tls.secured)
        unseal(client, buffer, DV_REDIS_READ_BYTES);
}

static void read_some(struct dv_redis_client *client)
{
    char buffer[DV_REDIS_READ_BYTES];
    ssize_t length = (ssize_t)sizeof buffer;
    for (int i = 0; i < READS_MAX && client->fd >= 0 && length == (ssize_t)sizeof buffer; i++) {
        length = recv(client->fd, buffer, sizeof buffer, 0);
        if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (length <= 0) {
            dv_redis_lost(client, length == 0 ? "the server closed the connection" : reason_of(errno));
            return;
        }
        take_in(client, buffer, (size_t)length);
        explicit_bzero(buffer, is_secure(client) ? sizeof buffer : (size_t)length);
    }
}

/* The socket is connected, or is not. */
static void begin(struct dv_redis_client *client)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        close_socket(client);
        client->address = client->address->ai_next;
        try_addresses(client, error);
        return;
    }
    watch(client, UV_READABLE);
    if (!dv_redis_under_tls(client)) {
        dv_redis_connected(client);
        return;
    }
    dv_redis_move(client, DV_REDIS_SECURING);
    if (dv_tls_connect(&client->tls, client->trusted, client->place.host) != DV_OK)
        dv_redis_lost(client, "no memory for TLS");
    else
        shake_hands(client);
}

void dv_redis_link_ready(struct dv_redis_client *client, int status, int events)
{
    if (status < 0) { /* libuv has stopped looking */
        events = UV_READABLE | UV_WRITABLE;
        client->watched = 0;
    }
    if (client->state == DV_REDIS_CONNECTING) {
        begin(client);
        return;
    }
    if ((events & UV_READABLE) != 0)
        read_some(client);
    if ((events & UV_WRITABLE) != 0 && client->fd >= 0)
        dv_redis_link_flush(client);
}
