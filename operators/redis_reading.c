/* SPDX-License-Identifier: Apache-2.0
 * redis_reading.c - what `source from: redis` asks of its reading connection, one command at a time: groups are made,
 * entries of our own read again, entries of others taken over, new ones waited for. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/crash.h"
#include "engine/log.h"
#include "operators/redis_source.h"

enum { NUMBER_TEXT = 24, SWEEP_MAX_MS = 60000 };

/* ---- asking ---- */

/* Nothing helps now: another try with the next pulse. */
static void rest(struct dv_redis_source *source, const char *reason)
{
    if (source->reason != reason) {
        const struct dv_log_pair why = { "reason", DV_LOG_WORD, 0, reason };
        dv_log(DV_LOG_WARN, "source.waits", DV_LOG_NAMED("node", dv_node_name(source->node)), why);
    }
    source->reason = reason;
    source->resting = true;
    source->phase = DV_PHASE_MAKE;
    source->making = 0;
}

static void ask(struct dv_redis_source *source, dv_redis_callback callback, uint64_t wait_ms,
                const struct dv_redis_word *words, uint32_t count)
{
    source->request = (struct dv_redis_request){ .callback = callback, .data = source, .wait_ms = wait_ms };
    dv_rc rc = dv_redis_request(&source->reading.redis, &source->request, words, count);
    source->asked = rc == DV_OK;
    if (rc == DV_E_MEMORY)
        rest(source, "no memory for a command");
}

/* What every answer has in common. False: there is none to be looked at. */
static bool is_answer(struct dv_redis_source *source, const struct dv_redis_request *request)
{
    const char *reason = NULL;
    source->asked = false;
    if (source->ended || request->rc != DV_OK)
        return false; /* when the connection is lost, on_reading() sees to it */
    enum dv_redis_trouble trouble = dv_redis_judge(request->reply, &reason);
    if (trouble == DV_REDIS_FINE || (trouble == DV_REDIS_HAVE_GROUP && source->phase == DV_PHASE_MAKE)) {
        source->reason = NULL;
        return true;
    }
    if (trouble == DV_REDIS_MISTAKE && !source->begun)
        source->refusal = reason;
    rest(source, reason);
    if (trouble == DV_REDIS_NO_GROUP)
        source->resting = false; /* it is made anew at once */
    return false;
}

static void on_made(struct dv_redis_request *request)
{
    struct dv_redis_source *source = request->data;
    DV_CRASH_POINT("redis.group-made");
    if (is_answer(source, request) && ++source->making == source->streams.count) {
        source->begun = true;
        source->phase = DV_PHASE_OWN;
        for (uint32_t i = 0; i < source->streams.count; i++) {
            source->stream[i].own = (struct dv_stream_id){ 0 };
            source->stream[i].own_done = false;
        }
        dv_redis_trim_check(source);
    }
    dv_redis_source_again(source);
}

static void make_group(struct dv_redis_source *source)
{
    const struct dv_redis_word words[] = { dv_redis_text("XGROUP"), dv_redis_text("CREATE"),
                                           dv_redis_text(source->streams.items[source->making]),
                                           dv_redis_text(source->group), dv_redis_text("0"), dv_redis_text("MKSTREAM") };
    DV_CRASH_POINT("redis.before-group");
    ask(source, on_made, 0, words, sizeof words / sizeof words[0]);
}

/* ---- pages ---- */

static int stream_of(const struct dv_redis_source *source, const struct dv_redis_reply *name)
{
    for (uint32_t i = 0; i < source->streams.count; i++)
        if (dv_redis_is(name, source->streams.items[i]))
            return (int)i;
    return -1;
}

