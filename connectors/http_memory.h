/* SPDX-License-Identifier: Apache-2.0
 * http_memory.h - libcurl, set up once for all clients, with memory that is wiped when it is freed. */
#ifndef DV_CONNECTORS_HTTP_MEMORY_H
#define DV_CONNECTORS_HTTP_MEMORY_H

#include <stdbool.h>

/* libcurl counts who uses it: each start that was true needs an end. */
bool dv_http_library_start(void);
void dv_http_library_end(void);

#endif
