/* SPDX-License-Identifier: Apache-2.0
 * version.c - `datavault version`. */
#include <stdio.h>

#include "cli/command.h"

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
    (void)printf(json ? "{\"name\":\"datavault\",\"version\":\"%s\"}\n" : "datavault %s\n", DV_VERSION);
    return DV_EXIT_OK;
}

const struct dv_command dv_command_version = {
    .name = "version",
    .summary = "Tells the version.",
    .help = "examples:\n  datavault version\n  datavault version --json\n\nusage: datavault version [--json]\n",
    .run = run,
};
