/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_aside.h - rows that Snowflake refuses, and whether it is they or everything.
 *
 * An append that is refused is halved until a row stands alone. That it is refused then does not prove it wrong: the channel, the table or
 * the service may be at fault, and no code tells. So the row is set aside, and rejected only if it was refused, another request passed, it was
 * refused again alone, and one more passed. Where none passes the run halts; all of them come again.
 *
 * What is refused behind an append, in silence, counts as a fault of the table, too, if it is every row of several requests in a row. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_ASIDE_H
#define DV_OPERATORS_SINK_SNOWFLAKE_ASIDE_H

#include "operators/sink_snowflake_unit.h"

enum {
    DV_SNOW_ASIDE_LARGE = 1024 * 1024, /* bytes of a row, packed, from which on it is itself too large for a request */
    DV_SNOW_VAIN_MAX = 3,            /* times that a row alone is tried once more, though nothing has passed */
    DV_SNOW_WHOLE_UNITS = 3,         /* requests in a row without a row that got in, */
    DV_SNOW_WHOLE_ROWS = 8,          /* if they have so many, */
    DV_SNOW_WHOLE_MANY = 256         /* or requests of so many rows */
};

/* The row was refused alone. */
void dv_snow_aside_put(struct dv_snow_load *load, struct dv_snow_row row, dv_rc rc);

/* The row if it was refused before, and then it travels alone; NULL: it was not. And whether only such may travel: there is no room for more. */
struct dv_snow_aside *dv_snow_aside_find(struct dv_snow_load *load, struct dv_snow_row row);
bool dv_snow_aside_is_full(const struct dv_snow_load *load);

/* The request was taken: it proves something of those that are aside. */
void dv_snow_aside_passed(struct dv_snow_load *load, const struct dv_snow_pack *pack);

/* Whether rows are aside, and nothing is under way that could pass, or let others come; then the first of them may be tried once more. */
bool dv_snow_aside_is_stuck(const struct dv_snow_load *load);
void dv_snow_aside_try(struct dv_snow_load *load);

/* The batch in this place is given back. */
void dv_snow_aside_leave(struct dv_snow_load *load, uint32_t held);

/* Requests up to `unit` are to be settled, and their rows of these ids, which are sorted, were refused: whether with them every row of several
 * requests in a row was. Where none was refused whole_units and whole_rows are 0. */
bool dv_snow_refuses_all(struct dv_snow_load *load, uint64_t unit, const uint8_t (*refused)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count);

#endif
