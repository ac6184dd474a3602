/* SPDX-License-Identifier: Apache-2.0
 * arena.c - chunks in a list; reset wipes the used part of each and starts again at the first. */
#include "engine/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/memory.h"

struct dv_arena_chunk {
    struct dv_arena_chunk *next;
    size_t size; /* bytes of data[] */
    size_t used; /* set when the arena moves on to another chunk */
    _Alignas(16) char data[];
};

void dv_arena_init(struct dv_arena *arena, size_t limit_bytes)
{
    *arena = (struct dv_arena){ .limit_bytes = limit_bytes };
}

static void enter(struct dv_arena *arena, struct dv_arena_chunk *chunk)
{
    arena->current = chunk;
    arena->next = chunk->data;
    arena->high = chunk->data;
    arena->end = chunk->data + chunk->size;
}

static void leave(struct dv_arena *arena)
{
    if (arena->current == NULL)
        return;
    const char *high = arena->next > arena->high ? arena->next : arena->high;
    arena->current->used = (size_t)(high - arena->current->data);
}

/* Where the chunks begin that were kept from before a reset: right behind the current one. */
static struct dv_arena_chunk **kept_chunks(struct dv_arena *arena)
{
    return arena->current != NULL ? &arena->current->next : &arena->first;
}

static struct dv_arena_chunk *take_kept(struct dv_arena *arena, size_t size)
{
    struct dv_arena_chunk *kept = *kept_chunks(arena);
    return kept != NULL && kept->size >= size ? kept : NULL;
}

static void drop_chunks(struct dv_arena *arena, struct dv_arena_chunk **link)
{
    while (*link != NULL) {
        struct dv_arena_chunk *chunk = *link;
        *link = chunk->next;
        arena->held_bytes -= chunk->size;
        dv_memory_free(chunk);
    }
}

static struct dv_arena_chunk *new_chunk(struct dv_arena *arena, size_t size)
{
    size_t data = size > DV_ARENA_CHUNK ? size : DV_ARENA_CHUNK;
    if (data <= arena->limit_bytes && arena->held_bytes > arena->limit_bytes - data)
        drop_chunks(arena, kept_chunks(arena)); /* too small, and in the way: what fits must not hang on the past */
    if (data > arena->limit_bytes || arena->held_bytes > arena->limit_bytes - data)
        return NULL;
    struct dv_arena_chunk *chunk = dv_memory_alloc(sizeof *chunk + data);
    if (chunk == NULL)
        return NULL;
    chunk->size = data;
    chunk->used = 0;
    arena->held_bytes += data;
    struct dv_arena_chunk **link = kept_chunks(arena);
    chunk->next = *link;
    *link = chunk;
    return chunk;
}

void *dv_arena_grow(struct dv_arena *arena, size_t size)
{
    if (size > arena->limit_bytes)
        return NULL;
    leave(arena);
    struct dv_arena_chunk *chunk = take_kept(arena, size);
    if (chunk == NULL)
        chunk = new_chunk(arena, size);
    if (chunk == NULL)
        return NULL;
    enter(arena, chunk);
    arena->next += size;
    return chunk->data;
}

void dv_arena_reset(struct dv_arena *arena)
{
    leave(arena);
    for (struct dv_arena_chunk *chunk = arena->first; chunk != NULL; chunk = chunk->next) {
        explicit_bzero(chunk->data, chunk->used);
        chunk->used = 0;
    }
    arena->current = NULL;
    arena->next = NULL;
    arena->end = NULL;
}

void dv_arena_free(struct dv_arena *arena)
{
    dv_arena_reset(arena);
    drop_chunks(arena, &arena->first);
    dv_arena_init(arena, arena->limit_bytes);
}

void *dv_arena_zeroed(struct dv_arena *arena, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    void *memory = dv_arena_alloc(arena, total);
    if (memory != NULL)
        memset(memory, 0, total);
    return memory;
}

char *dv_arena_copy(struct dv_arena *arena, const char *text, size_t length)
{
    char *copy = dv_arena_text(arena, length + 1);
    if (copy == NULL)
        return NULL;
    if (length != 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *dv_arena_printf(struct dv_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : dv_arena_text(arena, (size_t)length + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
