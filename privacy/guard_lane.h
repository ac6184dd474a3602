/* SPDX-License-Identifier: Apache-2.0
 * guard_lane.h - one reading of a stream: as it comes, without its escapes, without escapes in escapes.
 *
 * Private to the guard. A lane is scanned like a text of its own, and its findings are told where they stand in the stream. Lane 0
 * is the stream, and what the decoder makes of a lane is the next one. Until the first byte that an escape can begin with, all
 * would be the same, and lane 0 stands for all. What may be the beginning of an escape is not decoded yet. */
#ifndef DV_PRIVACY_GUARD_LANE_H
#define DV_PRIVACY_GUARD_LANE_H

#include "privacy/decode.h"
#include "privacy/detect_rows.h"
#include "privacy/guard_list.h"

/* DV_GUARD_FOUND_MAX: undecided, or not let go yet: a finding has three bytes at least. */
enum { DV_GUARD_FOUND_MAX = 512, DV_GUARD_LANES = 3, DV_GUARD_LANE_BYTES = 4096 };

/* Members are private to the guard. */
struct dv_guard_lane {
    unsigned char *text;
    uint32_t *map; /* where each byte, and the one that comes next, begins in the window of the stream; NULL: right there */
    uint32_t size, length;
    uint32_t decoded; /* bytes that the next lane knows */
    struct dv_decoding decoding;
    bool is_open; /* of lane 0: the others are */
    struct dv_detect_state state;
    struct dv_guard_list found;  /* in this lane; state.count of them */
    struct dv_guard_list mapped; /* where they stand in the stream */
    struct dv_span found_room[DV_GUARD_FOUND_MAX], mapped_room[DV_GUARD_FOUND_MAX];
};

/* Decodes what came into the lanes behind; `over`: nothing more comes. */
void dv_guard_lanes_decode(struct dv_guard_lane lanes[DV_GUARD_LANES], bool over);

/* Scans what came; gives where in the stream nothing is decided yet. */
uint32_t dv_guard_lane_scan(struct dv_guard_lane *lane, const struct dv_detector *detector);

/* The text is over: scans the rest. */
void dv_guard_lane_finish(struct dv_guard_lane *lane, const struct dv_detector *detector);

/* Drops so many bytes of its front. */
void dv_guard_lane_drop(struct dv_guard_lane *lane, uint32_t bytes);

/* So many bytes of the front of the stream's window were dropped. */
void dv_guard_lane_shift(struct dv_guard_lane *lane, uint32_t bytes);

/* Wipes what it holds; the text begins anew. */
void dv_guard_lane_reset(struct dv_guard_lane *lane);

#endif
