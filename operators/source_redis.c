/* SPDX-License-Identifier: Apache-2.0
 * source_redis.c - reads records from Redis streams as a member of a consumer group.
 *
 * Two connections for each lane (redis_source.h), of which there is one but in a cluster: one reads, and may be kept
 * waiting by the server; the other acknowledges and counts. Nothing is read
 * unless there is an empty batch to fill, and an entry is acknowledged only when it is durable in every branch. After a
 * connection is made the groups are made if they are missing, then everything is read again that this consumer was given
 * and did not acknowledge, then what is new. What other consumers left lying is claimed now and then.
 *
 * A record's id is made of stream, group, the entry's id and, if the graph has a keyring, its payload: what is delivered
 * twice has the same id twice, and an id that a failover gives to another entry names another record. Two processes must
 * not share a consumer's name: each would read again what the other works on. */
#include <stdio.h>
#include <unistd.h>

#include "engine/id.h"
#include "engine/breaker.h"
#include "engine/memory.h"
#include "operators/keys.h"
#include "operators/redis_source.h"
#include "operators/schema_option.h"

enum { COUNT_FIRST = 64, FINISH_MS = 2000, RESTS_MAX = 5 /* pulses */, STOP_GRACE_MS = 2000 };

#define PURPOSE "record-id" /* of the tenant's key that makes payloads part of records' ids */

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

/* Whether an answer is under way, or one is not used up. */
static bool is_busy(const struct dv_redis_source *source)
{
    for (uint32_t i = 0; i < source->lane_count; i++)
        if (source->lanes[i].asked || !dv_redis_page_is_empty(&source->lanes[i].page))
            return true;
    return false;
}

/* Asks for more where nothing is asked and nothing is left. */
static void ask_lane(struct dv_redis_lane *lane)
{
    if (lane->asked || lane->resting || !dv_redis_page_is_empty(&lane->page) ||
        dv_redis_health(&lane->reading.redis) != DV_REDIS_UP)
        return;
    dv_redis_reading_next(lane);
}

/* Fills the batch from one lane's page. */
static enum dv_redis_filled fill(struct dv_redis_lane *lane, struct dv_batch *batch)
{
    enum dv_redis_filled filled = DV_FILLED_NOTHING;
    if (dv_redis_health(&lane->reading.redis) == DV_REDIS_REFUSED)
        lane->source->refusal = dv_redis_waits(&lane->reading.redis);
    if (!dv_redis_page_is_empty(&lane->page) || lane->source->lost_untold > 0)
        filled = dv_redis_entries_fill(lane, batch);
    if (filled == DV_FILLED_WRONG)
        dv_redis_reading_wrong(lane);
    return filled;
}

/* Fills the batch from the lane whose turn it is, or the next that can, or asks for more pages. DV_HOLD: nothing to fill
 * it with yet. */
static dv_rc step(struct dv_redis_source *source, struct dv_batch *batch)
{
    enum dv_redis_filled filled = DV_FILLED_NOTHING;
    uint32_t first = source->turn;
    for (uint32_t i = 0; i < source->lane_count && filled != DV_FILLED_SOME && filled != DV_FILLED_MEMORY; i++) {
        source->turn = (first + i + 1) % source->lane_count;
        filled = fill(&source->lanes[(first + i) % source->lane_count], batch);
    }
    if (source->refusal != NULL)
        return dv_fail(source->node, DV_E_CONFIG, "%s", source->refusal);
    if (filled == DV_FILLED_MEMORY)
        return dv_fail(source->node, DV_E_FAILED, "no memory for what is in flight");
    if (filled == DV_FILLED_SOME)
        return DV_PASS;
    if (source->stopping && !is_busy(source)) {
        end(source);
        return DV_DROP;
    }
    for (uint32_t i = 0; i < source->lane_count && !source->stopping; i++)
        ask_lane(&source->lanes[i]);
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
    struct dv_redis_lane *lane = data;
    if (dv_redis_health(&lane->reading.redis) != DV_REDIS_UP) {
        lane->page = (struct dv_redis_page){ 0 };
        lane->asked = false;
    }
    lane->phase = DV_PHASE_MAKE;
    lane->making = 0;
    lane->sweeping = false;
    lane->resting = false;
    dv_redis_source_again(lane->source);
}

