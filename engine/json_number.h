/* SPDX-License-Identifier: Apache-2.0
 * json_number.h - what both JSON writers are made of: numbers and escapes, into memory that suffices. */
#ifndef DV_ENGINE_JSON_NUMBER_H
#define DV_ENGINE_JSON_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { DV_JSON_INT_MAX = 20, DV_JSON_NUMBER_MAX = 32, DV_JSON_ESCAPE_MAX = 6 };

/* Each writes a value to `out`, without NUL, and returns its length: at most DV_JSON_INT_MAX for whole numbers,
 * DV_JSON_NUMBER_MAX for a double. A double gets the shortest text that reads back the same; NaN and infinities are
 * "null". */
size_t dv_json_put_uint(char *out, uint64_t value);
size_t dv_json_put_int(char *out, int64_t value);
size_t dv_json_put_float(char *out, double value);

/* Writes the escape of `"`, `\` or a control character, at most DV_JSON_ESCAPE_MAX bytes; returns its length. */
size_t dv_json_escape(char *out, unsigned char byte);

#endif
