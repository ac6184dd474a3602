/* SPDX-License-Identifier: Apache-2.0
 * fuzz_journal.c - any bytes as a journal's file; a sound file of any saves, which opens and tells what was saved; the same of which any
 * bytes are changed or missing: it is refused, or what it tells is what was saved, but for the last save; and one that was made anew between saves,
 * which tells the same, and of the newest requests all. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/snowflake_ids.h"
#include "connectors/snowflake_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SAVES_MAX = 32, RECORDS_MAX = 8, IDS_MAX = 4, EVENTS_MAX = SAVES_MAX * RECORDS_MAX };

/* What is saved, and what the file told after each save. */
struct saved {
    const uint8_t *at, *end;
    struct dv_snowflake_told told[SAVES_MAX + 1];
    unsigned count;
};

static uint8_t take(struct saved *saved)
{
    return saved->at < saved->end ? *saved->at++ : 0;
}

static void on_head(void *data, const struct dv_snowflake_told *told)
{
    DV_ASSERT(told->settled <= told->unit);
    *(uint64_t *)data = told->unit;
}

static bool on_record(void *data, const struct dv_snowflake_record *record, const uint8_t *ids)
{
    for (size_t i = 0; i < (size_t)record->count * DV_SNOWFLAKE_ID; i++)
        *(uint64_t *)data += ids[i];
    return true;
}

/* The real one, but that nothing is synced: no power fails here. */
static int sync_nothing(int fd)
{
    (void)fd;
    return 0;
}

static struct dv_sys quick_sys(void)
{
    struct dv_sys sys = dv_sys_real;
    sys.fdatasync = sys.fsync = sync_nothing;
    return sys;
}

/* ---- what a file comes to ---- */

/* Requests that were not taken back, and what was settled, in order. */
struct history {
    struct dv_snowflake_told told;
    struct dv_snowflake_record record[EVENTS_MAX];
    uint8_t ids[EVENTS_MAX][IDS_MAX * DV_SNOWFLAKE_ID];
    unsigned count;
};

static void on_first(void *data, const struct dv_snowflake_told *told)
{
    DV_ASSERT(told->settled <= told->unit);
    ((struct history *)data)->count = 0;
}

static void forget(struct history *history, uint64_t unit)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < history->count; i++) {
        if (history->record[i].kind == DV_SNOWFLAKE_SENT && history->record[i].unit > unit)
            continue;
        history->record[kept] = history->record[i];
        memmove(history->ids[kept++], history->ids[i], sizeof history->ids[i]);
    }
    history->count = kept;
}

static bool on_event(void *data, const struct dv_snowflake_record *record, const uint8_t *ids)
{
    struct history *history = data;
    if (record->kind == DV_SNOWFLAKE_BACK) {
        forget(history, record->unit);
        return true;
    }
    DV_ASSERT(history->count < EVENTS_MAX && record->count <= IDS_MAX);
    history->record[history->count] = *record;
    memset(history->ids[history->count], 0, sizeof history->ids[0]);
    if (record->count > 0)
        memcpy(history->ids[history->count], ids, (size_t)record->count * DV_SNOWFLAKE_ID);
    history->count++;
    return true;
}

static dv_rc open_log(struct dv_snowflake_log *log, int fd)
{
    char path[32];
    uint64_t unit = 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return dv_snowflake_log_open(log, &dv_sys_real, path, 7, on_head, on_record, &unit, NULL);
}

static struct dv_snowflake_record next_record(struct saved *saved, struct dv_snowflake_told *told)
{
    uint8_t what = take(saved);
    struct dv_snowflake_record record = { .kind = DV_SNOWFLAKE_SENT, .count = what / 4 % IDS_MAX };
    uint64_t away = told->unit - told->settled;
    if (what % 4 == 0 || away == 0) {
        record.unit = ++told->unit;
        return record;
    }
    record.unit = told->settled + take(saved) % (away + 1);
    if (what % 4 == 1) {
        record.kind = DV_SNOWFLAKE_BACK;
        record.count = 0;
        told->unit = record.unit;
        return record;
    }
    record.kind = DV_SNOWFLAKE_SETTLED;
    record.errors = told->errors = take(saved);
    told->settled = record.unit;
    told->settled_random = record.random;
    return record;
}

static void save(struct dv_snowflake_log *log, struct saved *saved)
{
    char bytes[RECORDS_MAX * (sizeof(struct dv_snowflake_record) + IDS_MAX * DV_SNOWFLAKE_ID)];
    struct dv_snowflake_told told = saved->told[saved->count];
    size_t used = 0;
    for (unsigned left = 1 + take(saved) % RECORDS_MAX; left > 0; left--) {
        struct dv_snowflake_record record = next_record(saved, &told);
        memcpy(bytes + used, &record, sizeof record);
        used += sizeof record;
        memset(bytes + used, take(saved), (size_t)record.count * DV_SNOWFLAKE_ID);
        used += (size_t)record.count * DV_SNOWFLAKE_ID;
    }
    DV_ASSERT(dv_snowflake_log_save(log, bytes, used) == 0);
    saved->told[++saved->count] = told;
}

static bool same(const struct dv_snowflake_told *one, const struct dv_snowflake_told *other)
{
    return memcmp(one, other, sizeof *one) == 0;
}

/* Flips bits, or cuts; true: something is not as it was. */
static bool damage(int fd, struct saved *saved)
{
    struct stat stat;
    uint8_t byte = 0;
    uint8_t bits = take(saved);
    DV_ASSERT(fstat(fd, &stat) == 0 && stat.st_size > 0);
    off_t at = (off_t)((unsigned)(take(saved) << 8 | take(saved)) % (unsigned)stat.st_size);
    if (bits == 0)
        return ftruncate(fd, at) == 0;
    DV_ASSERT(pread(fd, &byte, 1, at) == 1);
    byte ^= bits;
    DV_ASSERT(pwrite(fd, &byte, 1, at) == 1);
    return true;
}

