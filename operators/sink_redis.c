/* SPDX-License-Identifier: Apache-2.0
 * sink_redis.c - adds records to a Redis stream: sealed ones as blobs, anonymised ones as JSON, or just the ids of blobs.
 *
 * All records of a batch are sent together, and it is held until each is answered. After a lost connection the batch is
 * added again, because nobody knows what of it was added before: at least once. The field `id`, the record's own, is the
 * same both times, so that a consumer can keep each record once. The server takes the place of nothing: what it has
 * acknowledged is as durable as its own settings (appendfsync) make it. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/base64.h"
#include "engine/breaker.h"
#include "engine/crash.h"
#include "engine/id.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/blob_row.h"
#include "operators/blob_schema.h"
#include "operators/exit_guard.h"
#include "operators/redis_option.h"

enum { HELD_MAX = 4, WORDS_MAX = 16, NUMBER_TEXT = 24, REPLY_BYTES = 64 * 1024 };
enum what { WHAT_RECORDS, WHAT_IDS };
enum form { AS_JSON, AS_MSGPACK, AS_BASE64 };

/* A batch on its way. */
struct slot {
    struct sink_redis *sink;
    struct dv_batch *batch; /* NULL: free */
    struct dv_redis_request requests[DV_BATCH_ROWS];
    uint32_t waiting; /* for so many answers */
    dv_rc rc;         /* the worst of them */
    const char *reason;
};

struct sink_redis {
    struct dv_redis_server server;
    const char *stream;
    const char *field;
    int what;
    int as;
    int64_t max_length;
    struct dv_node *node;
    struct dv_redis_client client;
    struct slot *slots;
    const char *reason; /* why the last batch was not taken, a literal, or NULL */
    bool taken;         /* the server has once taken a record: the configuration is right */
};

/* The words of one XADD, and the texts that are made for it. */
struct command {
    struct dv_redis_word words[WORDS_MAX];
    uint32_t count;
    char length[NUMBER_TEXT], created[NUMBER_TEXT], id[DV_UUID_TEXT];
    char *made; /* the record, in scratch memory, or NULL */
    size_t made_size;
};

static const struct dv_option options[] = {
    DV_REDIS_SERVER_ROWS(struct sink_redis),
    { "stream", DV_STR, offsetof(struct sink_redis, stream), .flags = DV_REQUIRED,
      .help = "Stream to add to, made if it is missing." },
    { "what", DV_ENUM, offsetof(struct sink_redis, what), .initial = "records", .values = "records|ids",
      .help = "records: fields `id` and that of `field`; ids: `id`, `schema` and `created_ms` of sealed records." },
    { "as", DV_ENUM, offsetof(struct sink_redis, as), .initial = "json", .values = "json|msgpack|base64",
      .help = "json: the record as a JSON object; msgpack, base64: a sealed record as a blob." },
    { "field", DV_STR, offsetof(struct sink_redis, field), .initial = "data", .help = "The entry's field for the record." },
    { "max_length", DV_INT, offsetof(struct sink_redis, max_length), .initial = "0", .min = 0, .max = INT64_MAX,
      .help = "About how many entries the stream keeps, the oldest go first, read or not; 0: all." },
    { 0 },
};

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct sink_redis *sink = dv_state(node);
    bool blob = dv_schema_is_blob(shape->in);
    DV_TRY(dv_redis_server_check(node, &sink->server));
    if (sink->stream[0] == '\0')
        return dv_refuse(node, "stream", "C153", NULL, "a stream's name is empty");
    if (sink->what == WHAT_IDS && !blob)
        return dv_refuse(node, "what", "C140", "put `encrypt` before it", "only sealed records have ids to tell of");
    if (sink->as != AS_JSON && !blob)
        return dv_refuse(node, "as", "C140", "put `encrypt` before it, or add json", "blobs are sealed records");
    if (sink->what == WHAT_RECORDS)
        return DV_OK;
    struct dv_schema *told = dv_schema_new(dv_node_arena(node), DV_BLOB_SCHEMA, 1);
    if (told == NULL)
        return dv_refuse(node, NULL, "C030", NULL, "the graph's memory is used up");
    (void)dv_schema_add(told, "schema", DV_TYPE_TEXT, shape->in->columns[DV_BLOB_SCHEMA_NAME].label);
    shape->cleared = told;
    return DV_OK;
}

