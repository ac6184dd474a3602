/* SPDX-License-Identifier: Apache-2.0
 * aggregate_time.h - which window a record belongs to by its own time, `created_ms`. No I/O; the clock is the caller's.
 *
 * One window is open at a time, and each that is told ends later than the one before. A record of a later window ends the
 * open one; a record of an earlier one is counted in the open one, as late. So no record is lost, and none is counted
 * twice. Nobody's time is later than the clock's: what claims to be of the year 2200 is of now, and moves no window.
 * Where the clock itself was ahead, the window of then is told, and the next one begins before it. */
#ifndef DV_OPERATORS_AGGREGATE_TIME_H
#define DV_OPERATORS_AGGREGATE_TIME_H

#include <stdbool.h>

#include "operators/aggregate_window.h"

/* Zero it and set `window_ms` and `lateness_ms`. */
struct dv_aggregate_time {
    int64_t window_ms;
    int64_t lateness_ms; /* how long after its end, and after the last record, a window is ended by the clock */
    struct dv_aggregate_span span; /* of the open window, if `open` */
    bool open;
    int64_t told_ms; /* the end of the newest window that was told; 0: none was */
    uint64_t late;   /* records that were older than the window they were counted in */
};

/* Opens a window for row `from` of `batch` if none is open. Gives back the row, from `from` on, that is the first to belong
 * to another window, a later one unless the clock was ahead; `batch->rows` if there is none. The rows before it are for the open window, and are noted if late. */
uint32_t dv_aggregate_time_take(struct dv_aggregate_time *time, const struct dv_batch *batch, uint32_t from, int64_t now_ms);

/* In how many milliseconds the clock ends the open window if no record comes meanwhile. */
uint64_t dv_aggregate_time_left(const struct dv_aggregate_time *time, int64_t now_ms);

/* The open window was told, at its end or before. What still comes of it is told as one more window of the same span. */
void dv_aggregate_time_told(struct dv_aggregate_time *time);

#endif
