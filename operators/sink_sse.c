/* SPDX-License-Identifier: Apache-2.0
 * sink_sse.c - publishes batches on the live feed: one event each, `{"window":<ms since 1970>,"rows":[…]}`.
 *
 * The feed is the graph's one lossy edge: it drops its oldest event and never makes anybody wait, so this sink is always
 * done at once. What a batch tells is the node's state until the next one: the feed keeps it for clients that come later. */
#include "engine/feed.h"
#include "engine/json.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "operators/exit_guard.h"

#define WINDOW_COLUMN "window_start_ms"

enum { EVENT_FRAME_BYTES = 64 }; /* of an event, beside its rows */

struct sink_sse {
    struct dv_feed *feed; /* NULL: nobody serves it */
    int window;           /* the column that says when the rows' window began, or -1 */
    bool told;            /* that an event was too large */
};

static const struct dv_option options[] = { { 0 } };

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct sink_sse *sink = dv_state(node);
    sink->window = dv_schema_find(shape->in, WINDOW_COLUMN);
    if (sink->window >= 0 && shape->in->columns[sink->window].type != DV_TYPE_INT)
        sink->window = -1;
    return DV_OK;
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_sse *sink = dv_state(node);
    sink->feed = dv_node_service(node, DV_SERVICE_FEED);
    return DV_OK;
}

static int64_t window_of(const struct sink_sse *sink, const struct dv_batch *batch)
{
    if (sink->window >= 0 && dv_batch_cells(batch, (uint32_t)sink->window)[0].present)
        return dv_batch_cells(batch, (uint32_t)sink->window)[0].integer;
    return batch->row[0].created_ms;
}

static size_t event_bound(const struct dv_batch *batch)
{
    size_t bound = EVENT_FRAME_BYTES;
    for (uint32_t row = 0; row < batch->rows; row++)
        bound += dv_json_record_bound(batch, row) + 1;
    return bound;
}

/* The event's text; returns its length. */
static size_t write_event(const struct sink_sse *sink, const struct dv_batch *batch, char *out, size_t bound)
{
    struct dv_json json;
    dv_json_init(&json, out, bound);
    dv_json_open(&json, '{');
    dv_json_key(&json, "window");
    dv_json_int(&json, window_of(sink, batch));
    dv_json_key(&json, "rows");
    dv_json_open(&json, '[');
    char *at = json.at;
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (dv_batch_rejected(batch, row))
            continue;
        if (at != json.at)
            *at++ = ',';
        at += dv_json_record(batch, row, at);
    }
    json.at = at;
    dv_json_close(&json, ']');
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    return dv_json_length(&json);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_sse *sink = dv_state(node);
    if (sink->feed == NULL || batch->rows == 0)
        return DV_PASS;
    size_t bound = event_bound(batch);
    char *event = dv_arena_text(dv_node_scratch(node), bound);
    dv_rc rc = DV_E_LIMIT;
    if (event != NULL)
        rc = dv_feed_tell(sink->feed, dv_node_name(node), event, write_event(sink, batch, event, bound));
    if (rc != DV_OK && !sink->told)
        dv_log(DV_LOG_WARN, "feed.event-dropped", DV_LOG_NAMED("node", dv_node_name(node)), DV_LOG_REASON("why", rc));
    sink->told = sink->told || rc != DV_OK;
    return DV_PASS;
}

const struct dv_operator dv_operator_sink_sse = {
    .name = "sink-sse",
    .summary = "Publishes batches on the live feed of the dashboard.",
    .options = options,
    .size = sizeof(struct sink_sse),
    .sink = true,
    .exit = DV_EXIT_SSE,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
};
