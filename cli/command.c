/* SPDX-License-Identifier: Apache-2.0
 * command.c - what all commands share: options, help, mistakes. */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What was wrong, as it was typed: getopt_long() passes a long option at once, a letter only with the last of its word. */
static const char *typed(int option, char **argv, char letter[3])
{
    const char *word = argv[optind - 1];
    bool is_long = option == ':' || optopt == 0 || (strncmp(word, "--", 2) == 0 && strchr(word, '=') != NULL);
    (void)snprintf(letter, 3, "-%c", optopt);
    return is_long ? word : letter;
}

int dv_next_option(const struct dv_command *self, int argc, char **argv, const struct option *options, int *ret_exit)
{
    opterr = 0;
    int option = getopt_long(argc, argv, ":h", options, NULL);
    if (option == 'h') {
        (void)fprintf(stdout, "%s\n", self->help);
        *ret_exit = DV_EXIT_OK;
        return -2;
    }
    if (option == '?' || option == ':') {
        const char *what = option == ':' ? "needs a value" : "is not known here";
        char letter[3];
        *ret_exit = dv_usage(self, "'%s' %s", typed(option, argv, letter), what);
        return -2;
    }
    return option;
}

int dv_no_more(const struct dv_command *self, int argc, char **argv)
{
    return optind < argc ? dv_usage(self, "'%s' is one too many", argv[optind]) : DV_EXIT_OK;
}

int dv_usage(const struct dv_command *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("datavault: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "\ndatavault: `datavault %s --help` shows how it is used\n", self->name);
    va_end(arguments);
    return DV_EXIT_USAGE;
}

int dv_say_error(dv_rc rc, const struct dv_error *error)
{
    const char *text = error != NULL && error->text[0] != '\0' ? error->text : dv_rc_text(rc);
    (void)fprintf(stderr, "datavault: %s\n", text);
    return dv_rc_exit(rc);
}

bool dv_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    return isatty(fd) && (no_color == NULL || no_color[0] == '\0');
}
