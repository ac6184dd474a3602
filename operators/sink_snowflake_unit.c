/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_unit.c - rows of batches into a request, and what became of them back to the batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/id.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/sink_snowflake_unit.h"

enum { DIGITS = 20, RANDOM = 16, PREFIX_MAX = 128 };

/* ---- numbers ---- */

uint64_t dv_snow_unit_of(const char *offset)
{
    uint64_t unit = 0;
    if (offset[0] == '\0')
        return 0;
    if (strlen(offset) != DIGITS + 1 + RANDOM || strspn(offset, "0123456789") != DIGITS || offset[0] != '0' ||
        offset[DIGITS] != '-' || strspn(offset + DIGITS + 1, "0123456789abcdef") != RANDOM)
        return UINT64_MAX;
    for (; *offset != '-'; offset++)
        unit = 10 * unit + (uint64_t)(*offset - '0');
    return unit;
}

/* ---- rows ---- */

static bool is_over(const struct dv_snow_held *held, uint32_t row)
{
    return (held->over[row / 64] >> row % 64 & 1) != 0 || dv_batch_rejected(held->batch, row);
}

static void set_over(struct dv_snow_held *held, uint32_t row)
{
    held->over[row / 64] |= UINT64_C(1) << row % 64;
}

static void reject(struct dv_snow_load *load, struct dv_snow_held *held, uint32_t row, dv_rc rc, const char *reason)
{
    set_over(held, row);
    dv_reject_row(load->node, held->batch, row, rc, reason);
}

static bool make_room(struct dv_snow_load *load, size_t size)
{
    if (size <= load->text_size)
        return true;
    if (load->text != NULL)
        explicit_bzero(load->text, load->text_size);
    dv_memory_free(load->text);
    load->text = dv_memory_alloc(size);
    load->text_size = load->text != NULL ? size : 0;
    return load->text != NULL;
}

/* The record as JSON with its id and the request's token before it; 0: no memory. */
static size_t write_row(struct dv_snow_load *load, const struct dv_batch *batch, uint32_t row)
{
    char id[DV_UUID_TEXT];
    if (!make_room(load, PREFIX_MAX + dv_json_record_bound(batch, row)))
        return 0;
    int prefix = snprintf(load->text, PREFIX_MAX, "{\"DV_ID\":\"%s\",\"DV_UNIT\":\"%s\"",
                          dv_id_text(id, batch->row[row].id), load->journal.token);
    char *record = load->text + prefix;
    size_t length = dv_json_record(batch, row, record);
    if (length == 2) { /* "{}" */
        record[0] = '}';
        length = 1;
    } else {
        record[0] = ',';
    }
    return (size_t)prefix + length;
}

/* False: the request is full. */
static bool add_row(struct dv_snow_load *load, struct dv_snow_held *held, uint32_t row)
{
    const uint8_t *id = held->batch->row[row].id;
    uint64_t sent = dv_snowflake_journal_find(&load->journal, id);
    if (sent != 0 && sent <= load->journal.settled) {
        set_over(held, row); /* it is in the table: its source was not told in time */
        return true;
    }
    if (sent == load->journal.unit)
        return true; /* it is in this request already: what becomes of that one is known before the next */
    size_t length = write_row(load, held->batch, row);
    dv_rc rc = length > 0 ? dv_snowflake_rows_add(&load->rows, load->text, length) : DV_E_MEMORY;
    if (rc == DV_E_FULL)
        return false;
    if (rc == DV_OK) {
        load->unit[load->unit_count++] = (struct dv_snow_row){ held, (uint16_t)row };
        dv_snowflake_journal_note(&load->journal, id);
    } else {
        reject(load, held, row, rc,
               rc == DV_E_LIMIT ? "the record is larger than Snowflake takes" : "there is no memory for the record");
    }
    return load->unit_count < load->unit_most;
}

static struct dv_snow_held *after(struct dv_snow_load *load, uint64_t order)
{
    struct dv_snow_held *next = NULL;
    for (uint32_t i = 0; i < DV_SNOW_HELD_MAX; i++) {
        struct dv_snow_held *held = &load->held[i];
        if (held->batch != NULL && held->order > order && (next == NULL || held->order < next->order))
            next = held;
    }
    return next;
}

bool dv_snow_make_unit(struct dv_snow_load *load)
{
    bool room = true;
    load->unit_count = 0;
    dv_snowflake_rows_reset(&load->rows);
    dv_snowflake_journal_begin(&load->journal);
    for (struct dv_snow_held *held = after(load, 0); held != NULL && room; held = after(load, held->order))
        for (uint32_t row = 0; row < held->batch->rows && room; row++)
            if (!is_over(held, row))
                room = add_row(load, held, row);
    if (load->text != NULL)
        explicit_bzero(load->text, load->text_size);
    if (load->unit_count == 0) {
        dv_snowflake_journal_take_back(&load->journal);
        return false;
    }
    dv_snowflake_rows_end(&load->rows);
    memcpy(load->offset, load->journal.token, sizeof load->offset);
    return true;
}

