/* SPDX-License-Identifier: Apache-2.0
 * private_file.c - owner-only files, replaced atomically. */
#include "vault/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/crash.h"

enum { OTHERS = 077, NAME_MAX_BYTES = 64 };

static dv_rc system_error(struct dv_error *error, const char *act, const char *what)
{
    DV_ASSERT(act != NULL && what != NULL);
    DV_ASSERT(errno != 0);
    dv_rc code = errno == ENOENT ? DV_E_MISSING : errno == ENOSPC || errno == EDQUOT ? DV_E_FULL : DV_E_IO;
    return dv_error_set(error, code, "cannot %s %s: %s", act, what, strerrordesc_np(errno));
}

static dv_rc closing(int fd, dv_rc rc)
{
    DV_ASSERT(fd >= 0);
    (void)close(fd);
    return rc;
}

/* Whether what is open at `fd` is of `type` and nobody else's business. */
static dv_rc check_private(int fd, mode_t type, const char *path, struct stat *ret, struct dv_error *error)
{
    DV_ASSERT(type == S_IFDIR || type == S_IFREG);
    if (fstat(fd, ret) != 0)
        return system_error(error, "look at", path);
    if ((ret->st_mode & S_IFMT) != type)
        return dv_error_set(error, DV_E_CONFIG, "%s is not a %s", path, type == S_IFDIR ? "directory" : "regular file");
    if ((ret->st_mode & OTHERS) != 0)
        return dv_error_set(error, DV_E_CONFIG, "%s holds keys and is open to others (mode %04o); run: chmod %s %s",
                            path, (unsigned)(ret->st_mode & 07777), type == S_IFDIR ? "700" : "600", path);
    return DV_OK;
}

dv_rc dv_private_dir_open(struct dv_private_dir *ret, const char *path, bool create, struct dv_error *error)
{
    DV_ASSERT(ret != NULL && path != NULL);
    struct dv_private_dir directory = { .fd = -1 };
    if (strlen(path) >= sizeof directory.path)
        return dv_error_set(error, DV_E_CONFIG, "the path of the keyring has over %d bytes", DV_PRIVATE_PATH_MAX - 1);
    (void)dv_bytes_put((uint8_t *)directory.path, path, strlen(path));
    if (create && mkdir(path, 0700) != 0 && errno != EEXIST)
        return system_error(error, "make", path);
    directory.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory.fd < 0)
        return system_error(error, "open", path);
    struct stat status;
    dv_rc rc = check_private(directory.fd, S_IFDIR, path, &status, error);
    if (dv_is_error(rc))
        return closing(directory.fd, rc);
    *ret = directory;
    return DV_OK;
}

void dv_private_dir_close(struct dv_private_dir *directory)
{
    DV_ASSERT(directory->fd >= 0);
    (void)close(directory->fd);
    directory->fd = -1;
}

dv_rc dv_private_dir_lock(const struct dv_private_dir *directory, int *ret, struct dv_error *error)
{
    DV_ASSERT(directory->fd >= 0);
    /* A descriptor of its own: a lock belongs to the open file, and `directory->fd` may be shared with a child. */
    int fd = openat(directory->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return system_error(error, "open", directory->path);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR)
            return closing(fd, system_error(error, "lock", directory->path));
    }
    *ret = fd;
    return DV_OK;
}

static dv_rc open_at(int directory, const char *name, const char *path, int *ret_fd, size_t *ret_size,
                     struct dv_error *error)
{
    DV_ASSERT(directory >= 0 || directory == AT_FDCWD);
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return system_error(error, "open", path);
    struct stat status;
    dv_rc rc = check_private(fd, S_IFREG, path, &status, error);
    if (dv_is_error(rc))
        return closing(fd, rc);
    *ret_fd = fd;
    *ret_size = (size_t)status.st_size;
    return DV_OK;
}

dv_rc dv_private_open(const struct dv_private_dir *directory, const char *name, int *ret_fd, size_t *ret_size,
                      struct dv_error *error)
{
    DV_ASSERT(directory->fd >= 0 && strchr(name, '/') == NULL);
    char path[DV_PRIVATE_PATH_MAX + NAME_MAX_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", directory->path, name);
    return open_at(directory->fd, name, path, ret_fd, ret_size, error);
}

dv_rc dv_private_read(int fd, void *buffer, size_t size, const char *name, struct dv_error *error)
{
    DV_ASSERT(fd >= 0 && buffer != NULL);
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, (char *)buffer + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return closing(fd, system_error(error, "read", name));
        if (got == 0)
            return closing(fd, dv_error_set(error, DV_E_IO, "%s became shorter while it was read", name));
        done += (size_t)got;
    }
    return closing(fd, DV_OK);
}

static bool write_all(int fd, struct dv_bytes bytes)
{
    DV_ASSERT(bytes.at != NULL || bytes.length == 0);
    for (size_t done = 0; done < bytes.length;) {
        ssize_t put = write(fd, bytes.at + done, bytes.length - done);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}

dv_rc dv_private_write(const struct dv_private_dir *directory, const char *name, struct dv_bytes bytes,
                       struct dv_error *error)
{
    DV_ASSERT(directory->fd >= 0 && strchr(name, '/') == NULL);
    char beside[NAME_MAX_BYTES];
    int length = snprintf(beside, sizeof beside, "%s.new", name);
    DV_ASSERT(length > 0 && (size_t)length < sizeof beside);
    if (unlinkat(directory->fd, beside, 0) != 0 && errno != ENOENT) /* left by a crash */
        return system_error(error, "remove", beside);
    int fd = openat(directory->fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return system_error(error, "make", beside);
    DV_CRASH_POINT("keyring.opened");
    bool written = write_all(fd, bytes) && fchmod(fd, 0600) == 0 && fsync(fd) == 0;
    DV_CRASH_POINT("keyring.synced");
    dv_rc rc = written ? DV_OK : system_error(error, "write", beside);
    if (close(fd) != 0 && written)
        rc = system_error(error, "write", beside);
    if (!dv_is_error(rc) && renameat(directory->fd, beside, directory->fd, name) != 0)
        rc = system_error(error, "replace", name);
    if (dv_is_error(rc)) {
        (void)unlinkat(directory->fd, beside, 0);
        return rc;
    }
    DV_CRASH_POINT("keyring.renamed");
    return fsync(directory->fd) == 0 ? DV_OK : system_error(error, "sync", directory->path);
}

dv_rc dv_private_read_key(const char *path, uint8_t *ret, size_t size, struct dv_error *error)
{
    DV_ASSERT(ret != NULL && size != 0);
    int fd = -1;
    size_t found = 0;
    DV_TRY(open_at(AT_FDCWD, path, path, &fd, &found, error));
    if (found != size)
        return closing(fd,
                       dv_error_set(error, DV_E_KEY, "%s holds %zu bytes; a key has exactly %zu", path, found, size));
    return dv_private_read(fd, ret, size, path, error);
}
