/* SPDX-License-Identifier: Apache-2.0
 * measure.c - runs one command and prints what it cost: a small parent, so that its own memory does not count as the child's peak. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Only comes back to the child's end if something is wrong. */
static void become(const char *input, const char *output, char **command)
{
    int in = open(input, O_RDONLY), out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (in >= 0 && out >= 0 && dup2(in, STDIN_FILENO) == STDIN_FILENO && dup2(out, STDOUT_FILENO) == STDOUT_FILENO) {
        close(in);
        close(out);
        execv(command[0], command);
    }
    perror(command[0]);
    _exit(127);
}

int main(int argc, char **argv)
{
    struct rusage cost;
    int status = 0;
    if (argc < 4) {
        fputs("usage: measure INPUT OUTPUT PROGRAM [ARGUMENT]...\n", stderr);
        return 2;
    }
    double start = now();
    pid_t child = fork();
    if (child == 0)
        become(argv[1], argv[2], argv + 3);
    if (child < 0 || wait4(child, &status, 0, &cost) != child) {
        perror("measure");
        return 1;
    }
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    printf("{\"exit\":%d,\"user_s\":%.6f,\"sys_s\":%.6f,\"wall_s\":%.6f,\"rss_kib\":%ld}\n", result,
           seconds_of(cost.ru_utime), seconds_of(cost.ru_stime), now() - start, cost.ru_maxrss);
    return 0;
}