/* ---- what became of them ---- */

static int by_id(const void *one, const void *other)
{
    return memcmp(one, other, DV_SNOWFLAKE_JOURNAL_ID);
}

static bool is_in_table(const struct dv_snow_load *load, const struct dv_snow_row *row)
{
    const uint8_t *id = row->held->batch->row[row->row].id;
    return load->got_count > 0 && bsearch(id, load->got, load->got_count, sizeof *load->got, by_id) != NULL;
}

uint32_t dv_snow_count_missing(struct dv_snow_load *load)
{
    uint32_t missing = 0;
    qsort(load->got, load->got_count, sizeof *load->got, by_id);
    for (uint32_t i = 0; i < load->unit_count; i++)
        missing += !is_in_table(load, &load->unit[i]);
    return missing;
}

void dv_snow_settle_unit(struct dv_snow_load *load, bool asked)
{
    for (uint32_t i = 0; i < load->unit_count; i++) {
        const struct dv_snow_row *row = &load->unit[i];
        if (asked && !is_in_table(load, row)) { /* until its letter is durable the source may give it again */
            dv_snowflake_journal_drop(&load->journal, row->held->batch->row[row->row].id);
            reject(load, row->held, row->row, DV_E_DATA, "Snowflake refused the record");
        }
        set_over(row->held, row->row);
    }
    load->unit_count = 0;
}

void dv_snow_halve_unit(struct dv_snow_load *load, dv_rc rc)
{
    const struct dv_snow_row *row = &load->unit[0];
    uint32_t count = load->unit_count;
    dv_snowflake_journal_take_back(&load->journal);
    if (count == 1)
        reject(load, row->held, row->row, rc,
               rc == DV_E_LIMIT ? "the record is larger than Snowflake takes" : "Snowflake refused the record");
    load->unit_most = count > 1 ? count / 2 : 1;
    load->unit_count = 0;
}

static bool all_over(const struct dv_snow_held *held)
{
    for (uint32_t row = 0; row < held->batch->rows; row++)
        if (!is_over(held, row))
            return false;
    return true;
}

void dv_snow_finish_batches(struct dv_snow_load *load)
{
    for (struct dv_snow_held *held = after(load, 0); held != NULL; held = after(load, held->order)) {
        struct dv_batch *batch = held->batch;
        if (!all_over(held))
            continue;
        held->batch = NULL;
        dv_finish(load->node, batch, DV_PASS);
    }
}

void dv_snow_fail_batches(struct dv_snow_load *load, dv_rc rc, const char *reason)
{
    for (uint32_t i = 0; i < DV_SNOW_HELD_MAX; i++) {
        struct dv_batch *batch = load->held[i].batch;
        load->held[i].batch = NULL;
        if (batch != NULL)
            dv_finish(load->node, batch, dv_fail(load->node, rc, "Snowflake: %s", reason));
    }
}

bool dv_snow_holds_any(const struct dv_snow_load *load)
{
    for (uint32_t i = 0; i < DV_SNOW_HELD_MAX; i++)
        if (load->held[i].batch != NULL)
            return true;
    return false;
}

void dv_snow_hold(struct dv_snow_load *load, struct dv_batch *batch)
{
    uint32_t slot = 0;
    while (load->held[slot].batch != NULL)
        DV_ASSERT(++slot < DV_SNOW_HELD_MAX);
    load->held[slot] = (struct dv_snow_held){ .batch = batch, .order = ++load->order };
}

/* ---- life ---- */

dv_rc dv_snow_load_open(struct dv_snow_load *load, struct dv_node *node)
{
    load->node = node;
    load->unit_most = DV_SNOW_UNIT_ROWS;
    load->unit = dv_arena_zeroed(dv_node_arena(node), DV_SNOW_UNIT_ROWS, sizeof *load->unit);
    load->got = dv_arena_zeroed(dv_node_arena(node), DV_SNOW_UNIT_ROWS, sizeof *load->got);
    if (load->unit == NULL || load->got == NULL)
        return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    dv_rc rc = dv_snowflake_rows_init(&load->rows);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "no memory for a request");
}

void dv_snow_load_close(struct dv_snow_load *load)
{
    dv_snowflake_journal_close(&load->journal);
    dv_snowflake_rows_free(&load->rows);
    if (load->text != NULL)
        explicit_bzero(load->text, load->text_size);
    dv_memory_free(load->text);
    load->text = NULL;
}
