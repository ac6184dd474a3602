/* SPDX-License-Identifier: Apache-2.0
 * guard_secret.h - exact texts that must not leave, whatever they are: keys, canaries, values of a column.
 *
 * Found as they are and written as hex, base64 (also the URL's) and percent-encoding, in one pass and one table look-up a
 * byte: the automaton of Aho and Corasick ("Efficient string matching", CACM 18, 1975) with its failures followed when
 * it is made. Base64 is found at any place in what was encoded; a letter that the secret shares with its neighbours, at
 * most one at each end, is not a part of it. Read-only once made, may be shared. */
#ifndef DV_PRIVACY_GUARD_SECRET_H
#define DV_PRIVACY_GUARD_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

/* The shortest secret that is not found everywhere, and the longest run that a match can be. Longer secrets are looked for
 * in overlapping pieces. */
enum { DV_SECRET_MIN = 6, DV_SECRET_RUN_MAX = 384 };

/* A secret; lent. */
struct dv_secret {
    const char *bytes;
    size_t length;
};

/* Members are private. */
struct dv_secrets {
    uint32_t *next;   /* [state][class] */
    uint16_t *depth;  /* bytes at the end that begin a secret */
    uint16_t *match;  /* length of the longest secret that ends here, or 0 */
    uint32_t states, capacity;
    uint32_t class_count;
    uint16_t class_of[256]; /* 0: in no secret */
};

/* Makes the automaton. DV_E_CONFIG: a secret is shorter than DV_SECRET_MIN. DV_E_LIMIT: together they are too long (some
 * 60,000 bytes in all encodings). DV_E_MEMORY. Close it with dv_secrets_close(). */
DV_CHECKED dv_rc dv_secrets_open(struct dv_secrets *secrets, const struct dv_secret *items, size_t count);

/* Wipes and frees; accepts a zeroed one. */
void dv_secrets_close(struct dv_secrets *secrets);

/* The state after `byte`; 0 is the first. */
static inline uint32_t dv_secrets_step(const struct dv_secrets *secrets, uint32_t state, unsigned char byte)
{
    return secrets->next[state * secrets->class_count + secrets->class_of[byte]];
}

#endif