/* ---- one record ---- */

static void add_word(struct command *command, const char *at, size_t length)
{
    DV_ASSERT(command->count < WORDS_MAX);
    command->words[command->count++] = (struct dv_redis_word){ at, length };
}

static void add_text(struct command *command, const char *text)
{
    add_word(command, text, strlen(text));
}

static void begin_command(const struct sink_redis *sink, const struct dv_batch *batch, uint32_t row,
                          struct command *command)
{
    command->count = 0;
    command->made = NULL;
    add_text(command, "XADD");
    add_text(command, sink->stream);
    if (sink->max_length > 0) {
        (void)snprintf(command->length, sizeof command->length, "%" PRId64, sink->max_length);
        add_text(command, "MAXLEN");
        add_text(command, "~");
        add_text(command, command->length);
    }
    add_text(command, "*");
    add_text(command, "id");
    add_text(command, dv_id_text(command->id, batch->row[row].id));
}

/* The record's bytes; *made has room for them, packed and then as text. */
static void encode(const struct sink_redis *sink, const struct dv_batch *batch, uint32_t row, const struct dv_blob *blob,
                   struct command *command)
{
    char *out = command->made;
    size_t length = sink->as == AS_JSON ? dv_json_record(batch, row, out) : dv_blob_pack(blob, (uint8_t *)out);
    if (sink->as == AS_BASE64) {
        char *text = out + length;
        length = dv_base64_encode(text, out, length);
        out = text;
    }
    add_text(command, sink->field);
    add_word(command, out, length);
}

/* False: it cannot be written, *ret_reason tells why. */
static bool add_record(const struct sink_redis *sink, const struct dv_batch *batch, uint32_t row,
                       struct command *command, const char **ret_reason)
{
    struct dv_blob blob = { 0 };
    *ret_reason = "the sealed record lacks a part";
    if (sink->as != AS_JSON && dv_blob_of_row(batch, row, &blob) != DV_OK)
        return false;
    size_t bound = sink->as == AS_JSON ? dv_json_record_bound(batch, row) : dv_blob_size(&blob);
    command->made_size = sink->as == AS_BASE64 ? bound + dv_base64_length(bound) : bound;
    command->made = dv_arena_text(dv_node_scratch(sink->node), command->made_size);
    *ret_reason = "the record is too large to be written";
    if (command->made != NULL)
        encode(sink, batch, row, &blob, command);
    return command->made != NULL;
}

static void end_command(const struct sink_redis *sink, const struct command *command)
{
    if (command->made == NULL)
        return;
    explicit_bzero(command->made, command->made_size);
    dv_arena_trim(dv_node_scratch(sink->node), command->made, command->made_size, 0);
}

static void add_facts(const struct dv_batch *batch, uint32_t row, struct command *command)
{
    const struct dv_cell *schema = &dv_batch_cells(batch, DV_BLOB_SCHEMA_NAME)[row];
    (void)snprintf(command->created, sizeof command->created, "%" PRId64, batch->row[row].created_ms);
    add_text(command, "schema");
    add_word(command, schema->present ? schema->text : "", schema->present ? schema->length : 0);
    add_text(command, "created_ms");
    add_text(command, command->created);
}

/* ---- batches ---- */

static void finish(struct slot *slot)
{
    struct sink_redis *sink = slot->sink;
    struct dv_batch *batch = slot->batch;
    dv_rc rc = slot->rc;
    slot->batch = NULL;
    sink->reason = slot->reason;
    sink->taken = sink->taken || rc == DV_OK;
    if (rc != DV_OK)
        rc = dv_fail(sink->node, rc, "the stream: %s", slot->reason != NULL ? slot->reason : "the connection was lost");
    DV_CRASH_POINT("sink-redis.before-finish");
    dv_finish(sink->node, batch, rc);
}

static void on_added(struct dv_redis_request *request)
{
    struct slot *slot = request->data;
    const char *reason = NULL;
    enum dv_redis_trouble trouble = DV_REDIS_FINE;
    if (request->rc != DV_OK)
        slot->rc = DV_E_DEPENDENCY;
    else
        trouble = dv_redis_judge(request->reply, &reason);
    if (trouble != DV_REDIS_FINE) {
        bool mistake = dv_redis_is_mistake(&slot->sink->server, trouble) && !slot->sink->taken;
        slot->rc = mistake ? DV_E_CONFIG : DV_E_DEPENDENCY;
        slot->reason = reason;
    }
    DV_CRASH_POINT("sink-redis.answered");
    DV_ASSERT(slot->waiting > 0);
    if (--slot->waiting == 0)
        finish(slot);
}

