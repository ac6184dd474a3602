/* SPDX-License-Identifier: Apache-2.0
 * source_redis.c - reads records from Redis streams as a member of a consumer group.
 *
 * Two connections: one reads, and may be kept waiting by the server; the other acknowledges and counts. Nothing is read
 * unless there is an empty batch to fill, and an entry is acknowledged only when it is durable in every branch. After a
 * connection is made the groups are made if they are missing, then everything is read again that this consumer was given
 * and did not acknowledge, then what is new. What other consumers left lying is claimed now and then.
 *
 * A record's id is made of stream, group and the entry's id, so what is delivered twice has the same id twice. Two
 * processes must not share a consumer's name: each would read again what the other works on. */
#include <stdio.h>
#include <unistd.h>

#include "engine/id.h"
#include "operators/redis_source.h"
#include "operators/schema_option.h"

enum { COUNT_FIRST = 64, FINISH_MS = 2000, RESTS_MAX = 5 /* pulses */, STOP_GRACE_MS = 2000 };

static const struct dv_option options[] = {
    DV_REDIS_SERVER_ROWS(struct dv_redis_source),
    { "stream", DV_STRS, offsetof(struct dv_redis_source, streams), .flags = DV_REQUIRED,
      .help = "Streams to read, at most 16; they are made if they are missing." },
    { "group", DV_NAME, offsetof(struct dv_redis_source, group), .initial = "datavault",
      .help = "Consumer group; made if it is missing, and then begins with the oldest entry." },
    { "consumer", DV_NAME, offsetof(struct dv_redis_source, consumer),
      .help = "This process's name in the group, the same after a restart; none: host and node." },
    { "field", DV_STR, offsetof(struct dv_redis_source, field), .initial = "data",
      .help = "The entry's field that holds the record, a JSON object." },
    { "schema", DV_NAME, offsetof(struct dv_redis_source, schema), .flags = DV_REQUIRED,
      .help = "Schema of the records: the name of a file in schemas/ beside the graph file." },
    { "max_record", DV_SIZE, offsetof(struct dv_redis_source, max_record), .initial = "1MiB", .min = 64,
      .max = DV_REDIS_TEXT_MAX, .help = "Longest record; a longer one is rejected without being stored." },
    { "claim_after", DV_DURATION, offsetof(struct dv_redis_source, claim_after), .initial = "5m", .min = 1000,
      .max = 86400000, .help = "Entries that another consumer was given so long ago, and did not finish, are taken over." },
    { "block", DV_DURATION, offsetof(struct dv_redis_source, block), .initial = "1s", .min = 10, .max = 10000,
      .help = "How long one read waits at the server for new entries." },
    { 0 },
};

/* ---- the configuration ---- */

static dv_rc check_streams(struct dv_node *node, const struct dv_redis_source *source)
{
    const struct dv_strs *streams = &source->streams;
    if (streams->count == 0 || streams->count > DV_REDIS_STREAMS_MAX)
        return dv_refuse(node, "stream", "C153", NULL, "1 to %d streams can be read by one source", DV_REDIS_STREAMS_MAX);
    for (size_t i = 0; i < streams->count; i++) {
        if (streams->items[i][0] == '\0')
            return dv_refuse(node, "stream", "C153", NULL, "a stream's name is empty");
        for (size_t j = 0; j < i; j++)
            if (strcmp(streams->items[i], streams->items[j]) == 0)
                return dv_refuse(node, "stream", "C153", NULL, "a stream is named twice");
    }
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_redis_source *source = dv_state(node);
    dv_rc rc = dv_redis_server_check(node, &source->server);
    dv_rc streams = check_streams(node, source);
    source->shape = dv_load_schema(node, "schema", source->schema);
    shape->out[0] = source->shape;
    return rc == DV_OK && streams == DV_OK && source->shape != NULL ? DV_OK : DV_E_CONFIG;
}

/* "host.node", with what a name must not hold replaced. */
static void name_consumer(struct dv_redis_source *source)
{
    char host[65] = "";
    if (source->consumer != NULL)
        return;
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    (void)snprintf(source->own_name, sizeof source->own_name, "%s%s%s", host, host[0] != '\0' ? "." : "",
                   dv_node_name(source->node));
    source->consumer = source->own_name;
}

/* ---- one step after the other ---- */

