/* SPDX-License-Identifier: Apache-2.0
 * sse.c - one write in flight per client; what comes next is read from the ring when that write has left. */
#include "dashboard/server/sse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "dashboard/server/reply.h"
#include "dashboard/server/sse_frame.h"
#include "engine/memory.h"
#include "engine/operator.h"

enum { HEARTBEAT_S = 15, STALL_S = 5, NOTE_BYTES = 256 };
static const uint64_t second_ns = 1000000000;

enum phase { LIVE, LAGGED, LEAVING, OVER };

/* One client; in its request's pool, so that it goes with the request however that ends. */
struct stream {
    h2o_generator_t super;
    h2o_linklist_t link;
    struct dv_hub *hub;
    h2o_req_t *request;
    uint64_t cursor; /* the last event of the ring that it was sent, or needs not be */
    uint64_t caught; /* the last kept event it was sent; when it is `cursor`, the ring is next */
    uint64_t sent_ns;
    size_t passed; /* bytes published since the write in flight began */
    char *flying;  /* the bytes of that write */
    bool in_flight;
    enum phase phase;
};

/* What a write will hold: measured first, then written. */
struct fill {
    struct stream *stream;
    char *out; /* NULL while measuring */
    size_t length;
    uint64_t last;
    bool full;
};

static void transmit(struct stream *stream, char *text, size_t length, bool final)
{
    DV_ASSERT(!stream->in_flight && stream->phase != OVER && stream->flying == NULL);
    stream->flying = text;
    stream->in_flight = true;
    stream->passed = 0;
    stream->sent_ns = dv_now_ns(stream->hub->loop);
    if (final)
        stream->phase = OVER;
    h2o_iovec_t buffer = h2o_iovec_init(text, length);
    h2o_send(stream->request, &buffer, 1, final ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

/* A client for whom there is no memory is cut off: it comes back, and the others go on. */
static void cut_off(struct stream *stream)
{
    h2o_conn_t *connection = stream->request->conn;
    (void)shutdown(h2o_socket_get_fd(connection->callbacks->get_socket(connection)), SHUT_RDWR);
}

static void send_note(struct stream *stream, const char *note, bool final)
{
    size_t length = strlen(note);
    char *text = dv_memory_alloc(length);
    if (text == NULL) {
        cut_off(stream);
        return;
    }
    memcpy(text, note, length);
    transmit(stream, text, length, final);
}

static void add_event(const struct dv_event *event, void *data)
{
    struct fill *fill = data;
    size_t bound = dv_sse_frame_bound(event);
    if (fill->out == NULL) {
        fill->full = fill->full || fill->length + bound > DV_SSE_PENDING;
        if (!fill->full) {
            fill->length += bound;
            fill->last = event->id;
        }
    } else if (event->id <= fill->last) {
        fill->length += dv_sse_frame(fill->out + fill->length, fill->stream->hub->epoch, event);
    }
}

/* What comes next: of the kept events those that were there when the client came, then those of the ring. False: some of
 * these are gone. */
static bool look_next(const struct stream *stream, struct fill *fill)
{
    if (stream->caught == stream->cursor)
        return dv_feed_replay(stream->hub->feed, stream->cursor, add_event, fill);
    dv_feed_kept(stream->hub->feed, stream->caught, stream->cursor, add_event, fill);
    return true;
}

/* Sends what was measured, and notes how far it goes. */
static void send_fill(struct stream *stream, struct fill *fill)
{
    fill->out = dv_memory_alloc(fill->length);
    if (fill->out == NULL) {
        cut_off(stream);
        return;
    }
    fill->length = 0;
    bool there = look_next(stream, fill);
    DV_ASSERT(there);
    if (stream->caught == stream->cursor)
        stream->cursor = fill->last;
    stream->caught = fill->last;
    transmit(stream, fill->out, fill->length, false);
}

static void send_events(struct stream *stream)
{
    struct fill fill = { .stream = stream };
    bool there = look_next(stream, &fill);
    if (there && fill.length == 0 && stream->caught != stream->cursor) {
        stream->caught = stream->cursor;
        there = look_next(stream, &fill);
    }
    if (!there) {
        stream->hub->lagged++;
        send_note(stream, "event: lag\ndata: {}\n\n", true);
        return;
    }
    if (fill.length > 0)
        send_fill(stream, &fill);
}

static void pump(struct stream *stream)
{
    if (stream->phase == LIVE)
        send_events(stream);
    else if (stream->phase == LAGGED)
        send_note(stream, "event: lag\ndata: {}\n\n", true);
    else if (stream->phase == LEAVING)
        send_note(stream, "event: bye\ndata: {}\n\n", true);
}

static void on_proceed(h2o_generator_t *self, h2o_req_t *request)
{
    (void)request;
    struct stream *stream = (struct stream *)self;
    dv_memory_free(stream->flying);
    stream->flying = NULL;
    stream->in_flight = false;
    pump(stream);
}

static void on_stop(h2o_generator_t *self, h2o_req_t *request)
{
    (void)request;
    ((struct stream *)self)->phase = OVER;
}

/* The request's pool is cleared: the write has left or failed, nobody reads `flying` any more. */
static void on_dispose(void *memory)
{
    struct stream *stream = memory;
    dv_memory_free(stream->flying);
    h2o_linklist_unlink(&stream->link);
    DV_ASSERT(stream->hub->live > 0);
    stream->hub->live--;
}

static struct stream *stream_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct stream, link, link);
}

