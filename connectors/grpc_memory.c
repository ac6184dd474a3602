/* SPDX-License-Identifier: Apache-2.0
 * grpc_memory.c - the allocator that nghttp2 gets: it has an end, small blocks are used again, and all are wiped. */
#include <string.h>

#include "connectors/grpc_internal.h"
#include "engine/memory.h"

enum { STEP = 64, KEPT_MAX = 4 * 1024 * 1024 };

/* What stands before each block. */
struct dv_grpc_block {
    _Alignas(16) size_t size;
    struct dv_grpc_block *next;
};

static unsigned class_of(size_t size)
{
    return (unsigned)(size / STEP - 1);
}

static void *take(size_t wanted, void *user)
{
    struct dv_grpc_memory *memory = user;
    const unsigned classes = sizeof memory->free / sizeof *memory->free;
    if (wanted > memory->max)
        return NULL;
    size_t size = (wanted + STEP - 1) / STEP * STEP + (wanted == 0 ? STEP : 0);
    if (size > memory->max - memory->used)
        return NULL;
    unsigned class = class_of(size);
    struct dv_grpc_block *block = class < classes ? memory->free[class] : NULL;
    if (block != NULL) {
        memory->free[class] = block->next;
        memory->kept -= size;
    } else {
        block = dv_memory_alloc(sizeof *block + size);
        if (block == NULL)
            return NULL;
    }
    *block = (struct dv_grpc_block){ .size = size };
    memory->used += size;
    return block + 1;
}

static void give_back(void *bytes, void *user)
{
    struct dv_grpc_memory *memory = user;
    if (bytes == NULL)
        return;
    struct dv_grpc_block *block = (struct dv_grpc_block *)bytes - 1;
    const unsigned classes = sizeof memory->free / sizeof *memory->free;
    unsigned class = class_of(block->size);
    explicit_bzero(bytes, block->size);
    memory->used -= block->size;
    if (class >= classes || memory->kept + block->size > KEPT_MAX) {
        dv_memory_free(block);
        return;
    }
    memory->kept += block->size;
    block->next = memory->free[class];
    memory->free[class] = block;
}

static void *take_zeroed(size_t count, size_t size, void *user)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *block = take(bytes, user);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

static void *resize(void *bytes, size_t size, void *user)
{
    if (bytes == NULL)
        return take(size, user);
    size_t held = ((struct dv_grpc_block *)bytes - 1)->size;
    if (size <= held)
        return bytes;
    void *larger = take(size, user);
    if (larger != NULL) {
        memcpy(larger, bytes, held);
        give_back(bytes, user);
    }
    return larger;
}

void dv_grpc_memory_init(struct dv_grpc_memory *memory, size_t max)
{
    *memory = (struct dv_grpc_memory){ .max = max };
    memory->mem = (nghttp2_mem){
        .mem_user_data = memory, .malloc = take, .free = give_back, .calloc = take_zeroed, .realloc = resize
    };
}

void dv_grpc_memory_free(struct dv_grpc_memory *memory)
{
    DV_ASSERT(memory->used == 0);
    for (unsigned i = 0; i < sizeof memory->free / sizeof *memory->free; i++)
        for (struct dv_grpc_block *block = memory->free[i], *next; block != NULL; block = next) {
            next = block->next;
            dv_memory_free(block);
        }
    *memory = (struct dv_grpc_memory){ 0 };
}
