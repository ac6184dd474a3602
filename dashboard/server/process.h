/* SPDX-License-Identifier: Apache-2.0
 * process.h - what the kernel tells about this process. */
#ifndef DV_DASHBOARD_PROCESS_H
#define DV_DASHBOARD_PROCESS_H

#include <stdint.h>

/* What could not be read is zero. */
struct dv_process {
    uint64_t cpu_ns;
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_fds, max_fds;
    uint64_t started_ns; /* since 1970 */
};

/* Reads what the system knows of this process; what cannot be read stays 0. */
void dv_process_read(struct dv_process *ret);

#endif
