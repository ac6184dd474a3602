/* SPDX-License-Identifier: Apache-2.0
 * option_docs.h - the reference of an option table: for a terminal, for the manual, and as JSON Schema.
 *
 * All three are made from the rows that parse the file, so that none of them can be out of date. */
#ifndef DV_ENGINE_OPTION_DOCS_H
#define DV_ENGINE_OPTION_DOCS_H

#include <stdio.h>

#include "engine/option.h"

/* Prints each option with its type, bounds, default and help, as plain text of at most 100 columns. */
void dv_options_print_docs(const struct dv_option *table, FILE *out);

/* Prints a Markdown table: option, type, default, what it does. */
void dv_options_print_markdown(const struct dv_option *table, FILE *out);

/* Prints a JSON Schema object that allows exactly the table's options. `properties` and `required` (may be NULL) are
 * JSON members and strings that the map's other owner puts first: "\"op\":{\"const\":\"mask\"}" and "\"op\"". Numbers,
 * durations and sizes may also be a text with a variable in it. */
void dv_options_json_schema(const struct dv_option *table, const char *properties, const char *required, FILE *out);

#endif