static void check_damaged(int fd, struct saved *saved)
{
    struct dv_snowflake_log log;
    bool known = false;
    bool cut = saved->at < saved->end && *saved->at == 0;
    dv_rc rc = open_log(&log, fd);
    DV_ASSERT(rc == DV_OK && same(&log.told, &saved->told[saved->count]));
    dv_snowflake_log_close(&log);
    DV_ASSERT(damage(fd, saved));
    if (open_log(&log, fd) != DV_OK)
        return;
    for (unsigned i = 0; i <= saved->count; i++) /* of a file that was cut any save may be the last */
        known = known || ((cut || i + 1 >= saved->count) && same(&log.told, &saved->told[i]));
    DV_ASSERT(known);
    dv_snowflake_log_close(&log);
}

/* A file is begun by another name than it is read by: its head is that of an empty one. */
static void write_sound(struct saved *saved)
{
    static const char path[] = "/tmp/datavault-fuzz-journal";
    char own[64];
    const struct dv_sys sys = quick_sys();
    struct dv_snowflake_log log;
    uint64_t unit = 0;
    (void)snprintf(own, sizeof own, "%s.%d", path, (int)getpid());
    dv_rc rc = dv_snowflake_log_open(&log, &sys, own, 7, on_head, on_record, &unit, NULL);
    DV_ASSERT(rc == DV_OK);
    (void)unlink(own);
    for (unsigned left = take(saved) % SAVES_MAX; left > 0; left--)
        save(&log, saved);
    check_damaged(log.fd, saved);
    dv_snowflake_log_close(&log);
}

/* ---- made anew ---- */

static void read_history(const struct dv_sys *sys, const char *path, struct history *ret)
{
    struct dv_snowflake_log log;
    dv_rc rc = dv_snowflake_log_open(&log, sys, path, 7, on_first, on_event, ret, NULL);
    DV_ASSERT(rc == DV_OK);
    ret->told = log.told;
    dv_snowflake_log_close(&log);
}

/* How a file is made anew: behind every so many saves, or at the end; and what is to stay. */
struct anew {
    unsigned every; /* 0: at the end; UINT_MAX: never */
    uint64_t remember, settled;
};

static void make_anew(struct dv_snowflake_log *log, struct anew *anew, uint64_t settled)
{
    anew->settled = settled;
    log->compact_at = 0;
    int error = dv_snowflake_log_compact(log, anew->remember, settled);
    DV_ASSERT(error == 0);
}

static void write_file(const struct dv_sys *sys, const char *path, struct saved *saved, struct anew *anew)
{
    struct dv_snowflake_log log;
    static struct history none;
    dv_rc rc = dv_snowflake_log_open(&log, sys, path, 7, on_first, on_event, &none, NULL);
    DV_ASSERT(rc == DV_OK);
    for (unsigned left = take(saved) % SAVES_MAX; left > 0; left--) {
        save(&log, saved);
        if (anew->every != 0 && left % anew->every == 0)
            make_anew(&log, anew, saved->told[saved->count - 1].settled);
    }
    if (anew->every == 0)
        make_anew(&log, anew, saved->told[saved->count].settled);
    dv_snowflake_log_close(&log);
}

/* What the one has is the end of what the other has, whose beginning was not wanted any more. */
static void compare(const struct history *all, const struct history *left, const struct anew *anew)
{
    uint64_t ids = 0;
    const unsigned gone = all->count - left->count;
    DV_ASSERT(same(&all->told, &left->told) && left->count <= all->count);
    for (unsigned i = 0; i < left->count; i++) {
        DV_ASSERT(memcmp(&all->record[gone + i], &left->record[i], sizeof left->record[i]) == 0);
        DV_ASSERT(memcmp(all->ids[gone + i], left->ids[i], sizeof left->ids[i]) == 0);
        ids += left->record[i].kind == DV_SNOWFLAKE_SENT ? left->record[i].count : 0;
    }
    for (unsigned i = 0; i < gone; i++) {
        bool sent = all->record[i].kind == DV_SNOWFLAKE_SENT;
        DV_ASSERT(!sent || all->record[i].unit <= anew->settled);
        DV_ASSERT(!sent || anew->every != 0 || ids >= anew->remember); /* else some may have been taken back since */
    }
}

static void write_anew(const uint8_t *data, size_t size)
{
    static struct history all, left;
    static const char *const names[] = { "plain", "anew" };
    const struct dv_sys sys = quick_sys();
    struct history *const histories[] = { &all, &left };
    struct anew anew[] = { { .every = UINT_MAX }, { .every = (unsigned)size % 5, .remember = size % 8 * IDS_MAX } };
    for (int i = 0; i < 2; i++) {
        char path[64];
        struct saved saved = { .at = data, .end = data + size };
        (void)snprintf(path, sizeof path, "/tmp/datavault-fuzz-journal.%s.%d", names[i], (int)getpid());
        write_file(&sys, path, &saved, &anew[i]);
        read_history(&sys, path, histories[i]);
        DV_ASSERT(same(&histories[i]->told, &saved.told[saved.count]));
        (void)unlink(path);
    }
    compare(&all, &left, &anew[1]);
}

static void read_raw(const uint8_t *data, size_t size)
{
    struct dv_snowflake_log log;
    int fd = memfd_create("journal", MFD_CLOEXEC);
    DV_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    if (open_log(&log, fd) == DV_OK)
        dv_snowflake_log_close(&log);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct saved saved = { .at = data, .end = data + size };
    read_raw(data, size);
    write_sound(&saved);
    write_anew(data, size);
    return 0;
}
