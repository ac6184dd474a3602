/* SPDX-License-Identifier: Apache-2.0
 * source_pg.c - reads sealed records from a PostgreSQL table, each until it is done: for what works on them later.
 *
 * What is taken is leased; while it is under way the lease is prolonged, and when every branch has it durable the table
 * is told that it is done. A process that dies lets its leases run out, and the records come again with the same ids.
 * Any number of processes may share a reader's name: each record is given to one of them. */
#include "operators/source_pg.h"

#include <string.h>

#include "connectors/pg.h"
#include "engine/crash.h"
#include "engine/memory.h"
#include "engine/random.h"
#include "operators/anonymize_plan.h"
#include "operators/blob_schema.h"
#include "operators/pg_option.h"
#include "operators/schema_option.h"

enum { LEASE_PARTS = 3, FINISH_MS = 2000 };

struct source_pg;

/* The records of one batch, from when they were taken until the table knows what became of them. */
struct portion {
    struct dv_store_request request;
    struct source_pg *source;
    struct portion *next, *previous;
    bool asked;   /* the request is under way */
    bool settled; /* durable everywhere: to be told */
    bool given_up; /* not put into a batch: to be freed for others */
    uint32_t count;
    uint8_t ids[][DV_STORE_ID_BYTES];
};

struct source_pg {
    struct dv_pg_server server;
    const char *reader;
    const char *records, *policy;
    int64_t lease_ms, poll_ms;
    bool follow;

    struct dv_anonymize_plan plan;
    struct dv_node *node;
    struct dv_pg pg;
    struct dv_store_request take;
    struct dv_store_row rows[DV_BATCH_ROWS];
    bool taking;
    uint32_t count; /* how many records are taken at a time */
    struct dv_batch *held;
    struct portion *portions;
    struct dv_timer poll;  /* before the next look */
    struct dv_timer pulse; /* leases, and what could not be told */
    struct dv_random random;
    const char *reason; /* why the last request failed, or NULL */
    bool ended, closed;
};

static const struct dv_option options[] = {
    DV_PG_SERVER_ROWS(struct source_pg),
    { "reader", DV_NAME, offsetof(struct source_pg, reader), .flags = DV_REQUIRED,
      .help = "Name of the reader; each reader is given every record, and processes of one name share them. `datavault "
              "migrate` makes it known to the table." },
    { "records", DV_NAME, offsetof(struct source_pg, records), .flags = DV_REQUIRED,
      .help = "Schema of the records inside, schemas/<name>.yaml beside the graph file; others are not read." },
    { "policy", DV_NAME, offsetof(struct source_pg, policy),
      .help = "Policy they went through before they were sealed, taken at its word; none: they were sealed as they came." },
    { "follow", DV_BOOL, offsetof(struct source_pg, follow), .initial = "true",
      .help = "Whether to wait for more; else the source ends when nothing is left to be taken." },
    { "poll", DV_DURATION, offsetof(struct source_pg, poll_ms), .initial = "1s", .min = 10, .max = 3600000,
      .help = "How long to wait before looking again when nothing was there, half of it at random." },
    { "lease", DV_DURATION, offsetof(struct source_pg, lease_ms), .initial = "30s", .min = 1000, .max = 86400000,
      .help = "How long records of a process that died are left to it before another is given them." },
    { 0 },
};

struct dv_pg_config dv_source_pg_config(const struct dv_node *node)
{
    const struct source_pg *source = dv_state(node);
    struct dv_pg_config config = dv_pg_server_config(node, &source->server);
    config.reader = source->reader;
    config.lease_ms = source->lease_ms;
    config.reads_only = true;
    return config;
}

struct dv_pg_reader dv_source_pg_reader(const struct dv_node *node)
{
    const struct source_pg *source = dv_state(node);
    return (struct dv_pg_reader){ .name = source->reader, .tenant = dv_node_tenant(node), .schema = source->records };
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct source_pg *source = dv_state(node);
    const struct dv_pg_config config = dv_source_pg_config(node);
    DV_TRY(dv_pg_server_check(node, &config));
    const struct dv_schema *inside = dv_load_schema(node, "records", source->records);
    if (inside == NULL)
        return DV_E_CONFIG;
    if (source->policy != NULL) {
        DV_TRY(dv_anonymize_plan(node, "policy", source->policy, inside, &source->plan));
        inside = source->plan.columns.schema;
    }
    shape->out[0] = dv_blob_schema_new(dv_node_arena(node), inside);
    return shape->out[0] != NULL ? DV_OK : dv_fail(node, DV_E_MEMORY, "the graph's memory is used up");
}

/* ---- portions ---- */

static struct portion *portion_new(struct source_pg *source, const struct dv_store_row *rows, uint32_t count)
{
    struct portion *portion = dv_memory_zeroed(1, sizeof *portion + (size_t)count * DV_STORE_ID_BYTES);
    if (portion == NULL)
        return NULL;
    portion->source = source;
    portion->count = count;
    for (uint32_t i = 0; i < count; i++)
        memcpy(portion->ids[i], rows[i].id, DV_STORE_ID_BYTES);
    portion->next = source->portions;
    if (source->portions != NULL)
        source->portions->previous = portion;
    source->portions = portion;
    return portion;
}

