/* SPDX-License-Identifier: Apache-2.0
 * snowflake_merge.c - writes the MERGE of a schema's records. */
#include "connectors/snowflake_merge.h"

#include <string.h>

#include "connectors/snowflake_name.h"
#include "engine/arena.h"
#include "engine/error.h"
#include "engine/schema.h"

enum { FIXED_BYTES = 1024, COLUMN_BYTES = 128, NAMED = 4 /* times */ };

/* What a column's value is made into; a VARIANT is what it is, and bytes are a text. */
static const char *const conversions[] = {
    [DV_TYPE_TEXT] = "::VARCHAR", [DV_TYPE_INT] = "::NUMBER(38, 0)", [DV_TYPE_FLOAT] = "::FLOAT",
    [DV_TYPE_BOOL] = "::BOOLEAN", [DV_TYPE_BYTES] = "::VARCHAR",     [DV_TYPE_JSON] = "",
};

struct writer {
    char *at, *end;
};

static void put(struct writer *writer, const char *text)
{
    size_t length = strlen(text);
    DV_ASSERT(length < (size_t)(writer->end - writer->at));
    memcpy(writer->at, text, length + 1);
    writer->at += length;
}

static void put_quoted(struct writer *writer, const char *name, bool capitals)
{
    char *quoted = writer->at;
    bool fits = dv_snowflake_quote_name(quoted, (size_t)(writer->end - quoted), name);
    DV_ASSERT(fits);
    writer->at += strlen(quoted);
    for (char *at = quoted; capitals && *at != '\0'; at++)
        *at = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
}

static void put_values(struct writer *writer, const struct dv_schema *columns)
{
    put(writer, "SELECT f.value:\"DV_ID\"::VARCHAR AS \"DV_ID\", CAST(? AS VARCHAR) AS \"DV_UNIT\"");
    for (uint32_t i = 0; i < columns->column_count; i++) {
        put(writer, ", f.value:");
        put_quoted(writer, columns->columns[i].name, false);
        put(writer, conversions[columns->columns[i].type]);
        put(writer, " AS ");
        put_quoted(writer, columns->columns[i].name, true);
    }
    put(writer, " FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) AS f");
}

/* All columns, each with `before` it. */
static void put_columns(struct writer *writer, const struct dv_schema *columns, const char *before)
{
    put(writer, before);
    put(writer, "\"DV_ID\", ");
    put(writer, before);
    put(writer, "\"DV_UNIT\"");
    for (uint32_t i = 0; i < columns->column_count; i++) {
        put(writer, ", ");
        put(writer, before);
        put_quoted(writer, columns->columns[i].name, true);
    }
}

static void put_place(struct writer *writer, const char *database, const char *schema, const char *table)
{
    const char *const place[] = { database, schema, table };
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        put(writer, i > 0 ? "." : "");
        put_quoted(writer, place[i], false);
    }
}

const char *dv_snowflake_merge_sql(struct dv_arena *arena, const char *database, const char *schema, const char *table,
                                   const struct dv_schema *columns)
{
    size_t size = FIXED_BYTES + 2 * (strlen(database) + strlen(schema) + strlen(table));
    for (uint32_t i = 0; i < columns->column_count; i++)
        size += COLUMN_BYTES + NAMED * 2 * strlen(columns->columns[i].name);
    char *text = dv_arena_text(arena, size);
    if (text == NULL)
        return NULL;
    struct writer writer = { text, text + size };
    put(&writer, "MERGE INTO ");
    put_place(&writer, database, schema, table);
    put(&writer, " AS T USING (");
    put_values(&writer, columns);
    put(&writer, ") AS S ON T.\"DV_ID\" = S.\"DV_ID\" WHEN NOT MATCHED THEN INSERT (");
    put_columns(&writer, columns, "");
    put(&writer, ") VALUES (");
    put_columns(&writer, columns, "S.");
    put(&writer, ")");
    return text;
}

const char *dv_snowflake_count_sql(struct dv_arena *arena, const char *database, const char *schema, const char *table)
{
    size_t size = FIXED_BYTES + 2 * (strlen(database) + strlen(schema) + strlen(table));
    char *text = dv_arena_text(arena, size);
    if (text == NULL)
        return NULL;
    struct writer writer = { text, text + size };
    put(&writer, "SELECT COUNT(DISTINCT \"DV_ID\") FROM ");
    put_place(&writer, database, schema, table);
    put(&writer, " WHERE \"DV_ID\" IN (SELECT f.value:\"DV_ID\"::VARCHAR FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) AS f)");
    return text;
}
