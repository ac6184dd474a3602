/* SPDX-License-Identifier: Apache-2.0
 * sse.h - the hub of the live stream: many clients on one feed, and none of them is ever waited for.
 *
 * A client that begins is first sent the newest event of each node, as the feed keeps it. Then it is sent what is new.
 *
 * A client keeps no queue of its own, only the number of the last event it was sent. When its last write has left, the
 * next is filled from the feed's ring: at most 64 KiB. A client that takes more than 5 s for a write is cut off; one
 * that lets 64 KiB pass meanwhile, or that the ring has left behind, is told `event: lag` and the stream ends. */
#ifndef DV_DASHBOARD_SSE_H
#define DV_DASHBOARD_SSE_H

#include <h2o.h>
#include <stdbool.h>
#include <stdint.h>

#include "dashboard/server/head.h"
#include "engine/feed.h"
#include "engine/loop.h"

/* The hub; lives in the server. */
struct dv_hub {
    struct dv_loop *loop;
    struct dv_feed *feed;
    struct dv_feed_reader reader;
    struct dv_timer flush;
    bool flush_due;
    h2o_linklist_t streams;
    uint64_t epoch;
    uint64_t newest; /* id of the newest event */
    uint32_t live, live_max;
    uint64_t opened, refused, lagged, stalled; /* streams so far */
};

/* Joins the feed. The hub starts with `live_max` streams at most. */
void dv_hub_init(struct dv_hub *hub, struct dv_loop *loop, struct dv_feed *feed, uint32_t live_max);

/* Answers GET /v1/events: with a stream, or 503 when there are too many. */
void dv_hub_open(struct dv_hub *hub, h2o_req_t *request, const struct dv_head *head);

/* Once a second: cuts off clients whose write takes too long, and keeps quiet streams awake. */
void dv_hub_sweep(struct dv_hub *hub);

/* Ends every stream with `event: bye`. */
void dv_hub_goodbye(struct dv_hub *hub);

/* Leaves the feed. */
void dv_hub_close(struct dv_hub *hub);

#endif
