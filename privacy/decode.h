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

/* What was passed of a text that is decoded one escape after the other; zero at its start. */
struct dv_decoding {
    bool quoted;          /* quoted-printable, by what was seen */
    bool form;            /* here a '+' is a blank */
    unsigned char before; /* what stands before, decoded */
    unsigned char raw;    /* and its last byte in the source */
};

/* So many bytes of the source stand for these. */
struct dv_decoded {
    uint32_t taken, count;
    unsigned char bytes[4];
    bool is_escape;
};

/* Decodes the byte or the escape at text[at]. If it is not `over`, the text goes on behind text[0..length): false if what comes there
 * might matter; then nothing was passed. What dv_decode() makes of the whole text comes of it but for one thing: that a text is
 * quoted-printable is known from the first sign of it on. */
bool dv_decode_one(struct dv_decoding *decoding, const unsigned char *text, uint32_t length, uint32_t at, bool over,
                   struct dv_decoded *ret_one);

/* Whether an escape can begin with this byte. One with which none can is passed by dv_decode_pass(), too. */
bool dv_decode_begins(unsigned char byte);
void dv_decode_pass(struct dv_decoding *decoding, unsigned char byte);

/* decode_entity.c: the character that the HTML entity of this name stands for, or 0. */
uint32_t dv_entity_named(const unsigned char *name, uint32_t length);

#endif
