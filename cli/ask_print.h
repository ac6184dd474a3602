/* SPDX-License-Identifier: Apache-2.0
 * ask_print.h - an answer on a terminal: sentences, then what they cite, or why there is none. */
#ifndef DV_CLI_ASK_PRINT_H
#define DV_CLI_ASK_PRINT_H

#include "engine/batch.h"
#include "engine/json.h"

/* Reads and prints rows of answers; zero-initialise. */
struct dv_ask_printer {
    struct dv_arena arena;
    struct dv_json_reader *json;
    struct dv_batch row;
    uint32_t sentences;
    bool over;  /* the end has come, and is in `row` */
    bool stands;
};

/* False when memory is short. Close it with dv_ask_printer_close(), which accepts a zeroed one. */
bool dv_ask_printer_open(struct dv_ask_printer *printer);
void dv_ask_printer_close(struct dv_ask_printer *printer);

/* Prints a sentence; keeps the end. What is no row is passed over. */
void dv_ask_print_row(struct dv_ask_printer *printer, const char *json, size_t length);

/* Prints the end; whether there was an answer. */
bool dv_ask_print_end(const struct dv_ask_printer *printer);

/* Prints why the server would not, from problem details; gives back the exit code. */
int dv_ask_print_problem(const char *json, size_t length, unsigned status);

#endif
