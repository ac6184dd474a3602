/* SPDX-License-Identifier: Apache-2.0
 * text.h - UTF-8, and text that is safe to print on a terminal or inside JSON whoever wrote it. */
#ifndef DV_ENGINE_TEXT_H
#define DV_ENGINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes of the well-formed UTF-8 character that `text` begins with (1..4), or 0: malformed, or `length` is 0. */
size_t dv_utf8_step(const char *text, size_t length);

/* The offset of the first byte that is not UTF-8, or `length` if all of it is. */
size_t dv_utf8_valid(const char *text, size_t length);

/* How many characters `length` bytes are; a malformed byte counts as one. */
size_t dv_utf8_count(const char *text, size_t length);

/* Whether the character of `step` bytes (see dv_utf8_step()) could steer a terminal or reorder a line: all control
 * characters (also tab and line ends), malformed bytes (step 0), Unicode's line ends, direction marks and byte order mark. */
bool dv_utf8_steers(const char *text, size_t step);

/* Prints text with '?' for what steers, and a blank for a tab. */
void dv_put_clean(FILE *out, const char *text, size_t length);

/* Prints a NUL-terminated text as a JSON string with its quotes; NULL becomes null, a malformed byte U+FFFD. */
void dv_put_json(FILE *out, const char *text);

#endif
