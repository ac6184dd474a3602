/* SPDX-License-Identifier: Apache-2.0
 * guard_lane.c - decodes escape by escape, scans, and tells places of the stream. */
#include "privacy/guard_lane.h"

#include <string.h>

#include "engine/error.h"

static uint32_t less(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

static uint32_t place_of(const struct dv_guard_lane *lane, uint32_t at)
{
    return lane->map != NULL ? lane->map[at] : at;
}

/* The end in the stream of what ends before `at`: a character of more bytes may be one escape. */
static uint32_t end_of(const struct dv_guard_lane *lane, uint32_t at)
{
    while (lane->map != NULL && at < lane->length && lane->map[at] == lane->map[at - 1])
        at++;
    return place_of(lane, at);
}

/* The first byte that the scan may still look back to. */
static uint32_t needed_from(const struct dv_guard_lane *lane)
{
    uint32_t first = lane->state.next < lane->state.settled ? lane->state.next : lane->state.settled;
    if (lane->found.count > 0 && lane->found.spans[0].start < first)
        first = lane->found.spans[0].start;
    return less(first, DV_DETECT_BEHIND);
}

static void shift_state(struct dv_detect_state *state, uint32_t bytes)
{
    state->next = less(state->next, bytes);
    state->covered_end = less(state->covered_end, bytes);
    state->settled = less(state->settled, bytes);
}

void dv_guard_lane_drop(struct dv_guard_lane *lane, uint32_t bytes)
{
    memmove(lane->text, lane->text + bytes, lane->length - bytes);
    lane->length -= bytes;
    lane->decoded -= bytes;
    if (lane->map != NULL)
        memmove(lane->map, lane->map + bytes, (lane->length + 1) * sizeof *lane->map);
    shift_state(&lane->state, bytes);
    dv_guard_list_shift(&lane->found, bytes);
}

void dv_guard_lane_shift(struct dv_guard_lane *lane, uint32_t bytes)
{
    for (uint32_t i = 0; lane->is_open && i <= lane->length; i++)
        lane->map[i] = less(lane->map[i], bytes);
}

/* The other lanes become what lane 0 is as far as it was decoded: nothing in it can be a part of an escape. */
static void open_lane(const struct dv_guard_lane *first, struct dv_guard_lane *lane)
{
    const uint32_t from = needed_from(first);
    lane->length = lane->decoded = first->decoded - from;
    DV_ASSERT(lane->length < lane->size);
    memcpy(lane->text, first->text + from, lane->length);
    for (uint32_t i = 0; i <= lane->length; i++)
        lane->map[i] = from + i;
    lane->decoding = first->decoding;
    lane->state = first->state;
    shift_state(&lane->state, from);
    memcpy(lane->found.spans, first->found.spans, first->found.count * sizeof *lane->found.spans);
    lane->found.count = first->found.count;
    dv_guard_list_shift(&lane->found, from);
    lane->is_open = true;
}

static void append(struct dv_guard_lane *next, const struct dv_decoded *one, uint32_t place)
{
    if (next->length + one->count >= next->size)
        dv_guard_lane_drop(next, needed_from(next) < next->decoded ? needed_from(next) : next->decoded);
    DV_ASSERT(next->length + one->count < next->size);
    for (uint32_t i = 0; i < one->count; i++) {
        next->map[next->length] = place;
        next->text[next->length++] = one->bytes[i];
    }
}

static void decode(struct dv_guard_lane *lane, struct dv_guard_lane *next, bool over)
{
    struct dv_decoded one;
    while (lane->decoded < lane->length && dv_decode_one(&lane->decoding, lane->text, lane->length, lane->decoded, over, &one)) {
        append(next, &one, place_of(lane, lane->decoded));
        lane->decoded += one.taken;
    }
    next->map[next->length] = place_of(lane, lane->decoded);
}

void dv_guard_lanes_decode(struct dv_guard_lane lanes[DV_GUARD_LANES], bool over)
{
    struct dv_guard_lane *first = &lanes[0];
    for (; !first->is_open && first->decoded < first->length; first->decoded++) {
        if (dv_decode_begins(first->text[first->decoded])) {
            for (uint32_t i = 1; i < DV_GUARD_LANES; i++)
                open_lane(first, &lanes[i]);
            first->is_open = true;
            break;
        }
        dv_decode_pass(&first->decoding, first->text[first->decoded]);
    }
    for (uint32_t i = 0; first->is_open && i + 1 < DV_GUARD_LANES; i++)
        decode(&lanes[i], &lanes[i + 1], over);
    lanes[DV_GUARD_LANES - 1].decoded = lanes[DV_GUARD_LANES - 1].length;
}

static void map_found(struct dv_guard_lane *lane)
{
    lane->mapped.count = lane->found.count;
    for (size_t i = 0; i < lane->found.count; i++) {
        lane->mapped.spans[i] = lane->found.spans[i];
        lane->mapped.spans[i].start = place_of(lane, lane->found.spans[i].start);
        lane->mapped.spans[i].end = end_of(lane, lane->found.spans[i].end);
    }
}

uint32_t dv_guard_lane_scan(struct dv_guard_lane *lane, const struct dv_detector *detector)
{
    lane->state.count = lane->found.count;
    dv_detect_open(detector, (const char *)lane->text, lane->length, &lane->state, lane->found.spans, DV_GUARD_FOUND_MAX);
    lane->found.count = lane->state.count;
    map_found(lane);
    return place_of(lane, lane->state.settled);
}

void dv_guard_lane_finish(struct dv_guard_lane *lane, const struct dv_detector *detector)
{
    lane->state.count = lane->found.count;
    dv_detect_close(detector, (const char *)lane->text, lane->length, &lane->state, lane->found.spans, DV_GUARD_FOUND_MAX);
    lane->found.count = lane->state.count;
    map_found(lane);
}

void dv_guard_lane_reset(struct dv_guard_lane *lane)
{
    explicit_bzero(lane->text, lane->length);
    lane->length = lane->decoded = 0;
    lane->decoding = (struct dv_decoding){ 0 };
    lane->state = (struct dv_detect_state){ 0 };
    lane->found.count = lane->mapped.count = 0;
    lane->is_open = false;
}
