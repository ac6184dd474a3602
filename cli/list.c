/* SPDX-License-Identifier: Apache-2.0
 * list.c - `datavault list`: the operators, from their own tables. */
#include <stdio.h>

#include "cli/command.h"
#include "engine/json.h"
#include "operators/registry.h"

static void print_json(const struct dv_operator *op)
{
    char buffer[2048];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "op");
    dv_json_string(&json, op->name);
    dv_json_key(&json, "from");
    dv_json_string(&json, op->from);
    dv_json_key(&json, "kind");
    dv_json_string(&json, op->source ? "source" : op->sink ? "sink" : "transform");
    dv_json_key(&json, "summary");
    dv_json_string(&json, op->summary);
    dv_json_close(&json, '}');
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static void print_text(const struct dv_operator *op)
{
    char name[64];
    (void)snprintf(name, sizeof name, op->from != NULL ? "%s from: %s" : "%s", op->name, op->from);
    (void)printf("%-24s %s\n", name, op->summary);
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { 0 } };
    bool json = false;
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        json = true;
    }
    if (dv_no_more(self, argc, argv) != DV_EXIT_OK)
        return DV_EXIT_USAGE;
    for (const struct dv_operator *const *op = dv_operators; *op != NULL; op++) {
        if (json)
            print_json(*op);
        else
            print_text(*op);
    }
    return DV_EXIT_OK;
}

const struct dv_command dv_command_list = {
    .name = "list",
    .summary = "Lists the operators.",
    .help = "examples:\n"
            "  datavault list\n"
            "  datavault list --json | jq -r .op\n\n"
            "usage: datavault list [--json]\n",
    .run = run,
};
