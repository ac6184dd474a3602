/* SPDX-License-Identifier: Apache-2.0
 * base64_run.h - where a text holds base64 that may be text, and its bytes (RFC 4648, 4 and 5; RFC 2045 for lines).
 *
 * A run is DV_BASE64_RUN_MIN or more letters of either alphabet, with up to two '=' behind it. It may go on in the lines behind
 * and have begun at the end of the line before: the first line may be longer than the others by a path before it, or shorter by
 * a key. Most runs are none: hashes, paths, long words. What they decode to tells. */
#ifndef DV_PRIVACY_BASE64_RUN_H
#define DV_PRIVACY_BASE64_RUN_H

#include <stdbool.h>
#include <stdint.h>

enum { DV_BASE64_RUN_MIN = 24 };

struct dv_base64_run {
    uint32_t start, end;           /* with its '=' */
    uint32_t line_start, line_end; /* its first whole line, with its '=' if it is all of the run */
};

/* The next run from *at on; *at moves behind it, and no run begins before *at. One byte of each DV_BASE64_RUN_MIN is looked at where there is none. */
bool dv_base64_run_next(const unsigned char *text, uint32_t length, uint32_t *at, struct dv_base64_run *run);

/* Decodes from *at to `end`, at most `room` bytes (≥ 3) into `out`, which may be text + *at; line ends are passed over, and *at
 * moves behind what was read: less than all only if there is no more room. Gives the number of bytes. */
uint32_t dv_base64_run_read(const unsigned char *text, uint32_t *at, uint32_t end, unsigned char *out, uint32_t room);

/* Where in a run that is no text one may begin behind a '/', '-', '_' or '+'; `run->end` if nowhere. */
uint32_t dv_base64_run_later(const unsigned char *text, const struct dv_base64_run *run, uint32_t from);

/* Whether nine in ten of the bytes are those of UTF-8 without control characters. */
bool dv_bytes_are_text(const unsigned char *bytes, uint32_t length);

#endif
