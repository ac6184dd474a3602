/* SPDX-License-Identifier: Apache-2.0
 * fuzz_message.c - what stands in gRPC messages: frames, time-outs, binary metadata, and IngestRequests in bounded memory. */
#include <stdint.h>
#include <string.h>

#include "connectors/grpc_wire.h"
#include "connectors/protobuf.h"
#include "engine/error.h"
#include "proto/datavault/v1/datavault.pb-c.h"

enum { MESSAGE_MAX = 4096, ARENA_MAX = 256 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const uint8_t *message, size_t length)
{
    struct dv_arena arena;
    dv_arena_init(&arena, ARENA_MAX);
    ProtobufCAllocator allocator = dv_protobuf_allocator(&arena);
    const Datavault__V1__IngestRequest *request = datavault__v1__ingest_request__unpack(&allocator, length, message);
    if (request != NULL)
        DV_ASSERT(request->payload.len <= length && strlen(request->idempotency_key) <= length);
    DV_ASSERT(dv_arena_held(&arena) <= ARENA_MAX);
    dv_arena_free(&arena);
}

/* All messages of a body, by way of a buffer that is filled in pieces. */
static void read_body(const uint8_t *data, size_t size)
{
    struct dv_grpc_budget budget = { .max = 16 * 1024 };
    struct dv_grpc_buffer buffer = { 0 };
    size_t piece = size > 0 ? 1 + data[size - 1] : 1, length = 0;
    enum dv_grpc_framed framed = DV_GRPC_FRAMED_PART;
    for (size_t at = 0; at < size && framed == DV_GRPC_FRAMED_PART; at += piece) {
        if (!dv_grpc_buffer_add(&buffer, data + at, size - at < piece ? size - at : piece, &budget))
            break;
        while ((framed = dv_grpc_framed(dv_grpc_buffer_front(&buffer), dv_grpc_buffer_length(&buffer), MESSAGE_MAX,
                                        &length)) == DV_GRPC_FRAMED_WHOLE) {
            DV_ASSERT(length <= MESSAGE_MAX);
            unpack(dv_grpc_buffer_front(&buffer) + DV_GRPC_PREFIX, length);
            dv_grpc_buffer_drop(&buffer, DV_GRPC_PREFIX + length);
        }
    }
    dv_grpc_buffer_clear(&buffer, true, &budget);
    DV_ASSERT(budget.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[64] = "", out[DV_GRPC_TEXT_MAX];
    uint64_t timeout_ms = 0;
    read_body(data, size);
    unpack(data, size);
    (void)dv_grpc_timeout_parse((const char *)data, size, &timeout_ms);
    (void)dv_grpc_binary_is_sound((const char *)data, size);
    memcpy(text, data, size < sizeof text - 1 ? size : sizeof text - 1);
    DV_ASSERT(dv_grpc_percent_encode(out, text) <= sizeof out);
    return 0;
}
