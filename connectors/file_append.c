/* SPDX-License-Identifier: Apache-2.0
 * file_append.c - the appender: while one buffer is written, the next one is filled.
 *
 * Whatever was filled while a write was under way goes out together with the next one, under one fdatasync: the slower
 * the disk, the larger the groups. A write that failed for want of space is tried again where it stopped. A sync that
 * failed is never tried again: the kernel may have dropped the pages it could not write and would say yes to a second
 * try, so nobody knows what is on the disk. The only way on is a new start that looks at the file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/file.h"
#include "engine/breaker.h"
#include "engine/crash.h"
#include "engine/log.h"
#include "engine/memory.h"

/* Row: from; bit: to. */
static const unsigned allowed[DV_APPENDER_STATES] = {
    [DV_APPENDER_CLOSED] = 1u << DV_APPENDER_IDLE,
    [DV_APPENDER_IDLE] = 1u << DV_APPENDER_WRITING | 1u << DV_APPENDER_CLOSED,
    [DV_APPENDER_WRITING] =
        1u << DV_APPENDER_IDLE | 1u << DV_APPENDER_WAITING | 1u << DV_APPENDER_FAILED | 1u << DV_APPENDER_CLOSED,
    [DV_APPENDER_WAITING] = 1u << DV_APPENDER_WRITING | 1u << DV_APPENDER_CLOSED,
    [DV_APPENDER_FAILED] = 1u << DV_APPENDER_CLOSED,
};

static void move(struct dv_appender *appender, enum dv_appender_state to)
{
    DV_ASSERT((allowed[appender->state] >> to & 1u) != 0);
    appender->state = to;
}

static dv_rc make_buffer(struct dv_appender_buffer *buffer)
{
    *buffer = (struct dv_appender_buffer){ .bytes = dv_memory_alloc(DV_FILE_BUFFER), .size = DV_FILE_BUFFER };
    return buffer->bytes != NULL ? DV_OK : DV_E_MEMORY;
}

static void free_buffer(struct dv_appender_buffer *buffer)
{
    if (buffer->bytes != NULL)
        explicit_bzero(buffer->bytes, buffer->size);
    dv_memory_free(buffer->bytes);
    *buffer = (struct dv_appender_buffer){ 0 };
}

/* Gives `buffer` at least `size` bytes and keeps what is in it. The old block is wiped: it may hold personal data. */
static dv_rc grow_buffer(struct dv_appender_buffer *buffer, size_t size)
{
    size_t doubled = 2 * buffer->size;
    struct dv_appender_buffer larger = { .size = size > doubled ? size : doubled, .used = buffer->used };
    larger.bytes = dv_memory_alloc(larger.size);
    if (larger.bytes == NULL)
        return DV_E_MEMORY;
    memcpy(larger.bytes, buffer->bytes, buffer->used);
    free_buffer(buffer);
    *buffer = larger;
    return DV_OK;
}

static size_t left_to_write(const struct dv_appender *appender)
{
    return appender->writing.used - appender->written;
}

static ssize_t write_again(struct dv_appender *appender)
{
    const struct dv_sys *sys = appender->options.sys;
    const char *from = appender->writing.bytes + appender->written;
    ssize_t done = -1;
    do {
        if (appender->positioned)
            done = sys->pwrite(appender->fd, from, left_to_write(appender),
                               (off_t)(appender->file_offset + appender->written));
        else
            done = sys->write(appender->fd, from, left_to_write(appender));
    } while (done < 0 && errno == EINTR);
    return done;
}

/* Writes all it can; false with `error` set when it stopped before the end. */
static bool write_all(struct dv_appender *appender)
{
    while (left_to_write(appender) > 0) {
        ssize_t done = write_again(appender);
        if (done <= 0) {
            appender->error = done < 0 ? errno : EIO;
            return false;
        }
        appender->written += (size_t)done;
    }
    return true;
}

