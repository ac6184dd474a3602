/* SPDX-License-Identifier: Apache-2.0
 * batch.c - batches and their pool: sharing, copy on write, selection, and the wiping at the end. */
#include "engine/batch.h"

#include "engine/memory.h"
#include "engine/node.h"
#include "engine/pool.h"

dv_rc dv_pool_init(struct dv_pool *pool, uint32_t capacity, size_t batch_bytes)
{
    *pool = (struct dv_pool){ 0 };
    dv_rc rc = dv_pool_grow(pool, capacity, batch_bytes);
    if (rc != DV_OK)
        dv_pool_free(pool);
    return rc;
}

static void free_batch(struct dv_batch *batch)
{
    if (batch != NULL)
        dv_arena_free(&batch->arena);
    dv_memory_free(batch);
}

void dv_pool_free(struct dv_pool *pool)
{
    for (uint32_t i = 0; i < pool->capacity; i++)
        free_batch(pool->items[i]);
    dv_memory_free(pool->items);
    dv_memory_free(pool->free);
    *pool = (struct dv_pool){ 0 };
}

/* The arrays of a larger pool, with what the smaller one has. */
static bool widen(struct dv_pool *pool, uint32_t capacity)
{
    struct dv_batch **items = dv_memory_zeroed(capacity, sizeof(struct dv_batch *));
    struct dv_batch **free = dv_memory_zeroed(capacity, sizeof(struct dv_batch *));
    if (items == NULL || free == NULL) {
        dv_memory_free(items);
        dv_memory_free(free);
        return false;
    }
    if (pool->capacity > 0) {
        memcpy(items, pool->items, pool->capacity * sizeof *items);
        memcpy(free, pool->free, pool->free_count * sizeof *free);
    }
    dv_memory_free(pool->items);
    dv_memory_free(pool->free);
    pool->items = items;
    pool->free = free;
    return true;
}

dv_rc dv_pool_grow(struct dv_pool *pool, uint32_t capacity, size_t batch_bytes)
{
    if (capacity <= pool->capacity)
        return DV_OK;
    uint32_t before = pool->capacity;
    if (!widen(pool, capacity))
        return DV_E_MEMORY;
    while (pool->capacity < capacity) {
        struct dv_batch *batch = dv_memory_zeroed(1, sizeof *batch);
        if (batch == NULL) {
            dv_pool_shrink(pool, before);
            return DV_E_MEMORY;
        }
        dv_arena_init(&batch->arena, batch_bytes);
        batch->pool = pool;
        pool->items[pool->capacity++] = batch;
        pool->free[pool->free_count++] = batch;
    }
    return DV_OK;
}

void dv_pool_shrink(struct dv_pool *pool, uint32_t capacity)
{
    while (pool->capacity > capacity && pool->free_count > 0) {
        struct dv_batch *batch = pool->free[--pool->free_count];
        uint32_t at = 0;
        while (pool->items[at] != batch)
            at++;
        pool->items[at] = pool->items[--pool->capacity];
        free_batch(batch);
    }
    pool->live_max = pool->capacity - pool->free_count;
}

void dv_pool_limit(struct dv_pool *pool, size_t batch_bytes)
{
    for (uint32_t i = 0; i < pool->capacity; i++)
        pool->items[i]->arena.limit_bytes = batch_bytes;
}

uint64_t dv_pool_held_bytes(const struct dv_pool *pool)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < pool->capacity; i++)
        bytes += dv_arena_held(&pool->items[i]->arena);
    return bytes;
}

/* An object of the pool with everything but its arena cleared. */
static struct dv_batch *take_object(struct dv_pool *pool)
{
    if (pool->free_count == 0)
        return NULL;
    struct dv_batch *batch = pool->free[--pool->free_count];
    if (pool->capacity - pool->free_count > pool->live_max)
        pool->live_max = pool->capacity - pool->free_count;
    DV_ASSERT(batch->references == 0);
    struct dv_arena arena = batch->arena;
    *batch = (struct dv_batch){ .arena = arena, .pool = pool, .references = 1 };
    return batch;
}

static void give_object(struct dv_batch *batch)
{
    struct dv_pool *pool = batch->pool;
    DV_ASSERT(pool->free_count < pool->capacity);
    if (dv_arena_held(&batch->arena) > DV_ARENA_KEPT_BYTES)
        dv_arena_free(&batch->arena);
    else
        dv_arena_reset(&batch->arena);
    pool->free[pool->free_count++] = batch;
}