static void portion_free(struct portion *portion)
{
    struct source_pg *source = portion->source;
    if (portion->previous != NULL)
        portion->previous->next = portion->next;
    else
        source->portions = portion->next;
    if (portion->next != NULL)
        portion->next->previous = portion->previous;
    dv_memory_free(portion);
}

static enum dv_store_kind wanted(const struct portion *portion)
{
    return portion->settled ? DV_STORE_DONE : portion->given_up ? DV_STORE_FREE : DV_STORE_KEEP;
}

static void tell(struct portion *portion);

/* A request that failed is made again with the next pulse. */
static void on_told(struct dv_store_request *request)
{
    struct portion *portion = request->data;
    struct source_pg *source = portion->source;
    portion->asked = false;
    source->reason = request->rc == DV_OK ? NULL : request->reason;
    if (request->rc == DV_OK && request->kind != DV_STORE_KEEP)
        portion_free(portion);
    else if (request->rc == DV_OK && wanted(portion) != DV_STORE_KEEP)
        tell(portion); /* settled meanwhile */
}

static void tell(struct portion *portion)
{
    if (portion->asked)
        return;
    portion->asked = true;
    portion->request = (struct dv_store_request){ .kind = wanted(portion), .ids = portion->ids, .count = portion->count,
                                                   .callback = on_told, .data = portion };
    dv_store_request(&portion->source->pg.store, &portion->request);
}

static void give_up(struct source_pg *source, const struct dv_store_row *rows, uint32_t count)
{
    struct portion *portion = count > 0 ? portion_new(source, rows, count) : NULL;
    if (portion == NULL)
        return; /* without memory for that, the lease runs out */
    portion->given_up = true;
    tell(portion);
}

/* ---- rows into a batch ---- */

static bool set_cell(struct dv_batch *batch, enum dv_blob_column column, struct dv_store_bytes bytes)
{
    struct dv_cell *cell = &batch->cells[column][batch->rows];
    *cell = (struct dv_cell){ 0 };
    if (bytes.at == NULL)
        return true;
    char *text = dv_arena_text(&batch->arena, bytes.length);
    if (text == NULL || bytes.length > UINT32_MAX)
        return false;
    memcpy(text, bytes.at, bytes.length);
    *cell = (struct dv_cell){ .text = text, .length = (uint32_t)bytes.length, .present = 1 };
    return true;
}

static bool add_row(struct dv_batch *batch, const struct dv_store_row *row)
{
    if (!set_cell(batch, DV_BLOB_SCHEMA_NAME, row->schema) || !set_cell(batch, DV_BLOB_DATA_HASH, row->data_hash) ||
        !set_cell(batch, DV_BLOB_KEY_REF, row->key_ref) || !set_cell(batch, DV_BLOB_SUBJECT_REF, row->subject_ref) ||
        !set_cell(batch, DV_BLOB_NONCE, row->nonce) || !set_cell(batch, DV_BLOB_CIPHERTEXT, row->ciphertext))
        return false;
    struct dv_row *place = &batch->row[batch->rows++];
    *place = (struct dv_row){ .created_ms = row->created_ms };
    memcpy(place->id, row->id, sizeof place->id);
    return true;
}

/* How many of the rows were dealt with: what does not fit into an empty batch is rejected, what was deleted from the
 * table is passed over. */
static uint32_t fill(struct source_pg *source, struct dv_batch *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct dv_store_row *row = &source->rows[i];
        if (row->tenant.at == NULL || add_row(batch, row))
            continue;
        if (batch->rows > 0)
            return i;
        struct dv_row place = { .created_ms = row->created_ms };
        memcpy(place.id, row->id, sizeof place.id);
        dv_reject_input(source->node, batch, "", 0, &place, DV_E_LIMIT, "the record does not fit into a batch");
        return i + 1;
    }
    return count;
}

/* ---- taking ---- */

static void wait_a_while(struct source_pg *source)
{
    uint64_t half = (uint64_t)source->poll_ms / 2;
    dv_timer_start(&source->poll, half + dv_random_below(&source->random, half + 1));
}

static void end(struct source_pg *source)
{
    struct dv_batch *batch = source->held;
    source->held = NULL;
    source->ended = true;
    if (batch != NULL)
        dv_finish(source->node, batch, DV_DROP);
    dv_end(source->node);
}

static void pass_on(struct source_pg *source, uint32_t count)
{
    struct dv_batch *batch = source->held;
    uint32_t used = fill(source, batch, count);
    source->count = used < count ? (used > 1 ? used : 1) : DV_BATCH_ROWS;
    give_up(source, source->rows + used, count - used);
    struct portion *portion = portion_new(source, source->rows, used);
    source->held = NULL;
    DV_CRASH_POINT("source-pg.taken");
    if (portion != NULL) { /* a claim's offsets are the source's own affair */
        uint64_t place = (uintptr_t)portion;
        dv_claim(source->node, batch, place, place);
    }
    dv_finish(source->node, batch,
              portion != NULL ? DV_PASS : dv_fail(source->node, DV_E_FAILED, "no memory for what is in flight"));
}

