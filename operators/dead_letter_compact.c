/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_compact.c - writes a new file, makes it durable, lets it take the old one's name, and only then forgets
 * the marks. A crash before the new name counts leaves all as it was; one after it leaves marks of letters that are
 * gone, and letters of `<file>.again` that stand in both files, which the next compaction and every scan allow for. */
#include "operators/dead_letter_compact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/sys.h"
#include "engine/crash.h"
#include "engine/memory.h"
#include "operators/dead_letter_scan.h"

enum { BUFFER = 256 * 1024, NEW_MODE = 0600 };

/* A compaction under way. */
struct work {
    struct dv_letter_paths paths;
    char fresh[DV_LETTERS_PATH_MAX + 8];
    struct dv_marks marks;
    int marks_fd, main_fd, fresh_fd;
    char *buffer;
    size_t used;
    struct dv_letter_compaction *result;
    struct dv_error *error;
};

static dv_rc failed(const struct work *work, const char *path)
{
    dv_rc rc = errno == ENOSPC || errno == EDQUOT ? DV_E_FULL : DV_E_IO;
    return dv_error_set(work->error, rc, "%s: %s", path, strerror(errno));
}

/* Opens and locks a file; -1 without an error if somebody else has it, or it was replaced meanwhile. */
static dv_rc lock(const struct work *work, const char *path, int *ret_fd, bool *ret_busy)
{
    struct stat ours;
    struct stat named;
    *ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, NEW_MODE);
    if (*ret_fd < 0 || fstat(*ret_fd, &ours) != 0)
        return failed(work, path);
    *ret_busy = flock(*ret_fd, LOCK_EX | LOCK_NB) != 0 || stat(path, &named) != 0 || named.st_ino != ours.st_ino;
    return DV_OK;
}