static void on_worker(struct dv_job *job)
{
    struct dv_appender *appender = job->data;
    appender->error = 0;
    DV_CRASH_POINT("append.before-write");
    if (!write_all(appender) || !appender->options.sync)
        return;
    DV_CRASH_POINT("append.written");
    if (appender->options.sys->fdatasync(appender->fd) != 0) {
        appender->error = errno;
        appender->sync_failed = true;
    }
    DV_CRASH_POINT("append.synced");
}

static void log_stopped(const struct dv_appender *appender)
{
    dv_rc rc = appender->error == ENOSPC || appender->error == EDQUOT ? DV_E_FULL : DV_E_IO;
    if (appender->sync_failed)
        dv_log(DV_LOG_ERROR, "file.sync-failed", DV_LOG_NAMED("node", appender->options.name),
               DV_LOG_NUMBER("errno", appender->error));
    else if (appender->reason == NULL)
        dv_log(DV_LOG_WARN, "file.write-stopped", DV_LOG_NAMED("node", appender->options.name),
               DV_LOG_REASON("why", rc), DV_LOG_NUMBER("errno", appender->error));
}

static void back_off(struct dv_appender *appender)
{
    appender->reason = dv_sys_reason(appender->error);
    uint64_t pause_ms = dv_breaker_failed(&appender->breaker, dv_now_ns(appender->options.loop), appender->reason);
    move(appender, DV_APPENDER_WAITING);
    dv_timer_start(&appender->timer, pause_ms);
}

/* The buffer is out. A large one is given back, so that one long record does not cost memory for ever. */
static void written_out(struct dv_appender *appender)
{
    if (dv_breaker_succeeded(&appender->breaker))
        dv_log(DV_LOG_INFO, "file.write-resumed", DV_LOG_NAMED("node", appender->options.name));
    appender->reason = NULL;
    appender->durable += appender->writing.used;
    appender->file_offset += appender->writing.used;
    if (appender->writing.size > DV_FILE_BUFFER)
        free_buffer(&appender->writing);
    appender->writing.used = 0;
    appender->written = 0;
    move(appender, DV_APPENDER_IDLE);
}

/* A pipe without a reader stays so; a device may recover. */
static bool is_final(const struct dv_appender *appender)
{
    return appender->sync_failed || (appender->streamed && appender->error != ENOSPC);
}

static void give_up(struct dv_appender *appender)
{
    appender->reason =
        appender->sync_failed ? "a sync failed: what is on the disk is unknown" : dv_sys_reason(appender->error);
    move(appender, DV_APPENDER_FAILED);
}

static void written_or_not(struct dv_appender *appender)
{
    if (appender->error == 0) {
        written_out(appender);
        dv_appender_flush(appender);
    } else {
        log_stopped(appender);
        if (is_final(appender))
            give_up(appender);
        else
            back_off(appender);
    }
    DV_CRASH_POINT("append.before-answer");
    appender->options.progress(appender->options.data);
}

static void after_write(struct dv_job *job)
{
    written_or_not(job->data);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    (void)status; /* the write meets the error itself */
    (void)events;
    struct dv_appender *appender = poll->data;
    DV_ASSERT(appender->state == DV_APPENDER_WRITING);
    appender->error = 0;
    if (!write_all(appender) && (appender->error == EAGAIN || appender->error == EWOULDBLOCK))
        return;
    (void)uv_poll_stop(poll);
    written_or_not(appender);
}

static void start_write(struct dv_appender *appender)
{
    move(appender, DV_APPENDER_WRITING);
    if (!appender->streamed) {
        dv_job_start(&appender->job);
        return;
    }
    int failed = uv_poll_start(&appender->poll, UV_WRITABLE, on_writable);
    DV_ASSERT(failed == 0);
}

