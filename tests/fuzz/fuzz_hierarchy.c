/* SPDX-License-Identifier: Apache-2.0
 * fuzz_hierarchy.c - any bytes as a table of levels: refused with a reason and a line, or every value of it is found. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "privacy/generalize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const struct dv_hierarchy *table, const char *value, size_t length)
{
    uint32_t found = 0;
    for (uint32_t level = 1; level <= dv_hierarchy_levels(table); level++) {
        const char *text = dv_hierarchy_find(table, level, value, length, &found);
        DV_ASSERT(level > 1 || text == NULL || found <= DV_HIERARCHY_BYTES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dv_arena arena;
    uint32_t line = 0;
    const char *why = NULL;
    char *text = malloc(size + 1); /* its own block, so that a read past the end is seen */
    DV_ASSERT(text != NULL);
    if (size != 0)
        memcpy(text, data, size);
    dv_arena_init(&arena, 16 << 20);
    const struct dv_hierarchy *table = dv_hierarchy_parse(text, size, &arena, &line, &why);
    DV_ASSERT(table != NULL || why != NULL);
    if (table != NULL) {
        const uint8_t *end = size == 0 ? NULL : memchr(data, ';', size);
        look_up(table, (const char *)data, end != NULL ? (size_t)(end - data) : size);
        look_up(table, "", 0);
    }
    dv_arena_free(&arena);
    free(text);
    return 0;
}
