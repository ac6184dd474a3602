/* SPDX-License-Identifier: Apache-2.0
 * decode.h - the characters that escapes in a text stand for, and where each stood.
 *
 * Read are percent-encoding ("%40", "%u0040", and '+' for a blank in forms), HTML's entities ("&#64;", "&commat;"), the
 * escapes of JSON and of programs ("\u0040", "\x40", "\100", "\n"), and quoted-printable ("=40", and lines that go on behind a
 * '=' at their end). All kinds are read in one pass, since texts mix them; what is no valid escape stays as it is. A '=' is
 * one only where the text or the letters around it look like mail: "timeout=20s" is none.
 *
 * A decoded text is never longer than its source. Time is linear. */
#ifndef DV_PRIVACY_DECODE_H
#define DV_PRIVACY_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether there may be an escape in text[0..length). One pass of vector instructions if there is none. */
bool dv_decode_wanted(const unsigned char *text, size_t length);

/* Decodes text[0..length) into `out`, which has room for `length` and may be `text` itself. `map` is NULL or has room for
 * length + 1: map[i] becomes the place in the source where that begins which byte i of `out` is of, and the one behind the
 * last byte its end. With `mapped` set, map already maps `text` to an earlier source and will map `out` to that. Gives the
 * length of `out`; *ret_changed tells whether there was an escape. */
uint32_t dv_decode(const unsigned char *text, uint32_t length, bool mapped, unsigned char *out, uint32_t *map,
                   bool *ret_changed);

/* decode_entity.c: the character that the HTML entity of this name stands for, or 0. */
uint32_t dv_entity_named(const unsigned char *name, uint32_t length);

#endif
