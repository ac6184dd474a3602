/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_preflight.c - looks at the table, and compares its columns with the records'. */
#include "operators/sink_snowflake_preflight.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "connectors/snowflake_table.h"
#include "connectors/snowflake_type.h"
#include "engine/memory.h"
#include "engine/text.h"
#include "operators/sink_snowflake.h"

enum { AGAIN_MS = 1000 };

/* What the sink itself writes: a UUID as text, and a request's token. */
static const struct {
    const char *name, *type;
} own[] = { { "DV_ID", "VARCHAR(36)" }, { "DV_UNIT", "VARCHAR(37)" } };

enum { OWN_COUNT = sizeof own / sizeof own[0] };

/* ---- columns ---- */

static dv_rc judge_column(const struct dv_snowflake_table *table, const char *name, const char *type,
                          struct dv_error *error)
{
    const struct dv_snowflake_table_column *column = dv_snowflake_table_find(table, name);
    if (column == NULL)
        return dv_error_set(
            error, DV_E_CONFIG,
            "table %s.%s.%s has no column for '%s', and would leave it out: `datavault migrate` adds it,"
            " or keep it back with `project`",
            table->database, table->schema, table->name, name);
    if (!dv_snowflake_type_takes(column->type, type))
        return dv_error_set(error, DV_E_CONFIG,
                            "column %s of table %s.%s.%s is of type %s, but '%s' needs %s: change the column, or"
                            " choose another table",
                            column->name, table->database, table->schema, table->name, column->type, name, type);
    return DV_OK;
}

static bool is_filled(const struct dv_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < OWN_COUNT; i++)
        if (strcasecmp(own[i].name, name) == 0)
            return true;
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (strcasecmp(schema->columns[i].name, name) == 0)
            return true;
    return false;
}

static dv_rc judge_unfilled(const struct dv_snowflake_table *table, const struct dv_snowflake_table_column *column,
                            bool streamed, struct dv_error *error)
{
    if (column->defaulted && streamed)
        return dv_error_set(error, DV_E_CONFIG,
                            "column %s of table %s.%s.%s has a default, and no record fills it: a channel writes NULL"
                            " there, whatever the default. It counts with `mode: sql` or a `pipe` of your own; or drop it",
                            column->name, table->database, table->schema, table->name);
    if (!column->nullable && !column->defaulted)
        return dv_error_set(error, DV_E_CONFIG,
                            "column %s of table %s.%s.%s is NOT NULL, and no record fills it: ALTER TABLE … ALTER"
                            " COLUMN \"%s\" DROP NOT NULL",
                            column->name, table->database, table->schema, table->name, column->name);
    return DV_OK;
}

/* A table's own pipe writes NULL into each column that a row has no member for, also where the default is a value or the next
 * number: a row is refused by NOT NULL, or is there without what the column was made for. A statement names its columns. */
static dv_rc judge_others(const struct dv_snowflake_table *table, const struct dv_schema *schema, bool streamed,
                          struct dv_error *error)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!is_filled(schema, table->columns[i].name))
            DV_TRY(judge_unfilled(table, &table->columns[i], streamed, error));
    return DV_OK;
}

/* The members of `_extra` have names of their own: which, nobody can say before. */
static bool is_extra(const struct dv_schema *schema, uint32_t column)
{
    return (int32_t)column == schema->extra && schema->columns[column].type == DV_TYPE_JSON;
}

/* A channel matches names whatever their case; a statement names columns as they are, in capitals. */
static dv_rc judge_capitals(const struct dv_snowflake_table *table, const struct dv_schema *schema,
                            struct dv_error *error)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct dv_snowflake_table_column *column = dv_snowflake_table_find(table, schema->columns[i].name);
        for (const char *at = column != NULL ? column->name : ""; *at != '\0'; at++)
            if (*at >= 'a' && *at <= 'z')
                return dv_error_set(
                    error, DV_E_CONFIG,
                    "column \"%s\" of table %s.%s.%s must be in capitals for statements: ALTER TABLE … RENAME COLUMN",
                    column->name, table->database, table->schema, table->name);
    }
    return DV_OK;
}

/* A pipe of its own reads members as it likes: only what the sink asks the table for must be there. */
static dv_rc judge(const struct dv_snowflake_table *table, const struct dv_schema *schema, const struct dv_snow_options *options,
                   struct dv_error *error)
{
    const bool piped = options->pipe != NULL;
    if (options->mode == DV_SNOW_SQL)
        DV_TRY(judge_capitals(table, schema, error));
    for (uint32_t i = 0; i < OWN_COUNT; i++)
        DV_TRY(judge_column(table, own[i].name, own[i].type, error));
    for (uint32_t i = 0; i < schema->column_count && !piped; i++)
        if (!is_extra(schema, i))
            DV_TRY(judge_column(table, schema->columns[i].name, dv_snowflake_type_of(schema->columns[i].type), error));
    return piped ? DV_OK : judge_others(table, schema, options->mode == DV_SNOW_STREAMING, error);
}

