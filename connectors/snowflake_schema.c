/* SPDX-License-Identifier: Apache-2.0
 * snowflake_schema.c - tables, views and grants as statements. */
#include "connectors/snowflake_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/snowflake_name.h"
#include "connectors/snowflake_type.h"

#define MARK "[datavault "

/* Of a text that is kept; the view has the same, with its vector behind them. */
#define TEXT_COLUMNS                                                                                                   \
    { "DV_ID", "VARCHAR", true }, { "TENANT", "VARCHAR", true }, { "SCHEMA_NAME", "VARCHAR", true },                   \
        { "CREATED_MS", "NUMBER(38,0)", true }, { "BODY", "VARCHAR", true }, { "HASH", "VARCHAR", false },             \
        { "SUBJECT_REF", "VARCHAR", false }, { "SUBJECTS", "NUMBER(38,0)", false },                                    \
    {                                                                                                                  \
        "MODEL", "VARCHAR", false                                                                                      \
    }

/* Our own tables; a type of NULL is the vector's. */
static const struct own {
    const char *table;
    struct {
        const char *name, *type;
        bool required;
    } columns[12];
    const char *rights;
} own[] = {
    [DV_SNOWFLAKE_SUMMARIES] = { "SUMMARIES",
                                 { { "DV_ID", "VARCHAR", true }, { "DV_UNIT", "VARCHAR", false } },
                                 "INSERT, SELECT" },
    [DV_SNOWFLAKE_EMBEDDINGS] = { "EMBEDDINGS",
                                  { TEXT_COLUMNS, { "EMBEDDING", "ARRAY", false } },
                                  "SELECT, INSERT, UPDATE, DELETE" },
    [DV_SNOWFLAKE_VECTORS] = { "EMBEDDINGS_VECTORS", { TEXT_COLUMNS, { "EMBEDDING", NULL, false } }, "SELECT" },
    [DV_SNOWFLAKE_HEADS] = { "AUDIT_HEADS",
                             { { "TENANT", "VARCHAR", false },
                               { "SEQUENCE", "NUMBER(38,0)", false },
                               { "HEAD", "VARCHAR", false },
                               { "AT_MS", "NUMBER(38,0)", false } },
                             "INSERT, SELECT" },
    [DV_SNOWFLAKE_ERASURES] = { "ERASURES",
                                { { "TENANT", "VARCHAR", false },
                                  { "SUBJECT_REF", "VARCHAR", false },
                                  { "REQUESTED_MS", "NUMBER(38,0)", false },
                                  { "DONE_MS", "NUMBER(38,0)", false },
                                  { "TEXTS", "NUMBER(38,0)", false } },
                                "INSERT, SELECT, UPDATE" },
};

/* ---- what is wanted ---- */

static bool put_capitals(char *out, size_t size, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i <= length && length < size; i++)
        out[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
    return length > 0 && length < size;
}

static bool add_column(struct dv_snowflake_wanted *wanted, const char *name, const char *type, bool required)
{
    struct dv_snowflake_wanted_column *column = &wanted->columns[wanted->count++];
    column->type = type;
    column->required = required;
    return put_capitals(column->name, sizeof column->name, name);
}

static bool fill(struct dv_snowflake_wanted *wanted, const char *table, const struct dv_schema *records, uint32_t width)
{
    const struct own *mine = &own[wanted->use];
    const char *base = table != NULL ? table : mine->table;
    bool view = wanted->use == DV_SNOWFLAKE_VECTORS;
    if (view && table == NULL)
        base = own[DV_SNOWFLAKE_EMBEDDINGS].table;
    int name = snprintf(wanted->name, sizeof wanted->name, "%s%s", base, view ? "_VECTORS" : "");
    (void)snprintf(wanted->source, sizeof wanted->source, "%s", base);
    (void)snprintf(wanted->vector, sizeof wanted->vector, "VECTOR(FLOAT,%u)", width);
    bool fits = name > 0 && (size_t)name < sizeof wanted->name;
    for (size_t i = 0; mine->columns[i].name != NULL; i++)
        fits = add_column(wanted, mine->columns[i].name,
                          mine->columns[i].type != NULL ? mine->columns[i].type : wanted->vector,
                          mine->columns[i].required) &&
               fits;
    for (uint32_t i = 0; records != NULL && i < records->column_count; i++)
        if ((int32_t)i != records->extra)
            fits =
                add_column(wanted, records->columns[i].name, dv_snowflake_type_of(records->columns[i].type), false) &&
                fits;
    return fits;
}

