/* SPDX-License-Identifier: Apache-2.0
 * power_disk.c - a disk whose power can go. */
#include "tests/unit/power_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/error.h"

struct power_disk power_disk;

/* The file that a path is the account of, or the .new of; a path with neither end has none. */
static struct power_file *file_of(const char *path, const char *end)
{
    char name[PATH_MAX];
    size_t length = strlen(path);
    if (length < strlen(end) || strcmp(path + length - strlen(end), end) != 0)
        return NULL;
    (void)snprintf(name, sizeof name, "%.*s", (int)(length - strlen(end)), path);
    for (unsigned i = 0; i < power_disk.file_count; i++)
        if (strcmp(power_disk.files[i].path, name) == 0)
            return &power_disk.files[i];
    DV_ASSERT(power_disk.file_count < POWER_FILES);
    struct power_file *file = &power_disk.files[power_disk.file_count++];
    *file = (struct power_file){ 0 };
    (void)snprintf(file->path, sizeof file->path, "%s", name);
    return file;
}

static bool is_dead(void)
{
    errno = EIO;
    return power_disk.programs[power_disk.running].dead;
}

static bool fails(void)
{
    struct power_program *program = &power_disk.programs[power_disk.running];
    bool failed = program->faults > 0 && dv_random_chance(&power_disk.random, program->faults);
    program->failed += failed;
    errno = EIO;
    return failed;
}

/* Whether a change comes to be; the program may die of it, before or after. */
static bool may_change(void)
{
    struct power_program *program = &power_disk.programs[power_disk.running];
    if (program->dead)
        return false;
    power_disk.changes++;
    program->dead = program->life == 0;
    program->life -= program->life > 0;
    return !program->dead || dv_random_chance(&power_disk.random, 50);
}

/* What a call answers that has done its work. */
static int answer(int rc)
{
    int number = errno;
    bool dead = is_dead();
    errno = dead ? EIO : number;
    return dead ? -1 : rc;
}

static int power_open(const char *path, int flags, mode_t mode)
{
    if (is_dead())
        return -1;
    int fd = open(path, flags, mode);
    if (fd < 0)
        return -1;
    DV_ASSERT(fd < POWER_FDS);
    struct power_file *file = (flags & O_TRUNC) != 0 ? file_of(path, ".new") : NULL;
    power_disk.open_file[fd] = file != NULL ? 1 + (int)(file - power_disk.files) : 0;
    if (file != NULL)
        file->fresh = (struct power_bytes){ .there = true };
    return fd;
}

static ssize_t power_pread(int fd, void *buffer, size_t size, off_t offset)
{
    return is_dead() ? -1 : pread(fd, buffer, size, offset);
}

/* Now and then less than all is taken. */
static ssize_t power_write(int fd, const void *buffer, size_t size)
{
    DV_ASSERT(power_disk.open_file[fd] > 0);
    struct power_bytes *fresh = &power_disk.files[power_disk.open_file[fd] - 1].fresh;
    if (!may_change())
        return -1;
    if (size > 1 && dv_random_chance(&power_disk.random, 20))
        size = 1 + (size_t)dv_random_below(&power_disk.random, size - 1);
    ssize_t wrote = write(fd, buffer, size);
    DV_ASSERT(wrote == (ssize_t)size && fresh->length + size <= sizeof fresh->text);
    memcpy(fresh->text + fresh->length, buffer, size);
    fresh->length += size;
    fresh->whole = false;
    return answer(0) == 0 ? wrote : -1;
}

static int power_fdatasync(int fd)
{
    DV_ASSERT(power_disk.open_file[fd] > 0);
    if (!may_change() || fails())
        return -1;
    power_disk.files[power_disk.open_file[fd] - 1].fresh.whole = true;
    return answer(0);
}

/* Of directories: all that was renamed stays. */
static int power_fsync(int fd)
{
    (void)fd;
    if (!may_change() || fails())
        return -1;
    for (unsigned i = 0; i < power_disk.file_count; i++)
        power_disk.files[i].durable = power_disk.files[i].seen;
    return answer(0);
}

static int power_rename(const char *from, const char *to)
{
    struct power_file *file = file_of(from, ".new");
    DV_ASSERT(file != NULL && strcmp(file->path, to) == 0 && file->fresh.there);
    if (!may_change() || fails())
        return -1;
    if (rename(from, to) != 0)
        return -1;
    if (power_disk.changed != NULL)
        power_disk.changed(file, &file->fresh, power_disk.data);
    file->seen = file->fresh;
    file->fresh = (struct power_bytes){ 0 };
    return answer(0);
}

static int power_close(int fd)
{
    power_disk.open_file[fd] = 0;
    return close(fd);
}

void power_disk_begin(uint64_t seed)
{
    power_disk = (struct power_disk){ .sys = dv_sys_real };
    dv_random_seed(&power_disk.random, seed);
    power_disk.sys.open = power_open;
    power_disk.sys.pread = power_pread;
    power_disk.sys.write = power_write;
    power_disk.sys.fdatasync = power_fdatasync;
    power_disk.sys.fsync = power_fsync;
    power_disk.sys.rename = power_rename;
    power_disk.sys.close = power_close;
    for (unsigned i = 0; i < POWER_PROGRAMS; i++)
        power_disk_start(i, 0);
}

void power_disk_start(unsigned program, unsigned faults)
{
    power_disk.programs[program] = (struct power_program){ .life = -1, .faults = faults };
}

/* What was not synced is there up to anywhere. */
static void tear(struct power_bytes *bytes)
{
    if (!bytes->whole)
        bytes->length = (size_t)dv_random_below(&power_disk.random, bytes->length + 1);
    bytes->whole = true;
}

static void put_back(const char *path, const struct power_bytes *bytes)
{
    (void)unlink(path);
    if (!bytes->there)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    DV_ASSERT(fd >= 0 && write(fd, bytes->text, bytes->length) == (ssize_t)bytes->length);
    (void)close(fd);
}

void power_disk_cut(void)
{
    for (unsigned i = 0; i < POWER_PROGRAMS; i++)
        power_disk.programs[i].dead = true;
    for (unsigned i = 0; i < power_disk.file_count; i++) {
        struct power_file *file = &power_disk.files[i];
        char fresh[PATH_MAX + 8];
        if (dv_random_chance(&power_disk.random, 50))
            file->seen = file->durable;
        if (dv_random_chance(&power_disk.random, 50))
            file->fresh.there = false;
        tear(&file->seen);
        tear(&file->fresh);
        file->durable = file->seen;
        put_back(file->path, &file->seen);
        (void)snprintf(fresh, sizeof fresh, "%s.new", file->path);
        put_back(fresh, &file->fresh);
    }
}
