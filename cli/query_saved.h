/* SPDX-License-Identifier: Apache-2.0
 * query_saved.h - statements in files: `<folder>/<name>.sql`, whose first comment says what they show. */
#ifndef DV_CLI_QUERY_SAVED_H
#define DV_CLI_QUERY_SAVED_H

#include <stdbool.h>

#include "engine/error.h"

enum { DV_QUERY_SQL_MAX = 1024 * 1024 };

/* Reads a file ("-": standard input) into *ret_sql, for the caller to give to dv_memory_free(). DV_E_MISSING, DV_E_IO,
 * DV_E_LIMIT, DV_E_MEMORY, DV_E_DATA if there is a NUL in it. */
DV_CHECKED dv_rc dv_query_read(const char *path, char **ret_sql, struct dv_error *error);

/* The same for a saved one; the text tells a name that there is not from one that is none. */
DV_CHECKED dv_rc dv_query_read_saved(const char *folder, const char *name, char **ret_sql, struct dv_error *error);

/* Prints the names in a folder, in order, with what each shows, what it takes and why it is not run. */
DV_CHECKED dv_rc dv_query_list_saved(const char *folder, bool json, struct dv_error *error);

#endif
