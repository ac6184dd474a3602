/* SPDX-License-Identifier: Apache-2.0
 * pg_array.h - rows as PostgreSQL's binary arrays, one for each column, for unnest().
 *
 * An array of one dimension is: 1 (dimensions), whether a NULL is in it, the OID of its type, its length, 1 (lower
 * bound), each 32 bits, big-endian; then each value behind its length, -1 for NULL. A timestamptz is 64 bits of
 * microseconds since 2000. */
#ifndef DV_CONNECTORS_PG_ARRAY_H
#define DV_CONNECTORS_PG_ARRAY_H

#include "connectors/store.h"

enum { DV_PG_COLUMNS = 9 };

/* The columns of a put, in this order: id, tenant, schema, created_at, data_hash, key_ref, subject_ref, nonce,
 * ciphertext. */
struct dv_pg_arrays {
    const char *values[DV_PG_COLUMNS];
    int lengths[DV_PG_COLUMNS];
};

/* The OIDs of the nine array types. */
extern const unsigned dv_pg_array_types[DV_PG_COLUMNS];

/* Rows of a chain of puts, and the bytes that their nine arrays take. */
uint32_t dv_pg_rows_of(const struct dv_store_request *group);
size_t dv_pg_arrays_size(const struct dv_store_request *group);

/* Writes the nine arrays into `buffer` of at least that size. */
void dv_pg_arrays_encode(const struct dv_store_request *group, char *buffer, struct dv_pg_arrays *ret);

/* The array of ids of one request alone, its own or those of its rows: its size, and its bytes. */
size_t dv_pg_ids_size(const struct dv_store_request *request);
void dv_pg_ids_encode(const struct dv_store_request *request, char *buffer);

/* Between our times and the server's; what does not fit becomes the server's ±infinity. */
int64_t dv_pg_time_of_ms(int64_t ms_since_1970);
int64_t dv_pg_time_to_ms(int64_t us_since_2000);

/* A big-endian 64-bit number. */
int64_t dv_pg_read_int64(const char *at);

#endif
