/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_marker.c - an appender of marks. */
#include "operators/dead_letter_marker.h"

static void on_progress(void *data)
{
    struct dv_marker *marker = data;
    if (marker->progress != NULL)
        marker->progress(marker->data);
}

dv_rc dv_marker_open(struct dv_marker *marker, struct dv_loop *loop, const char *path, dv_file_callback progress,
                     void *data, struct dv_error *error)
{
    const struct dv_appender_options options = { .loop = loop,
                                                 .sys = &dv_sys_real,
                                                 .name = "dead-letter-marks",
                                                 .path = path,
                                                 .sync = true,
                                                 .elastic = true,
                                                 .record = dv_mark_record_length,
                                                 .progress = on_progress,
                                                 .data = marker };
    *marker = (struct dv_marker){ .progress = progress, .data = data };
    dv_rc rc = dv_appender_open(&marker->appender, &options, error);
    if (rc == DV_E_CONFIG)
        return dv_error_set(error, rc,
                            "%s: another `datavault dlq` command is at work on these letters; wait for its end", path);
    return rc;
}

dv_rc dv_marker_put(struct dv_marker *marker, const struct dv_mark *mark)
{
    bool never = false;
    char *room = dv_appender_room(&marker->appender, DV_MARK_BYTES, &never);
    if (room == NULL)
        return dv_marker_failed(marker) ? DV_E_IO : DV_E_MEMORY;
    dv_mark_pack(mark, (uint8_t *)room);
    dv_appender_filled(&marker->appender, DV_MARK_BYTES);
    return DV_OK;
}

void dv_marker_flush(struct dv_marker *marker)
{
    dv_appender_flush(&marker->appender);
}

bool dv_marker_idle(const struct dv_marker *marker)
{
    return marker->appender.accepted == marker->appender.durable;
}

bool dv_marker_failed(const struct dv_marker *marker)
{
    return dv_appender_failed(&marker->appender);
}

void dv_marker_close(struct dv_marker *marker)
{
    dv_appender_close(&marker->appender);
}
