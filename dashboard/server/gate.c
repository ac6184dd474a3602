/* SPDX-License-Identifier: Apache-2.0
 * gate.c - refuses bodies before they are read.
 *
 * h2o calls a handler when it has all of a body, and until then keeps it for anybody who sends one. So after each read
 * the head is judged as soon as it is there: a body that its sender may not send, or that there is no room for, is
 * answered here and the rest of it thrown away. What comes with the head in one read is the handler's business. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"

enum { SMALL_BYTES = 64 * 1024 }; /* a body that every connection may send at any time */

/* The client may still be sending: if the connection went now, it might never read the answer. h2o ends the connection
 * when the client has, or when the request has taken too long. */
static void on_refused(h2o_socket_t *socket, const char *error)
{
    (void)error;
    (void)shutdown(h2o_socket_get_fd(socket), SHUT_WR);
}

static size_t write_refusal(char out[DV_REFUSAL_BYTES], const struct dv_verdict *verdict)
{
    char body[DV_PROBLEM_BYTES];
    char retry[32] = "";
    const struct dv_problem problem = { .status = verdict->status, .detail = verdict->detail };
    size_t length = dv_problem_text(body, &problem);
    if (verdict->retry_after_s > 0)
        (void)snprintf(retry, sizeof retry, "retry-after: %d\r\n", verdict->retry_after_s);
    int written = snprintf(out, DV_REFUSAL_BYTES,
                           "HTTP/1.1 %d %s\r\nconnection: close\r\ncontent-length: %zu\r\n"
                           "content-type: application/problem+json\r\ncache-control: no-store\r\n"
                           "x-content-type-options: nosniff\r\n%s%s%s%s%s\r\n%.*s",
                           verdict->status, dv_status_phrase(verdict->status), length, retry,
                           verdict->status == 401 ? "www-authenticate: " DV_CHALLENGE "\r\n" : "",
                           verdict->allow != NULL ? "allow: " : "", verdict->allow != NULL ? verdict->allow : "",
                           verdict->allow != NULL ? "\r\n" : "", (int)length, body);
    DV_ASSERT(written > 0 && written < DV_REFUSAL_BYTES);
    return (size_t)written;
}

static void refuse(struct dv_connection *connection, const struct dv_verdict *verdict)
{
    h2o_iovec_t text = { connection->refusal, write_refusal(connection->refusal, verdict) };
    connection->refused = true;
    connection->server->responses[verdict->status / 100]++;
    h2o_buffer_t *input = connection->socket->input;
    explicit_bzero(input->bytes, input->size);
    h2o_socket_write(connection->socket, &text, 1, on_refused);
}

static bool has_head(const h2o_buffer_t *input)
{
    size_t skip = input->size >= 2 && memcmp(input->bytes, "\r\n", 2) == 0 ? 2 : 0;
    size_t size = input->size < DV_HEAD_BYTES ? input->size : DV_HEAD_BYTES;
    return size > skip && memmem(input->bytes + skip, size - skip, "\r\n\r\n", 4) != NULL;
}

/* Large bodies that are being read have a budget of their own, whoever sends them. */
static struct dv_verdict judge(const struct dv_server *server, const h2o_buffer_t *input, uint64_t *ret_bytes)
{
    struct dv_head head;
    enum dv_head_fault fault = dv_head_scan(input->bytes, input->size, &head);
    struct dv_verdict verdict = { 0 };
    *ret_bytes = head.body_length > SMALL_BYTES ? head.body_length : 0;
    if (fault != DV_HEAD_SOUND)
        verdict = dv_routes_judge(server, &head, fault);
    if (verdict.status == 0 && server->body_bytes + *ret_bytes > server->body_bytes_max) {
        verdict = (struct dv_verdict){ .status = 429, .retry_after_s = 1 };
        verdict.detail = "Too many requests are being sent at once.";
    }
    return verdict;
}

void dv_gate_leave(struct dv_connection *connection)
{
    connection->server->body_bytes -= connection->body_bytes;
    connection->body_bytes = 0;
}

void dv_gate_look(struct dv_connection *connection)
{
    if (uv_is_closing((const uv_handle_t *)connection) || connection->refused)
        return;
    h2o_socket_t *socket = connection->socket;
    if (!h2o_socket_is_reading(socket) || socket->input->size == 0) { /* the body is complete, or there is none yet */
        dv_gate_leave(connection);
        return;
    }
    if (connection->body_bytes > 0 || h2o_socket_is_writing(socket) || !has_head(socket->input))
        return;
    uint64_t bytes = 0;
    struct dv_verdict verdict = judge(connection->server, socket->input, &bytes);
    if (verdict.status != 0) {
        refuse(connection, &verdict);
        return;
    }
    connection->body_bytes = bytes;
    connection->server->body_bytes += bytes;
}
