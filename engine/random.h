/* SPDX-License-Identifier: Apache-2.0
 * random.h - a small seeded generator for everything that must replay: simulation, generators, jitter. Never for keys.
 *
 * xoshiro256** by Blackman and Vigna (public domain), seeded through splitmix64. */
#ifndef DV_ENGINE_RANDOM_H
#define DV_ENGINE_RANDOM_H

#include <stdint.h>

struct dv_random {
    uint64_t state[4];
};

/* The same seed gives the same numbers on every machine. */
void dv_random_seed(struct dv_random *random, uint64_t seed);

/* 64 random bits. */
uint64_t dv_random_u64(struct dv_random *random);

/* Uniform in 0 .. bound-1 without bias; bound > 0. */
uint64_t dv_random_below(struct dv_random *random, uint64_t bound);

/* Uniform in [0, 1). */
double dv_random_unit(struct dv_random *random);

/* True with probability `percent`/100. */
int dv_random_chance(struct dv_random *random, unsigned percent);

#endif