static dv_rc add_row(struct slot *slot, uint32_t row)
{
    struct sink_redis *sink = slot->sink;
    struct command command;
    const char *reason = NULL;
    begin_command(sink, slot->batch, row, &command);
    if (sink->what == WHAT_IDS) {
        add_facts(slot->batch, row, &command);
    } else if (!add_record(sink, slot->batch, row, &command, &reason)) {
        dv_reject_row(sink->node, slot->batch, row, DV_E_DATA, reason);
        return DV_OK;
    }
    slot->requests[row] = (struct dv_redis_request){ .callback = on_added, .data = slot };
    DV_CRASH_POINT("sink-redis.before-add");
    dv_rc rc = dv_redis_request(&sink->client.redis, &slot->requests[row], command.words, command.count);
    DV_CRASH_POINT("sink-redis.added");
    slot->waiting += rc == DV_OK;
    end_command(sink, &command);
    return rc;
}

static struct slot *free_slot(struct sink_redis *sink)
{
    for (uint32_t i = 0; i < HELD_MAX; i++)
        if (sink->slots[i].batch == NULL)
            return &sink->slots[i];
    DV_ASSERT(!"a free slot while the node is called");
    return NULL;
}

/* What was sent before a row could not be is waited for: its answers come to this batch's slot. */
static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_redis *sink = dv_state(node);
    struct slot *slot = free_slot(sink);
    if (dv_redis_health(&sink->client.redis) == DV_REDIS_REFUSED)
        return dv_fail(node, DV_E_CONFIG, "%s", dv_redis_waits(&sink->client.redis));
    if (dv_redis_health(&sink->client.redis) != DV_REDIS_UP)
        return dv_fail(node, DV_E_DEPENDENCY, "%s", dv_redis_waits(&sink->client.redis));
    slot->batch = batch;
    slot->waiting = 0;
    slot->rc = DV_OK;
    slot->reason = NULL;
    for (uint32_t row = 0; row < batch->rows && slot->rc == DV_OK; row++)
        if (!dv_batch_rejected(batch, row))
            slot->rc = add_row(slot, row);
    if (slot->waiting > 0)
        return DV_HOLD;
    slot->batch = NULL;
    return slot->rc == DV_OK ? DV_PASS : dv_fail(node, DV_E_DEPENDENCY, "no memory for what is to be sent");
}

static const char *waits(struct dv_node *node)
{
    const struct sink_redis *sink = dv_state(node);
    const char *reason = dv_redis_waits(&sink->client.redis);
    return reason != NULL ? reason : sink->reason;
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct sink_redis *sink = dv_state(node);
    return index == 0 ? sink->client.redis.breaker : NULL;
}

static void on_change(void *data)
{
    (void)data; /* a batch that failed is offered again by the engine */
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_redis *sink = dv_state(node);
    struct dv_error error = { 0 };
    struct dv_redis_options how = dv_redis_server_options(node, &sink->server, sink->stream);
    sink->node = node;
    sink->slots = dv_memory_zeroed(HELD_MAX, sizeof *sink->slots);
    if (sink->slots == NULL)
        return dv_fail(node, DV_E_FAILED, "no memory for what is in flight");
    for (uint32_t i = 0; i < HELD_MAX; i++)
        sink->slots[i].sink = sink;
    how.limits = (struct dv_redis_limits){ REPLY_BYTES, REPLY_BYTES };
    how.changed = on_change;
    dv_rc rc = dv_redis_open(&sink->client, &how, &error);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "%s", error.text);
}

static void close_node(struct dv_node *node)
{
    struct sink_redis *sink = dv_state(node);
    dv_redis_close(&sink->client.redis);
    dv_memory_free(sink->slots);
    sink->slots = NULL;
}

const struct dv_operator dv_operator_sink_redis = {
    .name = "sink-redis",
    .summary = "Adds records, or the ids of sealed ones, to a Redis stream.",
    .options = options,
    .size = sizeof(struct sink_redis),
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
