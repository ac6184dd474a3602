/* SPDX-License-Identifier: Apache-2.0
 * yaml_load.c - a configuration file read whole, never more of it than is allowed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/expand.h"
#include "engine/yaml.h"

static struct dv_yaml *refuse_file(struct dv_diags *diags, const char *name, const char *reason)
{
    const char *kept = dv_arena_copy(diags->arena, name, strlen(name));
    dv_diags_add(diags, (struct dv_place){ .file = kept, .length = 1 }, "C008", NULL, NULL, "cannot read it: %s",
                 reason);
    return NULL;
}

/* Room for the file and one byte more, which tells that it is too large. A pipe has no size: room for the largest. */
static size_t room_for(int fd)
{
    struct stat status;
    bool has_size = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
    if (!has_size || status.st_size > DV_YAML_BYTES_MAX)
        return (size_t)DV_YAML_BYTES_MAX + 1;
    return (size_t)status.st_size + 1;
}

/* The bytes read, up to `room`; -1 with errno. */
static ssize_t read_all(int fd, char *buffer, size_t room)
{
    size_t length = 0;
    while (length < room) {
        ssize_t got = read(fd, buffer + length, room - length);
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

static bool read_file(const char *name, int fd, struct dv_diags *diags, struct dv_span *ret)
{
    size_t room = room_for(fd);
    char *buffer = dv_arena_text(diags->arena, room);
    if (buffer == NULL) {
        (void)refuse_file(diags, name, "out of memory");
        return false;
    }
    ssize_t length = read_all(fd, buffer, room);
    if (length < 0) {
        (void)refuse_file(diags, name, strerror(errno));
        return false;
    }
    dv_arena_trim(diags->arena, buffer, room, (size_t)length);
    *ret = (struct dv_span){ buffer, (size_t)length };
    return true;
}

struct dv_yaml *dv_yaml_load_partial(const char *path, struct dv_arena *arena, struct dv_diags *diags)
{
    DV_ASSERT(path != NULL);
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "<stdin>" : path;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return refuse_file(diags, name, strerror(errno));
    struct dv_span text;
    bool is_read = read_file(name, fd, diags, &text);
    if (!is_stdin)
        (void)close(fd);
    return is_read ? dv_yaml_parse_partial(name, text.text, text.length, arena, diags) : NULL;
}

struct dv_yaml *dv_yaml_load(const char *path, struct dv_arena *arena, struct dv_diags *diags)
{
    uint32_t before = diags->count;
    struct dv_yaml *root = dv_yaml_load_partial(path, arena, diags);
    return diags->count == before ? root : NULL;
}
