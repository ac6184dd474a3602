/* SPDX-License-Identifier: Apache-2.0
 * snowflake_log_compact.c - the journal's file made anew: without the oldest requests, and without those that were taken back. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "connectors/snowflake_ids.h"
#include "connectors/snowflake_log_scan.h"
#include "engine/memory.h"

enum { UNITS = DV_SNOWFLAKE_UNITS_MAX, RECORD = sizeof(struct dv_snowflake_record) };

/* A file is gone through twice: what became of each request is known only behind it. */
struct compact {
    struct dv_snowflake_scan scan;
    uint8_t *dead;                 /* a bit for each request that was written down: it was taken back */
    uint64_t sent;                 /* requests so far */
    uint64_t nth[UNITS];           /* of each that is under way: which one it is */
    uint64_t ids, remember;        /* of the live ones: all of them; and those that are to stay */
    uint64_t settled;              /* requests behind it stay */
    struct dv_snowflake_told told; /* what the live ones come to so far */
    struct dv_snowflake_end end;
    uint32_t counts[UNITS];
    bool copies; /* the oldest are skipped */
    int to;
    size_t used; /* of `scan.bytes`: records that stay */
};

static bool is_dead(const struct compact *compact, uint64_t nth)
{
    return (compact->dead[nth / 8] >> nth % 8 & 1) != 0;
}

/* ---- first: which live? ---- */

static bool on_first(void *data, const struct dv_snowflake_record *record, const uint8_t *ids)
{
    struct compact *compact = data;
    const struct dv_snowflake_told *now = &compact->scan.told;
    (void)ids;
    if (record->kind == DV_SNOWFLAKE_SENT) {
        compact->nth[record->unit % UNITS] = compact->sent++;
        compact->counts[record->unit % UNITS] = record->count;
        compact->ids += record->count;
    } else if (record->kind == DV_SNOWFLAKE_BACK) {
        for (; compact->told.unit > now->unit; compact->told.unit--) {
            uint64_t nth = compact->nth[compact->told.unit % UNITS];
            compact->dead[nth / 8] |= (uint8_t)(1u << nth % 8);
            compact->ids -= compact->counts[compact->told.unit % UNITS];
        }
    }
    compact->told = *now;
    return true;
}

/* ---- then: what stays ---- */

/* Keeps a record, at the front of the same bytes. */
static void keep(struct compact *compact, const struct dv_snowflake_record *record, const uint8_t *ids)
{
    char *to = compact->scan.bytes + compact->used;
    memmove(to, record, RECORD);
    memmove(to + RECORD, ids, (size_t)record->count * DV_SNOWFLAKE_ID);
    compact->used += RECORD + (size_t)record->count * DV_SNOWFLAKE_ID;
}

static bool on_second(void *data, const struct dv_snowflake_record *record, const uint8_t *ids)
{
    struct compact *compact = data;
    bool sent = record->kind == DV_SNOWFLAKE_SENT;
    if (record->kind == DV_SNOWFLAKE_BACK || (sent && is_dead(compact, compact->sent++)))
        return true;
    bool old = sent && record->unit <= compact->settled && compact->ids >= compact->remember + record->count;
    compact->copies = compact->copies || (sent && !old);
    if (sent && !compact->copies)
        compact->ids -= record->count;
    if (compact->copies)
        keep(compact, record, ids);
    else if (!dv_snowflake_told_apply(&compact->told, record))
        return false;
    return true;
}

/* ---- the file ---- */

static int go_through(struct compact *compact, dv_snowflake_on_record on_record)
{
    struct dv_snowflake_scan *scan = &compact->scan;
    enum dv_snowflake_found found;
    if (dv_snowflake_scan_begin(scan, NULL) != DV_OK)
        return EIO;
    compact->sent = 0;
    compact->told = scan->told;
    while ((found = dv_snowflake_scan_next(scan)) == DV_SNOWFLAKE_FOUND_SAVE) {
        compact->used = 0;
        if (!dv_snowflake_scan_records(scan, on_record, compact))
            return EIO;
        if (compact->used == 0)
            continue;
        int error = dv_snowflake_log_write_save(scan->log, compact->to, scan->bytes, compact->used, &compact->end);
        if (error != 0)
            return error;
    }
    return found == DV_SNOWFLAKE_FOUND_END ? 0 : found == DV_SNOWFLAKE_FOUND_ERROR ? errno : EIO;
}

static int write_file(struct compact *compact)
{
    struct dv_snowflake_log *log = compact->scan.log;
    compact->end = (struct dv_snowflake_end){ sizeof(struct dv_snowflake_file_head), 0, log->salt };
    int error = go_through(compact, on_first);
    if (error == 0)
        error = go_through(compact, on_second);
    const struct dv_snowflake_file_head head = dv_snowflake_log_head(log, &compact->told);
    if (error == 0)
        error = dv_snowflake_log_write_at(log, compact->to, &head, sizeof head, 0);
    return error == 0 && log->sys->fdatasync(compact->to) != 0 ? errno : error;
}

static int replace(struct compact *compact)
{
    struct dv_snowflake_log *log = compact->scan.log;
    compact->to = log->sys->open(log->fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (compact->to < 0)
        return errno;
    int error = write_file(compact);
    if (error == 0 && log->sys->rename(log->fresh, log->path) != 0)
        error = errno;
    if (error != 0) {
        (void)log->sys->close(compact->to);
        (void)unlink(log->fresh);
        return error;
    }
    (void)log->sys->close(log->fd);
    log->fd = compact->to;
    log->end = compact->end;
    error = dv_sys_sync_directory(log->sys, log->path);
    log->spoilt = error != 0; /* a crash could bring the old file back */
    return error;
}

int dv_snowflake_log_compact(struct dv_snowflake_log *log, uint64_t remember, uint64_t settled)
{
    if (!log->spoilt && log->end.at < log->compact_at)
        return 0;
    struct compact compact = { .scan = { .log = log, .fd = log->fd, .size = log->end.at },
                               .remember = remember,
                               .settled = settled };
    compact.dead = dv_memory_zeroed(log->end.at / RECORD / 8 + 1, 1);
    int error = compact.dead != NULL ? replace(&compact) : ENOMEM;
    dv_memory_free(compact.dead);
    dv_memory_free(compact.scan.bytes);
    log->compact_at = 2 * (log->end.at > DV_SNOWFLAKE_LOG_MIN ? log->end.at : DV_SNOWFLAKE_LOG_MIN);
    return error;
}
