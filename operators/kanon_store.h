/* SPDX-License-Identifier: Apache-2.0
 * kanon_store.h - the records of a window, kept until their classes are known: by column, in memory of a fixed size. */
#ifndef DV_OPERATORS_KANON_STORE_H
#define DV_OPERATORS_KANON_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/schema.h"

struct dv_batch;
struct dv_cell;

/* What a store keeps of each record. */
struct dv_kanon_shape {
    const int *from;               /* [count]: columns of the records */
    uint32_t count;
    int32_t subject;               /* the subject's column, or -1: each record is another subject */
    const struct dv_schema *schema; /* of the records */
};

/* A window's records. Zero it and call dv_kanon_store_init(). */
struct dv_kanon_store {
    struct dv_kanon_shape shape;
    uint32_t capacity, rows;
    struct dv_cell *cells[DV_COLUMNS_MAX]; /* [shape.count][capacity] */
    uint64_t *subjects;                    /* [capacity]: a hash of each, 0: nobody known */
    bool *carried;                         /* [capacity]: it comes from the window before */
    struct dv_arena texts[2];              /* one holds the texts, the other is for those that stay */
    uint32_t now;                          /* which of them */
    uint64_t text_bytes, text_max;         /* of the rows */
    uint64_t seed, serial;
};

/* Takes its tables from `arena`; texts have room for `text_bytes`. DV_E_MEMORY when the arena is full. */
DV_CHECKED dv_rc dv_kanon_store_init(struct dv_kanon_store *store, const struct dv_kanon_shape *shape, uint32_t capacity,
                                     uint64_t text_bytes, uint64_t seed, struct dv_arena *arena);
void dv_kanon_store_free(struct dv_kanon_store *store);

/* Copies a record; false when there is no room for it or its texts. */
bool dv_kanon_store_add(struct dv_kanon_store *store, const struct dv_batch *batch, uint32_t row);

/* Forgets all rows but those that `stays` names, in ascending order, which become the first; and all from `behind` on. */
void dv_kanon_store_keep(struct dv_kanon_store *store, const uint32_t *stays, uint32_t count, uint32_t behind);

#endif