static void on_acking(void *data)
{
    struct dv_redis_lane *lane = data;
    if (dv_redis_health(&lane->acking.redis) != DV_REDIS_UP) {
        lane->checking = false;
        lane->server = 0;
    }
    dv_redis_trim_check(lane);
    dv_redis_claims_send(&lane->source->claims);
}

/* The name may stand for another server by now: one that takes writes, or has the key. */
static void start_afresh(struct dv_redis_lane *lane)
{
    lane->rests = 0;
    dv_redis_drop(&lane->reading.redis, "the server's answers do not help: its name is looked up again");
    dv_redis_drop(&lane->acking.redis, "the server's answers do not help: its name is looked up again");
}

static void pulse_lane(struct dv_redis_lane *lane)
{
    lane->resting = false;
    lane->rests = lane->reason != NULL ? lane->rests + 1 : 0;
    if (lane->rests >= RESTS_MAX)
        start_afresh(lane);
    dv_redis_trim_check(lane);
}

static void give_up_reading(struct dv_redis_source *source)
{
    for (uint32_t i = 0; i < source->lane_count; i++)
        dv_redis_drop(&source->lanes[i].reading.redis, "the server does not answer, and the run is to end");
}

static void on_pulse(struct dv_timer *timer)
{
    struct dv_redis_source *source = timer->data;
    for (uint32_t i = 0; i < source->lane_count; i++)
        pulse_lane(&source->lanes[i]);
    if (source->stopping && !source->ended && --source->stop_pulses == 0)
        give_up_reading(source);
    dv_redis_claims_send(&source->claims);
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
    if (is_busy(source))
        return;
    source->held = NULL;
    end(source);
    if (batch != NULL)
        dv_finish(node, batch, DV_DROP);
}

static const char *lane_waits(const struct dv_redis_lane *lane)
{
    const char *reason = dv_redis_waits(&lane->reading.redis);
    if (reason == NULL)
        reason = dv_redis_waits(&lane->acking.redis);
    return reason != NULL ? reason : lane->reason;
}

static const char *waits(struct dv_node *node)
{
    const struct dv_redis_source *source = dv_state(node);
    const char *reason = NULL;
    for (uint32_t i = 0; i < source->lane_count && reason == NULL; i++)
        reason = lane_waits(&source->lanes[i]);
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
    const struct dv_redis_lane *lane = &source->lanes[index / 2];
    if (index / 2 >= source->lane_count)
        return NULL;
    return index % 2 == 0 ? lane->reading.redis.breaker : lane->acking.redis.breaker;
}

/* ---- lanes ---- */

/* The lane of a stream that has one already, or a new one. */
static struct dv_redis_lane *lane_for(struct dv_redis_source *source, const char *stream, uint16_t slots[])
{
    bool cluster = source->server.parsed.kind == DV_REDIS_CLUSTER;
    uint16_t slot = cluster ? dv_redis_slot(stream, strlen(stream)) : 0;
    for (uint32_t i = 0; i < source->lane_count; i++)
        if (slots[i] == slot)
            return &source->lanes[i];
    slots[source->lane_count] = slot;
    source->lanes[source->lane_count].source = source;
    return &source->lanes[source->lane_count++];
}

static dv_rc make_lanes(struct dv_redis_source *source)
{
    uint16_t slots[DV_REDIS_STREAMS_MAX] = { 0 };
    source->lanes = dv_arena_zeroed(dv_node_arena(source->node), source->streams.count, sizeof *source->lanes);
    if (source->lanes == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < source->streams.count; i++) {
        struct dv_redis_lane *lane = lane_for(source, source->streams.items[i], slots);
        lane->streams[lane->stream_count++] = i;
        source->claims.redis[i] = &lane->acking.redis;
    }
    for (uint32_t i = 0; i < source->lane_count; i++) {
        uint32_t most = DV_BATCH_ROWS / source->lanes[i].stream_count;
        source->lanes[i].count = COUNT_FIRST < most ? COUNT_FIRST : most;
    }
    return DV_OK;
}

