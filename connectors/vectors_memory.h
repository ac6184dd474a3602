/* SPDX-License-Identifier: Apache-2.0
 * vectors_memory.h - vectors in memory, apart by tenant, and the exact scan over one tenant's.
 *
 * A tenant's vectors lie in blocks, one behind the other, so that a scan reads memory in order and nothing is ever copied to
 * make room. Another tenant's are in other blocks: a scan cannot meet them. All blocks together hold at most `bytes_max`. Not
 * for two threads at a time. */
#ifndef DV_CONNECTORS_VECTORS_MEMORY_H
#define DV_CONNECTORS_VECTORS_MEMORY_H

#include <stdbool.h>

#include "connectors/store.h"

enum { DV_VECTORS_BLOCK = 256, DV_VECTORS_MODEL_BYTES = 192, DV_VECTORS_NAME_BYTES = 129 };

struct dv_vectors_block;
struct dv_vectors_query;
struct dv_vectors_row;

/* The vectors of a tenant. */
struct dv_vectors_space {
    char tenant[DV_VECTORS_NAME_BYTES];
    char model[DV_VECTORS_MODEL_BYTES];
    uint32_t width;
    struct dv_vectors_block **blocks;
    uint32_t block_count, block_room;
    uint32_t count;
};

struct dv_vectors_memory {
    size_t bytes, bytes_max;
    struct dv_vectors_space **spaces;
    uint32_t space_count;
    char (*schemas)[DV_VECTORS_NAME_BYTES]; /* by their number */
    uint32_t schema_count;
};

/* A vector that is near. */
struct dv_near {
    int64_t number;
    float cosine;
};

/* Nothing is taken yet. */
void dv_vectors_memory_init(struct dv_vectors_memory *memory, size_t bytes_max);

/* Wipes and frees. Accepts a zeroed one. */
void dv_vectors_memory_free(struct dv_vectors_memory *memory);

/* Whether vectors of this model and width belong to the tenant's, which is so if there are none yet. */
bool dv_vectors_memory_fits(const struct dv_vectors_memory *memory, struct dv_store_bytes tenant, struct dv_store_bytes model, size_t width);

/* Makes sure that `count` more vectors of this tenant can be added without failing. DV_E_FULL: they would pass the bound;
 * DV_E_DATA: a name is too long; DV_E_MEMORY. */
DV_CHECKED dv_rc dv_vectors_memory_reserve(struct dv_vectors_memory *memory, const struct dv_vectors_row *row, uint32_t count);

/* Adds the row's vector under a number, with room reserved before. */
void dv_vectors_memory_add(struct dv_vectors_memory *memory, const struct dv_vectors_row *row, int64_t number);

/* Takes one out, if it is there. */
void dv_vectors_memory_remove(struct dv_vectors_memory *memory, struct dv_store_bytes tenant, int64_t number);

/* The vectors of the tenant; 0 of one that nobody knows. */
uint32_t dv_vectors_memory_count(const struct dv_vectors_memory *memory, struct dv_store_bytes tenant);

/* The query's nearest, best first, at most `max` (≤ DV_VECTORS_RANKED_MAX) and none below its floor; equal ones by number. */
size_t dv_vectors_memory_scan(const struct dv_vectors_memory *memory, const struct dv_vectors_query *query, struct dv_near *near, size_t max);

/* The product of two vectors of float32 that may lie anywhere: their cosine, as both have length 1. */
float dv_vectors_product(const void *a, const void *b, size_t width);

#endif
