/* SPDX-License-Identifier: Apache-2.0
 * dlq_drop.c - `datavault dlq drop`: marks letters as dropped, then takes them off the disk if nobody writes there. */
#include <stdio.h>

#include "cli/dlq.h"
#include "cli/command.h"
#include "operators/dead_letter_compact.h"
#include "operators/dead_letter_marker.h"
#include "operators/dead_letter_scan.h"

/* A drop under way. */
struct drop {
    struct dv_dlq *dlq;
    struct dv_letter_scan scan;
    struct dv_marker marker;
    struct dv_error *error;
    uint64_t dropped, damaged;
};

static dv_rc mark_all(struct drop *drop)
{
    struct dv_letter_view letter;
    bool end = false;
    for (;;) {
        DV_TRY(dv_letter_scan_next(&drop->scan, &letter, &end, drop->error));
        if (end || drop->dropped >= drop->dlq->limit)
            return DV_OK;
        if (letter.opened != DV_OK)
            dv_dlq_say_damage(&letter, &drop->damaged);
        if (letter.opened != DV_OK || !dv_dlq_wants(drop->dlq, &letter) || letter.state != DV_LETTER_OPEN)
            continue;
        const struct dv_mark mark = { letter.key, DV_LETTER_DROPPED, dv_dlq_now_ms() };
        dv_rc rc = dv_marker_put(&drop->marker, &mark);
        if (rc != DV_OK)
            return dv_error_set(drop->error, rc, "%s: %s", drop->scan.paths.marks, dv_rc_text(rc));
        drop->dropped++;
    }
}

/* Until the marks are on the disk; space that is short is waited for. */
static dv_rc settle(struct drop *drop, uv_loop_t *uv)
{
    dv_marker_flush(&drop->marker);
    while (!dv_marker_idle(&drop->marker) && !dv_marker_failed(&drop->marker))
        (void)uv_run(uv, UV_RUN_ONCE);
    if (!dv_marker_failed(&drop->marker))
        return DV_OK;
    return dv_error_set(drop->error, DV_E_IO, "%s: cannot be written durably", drop->scan.paths.marks);
}

/* Only then the letters are read: what another command marked before is known. */
static dv_rc drop_letters(struct drop *drop)
{
    uv_loop_t uv;
    struct dv_loop_real loop;
    struct dv_letter_paths paths;
    DV_TRY(dv_letter_paths_of(&paths, drop->dlq->letters, drop->error));
    if (uv_loop_init(&uv) != 0 || dv_loop_real_init(&loop, &uv) != DV_OK)
        return DV_E_FAILED;
    dv_rc rc = dv_marker_open(&drop->marker, &loop.base, paths.marks, NULL, NULL, drop->error);
    if (rc == DV_OK) {
        rc = dv_letter_scan_open(&drop->scan, drop->dlq->letters, drop->dlq->keyring, drop->error);
        if (rc == DV_OK)
            rc = mark_all(drop);
        if (rc == DV_OK)
            rc = settle(drop, &uv);
        dv_marker_close(&drop->marker);
    }
    dv_loop_real_close(&loop);
    (void)uv_run(&uv, UV_RUN_DEFAULT);
    (void)uv_loop_close(&uv);
    return rc;
}

void dv_dlq_compact(const struct dv_dlq *dlq, bool changed)
{
    struct dv_letter_compaction done;
    struct dv_error error = { 0 };
    dv_rc rc = dv_letters_compact(dlq->letters, &done, &error);
    if (rc != DV_OK)
        (void)fprintf(stderr, "datavault: not taken off the disk yet: %s\n", error.text);
    else if (done.busy && changed)
        (void)fprintf(stderr, "datavault: the graph is running: they go from the disk at its next start\n");
    else if (done.damaged_bytes > 0)
        (void)fprintf(stderr, "datavault: %llu damaged bytes: the file as it was is kept beside it as .corrupt\n",
                      (unsigned long long)done.damaged_bytes);
}

int dv_dlq_drop(struct dv_dlq *dlq)
{
    struct dv_error error = { 0 };
    struct drop drop = { .dlq = dlq, .error = &error };
    dv_rc rc = drop_letters(&drop);
    int code = dv_dlq_end(dlq, &drop.scan, drop.damaged, rc, &error);
    dv_letter_scan_close(&drop.scan);
    if (rc != DV_OK)
        return code;
    (void)fprintf(stderr, "datavault: %llu letters dropped\n", (unsigned long long)drop.dropped);
    dv_dlq_compact(dlq, drop.dropped > 0);
    return code;
}
