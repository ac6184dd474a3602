/* SPDX-License-Identifier: Apache-2.0
 * batch.h - records that travel together: at most 256, of one schema, by column, with their own arena.
 *
 * A batch is reference-counted and comes from the graph's pool; memory is bounded because the pool is. A reader of a
 * shared batch just reads. A writer calls dv_batch_edit() on the column first: if others still read, the engine has
 * already given it a copy of the batch that shares the untouched columns (operators marked `.edits`). When the last
 * reference goes the arena is wiped, and the receipt learns that this branch is durable. */
#ifndef DV_ENGINE_BATCH_H
#define DV_ENGINE_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/schema.h"

enum { DV_BATCH_ROWS = 256, DV_ID_BYTES = 16 };

/* One value: 16 bytes whatever its type. Text, bytes and json point into an arena that lives as long as the batch, and
 * are not NUL-terminated; bool is `integer` 0 or 1. */
struct dv_cell {
    union {
        const char *text;
        int64_t integer;
        double number;
    };
    uint32_t length;  /* of text, bytes and json */
    uint32_t present; /* 0: the field was missing or null, and the other members mean nothing */
};

/* What every record has beside its columns. */
struct dv_row {
    uint8_t id[DV_ID_BYTES]; /* time-ordered UUID derived from source, partition and offset */
    uint64_t offset;         /* where the source found it; a file: the byte offset of the line */
    uint64_t line;           /* a file: the line number from 1; else 0 */
    int64_t created_ms;      /* when it entered its stream or was stored, if its source knows, or when it was read; ms since 1970 */
};

struct dv_receipt;
struct dv_pool;

/* A batch. Readers use `schema`, `rows`, `cells` and `row`; the rest is the engine's. */
struct dv_batch {
    const struct dv_schema *schema;
    uint32_t rows;
    struct dv_cell *cells[DV_COLUMNS_MAX]; /* cells[column][row] */
    struct dv_row *row;                    /* row[0 .. rows-1] */
    struct dv_arena arena;                 /* for what this batch's texts point to */
    const char *tenant;                    /* a DV_NAME of the graph */

    struct dv_receipt *receipt; /* one reference, or NULL for a batch that nobody waits for */
    struct dv_batch *parent;    /* the batch whose memory this one shares (one reference), or NULL */
    struct dv_pool *pool;
    struct dv_node *maker; /* whose credit is given back at the end, or NULL for a copy */
    uint32_t references;
    uint32_t rejected_count;
    uint64_t rejected[DV_BATCH_ROWS / 64]; /* rows that dv_reject() took out */
    uint32_t owned[DV_COLUMNS_MAX / 32];   /* columns whose cells are this batch's own */
    uint64_t offered_ns;                   /* when it entered the edge it waits in */
    uint64_t born_ns;                      /* when the source filled it; copies inherit it */
};

/* The cells of a column, for reading. */
static inline const struct dv_cell *dv_batch_cells(const struct dv_batch *batch, uint32_t column)
{
    DV_ASSERT(column < batch->schema->column_count);
    return batch->cells[column];
}

/* The cells of a column, for writing: copied first if they are another batch's. NULL: the arena is full. */
struct dv_cell *dv_batch_edit(struct dv_batch *batch, uint32_t column);

/* Gives the batch another schema: column i of it is old column map[i], or new and empty if map[i] is negative. The
 * operator owns the batch (an `.edits` operator does). DV_E_MEMORY when the arena is full. */
DV_CHECKED dv_rc dv_batch_reshape(struct dv_batch *batch, const struct dv_schema *schema, const int *map);

/* Cells for a new column in the batch's memory, not zeroed; NULL: the arena is full. They belong to no column until
 * dv_batch_reshape_with() gives them a place: where map[i] is negative, fresh[i] becomes column i, unless it is NULL. */
struct dv_cell *dv_batch_new_cells(struct dv_batch *batch);
DV_CHECKED dv_rc dv_batch_reshape_with(struct dv_batch *batch, const struct dv_schema *schema, const int *map,
                                       struct dv_cell *const *fresh);

/* Whether a row was rejected and must be skipped. */
static inline bool dv_batch_rejected(const struct dv_batch *batch, uint32_t row)
{
    return (batch->rejected[row / 64] >> (row % 64)) & 1u;
}

/* Takes and drops references. Dropping the last wipes the batch and returns it to its pool. */
struct dv_batch *dv_batch_ref(struct dv_batch *batch);
void dv_batch_unref(struct dv_batch *batch);

/* Removes the rejected rows, closing the gaps. Only on a batch with one reader. DV_E_MEMORY when the arena is full. */
DV_CHECKED dv_rc dv_batch_compact(struct dv_batch *batch);

#endif
