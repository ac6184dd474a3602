/* SPDX-License-Identifier: Apache-2.0
 * snowflake_table.c - one statement after the other: the table, else which name is wrong; the warehouse; the pipe. */
#include "connectors/snowflake_table.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/memory.h"

enum { FIRST_COLUMNS = 32 };

/* What a statement asks. */
enum step { COLUMNS, SCHEMA, WAREHOUSE, PIPE, OVER };

/* Where answers have what is wanted: as documented, and new columns come behind the others. */
enum { DESCRIBED_NAME, DESCRIBED_TYPE, DESCRIBED_NULL = 3, DESCRIBED_DEFAULT, SHOWN_WAREHOUSE = 0, SHOWN_NAME };

static void ask(struct dv_snowflake_table *table, enum step step);

/* ---- ends ---- */

static void end(struct dv_snowflake_table *table, dv_rc rc)
{
    table->rc = rc;
    table->step = OVER;
    table->on_end(table);
}

static const char *role_of(const struct dv_snowflake_table *table)
{
    const char *role = table->snowflake->config.role;
    return role != NULL ? role : "(the user's own)";
}

static const char *user_of(const struct dv_snowflake_table *table)
{
    const char *user = table->snowflake->config.identity.user;
    return user != NULL ? user : "(the token's)";
}

#define FAULT(table, ...) end((table), dv_error_set(&(table)->error, DV_E_CONFIG, __VA_ARGS__))

static void end_without_database(struct dv_snowflake_table *table)
{
    FAULT(table, "there is no such database: %s, or role %s may not use it: GRANT USAGE ON DATABASE \"%s\"",
          table->database, role_of(table), table->database);
}

static void end_without_schema(struct dv_snowflake_table *table)
{
    table->no_schema = table->no_table = true;
    FAULT(table,
          "there is no such schema: %s.%s, or role %s may not use it: `datavault migrate` makes it, or GRANT USAGE ON "
          "SCHEMA",
          table->database, table->schema, role_of(table));
}

static void end_without_table(struct dv_snowflake_table *table)
{
    table->no_table = true;
    FAULT(table,
          "there is no such table: %s.%s.%s, or role %s has no right to it: `datavault migrate` makes it, or GRANT "
          "INSERT, SELECT ON TABLE",
          table->database, table->schema, table->name, role_of(table));
}

static void end_without_warehouse(struct dv_snowflake_table *table)
{
    FAULT(table, "there is no such warehouse: %s, or role %s may not use it: GRANT USAGE ON WAREHOUSE",
          table->warehouse, role_of(table));
}

/* Of a refused token Snowflake tells a number, under which an administrator is told why. */
static void end_refused(struct dv_snowflake_table *table, const char *account)
{
    const struct dv_snowflake_statement *statement = &table->statement;
    const char *number = strcmp(statement->code, "390144") == 0 ? table->snowflake->refused : "";
    dv_rc rc = dv_snowflake_is_disturbed(statement) ? DV_E_DEPENDENCY : statement->rc;
    end(table, dv_error_set(&table->error, rc, "%s (account %s, user %s)%s%s", statement->reason, account, user_of(table),
                            number[0] != '\0' ? "; Snowflake's number of the refusal: " : "", number));
}

/* By the codes that name what was not found; a wrong user, key and account have one code in common. */
static void end_failed(struct dv_snowflake_table *table)
{
    const struct dv_snowflake_statement *statement = &table->statement;
    const struct dv_snowflake_config *config = &table->snowflake->config;
    const char *account = config->identity.account != NULL ? config->identity.account : config->url;
    if (strcmp(statement->code, "390189") == 0)
        FAULT(table, "role %s does not exist, or user %s does not have it: GRANT ROLE", role_of(table), user_of(table));
    else if (strcmp(statement->code, "391918") == 0)
        end_without_database(table);
    else if (strcmp(statement->code, "391919") == 0)
        end_without_schema(table);
    else if (strcmp(statement->code, "391920") == 0 && table->warehouse != NULL)
        end_without_warehouse(table);
    else
        end_refused(table, account);
}

static bool is_missing(const struct dv_snowflake_statement *statement)
{
    static const char *const codes[] = { "002003", "002043" };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(statement->code, codes[i]) == 0)
            return true;
    return false;
}

/* ---- answers ---- */

