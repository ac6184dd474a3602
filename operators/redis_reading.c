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
static void rest(struct dv_redis_lane *lane, const char *reason)
{
    if (lane->reason != reason) {
        const struct dv_log_pair why = { "reason", DV_LOG_WORD, 0, reason };
        dv_log(DV_LOG_WARN, "source.waits", DV_LOG_NAMED("node", dv_node_name(lane->source->node)), why);
    }
    lane->reason = reason;
    lane->resting = true;
    lane->phase = DV_PHASE_MAKE;
    lane->making = 0;
}

static void ask(struct dv_redis_lane *lane, dv_redis_callback callback, uint64_t wait_ms,
                const struct dv_redis_word *words, uint32_t count)
{
    lane->request = (struct dv_redis_request){ .callback = callback, .data = lane, .wait_ms = wait_ms };
    dv_rc rc = dv_redis_request(&lane->reading.redis, &lane->request, words, count);
    lane->asked = rc == DV_OK;
    if (rc == DV_E_MEMORY)
        rest(lane, "no memory for a command");
}

/* What every answer has in common. False: there is none to be looked at. */
static bool is_answer(struct dv_redis_lane *lane, const struct dv_redis_request *request)
{
    const char *reason = NULL;
    lane->asked = false;
    if (lane->source->ended || request->rc != DV_OK)
        return false; /* when the connection is lost, on_reading() sees to it */
    enum dv_redis_trouble trouble = dv_redis_judge(request->reply, &reason);
    bool mistake = dv_redis_is_mistake(&lane->source->server, trouble);
    if (trouble == DV_REDIS_ELSEWHERE && !mistake)
        return false; /* the connection goes there */
    if (trouble == DV_REDIS_FINE || (trouble == DV_REDIS_HAVE_GROUP && lane->phase == DV_PHASE_MAKE)) {
        lane->reason = NULL;
        return true;
    }
    if (mistake && !lane->begun)
        lane->source->refusal = reason;
    rest(lane, reason);
    if (trouble == DV_REDIS_NO_GROUP)
        lane->resting = false; /* it is made anew at once */
    return false;
}

static void on_made(struct dv_redis_request *request)
{
    struct dv_redis_lane *lane = request->data;
    DV_CRASH_POINT("redis.group-made");
    if (is_answer(lane, request) && ++lane->making == lane->stream_count) {
        lane->begun = true;
        lane->phase = DV_PHASE_OWN;
        for (uint32_t i = 0; i < lane->stream_count; i++) {
            dv_redis_stream_at(lane, i)->own = (struct dv_stream_id){ 0 };
            dv_redis_stream_at(lane, i)->own_done = false;
        }
        dv_redis_trim_check(lane);
    }
    dv_redis_source_again(lane->source);
}

static void make_group(struct dv_redis_lane *lane)
{
    const struct dv_redis_word words[] = { dv_redis_text("XGROUP"), dv_redis_text("CREATE"),
                                           dv_redis_text(dv_redis_stream_name(lane, lane->making)),
                                           dv_redis_text(lane->source->group), dv_redis_text("0"), dv_redis_text("MKSTREAM") };
    DV_CRASH_POINT("redis.before-group");
    ask(lane, on_made, 0, words, sizeof words / sizeof words[0]);
}

/* ---- pages ---- */

static int stream_of(const struct dv_redis_lane *lane, const struct dv_redis_reply *name)
{
    for (uint32_t i = 0; i < lane->stream_count; i++)
        if (dv_redis_is(name, dv_redis_stream_name(lane, i)))
            return (int)lane->streams[i];
    return -1;
}

