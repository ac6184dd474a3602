/* SPDX-License-Identifier: Apache-2.0
 * query.c - `datavault query --snowflake SQL`: a statement that reads, and its rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/query_account.h"
#include "cli/query_ask.h"
#include "cli/query_saved.h"
#include "connectors/snowflake.h"
#include "connectors/snowflake_sql.h"
#include "engine/memory.h"

enum { TABLE_ROWS = 1000, BINDS_MAX = 100, FOLDER_MAX = 4096 };

#define FOLDER "conf/analytics"

/* What was given. */
struct arguments {
    const struct dv_command *self;
    struct dv_query_account account;
    const char *file, *analytics;
    bool snowflake, saved, json, csv, guarded, plot, words, has_rows;
    int64_t rows_max, timeout_ms;
    struct dv_snowflake_bind binds[BINDS_MAX];
    uint32_t bind_count;
    const char *word; /* the statement, or a saved one's name */
    char folder[FOLDER_MAX];
    char *text; /* of a file */
};

/* Beside the graph, as its schemas and policies are. */
static const char *folder_of(struct arguments *arguments)
{
    const char *graph = arguments->account.graph;
    const char *slash = graph != NULL ? strrchr(graph, '/') : NULL;
    if (arguments->analytics != NULL)
        return arguments->analytics;
    if (graph == NULL)
        return FOLDER;
    int length = slash != NULL ? (int)(slash - graph + 1) : 0;
    (void)snprintf(arguments->folder, sizeof arguments->folder, "%.*sanalytics", length, graph);
    return arguments->folder;
}

static enum dv_query_form form_of(const struct arguments *arguments)
{
    return arguments->json ? DV_QUERY_JSON : arguments->csv ? DV_QUERY_CSV : arguments->plot ? DV_QUERY_PLOT : DV_QUERY_TABLE;
}

/* What a person looks at ends somewhere; what a program reads is whole. */
static uint64_t rows_of(const struct arguments *arguments)
{
    enum dv_query_form form = form_of(arguments);
    bool plot = form == DV_QUERY_PLOT;
    uint64_t usual = form == DV_QUERY_TABLE ? TABLE_ROWS : plot ? DV_QUERY_BARS_MAX : 0;
    uint64_t rows = arguments->has_rows ? (uint64_t)arguments->rows_max : usual;
    return plot && (rows == 0 || rows > DV_QUERY_BARS_MAX) ? DV_QUERY_BARS_MAX : rows;
}

static int read_statement(struct arguments *arguments, const char **ret_sql)
{
    struct dv_error error = { 0 };
    dv_rc rc = DV_OK;
    uint32_t marks = 0;
    if (arguments->saved)
        rc = dv_query_read_saved(folder_of(arguments), arguments->word, &arguments->text, &error);
    else if (arguments->file != NULL)
        rc = dv_query_read(arguments->file, &arguments->text, &error);
    if (rc != DV_OK)
        return dv_say_error(rc, &error);
    *ret_sql = arguments->text != NULL ? arguments->text : arguments->word;
    const char *fault = dv_snowflake_sql_fault(*ret_sql, &marks);
    if (fault != NULL)
        return dv_usage(arguments->self, "%s", fault);
    if (marks != arguments->bind_count)
        return dv_usage(arguments->self, "the statement has %u question marks, and %u --bind were given", marks, arguments->bind_count);
    return DV_EXIT_OK;
}

static int query(struct arguments *arguments)
{
    struct dv_query_question question = { .form = form_of(arguments),
                                          .rows_max = rows_of(arguments),
                                          .timeout_ms = (uint32_t)arguments->timeout_ms,
                                          .guarded = arguments->guarded,
                                          .words = arguments->words,
                                          .binds = arguments->binds,
                                          .bind_count = arguments->bind_count };
    int code = read_statement(arguments, &question.sql);
    if (code == DV_EXIT_OK)
        code = dv_query_account_open(&arguments->account, arguments->self, arguments->json);
    question.server = &arguments->account.server;
    if (code == DV_EXIT_OK)
        code = dv_query_ask(&question);
    dv_query_account_free(&arguments->account);
    return code;
}

static int list(struct arguments *arguments)
{
    struct dv_error error = { 0 };
    dv_rc rc = dv_query_list_saved(folder_of(arguments), arguments->json, &error);
    return rc == DV_OK ? DV_EXIT_OK : dv_say_error(rc, &error);
}

/* ---- the command line ---- */

static int check(const struct arguments *arguments, int words)
{
    const struct dv_command *self = arguments->self;
    if (arguments->json + arguments->csv + arguments->plot > 1)
        return dv_usage(self, "--json, --csv or --plot: one of them");
    if (arguments->saved && arguments->file != NULL)
        return dv_usage(self, "--saved or --file: one of them");
    if (words > (arguments->file != NULL ? 0 : 1))
        return dv_usage(self, "one statement at a time: write it in quotes");
    if (words == 0 && arguments->file == NULL && !arguments->saved)
        return dv_usage(self, "ask what? write the statement in quotes, or say --file or --saved");
    if (!arguments->snowflake && !(arguments->saved && words == 0))
        return dv_usage(self, "whom? --snowflake is all there is so far");
    return DV_EXIT_OK;
}

static bool take_count(const char *text, int64_t *ret)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9')
        return false;
    *ret = strtoll(text, &end, 10);
    return *end == '\0' && *ret < INT64_C(1000000000000);
}