void dv_appender_flush(struct dv_appender *appender)
{
    if (appender->state != DV_APPENDER_IDLE || appender->filling.used == 0)
        return;
    dv_timer_stop(&appender->timer);
    struct dv_appender_buffer spent = appender->writing;
    DV_ASSERT(spent.used == 0);
    appender->writing = appender->filling;
    appender->filling = spent;
    start_write(appender);
}

void dv_appender_flush_soon(struct dv_appender *appender)
{
    if (appender->state == DV_APPENDER_IDLE && appender->filling.used > 0 && !appender->timer.active)
        dv_timer_start(&appender->timer, 0);
}

/* The timer ends a wait, or a flush has been put off; by now that may have happened. */
static void on_timer(struct dv_timer *timer)
{
    struct dv_appender *appender = timer->data;
    uint64_t now = dv_now_ns(appender->options.loop);
    if (appender->state != DV_APPENDER_WAITING)
        dv_appender_flush(appender);
    else if (dv_breaker_admits(&appender->breaker, now))
        start_write(appender);
    else
        dv_timer_start(&appender->timer, dv_breaker_wait_ms(&appender->breaker, now));
}

static bool fits(const struct dv_appender *appender, size_t need)
{
    return need <= appender->filling.size - appender->filling.used;
}

char *dv_appender_room(struct dv_appender *appender, size_t need, bool *ret_never)
{
    struct dv_appender_buffer *filling = &appender->filling;
    *ret_never = need > DV_FILE_RECORD_MAX || appender->state == DV_APPENDER_FAILED;
    if (*ret_never)
        return NULL;
    if (!fits(appender, need) && filling->used > 0)
        dv_appender_flush(appender);
    if (filling->bytes == NULL && make_buffer(filling) != DV_OK) {
        *ret_never = true;
        return NULL;
    }
    if (!fits(appender, need) && (filling->used == 0 || appender->options.elastic))
        *ret_never = grow_buffer(filling, filling->used + need) != DV_OK;
    return fits(appender, need) ? filling->bytes + filling->used : NULL;
}

const char *dv_appender_waits(const struct dv_appender *appender)
{
    return appender->reason;
}

