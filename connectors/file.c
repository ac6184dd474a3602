/* SPDX-License-Identifier: Apache-2.0
 * file.c - what readers and appenders share: opening, a file's facts, and the repair of a torn end. */
#include "connectors/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/memory.h"

enum { REPAIR_WINDOW = 1024 * 1024 };

static dv_rc open_failed(const char *path, int error, struct dv_error *ret)
{
    dv_rc code = error == ENOENT ? DV_E_MISSING : error == ENOSPC || error == EDQUOT ? DV_E_FULL : DV_E_IO;
    return dv_error_set(ret, code, "%s: %s", path, strerror(error));
}

/* Opens a pipe or terminal once more through /proc, so that O_NONBLOCK is ours alone; if that is not allowed, the
 * shared one is changed, and its flags are kept for close(). */
static dv_rc open_shared(const struct dv_sys *sys, int fd, int flags, int *ret_fd, int *ret_restore)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *ret_restore = -1;
    *ret_fd = sys->open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (*ret_fd >= 0)
        return DV_OK;
    *ret_restore = fcntl(fd, F_GETFL);
    *ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return *ret_fd >= 0 && *ret_restore >= 0 && fcntl(fd, F_SETFL, *ret_restore | O_NONBLOCK) == 0 ? DV_OK : DV_E_IO;
}

dv_rc dv_file_open(const struct dv_sys *sys, const char *path, int standard_fd, int flags, int *ret_fd,
                   int *ret_restore, struct dv_error *error)
{
    *ret_restore = -1;
    if (strcmp(path, "-") != 0) {
        int failed = (flags & O_CREAT) != 0 ? dv_sys_make_parents(path) : 0;
        if (failed != 0)
            return open_failed(path, failed, error);
        *ret_fd = sys->open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
        return *ret_fd >= 0 ? DV_OK : open_failed(path, errno, error);
    }
    struct stat about;
    if (fstat(standard_fd, &about) != 0)
        return open_failed(standard_fd == 0 ? "standard input" : "standard output", errno, error);
    dv_rc rc = DV_OK;
    if (S_ISREG(about.st_mode))
        *ret_fd = fcntl(standard_fd, F_DUPFD_CLOEXEC, 3);
    else
        rc = open_shared(sys, standard_fd, flags, ret_fd, ret_restore);
    if (rc == DV_OK && *ret_fd >= 0)
        return DV_OK;
    return open_failed(standard_fd == 0 ? "standard input" : "standard output", errno, error);
}

dv_rc dv_file_facts(int fd, struct dv_file_facts *ret)
{
    struct statx about;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &about) != 0)
        return DV_E_IO;
    *ret = (struct dv_file_facts){ .regular = S_ISREG(about.stx_mode), .inode = about.stx_ino, .size = about.stx_size };
    if ((about.stx_mask & STATX_BTIME) != 0)
        ret->born_ns = (int64_t)about.stx_btime.tv_sec * 1000000000 + about.stx_btime.tv_nsec;
    return S_ISDIR(about.stx_mode) ? DV_E_CONFIG : DV_OK;
}

/* Reads the window that ends at `end`, or is as long as the window; -1 on failure. */
static ssize_t read_window(const struct dv_sys *sys, int fd, char *window, uint64_t from, uint64_t end)
{
    size_t size = end - from < REPAIR_WINDOW ? (size_t)(end - from) : REPAIR_WINDOW;
    ssize_t got = sys->pread(fd, window, size, (off_t)from);
    return got == (ssize_t)size ? got : -1;
}

/* The end of the last whole line, searched from the back. False: reading failed. */
static bool last_line(const struct dv_sys *sys, int fd, char *window, uint64_t size, uint64_t *ret_end)
{
    for (uint64_t end = size; end > 0;) {
        uint64_t from = end > REPAIR_WINDOW ? end - REPAIR_WINDOW : 0;
        ssize_t got = read_window(sys, fd, window, from, end);
        if (got < 0)
            return false;
        const char *newline = memrchr(window, '\n', (size_t)got);
        if (newline != NULL) {
            *ret_end = from + (uint64_t)(newline - window) + 1;
            return true;
        }
        end = from;
    }
    *ret_end = 0;
    return true;
}

