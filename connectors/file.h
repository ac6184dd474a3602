/* SPDX-License-Identifier: Apache-2.0
 * file.h - reading and appending files, pipes and terminals without ever blocking the loop.
 *
 * Regular files are read and written by worker jobs, because a disk makes whoever asks it wait; only what the kernel
 * has in its memory already is read on the loop.
 * Pipes, sockets and terminals are read and written on the loop when they are ready; inherited ones are opened again,
 * so that other processes that share them keep their own mode.
 *
 * Both objects live in memory of their owner's that must stay until the loop has run dry after close(). Open and close
 * may block: they belong to the start and the end of a run. */
#ifndef DV_CONNECTORS_FILE_H
#define DV_CONNECTORS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connectors/job.h"
#include "connectors/sys.h"
#include "engine/breaker.h"
#include "engine/loop.h"

enum {
    DV_FILE_BUFFER = 256 * 1024,
    DV_FILE_PADDING = 64, /* readable bytes behind what a reader shows */
    DV_FILE_RECORD_MAX = 64 * 1024 * 1024,
    DV_FILE_FOLLOW_MS = 250, /* how often the end of a followed file is looked at */
    DV_FILE_BACKOFF_MIN_MS = 50,
    DV_FILE_BACKOFF_MAX_MS = 2000,
};

/* ---- the reader: two buffers, of which one is read from while the other is filled ---- */

/* What happens with the buffer that is not being read from. */
enum dv_reader_state {
    DV_READER_CLOSED,
    DV_READER_IDLE,    /* open, nothing asked yet */
    DV_READER_FILLING, /* a job or the readiness of a pipe will tell */
    DV_READER_FILLED,
    DV_READER_WAITING, /* for the timer: a followed file's end, or back-off after an error */
    DV_READER_ENDED,
    DV_READER_RESTARTED, /* the followed file was cut or replaced: reading goes on at its start */
    DV_READER_STATES
};

/* What dv_reader_more() says. */
enum dv_more {
    DV_MORE_BYTES,   /* the text has grown */
    DV_MORE_LATER,   /* nothing yet */
    DV_MORE_END,     /* the text is all there will be */
    DV_MORE_RESTART, /* the same, and dv_reader_restart() begins with the file that took its place */
};

typedef void (*dv_file_callback)(void *data);

struct dv_reader_options {
    struct dv_loop *loop;
    const struct dv_sys *sys; /* &dv_sys_real */
    const char *path;         /* lives as long as the reader; "-": standard input */
    size_t record_max;        /* the most bytes that stay unread when more are asked for; ≤ DV_FILE_RECORD_MAX */
    bool follow;              /* at the end of a regular file wait for more */
};

/* One buffer: room for what the last one left unread, then for one read, then the padding. */
struct dv_reader_buffer {
    char *memory;
    char *low;   /* the lowest byte ever used, for wiping */
    char *start; /* unread bytes */
    char *end;
};

/* What tells a file from others of the same name. */
struct dv_file_facts {
    bool regular;
    uint64_t inode;
    uint64_t size;
    int64_t born_ns; /* 0 where the file system does not know */
};

/* What a fill came to; set by the worker. */
enum dv_fill { DV_FILL_BYTES, DV_FILL_END, DV_FILL_SHORTER, DV_FILL_REPLACED, DV_FILL_ERROR };

struct dv_reader {
    struct dv_reader_options options;
    enum dv_reader_state state;
    struct dv_file_facts facts;
    int fd;
    int restore_flags; /* of a shared descriptor that had to be changed, or -1 */
    bool streamed;     /* read on the loop when ready */
    bool cached;       /* the last read of a regular file was met by the kernel's memory */
    bool begun;
    struct dv_reader_buffer current, next;
    uint64_t offset;      /* in the file, of current.start */
    uint64_t read_offset; /* of the next read */
    struct dv_job job;
    uv_poll_t poll;
    struct dv_timer timer;
    enum dv_fill fill;
    int error; /* errno of the last failed read, or 0 */
    ssize_t fill_length;
    unsigned gone; /* how often in a row the end was met while another file had the name */
    struct dv_breaker breaker;
    dv_file_callback callback;
    void *data;
};

/* Opens for reading. Errors: DV_E_MISSING, DV_E_IO, DV_E_CONFIG (a directory), DV_E_MEMORY; nothing is left open. */
DV_CHECKED dv_rc dv_reader_open(struct dv_reader *reader, const struct dv_reader_options *options,
                                struct dv_error *error);

/* Up to `size` bytes from the start of a regular file, read at once; 0 for others. Only before the first more(). */
size_t dv_reader_head(struct dv_reader *reader, char *buffer, size_t size);

/* Where a regular file is read from. Only before the first more(). */
void dv_reader_seek(struct dv_reader *reader, uint64_t offset);

/* The unread bytes, with DV_FILE_PADDING readable bytes behind them. */
static inline const char *dv_reader_text(const struct dv_reader *reader, size_t *ret_length)
{
    *ret_length = (size_t)(reader->current.end - reader->current.start);
    return reader->current.start;
}

/* Marks the first `length` unread bytes as read. */
static inline void dv_reader_take(struct dv_reader *reader, size_t length)
{
    DV_ASSERT(length <= (size_t)(reader->current.end - reader->current.start));
    reader->current.start += length;
    reader->offset += length;
}

/* Puts the next bytes behind the unread ones, of which at most `record_max` may be left. */
enum dv_more dv_reader_more(struct dv_reader *reader);

/* After DV_MORE_LATER: calls back once, from the loop, when more() has something else to say. A second request takes
 * the place of the first. */
void dv_reader_request(struct dv_reader *reader, dv_file_callback callback, void *data);

