/* SPDX-License-Identifier: Apache-2.0
 * snowflake_look.c - the account of a node that reads or keeps vectors there, looked at without a run: the names on the way, the table if it
 * says one, and the warehouse. */
#include <stdio.h>
#include <string.h>

#include "connectors/snowflake_alone.h"
#include "connectors/snowflake_table.h"
#include "engine/graph.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/snowflake_option.h"

enum { PATIENCE_MS = 10000 };

/* A look and its account. */
struct looking {
    struct dv_snowflake_alone alone;
    struct dv_snowflake_table table;
    bool over;
};

static void on_end(struct dv_snowflake_table *table)
{
    struct looking *looking = table->data;
    looking->over = true;
}

/* The option of that name, or NULL: a source may have a statement instead. */
static const char *table_of(const struct dv_node *node)
{
    for (const struct dv_option *row = dv_node_operator(node)->options; row != NULL && row->name != NULL; row++)
        if (strcmp(row->name, "table") == 0)
            return *(const char *const *)(const void *)((const char *)dv_state(node) + row->offset);
    return NULL;
}

static dv_rc look(struct looking *looking, const struct dv_snowflake_server *server, const char *name, struct dv_error *error)
{
    struct dv_snowflake_config config = dv_snowflake_server_config(NULL, server);
    if (config.deadlines.total_ms > PATIENCE_MS)
        config.deadlines.total_ms = PATIENCE_MS;
    DV_TRY(dv_snowflake_alone_open(&looking->alone, &config, error));
    looking->table = (struct dv_snowflake_table){ .database = server->database,
                                                  .schema = server->schema,
                                                  .name = name,
                                                  .warehouse = server->warehouse,
                                                  .on_end = on_end,
                                                  .data = looking };
    dv_rc rc = dv_snowflake_table_look(&looking->table, &looking->alone.snowflake);
    if (rc == DV_OK) {
        dv_snowflake_alone_wait(&looking->alone, &looking->over);
        rc = looking->table.rc;
    }
    *error = looking->table.error;
    return rc;
}

dv_rc dv_snowflake_server_look(const struct dv_node *node, char *ret_place, size_t size, struct dv_error *error)
{
    const struct dv_snowflake_server *server = dv_snowflake_server_of(node);
    const char *name = table_of(node);
    struct looking *looking = dv_memory_zeroed(1, sizeof *looking);
    if (looking == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a connection");
    (void)snprintf(ret_place, size, "%s.%s%s%s", server->database, server->schema, name != NULL ? "." : "", name != NULL ? name : "");
    dv_rc rc = look(looking, server, name, error);
    dv_snowflake_table_close(&looking->table);
    dv_snowflake_alone_close(&looking->alone);
    dv_memory_free(looking);
    return rc;
}