/* The bytes of whole records at the start of the window; *ret_next is what record() says of the one behind them. */
static size_t whole_records(dv_record_length record, const char *window, size_t size, size_t *ret_next)
{
    size_t used = 0;
    *ret_next = 0;
    while (used < size) {
        *ret_next = record((const uint8_t *)window + used, size - used);
        if (*ret_next == 0 || *ret_next > size - used)
            break;
        used += *ret_next;
    }
    return used;
}

/* The end of the last whole record, searched from the front: only there it is certain where a record begins. */
static bool last_record(const struct dv_appender_options *options, int fd, char *window, uint64_t size,
                        uint64_t *ret_end, bool *ret_damaged)
{
    *ret_end = 0;
    while (*ret_end < size) {
        ssize_t got = read_window(options->sys, fd, window, *ret_end, size);
        if (got < 0)
            return false;
        size_t next = 0;
        size_t used = whole_records(options->record, window, (size_t)got, &next);
        *ret_end += used;
        *ret_damaged = next == SIZE_MAX;
        if (used == (size_t)got)
            continue;
        if (next > size - *ret_end || (next == 0 && used == 0))
            break;
        *ret_end += next;
    }
    return true;
}

static bool find_end(int fd, const struct dv_appender_options *options, char *window, uint64_t size, uint64_t *ret_end,
                     bool *ret_damaged)
{
    *ret_damaged = false;
    if (options->record != NULL)
        return last_record(options, fd, window, size, ret_end, ret_damaged);
    if (!last_line(options->sys, fd, window, size, ret_end))
        return false;
    if (options->first == 0 || *ret_end == size)
        return true;
    if (read_window(options->sys, fd, window, *ret_end, *ret_end + 1) < 0)
        return false;
    *ret_damaged = window[0] != options->first;
    return true;
}

static dv_rc cut(int fd, const struct dv_appender_options *options, uint64_t size, struct dv_error *error)
{
    if (options->sys->ftruncate(fd, (off_t)size) == 0 && options->sys->fdatasync(fd) == 0)
        return DV_OK;
    return dv_error_set(error, DV_E_IO, "%s: cannot cut off its torn end: %s", options->path, strerror(errno));
}

dv_rc dv_file_repair(int fd, const struct dv_appender_options *options, uint64_t size, uint64_t *ret_size,
                     bool *ret_damaged, struct dv_error *error)
{
    *ret_size = size;
    *ret_damaged = false;
    if (size == 0)
        return DV_OK;
    char *window = dv_memory_alloc(REPAIR_WINDOW);
    if (window == NULL)
        return dv_error_set(error, DV_E_MEMORY, "%s: no memory to look for a torn end", options->path);
    bool read = find_end(fd, options, window, size, ret_size, ret_damaged);
    explicit_bzero(window, REPAIR_WINDOW);
    dv_memory_free(window);
    if (!read)
        return dv_error_set(error, DV_E_IO, "%s: cannot be read to its end", options->path);
    if (*ret_damaged || *ret_size == size)
        return DV_OK;
    return cut(fd, options, *ret_size, error);
}

dv_rc dv_file_quarantine(const struct dv_sys *sys, const char *path, struct dv_error *error)
{
    char name[PATH_MAX];
    int length = snprintf(name, sizeof name, "%s.corrupt", path);
    for (unsigned n = 2; length > 0 && length < (int)sizeof name && access(name, F_OK) == 0; n++)
        length = snprintf(name, sizeof name, "%s.corrupt.%u", path, n);
    if (length > 0 && length < (int)sizeof name && sys->rename(path, name) == 0)
        return DV_OK;
    return dv_error_set(error, DV_E_IO, "%s: damaged, and cannot be set aside: %s", path, strerror(errno));
}
