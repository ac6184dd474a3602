/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_marker.h - writes marks to the journal of dead letters, durably and alone.
 *
 * The lock that it holds from open to close keeps a second command from replaying or dropping the same letters. */
#ifndef DV_OPERATORS_DEAD_LETTER_MARKER_H
#define DV_OPERATORS_DEAD_LETTER_MARKER_H

#include "connectors/file.h"
#include "operators/dead_letter_marks.h"

/* Lives in memory that stays until the loop has run dry after close(). */
struct dv_marker {
    struct dv_appender appender;
    dv_file_callback progress;
    void *data;
};

/* Opens the journal at `path`; a torn mark at its end is cut off. `progress` (may be NULL) is called when marks became
 * durable, or cannot. DV_E_CONFIG: another command has it; DV_E_IO, DV_E_FULL, DV_E_MEMORY. */
DV_CHECKED dv_rc dv_marker_open(struct dv_marker *marker, struct dv_loop *loop, const char *path,
                                dv_file_callback progress, void *data, struct dv_error *error);

/* Adds a mark, which is written with the next flush. DV_E_MEMORY, or DV_E_IO once a sync has failed. */
DV_CHECKED dv_rc dv_marker_put(struct dv_marker *marker, const struct dv_mark *mark);
void dv_marker_flush(struct dv_marker *marker);

/* Whether all marks are durable; or, with dv_marker_failed(), never will be. */
bool dv_marker_idle(const struct dv_marker *marker);
bool dv_marker_failed(const struct dv_marker *marker);

/* Waits for a running write and closes. Accepts a zeroed marker. */
void dv_marker_close(struct dv_marker *marker);

#endif
