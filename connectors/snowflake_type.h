/* SPDX-License-Identifier: Apache-2.0
 * snowflake_type.h - our types and Snowflake's: what a column is made of, and whether one that is there takes our values. */
#ifndef DV_CONNECTORS_SNOWFLAKE_TYPE_H
#define DV_CONNECTORS_SNOWFLAKE_TYPE_H

#include <stdbool.h>

#include "engine/schema.h"

/* The type of a column for values of ours, a literal. What is written as base64 is a text. */
const char *dv_snowflake_type_of(enum dv_type type);

/* Whether a column of the type `told`, as DESCRIBE writes it, takes what one of `wanted` takes: a VARIANT and a text that is
 * long enough take nearly everything, but what would round or cut values without a word does not: whole numbers in a FLOAT,
 * numbers with a fraction in a NUMBER. A single value may be refused still. */
bool dv_snowflake_type_takes(const char *told, const char *wanted);

#endif