/* After DV_MORE_RESTART: drops what is unread and begins at the start of the new file, whose facts are set. */
void dv_reader_restart(struct dv_reader *reader);

/* Why nothing comes, a literal, or NULL. */
const char *dv_reader_waits(const struct dv_reader *reader);

/* Waits for a running read and closes. Accepts a zeroed reader. */
void dv_reader_close(struct dv_reader *reader);

/* ---- the appender: one buffer is written by a job while the other is filled ---- */

enum dv_appender_state {
    DV_APPENDER_CLOSED,
    DV_APPENDER_IDLE,
    DV_APPENDER_WRITING,
    DV_APPENDER_WAITING, /* for the timer: no space, or a device error on writing */
    DV_APPENDER_FAILED,  /* for good: a sync failed, or a pipe's reader has gone */
    DV_APPENDER_STATES
};

/* The length of the record that begins `bytes`, which need not be there to its end: 0 if there are too few bytes to
 * tell, SIZE_MAX if no record begins like this. */
typedef size_t (*dv_record_length)(const uint8_t *bytes, size_t length);

struct dv_appender_options {
    struct dv_loop *loop;
    const struct dv_sys *sys;  /* &dv_sys_real */
    const char *name;          /* of the node, for log events: a DV_NAME */
    const char *path;          /* "-": standard output */
    const char *taken;         /* what to do about another process that writes to it; NULL: to name another file */
    bool sync;                 /* durable means on the disk; else: handed to the kernel */
    bool elastic;              /* the buffer being filled grows instead of running out: its owner keeps the bound */
    char first;                /* records are lines that begin with this byte; 0: any */
    dv_record_length record;   /* records are not lines: tells the length of each; else NULL */
    dv_file_callback progress; /* from the loop: bytes became durable, or the state changed */
    void *data;
};

struct dv_appender_buffer {
    char *bytes;
    size_t size, used;
};

struct dv_appender {
    struct dv_appender_options options;
    enum dv_appender_state state;
    int fd;
    int restore_flags;
    bool streamed;   /* written on the loop when ready */
    bool positioned; /* a file of our own: every write says where */
    struct dv_appender_buffer filling, writing;
    size_t written;       /* of `writing` */
    uint64_t file_offset; /* where `writing` begins */
    uint64_t accepted;    /* bytes filled since the open */
    uint64_t durable;     /* of these */
    uint64_t repaired;    /* bytes of a torn record that open() cut off */
    bool quarantined;     /* open() set a damaged file aside */
    struct dv_job job;
    uv_poll_t poll;
    struct dv_timer timer;
    int error;          /* errno of the last failed write, or 0; the worker's while it writes */
    bool sync_failed;   /* it was the sync */
    const char *reason; /* why nothing is written, a literal, or NULL */
    struct dv_breaker breaker; /* opens with the first write that fails: a full disk is waited for */
};

/* Opens for appending: made with mode 0600 if it is missing, locked against a second writer (DV_E_CONFIG). What a crash
 * left of the last record is cut off first, so that every record in the file is whole. A file in which no record begins
 * where one should is damaged or somebody else's: it is renamed to `<path>.corrupt`, untouched, and a new one begun.
 * Other errors: DV_E_IO, DV_E_FULL, DV_E_MEMORY; nothing is left open. */
DV_CHECKED dv_rc dv_appender_open(struct dv_appender *appender, const struct dv_appender_options *options,
                                  struct dv_error *error);

/* Room for `need` bytes in the buffer, or NULL: none before the next progress() (or, for more than DV_FILE_RECORD_MAX
 * or when memory is short, none ever: `*ret_never`). */
char *dv_appender_room(struct dv_appender *appender, size_t need, bool *ret_never);

/* The first `used` bytes of the room are filled. */
static inline void dv_appender_filled(struct dv_appender *appender, size_t used)
{
    DV_ASSERT(used <= appender->filling.size - appender->filling.used);
    appender->filling.used += used;
    appender->accepted += used;
}

/* Begins to write what is filled, unless a write is under way: then it follows by itself. */
void dv_appender_flush(struct dv_appender *appender);

/* The same at the next turn of the loop, or when the buffer is full: what is filled until then goes out with it. */
void dv_appender_flush_soon(struct dv_appender *appender);

/* Why nothing is written, a literal, or NULL. */
const char *dv_appender_waits(const struct dv_appender *appender);

/* True when nothing ever will be: what is not durable now must count as lost. */
static inline bool dv_appender_failed(const struct dv_appender *appender)
{
    return appender->state == DV_APPENDER_FAILED;
}

/* Waits for a running write and closes; what was not written is dropped. Accepts a zeroed appender. */
void dv_appender_close(struct dv_appender *appender);

/* ---- for both ---- */

/* Opens `path`, or a duplicate of `standard_fd` for "-"; pipes and terminals do not block. *ret_restore as above. */
DV_CHECKED dv_rc dv_file_open(const struct dv_sys *sys, const char *path, int standard_fd, int flags, int *ret_fd,
                              int *ret_restore, struct dv_error *error);

/* Inode, size, birth and kind of an open file. */
DV_CHECKED dv_rc dv_file_facts(int fd, struct dv_file_facts *ret);

/* Cuts off what follows the last whole record; see dv_appender_open(). *ret_size is the size afterwards; *ret_damaged:
 * no record begins there, and nothing was done. */
DV_CHECKED dv_rc dv_file_repair(int fd, const struct dv_appender_options *options, uint64_t size, uint64_t *ret_size,
                                bool *ret_damaged, struct dv_error *error);

/* Renames a damaged file to `<path>.corrupt`, or `.corrupt.2` and so on if that is taken. */
DV_CHECKED dv_rc dv_file_quarantine(const struct dv_sys *sys, const char *path, struct dv_error *error);

#endif