static void own(struct dv_batch *batch, uint32_t column)
{
    batch->owned[column / 32] |= 1u << (column % 32);
}

static bool owns(const struct dv_batch *batch, uint32_t column)
{
    return (batch->owned[column / 32] >> (column % 32)) & 1u;
}

static struct dv_cell *new_cells(struct dv_batch *batch)
{
    return dv_arena_zeroed(&batch->arena, DV_BATCH_ROWS, sizeof(struct dv_cell));
}

struct dv_batch *dv_pool_take(struct dv_pool *pool, const struct dv_schema *schema, const char *tenant)
{
    struct dv_batch *batch = take_object(pool);
    if (batch == NULL)
        return NULL;
    batch->schema = schema;
    batch->tenant = tenant;
    batch->row = dv_arena_zeroed(&batch->arena, DV_BATCH_ROWS, sizeof *batch->row);
    bool complete = batch->row != NULL;
    for (uint32_t column = 0; complete && column < schema->column_count; column++) {
        batch->cells[column] = new_cells(batch);
        own(batch, column);
        complete = batch->cells[column] != NULL;
    }
    if (complete)
        return batch;
    give_object(batch);
    batch->references = 0;
    return NULL;
}

/* A new object that keeps `batch` alive and begins as its twin without receipt. */
static struct dv_batch *take_child(struct dv_batch *batch)
{
    struct dv_batch *child = take_object(batch->pool);
    if (child == NULL)
        return NULL;
    child->schema = batch->schema;
    child->tenant = batch->tenant;
    child->rows = batch->rows;
    child->row = batch->row;
    child->born_ns = batch->born_ns;
    memcpy(child->cells, batch->cells, sizeof child->cells);
    memcpy(child->rejected, batch->rejected, sizeof child->rejected);
    child->rejected_count = batch->rejected_count;
    child->parent = dv_batch_ref(batch);
    return child;
}

struct dv_batch *dv_pool_share(struct dv_batch *batch)
{
    struct dv_batch *child = take_child(batch);
    if (child != NULL && batch->receipt != NULL)
        child->receipt = dv_receipt_ref(batch->receipt);
    return child;
}

struct dv_batch *dv_pool_view(struct dv_batch *batch, uint32_t from, uint32_t to)
{
    DV_ASSERT(from < to && to <= batch->rows);
    struct dv_batch *view = take_child(batch);
    if (view == NULL)
        return NULL;
    view->rows = to - from;
    view->row = batch->row + from;
    for (uint32_t column = 0; column < batch->schema->column_count; column++)
        view->cells[column] = batch->cells[column] + from;
    view->rejected_count = 0;
    memset(view->rejected, 0, sizeof view->rejected);
    for (uint32_t row = from; row < to; row++) {
        if (dv_batch_rejected(batch, row)) {
            view->rejected[(row - from) / 64] |= UINT64_C(1) << ((row - from) % 64);
            view->rejected_count++;
        }
    }
    return view;
}

