/* SPDX-License-Identifier: Apache-2.0
 * protobuf.h - what protobuf-c needs to live here: its memory from an arena, so that it has an end and is wiped. */
#ifndef DV_CONNECTORS_PROTOBUF_H
#define DV_CONNECTORS_PROTOBUF_H

#include <protobuf-c/protobuf-c.h>

#include "engine/arena.h"

/* For protobuf-c; dv_protobuf_allocator() fills it in. */
static inline void *dv_protobuf_alloc(void *arena, size_t size)
{
    return dv_arena_alloc(arena, size);
}

/* The arena is emptied as a whole. */
static inline void dv_protobuf_drop(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

/* An allocator over `arena`, which the caller resets after each message; nothing unpacked need be freed. */
static inline ProtobufCAllocator dv_protobuf_allocator(struct dv_arena *arena)
{
    return (ProtobufCAllocator){ .alloc = dv_protobuf_alloc, .free = dv_protobuf_drop, .allocator_data = arena };
}

#endif
