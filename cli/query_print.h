/* SPDX-License-Identifier: Apache-2.0
 * query_print.h - the rows of a statement on standard output: an aligned table, JSON lines, comma-separated, or bars.
 *
 * Rows are printed as they come. A table's columns are as wide as its first rows need, so a few of those are kept. */
#ifndef DV_CLI_QUERY_PRINT_H
#define DV_CLI_QUERY_PRINT_H

#include "cli/query_ask.h"
#include "connectors/snowflake_value.h"
#include "engine/arena.h"

enum { DV_QUERY_KEPT_ROWS = 1000, DV_QUERY_WIDTH_MAX = 80 };

/* A printer. Zero it but for the form, and whether cells are guarded. */
struct dv_query_printer {
    enum dv_query_form form;
    bool guarded; /* comma-separated cells that begin as a formula get a ' */
    bool clean;   /* a terminal shows them */
    int label, value; /* the columns of bars, or -1 */
    const struct dv_snowflake_column *columns; /* the statement's; while it runs */
    uint32_t column_count;
    uint64_t rows;       /* that were printed, or are kept */
    size_t *widths;      /* of a table, in characters */
    uint32_t kept_count; /* rows whose cells wait for the others */
    struct dv_snowflake_text *kept[DV_QUERY_KEPT_ROWS];
    struct dv_arena arena;
    struct dv_snowflake_writer writer;
    bool headed;
};

/* Begins with the result's columns. DV_E_MEMORY, or DV_E_DATA if bars are wanted and nothing is a number, with a literal. */
DV_CHECKED dv_rc dv_query_printer_begin(struct dv_query_printer *printer, const struct dv_snowflake_column *columns, uint32_t count,
                                        const char **ret_reason);

/* Takes a row; its cells need not stay. DV_E_MEMORY. */
DV_CHECKED dv_rc dv_query_printer_row(struct dv_query_printer *printer, const struct dv_snowflake_text *cells);

/* Prints what was kept, while the columns are there. */
void dv_query_printer_end(struct dv_query_printer *printer);

/* Wipes and frees; accepts one that never began. */
void dv_query_printer_free(struct dv_query_printer *printer);

#endif
