/* SPDX-License-Identifier: Apache-2.0
 * http_memory.c - libcurl's memory: each block knows its size, so that it can be wiped. */
#include "connectors/http_memory.h"

#include <curl/curl.h>
#include <stdint.h>
#include <string.h>

#include "engine/memory.h"

enum { HEAD = 16 /* bytes before each block; keeps it aligned */ };

static size_t size_of(const void *block)
{
    size_t size = 0;
    memcpy(&size, (const char *)block - HEAD, sizeof size);
    return size;
}

static void *take(size_t size)
{
    char *memory = size <= SIZE_MAX - HEAD ? dv_memory_alloc(size + HEAD) : NULL;
    if (memory == NULL)
        return NULL;
    memcpy(memory, &size, sizeof size);
    return memory + HEAD;
}

static void give_back(void *block)
{
    if (block == NULL)
        return;
    explicit_bzero(block, size_of(block));
    dv_memory_free((char *)block - HEAD);
}

static void *resize(void *block, size_t size)
{
    void *larger = take(size);
    if (larger == NULL || block == NULL)
        return larger;
    size_t had = size_of(block);
    memcpy(larger, block, had < size ? had : size);
    give_back(block);
    return larger;
}

static char *copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *same = take(size);
    if (same != NULL)
        memcpy(same, text, size);
    return same;
}

static void *zeroed(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    void *block = take(count * size);
    if (block != NULL)
        memset(block, 0, count * size);
    return block;
}

bool dv_http_library_start(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, take, give_back, resize, copy, zeroed) == CURLE_OK;
}

void dv_http_library_end(void)
{
    curl_global_cleanup();
}
