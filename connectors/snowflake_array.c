/* SPDX-License-Identifier: Apache-2.0
 * snowflake_array.c - elements are written where they stay; the room grows by doubling. */
#include "connectors/snowflake_array.h"

#include <string.h>

#include "engine/memory.h"

enum { FIRST_BYTES = 64 * 1024, SEPARATORS = 2 /* what stands before an element, and the end */ };

char *dv_snowflake_array_room(struct dv_snowflake_array *array, size_t most)
{
    size_t needed = array->used + SEPARATORS + most, size = array->size != 0 ? array->size : FIRST_BYTES;
    DV_ASSERT(array->used < DV_SNOWFLAKE_ARRAY_MAX && most < SIZE_MAX / 4);
    while (size < needed)
        size *= 2;
    if (size > array->size) {
        char *bytes = dv_memory_alloc(size);
        if (bytes == NULL)
            return NULL;
        memcpy(bytes, array->bytes != NULL ? array->bytes : "", array->used);
        if (array->bytes != NULL)
            explicit_bzero(array->bytes, array->size);
        dv_memory_free(array->bytes);
        array->bytes = bytes;
        array->size = size;
    }
    return array->bytes + array->used + 1;
}

dv_rc dv_snowflake_array_add(struct dv_snowflake_array *array, size_t length)
{
    DV_ASSERT(array->used + SEPARATORS + length <= array->size);
    if (array->used + SEPARATORS + length > DV_SNOWFLAKE_ARRAY_MAX) {
        explicit_bzero(array->bytes + array->used, array->size - array->used);
        return length + SEPARATORS > DV_SNOWFLAKE_ARRAY_MAX ? DV_E_LIMIT : DV_E_FULL;
    }
    array->bytes[array->used] = array->count == 0 ? '[' : ',';
    array->used += 1 + length;
    array->count++;
    return DV_OK;
}

struct dv_snowflake_text dv_snowflake_array_end(struct dv_snowflake_array *array)
{
    if (array->count == 0)
        return (struct dv_snowflake_text){ "[]", 2 };
    array->bytes[array->used] = ']';
    return (struct dv_snowflake_text){ array->bytes, array->used + 1 };
}

void dv_snowflake_array_reset(struct dv_snowflake_array *array)
{
    if (array->bytes != NULL)
        explicit_bzero(array->bytes, array->size);
    array->used = 0;
    array->count = 0;
}

void dv_snowflake_array_free(struct dv_snowflake_array *array)
{
    dv_snowflake_array_reset(array);
    dv_memory_free(array->bytes);
    *array = (struct dv_snowflake_array){ 0 };
}
