/* SPDX-License-Identifier: Apache-2.0
 * feed.h - the live feed: a ring of the newest events that operators publish and the dashboard reads.
 *
 * This is the one lossy edge of a graph: it drops its oldest, and a reader that asks for what is gone is told so. */
#ifndef DV_ENGINE_FEED_H
#define DV_ENGINE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_feed;

/* One event. `id` counts from 1 in this process; the texts live until the event leaves the ring. */
struct dv_event {
    uint64_t id;
    const char *name; /* "stats", or a sink's node name: a DV_NAME */
    const char *json; /* one line of JSON, without newlines */
    size_t length;
};

typedef void (*dv_feed_callback)(const struct dv_event *event, void *data);

/* A reader's subscription; lives in the reader until dv_feed_leave(). */
struct dv_feed_reader {
    dv_feed_callback callback;
    void *data;
    struct dv_feed_reader *next;
};

/* A ring of at most `events` events and `bytes` bytes of JSON. NULL when memory is short. Free with dv_feed_free(). */
struct dv_feed *dv_feed_new(uint32_t events, size_t bytes);
void dv_feed_free(struct dv_feed *feed);

/* Publishes a copy of `json`; calls every reader before it returns. DV_E_LIMIT: larger than the whole ring. */
DV_CHECKED dv_rc dv_feed_publish(struct dv_feed *feed, const char *name, const char *json, size_t length);

/* Calls `callback` for each event newer than `after` that is still there, oldest first. False: some are gone already
 * (the reader must start afresh). `after` beyond the newest counts as gone, too: it is another process's number. */
bool dv_feed_replay(const struct dv_feed *feed, uint64_t after, dv_feed_callback callback, void *data);

/* Begins a subscription; the memory of `reader` is lent until dv_feed_leave(). */
void dv_feed_join(struct dv_feed *feed, struct dv_feed_reader *reader);

/* Ends it; a reader that never joined does no harm. */
void dv_feed_leave(struct dv_feed *feed, struct dv_feed_reader *reader);

#endif
