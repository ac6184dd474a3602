/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_aside.c - rows that were refused alone, until it is known whether it is they. */
#include "operators/sink_snowflake_aside.h"

#include <string.h>

static bool is_over(const struct dv_snow_load *load, struct dv_snow_row row)
{
    return (load->held[row.held].over[row.row / 64] >> row.row % 64 & 1) != 0;
}

static void leave(struct dv_snow_load *load, uint32_t place)
{
    load->aside_count--;
    memmove(&load->aside[place], &load->aside[place + 1], (load->aside_count - place) * sizeof *load->aside);
}

struct dv_snow_aside *dv_snow_aside_find(struct dv_snow_load *load, struct dv_snow_row row)
{
    for (uint32_t i = 0; i < load->aside_count; i++)
        if (load->aside[i].row.held == row.held && load->aside[i].row.row == row.row)
            return &load->aside[i];
    return NULL;
}

bool dv_snow_aside_is_full(const struct dv_snow_load *load)
{
    return load->aside_count == DV_SNOW_ASIDE_MAX;
}

void dv_snow_aside_put(struct dv_snow_load *load, struct dv_snow_row row, dv_rc rc)
{
    struct dv_snow_aside *aside = dv_snow_aside_find(load, row);
    if (aside == NULL) {
        DV_ASSERT(!dv_snow_aside_is_full(load));
        aside = &load->aside[load->aside_count++];
        *aside = (struct dv_snow_aside){ .row = row };
    }
    aside->again = aside->passed;
    aside->passed = false;
    aside->waits = true;
    aside->rc = rc;
}

void dv_snow_aside_passed(struct dv_snow_load *load, const struct dv_snow_pack *pack)
{
    load->vain = 0;
    for (uint32_t i = load->aside_count; i-- > 0;) {
        struct dv_snow_aside *aside = &load->aside[i];
        const bool is_it = pack->packed == 1 && pack->list[0].held == aside->row.held && pack->list[0].row == aside->row.row;
        if (aside->waits && aside->again && !is_over(load, aside->row))
            dv_snow_reject(load, aside->row, aside->rc);
        if (is_it || is_over(load, aside->row))
            leave(load, i);
        else if (aside->waits) {
            aside->passed = true;
            aside->waits = false;
        }
    }
}

bool dv_snow_aside_is_stuck(const struct dv_snow_load *load)
{
    if (load->journal.unit != load->done)
        return false;
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++)
        if (load->packs[i].step != DV_SNOW_FREE)
            return false;
    for (uint32_t i = 0; i < load->aside_count; i++)
        if (load->aside[i].waits)
            return true;
    return false;
}

void dv_snow_aside_try(struct dv_snow_load *load)
{
    load->vain++;
    for (uint32_t i = 0; i < load->aside_count; i++) {
        struct dv_snow_aside *aside = &load->aside[i];
        if (aside->waits) {
            aside->passed = aside->again; /* nothing has: it stays as proved as it was */
            aside->waits = false;
            return;
        }
    }
}

void dv_snow_aside_leave(struct dv_snow_load *load, uint32_t held)
{
    for (uint32_t i = load->aside_count; i-- > 0;)
        if (load->aside[i].row.held == held)
            leave(load, i);
}

/* ---- behind an append ---- */

/* How many of the request's rows were refused, from its first on. */
static uint32_t refused_first(const struct dv_snow_load *load, uint32_t first, uint32_t rows,
                              const uint8_t (*refused)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count)
{
    for (uint32_t i = 0; i < rows; i++) {
        const struct dv_snow_row row = load->away[(load->away_first + first + i) % DV_SNOW_ROWS_MAX];
        if (!dv_snow_is_among(load, row, refused, count))
            return i;
    }
    return rows;
}

/* Of a batch that comes again those rows are left that were refused before: that there are no others tells nothing of the table. */
static bool comes_again(const struct dv_snow_load *load, uint32_t first, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++)
        if (load->held[load->away[(load->away_first + first + i) % DV_SNOW_ROWS_MAX].held].known)
            return true;
    return false;
}

bool dv_snow_refuses_all(struct dv_snow_load *load, uint64_t unit, const uint8_t (*refused)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count)
{
    uint32_t first = 0;
    for (uint64_t i = load->done + 1; i <= unit; i++) {
        const uint32_t rows = load->counts[i % DV_SNOWFLAKE_UNITS_MAX];
        if (refused_first(load, first, rows, refused, count) < rows) {
            load->whole_units = load->whole_rows = 0;
        } else if (rows > 0 && !comes_again(load, first, rows)) { /* of none is a request of a process before: its rows come again */
            load->whole_units++;
            load->whole_rows += rows;
        }
        first += rows;
    }
    return load->whole_rows >= DV_SNOW_WHOLE_MANY ||
           (load->whole_units >= DV_SNOW_WHOLE_UNITS && load->whole_rows >= DV_SNOW_WHOLE_ROWS);
}
