/* SPDX-License-Identifier: Apache-2.0
 * generate.c - `datavault generate`: records of invented people as JSON lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "operators/generator.h"

enum { COUNT_DEFAULT = 500, PROGRESS_EVERY = 1 << 16 };

/* A decimal number; false for anything else. */
static bool parse_count(const char *text, uint64_t *ret)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-')
        return false;
    *ret = value;
    return true;
}

static bool parse_domain(const char *text, enum dv_domain *ret)
{
    for (int domain = 0; domain < DV_DOMAIN_COUNT; domain++) {
        if (strcmp(dv_domain_name((enum dv_domain)domain), text) != 0)
            continue;
        *ret = (enum dv_domain)domain;
        return true;
    }
    return false;
}

static void show_progress(uint64_t done, uint64_t count)
{
    if (done % PROGRESS_EVERY == 0 && isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
        (void)fprintf(stderr, done == count ? "\r\033[K" : "\r\033[K%3.0f %%", (double)done * 100 / (double)count);
}

static int print_records(struct dv_generator *generator, uint64_t count)
{
    char record[DV_GENERATE_MAX + 1];
    for (uint64_t i = 0; i < count; i++) {
        size_t length = dv_generate(generator, record, DV_GENERATE_MAX);
        DV_ASSERT(length > 0);
        record[length] = '\n';
        if (fwrite(record, 1, length + 1, stdout) != length + 1)
            break;
        show_progress(i + 1, count);
    }
    return DV_EXIT_OK; /* main.c looks whether all of it arrived */
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "domain", required_argument, NULL, 'd' },
                                             { "count", required_argument, NULL, 'c' },
                                             { "seed", required_argument, NULL, 's' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    enum dv_domain domain = DV_DOMAIN_HEALTHCARE;
    uint64_t count = COUNT_DEFAULT;
    uint64_t seed = 1;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        if (option == 'd' && !parse_domain(optarg, &domain))
            return dv_usage(self, "no domain '%s': it is " DV_DOMAIN_NAMES, optarg);
        if (option == 'c' && !parse_count(optarg, &count))
            return dv_usage(self, "--count takes a number, not '%s'", optarg);
        if (option == 's' && !parse_count(optarg, &seed))
            return dv_usage(self, "--seed takes a number, not '%s'", optarg);
    }
    if (dv_no_more(self, argc, argv) != DV_EXIT_OK)
        return DV_EXIT_USAGE;
    struct dv_generator generator;
    dv_generator_init(&generator, domain, seed);
    return print_records(&generator, count);
}

const struct dv_command dv_command_generate = {
    .name = "generate",
    .summary = "Makes records of invented people.",
    .help = "examples:\n"
            "  datavault generate --count 1000 > patients.jsonl\n"
            "  datavault generate --domain finance --count 500 --seed 7 > payments.jsonl\n\n"
            "usage: datavault generate [--domain healthcare|finance] [--count N] [--seed N]\n\n"
            "One JSON object a line, with names, numbers and notes that look like personal data and belong to nobody.\n"
            "The same seed makes the same records. Default: 500 of healthcare, seed 1.\n",
    .run = run,
};
