/* SPDX-License-Identifier: Apache-2.0
 * ingest_lines.h - takes the text of a request apart into its records. */
#ifndef DV_OPERATORS_INGEST_LINES_H
#define DV_OPERATORS_INGEST_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How records stand in a request. */
enum dv_ingest_form {
    DV_INGEST_ONE,   /* the text is one JSON object, over as many lines as it likes */
    DV_INGEST_LINES, /* each line is one; blank lines, and a carriage return before a newline, are passed over */
};

/* A place in a text; zero but for `text`, `length` and `form` at the beginning. The text is the caller's. */
struct dv_ingest_lines {
    const char *text;
    size_t length;
    size_t at;       /* what is not read yet begins here */
    uint64_t number; /* of the line that was read last, from 1; of one object always 1 */
    enum dv_ingest_form form;
};

/* The next record's text, without the blanks around it and never empty; false at the end. A byte-order mark at the
 * beginning is passed over. */
bool dv_ingest_lines_next(struct dv_ingest_lines *lines, const char **ret_text, size_t *ret_length);

#endif
