/* SPDX-License-Identifier: Apache-2.0
 * process.c - /proc answers from memory, so reading it does not block the loop. */
#include "dashboard/server/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES = 4096, SECOND_NS = 1000000000 };

/* The start of a file as text; "" if there is none. */
static void slurp(const char *path, char text[TEXT_BYTES])
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t length = read(fd, text, TEXT_BYTES - 1);
    text[length > 0 ? length : 0] = '\0';
    (void)close(fd);
}

static uint64_t ns_of(struct timeval time)
{
    return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_usec * 1000;
}

static void read_cpu(struct dv_process *process)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        process->cpu_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
}

static void read_memory(struct dv_process *process)
{
    char text[TEXT_BYTES];
    slurp("/proc/self/statm", text);
    char *end = NULL;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    process->virtual_bytes = strtoull(text, &end, 10) * page;
    process->resident_bytes = strtoull(end, NULL, 10) * page;
}

static void read_fds(struct dv_process *process)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        process->max_fds = limit.rlim_cur;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return;
    uint64_t entries = 0;
    while (readdir(directory) != NULL)
        entries++;
    (void)closedir(directory);
    /* Without ".", ".." and the directory itself. */
    process->open_fds = entries > 3 ? entries - 3 : 0;
}

/* Field 22 of /proc/self/stat counts ticks since boot; the command in field 2 may hold blanks, so count from there. */
static void read_start(struct dv_process *process)
{
    char text[TEXT_BYTES];
    slurp("/proc/self/stat", text);
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    struct timespec wall, boot;
    if (at == NULL || clock_gettime(CLOCK_REALTIME, &wall) != 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
        return;
    uint64_t ticks = strtoull(at + 1, NULL, 10);
    uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
    uint64_t booted_ns = ((uint64_t)wall.tv_sec - (uint64_t)boot.tv_sec) * SECOND_NS + (uint64_t)wall.tv_nsec -
                         (uint64_t)boot.tv_nsec;
    uint64_t started = booted_ns + ticks * (SECOND_NS / per_second);
    /* A gauge that trembles looks like a restart: the tick's own precision is all there is. */
    process->started_ns = (started + SECOND_NS / 20) / (SECOND_NS / 10) * (SECOND_NS / 10);
}

void dv_process_read(struct dv_process *ret)
{
    *ret = (struct dv_process){ 0 };
    read_cpu(ret);
    read_memory(ret);
    read_fds(ret);
    read_start(ret);
}
