/* SPDX-License-Identifier: Apache-2.0
 * when.h - moments as people write them on a command line. */
#ifndef DV_CLI_WHEN_H
#define DV_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#define DV_WHEN_HELP "a time ago (2h, 7d) or a date in UTC (2026-01-31, 2026-01-31T08:00:00Z)"

/* Milliseconds since 1970 of "2h" before `now_ms`, of a date, or of a date and a time in UTC. False for anything else, a 30th of
 * February too. */
bool dv_when_parse(const char *text, int64_t now_ms, int64_t *ret_ms);

#endif
