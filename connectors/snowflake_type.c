/* SPDX-License-Identifier: Apache-2.0
 * snowflake_type.c - types by families; synonyms are Snowflake's own. */
#include "connectors/snowflake_type.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum family { OTHER, TEXT, NUMBER, FLOAT, DECFLOAT, BOOLEAN, TIME, VARIANT, OBJECT, ARRAY, VECTOR };

enum { DEFAULT_TEXT = 16777216 };

static const struct word {
    const char *text;
    enum family family;
} words[] = {
    { "VARCHAR", TEXT },       { "TEXT", TEXT },          { "STRING", TEXT },       { "CHAR", TEXT },
    { "NVARCHAR", TEXT },      { "NUMBER", NUMBER },      { "DECIMAL", NUMBER },    { "NUMERIC", NUMBER },
    { "INT", NUMBER },         { "INTEGER", NUMBER },     { "BIGINT", NUMBER },     { "FLOAT", FLOAT },
    { "DOUBLE", FLOAT },       { "REAL", FLOAT },         { "DECFLOAT", DECFLOAT },   { "BOOLEAN", BOOLEAN },
    { "DATE", TIME },          { "TIME", TIME },          { "DATETIME", TIME },     { "TIMESTAMP", TIME },
    { "TIMESTAMP_NTZ", TIME }, { "TIMESTAMP_LTZ", TIME }, { "TIMESTAMP_TZ", TIME }, { "VARIANT", VARIANT },
    { "OBJECT", OBJECT },      { "ARRAY", ARRAY },        { "VECTOR", VECTOR },
};

/* A type with what stands between its brackets. */
struct read {
    enum family family;
    uint64_t size; /* of a text, or 0: none is told */
};

static struct read read_type(const char *text)
{
    struct read read = { OTHER, 0 };
    size_t length = strcspn(text, "( ");
    const char *inside = strchr(text, '(');
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i].text) == length && strncasecmp(text, words[i].text, length) == 0)
            read.family = words[i].family;
    read.size = inside != NULL ? strtoull(inside + 1, NULL, 10) : 0;
    return read;
}

/* Blanks do not count: VECTOR(FLOAT, 384). */
static bool same_text(const char *one, const char *other)
{
    one += strspn(one, " ");
    other += strspn(other, " ");
    while (*one != '\0' && strncasecmp(one, other, 1) == 0) {
        one += 1 + strspn(one + 1, " ");
        other += 1 + strspn(other + 1, " ");
    }
    return *one == *other;
}

const char *dv_snowflake_type_of(enum dv_type type)
{
    switch (type) {
    case DV_TYPE_INT: return "NUMBER(38,0)";
    case DV_TYPE_FLOAT: return "FLOAT";
    case DV_TYPE_BOOL: return "BOOLEAN";
    case DV_TYPE_JSON: return "VARIANT";
    default: return "VARCHAR";
    }
}

static bool text_takes(struct read told, struct read wanted)
{
    uint64_t room = told.size != 0 ? told.size : DEFAULT_TEXT;
    return wanted.family != TEXT || room >= wanted.size;
}

bool dv_snowflake_type_takes(const char *told, const char *wanted)
{
    struct read is = read_type(told), want = read_type(wanted);
    if (want.family == VECTOR || is.family == VECTOR || want.family == OTHER || is.family == OTHER)
        return same_text(told, wanted);
    if (is.family == VARIANT)
        return true;
    if (is.family == TEXT)
        return want.family != ARRAY && text_takes(is, want);
    switch (want.family) {
    case TEXT:
        return is.family == TIME && want.size == 0; /* a text may well be a time; what is none is refused by row */
    case NUMBER: return is.family == NUMBER || is.family == DECFLOAT; /* a FLOAT rounds above 2^53 */
    case FLOAT: return is.family == FLOAT || is.family == DECFLOAT;   /* a NUMBER rounds to its scale */
    case VARIANT: return is.family == OBJECT || is.family == ARRAY;
    default: return is.family == want.family;
    }
}
