/* SPDX-License-Identifier: Apache-2.0
 * snowflake_name.h - names and texts as they stand in statements.
 *
 * A name is always in quotation marks and so as SHOW writes it, but in paths and scopes, where Snowflake's own clients leave them away if
 * they can; values are binds, and only what cannot be one, as a
 * pattern of SHOW or a comment, is written as a text. */
#ifndef DV_CONNECTORS_SNOWFLAKE_NAME_H
#define DV_CONNECTORS_SNOWFLAKE_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum {
    DV_SNOWFLAKE_QUOTED_MAX = 2 * 255 + 3, /* bytes of a name in quotation marks, with its end */
    DV_SNOWFLAKE_PLACE_MAX = 3 * DV_SNOWFLAKE_QUOTED_MAX
};

/* Whether a name means itself without quotation marks: Snowflake folds others to capitals, or does not take them. */
bool dv_snowflake_is_plain_name(const char *name);

/* A name in quotation marks; false: it is empty, or there is no room. */
bool dv_snowflake_quote_name(char *out, size_t size, const char *name);

/* "DATABASE"."SCHEMA"."NAME"; what is NULL is left out. False: no room. */
bool dv_snowflake_quote_place(char *out, size_t size, const char *database, const char *schema, const char *name);

/* A text between apostrophes; false: no room. */
bool dv_snowflake_quote_text(char *out, size_t size, const char *text);

#endif