/* XREADGROUP's [[stream, entries], ...]; false: it is something else. */
static bool open_page(struct dv_redis_source *source, const struct dv_redis_reply *reply, bool own)
{
    struct dv_redis_page *page = &source->page;
    *page = (struct dv_redis_page){ .again = own };
    if (reply->type == DV_REDIS_NIL)
        return true;
    if (reply->type != DV_REDIS_ARRAY || reply->count > source->streams.count)
        return false;
    for (uint32_t i = 0; i < reply->count; i++) {
        const struct dv_redis_reply *pair = &reply->items[i];
        int stream = pair->type == DV_REDIS_ARRAY && pair->count == 2 ? stream_of(source, &pair->items[0]) : -1;
        if (stream < 0 || pair->items[1].type != DV_REDIS_ARRAY)
            return false;
        page->lists[page->count++] = (struct dv_redis_list){ &pair->items[1], (uint32_t)stream };
    }
    return true;
}

/* How far our own entries are read; the phase ends when none are left. */
static bool follow_own(struct dv_redis_source *source)
{
    bool done = true;
    for (uint32_t i = 0; i < source->page.count; i++) {
        const struct dv_redis_list *list = &source->page.lists[i];
        struct dv_redis_stream *stream = &source->stream[list->stream];
        stream->own_done = list->entries->count == 0;
        if (stream->own_done)
            continue;
        const struct dv_redis_reply *last = &list->entries->items[list->entries->count - 1];
        if (last->type != DV_REDIS_ARRAY || last->count != 2 || last->items[0].type != DV_REDIS_TEXT ||
            !dv_stream_id_parse(last->items[0].text, last->items[0].length, &stream->own))
            return false;
    }
    for (uint32_t i = 0; i < source->streams.count; i++)
        done = done && source->stream[i].own_done;
    if (done)
        source->phase = DV_PHASE_NEW;
    return true;
}

void dv_redis_reading_wrong(struct dv_redis_source *source)
{
    source->page = (struct dv_redis_page){ 0 };
    dv_redis_drop(&source->reading.redis, "the server's answer is not what was asked for");
}

static void on_page(struct dv_redis_request *request)
{
    struct dv_redis_source *source = request->data;
    DV_CRASH_POINT("redis.page-answered");
    bool own = source->phase == DV_PHASE_OWN;
    uint32_t most = DV_BATCH_ROWS / (uint32_t)source->streams.count;
    if (is_answer(source, request) && (!open_page(source, request->reply, own) || (own && !follow_own(source)))) {
        dv_redis_reading_wrong(source);
        return;
    }
    if (source->page.count > 0 && source->count < most)
        source->count = 2 * source->count < most ? 2 * source->count : most;
    dv_redis_source_again(source);
}

static void read_page(struct dv_redis_source *source)
{
    struct dv_redis_word words[9 + 2 * DV_REDIS_STREAMS_MAX] = { dv_redis_text("XREADGROUP"), dv_redis_text("GROUP"),
                                                                 dv_redis_text(source->group),
                                                                 dv_redis_text(source->consumer), dv_redis_text("COUNT") };
    char count[NUMBER_TEXT], block[NUMBER_TEXT], own[DV_REDIS_STREAMS_MAX][DV_REDIS_ID_TEXT];
    bool fresh = source->phase == DV_PHASE_NEW;
    uint32_t used = 5;
    (void)snprintf(count, sizeof count, "%" PRIu32, source->count);
    (void)snprintf(block, sizeof block, "%" PRId64, source->block);
    words[used++] = dv_redis_text(count);
    if (fresh) {
        words[used++] = dv_redis_text("BLOCK");
        words[used++] = dv_redis_text(block);
    }
    words[used++] = dv_redis_text("STREAMS");
    for (uint32_t i = 0; i < source->streams.count; i++)
        words[used++] = dv_redis_text(source->streams.items[i]);
    for (uint32_t i = 0; i < source->streams.count; i++) {
        (void)dv_stream_id_text(own[i], source->stream[i].own);
        words[used++] = dv_redis_text(fresh ? ">" : own[i]);
    }
    DV_CRASH_POINT("redis.before-read");
    ask(source, on_page, fresh ? (uint64_t)source->block : 0, words, used);
}