static dv_rc open_lane(struct dv_redis_lane *lane, struct dv_error *error)
{
    struct dv_redis_source *source = lane->source;
    struct dv_redis_options how = dv_redis_server_options(source->node, &source->server, dv_redis_stream_name(lane, 0));
    how.data = lane;
    how.role = "reading";
    how.limits.text_max = (size_t)source->max_record;
    how.limits.total_max = how.limits.text_max + DV_REDIS_READ_TOTAL;
    how.changed = on_reading;
    DV_TRY(dv_redis_open(&lane->reading, &how, error));
    how.role = "acking";
    how.limits.text_max = DV_REDIS_LINE_MAX;
    how.limits.total_max = DV_REDIS_TEXT_MAX; /* XINFO shows the first and the last entry */
    how.changed = on_acking;
    return dv_redis_open(&lane->acking, &how, error);
}

static void name_streams(struct dv_redis_source *source)
{
    uint64_t group = dv_hash64(source->group, strlen(source->group), 0);
    for (uint32_t i = 0; i < source->streams.count; i++)
        source->stream[i].hash = dv_hash64(source->streams.items[i], strlen(source->streams.items[i]), group);
}

/* All processes of a group must have the same keyring, or what one leaves behind gets another id from the next. */
static dv_rc open_key(struct dv_redis_source *source)
{
    uint32_t version = 0;
    if (dv_node_service(source->node, DV_SERVICE_KEYRING) == NULL)
        return DV_OK;
    source->secret = dv_memory_secret(sizeof *source->secret);
    if (source->secret == NULL)
        return dv_fail(source->node, DV_E_MEMORY, "no locked memory for a key");
    DV_TRY(dv_node_purpose_key(source->node, PURPOSE, &version, source->secret->key));
    dv_hmac_init(&source->secret->payload, (struct dv_bytes){ source->secret->key, DV_KEY_BYTES });
    explicit_bzero(source->secret->key, DV_KEY_BYTES);
    return DV_OK;
}

static dv_rc open_node(struct dv_node *node)
{
    struct dv_redis_source *source = dv_state(node);
    struct dv_error error = { 0 };
    dv_rc rc = DV_OK;
    source->node = node;
    name_consumer(source);
    name_streams(source);
    source->claims = (struct dv_redis_claims){ .streams = source->streams.items,
                                               .stream_count = (uint32_t)source->streams.count, .group = source->group };
    dv_timer_init(dv_node_loop(node), &source->pulse, on_pulse, source);
    dv_timer_start(&source->pulse, DV_REDIS_PULSE_MS);
    source->json = dv_json_reader_new(source->shape, (size_t)source->max_record);
    if (source->json == NULL || make_lanes(source) != DV_OK)
        return dv_fail(node, DV_E_FAILED, "no memory for the connections");
    DV_TRY(open_key(source));
    DV_TRY(dv_redis_trim_open(source));
    for (uint32_t i = 0; i < source->lane_count && rc == DV_OK; i++)
        rc = open_lane(&source->lanes[i], &error);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "%s", error.text);
}

/* What was settled last is acknowledged before the connection goes, or it would be delivered once more. */
static void close_lane(struct dv_redis_lane *lane)
{
    if (lane->acking.redis.ops != NULL)
        dv_redis_finish(&lane->acking.redis, FINISH_MS);
    dv_redis_close(&lane->reading.redis);
    dv_redis_close(&lane->acking.redis);
}

static void close_node(struct dv_node *node)
{
    struct dv_redis_source *source = dv_state(node);
    source->ended = true;
    source->held = NULL;
    if (source->lane_count > 0)
        dv_redis_claims_send(&source->claims);
    for (uint32_t i = 0; i < source->lane_count; i++)
        close_lane(&source->lanes[i]);
    source->closed = true;
    dv_timer_close(&source->pulse);
    dv_redis_claims_free(&source->claims);
    dv_redis_trim_close(source);
    dv_json_reader_free(source->json);
    source->json = NULL;
    dv_memory_secret_free(source->secret, sizeof *source->secret);
    source->secret = NULL;
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
