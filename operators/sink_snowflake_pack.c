/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake_pack.c - rows are written as JSON and packed off the loop: their batches are held meanwhile, and nobody
 * changes a batch that is held. */
#include "operators/sink_snowflake_pack.h"

#include <stdio.h>
#include <string.h>

#include "engine/id.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/operator.h"

enum { PREFIX_MAX = 128 };

static void wipe_text(struct dv_snow_pack *pack)
{
    if (pack->text != NULL)
        explicit_bzero(pack->text, pack->text_size);
}

static bool make_room(struct dv_snow_pack *pack, size_t size)
{
    if (size <= pack->text_size)
        return true;
    wipe_text(pack);
    dv_memory_free(pack->text);
    pack->text = dv_memory_alloc(size);
    pack->text_size = pack->text != NULL ? size : 0;
    return pack->text != NULL;
}

/* The record as JSON with its id and the request's token before it; 0: no memory. */
static size_t write_row(struct dv_snow_pack *pack, const struct dv_batch *batch, uint32_t row)
{
    static const char id_key[] = "{\"DV_ID\":\"", unit_key[] = "\",\"DV_UNIT\":\"";
    if (!make_room(pack, PREFIX_MAX + dv_json_record_bound(batch, row)))
        return 0;
    char *at = pack->text;
    memcpy(at, id_key, sizeof id_key - 1);
    (void)dv_id_text(at + sizeof id_key - 1, batch->row[row].id);
    at += sizeof id_key - 1 + DV_UUID_TEXT - 1;
    memcpy(at, unit_key, sizeof unit_key - 1);
    at += sizeof unit_key - 1;
    memcpy(at, pack->token, DV_SNOWFLAKE_TOKEN - 1);
    at += DV_SNOWFLAKE_TOKEN - 1;
    *at++ = '"';
    size_t length = dv_json_record(batch, row, at);
    if (length == 2) { /* "{}" */
        at[0] = '}';
        length = 1;
    } else {
        at[0] = ',';
    }
    return (size_t)(at - pack->text) + length;
}

/* False: the request is full, there is no memory, which is no fault of the row, or no room to tell of one more that does not fit. */
static bool add_row(struct dv_snow_pack *pack, struct dv_snow_row row)
{
    const struct dv_batch *batch = pack->load->held[row.held].batch;
    size_t length = write_row(pack, batch, row.row);
    dv_rc rc = length > 0 ? dv_snowflake_rows_add(&pack->rows, pack->text, length) : DV_E_MEMORY;
    pack->starved = rc == DV_E_MEMORY;
    if (rc == DV_OK)
        pack->list[pack->packed++] = row;
    else if (rc != DV_E_LIMIT || pack->unfit_count == DV_SNOW_UNFIT_MAX)
        return false;
    else
        pack->unfit[pack->unfit_count++] = row;
    return true;
}

static void on_worker(struct dv_job *job)
{
    struct dv_snow_pack *pack = job->data;
    uint32_t next = 0;
    pack->packed = pack->unfit_count = 0;
    pack->starved = false;
    dv_snowflake_rows_reset(&pack->rows);
    while (next < pack->count && add_row(pack, pack->list[next]))
        next++;
    memmove(pack->list + pack->packed, pack->list + next, (pack->count - next) * sizeof *pack->list);
    pack->count = pack->packed + pack->count - next;
    if (pack->packed > 0)
        dv_snowflake_rows_end(&pack->rows);
    wipe_text(pack);
}

static void on_loop(struct dv_job *job)
{
    struct dv_snow_pack *pack = job->data;
    pack->load->packed(pack);
}

dv_rc dv_snow_pack_open(struct dv_snow_pack *pack, struct dv_snow_load *load)
{
    struct dv_node *node = load->node;
    pack->load = load;
    pack->list = dv_arena_zeroed(dv_node_arena(node), DV_SNOW_UNIT_ROWS, sizeof *pack->list);
    if (pack->list == NULL)
        return dv_fail(node, DV_E_FAILED, "the graph's memory is used up");
    dv_rc rc = dv_snowflake_rows_init(&pack->rows);
    if (rc != DV_OK)
        return dv_fail(node, rc, "no memory for a request");
    dv_job_init(&pack->job, dv_node_loop(node), on_worker, on_loop, pack);
    pack->made = true;
    return DV_OK;
}

void dv_snow_pack_close(struct dv_snow_pack *pack)
{
    if (pack->made)
        (void)dv_job_close(&pack->job);
    pack->made = false;
    dv_snowflake_rows_free(&pack->rows);
    wipe_text(pack);
    dv_memory_free(pack->text);
    pack->text = NULL;
}