static bool is_text(const struct dv_snowflake_text *cell, const char *text)
{
    return cell->at != NULL && cell->length == strlen(text) && memcmp(cell->at, text, cell->length) == 0;
}

static bool copy_cell(const struct dv_snowflake_text *cell, char *out, size_t size)
{
    if (cell->at == NULL || cell->length >= size || memchr(cell->at, '\0', cell->length) != NULL)
        return false;
    memcpy(out, cell->at, cell->length);
    out[cell->length] = '\0';
    return true;
}

static struct dv_snowflake_table_column *add_column(struct dv_snowflake_table *table)
{
    if (table->column_count == table->capacity) {
        uint32_t capacity = table->capacity > 0 ? 2 * table->capacity : FIRST_COLUMNS;
        struct dv_snowflake_table_column *columns = dv_memory_zeroed(capacity, sizeof *columns);
        if (columns == NULL)
            return NULL;
        if (table->column_count > 0)
            memcpy(columns, table->columns, table->column_count * sizeof *columns);
        dv_memory_free(table->columns);
        table->columns = columns;
        table->capacity = capacity;
    }
    return &table->columns[table->column_count];
}

/* A name or a type that is too long to be one is left out: whoever looks for it does not find it. */
static void take_column(struct dv_snowflake_table *table, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_snowflake_table_column *column = count > DESCRIBED_DEFAULT ? add_column(table) : NULL;
    table->lost = table->lost || (column == NULL && count > DESCRIBED_DEFAULT);
    if (column == NULL || !copy_cell(&cells[DESCRIBED_NAME], column->name, sizeof column->name) ||
        !copy_cell(&cells[DESCRIBED_TYPE], column->type, sizeof column->type))
        return;
    column->nullable = !is_text(&cells[DESCRIBED_NULL], "N");
    column->defaulted = cells[DESCRIBED_DEFAULT].at != NULL && cells[DESCRIBED_DEFAULT].length > 0;
    table->column_count++;
}

/* Which column says why a pipe is not sound: the documents do not tell where it stands. */
static void on_columns(struct dv_snowflake_statement *statement, const struct dv_snowflake_column *columns,
                       uint32_t count)
{
    struct dv_snowflake_table *table = statement->data;
    for (uint32_t i = 0; i < count; i++)
        if (is_text(&columns[i].name, "invalid_reason"))
            table->invalid = i;
}

static void on_row(struct dv_snowflake_statement *statement, const struct dv_snowflake_text *cells, uint32_t count)
{
    struct dv_snowflake_table *table = statement->data;
    switch (table->step) {
    case COLUMNS: take_column(table, cells, count); break;
    case SCHEMA: table->seen = table->seen || (count > SHOWN_NAME && is_text(&cells[SHOWN_NAME], table->schema)); break;
    case WAREHOUSE:
        table->seen = table->seen || (count > SHOWN_WAREHOUSE && is_text(&cells[SHOWN_WAREHOUSE], table->warehouse));
        break;
    default:
        if (count > SHOWN_NAME && is_text(&cells[SHOWN_NAME], table->pipe)) {
            table->seen = true;
            table->unsound =
                table->invalid < count && cells[table->invalid].at != NULL && cells[table->invalid].length > 0;
        }
        break;
    }
}

/* ---- one after the other ---- */

static void end_pipe(struct dv_snowflake_table *table)
{
    if (table->unsound)
        FAULT(table,
              "pipe %s is not sound and would discard what it takes: SHOW PIPES LIKE '%s' tells why, as invalid_reason",
              table->pipe, table->pipe);
    else if (!table->seen && !table->pipe_may_lack)
        FAULT(table,
              "there is no such pipe: %s.%s.%s, or role %s may not use it: GRANT OPERATE ON PIPE, or leave `pipe` out "
              "to use the table's own",
              table->database, table->schema, table->pipe, role_of(table));
    else
        end(table, DV_OK);
}

static void go_on(struct dv_snowflake_table *table)
{
    if (table->step < WAREHOUSE && table->warehouse != NULL)
        ask(table, WAREHOUSE);
    else if (table->step != PIPE && table->pipe != NULL)
        ask(table, PIPE);
    else
        end(table, DV_OK);
}

