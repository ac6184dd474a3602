/* SPDX-License-Identifier: Apache-2.0
 * ask_inside.h - a question to a graph that does not run: its way from the question to the answer is opened in this process. */
#ifndef DV_CLI_ASK_INSIDE_H
#define DV_CLI_ASK_INSIDE_H

#include <stdbool.h>
#include <stddef.h>

/* Loads and proves the graph of a file, asks what its source of questions would have been sent (one JSON object), and prints the answer
 * as `datavault ask` does, or as one JSON document. Only what lies behind that source is opened: no server, no other source, no
 * dead letters. Gives back the exit code. */
int dv_ask_inside(const char *path, const char *record, size_t length, bool as_json);

#endif
