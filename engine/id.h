/* SPDX-License-Identifier: Apache-2.0
 * id.h - record ids: time-ordered UUIDs derived from where a record came from, and the hash that names a source.
 *
 * The same record of the same source has the same id on every delivery, so a redelivery meets its own primary key. */
#ifndef DV_ENGINE_ID_H
#define DV_ENGINE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DV_UUID_BYTES = 16, DV_UUID_TEXT = 37 };

/* Makes the UUIDv8 (RFC 9562 §5.8) of the record at `order`, then `minor`, of a source. The layout:
 *   48 bits  low bits of `order`, big-endian: milliseconds of a stream, byte offset in a file. Ids sort by it;
 *   12 bits  low bits of `minor`, behind the version: what tells records of the same `order` apart, in order;
 *   62 bits  behind the variant: a mix of all of `source_hash`, `order` and `minor`. */
void dv_id_make(uint8_t id[DV_UUID_BYTES], uint64_t order, uint32_t minor, uint64_t source_hash);

/* "018f2c5e-…": 36 lower-case characters and NUL. Returns `out`. */
const char *dv_id_text(char out[DV_UUID_TEXT], const uint8_t id[DV_UUID_BYTES]);

/* Parses the text form, of any case and any version; false if it is not one, and `id` is left as it was. */
bool dv_id_parse(const char *text, size_t length, uint8_t id[DV_UUID_BYTES]);

/* A fast 64-bit hash, the same on every machine: wyhash (final version 4) by Wang Yi, public domain. Not for secrets:
 * nobody is kept from finding two inputs with the same hash. */
uint64_t dv_hash64(const void *data, size_t length, uint64_t seed);

#endif