/* XREADGROUP's [[stream, entries], ...]; false: it is something else. */
static bool open_page(struct dv_redis_lane *lane, const struct dv_redis_reply *reply, bool own)
{
    struct dv_redis_page *page = &lane->page;
    *page = (struct dv_redis_page){ .again = own };
    if (reply->type == DV_REDIS_NIL)
        return true;
    if (reply->type != DV_REDIS_ARRAY || reply->count > lane->stream_count)
        return false;
    for (uint32_t i = 0; i < reply->count; i++) {
        const struct dv_redis_reply *pair = &reply->items[i];
        int stream = pair->type == DV_REDIS_ARRAY && pair->count == 2 ? stream_of(lane, &pair->items[0]) : -1;
        if (stream < 0 || pair->items[1].type != DV_REDIS_ARRAY)
            return false;
        page->lists[page->count++] = (struct dv_redis_list){ &pair->items[1], (uint32_t)stream };
    }
    return true;
}

/* How far our own entries are read; the phase ends when none are left. */
static bool follow_own(struct dv_redis_lane *lane)
{
    bool done = true;
    for (uint32_t i = 0; i < lane->page.count; i++) {
        const struct dv_redis_list *list = &lane->page.lists[i];
        struct dv_redis_stream *stream = &lane->source->stream[list->stream];
        stream->own_done = list->entries->count == 0;
        if (stream->own_done)
            continue;
        const struct dv_redis_reply *last = &list->entries->items[list->entries->count - 1];
        if (last->type != DV_REDIS_ARRAY || last->count != 2 || last->items[0].type != DV_REDIS_TEXT ||
            !dv_stream_id_parse(last->items[0].text, last->items[0].length, &stream->own))
            return false;
    }
    for (uint32_t i = 0; i < lane->stream_count; i++)
        done = done && dv_redis_stream_at(lane, i)->own_done;
    if (done)
        lane->phase = DV_PHASE_NEW;
    return true;
}

void dv_redis_reading_wrong(struct dv_redis_lane *lane)
{
    lane->page = (struct dv_redis_page){ 0 };
    dv_redis_drop(&lane->reading.redis, "the server's answer is not what was asked for");
}

static void on_page(struct dv_redis_request *request)
{
    struct dv_redis_lane *lane = request->data;
    DV_CRASH_POINT("redis.page-answered");
    bool own = lane->phase == DV_PHASE_OWN;
    uint32_t most = DV_BATCH_ROWS / (uint32_t)lane->stream_count;
    if (is_answer(lane, request) && (!open_page(lane, request->reply, own) || (own && !follow_own(lane)))) {
        dv_redis_reading_wrong(lane);
        return;
    }
    if (lane->page.count > 0 && lane->count < most)
        lane->count = 2 * lane->count < most ? 2 * lane->count : most;
    dv_redis_source_again(lane->source);
}

static void read_page(struct dv_redis_lane *lane)
{
    struct dv_redis_word words[9 + 2 * DV_REDIS_STREAMS_MAX] = { dv_redis_text("XREADGROUP"), dv_redis_text("GROUP"),
                                                                 dv_redis_text(lane->source->group),
                                                                 dv_redis_text(lane->source->consumer), dv_redis_text("COUNT") };
    char count[NUMBER_TEXT], block[NUMBER_TEXT], own[DV_REDIS_STREAMS_MAX][DV_REDIS_ID_TEXT];
    bool fresh = lane->phase == DV_PHASE_NEW;
    uint32_t used = 5;
    (void)snprintf(count, sizeof count, "%" PRIu32, lane->count);
    (void)snprintf(block, sizeof block, "%" PRId64, lane->source->block);
    words[used++] = dv_redis_text(count);
    if (fresh) {
        words[used++] = dv_redis_text("BLOCK");
        words[used++] = dv_redis_text(block);
    }
    words[used++] = dv_redis_text("STREAMS");
    for (uint32_t i = 0; i < lane->stream_count; i++)
        words[used++] = dv_redis_text(dv_redis_stream_name(lane, i));
    for (uint32_t i = 0; i < lane->stream_count; i++) {
        (void)dv_stream_id_text(own[i], dv_redis_stream_at(lane, i)->own);
        words[used++] = dv_redis_text(fresh ? ">" : own[i]);
    }
    DV_CRASH_POINT("redis.before-read");
    ask(lane, on_page, fresh ? (uint64_t)lane->source->block : 0, words, used);
}

/* ---- what others left lying ---- */