/* Whether the file still has the name it was opened by; a compaction may have put another in its place since. */
static bool is_named(int fd, const char *path)
{
    struct stat ours;
    struct stat named;
    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* Opens the file, alone: two writers would cut off each other's records as torn. */
static dv_rc open_alone(struct dv_appender *appender, struct dv_file_facts *facts, struct dv_error *error)
{
    const struct dv_appender_options *options = &appender->options;
    bool own = strcmp(options->path, "-") != 0;
    DV_TRY(dv_file_open(options->sys, options->path, STDOUT_FILENO, own ? O_RDWR | O_CREAT : O_WRONLY, &appender->fd,
                        &appender->restore_flags, error));
    dv_rc rc = dv_file_facts(appender->fd, facts);
    appender->positioned = own && facts->regular;
    if (rc != DV_OK)
        rc = dv_error_set(error, rc, "%s: is no file that can be written to", options->path);
    else if (appender->positioned && flock(appender->fd, LOCK_EX | LOCK_NB) != 0)
        rc = dv_error_set(error, DV_E_CONFIG, "%s: another process writes to it; %s", options->path,
                          options->taken != NULL ? options->taken : "name another file");
    else if (appender->positioned && !is_named(appender->fd, options->path))
        rc = dv_error_set(error, DV_E_CONFIG, "%s: was replaced while it was opened; start again", options->path);
    if (rc != DV_OK)
        (void)options->sys->close(appender->fd);
    return rc;
}

/* A file that is not there is made; its name must be as durable as its records. */
static dv_rc settle_name(struct dv_appender *appender, struct dv_error *error)
{
    int failed = dv_sys_sync_directory(appender->options.sys, appender->options.path);
    if (failed == 0)
        return DV_OK;
    return dv_error_set(error, DV_E_IO, "%s: its directory cannot be synced: %s", appender->options.path,
                        strerror(failed));
}

static dv_rc prepare(struct dv_appender *appender, const struct dv_file_facts *facts, bool *ret_damaged,
                     struct dv_error *error)
{
    *ret_damaged = false;
    if (!appender->positioned)
        return DV_OK;
    DV_TRY(dv_file_repair(appender->fd, &appender->options, facts->size, &appender->file_offset, ret_damaged, error));
    if (*ret_damaged)
        return dv_file_quarantine(appender->options.sys, appender->options.path, error);
    appender->repaired = facts->size - appender->file_offset;
    return appender->options.sync ? settle_name(appender, error) : DV_OK;
}

static dv_rc open_repaired(struct dv_appender *appender, struct dv_error *error)
{
    bool damaged = true;
    while (damaged) {
        struct dv_file_facts facts;
        DV_TRY(open_alone(appender, &facts, error));
        dv_rc rc = prepare(appender, &facts, &damaged, error);
        if (rc != DV_OK || damaged)
            (void)appender->options.sys->close(appender->fd);
        DV_TRY(rc);
        appender->quarantined = appender->quarantined || damaged;
    }
    if (appender->quarantined)
        dv_log(DV_LOG_WARN, "file.quarantined", DV_LOG_NAMED("node", appender->options.name));
    if (appender->repaired > 0)
        dv_log(DV_LOG_WARN, "file.torn-end-cut", DV_LOG_NAMED("node", appender->options.name),
               DV_LOG_NUMBER("bytes", appender->repaired));
    return DV_OK;
}

static void choose_way(struct dv_appender *appender, bool regular)
{
    uv_loop_t *uv = dv_loop_uv(appender->options.loop);
    appender->streamed = !regular && uv_poll_init(uv, &appender->poll, appender->fd) == 0;
    appender->poll.data = appender;
    if (!appender->streamed)
        dv_job_init(&appender->job, appender->options.loop, on_worker, after_write, appender);
    appender->options.sync = appender->options.sync && regular;
}

dv_rc dv_appender_open(struct dv_appender *appender, const struct dv_appender_options *options, struct dv_error *error)
{
    DV_ASSERT(options->progress != NULL && options->name != NULL);
    *appender = (struct dv_appender){ .options = *options };
    dv_breaker_init(&appender->breaker, 1, (struct dv_backoff){ DV_FILE_BACKOFF_MIN_MS, DV_FILE_BACKOFF_MAX_MS },
                    dv_now_ns(options->loop) ^ (uintptr_t)appender);
    dv_rc rc = open_repaired(appender, error);
    if (rc != DV_OK) {
        appender->state = DV_APPENDER_CLOSED;
        return rc;
    }
    struct dv_file_facts facts;
    rc = dv_file_facts(appender->fd, &facts);
    if (rc == DV_OK && (make_buffer(&appender->filling) != DV_OK || make_buffer(&appender->writing) != DV_OK))
        rc = DV_E_MEMORY;
    if (rc != DV_OK) {
        free_buffer(&appender->filling);
        (void)options->sys->close(appender->fd);
        return dv_error_set(error, rc, "%s: %s", options->path, dv_rc_text(rc));
    }
    choose_way(appender, facts.regular);
    dv_timer_init(options->loop, &appender->timer, on_timer, appender);
    move(appender, DV_APPENDER_IDLE);
    return DV_OK;
}

void dv_appender_close(struct dv_appender *appender)
{
    if (appender->state == DV_APPENDER_CLOSED)
        return;
    if (appender->streamed)
        uv_close((uv_handle_t *)&appender->poll, NULL);
    else
        (void)dv_job_close(&appender->job);
    dv_timer_close(&appender->timer);
    if (appender->restore_flags >= 0)
        (void)fcntl(appender->fd, F_SETFL, appender->restore_flags);
    (void)appender->options.sys->close(appender->fd);
    free_buffer(&appender->filling);
    free_buffer(&appender->writing);
    move(appender, DV_APPENDER_CLOSED);
}
