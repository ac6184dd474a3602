/* SPDX-License-Identifier: Apache-2.0
 * memory.c - malloc with a fault hook, and pages for secrets. */
#include "engine/memory.h"

#if defined(DV_FAULTS)
#include <stdatomic.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(DV_FAULTS)
/* Allocations have no context that could carry the countdown. A release has neither it nor the hook. */
static _Atomic uint64_t fail_countdown;

static int must_fail(void)
{
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    if (left == 0)
        return 0;
    atomic_store_explicit(&fail_countdown, left - 1, memory_order_relaxed);
    return left == 1;
}

void dv_memory_fail_at(uint64_t nth)
{
    atomic_store(&fail_countdown, nth);
}
#else
static int must_fail(void)
{
    return 0;
}
#endif

void *dv_memory_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size != 0 ? size : 1);
}

void *dv_memory_zeroed(size_t count, size_t size)
{
    return must_fail() ? NULL : calloc(count != 0 ? count : 1, size != 0 ? size : 1);
}

void dv_memory_free(void *memory)
{
    free(memory);
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t rounded(size_t size)
{
    size_t page = page_bytes();
    return (size + page - 1) / page * page;
}

void *dv_memory_secret(size_t size)
{
    if (size == 0 || size > (size_t)1 << 30 || must_fail())
        return NULL;
    size_t page = page_bytes();
    size_t body = rounded(size);
    char *base = mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    char *secret = base + page;
    if (mprotect(secret, body, PROT_READ | PROT_WRITE) != 0 || mlock(secret, body) != 0) {
        (void)munmap(base, body + 2 * page);
        return NULL;
    }
    (void)madvise(secret, body, MADV_DONTDUMP);
    (void)madvise(secret, body, MADV_WIPEONFORK);
    return secret;
}

void dv_memory_secret_free(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    size_t page = page_bytes();
    size_t body = rounded(size);
    explicit_bzero(memory, body);
    (void)munmap((char *)memory - page, body + 2 * page);
}
