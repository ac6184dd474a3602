/* SPDX-License-Identifier: Apache-2.0
 * snowflake_array.h - rows on their way into a statement: the text of one JSON array, as many as one value may hold. */
#ifndef DV_CONNECTORS_SNOWFLAKE_ARRAY_H
#define DV_CONNECTORS_SNOWFLAKE_ARRAY_H

#include "connectors/snowflake.h"
#include "engine/error.h"

enum {
    /* Bytes of an array: what is left of a statement for its text and its other values. PARSE_JSON takes 16 MiB. */
    DV_SNOWFLAKE_ARRAY_MAX = DV_SNOWFLAKE_SQL_MAX - 256 * 1024
};

/* The array; zero-initialise; private. */
struct dv_snowflake_array {
    char *bytes;
    size_t used, size;
    uint32_t count;
};

/* Room for an element of at most `most` bytes, into which it is written; NULL: no memory. What is in the array stays. */
char *dv_snowflake_array_room(struct dv_snowflake_array *array, size_t most);

/* What was written into the room, JSON of so many bytes, is the next element. DV_E_FULL: it does not fit any more; DV_E_LIMIT: it
 * fits into no array. Then it was not added. */
DV_CHECKED dv_rc dv_snowflake_array_add(struct dv_snowflake_array *array, size_t length);

/* The whole text, "[]" if there is nothing; nothing may be added then. It lives until the reset. */
struct dv_snowflake_text dv_snowflake_array_end(struct dv_snowflake_array *array);

/* Empty again, wiped; the memory is kept. */
void dv_snowflake_array_reset(struct dv_snowflake_array *array);

/* Wipes and frees; accepts a zeroed one. */
void dv_snowflake_array_free(struct dv_snowflake_array *array);

#endif
