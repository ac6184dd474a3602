/* SPDX-License-Identifier: Apache-2.0
 * snowflake_rows.h - rows on their way into a channel: lines of JSON, packed, as many as one request may hold. */
#ifndef DV_CONNECTORS_SNOWFLAKE_ROWS_H
#define DV_CONNECTORS_SNOWFLAKE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum {
    DV_SNOWFLAKE_WIRE_MAX = 4 * 1024 * 1024,          /* bytes of a request's body: Snowflake's limit */
    DV_SNOWFLAKE_RAW_MAX = 16 * 1024 * 1024,          /* of its rows, unpacked */
    DV_SNOWFLAKE_ROW_MAX = DV_SNOWFLAKE_WIRE_MAX / 2, /* of one row that fits however badly it packs */
    DV_SNOWFLAKE_ROWS_LEVEL = 1                       /* zlib's: the fastest */
};

/* One request's rows. Zero-initialise; private. */
struct dv_snowflake_rows {
    char *bytes; /* packed, DV_SNOWFLAKE_WIRE_MAX of room */
    size_t used; /* once it has ended */
    size_t raw;
    uint32_t count;
    struct z_stream_s *stream;
};

/* Takes the memory: the room and 270 KiB for zlib. DV_E_MEMORY. Free with dv_snowflake_rows_free(). */
DV_CHECKED dv_rc dv_snowflake_rows_init(struct dv_snowflake_rows *rows);

/* Adds a row, a JSON object without a line end. DV_E_FULL: it does not fit any more: send first what there is; DV_E_LIMIT:
 * it fits in no request, as one above DV_SNOWFLAKE_ROW_MAX does only if it packs well. Then nothing was added. */
DV_CHECKED dv_rc dv_snowflake_rows_add(struct dv_snowflake_rows *rows, const char *row, size_t length);

/* No more is added; `bytes` and `used` are the body. DV_E_MEMORY never comes: the room was kept. */
void dv_snowflake_rows_end(struct dv_snowflake_rows *rows);

/* Empty again, wiped. */
void dv_snowflake_rows_reset(struct dv_snowflake_rows *rows);

/* Wipes and frees; accepts a zeroed one. */
void dv_snowflake_rows_free(struct dv_snowflake_rows *rows);

#endif
