/* SPDX-License-Identifier: Apache-2.0
 * snowflake_migrate.c - looks at what is there, and makes what is not. */
#include "connectors/snowflake_migrate.h"

#include <stdio.h>
#include <string.h>

#include "connectors/snowflake_alone.h"
#include "connectors/snowflake_table.h"
#include "connectors/snowflake_type.h"
#include "engine/memory.h"

enum { TOTAL_MS = 60000 };

/* An account and room for statements. */
struct dv_snowflake_migrator {
    struct dv_snowflake_alone alone;
    struct dv_snowflake_table table;
    bool over; /* the look at the table */
    char sql[DV_SNOWFLAKE_STATEMENT_MAX];
};

/* SHOW TABLES or VIEWS: the comment of one of them. */
struct showing {
    struct dv_snowflake_statement statement; /* first: rows come with it */
    const char *name;
    uint32_t name_at, comment_at;
    bool whole;
    char comment[DV_SNOWFLAKE_COMMENT_MAX];
};

dv_rc dv_snowflake_migrator_new(struct dv_snowflake_migrator **ret, const struct dv_snowflake_config *config,
                                struct dv_error *error)
{
    struct dv_snowflake_migrator *migrator = *ret = dv_memory_zeroed(1, sizeof *migrator);
    if (migrator == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a connection");
    struct dv_snowflake_config own = *config;
    own.schema = own.warehouse = NULL; /* neither need be there */
    if (own.deadlines.total_ms == 0 || own.deadlines.total_ms > TOTAL_MS)
        own.deadlines.total_ms = TOTAL_MS;
    return dv_snowflake_alone_open(&migrator->alone, &own, error);
}

void dv_snowflake_migrator_free(struct dv_snowflake_migrator *migrator)
{
    if (migrator == NULL)
        return;
    dv_snowflake_table_close(&migrator->table);
    dv_snowflake_alone_close(&migrator->alone);
    dv_memory_free(migrator);
}

static dv_rc failed(const struct dv_snowflake_statement *statement, const char *what, struct dv_error *error)
{
    const char *reason = statement->reason != NULL ? statement->reason : "there is no memory for a statement";
    bool denied = strcmp(statement->code, "003001") == 0 || strcmp(statement->sqlstate, "42501") == 0;
    if (denied)
        return dv_error_set(error, DV_E_CONFIG,
                            "Snowflake: %s: the role has no right to do this: name another by --role, or have the"
                            " statements of --print run by an administrator",
                            what);
    return dv_error_set(error, statement->rc != DV_OK ? statement->rc : DV_E_MEMORY, "Snowflake: %s: %s", what, reason);
}

dv_rc dv_snowflake_migrator_run(struct dv_snowflake_migrator *migrator, const char *sql, const char *what,
                                struct dv_error *error)
{
    struct dv_snowflake_statement statement = { .sql = sql, .tag = "datavault-migrate" };
    dv_rc rc = dv_snowflake_alone_run(&migrator->alone, &statement);
    return rc == DV_OK ? DV_OK : failed(&statement, what, error);
}

/* ---- what is there ---- */

static void on_look(struct dv_snowflake_table *table)
{
    struct dv_snowflake_migrator *migrator = table->data;
    migrator->over = true;
}

static dv_rc look(struct dv_snowflake_migrator *migrator, const struct dv_snowflake_wanted *wanted,
                  struct dv_error *error)
{
    struct dv_snowflake_table *table = &migrator->table;
    dv_snowflake_table_close(table);
    *table = (struct dv_snowflake_table){ .database = wanted->database,
                                          .schema = wanted->schema,
                                          .name = wanted->name,
                                          .on_end = on_look,
                                          .data = migrator };
    migrator->over = false;
    dv_rc rc = dv_snowflake_table_look(table, &migrator->alone.snowflake);
    if (rc == DV_OK) {
        dv_snowflake_alone_wait(&migrator->alone, &migrator->over);
        rc = table->rc;
    }
    if (rc == DV_OK || table->no_table)
        return DV_OK;
    return dv_error_set(error, rc, "Snowflake: %s", table->error.text);
}

static bool is_named(const struct dv_snowflake_text *text, const char *name)
{
    return text->at != NULL && text->length == strlen(name) && memcmp(text->at, name, text->length) == 0;
}

static void on_columns(struct dv_snowflake_statement *statement, const struct dv_snowflake_column *columns,
                       uint32_t count)
{
    struct showing *showing = (struct showing *)statement;
    for (uint32_t i = 0; i < count; i++) {
        if (is_named(&columns[i].name, "name"))
            showing->name_at = i;
        if (is_named(&columns[i].name, "comment"))
            showing->comment_at = i;
    }
}

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct showing *showing = (struct showing *)statement;
    if (showing->name_at >= count || showing->comment_at >= count || !is_named(&cells[showing->name_at], showing->name))
        return;
    const struct dv_snowflake_text *comment = &cells[showing->comment_at];
    showing->whole = comment->length < sizeof showing->comment;
    if (comment->at != NULL && showing->whole)
        (void)snprintf(showing->comment, sizeof showing->comment, "%.*s", (int)comment->length, comment->at);
}

