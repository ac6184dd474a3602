/* SPDX-License-Identifier: Apache-2.0
 * vectors_memory.c - blocks of vectors and the scan over them. */
#include "connectors/vectors_memory.h"

#include <string.h>

#include "connectors/vectors.h"
#include "engine/memory.h"

enum { LANES = 8, SCHEMAS_MAX = 4096, SPACES_MAX = 65536 };

/* What is known of a vector without reading it. */
struct about {
    int64_t number, created_ms;
    uint32_t schema;
};

struct dv_vectors_block {
    struct about about[DV_VECTORS_BLOCK];
    float vectors[]; /* [DV_VECTORS_BLOCK][width] */
};

static size_t block_bytes(uint32_t width)
{
    return sizeof(struct dv_vectors_block) + (size_t)DV_VECTORS_BLOCK * width * sizeof(float);
}

static bool is_name(const char *name, struct dv_store_bytes bytes)
{
    return strlen(name) == bytes.length && memcmp(name, bytes.at, bytes.length) == 0;
}

static void copy_name(char *out, struct dv_store_bytes bytes)
{
    memcpy(out, bytes.at, bytes.length);
    out[bytes.length] = '\0';
}

void dv_vectors_memory_init(struct dv_vectors_memory *memory, size_t bytes_max)
{
    *memory = (struct dv_vectors_memory){ .bytes_max = bytes_max };
}

static void free_space(struct dv_vectors_space *space)
{
    for (uint32_t i = 0; i < space->block_count; i++) {
        explicit_bzero(space->blocks[i], block_bytes(space->width));
        dv_memory_free(space->blocks[i]);
    }
    dv_memory_free(space->blocks);
    dv_memory_free(space);
}

void dv_vectors_memory_free(struct dv_vectors_memory *memory)
{
    for (uint32_t i = 0; i < memory->space_count; i++)
        free_space(memory->spaces[i]);
    dv_memory_free(memory->spaces);
    dv_memory_free(memory->schemas);
    *memory = (struct dv_vectors_memory){ .bytes_max = memory->bytes_max };
}

static struct dv_vectors_space *find(const struct dv_vectors_memory *memory, struct dv_store_bytes tenant)
{
    for (uint32_t i = 0; i < memory->space_count; i++)
        if (is_name(memory->spaces[i]->tenant, tenant))
            return memory->spaces[i];
    return NULL;
}

bool dv_vectors_memory_fits(const struct dv_vectors_memory *memory, struct dv_store_bytes tenant, struct dv_store_bytes model, size_t width)
{
    const struct dv_vectors_space *space = find(memory, tenant);
    return space == NULL || space->count == 0 || (is_name(space->model, model) && space->width == width);
}

uint32_t dv_vectors_memory_count(const struct dv_vectors_memory *memory, struct dv_store_bytes tenant)
{
    const struct dv_vectors_space *space = find(memory, tenant);
    return space != NULL ? space->count : 0;
}

struct dv_store_bytes dv_vectors_kept_text(const struct dv_vectors_row *row)
{
    struct dv_store_bytes text = row->text;
    const char *bytes = text.at;
    if (text.length <= DV_VECTORS_TEXT_MAX)
        return text;
    for (text.length = DV_VECTORS_TEXT_MAX; text.length > 0 && ((unsigned char)bytes[text.length] & 0xC0) == 0x80;)
        text.length--;
    return text;
}

const struct dv_vectors_row *dv_vectors_first_embedded(const struct dv_vectors_request *put)
{
    for (uint32_t i = 0; i < put->count; i++)
        if (put->rows[i].vector.at != NULL)
            return &put->rows[i];
    return NULL;
}

const char *dv_vectors_put_fault(const struct dv_vectors_request *put, uint32_t width)
{
    const struct dv_vectors_row *first = dv_vectors_first_embedded(put);
    for (uint32_t i = 0; first != NULL && i < put->count; i++) {
        const struct dv_vectors_row *row = &put->rows[i];
        if (row->vector.at == NULL)
            continue;
        if (row->vector.length != width * sizeof(float))
            return DV_VECTORS_OTHER_WIDTH;
        if (row->model.length != first->model.length || memcmp(row->model.at, first->model.at, row->model.length) != 0)
            return DV_VECTORS_OTHER_MODEL;
    }
    return NULL;
}

