/* SPDX-License-Identifier: Apache-2.0
 * dp_sample.c - rejection from coins whose bias is a ratio of integers.
 *
 * Inside, a source that has run dry is a flag and the values after it mean nothing: every loop is bounded, so that all
 * of them end, and the public functions look at the flag before they give a value away. */
#include "privacy/dp_sample.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

static bool fill_private(void *data, uint8_t *bytes, size_t length)
{
    (void)data;
    return RAND_priv_bytes(bytes, (int)length) == 1;
}

void dv_noise_init(struct dv_noise *noise)
{
    dv_noise_init_with(noise, fill_private, NULL);
}

void dv_noise_init_with(struct dv_noise *noise, bool (*fill)(void *data, uint8_t *bytes, size_t length), void *data)
{
    DV_ASSERT(fill != NULL);
    *noise = (struct dv_noise){ .fill = fill, .data = data };
}

void dv_noise_wipe(struct dv_noise *noise)
{
    OPENSSL_cleanse(noise->bytes, sizeof noise->bytes);
    noise->left = 0;
}

/* The next bytes, at most 16 of them, as one number. What was used becomes zero. */
static dv_wide take(struct dv_noise *noise, uint32_t length)
{
    dv_wide taken = 0;
    if (noise->left < length) {
        noise->failed = noise->failed || !noise->fill(noise->data, noise->bytes, sizeof noise->bytes);
        noise->left = sizeof noise->bytes;
    }
    uint8_t *from = noise->bytes + sizeof noise->bytes - noise->left;
    memcpy(&taken, from, length);
    memset(from, 0, length);
    noise->left -= length;
    return taken;
}

static uint32_t bits_of(dv_wide value)
{
    uint64_t high = (uint64_t)(value >> 64);
    uint64_t low = (uint64_t)value;
    if (high != 0)
        return 128 - (uint32_t)__builtin_clzll(high);
    return low == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(low);
}

/* As many bits as the greatest result has, drawn again while they are too much: more than half of the draws fit. */
static dv_wide below(struct dv_noise *noise, dv_wide bound)
{
    DV_ASSERT(bound > 0);
    uint32_t bits = bits_of(bound - 1);
    if (bits == 0)
        return 0;
    dv_wide mask = ~(dv_wide)0 >> (128 - bits);
    for (int tries = 0; tries < DV_NOISE_TRIES && !noise->failed; tries++) {
        dv_wide drawn = take(noise, (bits + 7) / 8) & mask;
        if (drawn < bound)
            return drawn;
    }
    noise->failed = true;
    return 0;
}

static bool coin(struct dv_noise *noise, dv_wide over, dv_wide under)
{
    return below(noise, under) < over;
}

/* exp(-γ) for γ = over/under ≤ 1. The chance to get beyond the k-th coin is γ^k / k!, and the sum of those with
 * alternating signs is the series of exp(-γ). A coin of γ/k is two coins, so that no product grows. */
static bool exp_fraction(struct dv_noise *noise, dv_wide over, dv_wide under)
{
    for (uint32_t k = 1; k < DV_NOISE_TRIES; k++)
        if (!coin(noise, over, under) || !coin(noise, 1, k))
            return k % 2 == 1;
    noise->failed = true;
    return false;
}

/* exp(-γ) for any γ: one coin of exp(-1) for each whole, and one for what is left. */
static bool exp_any(struct dv_noise *noise, dv_wide over, dv_wide under)
{
    dv_wide wholes = over / under;
    for (dv_wide i = 0; i < wholes; i++) {
        if (!exp_fraction(noise, 1, 1))
            return false;
        if (i == DV_NOISE_TRIES)
            noise->failed = true;
        if (noise->failed)
            return false;
    }
    return exp_fraction(noise, over % under, under);
}