static dv_rc flush(struct work *work)
{
    for (size_t at = 0; at < work->used;) {
        ssize_t done = write(work->fresh_fd, work->buffer + at, work->used - at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return failed(work, work->fresh);
        at += (size_t)done;
    }
    work->result->bytes += work->used;
    work->used = 0;
    return DV_OK;
}

static dv_rc copy(struct work *work, struct dv_bytes bytes)
{
    while (bytes.length > 0) {
        size_t room = BUFFER - work->used;
        size_t some = bytes.length < room ? bytes.length : room;
        memcpy(work->buffer + work->used, bytes.at, some);
        work->used += some;
        bytes.at += some;
        bytes.length -= some;
        if (work->used == BUFFER)
            DV_TRY(flush(work));
    }
    return DV_OK;
}

/* A letter is kept unless it is marked; one that stands in both files is kept from the second alone. */
static dv_rc copy_found(struct work *work, const struct dv_letter_found *found, bool again)
{
    if (found->kind == DV_LETTER_DAMAGED) {
        work->result->damaged_bytes += found->length;
        return DV_OK;
    }
    struct dv_letter_key key = dv_letter_key_of(&found->blob);
    enum dv_letter_state state = dv_marks_get(&work->marks, &key);
    if (state == DV_LETTER_MOVED && !again)
        return DV_OK;
    if (state == DV_LETTER_REPLAYED || state == DV_LETTER_DROPPED) {
        work->result->removed++;
        return DV_OK;
    }
    work->result->kept++;
    return copy(work, found->bytes);
}

static dv_rc copy_letters(struct work *work, const char *path, bool again)
{
    struct dv_letter_reader reader;
    struct dv_letter_found found = { 0 };
    dv_rc rc = dv_letter_reader_open(&reader, path, work->error);
    while (rc == DV_OK && (rc = dv_letter_reader_next(&reader, &found, work->error)) == DV_OK &&
           found.kind != DV_LETTER_END)
        rc = copy_found(work, &found, again);
    dv_letter_reader_close(&reader);
    return rc;
}

/* The damaged file keeps a name, so that nothing that might be saved from it is lost. */
static dv_rc keep_damaged(const struct work *work)
{
    char name[DV_LETTERS_PATH_MAX + 32];
    (void)snprintf(name, sizeof name, "%s.corrupt", work->paths.main);
    for (unsigned n = 2; link(work->paths.main, name) != 0; n++) {
        if (errno != EEXIST)
            return failed(work, name);
        (void)snprintf(name, sizeof name, "%s.corrupt.%u", work->paths.main, n);
    }
    return DV_OK;
}

static dv_rc sync_directory(const struct work *work)
{
    errno = dv_sys_sync_directory(&dv_sys_real, work->paths.main);
    return errno == 0 ? DV_OK : failed(work, work->paths.main);
}

static dv_rc write_fresh(struct work *work)
{
    work->fresh_fd = open(work->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, NEW_MODE);
    work->buffer = dv_memory_alloc(BUFFER);
    if (work->buffer == NULL)
        return dv_error_set(work->error, DV_E_MEMORY, "no memory to compact dead letters");
    if (work->fresh_fd < 0)
        return failed(work, work->fresh);
    DV_TRY(copy_letters(work, work->paths.main, false));
    DV_TRY(copy_letters(work, work->paths.again, true));
    DV_TRY(flush(work));
    DV_CRASH_POINT("compact.written");
    return fsync(work->fresh_fd) == 0 ? DV_OK : failed(work, work->fresh);
}

/* From the rename on the new file counts. */
static dv_rc replace(struct work *work)
{
    if (work->result->damaged_bytes > 0)
        DV_TRY(keep_damaged(work));
    DV_CRASH_POINT("compact.before-rename");
    if (rename(work->fresh, work->paths.main) != 0)
        return failed(work, work->paths.main);
    DV_CRASH_POINT("compact.renamed");
    DV_TRY(sync_directory(work));
    if (unlink(work->paths.again) != 0 && errno != ENOENT)
        return failed(work, work->paths.again);
    DV_CRASH_POINT("compact.before-forget");
    DV_TRY(sync_directory(work));
    if (ftruncate(work->marks_fd, 0) != 0 || fsync(work->marks_fd) != 0)
        return failed(work, work->paths.marks);
    return DV_OK;
}

static dv_rc compact(struct work *work)
{
    bool marks_busy = false;
    bool main_busy = false;
    uint64_t again = 0;
    DV_TRY(lock(work, work->paths.marks, &work->marks_fd, &marks_busy));
    if (!marks_busy)
        DV_TRY(lock(work, work->paths.main, &work->main_fd, &main_busy));
    work->result->busy = marks_busy || main_busy;
    if (work->result->busy)
        return DV_OK;
    DV_TRY(dv_marks_load(&work->marks, work->paths.marks, work->error));
    bool marked = work->marks.count > 0;
    DV_TRY(dv_letters_note_again(&work->marks, &work->paths, &again, work->error));
    if (!marked && again == 0)
        return DV_OK;
    DV_TRY(write_fresh(work));
    return replace(work);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

dv_rc dv_letters_compact(const char *path, struct dv_letter_compaction *ret, struct dv_error *error)
{
    struct work work = { .marks_fd = -1, .main_fd = -1, .fresh_fd = -1, .result = ret, .error = error };
    *ret = (struct dv_letter_compaction){ 0 };
    DV_TRY(dv_letter_paths_of(&work.paths, path, error));
    if (access(work.paths.marks, F_OK) != 0 && access(work.paths.again, F_OK) != 0)
        return DV_OK;
    (void)snprintf(work.fresh, sizeof work.fresh, "%s.new", work.paths.main);
    dv_rc rc = compact(&work);
    if (rc != DV_OK && work.fresh_fd >= 0)
        (void)unlink(work.fresh);
    close_fd(work.fresh_fd);
    close_fd(work.main_fd);
    close_fd(work.marks_fd);
    dv_memory_free(work.buffer);
    dv_marks_free(&work.marks);
    return rc;
}
