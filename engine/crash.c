/* SPDX-License-Identifier: Apache-2.0
 * crash.c - dies where DV_CRASH_AT says. */
#include "engine/crash.h"

#if defined(DV_FAULTS)
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LABEL_MAX = 64, EXIT_KILLED = 137 };

/* A point has no context that could carry the countdown. A release has neither. */
static char wanted[LABEL_MAX];
static _Atomic long passings_left; /* 0: nobody asked for a crash */

/* Before main(), so that no thread is there that could look meanwhile. */
__attribute__((constructor)) static void read_environment(void)
{
    const char *at = getenv("DV_CRASH_AT");
    const char *colon = at != NULL ? strrchr(at, ':') : NULL;
    if (colon == NULL || (size_t)(colon - at) >= sizeof wanted)
        return;
    memcpy(wanted, at, (size_t)(colon - at));
    atomic_store(&passings_left, strtol(colon + 1, NULL, 10));
}

void dv_crash_point(const char *label)
{
    if (atomic_load_explicit(&passings_left, memory_order_relaxed) <= 0 || strcmp(label, wanted) != 0)
        return;
    if (atomic_fetch_sub(&passings_left, 1) == 1)
        _exit(EXIT_KILLED);
}
#endif