static int take(struct arguments *arguments, int option)
{
    static const int64_t longest_ms = INT64_C(86400000);
    switch (option) {
    case 'w': arguments->snowflake = true; break;
    case 's': arguments->saved = true; break;
    case 'j': arguments->json = true; break;
    case 'c': arguments->csv = true; break;
    case 'x': arguments->csv = arguments->guarded = true; break;
    case 'p': arguments->plot = true; break;
    case 'o': arguments->words = true; break;
    case 'f': arguments->file = optarg; break;
    case 'a': arguments->analytics = optarg; break;
    case 'b':
        if (arguments->bind_count == BINDS_MAX)
            return dv_usage(arguments->self, "there can be %d --bind", BINDS_MAX);
        arguments->binds[arguments->bind_count++].value = (struct dv_snowflake_text){ optarg, strlen(optarg) };
        break;
    case 'm':
        arguments->has_rows = true;
        return take_count(optarg, &arguments->rows_max) ? DV_EXIT_OK : dv_usage(arguments->self, "--max-rows is a number; 0: all of them");
    case 't':
        if (dv_parse_duration_ms(optarg, &arguments->timeout_ms) && arguments->timeout_ms > 0 && arguments->timeout_ms <= longest_ms)
            break;
        return dv_usage(arguments->self, "--timeout is like 90s or 2h, and at most 24h");
    default: (void)dv_query_account_takes(&arguments->account, option, optarg); break;
    }
    return DV_EXIT_OK;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = {
        DV_QUERY_ACCOUNT_OPTIONS,
        { "snowflake", no_argument, NULL, 'w' }, { "saved", no_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
        { "csv", no_argument, NULL, 'c' }, { "spreadsheet", no_argument, NULL, 'x' }, { "plot", no_argument, NULL, 'p' }, { "words", no_argument, NULL, 'o' },
        { "file", required_argument, NULL, 'f' }, { "analytics", required_argument, NULL, 'a' }, { "bind", required_argument, NULL, 'b' },
        { "max-rows", required_argument, NULL, 'm' }, { "timeout", required_argument, NULL, 't' }, { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct arguments *arguments = dv_memory_zeroed(1, sizeof *arguments);
    int code = DV_EXIT_OK, option = 0;
    if (arguments == NULL)
        return dv_say_error(DV_E_MEMORY, NULL);
    arguments->self = self;
    arguments->timeout_ms = 600000;
    while (code == DV_EXIT_OK && (option = dv_next_option(self, argc, argv, options, &code)) != -1 && option != -2)
        code = take(arguments, option);
    if (code == DV_EXIT_OK && option != -2) {
        code = check(arguments, argc - optind);
        arguments->word = argv[optind];
        if (code == DV_EXIT_OK)
            code = arguments->saved && arguments->word == NULL ? list(arguments) : query(arguments);
    }
    dv_memory_free(arguments->text);
    dv_memory_free(arguments);
    return code;
}

const struct dv_command dv_command_query = {
    .name = "query",
    .summary = "Asks Snowflake for rows: a statement, or a saved one.",
    .help = "examples:\n"
            "  datavault query --saved                                         what saved statements there are\n"
            "  datavault query --snowflake --graph conf/warehouse.yaml --saved rising\n"
            "  datavault query --snowflake --graph conf/warehouse.yaml --saved volumes --plot\n"
            "  datavault query --snowflake \"SELECT DIAGNOSIS, SUM(COUNT) AS N FROM SUMMARIES GROUP BY 1\" --json | jq .N\n"
            "  datavault query --snowflake --bind Asthma \"SELECT * FROM SUMMARIES WHERE DIAGNOSIS = ?\" --csv > asthma.csv\n"
            "  datavault query --snowflake --file report.sql\n\n"
            "usage: datavault query --snowflake [OPTION]... SQL | --file FILE | --saved NAME\n"
            "       datavault query --saved [--analytics DIR | --graph FILE] [--json]\n\n"
            "  --file FILE    the statement is in this file; -: on standard input\n"
            "  --saved NAME   it is NAME.sql in analytics/ beside the graph, else in conf/analytics; --analytics DIR: there\n"
            "  --bind VALUE   for a question mark of the statement, in their order; SQL converts the text\n"
            "  --json         an object a line;  --csv: comma-separated, with names;  --plot: bars, of the first column of numbers\n"
            "  --spreadsheet  as --csv, with a ' before cells that a spreadsheet would take for a formula: = + - @, but numbers\n"
            "  --max-rows N   stop behind so many; 0: never. A table stops behind 1000, bars behind 200\n"
            "  --timeout D    give it up after this time, here and in Snowflake; 10m if it is not given\n"
            "  --words        show what Snowflake says of a failure also where standard error is no terminal\n\n"
            DV_QUERY_ACCOUNT_HELP "\n"
            "Rows are printed as they come, and only a few are in memory. A table cuts values behind 80 characters, with an ellipsis.\n"
            "What could steer a terminal is '?' there, and escaped in --json. --csv into a file or a pipe is what the cells hold, as it is.\n"
            "Only statements that read are run, one at a time: SELECT, WITH, SHOW, DESCRIBE, EXPLAIN. What may be read is for the role to say.\n"
            "Ctrl-C and SIGTERM end the statement in Snowflake, too.\n"
            "What Snowflake says of a failure may hold values of the table: it goes to the terminal and nowhere else.\n\n"
            "exit codes: 0 ok, 1 refused or failed, 2 usage, 3 account, key, role or a name is wrong, 5 Snowflake is down or too slow\n",
    .run = run,
};