static void on_flush(struct dv_timer *timer)
{
    struct dv_hub *hub = timer->data;
    hub->flush_due = false;
    for (h2o_linklist_t *link = hub->streams.next; link != &hub->streams;) {
        struct stream *stream = stream_of(link);
        link = link->next;
        if (!stream->in_flight)
            pump(stream);
    }
}

/* Publishing happens inside an operator's call, so the writes wait for the loop's next turn; by then several events may
 * share one. */
static void on_event(const struct dv_event *event, void *data)
{
    struct dv_hub *hub = data;
    hub->newest = event->id;
    for (h2o_linklist_t *link = hub->streams.next; link != &hub->streams; link = link->next) {
        struct stream *stream = stream_of(link);
        if (!stream->in_flight || stream->phase != LIVE)
            continue;
        stream->passed += event->length;
        if (stream->passed > DV_SSE_PENDING) {
            stream->phase = LAGGED;
            hub->lagged++;
        }
    }
    if (hub->flush_due)
        return;
    hub->flush_due = true;
    dv_timer_start(&hub->flush, 0);
}

void dv_hub_init(struct dv_hub *hub, struct dv_loop *loop, struct dv_feed *feed, uint32_t live_max)
{
    *hub = (struct dv_hub){ .loop = loop, .feed = feed, .live_max = live_max };
    hub->reader = (struct dv_feed_reader){ .callback = on_event, .data = hub };
    h2o_linklist_init_anchor(&hub->streams);
    if (getrandom(&hub->epoch, sizeof hub->epoch, GRND_NONBLOCK) != (ssize_t)sizeof hub->epoch)
        hub->epoch = (uint64_t)dv_wall_ms(loop) ^ dv_now_ns(loop);
    dv_timer_init(loop, &hub->flush, on_flush, hub);
    dv_feed_join(feed, &hub->reader);
}

void dv_hub_close(struct dv_hub *hub)
{
    DV_ASSERT(hub->live == 0);
    dv_feed_leave(hub->feed, &hub->reader);
    dv_timer_close(&hub->flush);
}

static void look_only(const struct dv_event *event, void *data)
{
    (void)event;
    (void)data;
}

/* Where a client begins, or goes on when it comes back. False: what it missed is gone, it must start afresh. */
static bool resume(const struct dv_hub *hub, struct dv_span id, struct stream *stream)
{
    stream->cursor = hub->newest;
    if (id.text == NULL)
        return true;
    uint64_t seq = 0;
    if (!dv_sse_parse_id(id, hub->epoch, &seq) || !dv_feed_replay(hub->feed, seq, look_only, NULL))
        return false;
    stream->cursor = stream->caught = seq;
    return true;
}

static void begin(h2o_req_t *request)
{
    request->http1_is_persistent = 0;
    dv_reply_begin(request, 200, "text/event-stream; charset=utf-8");
    dv_reply_header(request, "cache-control", "no-store");
    dv_reply_header(request, "x-accel-buffering", "no");
}

static void refuse(struct dv_hub *hub, h2o_req_t *request)
{
    hub->refused++;
    dv_reply_header(request, "retry-after", "5");
    dv_reply_problem(request, 503, "Too many clients read the live stream; try again later.");
}

void dv_hub_open(struct dv_hub *hub, h2o_req_t *request, const struct dv_head *head)
{
    if (hub->live >= hub->live_max) {
        refuse(hub, request);
        return;
    }
    begin(request);
    if (dv_span_is(head->method, "HEAD")) {
        h2o_send_inline(request, "", 0);
        return;
    }
    struct stream *stream = h2o_mem_alloc_shared(&request->pool, sizeof *stream, on_dispose);
    *stream = (struct stream){ .super = { on_proceed, on_stop }, .hub = hub, .request = request };
    h2o_linklist_insert(&hub->streams, &stream->link);
    hub->live++;
    hub->opened++;
    char note[NOTE_BYTES];
    const char *first = "retry: 2000\n\n";
    if (!resume(hub, head->last_event_id, stream)) {
        int length = snprintf(note, sizeof note, "%sid: %016" PRIx64 "-%" PRIu64 "\nevent: reset\ndata: {}\n\n", first,
                              hub->epoch, hub->newest);
        DV_ASSERT(length > 0 && (size_t)length < sizeof note);
        first = note;
    }
    h2o_start_response(request, &stream->super);
    send_note(stream, first, false);
}

void dv_hub_sweep(struct dv_hub *hub)
{
    uint64_t now = dv_now_ns(hub->loop);
    for (h2o_linklist_t *link = hub->streams.next; link != &hub->streams;) {
        struct stream *stream = stream_of(link);
        link = link->next;
        uint64_t quiet = now - stream->sent_ns;
        if (stream->in_flight && quiet >= STALL_S * second_ns) {
            hub->stalled++;
            cut_off(stream);
        } else if (!stream->in_flight && stream->phase == LIVE && quiet >= HEARTBEAT_S * second_ns) {
            /* h2o does not read while it answers: only a failing write tells that a client has left. */
            send_note(stream, ": hb\n\n", false);
        }
    }
}

void dv_hub_goodbye(struct dv_hub *hub)
{
    for (h2o_linklist_t *link = hub->streams.next; link != &hub->streams;) {
        struct stream *stream = stream_of(link);
        link = link->next;
        if (stream->phase == OVER)
            continue;
        stream->phase = LEAVING;
        if (!stream->in_flight)
            pump(stream);
    }
}
