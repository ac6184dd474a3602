/* SPDX-License-Identifier: Apache-2.0
 * dp_sample.h - exact random integers for differential privacy: no floating point anywhere between the bits and the noise.
 *
 * The samplers are those of Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy" (2020). Every
 * probability in them is a ratio of integers, and a coin of that bias is an integer drawn below the denominator, so the
 * distribution is the one that is stated and not one of doubles near it (Mironov 2012: those tell the true value).
 *
 * Bounded. Each draws until it accepts, at most DV_NOISE_TRIES times; that it does not accept by then has a
 * probability below 2^-250, and is an error, never a value. The time a draw takes depends on the noise: who can time
 * single draws learns something about it. Draw for a whole window before any of it is shown. */
#ifndef DV_PRIVACY_DP_SAMPLE_H
#define DV_PRIVACY_DP_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { DV_NOISE_BYTES = 1024, DV_NOISE_TRIES = 1024 };

/* Room for products of two 64-bit numbers. */
typedef unsigned __int128 dv_wide;

/* A positive fraction. */
struct dv_ratio {
    uint64_t over, under;
};

/* Where random bits come from; zero-initialised by either init. Used bytes are wiped at once. */
struct dv_noise {
    bool (*fill)(void *data, uint8_t *bytes, size_t length); /* false: no bits to be had */
    void *data;
    uint32_t left; /* unused bytes, at the end of `bytes` */
    bool failed;   /* for good: every later draw fails, too */
    uint8_t bytes[DV_NOISE_BYTES];
};

/* Bits from OpenSSL's private generator, which the kernel seeds: the only source for data of people. */
void dv_noise_init(struct dv_noise *noise);

/* Bits from elsewhere: for tests that must replay. */
void dv_noise_init_with(struct dv_noise *noise, bool (*fill)(void *data, uint8_t *bytes, size_t length), void *data);

/* Forgets what was not used. */
void dv_noise_wipe(struct dv_noise *noise);

/* Uniform in 0 .. bound-1; bound > 0. DV_E_FAILED: no random bits. */
DV_CHECKED dv_rc dv_noise_below(struct dv_noise *noise, dv_wide bound, dv_wide *ret);

/* True with probability exp(-over/under), under > 0 and both below 2^127. DV_E_FAILED: no random bits. */
DV_CHECKED dv_rc dv_noise_exp(struct dv_noise *noise, dv_wide over, dv_wide under, bool *ret);

/* Discrete Laplace: x with probability in proportion to exp(-|x| / scale). Scale < 2^48, its parts from 1 to below 2^62;
 * else DV_E_LIMIT. |x| < 2^58. DV_E_FAILED: no random bits. */
DV_CHECKED dv_rc dv_noise_laplace(struct dv_noise *noise, struct dv_ratio scale, int64_t *ret);

/* Discrete Gaussian: x with probability in proportion to exp(-x² / (2 variance)). The parts of the variance from 1 to
 * below 2^52, and (√variance + 1)² · under ≤ 2^53; else DV_E_LIMIT. DV_E_FAILED: no random bits. */
DV_CHECKED dv_rc dv_noise_gaussian(struct dv_noise *noise, struct dv_ratio variance, int64_t *ret);

#endif
