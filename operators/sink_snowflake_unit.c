/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_unit.c - which rows of which batches rest, are away or over, and the units they are away in. */
#include <stdlib.h>
#include <string.h>

#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/sink_snowflake_aside.h"
#include "operators/sink_snowflake_pack.h"
#include "operators/sink_snowflake_unit.h"

/* ---- rows ---- */

static bool has(const uint64_t *bits, uint32_t row)
{
    return (bits[row / 64] >> row % 64 & 1) != 0;
}

static uint64_t bit(uint32_t row)
{
    return UINT64_C(1) << row % 64;
}

static bool rests(const struct dv_snow_held *held, uint32_t row)
{
    return !has(held->away, row) && !has(held->over, row);
}

static void go_away(struct dv_snow_held *held, uint32_t row)
{
    held->away[row / 64] |= bit(row);
    held->resting--;
}

static void come_back(struct dv_snow_held *held, uint32_t row)
{
    held->away[row / 64] &= ~bit(row);
    held->resting++;
}

static void be_over(struct dv_snow_held *held, uint32_t row)
{
    if (!has(held->away, row))
        held->resting--;
    held->away[row / 64] &= ~bit(row);
    held->over[row / 64] |= bit(row);
    held->left--;
}

void dv_snow_reject(struct dv_snow_load *load, struct dv_snow_row row, dv_rc rc)
{
    struct dv_snow_held *held = &load->held[row.held];
    be_over(held, row.row);
    dv_reject_row(load->node, held->batch, row.row, rc,
                  rc == DV_E_LIMIT ? "the record is larger than Snowflake takes" : "Snowflake refused the record");
}

static const uint8_t *id_of(const struct dv_snow_load *load, struct dv_snow_row at)
{
    return load->held[at.held].batch->row[at.row].id;
}

/* ---- packs ---- */

/* What was delivered again and is in the table already is over; what is away in another request is waited for. */
static bool may_go(struct dv_snow_load *load, struct dv_snow_held *held, uint32_t row)
{
    if (!rests(held, row))
        return false;
    uint64_t sent = dv_snowflake_ids_find(&load->journal.ids, held->batch->row[row].id);
    if (sent != 0 && sent <= load->done) {
        be_over(held, row);
        held->known = true;
    }
    return sent == 0;
}

/* Whether the row goes into the request. One that was refused alone goes alone. */
static bool joins(struct dv_snow_load *load, struct dv_snow_pack *pack, struct dv_snow_row row)
{
    const struct dv_snow_aside *aside = dv_snow_aside_find(load, row);
    if (aside == NULL)
        return !dv_snow_aside_is_full(load);
    if (aside->waits)
        return false;
    pack->most = pack->count > 0 ? pack->count : 1;
    return pack->count == 0;
}

static void list_batch(struct dv_snow_load *load, struct dv_snow_held *held, struct dv_snow_pack *pack)
{
    for (uint32_t row = 0; row < held->batch->rows && held->resting > 0 && pack->count < pack->most; row++) {
        const struct dv_snow_row at = { (uint16_t)(held - load->held), (uint16_t)row };
        if (!may_go(load, held, row) || !joins(load, pack, at))
            continue;
        go_away(held, row);
        pack->list[pack->count++] = at;
        dv_snowflake_journal_note(&load->journal, held->batch->row[row].id);
    }
}

/* A number is free when the rows of the request that had its place are over, which is later than that it is settled. */
static bool has_number(const struct dv_snow_load *load)
{
    return load->journal.unit - load->done < DV_SNOWFLAKE_UNITS_MAX - 1;
}

bool dv_snow_pack_start(struct dv_snow_load *load, struct dv_snow_pack *pack)
{
    DV_ASSERT(pack->step == DV_SNOW_FREE);
    if (!has_number(load))
        return false;
    pack->count = 0;
    pack->most = load->unit_most;
    dv_snowflake_journal_begin(&load->journal, pack->token);
    for (struct dv_snow_held *held = load->first; held != NULL && pack->count < pack->most; held = held->next)
        list_batch(load, held, pack);
    if (pack->count == 0) {
        dv_snowflake_journal_cancel(&load->journal);
        return false;
    }
    pack->step = DV_SNOW_PACKING;
    pack->stale = false;
    dv_job_start(&pack->job);
    return true;
}

