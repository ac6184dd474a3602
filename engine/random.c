/* SPDX-License-Identifier: Apache-2.0
 * random.c - xoshiro256** 1.0 by David Blackman and Sebastiano Vigna (public domain), seeded through splitmix64. */
#include "engine/random.h"

#include "engine/error.h"

static uint64_t splitmix64(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t mixed = *state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

void dv_random_seed(struct dv_random *random, uint64_t seed)
{
    DV_ASSERT(random != NULL);
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix64(&seed);
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t dv_random_u64(struct dv_random *random)
{
    uint64_t *state = random->state;
    uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

uint64_t dv_random_below(struct dv_random *random, uint64_t bound)
{
    DV_ASSERT(bound > 0);
    /* Lemire: the high half of a product is uniform once the few low halves that come too often are drawn again. */
    unsigned __int128 product = (unsigned __int128)dv_random_u64(random) * bound;
    uint64_t unfair = -bound % bound;
    while ((uint64_t)product < unfair)
        product = (unsigned __int128)dv_random_u64(random) * bound;
    return (uint64_t)(product >> 64);
}

double dv_random_unit(struct dv_random *random)
{
    return (double)(dv_random_u64(random) >> 11) * 0x1p-53;
}

int dv_random_chance(struct dv_random *random, unsigned percent)
{
    DV_ASSERT(percent <= 100);
    return dv_random_below(random, 100) < percent;
}