static void on_taken(struct dv_store_request *request)
{
    struct source_pg *source = request->data;
    source->taking = false;
    source->reason = request->rc == DV_OK ? NULL : request->reason;
    uint32_t count = request->rc == DV_OK ? (uint32_t)request->total : 0;
    if (source->held == NULL)
        give_up(source, source->rows, count);
    else if (count > 0)
        pass_on(source, count);
    else if (request->rc == DV_OK && !source->follow)
        end(source);
    else
        wait_a_while(source);
}

static void take(struct source_pg *source)
{
    if (source->taking || source->held == NULL)
        return;
    source->taking = true;
    source->take = (struct dv_store_request){ .kind = DV_STORE_TAKE, .count = source->count, .taken = source->rows,
                                               .callback = on_taken, .data = source };
    dv_store_request(&source->pg.store, &source->take);
}

static void on_poll(struct dv_timer *timer)
{
    take(timer->data);
}

static void on_pulse(struct dv_timer *timer)
{
    struct source_pg *source = timer->data;
    for (struct portion *portion = source->portions; portion != NULL; portion = portion->next)
        tell(portion);
    dv_timer_start(&source->pulse, (uint64_t)source->lease_ms / LEASE_PARTS);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct source_pg *source = dv_state(node);
    DV_ASSERT(source->held == NULL && !source->ended);
    source->held = batch;
    if (!source->poll.active)
        take(source);
    return DV_HOLD;
}

static void settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    struct source_pg *source = dv_state(node);
    if (source->closed || receipt->failed)
        return;
    struct portion *portion = (struct portion *)(uintptr_t)receipt->first;
    portion->settled = true;
    DV_CRASH_POINT("source-pg.settled");
    tell(portion);
}

static void stop(struct dv_node *node)
{
    struct source_pg *source = dv_state(node);
    if (!source->ended)
        end(source);
}

static const char *waits(struct dv_node *node)
{
    const struct source_pg *source = dv_state(node);
    const char *reason = dv_store_waits(&source->pg.store);
    return reason != NULL ? reason : source->reason;
}

/* ---- the beginning and the end ---- */

static dv_rc open_node(struct dv_node *node)
{
    struct source_pg *source = dv_state(node);
    struct dv_error error = { 0 };
    const struct dv_pg_config config = dv_source_pg_config(node);
    dv_rc rc = dv_pg_probe(&config, &error);
    if (dv_is_error(rc) && rc != DV_E_DEPENDENCY)
        return dv_fail(node, rc, "%s", error.text);
    source->node = node;
    source->count = DV_BATCH_ROWS;
    dv_random_seed(&source->random, dv_now_ns(dv_node_loop(node)));
    rc = dv_pg_open(&source->pg, dv_node_loop(node), &config, &error);
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    dv_timer_init(dv_node_loop(node), &source->poll, on_poll, source);
    dv_timer_init(dv_node_loop(node), &source->pulse, on_pulse, source);
    dv_timer_start(&source->pulse, (uint64_t)source->lease_ms / LEASE_PARTS);
    return DV_OK;
}

static void ignore(struct dv_store_request *request)
{
    (void)request;
}

/* What the table was not told yet is told by a connection made for it; if that fails, the leases run out. */
static bool tell_last(struct portion *portion, const struct dv_pg_config *config)
{
    struct dv_store_request request = { .kind = portion->settled ? DV_STORE_DONE : DV_STORE_FREE, .ids = portion->ids,
                                        .count = portion->count, .callback = ignore };
    struct dv_error error;
    return dv_pg_ask(config, &request, &error) == DV_OK;
}

static void close_node(struct dv_node *node)
{
    struct source_pg *source = dv_state(node);
    bool reachable = source->pg.store.ops != NULL;
    source->closed = true;
    source->held = NULL;
    if (!reachable)
        return;
    struct dv_pg_config config = dv_source_pg_config(node);
    config.connect_timeout_ms = config.timeout_ms = FINISH_MS;
    dv_store_close(&source->pg.store);
    dv_timer_close(&source->poll);
    dv_timer_close(&source->pulse);
    while (source->portions != NULL) {
        reachable = reachable && tell_last(source->portions, &config);
        portion_free(source->portions);
    }
}

const struct dv_operator dv_operator_source_pg = {
    .name = "source",
    .from = "pg",
    .summary = "Reads sealed records from a PostgreSQL table, each until it is done.",
    .options = options,
    .size = sizeof(struct source_pg),
    .source = true,
    .makes = true,
    .credits = 8,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .settle = settle,
    .stop = stop,
    .waits = waits,
    .close = close_node,
};