static void all_come_back(struct dv_snow_pack *pack, uint32_t from)
{
    for (uint32_t i = from; i < pack->count; i++)
        come_back(&pack->load->held[pack->list[i].held], pack->list[i].row);
}

/* They were away, too. */
static void reject_unfit(struct dv_snow_pack *pack)
{
    struct dv_snow_load *load = pack->load;
    for (uint32_t i = 0; i < pack->unfit_count; i++) {
        if (pack->stale) {
            come_back(&load->held[pack->unfit[i].held], pack->unfit[i].row);
            continue;
        }
        dv_snowflake_journal_drop(&load->journal, id_of(load, pack->unfit[i]));
        dv_snow_reject(load, pack->unfit[i], DV_E_LIMIT);
    }
}

static void enter(struct dv_snow_pack *pack)
{
    struct dv_snow_load *load = pack->load;
    pack->step = DV_SNOW_READY;
    pack->unit = load->journal.unit;
    pack->ticket = load->journal.ticket;
    load->counts[pack->unit % DV_SNOWFLAKE_UNITS_MAX] = pack->packed;
    for (uint32_t i = 0; i < pack->packed; i++) {
        DV_ASSERT(load->away_count < DV_SNOW_ROWS_MAX);
        load->away[(load->away_first + load->away_count++) % DV_SNOW_ROWS_MAX] = pack->list[i];
    }
}

bool dv_snow_pack_end(struct dv_snow_pack *pack, dv_rc *ret_rc)
{
    struct dv_snow_load *load = pack->load;
    *ret_rc = DV_OK;
    reject_unfit(pack);
    if (pack->stale || pack->packed == 0) {
        if (!pack->stale)
            dv_snowflake_journal_cancel(&load->journal);
        all_come_back(pack, 0);
        dv_snow_pack_free(pack);
        return false;
    }
    *ret_rc = dv_snowflake_journal_enter(&load->journal, pack->packed);
    all_come_back(pack, *ret_rc == DV_OK ? pack->packed : 0);
    if (*ret_rc == DV_OK)
        enter(pack);
    else
        dv_snow_pack_free(pack);
    return *ret_rc == DV_OK;
}

void dv_snow_pack_free(struct dv_snow_pack *pack)
{
    dv_snowflake_rows_reset(&pack->rows);
    pack->step = DV_SNOW_FREE;
}

bool dv_snow_is_packing(const struct dv_snow_load *load)
{
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++)
        if (load->packs[i].step == DV_SNOW_PACKING)
            return true;
    return false;
}

/* ---- units ---- */

static void drop_packs(struct dv_snow_load *load, uint64_t unit)
{
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++) {
        struct dv_snow_pack *pack = &load->packs[i];
        if (pack->step == DV_SNOW_PACKING)
            pack->stale = true;
        else if (pack->step != DV_SNOW_FREE && pack->unit > unit)
            dv_snow_pack_free(pack);
    }
}

dv_rc dv_snow_take_back(struct dv_snow_load *load, uint64_t unit)
{
    for (uint64_t i = load->journal.unit; i > unit; i--) {
        for (uint32_t *left = &load->counts[i % DV_SNOWFLAKE_UNITS_MAX]; *left > 0; (*left)--) {
            const struct dv_snow_row *row = &load->away[(load->away_first + --load->away_count) % DV_SNOW_ROWS_MAX];
            come_back(&load->held[row->held], row->row);
        }
    }
    drop_packs(load, unit);
    return dv_snowflake_journal_take_back(&load->journal, unit);
}

dv_rc dv_snow_halve(struct dv_snow_load *load, const struct dv_snow_pack *pack, dv_rc rc)
{
    const struct dv_snow_row only = pack->list[0];
    const uint32_t count = pack->packed;
    const bool large = rc == DV_E_LIMIT && pack->rows.used >= DV_SNOW_ASIDE_LARGE;
    DV_TRY(dv_snow_take_back(load, pack->unit - 1));
    if (count == 1 && large)
        dv_snow_reject(load, only, rc);
    else if (count == 1)
        dv_snow_aside_put(load, only, rc);
    load->unit_most = count > 1 ? count / 2 : 1;
    return DV_OK;
}

