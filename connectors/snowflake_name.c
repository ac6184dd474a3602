/* SPDX-License-Identifier: Apache-2.0
 * snowflake_name.c - names and texts, quoted. */
#include "connectors/snowflake_name.h"

#include <string.h>

/* Doubles `mark` and, in texts, backslashes: both would end or change it. */
static bool quote(char *out, size_t size, const char *text, char mark)
{
    size_t at = 0;
    if (size < 3)
        return false;
    out[at++] = mark;
    for (; *text != '\0'; text++) {
        bool twice = *text == mark || (mark == '\'' && *text == '\\');
        if (at + 4 > size)
            return false;
        if (twice)
            out[at++] = *text;
        out[at++] = *text;
    }
    out[at++] = mark;
    out[at] = '\0';
    return true;
}

bool dv_snowflake_is_plain_name(const char *name)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_", others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789$";
    return name[0] != '\0' && strchr(first, name[0]) != NULL && name[strspn(name, others)] == '\0';
}

bool dv_snowflake_quote_name(char *out, size_t size, const char *name)
{
    return name[0] != '\0' && quote(out, size, name, '"');
}

bool dv_snowflake_quote_place(char *out, size_t size, const char *database, const char *schema, const char *name)
{
    const char *const parts[] = { database, schema, name };
    size_t at = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i] == NULL)
            continue;
        if (at > 0 && at + 1 < size)
            out[at++] = '.';
        if (!dv_snowflake_quote_name(out + at, size - at, parts[i]))
            return false;
        at += strlen(out + at);
    }
    return at > 0;
}

bool dv_snowflake_quote_text(char *out, size_t size, const char *text)
{
    return quote(out, size, text, '\'');
}