static void on_found(struct dv_snowflake_table *table)
{
    if (dv_snowflake_is_skewed(table->snowflake))
        FAULT(table, "this machine's clock and Snowflake's are more than five minutes apart: set the clock");
    else if (table->lost)
        end(table, dv_error_set(&table->error, DV_E_MEMORY, "no memory for a column"));
    else if (table->step == SCHEMA && table->seen && table->name != NULL)
        end_without_table(table);
    else if (table->step == SCHEMA && !table->seen)
        end_without_schema(table);
    else if (table->step == WAREHOUSE && !table->seen)
        end_without_warehouse(table);
    else if (table->step == PIPE)
        end_pipe(table);
    else
        go_on(table);
}

static void on_statement(struct dv_snowflake_statement *statement)
{
    struct dv_snowflake_table *table = statement->data;
    if (statement->rc == DV_OK)
        on_found(table);
    else if (is_missing(statement) && table->step == COLUMNS)
        ask(table, SCHEMA);
    else if (is_missing(statement) && table->step == SCHEMA)
        end_without_database(table);
    else if (is_missing(statement) && table->step == PIPE)
        end_pipe(table);
    else
        end_failed(table);
}

/* ---- asking ---- */

static bool write_sql(struct dv_snowflake_table *table, enum step step)
{
    static const char *const heads[] = { "DESCRIBE TABLE ", "SHOW SCHEMAS LIKE ", "SHOW WAREHOUSES LIKE ",
                                         "SHOW PIPES LIKE " };
    static const char *const middles[] = { "", " IN DATABASE ", "", " IN SCHEMA " };
    char place[DV_SNOWFLAKE_PLACE_MAX] = "", like[DV_SNOWFLAKE_QUOTED_MAX] = "";
    const char *const sought[] = { NULL, table->schema, table->warehouse, table->pipe };
    bool fits = sought[step] == NULL || dv_snowflake_quote_text(like, sizeof like, sought[step]);
    if (step != WAREHOUSE)
        fits = fits &&
               dv_snowflake_quote_place(place, sizeof place, table->database, step == SCHEMA ? NULL : table->schema,
                                        step == COLUMNS ? table->name : NULL);
    int length = snprintf(table->sql, sizeof table->sql, "%s%s%s%s", heads[step], like, middles[step], place);
    return fits && length > 0 && (size_t)length < sizeof table->sql;
}

static dv_rc run(struct dv_snowflake_table *table, enum step step)
{
    struct dv_snowflake_statement *statement = &table->statement;
    table->step = (int)step;
    table->seen = table->unsound = table->lost = false;
    table->invalid = UINT32_MAX;
    *statement = (struct dv_snowflake_statement){ .sql = table->sql,
                                                  .tag = "datavault-look",
                                                  .on_columns = on_columns,
                                                  .on_row = on_row,
                                                  .on_end = on_statement,
                                                  .data = table };
    if (!write_sql(table, step))
        return dv_error_set(&table->error, DV_E_CONFIG, "the names of database, schema and table are too long");
    if (RAND_bytes(statement->request_id, sizeof statement->request_id) != 1)
        return dv_error_set(&table->error, DV_E_MEMORY, "no random number");
    dv_rc rc = dv_snowflake_run(table->snowflake, statement);
    return rc == DV_OK ? DV_OK : dv_error_set(&table->error, DV_E_MEMORY, "no memory for a statement");
}

/* From the loop only: it may end at once. */
static void ask(struct dv_snowflake_table *table, enum step step)
{
    dv_rc rc = run(table, step);
    if (rc != DV_OK)
        end(table, rc);
}

dv_rc dv_snowflake_table_look(struct dv_snowflake_table *table, struct dv_snowflake *snowflake)
{
    table->snowflake = snowflake;
    table->rc = DV_OK;
    table->error = (struct dv_error){ 0 };
    table->column_count = 0;
    table->no_table = table->no_schema = false;
    return run(table, table->name != NULL ? COLUMNS : SCHEMA);
}

const struct dv_snowflake_table_column *dv_snowflake_table_find(const struct dv_snowflake_table *table,
                                                                const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (strcasecmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

void dv_snowflake_table_close(struct dv_snowflake_table *table)
{
    if (table->statement.talk != NULL)
        dv_snowflake_cancel(table->snowflake, &table->statement);
    dv_memory_free(table->columns);
    table->columns = NULL;
    table->column_count = table->capacity = 0;
}
