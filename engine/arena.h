/* SPDX-License-Identifier: Apache-2.0
 * arena.h - memory that is given out piece by piece and taken back at once.
 *
 * There are three lifetimes and an arena for each: the graph (state), a batch (records), a call (scratch). An arena has
 * a hard limit in bytes; past it dv_arena_alloc() answers NULL and the caller returns DV_E_MEMORY. What was used is
 * wiped when the arena is reset, so that no record outlives its batch. Nothing else in the tree calls malloc. */
#ifndef DV_ENGINE_ARENA_H
#define DV_ENGINE_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DV_ARENA_CHUNK = 64 * 1024 };

struct dv_arena_chunk;

/* Zero-initialised by dv_arena_init(); lives inside its owner. Members are private. */
struct dv_arena {
    char *next; /* first free byte of the current chunk */
    char *end;
    char *high; /* how far a trim reached back from: what was written lies below it or below `next` */
    struct dv_arena_chunk *first;
    struct dv_arena_chunk *current;
    size_t held_bytes;  /* sum of the chunks' sizes */
    size_t limit_bytes; /* held_bytes never passes it */
};

/* Makes an empty arena that never holds more than `limit_bytes`; allocates nothing yet. */
void dv_arena_init(struct dv_arena *arena, size_t limit_bytes);

/* Wipes what was used and keeps the chunks for the next use. */
void dv_arena_reset(struct dv_arena *arena);

/* Wipes and gives everything back to the system; the arena is as after dv_arena_init(). */
void dv_arena_free(struct dv_arena *arena);

/* The slow path of dv_arena_alloc(): a new chunk. */
void *dv_arena_grow(struct dv_arena *arena, size_t size);

/* `size` bytes aligned to 16, not zeroed, or NULL past the limit. Owned by the arena. */
static inline void *dv_arena_alloc(struct dv_arena *arena, size_t size)
{
    uintptr_t at = ((uintptr_t)arena->next + 15u) & ~(uintptr_t)15u;
    if (arena->next == NULL || size > (size_t)(arena->end - arena->next) || at + size > (uintptr_t)arena->end)
        return dv_arena_grow(arena, size);
    arena->next = (char *)at + size;
    return (void *)at;
}

/* `size` bytes with no alignment, for text. */
static inline char *dv_arena_text(struct dv_arena *arena, size_t size)
{
    if (arena->next == NULL || size > (size_t)(arena->end - arena->next))
        return dv_arena_grow(arena, size);
    char *at = arena->next;
    arena->next += size;
    return at;
}

/* Gives back the tail of the newest dv_arena_text(): `text` of `size` bytes keeps only its first `used`. */
static inline void dv_arena_trim(struct dv_arena *arena, const char *text, size_t size, size_t used)
{
    if (text + size != arena->next || used > size)
        return;
    if (arena->next > arena->high)
        arena->high = arena->next;
    arena->next -= size - used;
}

/* `count` zeroed elements of `size` bytes, or NULL past the limit or on overflow. */
void *dv_arena_zeroed(struct dv_arena *arena, size_t count, size_t size);

/* A NUL-terminated copy of `length` bytes, or NULL past the limit. */
char *dv_arena_copy(struct dv_arena *arena, const char *text, size_t length);

/* printf into the arena; NULL past the limit. */
char *dv_arena_printf(struct dv_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes held from the system now. */
static inline size_t dv_arena_held(const struct dv_arena *arena)
{
    return arena->held_bytes;
}

#endif