static dv_rc show(struct dv_snowflake_migrator *migrator, const struct dv_snowflake_wanted *wanted,
                  struct showing *showing, struct dv_error *error)
{
    char like[DV_SNOWFLAKE_QUOTED_MAX], place[DV_SNOWFLAKE_PLACE_MAX];
    bool fits = dv_snowflake_quote_text(like, sizeof like, wanted->name) &&
                dv_snowflake_quote_place(place, sizeof place, wanted->database, wanted->schema, NULL);
    DV_ASSERT(fits);
    (void)snprintf(migrator->sql, sizeof migrator->sql, "SHOW %s LIKE %s IN SCHEMA %s",
                   wanted->use == DV_SNOWFLAKE_VECTORS ? "VIEWS" : "TABLES", like, place);
    *showing = (struct showing){
        .statement = { .sql = migrator->sql, .tag = "datavault-migrate", .on_columns = on_columns, .on_row = on_row },
        .name = wanted->name,
        .name_at = UINT32_MAX,
        .comment_at = UINT32_MAX
    };
    dv_rc rc = dv_snowflake_alone_run(&migrator->alone, &showing->statement);
    return rc == DV_OK ? DV_OK : failed(&showing->statement, "looking for a table's version", error);
}

/* ---- what is made ---- */

static dv_rc make_schema(struct dv_snowflake_migrator *migrator, const struct dv_snowflake_wanted *wanted,
                         struct dv_error *error)
{
    char place[DV_SNOWFLAKE_PLACE_MAX];
    bool fits = dv_snowflake_quote_place(place, sizeof place, wanted->database, wanted->schema, NULL);
    DV_ASSERT(fits);
    (void)snprintf(migrator->sql, sizeof migrator->sql, "CREATE SCHEMA IF NOT EXISTS %s", place);
    return dv_snowflake_migrator_run(migrator, migrator->sql, "making the schema", error);
}

static dv_rc check_columns(const struct dv_snowflake_migrator *migrator, const struct dv_snowflake_wanted *wanted,
                           struct dv_error *error)
{
    for (uint32_t i = 0; i < wanted->count; i++) {
        const struct dv_snowflake_wanted_column *column = &wanted->columns[i];
        const struct dv_snowflake_table_column *there = dv_snowflake_table_find(&migrator->table, column->name);
        if (there != NULL && !dv_snowflake_type_takes(there->type, column->type))
            return dv_error_set(error, DV_E_CONFIG,
                                "Snowflake: column %s of %s.%s.%s is of type %s, and %s is wanted: change it, or choose"
                                " another table",
                                there->name, wanted->database, wanted->schema, wanted->name, there->type, column->type);
        if (there == NULL && wanted->use == DV_SNOWFLAKE_VECTORS)
            return dv_error_set(error, DV_E_CONFIG,
                                "Snowflake: view %s.%s.%s has no column %s: drop it, and it is made anew",
                                wanted->database, wanted->schema, wanted->name, column->name);
    }
    return DV_OK;
}

static dv_rc add_columns(struct dv_snowflake_migrator *migrator, const struct dv_snowflake_wanted *wanted,
                         uint32_t *ret_added, struct dv_error *error)
{
    DV_TRY(check_columns(migrator, wanted, error));
    for (uint32_t i = 0; i < wanted->count; i++) {
        if (dv_snowflake_table_find(&migrator->table, wanted->columns[i].name) != NULL)
            continue;
        dv_snowflake_write_add(migrator->sql, wanted, i);
        DV_TRY(dv_snowflake_migrator_run(migrator, migrator->sql, "adding a column", error));
        ++*ret_added;
    }
    return DV_OK;
}

static dv_rc bring_up(struct dv_snowflake_migrator *migrator, const struct dv_snowflake_wanted *wanted,
                      struct dv_snowflake_migration *ret, struct dv_error *error)
{
    struct showing showing;
    DV_TRY(show(migrator, wanted, &showing, error));
    ret->from = dv_snowflake_comment_version(showing.comment);
    if (ret->from > DV_SNOWFLAKE_SCHEMA_VERSION)
        return dv_error_set(error, DV_E_CONFIG,
                            "Snowflake: %s.%s.%s was made by a later version (%d, this program knows %d); upgrade the"
                            " program first",
                            wanted->database, wanted->schema, wanted->name, ret->from, DV_SNOWFLAKE_SCHEMA_VERSION);
    DV_TRY(add_columns(migrator, wanted, &ret->added, error));
    if (ret->from == DV_SNOWFLAKE_SCHEMA_VERSION || !showing.whole)
        return DV_OK;
    dv_snowflake_write_comment(migrator->sql, wanted, showing.comment);
    return dv_snowflake_migrator_run(migrator, migrator->sql, "writing down the version", error);
}

dv_rc dv_snowflake_migrate(struct dv_snowflake_migrator *migrator, const struct dv_snowflake_wanted *wanted,
                           struct dv_snowflake_migration *ret, struct dv_error *error)
{
    *ret = (struct dv_snowflake_migration){ .to = DV_SNOWFLAKE_SCHEMA_VERSION };
    DV_TRY(look(migrator, wanted, error));
    if (!migrator->table.no_table)
        return bring_up(migrator, wanted, ret, error);
    if (migrator->table.no_schema)
        DV_TRY(make_schema(migrator, wanted, error));
    ret->schema_made = migrator->table.no_schema;
    ret->made = true;
    dv_snowflake_write_create(migrator->sql, wanted);
    return dv_snowflake_migrator_run(migrator, migrator->sql, "making the table", error);
}