dv_rc dv_snowflake_want(struct dv_snowflake_wanted *wanted, enum dv_snowflake_use use, const char *table,
                        const struct dv_schema *records, uint32_t width, struct dv_error *error)
{
    wanted->use = use;
    wanted->count = 0;
    return fill(wanted, table, records, width)
               ? DV_OK
               : dv_error_set(error, DV_E_CONFIG, "the name of a table or column is too long");
}

/* ---- statements ---- */

/* A statement as it grows; the room suffices for the most columns with the longest names. */
struct writer {
    char *out;
    size_t length;
};

static void put(struct writer *writer, const char *format, ...) DV_FORMAT(2, 3);

static void put(struct writer *writer, const char *format, ...)
{
    const size_t room = DV_SNOWFLAKE_STATEMENT_MAX - writer->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(writer->out + writer->length, room, format, arguments);
    va_end(arguments);
    DV_ASSERT(length >= 0 && (size_t)length < room);
    writer->length += (size_t)length;
}

static void put_name(struct writer *writer, const char *name)
{
    char quoted[DV_SNOWFLAKE_QUOTED_MAX];
    bool fits = dv_snowflake_quote_name(quoted, sizeof quoted, name);
    DV_ASSERT(fits);
    put(writer, "%s", quoted);
}

static void put_place(struct writer *writer, const struct dv_snowflake_wanted *wanted, const char *name)
{
    char quoted[DV_SNOWFLAKE_PLACE_MAX];
    bool fits = dv_snowflake_quote_place(quoted, sizeof quoted, wanted->database, wanted->schema, name);
    DV_ASSERT(fits);
    put(writer, "%s", quoted);
}

static void put_view(struct writer *writer, const struct dv_snowflake_wanted *wanted)
{
    put(writer, "CREATE VIEW IF NOT EXISTS ");
    put_place(writer, wanted, wanted->name);
    put(writer, " COMMENT = '" DV_SNOWFLAKE_MARK_FORM "' AS SELECT", DV_SNOWFLAKE_SCHEMA_VERSION);
    for (uint32_t i = 0; i < wanted->count; i++) {
        bool vector = wanted->columns[i].type == wanted->vector;
        put(writer, i > 0 ? ",\n  " : "\n  ");
        put_name(writer, wanted->columns[i].name);
        if (!vector)
            continue;
        put(writer, "::%s AS ", wanted->vector);
        put_name(writer, wanted->columns[i].name);
    }
    put(writer, "\nFROM ");
    put_place(writer, wanted, wanted->source);
}

static void put_table(struct writer *writer, const struct dv_snowflake_wanted *wanted)
{
    bool forgets =
        wanted->use == DV_SNOWFLAKE_EMBEDDINGS; /* what is removed from it must not come back by Time Travel */
    put(writer, "CREATE %sTABLE IF NOT EXISTS ", forgets ? "TRANSIENT " : "");
    put_place(writer, wanted, wanted->name);
    put(writer, " (");
    for (uint32_t i = 0; i < wanted->count; i++) {
        put(writer, i > 0 ? ",\n  " : "\n  ");
        put_name(writer, wanted->columns[i].name);
        put(writer, " %s%s", wanted->columns[i].type, wanted->columns[i].required ? " NOT NULL" : "");
    }
    put(writer, "\n)%s COMMENT = '" DV_SNOWFLAKE_MARK_FORM "'", forgets ? " DATA_RETENTION_TIME_IN_DAYS = 0" : "",
        DV_SNOWFLAKE_SCHEMA_VERSION);
}

void dv_snowflake_write_create(char *out, const struct dv_snowflake_wanted *wanted)
{
    struct writer writer = { .out = out };
    if (wanted->use == DV_SNOWFLAKE_VECTORS)
        put_view(&writer, wanted);
    else
        put_table(&writer, wanted);
}

/* Without NOT NULL: the rows that are there have no value. */
void dv_snowflake_write_add(char *out, const struct dv_snowflake_wanted *wanted, uint32_t column)
{
    struct writer writer = { .out = out };
    put(&writer, "ALTER TABLE ");
    put_place(&writer, wanted, wanted->name);
    put(&writer, " ADD COLUMN IF NOT EXISTS ");
    put_name(&writer, wanted->columns[column].name);
    put(&writer, " %s", wanted->columns[column].type);
}

