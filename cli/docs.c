/* SPDX-License-Identifier: Apache-2.0
 * docs.c - `datavault docs`: the reference of an operator, or of all of them as one page, from their option tables. */
#include <string.h>

#include "cli/command.h"
#include "engine/graph.h"
#include "engine/option_docs.h"
#include "operators/exit_guard.h"
#include "operators/registry.h"

static void title(const struct dv_operator *op, char *text, size_t size)
{
    (void)snprintf(text, size, op->from != NULL ? "%s (from: %s)" : "%s", op->name, op->from);
}

static void print_flow(const struct dv_operator *op)
{
    if (op->outputs != NULL)
        (void)printf("outputs: %s\n", op->outputs);
    if (op->exit != DV_EXIT_NONE)
        (void)printf("exit%s: %s\n", op->leaves != NULL ? ", with some of its options" : "", dv_exit_name(op->exit));
}

static void print_operator(const struct dv_operator *op)
{
    char name[64];
    title(op, name, sizeof name);
    (void)printf("%s - %s\n\n", name, op->summary);
    print_flow(op);
    if (op->options != NULL)
        dv_options_print_docs(op->options, stdout);
    (void)printf("\n");
}

static void print_page(void)
{
    (void)printf("# Reference\n\nMade by `datavault docs --markdown` from the tables that parse the files.\n\n"
                 "## The graph file\n\n");
    dv_options_print_markdown(dv_graph_options(), stdout);
    (void)printf("\n## The guard of an exit\n\nEvery exit looks at the text columns that leave it unsealed: `guard: { do: redact }` at its "
                 "node.\n\n");
    dv_options_print_markdown(dv_guard_of_texts.options, stdout);
    for (const struct dv_operator *const *op = dv_operators; *op != NULL; op++) {
        char name[64];
        title(*op, name, sizeof name);
        (void)printf("\n## %s\n\n%s\n\n", name, (*op)->summary);
        if ((*op)->outputs != NULL)
            (void)printf("Outputs: `%s`.\n\n", (*op)->outputs);
        if ((*op)->exit != DV_EXIT_NONE)
            (void)printf("An exit%s: %s.\n\n", (*op)->leaves != NULL ? " with some of its options" : "", dv_exit_name((*op)->exit));
        if ((*op)->options != NULL && (*op)->options[0].name != NULL)
            dv_options_print_markdown((*op)->options, stdout);
    }
}

static int print_named(const struct dv_command *self, const char *name)
{
    bool found = false;
    if (strcmp(name, "graph") == 0) {
        dv_options_print_docs(dv_graph_options(), stdout);
        return DV_EXIT_OK;
    }
    if (strcmp(name, "guard") == 0) {
        dv_options_print_docs(dv_guard_of_texts.options, stdout);
        return DV_EXIT_OK;
    }
    for (const struct dv_operator *const *op = dv_operators; *op != NULL; op++) {
        if (strcmp((*op)->name, name) != 0)
            continue;
        found = true;
        print_operator(*op);
    }
    return found ? DV_EXIT_OK : dv_usage(self, "no operator '%s'; `datavault list` shows what there is", name);
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "markdown", no_argument, NULL, 'm' },
                                             { "help", no_argument, NULL, 'h' }, { 0 } };
    bool markdown = false;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        markdown = true;
    }
    const char *name = markdown ? NULL : argv[optind];
    if (!markdown && optind == argc)
        return dv_usage(self, "which operator? `datavault list` shows what there is");
    optind += !markdown;
    if (dv_no_more(self, argc, argv) != DV_EXIT_OK)
        return DV_EXIT_USAGE;
    if (!markdown)
        return print_named(self, name);
    print_page();
    return DV_EXIT_OK;
}

const struct dv_command dv_command_docs = {
    .name = "docs",
    .summary = "Explains an operator and its options.",
    .help = "examples:\n"
            "  datavault docs anonymize\n"
            "  datavault docs graph                       the settings at the top of a file\n"
            "  datavault docs guard                       what every exit looks for\n"
            "  datavault docs --markdown > docs/reference.md\n\n"
            "usage: datavault docs OPERATOR | --markdown\n",
    .run = run,
};
