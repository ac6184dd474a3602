/* SPDX-License-Identifier: Apache-2.0
 * command.h - what a command of `datavault` is: a name, its help with examples first, and a function.
 *
 * Conventions: data on standard output, everything else on standard error; `--json` for machines; colours and progress
 * only on a terminal and without NO_COLOR; exit codes as in engine/errors.def. */
#ifndef DV_CLI_COMMAND_H
#define DV_CLI_COMMAND_H

#include <getopt.h>
#include <stdbool.h>

#include "engine/error.h"
#include "engine/operator.h"

enum { DV_EXIT_OK = 0, DV_EXIT_FAILED = 1, DV_EXIT_USAGE = 2 };

/* A command; `run` gets its own arguments, argv[0] being its name. */
struct dv_command {
    const char *name;
    const char *summary;
    const char *help; /* examples first */
    int (*run)(const struct dv_command *self, int argc, char **argv);
};

extern const struct dv_command dv_command_run;
extern const struct dv_command dv_command_ask;
extern const struct dv_command dv_command_check;
extern const struct dv_command dv_command_conversations;
extern const struct dv_command dv_command_detect;
extern const struct dv_command dv_command_diff;
extern const struct dv_command dv_command_graph;
extern const struct dv_command dv_command_list;
extern const struct dv_command dv_command_docs;
extern const struct dv_command dv_command_schema;
extern const struct dv_command dv_command_generate;
extern const struct dv_command dv_command_retrieve;
extern const struct dv_command dv_command_review;
extern const struct dv_command dv_command_risk;
extern const struct dv_command dv_command_dlq;
extern const struct dv_command dv_command_keys;
extern const struct dv_command dv_command_budget;
extern const struct dv_command dv_command_migrate;
extern const struct dv_command dv_command_policy;
extern const struct dv_command dv_command_query;
extern const struct dv_command dv_command_vectors;
extern const struct dv_command dv_command_version;

/* The next option as getopt_long() tells it. `--help` and mistakes are dealt with here: then the answer is -2 and
 * *ret_exit is the exit code to return. */
int dv_next_option(const struct dv_command *self, int argc, char **argv, const struct option *options, int *ret_exit);

/* After the options of a command that takes nothing else: DV_EXIT_OK, or DV_EXIT_USAGE after saying what is too much. */
int dv_no_more(const struct dv_command *self, int argc, char **argv);

/* "datavault: <text>" on standard error, for mistakes on the command line; gives back DV_EXIT_USAGE. */
int dv_usage(const struct dv_command *self, const char *format, ...) DV_FORMAT(2, 3);

/* "datavault: <text of the error>" on standard error; gives back the exit code of `rc`. */
int dv_say_error(dv_rc rc, const struct dv_error *error);

/* Whether colours may be used on standard error or output. */
bool dv_colour(int fd);

#endif