/* How many coins of exp(-1) show heads before the first tail. */
static uint32_t geometric(struct dv_noise *noise)
{
    uint32_t heads = 0;
    while (heads < DV_NOISE_TRIES - 1 && exp_fraction(noise, 1, 1))
        heads++;
    noise->failed = noise->failed || heads == DV_NOISE_TRIES - 1;
    return heads;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* CKS algorithm 2: a geometric number of finer steps, cut to whole ones, with a sign; a negative zero does not count. */
static int64_t laplace(struct dv_noise *noise, struct dv_ratio scale)
{
    uint64_t divisor = common_divisor(scale.over, scale.under);
    uint64_t over = scale.over / divisor;
    uint64_t under = scale.under / divisor;
    for (int tries = 0; tries < DV_NOISE_TRIES && !noise->failed; tries++) {
        dv_wide fraction = below(noise, over);
        if (!exp_fraction(noise, fraction, over))
            continue;
        int64_t size = (int64_t)((fraction + (dv_wide)over * geometric(noise)) / under);
        bool is_negative = coin(noise, 1, 2);
        if (!is_negative || size != 0)
            return is_negative ? -size : size;
    }
    noise->failed = true;
    return 0;
}

static uint64_t root_of(uint64_t square)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 31; bit != 0; bit >>= 1)
        if ((root | bit) * (root | bit) <= square)
            root |= bit;
    return root;
}

/* CKS algorithm 3: a Laplace of nearly the same width, kept with probability exp(-(|y| - σ²/t)² / 2σ²). */
static int64_t gaussian(struct dv_noise *noise, struct dv_ratio variance, uint64_t width)
{
    dv_wide unit = (dv_wide)variance.under * width;
    for (int tries = 0; tries < DV_NOISE_TRIES && !noise->failed; tries++) {
        int64_t drawn = laplace(noise, (struct dv_ratio){ width, 1 });
        dv_wide size = (dv_wide)(drawn < 0 ? -drawn : drawn) * unit;
        dv_wide gap = size > variance.over ? size - variance.over : variance.over - size;
        if (exp_any(noise, gap * gap, (dv_wide)2 * variance.over * unit * width))
            return drawn;
    }
    noise->failed = true;
    return 0;
}

dv_rc dv_noise_below(struct dv_noise *noise, dv_wide bound, dv_wide *ret)
{
    dv_wide drawn = below(noise, bound);
    if (noise->failed)
        return DV_E_FAILED;
    *ret = drawn;
    return DV_OK;
}

dv_rc dv_noise_exp(struct dv_noise *noise, dv_wide over, dv_wide under, bool *ret)
{
    DV_ASSERT(under > 0 && bits_of(over) < 128 && bits_of(under) < 128);
    bool heads = exp_any(noise, over, under);
    if (noise->failed)
        return DV_E_FAILED;
    *ret = heads;
    return DV_OK;
}

static bool within(struct dv_ratio ratio, uint32_t bits)
{
    return ratio.over > 0 && ratio.under > 0 && bits_of(ratio.over) <= bits && bits_of(ratio.under) <= bits;
}

dv_rc dv_noise_laplace(struct dv_noise *noise, struct dv_ratio scale, int64_t *ret)
{
    if (!within(scale, 62) || scale.over / scale.under >= (uint64_t)1 << 48)
        return DV_E_LIMIT;
    int64_t drawn = laplace(noise, scale);
    if (noise->failed)
        return DV_E_FAILED;
    *ret = drawn;
    return DV_OK;
}

dv_rc dv_noise_gaussian(struct dv_noise *noise, struct dv_ratio variance, int64_t *ret)
{
    if (!within(variance, 52))
        return DV_E_LIMIT;
    uint64_t width = root_of(variance.over / variance.under) + 1;
    if ((dv_wide)width * width * variance.under > (dv_wide)1 << 53)
        return DV_E_LIMIT;
    int64_t drawn = gaussian(noise, variance, width);
    if (noise->failed)
        return DV_E_FAILED;
    *ret = drawn;
    return DV_OK;
}