static uint64_t sweep_pause_ns(const struct dv_redis_lane *lane)
{
    uint64_t ms = (uint64_t)lane->source->claim_after / 2;
    return (ms < SWEEP_MAX_MS ? ms : SWEEP_MAX_MS) * 1000000;
}

/* The next part of the sweep: the same stream from the cursor, the next stream, or none. */
static void sweep_on(struct dv_redis_lane *lane, struct dv_stream_id cursor)
{
    lane->sweep_at = cursor;
    if (cursor.ms != 0 || cursor.seq != 0)
        return;
    lane->sweep_stream++;
    if (lane->sweep_stream < lane->stream_count)
        return;
    lane->sweeping = false;
    lane->sweep_due_ns = dv_now_ns(dv_node_loop(lane->source->node)) + sweep_pause_ns(lane);
}

/* XAUTOCLAIM's [cursor, entries, deleted ids]. */
static bool open_claimed(struct dv_redis_lane *lane, const struct dv_redis_reply *reply)
{
    struct dv_stream_id cursor;
    if (reply->type != DV_REDIS_ARRAY || reply->count < 2 || reply->items[0].type != DV_REDIS_TEXT ||
        reply->items[1].type != DV_REDIS_ARRAY ||
        !dv_stream_id_parse(reply->items[0].text, reply->items[0].length, &cursor))
        return false;
    lane->page = (struct dv_redis_page){ .again = true, .count = 1 };
    lane->page.lists[0] = (struct dv_redis_list){ &reply->items[1], lane->streams[lane->sweep_stream] };
    if (reply->count > 2 && reply->items[2].type == DV_REDIS_ARRAY && reply->items[2].count > 0)
        lane->page.gone = &reply->items[2];
    if (reply->items[1].count > 0)
        dv_log(DV_LOG_INFO, "source.claimed", DV_LOG_NAMED("node", dv_node_name(lane->source->node)),
               DV_LOG_NUMBER("entries", reply->items[1].count));
    sweep_on(lane, cursor);
    return true;
}

static void on_claimed(struct dv_redis_request *request)
{
    struct dv_redis_lane *lane = request->data;
    DV_CRASH_POINT("redis.claim-answered");
    if (is_answer(lane, request) && !open_claimed(lane, request->reply))
        dv_redis_reading_wrong(lane);
    else
        dv_redis_source_again(lane->source);
}

/* Of our own entries none is idle for long, but those in flight; they are known and passed over. */
static void sweep(struct dv_redis_lane *lane)
{
    char idle[NUMBER_TEXT], count[NUMBER_TEXT], start[DV_REDIS_ID_TEXT];
    (void)snprintf(idle, sizeof idle, "%" PRId64, lane->source->claim_after);
    (void)snprintf(count, sizeof count, "%" PRIu32, lane->count);
    (void)dv_stream_id_text(start, lane->sweep_at);
    const struct dv_redis_word words[] = { dv_redis_text("XAUTOCLAIM"),
                                           dv_redis_text(dv_redis_stream_name(lane, lane->sweep_stream)),
                                           dv_redis_text(lane->source->group), dv_redis_text(lane->source->consumer),
                                           dv_redis_text(idle), dv_redis_text(start), dv_redis_text("COUNT"),
                                           dv_redis_text(count) };
    DV_CRASH_POINT("redis.before-claim");
    ask(lane, on_claimed, 0, words, sizeof words / sizeof words[0]);
}

static bool sweep_is_due(struct dv_redis_lane *lane)
{
    if (!lane->sweeping && dv_now_ns(dv_node_loop(lane->source->node)) >= lane->sweep_due_ns) {
        lane->sweeping = true;
        lane->sweep_stream = 0;
        lane->sweep_at = (struct dv_stream_id){ 0 };
    }
    return lane->sweeping;
}

void dv_redis_reading_next(struct dv_redis_lane *lane)
{
    if (lane->phase == DV_PHASE_MAKE)
        make_group(lane);
    else if (lane->phase == DV_PHASE_NEW && sweep_is_due(lane))
        sweep(lane);
    else
        read_page(lane);
}