/* ---- making room ---- */

/* A longer copy of an array of `count` elements; NULL: no memory, and the old one is as it was. */
static void *longer(void *old, size_t count, size_t room, size_t size)
{
    void *made = dv_memory_zeroed(room, size);
    if (made != NULL && count > 0)
        memcpy(made, old, count * size);
    if (made != NULL)
        dv_memory_free(old);
    return made;
}

static dv_rc add_space(struct dv_vectors_memory *memory, struct dv_store_bytes tenant, struct dv_vectors_space **ret)
{
    struct dv_vectors_space *space = dv_memory_zeroed(1, sizeof *space);
    struct dv_vectors_space **spaces = space != NULL && memory->space_count < SPACES_MAX
        ? longer(memory->spaces, memory->space_count, memory->space_count + 1, sizeof(struct dv_vectors_space *)) : NULL;
    if (spaces == NULL) {
        dv_memory_free(space);
        return DV_E_MEMORY;
    }
    copy_name(space->tenant, tenant);
    spaces[memory->space_count++] = space;
    memory->spaces = spaces;
    *ret = space;
    return DV_OK;
}

/* The schema's number; SCHEMAS_MAX: nobody knows it. */
static uint32_t schema_of(const struct dv_vectors_memory *memory, struct dv_store_bytes schema)
{
    for (uint32_t i = 0; i < memory->schema_count; i++)
        if (is_name(memory->schemas[i], schema))
            return i;
    return SCHEMAS_MAX;
}

static dv_rc know_schema(struct dv_vectors_memory *memory, struct dv_store_bytes schema)
{
    if (schema_of(memory, schema) != SCHEMAS_MAX)
        return DV_OK;
    if (memory->schema_count == SCHEMAS_MAX)
        return DV_E_FULL;
    void *schemas = longer(memory->schemas, memory->schema_count, memory->schema_count + 1, sizeof *memory->schemas);
    if (schemas == NULL)
        return DV_E_MEMORY;
    memory->schemas = schemas;
    copy_name(memory->schemas[memory->schema_count++], schema);
    return DV_OK;
}

/* Of a tenant without vectors the model may change, and its blocks with it. */
static void set_model(struct dv_vectors_memory *memory, struct dv_vectors_space *space, struct dv_store_bytes model, uint32_t width)
{
    for (uint32_t i = 0; i < space->block_count; i++) {
        memory->bytes -= block_bytes(space->width);
        dv_memory_free(space->blocks[i]);
    }
    space->block_count = 0;
    copy_name(space->model, model);
    space->width = width;
}

static dv_rc add_block(struct dv_vectors_memory *memory, struct dv_vectors_space *space)
{
    size_t bytes = block_bytes(space->width);
    if (memory->bytes + bytes > memory->bytes_max)
        return DV_E_FULL;
    if (space->block_count == space->block_room) {
        uint32_t room = space->block_room * 2 + 4;
        struct dv_vectors_block **blocks = longer(space->blocks, space->block_count, room, sizeof(struct dv_vectors_block *));
        if (blocks == NULL)
            return DV_E_MEMORY;
        space->blocks = blocks;
        space->block_room = room;
    }
    struct dv_vectors_block *block = dv_memory_alloc(bytes);
    if (block == NULL)
        return DV_E_MEMORY;
    space->blocks[space->block_count++] = block;
    memory->bytes += bytes;
    return DV_OK;
}

dv_rc dv_vectors_memory_reserve(struct dv_vectors_memory *memory, const struct dv_vectors_row *row, uint32_t count)
{
    struct dv_vectors_space *space = find(memory, row->tenant);
    uint32_t width = (uint32_t)(row->vector.length / sizeof(float));
    if (row->tenant.length >= DV_VECTORS_NAME_BYTES || row->schema.length >= DV_VECTORS_NAME_BYTES ||
        row->model.length >= DV_VECTORS_MODEL_BYTES || width == 0 || width > DV_VECTORS_WIDTH_MAX)
        return DV_E_DATA;
    DV_TRY(know_schema(memory, row->schema));
    if (space == NULL)
        DV_TRY(add_space(memory, row->tenant, &space));
    if (space->count == 0 && !(is_name(space->model, row->model) && space->width == width))
        set_model(memory, space, row->model, width);
    while ((uint64_t)space->block_count * DV_VECTORS_BLOCK < (uint64_t)space->count + count)
        DV_TRY(add_block(memory, space));
    return DV_OK;
}