static void end(struct dv_redis_source *source)
{
    source->ended = true;
    dv_end(source->node);
}

/* Fills the batch from the page, or asks for another page. DV_HOLD: nothing to fill it with yet. */
static dv_rc step(struct dv_redis_source *source, struct dv_batch *batch)
{
    enum dv_redis_filled filled = DV_FILLED_NOTHING;
    if (dv_redis_health(&source->reading.redis) == DV_REDIS_REFUSED)
        source->refusal = dv_redis_waits(&source->reading.redis);
    if (source->refusal != NULL)
        return dv_fail(source->node, DV_E_CONFIG, "%s", source->refusal);
    if (!dv_redis_page_is_empty(&source->page) || source->lost_untold > 0)
        filled = dv_redis_entries_fill(source, batch);
    if (filled == DV_FILLED_SOME)
        return DV_PASS;
    if (filled == DV_FILLED_MEMORY)
        return dv_fail(source->node, DV_E_FAILED, "no memory for what is in flight");
    if (filled == DV_FILLED_WRONG)
        dv_redis_reading_wrong(source);
    if (source->stopping && !source->asked) {
        end(source);
        return DV_DROP;
    }
    if (filled != DV_FILLED_WRONG && !source->asked && !source->resting && dv_redis_health(&source->reading.redis) == DV_REDIS_UP)
        dv_redis_reading_next(source);
    return DV_HOLD;
}

/* From callbacks: goes on with the batch that is held. */
void dv_redis_source_again(struct dv_redis_source *source)
{
    struct dv_batch *batch = source->held;
    if (batch == NULL || source->ended)
        return;
    dv_rc rc = step(source, batch);
    if (rc == DV_HOLD || source->held == NULL)
        return;
    source->held = NULL;
    dv_finish(source->node, batch, rc);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_redis_source *source = dv_state(node);
    DV_ASSERT(source->held == NULL && !source->ended);
    dv_rc rc = step(source, batch);
    if (rc == DV_HOLD)
        source->held = batch;
    return rc;
}

/* ---- events ---- */

/* A page of a lost connection is gone with it: its entries are ours, and are read again. */
static void on_reading(void *data)
{
    struct dv_redis_source *source = data;
    if (dv_redis_health(&source->reading.redis) != DV_REDIS_UP) {
        source->page = (struct dv_redis_page){ 0 };
        source->asked = false;
    }
    source->phase = DV_PHASE_MAKE;
    source->making = 0;
    source->sweeping = false;
    source->resting = false;
    dv_redis_source_again(source);
}

static void on_acking(void *data)
{
    struct dv_redis_source *source = data;
    source->checking = source->checking && dv_redis_health(&source->acking.redis) == DV_REDIS_UP;
    dv_redis_claims_send(&source->claims);
}

/* The name may stand for another server by now: one that takes writes, or has the key. */
static void start_afresh(struct dv_redis_source *source)
{
    source->rests = 0;
    dv_redis_drop(&source->reading.redis, "the server's answers do not help: its name is looked up again");
    dv_redis_drop(&source->acking.redis, "the server's answers do not help: its name is looked up again");
}

static void on_pulse(struct dv_timer *timer)
{
    struct dv_redis_source *source = timer->data;
    source->resting = false;
    source->rests = source->reason != NULL ? source->rests + 1 : 0;
    if (source->rests >= RESTS_MAX)
        start_afresh(source);
    if (source->stopping && --source->stop_pulses == 0)
        dv_redis_drop(&source->reading.redis, "the server does not answer, and the run is to end");
    dv_redis_claims_send(&source->claims);
    dv_redis_trim_check(source);
    dv_redis_source_again(source);
    dv_timer_start(&source->pulse, DV_REDIS_PULSE_MS);
}

static void settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    struct dv_redis_source *source = dv_state(node);
    if (!source->closed && !receipt->failed)
        dv_redis_claims_settle(&source->claims, receipt->sequence);
}

/* What is asked for may be ours already: it is waited for and worked off, or it would be delivered again at the next start. */
static void stop(struct dv_node *node)
{
    struct dv_redis_source *source = dv_state(node);
    struct dv_batch *batch = source->held;
    source->stopping = true;
    source->stop_pulses = 1 + (uint32_t)((source->block + STOP_GRACE_MS) / DV_REDIS_PULSE_MS);
    if (source->asked || !dv_redis_page_is_empty(&source->page))
        return;
    source->held = NULL;
    end(source);
    if (batch != NULL)
        dv_finish(node, batch, DV_DROP);
}

