/* SPDX-License-Identifier: Apache-2.0
 * snowflake_value.h - the values of a result: all come as texts, and are told as people, tables and JSON have them.
 *
 * Days and seconds since 1970 become "2026-11-23", "09:40:00.5" and "2026-11-23T09:40:00Z" (with Z only where Snowflake
 * knows the instant, "+01:00" where it knows the offset, too). What is not as its type says stays the text that came. */
#ifndef DV_CONNECTORS_SNOWFLAKE_VALUE_H
#define DV_CONNECTORS_SNOWFLAKE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connectors/sse_read.h"

struct dv_doc;

enum { DV_SNOWFLAKE_VALUE_MAX = 64 /* bytes that a time needs, with its NUL */ };

/* Somebody else's text; `at` is NULL for SQL's NULL. */
struct dv_snowflake_text {
    const char *at;
    size_t length;
};

/* How a column's values are written. */
enum dv_snowflake_kind {
    DV_SNOWFLAKE_AS_TEXT, /* and whatever else is not known */
    DV_SNOWFLAKE_FIXED,
    DV_SNOWFLAKE_REAL,
    DV_SNOWFLAKE_BOOLEAN,
    DV_SNOWFLAKE_DATE,
    DV_SNOWFLAKE_TIME,
    DV_SNOWFLAKE_TIMESTAMP,    /* of no zone */
    DV_SNOWFLAKE_TIMESTAMP_AT, /* an instant */
    DV_SNOWFLAKE_TIMESTAMP_TZ, /* an instant, and minutes from UTC, 1440 too many */
    DV_SNOWFLAKE_SEMI,         /* JSON, over several lines */
};

/* A column of a result. */
struct dv_snowflake_column {
    struct dv_snowflake_text name;
    enum dv_snowflake_kind kind;
};

/* The kind by Snowflake's word for the type, of any case. */
enum dv_snowflake_kind dv_snowflake_kind_of(const char *type, size_t length);

/* Whether values of the kind are numbers. */
bool dv_snowflake_is_number(enum dv_snowflake_kind kind);

/* A value as people read it; it points into `value` or `room`. */
struct dv_snowflake_text dv_snowflake_value_text(enum dv_snowflake_kind kind, struct dv_snowflake_text value,
                                                 char room[DV_SNOWFLAKE_VALUE_MAX]);

/* Makes one row after the other into an object of JSON. Zero-initialise. */
struct dv_snowflake_writer {
    struct dv_sse_text keys; /* of the columns, one behind the other, each with its colon */
    size_t *key_ends;
    uint32_t count;
    bool doubled; /* two columns have one name */
    struct dv_sse_text row;  /* the last one, with DV_JSON_PADDING readable bytes behind it */
    struct dv_sse_text semi; /* a value that may be JSON */
    struct dv_doc *doc;
};

/* Takes the names of a result's columns, before its rows. `lower`: those that Snowflake made upper case, having no small
 * letter, are written small. One that came before, as it is written, gets "_2" and so on behind it. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_snowflake_writer_begin(struct dv_snowflake_writer *writer, const struct dv_snowflake_column *columns, uint32_t count,
                                           bool lower);

/* Makes a row of these columns, in one line: numbers that JSON can have, truths, and semi-structured values as they are, all else
 * texts. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_snowflake_writer_row(struct dv_snowflake_writer *writer, const struct dv_snowflake_column *columns,
                                         const struct dv_snowflake_text *cells, uint32_t count);

/* Wipes and frees. */
void dv_snowflake_writer_free(struct dv_snowflake_writer *writer);

#endif