/* ---- vectors ---- */

static float *vector_at(const struct dv_vectors_space *space, uint32_t index)
{
    return space->blocks[index / DV_VECTORS_BLOCK]->vectors + (size_t)(index % DV_VECTORS_BLOCK) * space->width;
}

static struct about *about_at(const struct dv_vectors_space *space, uint32_t index)
{
    return &space->blocks[index / DV_VECTORS_BLOCK]->about[index % DV_VECTORS_BLOCK];
}

void dv_vectors_memory_add(struct dv_vectors_memory *memory, const struct dv_vectors_row *row, int64_t number)
{
    struct dv_vectors_space *space = find(memory, row->tenant);
    DV_ASSERT(space != NULL && space->width * sizeof(float) == row->vector.length &&
              space->count < (uint64_t)space->block_count * DV_VECTORS_BLOCK);
    uint32_t index = space->count++;
    memcpy(vector_at(space, index), row->vector.at, row->vector.length);
    *about_at(space, index) =
        (struct about){ .number = number, .created_ms = row->created_ms, .schema = schema_of(memory, row->schema) };
}

void dv_vectors_memory_remove(struct dv_vectors_memory *memory, struct dv_store_bytes tenant, int64_t number)
{
    struct dv_vectors_space *space = find(memory, tenant);
    for (uint32_t i = 0; space != NULL && i < space->count; i++) {
        if (about_at(space, i)->number != number)
            continue;
        uint32_t last = --space->count;
        memmove(vector_at(space, i), vector_at(space, last), space->width * sizeof(float));
        *about_at(space, i) = *about_at(space, last);
        explicit_bzero(vector_at(space, last), space->width * sizeof(float));
        return;
    }
}

/* Sums in lanes, which the compiler turns into the machine's vectors; the order is fixed, so that the sum is, too. */
float dv_vectors_product(const void *a, const void *b, size_t width)
{
    typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
    lanes sum = { 0 };
    float rest = 0;
    size_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        lanes x, y;
        memcpy(&x, (const char *)a + i * sizeof(float), sizeof x);
        memcpy(&y, (const char *)b + i * sizeof(float), sizeof y);
        sum += x * y;
    }
    for (; i < width; i++) {
        float x, y;
        memcpy(&x, (const char *)a + i * sizeof x, sizeof x);
        memcpy(&y, (const char *)b + i * sizeof y, sizeof y);
        rest += x * y;
    }
    for (size_t lane = 0; lane < LANES; lane++)
        rest += sum[lane];
    return rest;
}

/* ---- the scan ---- */

static bool nearer(struct dv_near a, struct dv_near b)
{
    return a.cosine > b.cosine || (a.cosine == b.cosine && a.number < b.number);
}

/* Puts one in its place among the best so far; the last one falls off a full list. */
static size_t keep(struct dv_near *near, size_t count, size_t max, struct dv_near one)
{
    if (count == max && !nearer(one, near[count - 1]))
        return count;
    size_t at = count < max ? count++ : count - 1;
    for (; at > 0 && nearer(one, near[at - 1]); at--)
        near[at] = near[at - 1];
    near[at] = one;
    return count;
}

size_t dv_vectors_memory_scan(const struct dv_vectors_memory *memory, const struct dv_vectors_query *query, struct dv_near *near, size_t max)
{
    const struct dv_vectors_space *space = find(memory, query->tenant);
    uint32_t schema = query->schema.at != NULL ? schema_of(memory, query->schema) : 0;
    size_t count = 0;
    DV_ASSERT(max <= DV_VECTORS_RANKED_MAX);
    for (uint32_t i = 0; space != NULL && max > 0 && i < space->count; i++) {
        const struct about *about = about_at(space, i);
        bool wanted = about->created_ms >= query->from_ms && about->created_ms < query->to_ms &&
                      (query->schema.at == NULL || about->schema == schema);
        if (!wanted)
            continue;
        float cosine = dv_vectors_product(query->vector.at, vector_at(space, i), space->width);
        if ((double)cosine >= query->floor)
            count = keep(near, count, max, (struct dv_near){ about->number, cosine });
    }
    return count;
}