static const char *waits(struct dv_node *node)
{
    const struct dv_redis_source *source = dv_state(node);
    const char *reason = dv_redis_waits(&source->reading.redis);
    if (reason == NULL)
        reason = dv_redis_waits(&source->acking.redis);
    if (reason == NULL)
        reason = source->reason;
    return reason != NULL ? reason : source->claims.reason;
}

/* What is settled and not acknowledged yet. */
static bool behind(const struct dv_node *node)
{
    const struct dv_redis_claims *claims = &((const struct dv_redis_source *)dv_state(node))->claims;
    return claims->first < claims->next && claims->ring[claims->first & (claims->capacity - 1)]->state != DV_CLAIM_FLYING;
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct dv_redis_source *source = dv_state(node);
    const struct dv_breaker *breakers[] = { source->reading.redis.breaker, source->acking.redis.breaker, NULL };
    return index < 2 ? breakers[index] : NULL;
}

/* ---- the beginning and the end ---- */

static dv_rc open_connections(struct dv_redis_source *source, struct dv_error *error)
{
    struct dv_redis_options how = dv_redis_server_options(source->node, &source->server);
    how.data = source;
    how.limits.text_max = (size_t)source->max_record;
    how.limits.total_max = how.limits.text_max + DV_REDIS_READ_TOTAL;
    how.changed = on_reading;
    DV_TRY(dv_redis_open(&source->reading, &how, error));
    how.limits.text_max = DV_REDIS_LINE_MAX;
    how.limits.total_max = DV_REDIS_TEXT_MAX; /* XINFO shows the first and the last entry */
    how.changed = on_acking;
    return dv_redis_open(&source->acking, &how, error);
}

static dv_rc open_node(struct dv_node *node)
{
    struct dv_redis_source *source = dv_state(node);
    struct dv_error error = { 0 };
    source->node = node;
    name_consumer(source);
    source->count = COUNT_FIRST < DV_BATCH_ROWS / source->streams.count ? COUNT_FIRST
                                                                       : (uint32_t)(DV_BATCH_ROWS / source->streams.count);
    uint64_t group = dv_hash64(source->group, strlen(source->group), 0);
    for (uint32_t i = 0; i < source->streams.count; i++)
        source->stream[i].hash = dv_hash64(source->streams.items[i], strlen(source->streams.items[i]), group);
    source->claims = (struct dv_redis_claims){ .redis = &source->acking.redis, .streams = source->streams.items,
                                               .stream_count = (uint32_t)source->streams.count, .group = source->group };
    dv_timer_init(dv_node_loop(node), &source->pulse, on_pulse, source);
    dv_timer_start(&source->pulse, DV_REDIS_PULSE_MS);
    source->json = dv_json_reader_new(source->shape, (size_t)source->max_record);
    if (source->json == NULL)
        return dv_fail(node, DV_E_FAILED, "no memory for the parser");
    dv_rc rc = open_connections(source, &error);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "%s", error.text);
}

/* What was settled last is acknowledged before the connection goes, or it would be delivered once more. */
static void close_node(struct dv_node *node)
{
    struct dv_redis_source *source = dv_state(node);
    source->ended = true;
    source->held = NULL;
    if (source->acking.redis.ops != NULL) {
        dv_redis_claims_send(&source->claims);
        dv_redis_finish(&source->acking.redis, FINISH_MS);
    }
    source->closed = true;
    dv_timer_close(&source->pulse);
    dv_redis_close(&source->reading.redis);
    dv_redis_close(&source->acking.redis);
    dv_redis_claims_free(&source->claims);
    dv_json_reader_free(source->json);
    source->json = NULL;
}

const struct dv_operator dv_operator_source_redis = {
    .name = "source",
    .from = "redis",
    .summary = "Reads records from Redis streams in a consumer group, each until it is durable.",
    .options = options,
    .size = sizeof(struct dv_redis_source),
    .source = true,
    .makes = true,
    .credits = 8,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .settle = settle,
    .stop = stop,
    .waits = waits,
    .behind = behind,
    .breaker = breaker,
    .close = close_node,
};
