/* SPDX-License-Identifier: Apache-2.0
 * schema_option.c - finds a schema beside the graph file. */
#include "operators/schema_option.h"

#include <unistd.h>

const struct dv_schema *dv_load_schema(struct dv_node *node, const char *option, const char *name)
{
    DV_ASSERT(name != NULL);
    const char *path = dv_arena_printf(dv_node_arena(node), "%s/schemas/%s.yaml", dv_node_directory(node), name);
    if (path == NULL) {
        (void)dv_refuse(node, option, "C030", NULL, "the graph's memory is used up");
        return NULL;
    }
    /* A wrong name is a mistake in the graph file, so the finding belongs there and not to a file that is not. */
    if (access(path, R_OK) != 0) {
        (void)dv_refuse(node, option, "C031", "schemas are looked up in schemas/ beside the graph file",
                        "cannot read the schema file '%s'", path);
        return NULL;
    }
    return dv_schema_load(path, dv_node_arena(node), dv_node_diags(node));
}
