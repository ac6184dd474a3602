/* SPDX-License-Identifier: Apache-2.0
 * text.h - UTF-8, and text that is safe to print on a terminal or inside JSON whoever wrote it. */
#ifndef DV_ENGINE_TEXT_H
#define DV_ENGINE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes of the well-formed UTF-8 character that `text` begins with (1..4), or 0: malformed, or `length` is 0. */
size_t dv_utf8_step(const char *text, size_t length);

/* The offset of the first byte that is not UTF-8, or `length` if all of it is. */
size_t dv_utf8_valid(const char *text, size_t length);

/* How many characters `length` bytes are; a malformed byte counts as one. */
size_t dv_utf8_count(const char *text, size_t length);

/* Prints text with '?' for what could steer a terminal or reorder a line: control characters, malformed bytes and
 * Unicode's direction marks. */
void dv_put_clean(FILE *out, const char *text, size_t length);

/* Prints a NUL-terminated text as a JSON string with its quotes; NULL becomes null, a malformed byte U+FFFD. */
void dv_put_json(FILE *out, const char *text);

#endif