/* ---- what others left lying ---- */

static uint64_t sweep_pause_ns(const struct dv_redis_source *source)
{
    uint64_t ms = (uint64_t)source->claim_after / 2;
    return (ms < SWEEP_MAX_MS ? ms : SWEEP_MAX_MS) * 1000000;
}

/* The next part of the sweep: the same stream from the cursor, the next stream, or none. */
static void sweep_on(struct dv_redis_source *source, struct dv_stream_id cursor)
{
    source->sweep_at = cursor;
    if (cursor.ms != 0 || cursor.seq != 0)
        return;
    source->sweep_stream++;
    if (source->sweep_stream < source->streams.count)
        return;
    source->sweeping = false;
    source->sweep_due_ns = dv_now_ns(dv_node_loop(source->node)) + sweep_pause_ns(source);
}

/* XAUTOCLAIM's [cursor, entries, deleted ids]. */
static bool open_claimed(struct dv_redis_source *source, const struct dv_redis_reply *reply)
{
    struct dv_stream_id cursor;
    if (reply->type != DV_REDIS_ARRAY || reply->count < 2 || reply->items[0].type != DV_REDIS_TEXT ||
        reply->items[1].type != DV_REDIS_ARRAY ||
        !dv_stream_id_parse(reply->items[0].text, reply->items[0].length, &cursor))
        return false;
    source->page = (struct dv_redis_page){ .again = true, .count = 1 };
    source->page.lists[0] = (struct dv_redis_list){ &reply->items[1], source->sweep_stream };
    if (reply->count > 2 && reply->items[2].type == DV_REDIS_ARRAY && reply->items[2].count > 0)
        source->page.gone = &reply->items[2];
    if (reply->items[1].count > 0)
        dv_log(DV_LOG_INFO, "source.claimed", DV_LOG_NAMED("node", dv_node_name(source->node)),
               DV_LOG_NUMBER("entries", reply->items[1].count));
    sweep_on(source, cursor);
    return true;
}

static void on_claimed(struct dv_redis_request *request)
{
    struct dv_redis_source *source = request->data;
    DV_CRASH_POINT("redis.claim-answered");
    if (is_answer(source, request) && !open_claimed(source, request->reply))
        dv_redis_reading_wrong(source);
    else
        dv_redis_source_again(source);
}

/* Of our own entries none is idle for long, but those in flight; they are known and passed over. */
static void sweep(struct dv_redis_source *source)
{
    char idle[NUMBER_TEXT], count[NUMBER_TEXT], start[DV_REDIS_ID_TEXT];
    (void)snprintf(idle, sizeof idle, "%" PRId64, source->claim_after);
    (void)snprintf(count, sizeof count, "%" PRIu32, source->count);
    (void)dv_stream_id_text(start, source->sweep_at);
    const struct dv_redis_word words[] = { dv_redis_text("XAUTOCLAIM"),
                                           dv_redis_text(source->streams.items[source->sweep_stream]),
                                           dv_redis_text(source->group), dv_redis_text(source->consumer),
                                           dv_redis_text(idle), dv_redis_text(start), dv_redis_text("COUNT"),
                                           dv_redis_text(count) };
    DV_CRASH_POINT("redis.before-claim");
    ask(source, on_claimed, 0, words, sizeof words / sizeof words[0]);
}

static bool sweep_is_due(struct dv_redis_source *source)
{
    if (!source->sweeping && dv_now_ns(dv_node_loop(source->node)) >= source->sweep_due_ns) {
        source->sweeping = true;
        source->sweep_stream = 0;
        source->sweep_at = (struct dv_stream_id){ 0 };
    }
    return source->sweeping;
}

void dv_redis_reading_next(struct dv_redis_source *source)
{
    if (source->phase == DV_PHASE_MAKE)
        make_group(source);
    else if (source->phase == DV_PHASE_NEW && sweep_is_due(source))
        sweep(source);
    else
        read_page(source);
}
