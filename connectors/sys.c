/* SPDX-License-Identifier: Apache-2.0
 * sys.c - the real table, and what several connectors do with it. */
#include "connectors/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/crash.h"

static int real_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static ssize_t real_pread_cached(int fd, void *buffer, size_t size, off_t offset)
{
    struct iovec all = { .iov_base = buffer, .iov_len = size };
    return preadv2(fd, &all, 1, offset, RWF_NOWAIT);
}

const struct dv_sys dv_sys_real = {
    .open = real_open,
    .pread = pread,
    .pread_cached = real_pread_cached,
    .pwrite = pwrite,
    .write = write,
    .ftruncate = ftruncate,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .rename = rename,
    .close = close,
};

static void directory_of(const char *path, char *directory, size_t size)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        (void)snprintf(directory, size, ".");
    else
        (void)snprintf(directory, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

int dv_sys_make_parents(const char *path)
{
    char copy[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof copy)
        return ENAMETOOLONG;
    memcpy(copy, path, length + 1);
    for (char *at = strchr(copy + (copy[0] == '/'), '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            return errno;
        *at = '/';
    }
    return 0;
}

int dv_sys_sync_directory(const struct dv_sys *sys, const char *path)
{
    char directory[PATH_MAX];
    directory_of(path, directory, sizeof directory);
    int fd = sys->open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int error = sys->fsync(fd) == 0 ? 0 : errno;
    (void)sys->close(fd);
    return error;
}

static int write_whole(const struct dv_sys *sys, int fd, const char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t wrote = sys->write(fd, bytes + done, length - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? errno : EIO;
        done += (size_t)wrote;
    }
    return 0;
}

int dv_sys_replace(const struct dv_sys *sys, const char *path, const char *fresh, const void *bytes, size_t length)
{
    int fd = sys->open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    DV_CRASH_POINT("replace.opened");
    int error = write_whole(sys, fd, bytes, length);
    DV_CRASH_POINT("replace.written");
    if (error == 0 && sys->fdatasync(fd) != 0)
        error = errno;
    (void)sys->close(fd);
    DV_CRASH_POINT("replace.synced");
    if (error == 0 && sys->rename(fresh, path) != 0)
        error = errno;
    if (error != 0) {
        (void)unlink(fresh);
        return error;
    }
    DV_CRASH_POINT("replace.renamed");
    return dv_sys_sync_directory(sys, path);
}

const char *dv_sys_reason(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT: return "no space left on device";
    case EROFS: return "the file system is read-only";
    case EACCES:
    case EPERM: return "permission denied";
    case EPIPE: return "the reader of the output has gone";
    default: return "the device reports an error";
    }
}
