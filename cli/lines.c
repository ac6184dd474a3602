/* SPDX-License-Identifier: Apache-2.0
 * lines.c - the lines of a file, one after the other. */
#include "cli/lines.h"

#include <stdbool.h>
#include <string.h>

#include "engine/json.h"
#include "engine/memory.h"

/* The whole lines of buffer[0..length); *ret_rest is where the line begins that is not whole yet. */
static dv_rc take_lines(dv_take_line *take, void *context, const char *buffer, size_t length, size_t *ret_rest)
{
    size_t from = 0;
    for (const char *end; (end = memchr(buffer + from, '\n', length - from)) != NULL;) {
        size_t to = (size_t)(end - buffer);
        size_t text = to > from && buffer[to - 1] == '\r' ? to - 1 : to;
        DV_TRY(take(context, buffer + from, text - from));
        from = to + 1;
    }
    *ret_rest = from;
    return DV_OK;
}

/* The buffer's pages cost nothing before they are used; *ret_used tells how many bytes were. A block at a time: what was read is given on soon. */
static dv_rc read_all(FILE *file, char *buffer, size_t *ret_used, dv_take_line *take, void *context)
{
    enum { BLOCK = 1024 * 1024 };
    size_t length = 0, got = 0;
    do {
        size_t room = DV_LINE_BYTES_MAX - length, rest = 0;
        got = fread(buffer + length, 1, room < BLOCK ? room : BLOCK, file);
        length += got;
        *ret_used = length > *ret_used ? length : *ret_used;
        DV_TRY(take_lines(take, context, buffer, length, &rest));
        length -= rest;
        memmove(buffer, buffer + rest, length);
        if (length == DV_LINE_BYTES_MAX)
            return DV_E_LIMIT;
    } while (got > 0);
    if (ferror(file))
        return DV_E_IO;
    return length > 0 ? take(context, buffer, length) : DV_OK;
}

dv_rc dv_input_lines(FILE *file, dv_take_line *take, void *context)
{
    char *buffer = dv_memory_alloc(DV_LINE_BYTES_MAX + DV_JSON_PADDING);
    if (buffer == NULL)
        return DV_E_MEMORY;
    size_t used = 0;
    dv_rc rc = read_all(file, buffer, &used, take, context);
    explicit_bzero(buffer, used); /* names of people can be among the lines */
    dv_memory_free(buffer);
    return rc;
}
