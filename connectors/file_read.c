/* SPDX-License-Identifier: Apache-2.0
 * file_read.c - the reader: while one buffer is read from, the next one is filled. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/file.h"
#include "engine/breaker.h"
#include "engine/memory.h"

/* Row: from; bit: to. */
static const unsigned allowed[DV_READER_STATES] = {
    [DV_READER_CLOSED] = 1u << DV_READER_IDLE,
    [DV_READER_IDLE] = 1u << DV_READER_FILLING | 1u << DV_READER_CLOSED,
    [DV_READER_FILLING] = 1u << DV_READER_FILLED | 1u << DV_READER_WAITING | 1u << DV_READER_ENDED |
                          1u << DV_READER_RESTARTED | 1u << DV_READER_CLOSED,
    [DV_READER_FILLED] = 1u << DV_READER_IDLE | 1u << DV_READER_CLOSED,
    [DV_READER_WAITING] = 1u << DV_READER_FILLING | 1u << DV_READER_CLOSED,
    [DV_READER_ENDED] = 1u << DV_READER_CLOSED,
    [DV_READER_RESTARTED] = 1u << DV_READER_IDLE | 1u << DV_READER_CLOSED,
};

static void move(struct dv_reader *reader, enum dv_reader_state to)
{
    DV_ASSERT((allowed[reader->state] >> to & 1u) != 0);
    reader->state = to;
}

static size_t headroom(const struct dv_reader *reader)
{
    return reader->options.record_max;
}

static dv_rc make_buffer(struct dv_reader *reader, struct dv_reader_buffer *buffer)
{
    buffer->memory = dv_memory_alloc(headroom(reader) + DV_FILE_BUFFER + DV_FILE_PADDING);
    if (buffer->memory == NULL)
        return DV_E_MEMORY;
    buffer->start = buffer->memory + headroom(reader);
    buffer->end = buffer->start;
    buffer->low = buffer->start;
    memset(buffer->start, 0, DV_FILE_BUFFER + DV_FILE_PADDING);
    return DV_OK;
}

static void free_buffer(struct dv_reader *reader, struct dv_reader_buffer *buffer)
{
    if (buffer->memory == NULL)
        return;
    char *end = buffer->memory + headroom(reader) + DV_FILE_BUFFER + DV_FILE_PADDING;
    explicit_bzero(buffer->low, (size_t)(end - buffer->low));
    dv_memory_free(buffer->memory);
    *buffer = (struct dv_reader_buffer){ 0 };
}

/* Tells whoever waits. The request is over before the call, which may make another. */
static void notify(struct dv_reader *reader)
{
    dv_file_callback callback = reader->callback;
    reader->callback = NULL;
    if (callback != NULL)
        callback(reader->data);
}

