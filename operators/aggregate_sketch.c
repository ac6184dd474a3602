/* SPDX-License-Identifier: Apache-2.0
 * aggregate_sketch.c - sorted sparse buckets with logarithmic bounds. */
#include "operators/aggregate_sketch.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"

static const double SMALLEST = 1e-9;
static const double LOG_GAMMA = 0.020000666706669435; /* ln((1 + 0.01) / (1 - 0.01)) */

/* Half a key, away from zero, so that buckets 2i-1 and 2i become bucket i on both sides. */
static int32_t halve(int32_t key)
{
    return key >= 0 ? (key + 1) / 2 : -((1 - key) / 2);
}

static int32_t key_of(const struct dv_sketch *sketch, double value)
{
    if (fabs(value) < SMALLEST)
        return 0;
    /* Not the logarithm of the quotient: that may be infinite. */
    int32_t key = (int32_t)fmax(1, ceil((log(fabs(value)) - log(SMALLEST)) / LOG_GAMMA));
    key = value < 0 ? -key : key;
    for (uint32_t i = 0; i < sketch->merges; i++)
        key = halve(key);
    return key;
}

/* The first bucket whose key is not less. */
static uint32_t find(const struct dv_sketch *sketch, int32_t key)
{
    uint32_t low = 0, high = sketch->used;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sketch->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void collapse(struct dv_sketch *sketch)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < sketch->used; i++) {
        int32_t key = halve(sketch->keys[i]);
        if (used != 0 && sketch->keys[used - 1] == key) {
            sketch->counts[used - 1] += sketch->counts[i];
            continue;
        }
        sketch->keys[used] = key;
        sketch->counts[used++] = sketch->counts[i];
    }
    sketch->used = used;
    sketch->merges++;
}

/* False: there is no such bucket and no room for one. */
static bool add_at(struct dv_sketch *sketch, int32_t key, uint64_t count)
{
    uint32_t at = find(sketch, key);
    if (at == sketch->used || sketch->keys[at] != key) {
        if (sketch->used == DV_SKETCH_BUCKETS)
            return false;
        memmove(&sketch->keys[at + 1], &sketch->keys[at], (sketch->used - at) * sizeof sketch->keys[0]);
        memmove(&sketch->counts[at + 1], &sketch->counts[at], (sketch->used - at) * sizeof sketch->counts[0]);
        sketch->keys[at] = key;
        sketch->counts[at] = 0;
        sketch->used++;
    }
    sketch->counts[at] += count;
    sketch->count += count;
    return true;
}

void dv_sketch_add(struct dv_sketch *sketch, double value)
{
    DV_ASSERT(isfinite(value));
    while (!add_at(sketch, key_of(sketch, value), 1))
        collapse(sketch);
}

void dv_sketch_merge(struct dv_sketch *sketch, const struct dv_sketch *from)
{
    while (sketch->merges < from->merges)
        collapse(sketch);
    for (uint32_t i = 0; i < from->used; i++) {
        int32_t key = from->keys[i];
        for (uint32_t merges = from->merges; merges < sketch->merges; merges++)
            key = halve(key);
        while (!add_at(sketch, key, from->counts[i])) {
            collapse(sketch);
            key = halve(key);
        }
    }
}

/* The point of a bucket that is equally far, relatively, from both its bounds. */
static double value_of(const struct dv_sketch *sketch, int32_t key)
{
    if (key == 0)
        return 0;
    double log_gamma = ldexp(LOG_GAMMA, (int)sketch->merges);
    double value = SMALLEST * exp(abs(key) * log_gamma) * 2 / (exp(log_gamma) + 1);
    return key < 0 ? -value : value;
}

double dv_sketch_quantile(const struct dv_sketch *sketch, double q)
{
    DV_ASSERT(sketch->count != 0 && q >= 0 && q <= 1);
    uint64_t rank = (uint64_t)(q * (double)(sketch->count - 1));
    uint64_t seen = sketch->counts[0];
    uint32_t bucket = 0;
    while (seen <= rank) {
        bucket++;
        DV_ASSERT(bucket < sketch->used);
        seen += sketch->counts[bucket];
    }
    return value_of(sketch, sketch->keys[bucket]);
}
