/* SPDX-License-Identifier: Apache-2.0
 * base64.h - bytes as text, by RFC 4648 §4: the standard alphabet, always padded. */
#ifndef DV_ENGINE_BASE64_H
#define DV_ENGINE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Characters that `length` bytes take. */
static inline size_t dv_base64_length(size_t length)
{
    return (length + 2) / 3 * 4;
}

/* Writes dv_base64_length() characters, no NUL; returns how many. */
size_t dv_base64_encode(char *out, const void *bytes, size_t length);

/* Decodes to `out`, which has room for length / 4 * 3 bytes. False for foreign characters, missing padding, or bits
 * that no encoder sets. */
bool dv_base64_decode(void *out, size_t *ret_length, const char *text, size_t length);

#endif
