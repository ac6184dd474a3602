/* SPDX-License-Identifier: Apache-2.0
 * file.c - opens, reads to the end, closes. */
#include "engine/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/arena.h"

/* Reads until the end or until the room is full; -1 with errno set. */
static ssize_t read_all(int fd, char *text, size_t room)
{
    size_t length = 0;
    while (length < room) {
        ssize_t got = read(fd, text + length, room - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
    }
    return (ssize_t)length;
}

static dv_rc read_open(int fd, size_t bytes_max, struct dv_arena *arena, char **ret_text, size_t *ret_length)
{
    off_t end = lseek(fd, 0, SEEK_END);
    size_t room = end >= 0 && (size_t)end < bytes_max ? (size_t)end : bytes_max;
    /* One byte more tells a file that is longer, or has grown; one is for the NUL. */
    char *text = dv_arena_text(arena, room + 2);
    if (text == NULL)
        return DV_E_MEMORY;
    if (end >= 0 && lseek(fd, 0, SEEK_SET) != 0)
        return DV_E_IO;
    ssize_t length = read_all(fd, text, room + 1);
    if (length < 0)
        return DV_E_IO;
    if ((size_t)length > room)
        return DV_E_LIMIT;
    text[length] = '\0';
    *ret_text = text;
    *ret_length = (size_t)length;
    return DV_OK;
}

dv_rc dv_file_read(const char *path, size_t bytes_max, struct dv_arena *arena, char **ret_text, size_t *ret_length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return DV_E_IO;
    dv_rc rc = read_open(fd, bytes_max, arena, ret_text, ret_length);
    int why = errno;
    (void)close(fd);
    errno = why;
    return rc;
}
