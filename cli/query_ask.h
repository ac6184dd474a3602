/* SPDX-License-Identifier: Apache-2.0
 * query_ask.h - one statement, asked of Snowflake on a loop of its own, and its rows printed while they come. */
#ifndef DV_CLI_QUERY_ASK_H
#define DV_CLI_QUERY_ASK_H

#include <stdbool.h>
#include <stdint.h>

struct dv_snowflake_bind;
struct dv_snowflake_server;

/* How rows are printed. */
enum dv_query_form { DV_QUERY_TABLE, DV_QUERY_JSON, DV_QUERY_CSV, DV_QUERY_PLOT };

enum { DV_QUERY_BARS_MAX = 200 };

/* What is asked. */
struct dv_query_question {
    const struct dv_snowflake_server *server;
    const char *sql;
    const struct dv_snowflake_bind *binds;
    uint32_t bind_count;
    enum dv_query_form form;
    uint64_t rows_max;   /* 0: all */
    uint32_t timeout_ms; /* of the statement */
    bool guarded;        /* DV_QUERY_CSV: a spreadsheet takes no cell for a formula */
    bool words;          /* what the server says of a failure is shown also where standard error is no terminal */
};

/* Asks, prints and says what went wrong; the exit code. Ctrl-C and SIGTERM end the statement in Snowflake, too; a second
 * one does not wait for that. */
int dv_query_ask(const struct dv_query_question *question);

#endif
