/* SPDX-License-Identifier: Apache-2.0
 * sink_file.c - appends records to a file or to standard output.
 *
 * Records are encoded straight into the appender's buffers, and a batch is held until its last byte is written. After a
 * crash a record may stand in the file twice: what was written but not settled is delivered again (at least once). A
 * store knows the ids and keeps each record once. */
#include "connectors/file.h"
#include "engine/base64.h"
#include "engine/breaker.h"
#include "engine/crash.h"
#include "engine/json.h"
#include "engine/operator.h"
#include "operators/blob_row.h"
#include "operators/blob_schema.h"
#include "operators/exit_guard.h"

enum { HELD_MAX = 4 };
enum form { AS_JSONL, AS_MSGPACK, AS_BASE64 };
enum sync_kind { SYNC_BATCH, SYNC_NONE };

/* A batch on its way: rows before `next` are in the appender. */
struct held {
    struct dv_batch *batch;
    uint32_t next;
    uint64_t end; /* of its bytes, counted from the open; once all rows are in */
    bool encoded;
};

struct sink_file {
    const char *path;
    int as;
    int sync;
    bool bare; /* the batches are of the schema "bare" */
    struct dv_node *node;
    struct dv_appender appender;
    struct held held[HELD_MAX]; /* a ring, oldest first */
    uint32_t first, count;
};

static const struct dv_option options[] = {
    { "path", DV_STR, offsetof(struct sink_file, path), .flags = DV_REQUIRED,
      .help = "File to append to, made if it is missing; \"-\" is standard output." },
    { "as", DV_ENUM, offsetof(struct sink_file, as), .initial = "jsonl", .values = "jsonl|msgpack|base64",
      .help = "jsonl: one JSON object a line; msgpack: sealed blobs one after the other; base64: one a line." },
    { "sync", DV_ENUM, offsetof(struct sink_file, sync), .initial = "batch", .values = "batch|none",
      .help = "batch: a record is settled when it is on the disk; none: when the system has taken it." },
    { 0 },
};

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct sink_file *sink = dv_state(node);
    bool blob = dv_schema_is_blob(shape->in);
    sink->bare = dv_schema_is_bare(shape->in);
    if (sink->as == AS_MSGPACK && !blob)
        return dv_refuse(node, "as", "C140", "put `encrypt` before it, or write jsonl",
                         "msgpack is for sealed records");
    if (sink->as == AS_BASE64 && !blob && !sink->bare)
        return dv_refuse(node, "as", "C140", "put `encrypt` before it, or write jsonl", "base64 is for sealed records");
    return DV_OK;
}

/* ---- one record ---- */

/* The most bytes that one record takes; 0 if it cannot be written at all. */
static size_t bound_of(const struct sink_file *sink, const struct dv_batch *batch, uint32_t row, struct dv_blob *blob)
{
    if (sink->as == AS_JSONL)
        return dv_json_record_bound(batch, row) + 1;
    if (sink->bare) {
        const struct dv_cell *cell = &dv_batch_cells(batch, DV_BARE_SEALED)[row];
        return cell->present ? dv_base64_length(cell->length) + 1 : 0;
    }
    if (dv_blob_of_row(batch, row, blob) != DV_OK)
        return 0;
    size_t size = dv_blob_size(blob);
    return sink->as == AS_MSGPACK ? size : size + dv_base64_length(size) + 1;
}

static size_t encode_base64(const struct sink_file *sink, const struct dv_batch *batch, uint32_t row,
                            const struct dv_blob *blob, char *out)
{
    if (sink->bare) {
        const struct dv_cell *cell = &dv_batch_cells(batch, DV_BARE_SEALED)[row];
        return dv_base64_encode(out, cell->text, cell->length);
    }
    char *packed = out + dv_base64_length(dv_blob_size(blob)) + 1;
    size_t size = dv_blob_pack(blob, (uint8_t *)packed);
    return dv_base64_encode(out, packed, size);
}

static size_t encode(const struct sink_file *sink, const struct dv_batch *batch, uint32_t row,
                     const struct dv_blob *blob, char *out)
{
    if (sink->as == AS_MSGPACK)
        return dv_blob_pack(blob, (uint8_t *)out);
    size_t length = sink->as == AS_JSONL ? dv_json_record(batch, row, out) : encode_base64(sink, batch, row, blob, out);
    out[length] = '\n';
    return length + 1;
}

