/* SPDX-License-Identifier: Apache-2.0
 * feed.h - the live feed: a ring of the newest events that operators publish and the dashboard reads.
 *
 * This is the one lossy edge of a graph: it drops its oldest, and a reader that asks for what is gone is told so. Beside the
 * ring it keeps the newest event of each node that tells a state rather than news, so that who comes later need not wait for
 * the next; that, too, has bounds, and what does not fit is dropped. */
#ifndef DV_ENGINE_FEED_H
#define DV_ENGINE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_feed;

/* Of names, and of what is kept: for how many, of one, and of all together. */
enum { DV_FEED_NAME_MAX = 128, DV_FEED_KEPT_NAMES = 64, DV_FEED_KEPT_EVENT = 64 * 1024, DV_FEED_KEPT_BYTES = 1024 * 1024 };

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

/* The same, and keeps it until `name` tells something newer. An event over DV_FEED_KEPT_EVENT is not kept, nor is what it
 * replaces. */
DV_CHECKED dv_rc dv_feed_tell(struct dv_feed *feed, const char *name, const char *json, size_t length);

/* Calls `callback` for each event that is kept and newer than `after`, but not newer than `until`, oldest first. */
void dv_feed_kept(const struct dv_feed *feed, uint64_t after, uint64_t until, dv_feed_callback callback, void *data);

/* Drops what is kept: the graph that told it is another now. */
void dv_feed_forget(struct dv_feed *feed);

/* Calls `callback` for each event newer than `after` that is still there, oldest first. False: some are gone already
 * (the reader must start afresh). `after` beyond the newest counts as gone, too: it is another process's number. */
bool dv_feed_replay(const struct dv_feed *feed, uint64_t after, dv_feed_callback callback, void *data);

/* Begins a subscription; the memory of `reader` is lent until dv_feed_leave(). */
void dv_feed_join(struct dv_feed *feed, struct dv_feed_reader *reader);

/* Ends it; a reader that never joined does no harm. */
void dv_feed_leave(struct dv_feed *feed, struct dv_feed_reader *reader);

#endif
