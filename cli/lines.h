/* SPDX-License-Identifier: Apache-2.0
 * lines.h - the lines of a file, one after the other, in memory that is bounded by the longest of them. */
#ifndef DV_CLI_LINES_H
#define DV_CLI_LINES_H

#include <stdio.h>

#include "engine/error.h"

enum { DV_LINE_BYTES_MAX = 64 * 1024 * 1024 };

/* Is given each line without its line end; DV_JSON_PADDING bytes behind it can be read. An error ends the reading. */
typedef dv_rc dv_take_line(void *context, const char *line, size_t length);

/* Reads to the end of `file`; a last line needs no line end. DV_E_LIMIT for a line that is longer than
 * DV_LINE_BYTES_MAX, DV_E_IO when reading fails, DV_E_MEMORY, and whatever `take` answers. */
DV_CHECKED dv_rc dv_input_lines(FILE *file, dv_take_line *take, void *context);

#endif
