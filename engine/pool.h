/* SPDX-License-Identifier: Apache-2.0
 * pool.h - the graph's batches: a fixed number, made at the start, so that memory is bounded and none is made later. Only
 * a reload changes the number. */
#ifndef DV_ENGINE_POOL_H
#define DV_ENGINE_POOL_H

#include "engine/batch.h"

enum { DV_ARENA_KEPT_BYTES = 1024 * 1024 }; /* a batch's arena larger than this is given back when the batch is free */

struct dv_pool {
    struct dv_batch **items; /* each allocated by itself: a reload keeps those in use */
    struct dv_batch **free;
    uint32_t capacity, free_count;
    uint32_t live_max; /* the most that were ever in use */
};

/* `capacity` batches whose arenas hold at most `batch_bytes` each. DV_E_MEMORY if that cannot be had. */
DV_CHECKED dv_rc dv_pool_init(struct dv_pool *pool, uint32_t capacity, size_t batch_bytes);
void dv_pool_free(struct dv_pool *pool);

/* Makes room for at least `capacity` batches; DV_E_MEMORY leaves all as it was. */
DV_CHECKED dv_rc dv_pool_grow(struct dv_pool *pool, uint32_t capacity, size_t batch_bytes);

/* Gives back free batches until there are `capacity`, or as many as are in use. */
void dv_pool_shrink(struct dv_pool *pool, uint32_t capacity);

/* Sets how many bytes each batch may hold from now on. */
void dv_pool_limit(struct dv_pool *pool, size_t batch_bytes);

/* Bytes that the arenas hold now. */
uint64_t dv_pool_held_bytes(const struct dv_pool *pool);

/* An empty batch of `schema` with room for DV_BATCH_ROWS rows, one reference. NULL: none is free, or no memory. */
struct dv_batch *dv_pool_take(struct dv_pool *pool, const struct dv_schema *schema, const char *tenant);

/* A batch that shares all of `batch`'s columns and memory, and its receipt; one reference. */
struct dv_batch *dv_pool_share(struct dv_batch *batch);

/* A batch over rows from..to-1 of `batch`, sharing everything; without receipt, which stays with `batch`. */
struct dv_batch *dv_pool_view(struct dv_batch *batch, uint32_t from, uint32_t to);

/* A batch with copies of the given rows' cells, sharing texts; with the receipt. */
struct dv_batch *dv_pool_select(struct dv_batch *batch, const uint16_t *rows, uint32_t count);

#endif
