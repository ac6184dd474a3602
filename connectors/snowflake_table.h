/* SPDX-License-Identifier: Apache-2.0
 * snowflake_table.h - looks at a table of Snowflake: its columns, or which name on the way to it is wrong.
 *
 * By DESCRIBE and SHOW alone, which need no running warehouse. A caller embeds the look in its own state; `on_end` comes
 * from the loop, once, unless it is closed before. */
#ifndef DV_CONNECTORS_SNOWFLAKE_TABLE_H
#define DV_CONNECTORS_SNOWFLAKE_TABLE_H

#include "connectors/snowflake.h"
#include "connectors/snowflake_name.h"

enum { DV_SNOWFLAKE_TYPE_MAX = 95 };

/* A column as DESCRIBE tells it. */
struct dv_snowflake_table_column {
    char name[DV_SNOWFLAKE_NAME_MAX + 1];
    char type[DV_SNOWFLAKE_TYPE_MAX + 1]; /* "NUMBER(38,0)" */
    bool nullable, defaulted;
};

/* What is looked at; names are as SHOW writes them, and lent. */
struct dv_snowflake_table {
    const char *database, *schema;
    const char *name;      /* NULL: only the schema is looked for */
    const char *warehouse; /* looked for, too; NULL: not */
    const char *pipe;      /* of the schema, looked at, too; NULL: not */
    bool pipe_may_lack;    /* a table's own is made when it is first used */
    void (*on_end)(struct dv_snowflake_table *table);
    void *data; /* the owner's */

    dv_rc rc; /* DV_OK; DV_E_CONFIG: for good; DV_E_DEPENDENCY and DV_E_MEMORY: may heal; others as statements */
    bool no_table, no_schema; /* what there is not, or may not be seen */
    struct dv_error error;    /* what is wrong, where, and how to mend it */
    struct dv_snowflake_table_column *columns;
    uint32_t column_count;

    struct dv_snowflake *snowflake; /* private, as what follows */
    struct dv_snowflake_statement statement;
    uint32_t capacity;
    int step;
    bool seen;        /* the row that is looked for was among them */
    bool unsound;     /* and says that the pipe is not */
    uint32_t invalid; /* the column that tells why */
    bool lost;        /* there was no memory for a column */
    char sql[DV_SNOWFLAKE_PLACE_MAX + DV_SNOWFLAKE_QUOTED_MAX + 64];
};

/* Begins to look, again if it has looked before. DV_E_CONFIG: the names are too long; DV_E_MEMORY: then nothing comes. */
DV_CHECKED dv_rc dv_snowflake_table_look(struct dv_snowflake_table *table, struct dv_snowflake *snowflake);

/* The column that rows' members of this name go to, or NULL. Members are matched whatever their case. */
const struct dv_snowflake_table_column *dv_snowflake_table_find(const struct dv_snowflake_table *table,
                                                                const char *name);

/* Gives up and frees; accepts a zeroed one. Before the account is closed. */
void dv_snowflake_table_close(struct dv_snowflake_table *table);

#endif
