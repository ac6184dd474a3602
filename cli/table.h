/* SPDX-License-Identifier: Apache-2.0
 * table.h - some columns of a file, whole in memory: comma-separated values with a first line of names, or JSON lines. */
#ifndef DV_CLI_TABLE_H
#define DV_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/arena.h"
#include "engine/error.h"

struct dv_cell;

enum { DV_TABLE_COLUMNS_MAX = 32 };

/* A table. Zero it, name the columns, and read. */
struct dv_table {
    const char *names[DV_TABLE_COLUMNS_MAX];
    uint32_t column_count;
    uint32_t rows;
    struct dv_cell *cells[DV_TABLE_COLUMNS_MAX]; /* [rows]: texts, or doubles */
    bool is_number[DV_TABLE_COLUMNS_MAX];        /* every value of the column is a number, and there is one */
    struct dv_arena arena;
    char *text; /* the file */
};

/* Reads the file; a name that ends with .csv says which format, anything else is JSON lines. A column of which every value is
 * a number has numbers, else texts (of JSON the raw values). Errors tell the line, never a value: DV_E_MISSING, DV_E_IO,
 * DV_E_SYNTAX, DV_E_DATA for a column that is nowhere, DV_E_LIMIT past 1 GiB, DV_E_MEMORY. */
DV_CHECKED dv_rc dv_table_read(struct dv_table *table, const char *path, struct dv_error *error);

/* Gives all back; also after an error. */
void dv_table_free(struct dv_table *table);

#endif
