/* SPDX-License-Identifier: Apache-2.0
 * snowflake_log.c - a head, then saves: each has a head of its own with its length, so that what follows a damaged one is
 * found, and check sums that go on from the one before, so that none can be missing. */
#include "connectors/snowflake_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "connectors/snowflake_ids.h"
#include "connectors/snowflake_log_scan.h"
#include "engine/id.h"
#include "engine/memory.h"

static const char magic[8] = "DVSNOW3";

enum {
    MARK = 0x31534456,
    CHECK = sizeof(uint64_t),
    RECORD = sizeof(struct dv_snowflake_record),
    UNITS = DV_SNOWFLAKE_UNITS_MAX
};

/* ---- reading ---- */

static bool read_at(const struct dv_snowflake_scan *scan, void *buffer, size_t length, uint64_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = scan->log->sys->pread(scan->fd, (char *)buffer + done, length - done, (off_t)(offset + done));
        if (got == 0)
            errno = EIO;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static bool make_room(struct dv_snowflake_scan *scan, size_t length)
{
    if (length <= scan->room)
        return true;
    dv_memory_free(scan->bytes);
    scan->bytes = dv_memory_alloc(length);
    scan->room = scan->bytes != NULL ? length : 0;
    if (scan->bytes == NULL)
        errno = ENOMEM;
    return scan->bytes != NULL;
}

static bool is_head(const struct dv_snowflake_scan *scan, const struct dv_snowflake_save_head *head)
{
    return head->mark == MARK && head->length <= DV_SNOWFLAKE_SAVE_MAX &&
           head->check == dv_hash64(head, sizeof *head - CHECK, scan->salt);
}

/* No head where one should be: the last save was torn, unless another one follows somewhere. */
static enum dv_snowflake_found judge_rest(struct dv_snowflake_scan *scan)
{
    uint64_t rest = scan->size - scan->at;
    struct dv_snowflake_save_head head;
    if (rest > DV_SNOWFLAKE_SAVE_MAX + sizeof head + CHECK)
        return DV_SNOWFLAKE_FOUND_DAMAGE;
    if (!make_room(scan, (size_t)rest) || !read_at(scan, scan->bytes, (size_t)rest, scan->at))
        return DV_SNOWFLAKE_FOUND_ERROR;
    for (size_t i = 1; i + sizeof head <= rest; i++) {
        memcpy(&head, scan->bytes + i, sizeof head);
        if (is_head(scan, &head))
            return DV_SNOWFLAKE_FOUND_DAMAGE;
    }
    return DV_SNOWFLAKE_FOUND_TORN;
}

enum dv_snowflake_found dv_snowflake_scan_next(struct dv_snowflake_scan *scan)
{
    const uint64_t rest = scan->size - scan->at;
    struct dv_snowflake_save_head *head = &scan->head;
    uint64_t check = 0;
    if (rest == 0)
        return DV_SNOWFLAKE_FOUND_END;
    if (rest >= sizeof *head && !read_at(scan, head, sizeof *head, scan->at))
        return DV_SNOWFLAKE_FOUND_ERROR;
    if (rest < sizeof *head || !is_head(scan, head))
        return judge_rest(scan);
    if (head->sequence != scan->sequence || head->chain != scan->chain)
        return DV_SNOWFLAKE_FOUND_DAMAGE;
    const uint64_t whole = sizeof *head + head->length + CHECK;
    if (whole > rest)
        return DV_SNOWFLAKE_FOUND_TORN;
    if (!make_room(scan, head->length + CHECK) ||
        !read_at(scan, scan->bytes, head->length + CHECK, scan->at + sizeof *head))
        return DV_SNOWFLAKE_FOUND_ERROR;
    memcpy(&check, scan->bytes + head->length, CHECK);
    if (check != dv_hash64(scan->bytes, head->length, head->check))
        return whole == rest ? DV_SNOWFLAKE_FOUND_TORN : DV_SNOWFLAKE_FOUND_DAMAGE;
    scan->at += whole;
    scan->sequence++;
    scan->chain = check;
    return DV_SNOWFLAKE_FOUND_SAVE;
}

/* ---- records ---- */

bool dv_snowflake_told_apply(struct dv_snowflake_told *told, const struct dv_snowflake_record *record)
{
    bool known = record->unit >= told->settled && record->unit <= told->unit;
    switch (record->kind) {
    case DV_SNOWFLAKE_SENT:
        if (record->unit != told->unit + 1 || record->unit - told->settled >= UNITS)
            return false;
        told->unit++;
        return true;
    case DV_SNOWFLAKE_SETTLED:
        told->settled = record->unit;
        told->settled_random = record->random;
        told->errors = record->errors;
        return known;
    case DV_SNOWFLAKE_BACK: told->unit = record->unit; return known && record->count == 0;
    default: return false;
    }
}

bool dv_snowflake_scan_records(struct dv_snowflake_scan *scan, dv_snowflake_on_record on_record, void *data)
{
    struct dv_snowflake_record record;
    size_t at = 0, length = scan->head.length;
    while (length - at >= RECORD) {
        memcpy(&record, scan->bytes + at, RECORD);
        at += RECORD;
        if (record.count > (length - at) / DV_SNOWFLAKE_ID || !dv_snowflake_told_apply(&scan->told, &record))
            return false;
        if (!on_record(data, &record, (const uint8_t *)scan->bytes + at))
            return false;
        at += (size_t)record.count * DV_SNOWFLAKE_ID;
    }
    return at == length;
}

/* ---- the file's head ---- */

static uint64_t check_of(const struct dv_snowflake_file_head *head)
{
    return dv_hash64(head, sizeof *head - CHECK, 0);
}

struct dv_snowflake_file_head dv_snowflake_log_head(const struct dv_snowflake_log *log,
                                                    const struct dv_snowflake_told *told)
{
    struct dv_snowflake_file_head head = { .whose = log->whose, .salt = log->salt, .told = *told };
    memcpy(head.magic, magic, sizeof magic);
    head.check = check_of(&head);
    return head;
}

static dv_rc refuse(const struct dv_snowflake_log *log, dv_rc rc, struct dv_error *error)
{
    return dv_error_set(error, rc, "journal '%s' is damaged: what is in the channel is not known", log->path);
}

static dv_rc fail_read(const struct dv_snowflake_log *log, struct dv_error *error)
{
    return dv_error_set(error, errno == ENOMEM ? DV_E_MEMORY : DV_E_IO, "journal '%s': %s", log->path, strerror(errno));
}

dv_rc dv_snowflake_scan_begin(struct dv_snowflake_scan *scan, struct dv_error *error)
{
    struct dv_snowflake_log *log = scan->log;
    struct dv_snowflake_file_head head;
    size_t length = scan->size < sizeof head ? (size_t)scan->size : sizeof head;
    memset(&head, 0, sizeof head);
    if (!read_at(scan, &head, length, 0))
        return fail_read(log, error);
    if (memcmp(head.magic, "DVSNOW2", sizeof magic) == 0)
        return dv_error_set(
            error, DV_E_CONFIG,
            "journal '%s' is of an earlier version: end that one's run, and begin a new channel and journal",
            log->path);
    if (length < sizeof head || memcmp(head.magic, magic, sizeof magic) != 0 || head.check != check_of(&head) ||
        head.told.settled > head.told.unit || head.told.unit - head.told.settled >= UNITS)
        return refuse(log, DV_E_TAMPER, error);
    if (head.whose != log->whose)
        return dv_error_set(error, DV_E_CONFIG, "journal '%s' is of another channel", log->path);
    log->salt = scan->salt = head.salt;
    scan->sequence = 0;
    scan->chain = head.salt;
    scan->told = head.told;
    scan->at = sizeof head;
    return DV_OK;
}

static dv_rc make_file(struct dv_snowflake_log *log, struct dv_error *error)
{
    const struct dv_snowflake_told nothing = { 0 };
    ssize_t got = getrandom(&log->salt, sizeof log->salt, 0);
    DV_ASSERT(got == sizeof log->salt);
    const struct dv_snowflake_file_head head = dv_snowflake_log_head(log, &nothing);
    int failed = dv_sys_replace(log->sys, log->path, log->fresh, &head, sizeof head);
    return failed == 0 ? DV_OK : dv_error_set(error, DV_E_IO, "journal '%s': %s", log->path, dv_sys_reason(failed));
}

/* ---- opening ---- */

static bool find_size(struct dv_snowflake_scan *scan)
{
    off_t end = lseek(scan->fd, 0, SEEK_END);
    scan->size = end < 0 ? 0 : (uint64_t)end;
    return end >= 0;
}

/* What was torn was never durable, so nothing came of it. */
static bool cut(struct dv_snowflake_log *log, const struct dv_snowflake_scan *scan)
{
    return scan->at == scan->size ||
           (log->sys->ftruncate(scan->fd, (off_t)scan->at) == 0 && log->sys->fsync(scan->fd) == 0);
}

static dv_rc read_saves(struct dv_snowflake_scan *scan, dv_snowflake_on_record on_record, void *data,
                        struct dv_error *error)
{
    struct dv_snowflake_log *log = scan->log;
    enum dv_snowflake_found found;
    while ((found = dv_snowflake_scan_next(scan)) == DV_SNOWFLAKE_FOUND_SAVE) {
        if (!dv_snowflake_scan_records(scan, on_record, data))
            return refuse(log, DV_E_TAMPER, error);
    }
    if (found == DV_SNOWFLAKE_FOUND_DAMAGE)
        return refuse(log, DV_E_TAMPER, error);
    if (found == DV_SNOWFLAKE_FOUND_ERROR || !cut(log, scan))
        return fail_read(log, error);
    log->end = (struct dv_snowflake_end){ scan->at, scan->sequence, scan->chain };
    log->told = scan->told;
    return DV_OK;
}

static dv_rc read_all(struct dv_snowflake_log *log, void (*on_head)(void *data, const struct dv_snowflake_told *told),
                      dv_snowflake_on_record on_record, void *data, struct dv_error *error)
{
    struct dv_snowflake_scan scan = { .log = log, .fd = log->fd };
    if (!find_size(&scan))
        return fail_read(log, error);
    DV_TRY(dv_snowflake_scan_begin(&scan, error));
    on_head(data, &scan.told);
    dv_rc rc = read_saves(&scan, on_record, data, error);
    dv_memory_free(scan.bytes);
    return rc;
}

dv_rc dv_snowflake_log_open(struct dv_snowflake_log *log, const struct dv_sys *sys, const char *path, uint64_t whose,
                            void (*on_head)(void *data, const struct dv_snowflake_told *told),
                            dv_snowflake_on_record on_record, void *data, struct dv_error *error)
{
    *log = (struct dv_snowflake_log){ .sys = sys, .whose = whose, .fd = -1, .compact_at = 2 * DV_SNOWFLAKE_LOG_MIN };
    int length = snprintf(log->path, sizeof log->path, "%s", path);
    int fresh = snprintf(log->fresh, sizeof log->fresh, "%s.fresh", path);
    if (length <= 0 || fresh <= 0 || (size_t)fresh >= sizeof log->fresh)
        return dv_error_set(error, DV_E_CONFIG, "the journal's path is too long");
    log->fd = sys->open(log->path, O_RDWR | O_CLOEXEC, 0);
    if (log->fd < 0 && errno == ENOENT) {
        DV_TRY(make_file(log, error));
        log->fd = sys->open(log->path, O_RDWR | O_CLOEXEC, 0);
    }
    if (log->fd < 0)
        return fail_read(log, error);
    dv_rc rc = read_all(log, on_head, on_record, data, error);
    if (rc != DV_OK)
        dv_snowflake_log_close(log);
    return rc;
}

void dv_snowflake_log_close(struct dv_snowflake_log *log)
{
    if (log->sys != NULL && log->fd >= 0)
        (void)log->sys->close(log->fd);
    log->fd = -1;
}

/* ---- saving ---- */

int dv_snowflake_log_write_at(const struct dv_snowflake_log *log, int fd, const void *bytes, size_t length,
                              uint64_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t wrote = log->sys->pwrite(fd, (const char *)bytes + done, length - done, (off_t)(offset + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? errno : EIO;
        done += (size_t)wrote;
    }
    return 0;
}

int dv_snowflake_log_write_save(const struct dv_snowflake_log *log, int fd, const void *records, size_t length,
                                struct dv_snowflake_end *end)
{
    struct dv_snowflake_save_head head = {
        .mark = MARK, .length = (uint32_t)length, .sequence = end->sequence, .chain = end->chain
    };
    head.check = dv_hash64(&head, sizeof head - CHECK, log->salt);
    const uint64_t check = dv_hash64(records, length, head.check);
    int error = dv_snowflake_log_write_at(log, fd, &head, sizeof head, end->at);
    if (error == 0)
        error = dv_snowflake_log_write_at(log, fd, records, length, end->at + sizeof head);
    if (error == 0)
        error = dv_snowflake_log_write_at(log, fd, &check, CHECK, end->at + sizeof head + length);
    if (error != 0)
        return error;
    end->at += sizeof head + length + CHECK;
    end->sequence++;
    end->chain = check;
    return 0;
}

int dv_snowflake_log_save(struct dv_snowflake_log *log, const void *records, size_t length)
{
    DV_ASSERT(length <= DV_SNOWFLAKE_SAVE_MAX && !log->spoilt);
    struct dv_snowflake_end end = log->end;
    int error = dv_snowflake_log_write_save(log, log->fd, records, length, &end);
    if (error == 0 && log->sys->fdatasync(log->fd) != 0)
        error = errno;
    log->spoilt = error != 0; /* after a failed sync the same pages tell nothing any more */
    if (error == 0)
        log->end = end;
    return error;
}
