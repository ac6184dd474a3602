/* SPDX-License-Identifier: Apache-2.0
 * main.c - finds the command and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"

static const struct dv_command *const commands[] = {
    &dv_command_run,    &dv_command_check,  &dv_command_detect, &dv_command_diff,   &dv_command_graph,    &dv_command_list,
    &dv_command_docs,   &dv_command_schema, &dv_command_generate, &dv_command_retrieve, &dv_command_dlq,
    &dv_command_budget, &dv_command_keys,   &dv_command_migrate,  &dv_command_policy,   &dv_command_risk,     &dv_command_ask,
    &dv_command_query,  &dv_command_review, &dv_command_conversations, &dv_command_vectors, &dv_command_version,
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int print_help(FILE *out)
{
    (void)fputs("datavault - a privacy-preserving stream processor\n\n"
                "  datavault run conf/demo.yaml                          run a graph with its dashboard\n"
                "  datavault run --once conf/anonymize-stdio.yaml < in   anonymise a file and stop\n"
                "  datavault check conf/demo.yaml                        prove that nothing leaks\n\n"
                "commands:\n",
                out);
    for (int i = 0; i < COMMANDS; i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    (void)fputs("\n`datavault COMMAND --help` tells more.\n", out);
    return DV_EXIT_OK;
}

/* No key or record may end in a core dump or be read by another process of the same user; new files are ours alone. */
static void harden(void)
{
    static const struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__)
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
    (void)umask(077);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* A standard stream that the caller closed gets a stand-in that fails: else the next file opened would take its number,
 * and what is printed would end up in a store. */
static void occupy_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Output that did not arrive is a failure, whatever the command thinks. */
static int after_flush(int code)
{
    bool arrived = fflush(stdout) == 0 && ferror(stdout) == 0;
    if (arrived || code != DV_EXIT_OK)
        return code;
    (void)fprintf(stderr, "datavault: cannot write to standard output: %s\n", strerror(errno));
    return DV_EXIT_FAILED;
}

int main(int argc, char **argv)
{
    occupy_standard_streams();
    harden();
    if (argc < 2) {
        (void)print_help(stderr);
        return DV_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return after_flush(print_help(stdout));
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return after_flush(commands[i]->run(commands[i], argc - 1, argv + 1));
    (void)fprintf(stderr, "datavault: no command '%s'; `datavault --help` lists them\n", argv[1]);
    return DV_EXIT_USAGE;
}