static int by_id(const void *one, const void *other)
{
    return memcmp(one, other, DV_SNOWFLAKE_JOURNAL_ID);
}

bool dv_snow_is_among(const struct dv_snow_load *load, struct dv_snow_row row, const uint8_t (*ids)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count)
{
    return count > 0 && bsearch(id_of(load, row), ids, count, sizeof *ids, by_id) != NULL;
}

static void first_is_over(struct dv_snow_load *load, const uint8_t (*refused)[DV_SNOWFLAKE_JOURNAL_ID], uint32_t count)
{
    const struct dv_snow_row row = load->away[load->away_first];
    load->away_first = (load->away_first + 1) % DV_SNOW_ROWS_MAX;
    load->away_count--;
    if (dv_snow_is_among(load, row, refused, count))
        dv_snow_reject(load, row, DV_E_DATA);
    else
        be_over(&load->held[row.held], row.row);
}

bool dv_snow_rows_over(struct dv_snow_load *load, uint64_t unit, const uint8_t (*refused)[DV_SNOWFLAKE_JOURNAL_ID],
                       uint32_t count, uint32_t most)
{
    for (; load->done < unit; load->done++) {
        for (uint32_t *left = &load->counts[(load->done + 1) % DV_SNOWFLAKE_UNITS_MAX]; *left > 0; (*left)--) {
            if (most-- == 0)
                return false;
            first_is_over(load, refused, count);
        }
    }
    return true;
}

/* ---- batches ---- */

void dv_snow_hold(struct dv_snow_load *load, struct dv_batch *batch)
{
    struct dv_snow_held *held = load->free, **last = &load->first;
    DV_ASSERT(held != NULL);
    load->free = held->next;
    *held = (struct dv_snow_held){ .batch = batch, .resting = batch->rows, .left = batch->rows };
    for (uint32_t row = 0; row < batch->rows; row++)
        if (dv_batch_rejected(batch, row))
            be_over(held, row);
    while (*last != NULL)
        last = &(*last)->next;
    *last = held;
}

static struct dv_batch *release(struct dv_snow_load *load, struct dv_snow_held **at)
{
    struct dv_snow_held *held = *at;
    struct dv_batch *batch = held->batch;
    dv_snow_aside_leave(load, (uint32_t)(held - load->held));
    *at = held->next;
    *held = (struct dv_snow_held){ .next = load->free };
    load->free = held;
    return batch;
}

void dv_snow_finish_batches(struct dv_snow_load *load)
{
    for (struct dv_snow_held **at = &load->first; *at != NULL;) {
        if ((*at)->left > 0)
            at = &(*at)->next;
        else
            dv_finish(load->node, release(load, at), DV_PASS);
    }
}

void dv_snow_fail_batches(struct dv_snow_load *load, dv_rc rc, const char *reason)
{
    DV_ASSERT(!dv_snow_is_packing(load)); /* the worker reads them */
    while (load->first != NULL)
        dv_finish(load->node, release(load, &load->first), dv_fail(load->node, rc, "Snowflake: %s", reason));
}

bool dv_snow_rests_any(const struct dv_snow_load *load)
{
    for (const struct dv_snow_held *held = load->first; held != NULL; held = held->next)
        if (held->resting > 0 || held->left == 0)
            return true;
    return false;
}

/* ---- life ---- */

dv_rc dv_snow_load_open(struct dv_snow_load *load, struct dv_node *node)
{
    struct dv_arena *arena = dv_node_arena(node);
    load->node = node;
    load->unit_most = DV_SNOW_UNIT_ROWS;
    load->held = dv_arena_zeroed(arena, DV_SNOW_HELD_MAX, sizeof *load->held);
    load->away = dv_arena_zeroed(arena, DV_SNOW_ROWS_MAX, sizeof *load->away);
    if (load->held == NULL || load->away == NULL)
        return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    for (uint32_t i = DV_SNOW_HELD_MAX; i-- > 0;) {
        load->held[i].next = load->free;
        load->free = &load->held[i];
    }
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++)
        DV_TRY(dv_snow_pack_open(&load->packs[i], load));
    return DV_OK;
}

void dv_snow_load_close(struct dv_snow_load *load)
{
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++)
        dv_snow_pack_close(&load->packs[i]);
    dv_snowflake_journal_close(&load->journal);
}