/* The last mark of a comment, or NULL. */
static const char *find_mark(const char *comment, size_t *ret_length, int *ret_version)
{
    const char *found = NULL;
    for (const char *at = strstr(comment, MARK); at != NULL; at = strstr(at + 1, MARK)) {
        char *end = NULL;
        long version = strtol(at + strlen(MARK), &end, 10);
        if (*end != ']' || version <= 0 || version >= 1000000)
            continue;
        found = at;
        *ret_length = (size_t)(end + 1 - at);
        *ret_version = (int)version;
    }
    return found;
}

void dv_snowflake_write_comment(char *out, const struct dv_snowflake_wanted *wanted, const char *comment)
{
    struct writer writer = { .out = out };
    char marked[DV_SNOWFLAKE_COMMENT_MAX + 32];
    size_t length = 0;
    int version = 0;
    const char *mark = find_mark(comment, &length, &version);
    size_t before = mark != NULL ? (size_t)(mark - comment) : strlen(comment);
    DV_ASSERT(strlen(comment) < DV_SNOWFLAKE_COMMENT_MAX);
    (void)snprintf(marked, sizeof marked, "%.*s%s" DV_SNOWFLAKE_MARK_FORM "%s", (int)before, comment,
                   mark == NULL && before > 0 ? " " : "", DV_SNOWFLAKE_SCHEMA_VERSION, comment + before + length);
    put(&writer, "COMMENT ON %s ", wanted->use == DV_SNOWFLAKE_VECTORS ? "VIEW" : "TABLE");
    put_place(&writer, wanted, wanted->name);
    put(&writer, " IS ");
    bool fits = dv_snowflake_quote_text(writer.out + writer.length, DV_SNOWFLAKE_STATEMENT_MAX - writer.length, marked);
    DV_ASSERT(fits);
}

void dv_snowflake_write_grant(char *out, const struct dv_snowflake_wanted *wanted, const char *role)
{
    struct writer writer = { .out = out };
    put(&writer, "GRANT %s ON %s ", own[wanted->use].rights, wanted->use == DV_SNOWFLAKE_VECTORS ? "VIEW" : "TABLE");
    put_place(&writer, wanted, wanted->name);
    put(&writer, " TO ROLE ");
    put_name(&writer, role);
}

static void put_member(struct writer *writer, const char *member, const char *type)
{
    put(writer, "$1:");
    put_name(writer, member);
    if (strcmp(type, "VARIANT") != 0)
        put(writer, "::%s", type);
}

/* What is wanted begins with our own columns; those of the records follow in their order, and `_extra` has none. */
void dv_snowflake_write_pipe(char *out, const struct dv_snowflake_wanted *wanted, const char *pipe, const struct dv_schema *records)
{
    struct writer writer = { .out = out };
    uint32_t column = 0;
    put(&writer, "CREATE PIPE IF NOT EXISTS ");
    put_place(&writer, wanted, pipe);
    put(&writer, " AS COPY INTO ");
    put_place(&writer, wanted, wanted->name);
    for (uint32_t i = 0; i < wanted->count; i++) {
        put(&writer, i > 0 ? ", " : " (");
        put_name(&writer, wanted->columns[i].name);
    }
    put(&writer, ") FROM (SELECT");
    for (; own[wanted->use].columns[column].name != NULL; column++) {
        put(&writer, column > 0 ? ",\n  " : "\n  ");
        put_member(&writer, own[wanted->use].columns[column].name, wanted->columns[column].type);
    }
    for (uint32_t i = 0; i < records->column_count; i++) {
        if ((int32_t)i == records->extra)
            continue;
        put(&writer, ",\n  ");
        put_member(&writer, records->columns[i].name, wanted->columns[column++].type);
    }
    put(&writer, "\nFROM TABLE(DATA_SOURCE(TYPE => 'STREAMING')))");
}

void dv_snowflake_write_pipe_grant(char *out, const struct dv_snowflake_wanted *wanted, const char *pipe, const char *role)
{
    struct writer writer = { .out = out };
    put(&writer, "GRANT OPERATE ON PIPE ");
    put_place(&writer, wanted, pipe);
    put(&writer, " TO ROLE ");
    put_name(&writer, role);
}

int dv_snowflake_comment_version(const char *comment)
{
    size_t length = 0;
    int version = 0;
    (void)find_mark(comment, &length, &version);
    return version;
}