/* False: there is no room now. A record for which there never will be is rejected. */
static bool append(struct sink_file *sink, struct dv_batch *batch, uint32_t row)
{
    DV_UNINITIALIZED struct dv_blob blob; /* filled by bound_of() if records are blobs */
    bool never = false;
    size_t bound = bound_of(sink, batch, row, &blob);
    if (bound == 0) {
        dv_reject(sink->node, batch, row, DV_E_DATA, "the sealed record lacks a part");
        return true;
    }
    char *room = dv_appender_room(&sink->appender, bound, &never);
    if (never)
        dv_reject(sink->node, batch, row, DV_E_LIMIT, "the record is too large to be written");
    else if (room != NULL)
        dv_appender_filled(&sink->appender, encode(sink, batch, row, &blob, room));
    return never || room != NULL;
}

/* ---- batches ---- */

static struct held *held_at(struct sink_file *sink, uint32_t index)
{
    DV_ASSERT(index < sink->count);
    return &sink->held[(sink->first + index) % HELD_MAX];
}

/* Encodes until the rows or the buffers are used up. */
static bool encode_batch(struct sink_file *sink, struct held *held)
{
    for (; held->next < held->batch->rows; held->next++)
        if (!dv_batch_rejected(held->batch, held->next) && !append(sink, held->batch, held->next))
            return false;
    held->end = sink->appender.accepted;
    held->encoded = true;
    return true;
}

static void pump(struct sink_file *sink)
{
    for (uint32_t i = 0; i < sink->count; i++) {
        struct held *held = held_at(sink, i);
        if (!held->encoded && !encode_batch(sink, held))
            break;
    }
    dv_appender_flush_soon(&sink->appender);
}

static bool is_durable(const struct sink_file *sink, const struct held *held)
{
    return held->encoded && held->end <= sink->appender.durable;
}

static void finish_first(struct sink_file *sink, dv_rc answer)
{
    struct dv_batch *batch = held_at(sink, 0)->batch;
    sink->first = (sink->first + 1) % HELD_MAX;
    sink->count--;
    DV_CRASH_POINT("sink-file.before-finish");
    dv_finish(sink->node, batch, answer);
}

static dv_rc fail(struct sink_file *sink)
{
    return dv_fail(sink->node, DV_E_FAILED, "cannot write: %s", dv_appender_waits(&sink->appender));
}

static void on_progress(void *data)
{
    struct sink_file *sink = data;
    if (dv_appender_failed(&sink->appender)) {
        while (sink->count > 0)
            finish_first(sink, fail(sink));
        return;
    }
    while (sink->count > 0 && is_durable(sink, held_at(sink, 0)))
        finish_first(sink, DV_PASS);
    pump(sink);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_file *sink = dv_state(node);
    if (dv_appender_failed(&sink->appender))
        return fail(sink);
    DV_ASSERT(sink->count < HELD_MAX);
    sink->count++;
    *held_at(sink, sink->count - 1) = (struct held){ .batch = batch };
    DV_CRASH_POINT("sink-file.before-encode");
    pump(sink);
    DV_CRASH_POINT("sink-file.encoded");
    if (sink->count > 1 || !is_durable(sink, held_at(sink, 0)))
        return DV_HOLD;
    sink->count = 0; /* every row was rejected: nothing to wait for */
    return DV_PASS;
}

static const char *waits(struct dv_node *node)
{
    const struct sink_file *sink = dv_state(node);
    return dv_appender_waits(&sink->appender);
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct sink_file *sink = dv_state(node);
    return index == 0 ? &sink->appender.breaker : NULL;
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_file *sink = dv_state(node);
    struct dv_error error = { 0 };
    struct dv_appender_options how = { .loop = dv_node_loop(node), .sys = &dv_sys_real, .name = dv_node_name(node) };
    sink->node = node;
    how.path = sink->path;
    how.sync = sink->sync == SYNC_BATCH;
    how.first = sink->as == AS_JSONL ? '{' : 0;
    how.record = sink->as == AS_MSGPACK ? dv_blob_record_length : NULL;
    how.progress = on_progress;
    how.data = sink;
    dv_rc rc = dv_appender_open(&sink->appender, &how, &error);
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

static void close_node(struct dv_node *node)
{
    struct sink_file *sink = dv_state(node);
    dv_appender_close(&sink->appender);
}

const struct dv_operator dv_operator_sink_file = {
    .name = "sink-file",
    .summary = "Appends records to a file or to standard output.",
    .options = options,
    .size = sizeof(struct sink_file),
    .sink = true,
    .held_max = HELD_MAX,
    .exit = DV_EXIT_FILE,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .close = close_node,
};
