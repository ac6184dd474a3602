/* SPDX-License-Identifier: Apache-2.0
 * pg_array.c - writes the binary arrays of a put, column by column. */
#include "connectors/pg_array.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

enum { HEAD_BYTES = 5 * 4, LENGTH_BYTES = 4, TIME_BYTES = 8 };
enum { OID_BYTEA = 17, OID_TEXT = 25, OID_TIMESTAMPTZ = 1184, OID_UUID = 2950 };
enum { OID_BYTEAS = 1001, OID_TEXTS = 1009, OID_TIMESTAMPTZS = 1185, OID_UUIDS = 2951 };
enum column { ID, TENANT, SCHEMA, CREATED, HASH, KEY, SUBJECT, NONCE, CIPHERTEXT };

#define MS_1970_TO_2000 INT64_C(946684800000)

const unsigned dv_pg_array_types[DV_PG_COLUMNS] = {
    [ID] = OID_UUIDS,    [TENANT] = OID_TEXTS, [SCHEMA] = OID_TEXTS,   [CREATED] = OID_TIMESTAMPTZS,
    [HASH] = OID_BYTEAS, [KEY] = OID_TEXTS,    [SUBJECT] = OID_BYTEAS, [NONCE] = OID_BYTEAS,
    [CIPHERTEXT] = OID_BYTEAS,
};

static const uint32_t element_types[DV_PG_COLUMNS] = {
    [ID] = OID_UUID,    [TENANT] = OID_TEXT, [SCHEMA] = OID_TEXT,   [CREATED] = OID_TIMESTAMPTZ,
    [HASH] = OID_BYTEA, [KEY] = OID_TEXT,    [SUBJECT] = OID_BYTEA, [NONCE] = OID_BYTEA,
    [CIPHERTEXT] = OID_BYTEA,
};

int64_t dv_pg_time_of_ms(int64_t ms)
{
    int64_t us = 0;
    if (__builtin_sub_overflow(ms, MS_1970_TO_2000, &us) || __builtin_mul_overflow(us, 1000, &us))
        return ms < 0 ? INT64_MIN : INT64_MAX;
    return us;
}

int64_t dv_pg_time_to_ms(int64_t us)
{
    int64_t ms = us / 1000 - (us % 1000 < 0);
    return ms + MS_1970_TO_2000;
}

int64_t dv_pg_read_int64(const char *at)
{
    uint64_t big = 0;
    memcpy(&big, at, sizeof big);
    return (int64_t)be64toh(big);
}

static char *put_int32(char *to, uint32_t number)
{
    uint32_t big = htobe32(number);
    memcpy(to, &big, sizeof big);
    return to + sizeof big;
}

static char *put_head(char *to, bool has_null, uint32_t type, uint32_t count)
{
    to = put_int32(to, 1);
    to = put_int32(to, has_null);
    to = put_int32(to, type);
    to = put_int32(to, count);
    return put_int32(to, 1);
}

static char *put_value(char *to, const void *at, size_t length)
{
    if (at == NULL)
        return put_int32(to, UINT32_MAX);
    to = put_int32(to, (uint32_t)length);
    memcpy(to, at, length);
    return to + length;
}

uint32_t dv_pg_rows_of(const struct dv_store_request *group)
{
    uint32_t rows = 0;
    for (; group != NULL; group = group->next)
        rows += group->count;
    return rows;
}

static size_t row_bytes(const struct dv_store_row *row)
{
    return sizeof row->id + TIME_BYTES + row->tenant.length + row->schema.length + row->data_hash.length +
           row->key_ref.length + row->subject_ref.length + row->nonce.length + row->ciphertext.length;
}

size_t dv_pg_arrays_size(const struct dv_store_request *group)
{
    size_t size = (size_t)DV_PG_COLUMNS * HEAD_BYTES;
    for (; group != NULL; group = group->next) {
        size += (size_t)group->count * DV_PG_COLUMNS * LENGTH_BYTES;
        for (uint32_t i = 0; i < group->count; i++)
            size += row_bytes(&group->rows[i]);
    }
    return size;
}

/* The member that a column of bytes or text holds. */
static const struct dv_store_bytes *member(const struct dv_store_row *row, enum column column)
{
    switch (column) {
    case TENANT: return &row->tenant;
    case SCHEMA: return &row->schema;
    case HASH: return &row->data_hash;
    case KEY: return &row->key_ref;
    case SUBJECT: return &row->subject_ref;
    case NONCE: return &row->nonce;
    default: return &row->ciphertext;
    }
}

static char *put_cell(char *to, const struct dv_store_row *row, enum column column)
{
    if (column == ID)
        return put_value(to, row->id, sizeof row->id);
    if (column == CREATED) {
        uint64_t big = htobe64((uint64_t)dv_pg_time_of_ms(row->created_ms));
        return put_value(to, &big, sizeof big);
    }
    const struct dv_store_bytes *bytes = member(row, column);
    return put_value(to, bytes->at, bytes->length);
}

/* Only what may be missing is looked through for it; a NULL elsewhere is the server's to refuse. */
static bool has_null(const struct dv_store_request *group, enum column column)
{
    if (column == ID || column == CREATED)
        return false;
    for (; group != NULL; group = group->next)
        for (uint32_t i = 0; i < group->count; i++)
            if (member(&group->rows[i], column)->at == NULL)
                return true;
    return false;
}

void dv_pg_arrays_encode(const struct dv_store_request *group, char *buffer, struct dv_pg_arrays *ret)
{
    uint32_t rows = dv_pg_rows_of(group);
    char *to = buffer;
    for (int column = 0; column < DV_PG_COLUMNS; column++) {
        char *start = to;
        to = put_head(to, has_null(group, (enum column)column), element_types[column], rows);
        for (const struct dv_store_request *put = group; put != NULL; put = put->next)
            for (uint32_t i = 0; i < put->count; i++)
                to = put_cell(to, &put->rows[i], (enum column)column);
        ret->values[column] = start;
        ret->lengths[column] = (int)(to - start);
    }
}

size_t dv_pg_ids_size(const struct dv_store_request *request)
{
    return HEAD_BYTES + (size_t)request->count * (LENGTH_BYTES + DV_STORE_ID_BYTES);
}

void dv_pg_ids_encode(const struct dv_store_request *request, char *buffer)
{
    char *to = put_head(buffer, false, OID_UUID, request->count);
    for (uint32_t i = 0; i < request->count; i++)
        to = put_value(to, request->ids != NULL ? request->ids[i] : request->rows[i].id, DV_STORE_ID_BYTES);
    DV_ASSERT((size_t)(to - buffer) == dv_pg_ids_size(request));
}
