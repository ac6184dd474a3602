/* SPDX-License-Identifier: Apache-2.0
 * fuzz_grpc.c - whatever a client sends over HTTP/2, a server session of gRPC stands, keeps within its bounds, and leaves
 * nothing behind. */
#include <stdint.h>
#include <string.h>

#include "connectors/grpc_internal.h"

enum { MESSAGE_MAX = 512, BUFFER_MAX = 256 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says LATER now and then, sends the message back, and finishes a call of one message. */
static enum dv_grpc_taken echo(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    uint8_t *turns = dv_grpc_call_data(call);
    DV_ASSERT(length <= MESSAGE_MAX && !dv_grpc_is_over(call));
    if (length > 0 && message[0] == 'l' && turns[0]++ == 0) {
        dv_grpc_resume(dv_grpc_ref(call));
        dv_grpc_unref(call);
        return DV_GRPC_LATER;
    }
    (void)dv_grpc_send(call, message, length);
    if (!dv_grpc_call_method(call)->client_streams)
        dv_grpc_finish(call, length > 0 ? DV_GRPC_OK : DV_GRPC_INVALID_ARGUMENT, "empty\n");
    return DV_GRPC_TAKEN;
}

static void sent_all(struct dv_grpc_call *call)
{
    dv_grpc_finish(call, DV_GRPC_OK, NULL);
}

static void on_deadline(struct dv_timer *timer)
{
    (void)timer;
}

static void resume_all(struct dv_grpc_session *session)
{
    for (struct dv_grpc_call *call = session->calls; call != NULL; call = call->next)
        dv_grpc_resume(call);
}

static void take_all(struct dv_grpc_session *session)
{
    static const uint64_t second_ns = 1000000000;
    char buffer[DV_GRPC_WIRE_BYTES];
    while (dv_grpc_session_take(session, buffer, sizeof buffer) > 0)
        resume_all(session);
    resume_all(session);
    dv_grpc_deadlines(session->server, session, dv_now_ns(session->server->config.loop) + 3600 * second_ns);
    dv_grpc_session_sweep(session, dv_now_ns(session->server->config.loop) + second_ns);
    while (dv_grpc_session_take(session, buffer, sizeof buffer) > 0)
        ;
}

static void talk(struct dv_grpc_server *server, const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    struct dv_grpc_session session;
    if (dv_grpc_session_init(&session, server) != DV_OK)
        return;
    bool sound = dv_grpc_session_feed(&session, preface, sizeof preface);
    DV_ASSERT(sound);
    size_t piece = size > 0 ? 1 + data[0] * 8u : 1;
    for (size_t at = 0; at < size && sound; at += piece) {
        sound = dv_grpc_session_feed(&session, (const char *)data + at, size - at < piece ? size - at : piece);
        take_all(&session);
        DV_ASSERT(server->budget.used <= server->budget.max);
    }
    dv_grpc_session_drain(&session);
    take_all(&session);
    dv_grpc_session_free(&session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dv_grpc_method methods[] = {
        { .path = "/a/One", .take = echo },
        { .path = "/a/Many", .client_streams = true, .take = echo, .half_closed = sent_all },
    };
    struct dv_loop_sim loop;
    static struct dv_grpc_server server; /* too large for the stack */
    const struct dv_grpc_config config = { .loop = &loop.base,
                                           .name = "fuzz",
                                           .methods = methods,
                                           .method_count = 2,
                                           .reflection = true,
                                           .connections_max = 4,
                                           .streams_max = 16,
                                           .message_max = MESSAGE_MAX,
                                           .buffer_max = BUFFER_MAX,
                                           .stall_ms = 1000,
                                           .keepalive_ms = 1000 };
    dv_loop_sim_init(&loop);
    memset(&server, 0, sizeof server);
    dv_timer_init(&loop.base, &server.deadline, on_deadline, &server);
    dv_rc rc = dv_grpc_core_init(&server, &config);
    DV_ASSERT(rc == DV_OK);
    talk(&server, data, size);
    dv_timer_close(&server.deadline);
    dv_grpc_core_free(&server);
    DV_ASSERT(server.budget.used == 0);
    return 0;
}
