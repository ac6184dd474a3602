/* SPDX-License-Identifier: Apache-2.0
 * moment.h - what the making of one record stands on: its number, its dice, its time; and slow drift. */
#ifndef DV_OPERATORS_GENERATE_MOMENT_H
#define DV_OPERATORS_GENERATE_MOMENT_H

#include <stdint.h>
#include <string.h>

#include "engine/json.h"
#include "engine/random.h"
#include "operators/generate/person.h"
#include "operators/generator.h"

/* One record being made. */
struct dv_moment {
    uint64_t seed;
    uint64_t number; /* from 0 */
    struct dv_random random;
    struct dv_json json; /* where it is written */
    const struct dv_surge *surge; /* the one it lies in, or NULL */
};

/* A domain writes its record, one object, to moment->json. */
typedef void (*dv_domain_record)(struct dv_moment *moment);
void dv_healthcare_record(struct dv_moment *moment);
void dv_finance_record(struct dv_moment *moment);

/* Whether a domain's records have this diagnosis or category. */
typedef bool (*dv_domain_value)(const char *value);
bool dv_healthcare_has(const char *value);
bool dv_finance_has(const char *value);

/* How many times as much there is of it now; 1 unless it surges. */
static inline uint32_t dv_surged(const struct dv_moment *moment, const char *value)
{
    return moment->surge != NULL && strcmp(moment->surge->value, value) == 0 ? moment->surge->factor : 1;
}

/* How often something is chosen, and how that changes: by up to `swing` thousandths, over `period` records. */
struct dv_drift {
    uint32_t weight, swing, period, phase;
};

/* The weight at record `number`, times 1000: it swings evenly up and down and back. */
static inline uint32_t dv_drifted(struct dv_drift drift, uint64_t number)
{
    uint64_t half = drift.period / 2;
    uint64_t at = (number + drift.phase) % drift.period;
    uint64_t height = at < half ? at : drift.period - at;
    int64_t place = (int64_t)(2000 * height / half) - 1000; /* -1000 to 1000 */
    return (uint32_t)(drift.weight * (1000 + place * (int64_t)drift.swing / 1000));
}

/* One of `count`, each as likely as `weight(i)` says; all weights together are above 0. */
static inline uint32_t dv_pick_weighted(struct dv_moment *moment, const uint32_t *weights, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += weights[i];
    uint64_t drawn = dv_random_below(&moment->random, total);
    uint32_t picked = 0;
    for (; drawn >= weights[picked]; picked++)
        drawn -= weights[picked];
    DV_ASSERT(picked < count);
    return picked;
}

/* One of the texts of a list that ends with NULL. */
static inline const char *dv_pick_text(struct dv_moment *moment, const char *const *texts)
{
    uint64_t count = 0;
    while (texts[count] != NULL)
        count++;
    return texts[dv_random_below(&moment->random, count)];
}

/* Writes a member whose value is a text. */
static inline void dv_put_text(struct dv_moment *moment, const char *key, const char *text)
{
    dv_json_key(&moment->json, key);
    dv_json_string(&moment->json, text);
}

#endif
