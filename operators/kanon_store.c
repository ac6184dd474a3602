/* SPDX-License-Identifier: Apache-2.0
 * kanon_store.c - copies in, and what stays copied on, so that the rest can be wiped. */
#include "operators/kanon_store.h"

#include "engine/batch.h"
#include "engine/id.h"

static bool is_text(enum dv_type type)
{
    return type == DV_TYPE_TEXT || type == DV_TYPE_BYTES || type == DV_TYPE_JSON;
}

static bool column_is_text(const struct dv_kanon_store *store, uint32_t column)
{
    return is_text(store->shape.schema->columns[store->shape.from[column]].type);
}

dv_rc dv_kanon_store_init(struct dv_kanon_store *store, const struct dv_kanon_shape *shape, uint32_t capacity,
                          uint64_t text_bytes, uint64_t seed, struct dv_arena *arena)
{
    DV_ASSERT(shape->count <= DV_COLUMNS_MAX);
    store->shape = *shape;
    store->capacity = capacity;
    store->seed = seed;
    store->text_max = text_bytes;
    /* A text goes into the next chunk when this one has no room for it, so at most every other byte is lost. */
    for (uint32_t i = 0; i < 2; i++)
        dv_arena_init(&store->texts[i], 2 * text_bytes + (size_t)4 * DV_ARENA_CHUNK);
    for (uint32_t i = 0; i < shape->count; i++) {
        store->cells[i] = dv_arena_zeroed(arena, capacity, sizeof(struct dv_cell));
        if (store->cells[i] == NULL)
            return DV_E_MEMORY;
    }
    store->subjects = dv_arena_zeroed(arena, capacity, sizeof *store->subjects);
    store->carried = dv_arena_zeroed(arena, capacity, sizeof *store->carried);
    return store->subjects != NULL && store->carried != NULL ? DV_OK : DV_E_MEMORY;
}

void dv_kanon_store_free(struct dv_kanon_store *store)
{
    dv_arena_free(&store->texts[0]);
    dv_arena_free(&store->texts[1]);
}

static uint32_t text_length(const struct dv_kanon_store *store, uint32_t column, const struct dv_cell *cell)
{
    return cell->present && column_is_text(store, column) ? cell->length : 0;
}

/* A copy of the row's cells, with their texts in the arena. */
static void put_row(struct dv_kanon_store *store, const struct dv_cell *cells, struct dv_arena *arena)
{
    for (uint32_t i = 0; i < store->shape.count; i++) {
        struct dv_cell *to = &store->cells[i][store->rows];
        uint32_t length = text_length(store, i, &cells[i]);
        *to = cells[i];
        if (!to->present || !column_is_text(store, i))
            continue;
        char *copy = dv_arena_text(arena, length);
        DV_ASSERT(copy != NULL); /* the bytes were counted */
        if (length > 0)
            memcpy(copy, cells[i].text, length);
        to->text = copy;
        store->text_bytes += length;
    }
    store->rows++;
}

static uint64_t subject_of(struct dv_kanon_store *store, const struct dv_batch *batch, uint32_t row)
{
    int32_t column = store->shape.subject;
    if (column < 0)
        return ++store->serial;
    const struct dv_cell *cell = &dv_batch_cells(batch, (uint32_t)column)[row];
    if (!cell->present)
        return 0;
    if (is_text(store->shape.schema->columns[column].type))
        return dv_hash64(cell->text, cell->length, store->seed) | 1u;
    return dv_hash64(&cell->integer, sizeof cell->integer, store->seed) | 1u;
}

bool dv_kanon_store_add(struct dv_kanon_store *store, const struct dv_batch *batch, uint32_t row)
{
    struct dv_cell cells[DV_COLUMNS_MAX];
    uint64_t bytes = store->text_bytes;
    for (uint32_t i = 0; i < store->shape.count; i++) {
        cells[i] = dv_batch_cells(batch, (uint32_t)store->shape.from[i])[row];
        bytes += text_length(store, i, &cells[i]);
    }
    if (store->rows == store->capacity || bytes > store->text_max)
        return false;
    store->carried[store->rows] = false;
    store->subjects[store->rows] = subject_of(store, batch, row);
    put_row(store, cells, &store->texts[store->now]);
    return true;
}

static void move_row(struct dv_kanon_store *store, uint32_t from, bool carried)
{
    struct dv_cell cells[DV_COLUMNS_MAX];
    for (uint32_t i = 0; i < store->shape.count; i++)
        cells[i] = store->cells[i][from];
    store->carried[store->rows] = carried;
    store->subjects[store->rows] = store->subjects[from];
    put_row(store, cells, &store->texts[1 - store->now]);
}

void dv_kanon_store_keep(struct dv_kanon_store *store, const uint32_t *stays, uint32_t count, uint32_t behind)
{
    uint32_t rows = store->rows;
    store->rows = 0;
    store->text_bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        DV_ASSERT(stays[i] >= i && stays[i] < behind);
        move_row(store, stays[i], true);
    }
    for (uint32_t row = behind; row < rows; row++)
        move_row(store, row, false);
    for (uint32_t i = 0; i < store->shape.count; i++)
        explicit_bzero(&store->cells[i][store->rows], (rows - store->rows) * sizeof(struct dv_cell));
    dv_arena_free(&store->texts[store->now]);
    store->now = 1 - store->now;
}
