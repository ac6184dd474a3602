/* SPDX-License-Identifier: Apache-2.0
 * grpc_health.c - grpc.health.v1: whether the server serves, for probes and load balancers; anybody may ask. */
#include <string.h>

#include "connectors/grpc_internal.h"
#include "connectors/protobuf.h"
#include "proto/grpc/health/v1/health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckRequest dv_health_request;
typedef Grpc__Health__V1__HealthCheckResponse dv_health_response;

enum {
    REPLY_MAX = 16,
    SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
    UNKNOWN_SERVICE = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
};

/* What a watch was last told. */
struct watch {
    bool watching;
    int told;
    bool unknown;
};

/* A service is known if it has a method; "" stands for all of them. */
static bool is_service(const struct dv_grpc_server *server, const char *name)
{
    size_t length = strlen(name);
    if (length == 0)
        return true;
    for (uint32_t i = 0; i < server->method_count; i++) {
        const char *path = server->methods[i].path;
        if (strncmp(path + 1, name, length) == 0 && path[1 + length] == '/')
            return true;
    }
    return false;
}

/* 0 after a refusal. */
static int status_of(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    struct dv_grpc_server *server = call->server;
    ProtobufCAllocator allocator = dv_protobuf_allocator(&server->scratch);
    dv_health_request *request = grpc__health__v1__health_check_request__unpack(&allocator, length, message);
    int status = 0;
    if (request == NULL)
        dv_grpc_finish(call, DV_GRPC_INVALID_ARGUMENT, "the message is not a HealthCheckRequest");
    else if (!is_service(server, request->service))
        status = UNKNOWN_SERVICE;
    else
        status = server->draining ? NOT_SERVING : SERVING;
    dv_arena_reset(&server->scratch);
    return status;
}

static bool reply(struct dv_grpc_call *call, int status)
{
    dv_health_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    uint8_t bytes[REPLY_MAX];
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    DV_ASSERT(grpc__health__v1__health_check_response__get_packed_size(&response) <= sizeof bytes);
    return dv_grpc_send(call, bytes, grpc__health__v1__health_check_response__pack(&response, bytes));
}

enum dv_grpc_taken dv_grpc_health_check(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    int status = status_of(call, message, length);
    if (status == UNKNOWN_SERVICE)
        dv_grpc_finish(call, DV_GRPC_NOT_FOUND, "no such service");
    else if (status != 0 && reply(call, status))
        dv_grpc_finish(call, DV_GRPC_OK, NULL);
    return DV_GRPC_TAKEN;
}

enum dv_grpc_taken dv_grpc_health_watch(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    struct watch *watch = dv_grpc_call_data(call);
    int status = status_of(call, message, length);
    *watch = (struct watch){ .watching = status != 0, .told = status, .unknown = status == UNKNOWN_SERVICE };
    if (status != 0)
        (void)reply(call, status);
    return DV_GRPC_TAKEN;
}

void dv_grpc_health_tell(struct dv_grpc_session *session)
{
    for (struct dv_grpc_call *call = session->calls; call != NULL; call = call->next) {
        struct watch *watch = dv_grpc_call_data(call);
        if (call->method == NULL || call->method->take != dv_grpc_health_watch || !watch->watching || watch->unknown ||
            dv_grpc_is_over(call))
            continue;
        if (reply(call, NOT_SERVING)) /* and that is the end */
            dv_grpc_finish(call, DV_GRPC_UNAVAILABLE, "the server is shutting down");
    }
}
