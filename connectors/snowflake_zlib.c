/* SPDX-License-Identifier: Apache-2.0
 * snowflake_zlib.c - zlib's blocks know their size, so that they can be wiped. */
#include "connectors/snowflake_zlib.h"

#include <stdint.h>
#include <string.h>

#include "engine/memory.h"

enum { HEAD = 16 /* bytes before each block; keeps it aligned */ };

static void *take(void *data, unsigned count, unsigned size)
{
    size_t bytes = (size_t)count * size;
    char *block = dv_memory_zeroed(1, bytes + HEAD);
    (void)data;
    if (block == NULL)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    return block + HEAD;
}

static void give_back(void *data, void *at)
{
    size_t bytes = 0;
    (void)data;
    memcpy(&bytes, (char *)at - HEAD, sizeof bytes);
    explicit_bzero(at, bytes);
    dv_memory_free((char *)at - HEAD);
}

void dv_snowflake_zlib(z_stream *stream)
{
    stream->zalloc = take;
    stream->zfree = give_back;
}
