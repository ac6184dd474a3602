/* SPDX-License-Identifier: Apache-2.0
 * aggregate_time.c - the one open window and what was told before it. */
#include "operators/aggregate_time.h"

/* A clock that is set back by less moves nothing. */
enum { CLOCK_SLACK_MS = 1000 };

/* Whether the clock was ahead when the window of this beginning was opened: nobody's time is that late, so no record would end
 * it, or any that goes on from it, until the clock is there again. */
static bool is_ahead(int64_t start_ms, int64_t now_ms)
{
    return start_ms > now_ms && start_ms - now_ms > CLOCK_SLACK_MS;
}

/* A record's time, between 1970 and now. */
static int64_t time_of(const struct dv_batch *batch, uint32_t row, int64_t now_ms)
{
    int64_t created_ms = batch->row[row].created_ms;
    if (created_ms > now_ms)
        return now_ms;
    return created_ms > 0 ? created_ms : 0;
}

/* A window that was told before its end (a reload, a pause of who sends) goes on. What is older than that window cannot
 * have one of its own, as time would run backwards for who reads: it goes into the next one. */
static void open_window(struct dv_aggregate_time *time, int64_t at_ms, int64_t now_ms)
{
    int64_t start_ms = at_ms - at_ms % time->window_ms;
    if (is_ahead(time->told_ms - time->window_ms, now_ms))
        time->told_ms = 0;
    if (start_ms < time->told_ms) {
        bool goes_on = start_ms == time->told_ms - time->window_ms || time->told_ms > now_ms;
        start_ms = goes_on ? time->told_ms - time->window_ms : time->told_ms;
    }
    time->span = (struct dv_aggregate_span){ start_ms, start_ms + time->window_ms };
    time->open = true;
}

uint32_t dv_aggregate_time_take(struct dv_aggregate_time *time, const struct dv_batch *batch, uint32_t from, int64_t now_ms)
{
    DV_ASSERT(time->window_ms > 0 && from < batch->rows);
    if (!time->open)
        open_window(time, time_of(batch, from, now_ms), now_ms);
    else if (is_ahead(time->span.start_ms, now_ms))
        return from;
    for (uint32_t row = from; row < batch->rows; row++) {
        int64_t at_ms = time_of(batch, row, now_ms);
        if (at_ms >= time->span.end_ms)
            return row;
        time->late += at_ms < time->span.start_ms;
    }
    return batch->rows;
}

uint64_t dv_aggregate_time_left(const struct dv_aggregate_time *time, int64_t now_ms)
{
    DV_ASSERT(time->open);
    int64_t from_ms = time->span.end_ms > now_ms ? time->span.end_ms : now_ms;
    return (uint64_t)(from_ms - now_ms + time->lateness_ms);
}

void dv_aggregate_time_told(struct dv_aggregate_time *time)
{
    DV_ASSERT(time->open && time->span.end_ms >= time->told_ms);
    time->told_ms = time->span.end_ms;
    time->open = false;
}