/* Copies the chosen rows of one column into cells of the child's own. */
static bool select_column(struct dv_batch *child, uint32_t column, const uint16_t *rows, uint32_t count)
{
    const struct dv_cell *from = child->cells[column];
    struct dv_cell *to = new_cells(child);
    if (to == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
    child->cells[column] = to;
    own(child, column);
    return true;
}

static bool select_rows(struct dv_batch *child, const uint16_t *rows, uint32_t count)
{
    const struct dv_row *from = child->row;
    struct dv_row *to = dv_arena_zeroed(&child->arena, DV_BATCH_ROWS, sizeof *to);
    if (to == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
    child->row = to;
    child->rows = count;
    child->rejected_count = 0;
    memset(child->rejected, 0, sizeof child->rejected);
    bool complete = true;
    for (uint32_t column = 0; complete && column < child->schema->column_count; column++)
        complete = select_column(child, column, rows, count);
    return complete;
}

struct dv_batch *dv_pool_select(struct dv_batch *batch, const uint16_t *rows, uint32_t count)
{
    DV_ASSERT(count <= batch->rows);
    struct dv_batch *child = dv_pool_share(batch);
    if (child == NULL || select_rows(child, rows, count))
        return child;
    dv_batch_unref(child);
    return NULL;
}

struct dv_cell *dv_batch_new_cells(struct dv_batch *batch)
{
    return dv_arena_alloc(&batch->arena, DV_BATCH_ROWS * sizeof(struct dv_cell));
}

struct dv_cell *dv_batch_edit(struct dv_batch *batch, uint32_t column)
{
    DV_ASSERT(column < batch->schema->column_count);
    DV_ASSERT(batch->references == 1);
    if (owns(batch, column))
        return batch->cells[column];
    struct dv_cell *cells = dv_batch_new_cells(batch);
    if (cells == NULL)
        return NULL;
    memcpy(cells, batch->cells[column], batch->rows * sizeof *cells);
    batch->cells[column] = cells;
    own(batch, column);
    return cells;
}

dv_rc dv_batch_reshape(struct dv_batch *batch, const struct dv_schema *schema, const int *map)
{
    return dv_batch_reshape_with(batch, schema, map, (struct dv_cell *[DV_COLUMNS_MAX]){ 0 });
}

dv_rc dv_batch_reshape_with(struct dv_batch *batch, const struct dv_schema *schema, const int *map,
                            struct dv_cell *const *fresh)
{
    DV_ASSERT(batch->references == 1);
    struct dv_cell *cells[DV_COLUMNS_MAX] = { 0 };
    uint32_t owned[DV_COLUMNS_MAX / 32] = { 0 };
    for (uint32_t column = 0; column < schema->column_count; column++) {
        DV_ASSERT(map[column] < (int)batch->schema->column_count);
        bool is_new = map[column] < 0;
        struct dv_cell *made = fresh[column] != NULL ? fresh[column] : is_new ? new_cells(batch) : NULL;
        DV_ASSERT(is_new || made == NULL);
        cells[column] = is_new ? made : batch->cells[map[column]];
        if (cells[column] == NULL)
            return DV_E_MEMORY;
        if (is_new || owns(batch, (uint32_t)map[column]))
            owned[column / 32] |= 1u << (column % 32);
    }
    memcpy(batch->cells, cells, sizeof cells);
    memcpy(batch->owned, owned, sizeof owned);
    batch->schema = schema;
    return DV_OK;
}

struct dv_batch *dv_batch_ref(struct dv_batch *batch)
{
    DV_ASSERT(batch->references > 0);
    batch->references++;
    return batch;
}

static void release(struct dv_batch *batch)
{
    struct dv_receipt *receipt = batch->receipt;
    struct dv_node *maker = batch->maker;
    give_object(batch);
    if (maker != NULL)
        maker->credits_left++;
    dv_receipt_unref(receipt, false);
}

void dv_batch_unref(struct dv_batch *batch)
{
    while (batch != NULL) {
        DV_ASSERT(batch->references > 0);
        if (--batch->references > 0)
            return;
        struct dv_batch *parent = batch->parent;
        release(batch);
        batch = parent;
    }
}

/* Moves the rows that stay to the front of an array of `size`-byte elements. */
static void close_gaps(const struct dv_batch *batch, void *array, size_t size)
{
    char *base = array;
    uint32_t kept = 0;
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (dv_batch_rejected(batch, row))
            continue;
        if (kept != row)
            memcpy(base + kept * size, base + row * size, size);
        kept++;
    }
}

dv_rc dv_batch_compact(struct dv_batch *batch)
{
    if (batch->rejected_count == 0)
        return DV_OK;
    struct dv_row *rows = dv_arena_alloc(&batch->arena, DV_BATCH_ROWS * sizeof *rows);
    if (rows == NULL)
        return DV_E_MEMORY;
    memcpy(rows, batch->row, batch->rows * sizeof *rows);
    for (uint32_t column = 0; column < batch->schema->column_count; column++)
        if (dv_batch_edit(batch, column) == NULL)
            return DV_E_MEMORY; /* before any gap is closed: a batch half moved would mix its records */
    for (uint32_t column = 0; column < batch->schema->column_count; column++)
        close_gaps(batch, batch->cells[column], sizeof *batch->cells[column]);
    close_gaps(batch, rows, sizeof *rows);
    batch->row = rows;
    batch->rows -= batch->rejected_count;
    batch->rejected_count = 0;
    memset(batch->rejected, 0, sizeof batch->rejected);
    return DV_OK;
}
