/* SPDX-License-Identifier: Apache-2.0
 * grpc_reflection.c - grpc.reflection: what the server offers, for tools that have no .proto file. */
#include "connectors/grpc_reflection.h"

#include <string.h>

#include "connectors/grpc_internal.h"
#include "connectors/protobuf.h"
#include "proto/grpc/reflection/v1/reflection.pb-c.h"

/* v1alpha has the same messages under other names. */
typedef Grpc__Reflection__V1__ServerReflectionRequest dv_reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse dv_reflection_response;
typedef Grpc__Reflection__V1__ServiceResponse dv_reflection_service;

enum { SERVICE_NAME_MAX = 128, SERVICES_MAX = DV_GRPC_METHODS_MAX + 5 };

static const struct dv_proto_file *file_named(const char *name)
{
    for (const struct dv_proto_file *file = dv_proto_files; file->name != NULL; file++)
        if (strcmp(file->name, name) == 0)
            return file;
    return NULL;
}

static const struct dv_proto_file *file_with(const char *symbol)
{
    for (const struct dv_proto_file *file = dv_proto_files; file->name != NULL; file++)
        for (const char *const *own = file->symbols; *own != NULL; own++)
            if (strcmp(*own, symbol) == 0)
                return file;
    return NULL;
}

static bool reply(struct dv_grpc_call *call, const dv_reflection_response *response)
{
    size_t length = grpc__reflection__v1__server_reflection_response__get_packed_size(response);
    uint8_t *bytes = dv_arena_alloc(&call->server->scratch, length);
    if (bytes == NULL) {
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "the question is too long");
        return false;
    }
    return dv_grpc_send(call, bytes, grpc__reflection__v1__server_reflection_response__pack(response, bytes));
}

static void reply_error(struct dv_grpc_call *call, const dv_reflection_response *asked, enum dv_grpc_status status,
                        const char *text)
{
    dv_reflection_response response = *asked;
    Grpc__Reflection__V1__ErrorResponse error;
    char words[64] = "";
    grpc__reflection__v1__error_response__init(&error);
    memcpy(words, text, strnlen(text, sizeof words - 1));
    error.error_code = (int32_t)status;
    error.error_message = words;
    response.message_response_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response.error_response = &error;
    (void)reply(call, &response);
}

static void reply_file(struct dv_grpc_call *call, const dv_reflection_response *asked, const struct dv_proto_file *file)
{
    dv_reflection_response response = *asked;
    Grpc__Reflection__V1__FileDescriptorResponse files = GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    ProtobufCBinaryData descriptor = { 0 };
    if (file == NULL) {
        reply_error(call, asked, DV_GRPC_NOT_FOUND, "there is no such file or symbol");
        return;
    }
    descriptor.len = file->length;
    descriptor.data = (uint8_t *)(uintptr_t)file->descriptor; /* protobuf-c only reads it */
    files.n_file_descriptor_proto = 1;
    files.file_descriptor_proto = &descriptor;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response.file_descriptor_response = &files;
    (void)reply(call, &response);
}

/* The services of the server's methods, each once; methods of a service stand together. */
static void reply_services(struct dv_grpc_call *call, const dv_reflection_response *asked)
{
    dv_reflection_response response = *asked;
    const struct dv_grpc_server *server = call->server;
    char names[SERVICES_MAX][SERVICE_NAME_MAX];
    dv_reflection_service services[SERVICES_MAX];
    dv_reflection_service *list[SERVICES_MAX];
    Grpc__Reflection__V1__ListServiceResponse all = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    all.service = list;
    for (uint32_t i = 0; i < server->method_count; i++) {
        const char *path = server->methods[i].path + 1;
        size_t length = strcspn(path, "/");
        size_t last = all.n_service;
        DV_ASSERT(length < SERVICE_NAME_MAX);
        if (last > 0 && strncmp(names[last - 1], path, length) == 0 && names[last - 1][length] == '\0')
            continue;
        memcpy(names[last], path, length);
        names[last][length] = '\0';
        grpc__reflection__v1__service_response__init(&services[last]);
        services[last].name = names[last];
        list[last] = &services[last];
        all.n_service++;
    }
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response.list_services_response = &all;
    (void)reply(call, &response);
}

static void answer(struct dv_grpc_call *call, dv_reflection_request *request)
{
    dv_reflection_response response;
    grpc__reflection__v1__server_reflection_response__init(&response);
    response.valid_host = request->host;
    response.original_request = request;
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        reply_services(call, &response);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        reply_file(call, &response, file_named(request->file_by_filename));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        reply_file(call, &response, file_with(request->file_containing_symbol));
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        reply_error(call, &response, DV_GRPC_NOT_FOUND, "there are no extensions");
        break;
    default: reply_error(call, &response, DV_GRPC_INVALID_ARGUMENT, "the question asks for nothing"); break;
    }
}

enum dv_grpc_taken dv_grpc_reflect(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    ProtobufCAllocator allocator = dv_protobuf_allocator(&call->server->scratch);
    dv_reflection_request *request =
        grpc__reflection__v1__server_reflection_request__unpack(&allocator, length, message);
    if (request == NULL)
        dv_grpc_finish(call, DV_GRPC_INVALID_ARGUMENT, "the message is not a ServerReflectionRequest");
    else
        answer(call, request);
    dv_arena_reset(&call->server->scratch);
    return DV_GRPC_TAKEN;
}