static ssize_t read_again(struct dv_reader *reader)
{
    char *to = reader->next.memory + headroom(reader);
    ssize_t got = -1;
    do {
        if (reader->streamed)
            got = read(reader->fd, to, DV_FILE_BUFFER);
        else
            got = reader->options.sys->pread(reader->fd, to, DV_FILE_BUFFER, (off_t)reader->read_offset);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* What has become of a followed file whose end was met. Renamed files are read until their end was met twice, because
 * a writer may hold one open for a while after it was renamed. */
static enum dv_fill look_at_end(struct dv_reader *reader)
{
    struct stat here;
    struct stat there;
    if (fstat(reader->fd, &here) == 0 && (uint64_t)here.st_size < reader->read_offset)
        return DV_FILL_SHORTER;
    bool replaced = stat(reader->options.path, &there) == 0 &&
                    (there.st_ino != here.st_ino || there.st_dev != here.st_dev) && S_ISREG(there.st_mode);
    reader->gone = replaced ? reader->gone + 1 : 0;
    return reader->gone >= 2 ? DV_FILL_REPLACED : DV_FILL_END;
}

static void on_worker(struct dv_job *job)
{
    struct dv_reader *reader = job->data;
    reader->fill_length = read_again(reader);
    if (reader->fill_length > 0) {
        reader->fill = DV_FILL_BYTES;
        reader->gone = 0;
    } else if (reader->fill_length < 0) {
        reader->fill = DV_FILL_ERROR;
        reader->error = errno;
    } else {
        reader->fill = reader->options.follow ? look_at_end(reader) : DV_FILL_END;
    }
}

static void wait_ms(struct dv_reader *reader, uint64_t delay_ms)
{
    move(reader, DV_READER_WAITING);
    dv_timer_start(&reader->timer, delay_ms);
}

static void back_off(struct dv_reader *reader)
{
    wait_ms(reader, dv_breaker_failed(&reader->breaker, dv_now_ns(reader->options.loop), dv_sys_reason(reader->error)));
}

static void note_success(struct dv_reader *reader)
{
    reader->error = 0;
    (void)dv_breaker_succeeded(&reader->breaker);
}

static void filled(struct dv_reader *reader)
{
    note_success(reader);
    reader->next.start = reader->next.memory + headroom(reader);
    reader->next.end = reader->next.start + reader->fill_length;
    reader->read_offset += (uint64_t)reader->fill_length;
    move(reader, DV_READER_FILLED);
}

static void after_fill(struct dv_job *job)
{
    struct dv_reader *reader = job->data;
    if (reader->fill != DV_FILL_ERROR)
        note_success(reader);
    switch (reader->fill) {
    case DV_FILL_BYTES: filled(reader); break;
    case DV_FILL_END:
        if (reader->options.follow) {
            wait_ms(reader, DV_FILE_FOLLOW_MS);
            return;
        }
        move(reader, DV_READER_ENDED);
        break;
    case DV_FILL_SHORTER:
    case DV_FILL_REPLACED: move(reader, DV_READER_RESTARTED); break;
    case DV_FILL_ERROR: back_off(reader); return;
    }
    notify(reader);
}

/* A pipe whose other side is gone by an error has ended, too: no later read will do better. */
static bool stream_fill(struct dv_reader *reader)
{
    reader->fill_length = read_again(reader);
    if (reader->fill_length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (reader->fill_length > 0) {
        filled(reader);
        return true;
    }
    reader->error = reader->fill_length < 0 ? errno : 0;
    move(reader, DV_READER_ENDED);
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status; /* the read meets the error itself */
    (void)events;
    struct dv_reader *reader = poll->data;
    DV_ASSERT(reader->state == DV_READER_FILLING);
    if (!stream_fill(reader))
        return;
    (void)uv_poll_stop(poll);
    notify(reader);
}

/* A named pipe that no writer has opened yet reads like one that has ended; only polling tells them apart. */
static bool may_read_at_once(const struct dv_reader *reader)
{
    return reader->read_offset != 0 || strcmp(reader->options.path, "-") == 0;
}

/* What the kernel holds in memory is copied here and now: a job costs two switches of threads and the cache lines that
 * go with them. The end of a file and all faults are left to the job. */
static bool cached_fill(struct dv_reader *reader)
{
    char *to = reader->next.memory + headroom(reader);
    ssize_t got = reader->options.sys->pread_cached(reader->fd, to, DV_FILE_BUFFER, (off_t)reader->read_offset);
    reader->cached = got > 0;
    if (!reader->cached)
        return false;
    reader->fill_length = got;
    reader->gone = 0;
    filled(reader);
    return true;
}

static void start_fill(struct dv_reader *reader)
{
    move(reader, DV_READER_FILLING);
    if (!reader->streamed) {
        if (!cached_fill(reader))
            dv_job_start(&reader->job);
        return;
    }
    if (!may_read_at_once(reader) || !stream_fill(reader)) {
        int failed = uv_poll_start(&reader->poll, UV_READABLE | UV_DISCONNECT, on_readable);
        DV_ASSERT(failed == 0);
    }
}

static void on_timer(struct dv_timer *timer)
{
    struct dv_reader *reader = timer->data;
    uint64_t now = dv_now_ns(reader->options.loop);
    if (!dv_breaker_admits(&reader->breaker, now)) {
        dv_timer_start(&reader->timer, dv_breaker_wait_ms(&reader->breaker, now));
        return;
    }
    start_fill(reader);
    if (reader->state == DV_READER_FILLED)
        notify(reader);
}

/* Terminals and pipes can be polled; files and the like of /dev/null cannot, and never block. */
static void choose_way(struct dv_reader *reader)
{
    uv_loop_t *uv = dv_loop_uv(reader->options.loop);
    reader->streamed = !reader->facts.regular && uv_poll_init(uv, &reader->poll, reader->fd) == 0;
    reader->poll.data = reader;
    if (!reader->streamed)
        dv_job_init(&reader->job, reader->options.loop, on_worker, after_fill, reader);
    reader->options.follow = reader->options.follow && reader->facts.regular;
}

static dv_rc open_and_look(struct dv_reader *reader, struct dv_error *error)
{
    const struct dv_reader_options *options = &reader->options;
    DV_TRY(
        dv_file_open(options->sys, options->path, STDIN_FILENO, O_RDONLY, &reader->fd, &reader->restore_flags, error));
    dv_rc rc = dv_file_facts(reader->fd, &reader->facts);
    if (rc != DV_OK) {
        (void)options->sys->close(reader->fd);
        return dv_error_set(error, rc, "%s: %s", options->path,
                            rc == DV_E_CONFIG ? "is a directory" : "cannot be read");
    }
    return DV_OK;
}

dv_rc dv_reader_open(struct dv_reader *reader, const struct dv_reader_options *options, struct dv_error *error)
{
    DV_ASSERT(options->record_max <= DV_FILE_RECORD_MAX);
    *reader = (struct dv_reader){ .options = *options };
    dv_breaker_init(&reader->breaker, 1, (struct dv_backoff){ DV_FILE_BACKOFF_MIN_MS, DV_FILE_BACKOFF_MAX_MS },
                    dv_now_ns(options->loop) ^ (uintptr_t)reader);
    if (make_buffer(reader, &reader->current) != DV_OK || make_buffer(reader, &reader->next) != DV_OK) {
        free_buffer(reader, &reader->current);
        return dv_error_set(error, DV_E_MEMORY, "%s: no memory for its buffers", options->path);
    }
    dv_rc rc = open_and_look(reader, error);
    if (rc != DV_OK) {
        free_buffer(reader, &reader->current);
        free_buffer(reader, &reader->next);
        return rc;
    }
    choose_way(reader);
    dv_timer_init(options->loop, &reader->timer, on_timer, reader);
    if (reader->facts.regular && strcmp(options->path, "-") == 0) {
        off_t at = lseek(reader->fd, 0, SEEK_CUR);
        dv_reader_seek(reader, at > 0 ? (uint64_t)at : 0);
    }
    move(reader, DV_READER_IDLE);
    return DV_OK;
}

size_t dv_reader_head(struct dv_reader *reader, char *buffer, size_t size)
{
    DV_ASSERT(!reader->begun);
    if (!reader->facts.regular)
        return 0;
    ssize_t got = reader->options.sys->pread(reader->fd, buffer, size, 0);
    return got > 0 ? (size_t)got : 0;
}

void dv_reader_seek(struct dv_reader *reader, uint64_t offset)
{
    DV_ASSERT(!reader->begun && (offset == 0 || reader->facts.regular));
    reader->offset = offset;
    reader->read_offset = offset;
}

/* The unread tail moves in front of the new bytes, and the buffers change places. */
static void join(struct dv_reader *reader)
{
    struct dv_reader_buffer *next = &reader->next;
    size_t tail = (size_t)(reader->current.end - reader->current.start);
    DV_ASSERT(tail <= headroom(reader));
    next->start -= tail;
    memcpy(next->start, reader->current.start, tail);
    if (next->start < next->low)
        next->low = next->start;
    struct dv_reader_buffer spent = reader->current;
    reader->current = *next;
    reader->next = spent;
}

enum dv_more dv_reader_more(struct dv_reader *reader)
{
    reader->begun = true;
    if (reader->state == DV_READER_IDLE)
        start_fill(reader);
    switch (reader->state) {
    case DV_READER_FILLED:
        join(reader);
        move(reader, DV_READER_IDLE);
        /* A disk is given the next request ahead of time; what is in memory waits there better than in a buffer. */
        if (!reader->cached)
            start_fill(reader);
        return DV_MORE_BYTES;
    case DV_READER_ENDED: return DV_MORE_END;
    case DV_READER_RESTARTED: return DV_MORE_RESTART;
    default: return DV_MORE_LATER;
    }
}

void dv_reader_request(struct dv_reader *reader, dv_file_callback callback, void *data)
{
    DV_ASSERT(callback != NULL);
    DV_ASSERT(reader->state == DV_READER_FILLING || reader->state == DV_READER_WAITING);
    reader->callback = callback;
    reader->data = data;
}

/* If the name has gone again, the old file stays: its end will be looked at as before. */
static void open_successor(struct dv_reader *reader)
{
    const struct dv_sys *sys = reader->options.sys;
    int fd = sys->open(reader->options.path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    struct dv_file_facts facts;
    if (fd < 0)
        return;
    if (dv_file_facts(fd, &facts) != DV_OK || !facts.regular) {
        (void)sys->close(fd);
        return;
    }
    (void)sys->close(reader->fd);
    reader->fd = fd;
}

void dv_reader_restart(struct dv_reader *reader)
{
    DV_ASSERT(reader->state == DV_READER_RESTARTED);
    if (reader->fill == DV_FILL_REPLACED)
        open_successor(reader);
    struct dv_file_facts facts;
    if (dv_file_facts(reader->fd, &facts) == DV_OK)
        reader->facts = facts;
    reader->gone = 0;
    reader->offset = 0;
    reader->read_offset = 0;
    reader->current.start = reader->current.memory + headroom(reader);
    reader->current.end = reader->current.start;
    move(reader, DV_READER_IDLE);
}

const char *dv_reader_waits(const struct dv_reader *reader)
{
    return reader->state == DV_READER_WAITING && reader->error != 0 ? dv_sys_reason(reader->error) : NULL;
}

void dv_reader_close(struct dv_reader *reader)
{
    if (reader->state == DV_READER_CLOSED)
        return;
    if (reader->streamed)
        uv_close((uv_handle_t *)&reader->poll, NULL);
    else
        (void)dv_job_close(&reader->job);
    dv_timer_close(&reader->timer);
    if (reader->restore_flags >= 0)
        (void)fcntl(reader->fd, F_SETFL, reader->restore_flags);
    (void)reader->options.sys->close(reader->fd);
    free_buffer(reader, &reader->current);
    free_buffer(reader, &reader->next);
    reader->callback = NULL;
    move(reader, DV_READER_CLOSED);
}
