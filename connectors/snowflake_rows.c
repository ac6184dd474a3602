/* SPDX-License-Identifier: Apache-2.0
 * snowflake_rows.c - rows are packed as they come; what zlib still holds back is reckoned with. */
#include "connectors/snowflake_rows.h"

#include <stdbool.h>
#include <string.h>

#include "connectors/snowflake_zlib.h"
#include "engine/memory.h"

enum {
    MEMORY_LEVEL = 8, /* a block has at most 16383 symbols, of 6 bytes at the worst */
    HELD_BACK = 160 * 1024,
    GZIP = 16, /* added to the window's bits */
    END = 64   /* the last block's head and the check sums */
};

dv_rc dv_snowflake_rows_init(struct dv_snowflake_rows *rows)
{
    *rows = (struct dv_snowflake_rows){ 0 };
    rows->bytes = dv_memory_alloc(DV_SNOWFLAKE_WIRE_MAX);
    rows->stream = dv_memory_zeroed(1, sizeof *rows->stream);
    if (rows->bytes != NULL && rows->stream != NULL) {
        dv_snowflake_zlib(rows->stream);
        if (deflateInit2(rows->stream, DV_SNOWFLAKE_ROWS_LEVEL, Z_DEFLATED, MAX_WBITS + GZIP, MEMORY_LEVEL,
                         Z_DEFAULT_STRATEGY) == Z_OK) {
            dv_snowflake_rows_reset(rows);
            return DV_OK;
        }
    }
    dv_memory_free(rows->stream);
    rows->stream = NULL;
    dv_snowflake_rows_free(rows);
    return DV_E_MEMORY;
}

static int pack(struct dv_snowflake_rows *rows, const char *bytes, size_t length, int flush)
{
    z_stream *stream = rows->stream;
    union {
        const char *text;
        unsigned char *bytes; /* zlib's own type has no const */
    } in = { .text = bytes };
    stream->next_in = in.bytes;
    stream->avail_in = (uInt)length;
    return deflate(stream, flush);
}

static void put(struct dv_snowflake_rows *rows, const char *bytes, size_t length, int flush)
{
    int code = pack(rows, bytes, length, flush);
    DV_ASSERT(rows->stream->avail_in == 0 && code == (flush == Z_FINISH ? Z_STREAM_END : Z_OK));
}

/* A row that may or may not fit is packed to see. What zlib still holds back has its room, as behind any other row. */
static dv_rc add_alone(struct dv_snowflake_rows *rows, const char *row, size_t length)
{
    if (length >= DV_SNOWFLAKE_RAW_MAX)
        return DV_E_LIMIT;
    rows->stream->avail_out -= HELD_BACK + END;
    bool fits = pack(rows, row, length, Z_NO_FLUSH) == Z_OK && rows->stream->avail_in == 0;
    rows->stream->avail_out += HELD_BACK + END;
    rows->raw = length + 1;
    if (!fits) {
        dv_snowflake_rows_reset(rows);
        return DV_E_LIMIT;
    }
    put(rows, "\n", 1, Z_NO_FLUSH);
    rows->count = 1;
    return DV_OK;
}

dv_rc dv_snowflake_rows_add(struct dv_snowflake_rows *rows, const char *row, size_t length)
{
    const z_stream *stream = rows->stream;
    DV_ASSERT(rows->used == 0);
    if (length > DV_SNOWFLAKE_ROW_MAX)
        return rows->count > 0 ? DV_E_FULL : add_alone(rows, row, length);
    size_t most = length + length / 1000 + HELD_BACK + END; /* stored, if it does not pack */
    if (rows->raw + length >= DV_SNOWFLAKE_RAW_MAX || most > stream->avail_out)
        return DV_E_FULL;
    put(rows, row, length, Z_NO_FLUSH);
    put(rows, "\n", 1, Z_NO_FLUSH);
    rows->raw += length + 1;
    rows->count++;
    return DV_OK;
}

void dv_snowflake_rows_end(struct dv_snowflake_rows *rows)
{
    DV_ASSERT(rows->used == 0);
    put(rows, "", 0, Z_FINISH);
    rows->used = DV_SNOWFLAKE_WIRE_MAX - rows->stream->avail_out;
}

void dv_snowflake_rows_reset(struct dv_snowflake_rows *rows)
{
    z_stream *stream = rows->stream;
    explicit_bzero(rows->bytes, rows->raw > 0 ? DV_SNOWFLAKE_WIRE_MAX - stream->avail_out : 0);
    int code = deflateReset(stream);
    DV_ASSERT(code == Z_OK);
    stream->next_out = (unsigned char *)rows->bytes;
    stream->avail_out = DV_SNOWFLAKE_WIRE_MAX;
    rows->used = rows->raw = rows->count = 0;
}

void dv_snowflake_rows_free(struct dv_snowflake_rows *rows)
{
    if (rows->stream != NULL) {
        dv_snowflake_rows_reset(rows);
        (void)deflateEnd(rows->stream);
    }
    dv_memory_free(rows->stream);
    dv_memory_free(rows->bytes);
    *rows = (struct dv_snowflake_rows){ 0 };
}
