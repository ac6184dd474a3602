/* SPDX-License-Identifier: Apache-2.0
 * csv.h - comma-separated values (RFC 4180), read in place.
 *
 * Fields are parted by commas, records by line ends (LF or CRLF); a field in double quotes may hold both, and a quote as two.
 * Lines with nothing in them are passed over. No quotes and nothing between the commas is a missing field; "" is an empty
 * text. Everything else is text, blanks included. */
#ifndef DV_ENGINE_CSV_H
#define DV_ENGINE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dv_cell;

/* A text being read. Members are private but for `line`. */
struct dv_csv {
    char *at, *end;
    uint64_t line; /* of the field that was read last, from 1 */
    uint64_t next_line;
    bool in_record; /* the last field was not the last of its record */
};

enum dv_csv_step {
    DV_CSV_FIELD, /* another field of the record follows */
    DV_CSV_LAST,  /* the last field of its record */
    DV_CSV_END,   /* nothing is left */
    DV_CSV_QUOTE, /* malformed: a quote that is not closed, or something behind a closing quote */
};

/* Starts before the first field; a byte order mark is passed over. `text` is the caller's, and is changed where quotes stand. */
void dv_csv_init(struct dv_csv *csv, char *text, size_t length);

/* The next field, a cell of type text that points into the text; it has at most UINT32_MAX bytes if the text has. */
enum dv_csv_step dv_csv_next(struct dv_csv *csv, struct dv_cell *ret);

#endif
