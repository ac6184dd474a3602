/* SPDX-License-Identifier: Apache-2.0
 * grpc_head.c - the head of a call: what it asks for, who asks, and until when. */
#include <string.h>

#include "connectors/grpc_internal.h"

enum { FIELD_EXTRA = 32 /* what HTTP/2 counts for each field */ };

static bool is(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static bool is_type(const char *value, size_t length)
{
    static const char type[] = "application/grpc";
    const size_t known = sizeof type - 1;
    if (length < known || memcmp(value, type, known) != 0)
        return false;
    return length == known || value[known] == ';' || is(value + known, length - known, "+proto");
}

static void note(struct dv_grpc_call *call, enum dv_grpc_head_fault fault)
{
    if (call->fault == DV_GRPC_HEAD_SOUND || fault < call->fault)
        call->fault = fault;
}

/* Most calls are for the method that was called last. */
static void find_method(struct dv_grpc_call *call, const char *path, size_t length)
{
    struct dv_grpc_server *server = call->server;
    call->method = is(path, length, server->last->path) ? server->last : NULL;
    for (uint32_t i = 0; i < server->method_count && call->method == NULL; i++)
        if (is(path, length, server->methods[i].path))
            call->method = &server->methods[i];
    if (call->method != NULL)
        server->last = call->method;
    else
        note(call, DV_GRPC_HEAD_METHOD);
}

static void read_token(struct dv_grpc_call *call, const char *value, size_t length)
{
    const struct dv_bearer *server = call->server->config.token;
    const struct dv_bearer *method = call->method != NULL ? call->method->token : NULL;
    call->known = server != NULL && server->is_set && dv_bearer_shown(server, value, length);
    call->allowed =
        method == server ? call->known : method != NULL && method->is_set && dv_bearer_shown(method, value, length);
}

static void read_timeout(struct dv_grpc_call *call, const char *value, size_t length)
{
    uint64_t timeout_ms = 0;
    if (dv_grpc_timeout_parse(value, length, &timeout_ms))
        dv_grpc_call_set_due(call, timeout_ms);
    else
        note(call, DV_GRPC_HEAD_TIMEOUT);
}

void dv_grpc_head_field(struct dv_grpc_call *call, const char *name, size_t name_length, const char *value,
                        size_t value_length)
{
    call->head_bytes += name_length + value_length + FIELD_EXTRA;
    if (call->head_bytes > DV_GRPC_HEAD_MAX)
        note(call, DV_GRPC_HEAD_LARGE);
    if (call->begun || call->fault == DV_GRPC_HEAD_LARGE)
        return;
    if (is(name, name_length, ":path"))
        find_method(call, value, value_length);
    else if (is(name, name_length, ":method"))
        call->post = is(value, value_length, "POST");
    else if (is(name, name_length, "content-type"))
        call->typed = is_type(value, value_length);
    else if (is(name, name_length, "authorization"))
        read_token(call, value, value_length);
    else if (is(name, name_length, "grpc-timeout"))
        read_timeout(call, value, value_length);
    else if (is(name, name_length, "grpc-encoding") && !is(value, value_length, "identity"))
        note(call, DV_GRPC_HEAD_ENCODING);
    else if (name_length > 4 && is(name + name_length - 4, 4, "-bin") && !dv_grpc_binary_is_sound(value, value_length))
        note(call, DV_GRPC_HEAD_BINARY);
}

/* Whether who calls may; else the call is answered. */
static bool is_allowed(struct dv_grpc_call *call)
{
    const struct dv_bearer *token = call->method->token;
    if (token == NULL || !token->is_set || call->allowed)
        return true;
    if (call->known)
        dv_grpc_finish(call, DV_GRPC_PERMISSION_DENIED, "this method has a token of its own");
    else
        dv_grpc_finish(call, DV_GRPC_UNAUTHENTICATED, "show the token: `authorization: Bearer ...`");
    return false;
}

void dv_grpc_head_judge(struct dv_grpc_call *call)
{
    bool health = call->method != NULL && call->method->take == dv_grpc_health_check;
    bool late = call->due_ns != 0 && call->due_ns <= dv_now_ns(call->server->config.loop);
    call->begun = true;
    if (!call->post)
        dv_grpc_call_not_grpc(call, "405");
    else if (!call->typed)
        dv_grpc_call_not_grpc(call, "415");
    else if (call->fault == DV_GRPC_HEAD_LARGE)
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "the metadata is longer than 8 KiB");
    else if (call->method == NULL)
        dv_grpc_finish(call, DV_GRPC_UNIMPLEMENTED, "no such method");
    else if (!is_allowed(call))
        return;
    else if (call->fault == DV_GRPC_HEAD_TIMEOUT)
        dv_grpc_finish(call, DV_GRPC_INVALID_ARGUMENT, "grpc-timeout is malformed");
    else if (call->fault == DV_GRPC_HEAD_BINARY)
        dv_grpc_finish(call, DV_GRPC_INVALID_ARGUMENT, "metadata whose name ends in -bin must be base64");
    else if (call->fault == DV_GRPC_HEAD_ENCODING)
        dv_grpc_finish(call, DV_GRPC_UNIMPLEMENTED, "messages must not be compressed");
    else if (late)
        dv_grpc_finish(call, DV_GRPC_DEADLINE_EXCEEDED, "the deadline has passed");
    else if (call->server->draining && !health)
        dv_grpc_finish(call, DV_GRPC_UNAVAILABLE, "the server is shutting down");
}
