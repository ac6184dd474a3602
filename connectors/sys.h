/* SPDX-License-Identifier: Apache-2.0
 * sys.h - the system calls by which connectors make bytes durable, as a table that a test can replace.
 *
 * A test's table fails the n-th call with the error it likes (no space left, a failed fdatasync, a short write) while
 * the code under test stays the one that ships. */
#ifndef DV_CONNECTORS_SYS_H
#define DV_CONNECTORS_SYS_H

#include <stddef.h>
#include <sys/types.h>

/* Each is the system call of its name unless it says otherwise: -1 and errno on failure. Called from worker threads,
 * too. */
struct dv_sys {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*pread)(int fd, void *buffer, size_t size, off_t offset);
    /* As much of a pread() as is in memory: fails with EAGAIN, or where a file system cannot tell, rather than wait. */
    ssize_t (*pread_cached)(int fd, void *buffer, size_t size, off_t offset);
    ssize_t (*pwrite)(int fd, const void *buffer, size_t size, off_t offset);
    ssize_t (*write)(int fd, const void *buffer, size_t size);
    int (*ftruncate)(int fd, off_t length);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*close)(int fd);
};

/* The real ones. */
extern const struct dv_sys dv_sys_real;

/* Makes the directories above `path` that are missing, mode 0700. 0 or an errno. */
int dv_sys_make_parents(const char *path);

/* Opens the directory that holds `path` and syncs it, so that a file made or renamed there stays. 0 or an errno. */
int dv_sys_sync_directory(const struct dv_sys *sys, const char *path);

/* Replaces a file whole: writes `fresh` beside it, syncs it, renames it to `path` and syncs the directory, so that a crash
 * leaves the old bytes or the new ones. 0 or an errno; after one the old bytes are there, or the new ones if only the last
 * sync failed. After a failed sync the next try writes a new file, never the same pages again. */
int dv_sys_replace(const struct dv_sys *sys, const char *path, const char *fresh, const void *bytes, size_t length);

/* A literal for the state that an errno puts a connector into. */
const char *dv_sys_reason(int error);

#endif
