/* SPDX-License-Identifier: Apache-2.0
 * load.c - loads a graph file and prints what is wrong with it. */
#include "cli/load.h"

#include <unistd.h>

#include "cli/command.h"
#include "cli/spending.h"
#include "operators/registry.h"

enum { GRAPH_ARENA_BYTES = 256 * 1024 * 1024 };

int dv_loaded_init(struct dv_loaded *loaded, const char *path, bool json)
{
    *loaded = (struct dv_loaded){ 0 };
    dv_arena_init(&loaded->arena, GRAPH_ARENA_BYTES);
    dv_diags_init(&loaded->diags, &loaded->arena);
    loaded->graph = dv_graph_load(path, dv_operators, &loaded->diags);
    dv_rc rc = loaded->graph != NULL ? dv_graph_check(loaded->graph, &loaded->diags) : DV_E_CONFIG;
    if (rc == DV_OK)
        rc = dv_spending_check(loaded->graph, &loaded->diags);
    if (json && loaded->diags.count > 0)
        dv_diags_print_json(&loaded->diags, stdout);
    else
        dv_diags_print(&loaded->diags, stderr, dv_colour(STDERR_FILENO));
    if (rc == DV_E_CONFIG && loaded->diags.count == 0)
        return dv_say_error(rc, NULL);
    if (rc == DV_E_CONFIG && dv_diags_leaks(&loaded->diags))
        rc = DV_E_LEAK;
    return rc == DV_OK ? DV_EXIT_OK : dv_rc_exit(rc);
}

void dv_loaded_free(struct dv_loaded *loaded)
{
    dv_graph_free(loaded->graph);
    dv_arena_free(&loaded->arena);
}
