/* SPDX-License-Identifier: Apache-2.0
 * sse_frame.h - the text of the event stream: frames out, and the id a client comes back with. */
#ifndef DV_DASHBOARD_SSE_FRAME_H
#define DV_DASHBOARD_SSE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dashboard/server/head.h"
#include "engine/feed.h"

/* The most bytes of events in one write to a client, and the most that may be published while that write lasts. */
enum { DV_SSE_PENDING = 64 * 1024 };

/* The most bytes that dv_sse_frame() can write for `event`. */
size_t dv_sse_frame_bound(const struct dv_event *event);

/* Writes `event` as `id: <epoch>-<seq>`, `event:` and `data:`; an event over DV_SSE_PENDING is replaced by one named
 * "skipped" that tells its name and size. Returns the length. */
size_t dv_sse_frame(char *out, uint64_t epoch, const struct dv_event *event);

/* Reads a Last-Event-ID. False: malformed, or of another process's epoch. */
bool dv_sse_parse_id(struct dv_span id, uint64_t epoch, uint64_t *ret_seq);

#endif