/* Whoever made the table may have called a column anything: what steers a terminal, or begins another line, is '?'. */
static void clean(char *text)
{
    size_t length = strlen(text), used = 0;
    for (size_t at = 0; at < length;) {
        size_t step = dv_utf8_step(text + at, length - at);
        bool steers = dv_utf8_steers(text + at, step);
        size_t taken = step > 0 ? step : 1;
        memmove(text + used, steers ? "?" : text + at, steers ? 1 : taken);
        used += steers ? 1 : taken;
        at += taken;
    }
    text[used] = '\0';
}

dv_rc dv_snow_preflight_judge(const struct dv_snowflake_table *table, const struct dv_schema *schema,
                              const struct dv_snow_options *options, struct dv_error *error)
{
    dv_rc rc = judge(table, schema, options, error);
    if (rc != DV_OK)
        clean(error->text);
    return rc;
}

/* ---- the look ---- */

static void end(struct dv_snow_preflight *preflight, dv_rc rc)
{
    preflight->rc = rc;
    preflight->on_end(preflight);
}

/* Only what somebody can mend in the file or the account is a fault of the configuration; no record is at fault here. */
static dv_rc kind_of(dv_rc rc)
{
    return rc == DV_E_DATA || rc == DV_E_LIMIT ? DV_E_FAILED : rc;
}

static void on_look(struct dv_snowflake_table *table)
{
    struct dv_snow_preflight *preflight = table->data;
    bool heals = table->rc == DV_E_DEPENDENCY || table->rc == DV_E_MEMORY;
    if (heals && !preflight->once) {
        dv_timer_start(&preflight->timer, AGAIN_MS);
        return;
    }
    preflight->error = table->error;
    dv_rc rc = kind_of(table->rc);
    if (rc == DV_OK)
        rc = dv_snow_preflight_judge(table, preflight->schema, preflight->options, &preflight->error);
    end(preflight, rc);
}

static struct dv_snowflake_table *make_table(struct dv_snow_preflight *preflight)
{
    const struct dv_snow_options *options = preflight->options;
    struct dv_snowflake_table *table = dv_memory_zeroed(1, sizeof *table);
    if (table == NULL)
        return NULL;
    *table = (struct dv_snowflake_table){ .database = options->snowflake.database,
                                          .schema = options->snowflake.schema,
                                          .name = options->table,
                                          .warehouse = options->snowflake.warehouse,
                                          .pipe = options->pipe,
                                          .on_end = on_look,
                                          .data = preflight };
    if (options->pipe == NULL && options->mode == DV_SNOW_STREAMING) {
        int length = snprintf(preflight->pipe, sizeof preflight->pipe, "%s-STREAMING", options->table);
        table->pipe = length > 0 && (size_t)length < sizeof preflight->pipe ? preflight->pipe : NULL;
        table->pipe_may_lack = true;
    }
    return table;
}

static dv_rc begin(struct dv_snow_preflight *preflight)
{
    if (preflight->table == NULL)
        preflight->table = make_table(preflight);
    if (preflight->table == NULL)
        return dv_error_set(&preflight->error, DV_E_MEMORY, "no memory for a look at the table");
    dv_rc rc = dv_snowflake_table_look(preflight->table, preflight->snowflake);
    preflight->error = preflight->table->error;
    return rc;
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_snow_preflight *preflight = timer->data;
    dv_rc rc = begin(preflight);
    if (rc == DV_E_MEMORY && !preflight->once) {
        dv_timer_start(&preflight->timer, AGAIN_MS);
    } else if (rc != DV_OK) {
        end(preflight, rc);
    }
}

void dv_snow_preflight_start(struct dv_snow_preflight *preflight, struct dv_snowflake *snowflake)
{
    if (preflight->snowflake == NULL)
        dv_timer_init(snowflake->config.loop, &preflight->timer, on_timer, preflight);
    preflight->snowflake = snowflake;
    dv_timer_start(&preflight->timer, 0);
}

void dv_snow_preflight_close(struct dv_snow_preflight *preflight)
{
    if (preflight->snowflake == NULL)
        return;
    if (preflight->table != NULL)
        dv_snowflake_table_close(preflight->table);
    dv_memory_free(preflight->table);
    preflight->table = NULL;
    dv_timer_close(&preflight->timer);
    preflight->snowflake = NULL;
}
