/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_keep.c - which rows wait, which are under way, which are over. */
#include "operators/sink_snowflake_keep.h"

#include <stdio.h>
#include <string.h>

#include "connectors/snowflake_array.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/operator.h"

enum { PREFIX_MAX = 64 };

static bool is_set(const uint64_t *bits, uint32_t row)
{
    return (bits[row / 64] >> row % 64 & 1) != 0;
}

static void set(uint64_t *bits, uint32_t row)
{
    bits[row / 64] |= UINT64_C(1) << row % 64;
}

static bool waits(const struct dv_snow_kept *kept, uint32_t row)
{
    return !is_set(kept->taken, row) && !is_set(kept->over, row) && !dv_batch_rejected(kept->batch, row);
}

static bool is_under_way(const struct dv_snow_kept *kept, uint32_t row)
{
    return is_set(kept->taken, row) && !is_set(kept->over, row);
}

/* The batch that came after that one; NULL: none. */
static struct dv_snow_kept *after(struct dv_snow_keep *keep, uint64_t order)
{
    struct dv_snow_kept *next = NULL;
    for (uint32_t i = 0; i < DV_SNOW_KEEP_MAX; i++) {
        struct dv_snow_kept *kept = &keep->kept[i];
        if (kept->batch != NULL && kept->order > order && (next == NULL || kept->order < next->order))
            next = kept;
    }
    return next;
}

/* ---- ids ---- */

/* False: it is there already. There are twice as many places as rows. */
static bool add_id(struct dv_snow_keep *keep, const uint8_t id[DV_ID_BYTES])
{
    uint64_t at = dv_hash64(id, DV_ID_BYTES, 0) % DV_SNOW_KEEP_IDS;
    for (; keep->ids[at] != NULL; at = (at + 1) % DV_SNOW_KEEP_IDS)
        if (memcmp(keep->ids[at], id, DV_ID_BYTES) == 0)
            return false;
    keep->ids[at] = id;
    return true;
}

static void note_ids(struct dv_snow_keep *keep)
{
    memset(keep->ids, 0, sizeof keep->ids);
    for (struct dv_snow_kept *kept = after(keep, 0); kept != NULL; kept = after(keep, kept->order))
        for (uint32_t row = 0; row < kept->batch->rows; row++)
            if (is_under_way(kept, row))
                (void)add_id(keep, kept->batch->row[row].id);
}

/* ---- batches ---- */

void dv_snow_keep_hold(struct dv_snow_keep *keep, struct dv_batch *batch)
{
    uint32_t place = 0;
    while (keep->kept[place].batch != NULL)
        DV_ASSERT(++place < DV_SNOW_KEEP_MAX);
    keep->kept[place] = (struct dv_snow_kept){ .batch = batch, .order = ++keep->order };
}

bool dv_snow_keep_is_full(const struct dv_snow_keep *keep)
{
    for (uint32_t i = 0; i < DV_SNOW_KEEP_MAX; i++)
        if (keep->kept[i].batch == NULL)
            return false;
    return true;
}

uint32_t dv_snow_keep_waiting(const struct dv_snow_keep *keep)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < DV_SNOW_KEEP_MAX; i++)
        for (uint32_t row = 0; keep->kept[i].batch != NULL && row < keep->kept[i].batch->rows; row++)
            count += waits(&keep->kept[i], row);
    return count;
}

uint32_t dv_snow_keep_take(struct dv_snow_keep *keep, struct dv_snow_taken *rows, uint32_t most)
{
    uint32_t count = 0;
    note_ids(keep);
    for (struct dv_snow_kept *kept = after(keep, 0); kept != NULL; kept = after(keep, kept->order)) {
        for (uint32_t row = 0; row < kept->batch->rows && count < most; row++) {
            if (!waits(kept, row) || !add_id(keep, kept->batch->row[row].id))
                continue;
            set(kept->taken, row);
            rows[count++] = (struct dv_snow_taken){ .kept = kept, .row = (uint16_t)row };
        }
    }
    return count;
}

static dv_rc write_row(struct dv_snow_taken row, struct dv_snowflake_array *array)
{
    const struct dv_batch *batch = row.kept->batch;
    char id[DV_UUID_TEXT];
    char *text = dv_snowflake_array_room(array, PREFIX_MAX + dv_json_record_bound(batch, row.row));
    if (text == NULL)
        return DV_E_MEMORY;
    int prefix = snprintf(text, PREFIX_MAX, "{\"DV_ID\":\"%s\"", dv_id_text(id, batch->row[row.row].id));
    size_t length = dv_json_record(batch, row.row, text + prefix);
    if (length == 2) /* "{}" */
        text[prefix] = '}';
    else
        text[prefix] = ',';
    return dv_snowflake_array_add(array, (size_t)prefix + (length == 2 ? 1 : length));
}

/* ---- what became of them ---- */

bool dv_snow_keep_is_over(struct dv_snow_taken row)
{
    return is_set(row.kept->over, row.row);
}

void dv_snow_keep_end(struct dv_snow_taken row)
{
    if (row.refused == DV_OK)
        set(row.kept->over, row.row);
}

void dv_snow_keep_reject(struct dv_snow_keep *keep, struct dv_snow_taken row, dv_rc rc, const char *reason)
{
    set(row.kept->over, row.row);
    dv_reject_row(keep->node, row.kept->batch, row.row, rc, reason);
}

void dv_snow_keep_reject_refused(struct dv_snow_keep *keep, const struct dv_snow_taken *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (rows[i].refused != DV_OK)
            dv_snow_keep_reject(keep, rows[i], rows[i].refused,
                                rows[i].refused == DV_E_LIMIT ? "the record is larger than Snowflake takes" : "Snowflake refused the record");
}

static bool all_over(const struct dv_snow_kept *kept)
{
    for (uint32_t row = 0; row < kept->batch->rows; row++)
        if (!is_set(kept->over, row) && !dv_batch_rejected(kept->batch, row))
            return false;
    return true;
}

void dv_snow_keep_finish(struct dv_snow_keep *keep)
{
    for (struct dv_snow_kept *kept = after(keep, 0); kept != NULL; kept = after(keep, kept->order)) {
        struct dv_batch *batch = kept->batch;
        if (!all_over(kept))
            continue;
        kept->batch = NULL;
        dv_finish(keep->node, batch, DV_PASS);
    }
}

void dv_snow_keep_fail(struct dv_snow_keep *keep, dv_rc rc, const char *reason)
{
    for (uint32_t i = 0; i < DV_SNOW_KEEP_MAX; i++) {
        struct dv_batch *batch = keep->kept[i].batch;
        keep->kept[i].batch = NULL;
        if (batch != NULL)
            dv_finish(keep->node, batch, dv_fail(keep->node, rc, "Snowflake: %s", reason));
    }
}

dv_rc dv_snow_keep_fill(struct dv_snow_keep *keep, const struct dv_snow_taken *rows, uint32_t from, uint32_t *to,
                        struct dv_snowflake_array *array)
{
    dv_rc rc = DV_OK;
    dv_snowflake_array_reset(array);
    for (uint32_t i = from; i < *to && rc != DV_E_MEMORY; i++) {
        if (dv_snow_keep_is_over(rows[i]))
            continue;
        rc = write_row(rows[i], array);
        if (rc == DV_E_FULL)
            *to = i;
        else if (rc == DV_E_LIMIT)
            dv_snow_keep_reject(keep, rows[i], rc, "the record is larger than Snowflake takes");
    }
    if (rc != DV_E_MEMORY)
        return DV_OK;
    dv_snowflake_array_reset(array);
    return rc;
}
