/* SPDX-License-Identifier: Apache-2.0
 * risk_meter.h - the risks of risk.h over the newest records of a stream, at any moment.
 *
 * It knows hashes only: of the quasi-identifiers together, and of the subject. A record costs a few steps in two hash tables,
 * whatever the sample's size; two combinations with one hash of 64 bits count as one. */
#ifndef DV_PRIVACY_RISK_METER_H
#define DV_PRIVACY_RISK_METER_H

#include <stdint.h>

#include "engine/error.h"
#include "privacy/risk.h"

struct dv_arena;

/* Hash and count; a hash of 0: free. */
struct dv_tally {
    uint64_t hash;
    uint32_t count;
};

struct dv_risk_meter {
    uint32_t capacity, used, next; /* of the ring */
    struct dv_risk_seen {
        uint64_t class, member; /* hashes; 0: the record is about nobody known */
    } * ring;
    struct dv_tally *classes; /* different subjects of each combination */
    struct dv_tally *members; /* records of each subject in a combination */
    uint32_t mask;            /* of both tables */
    uint32_t *sizes;          /* [capacity + 1]: how many classes have so many subjects */
    uint64_t class_count, subjects, squares;
    uint32_t least;           /* no class is smaller */
};

/* Room for `capacity` records, 1 to 2^20, from `arena`; DV_E_MEMORY when it is full. */
DV_CHECKED dv_rc dv_risk_meter_init(struct dv_risk_meter *meter, uint32_t capacity, struct dv_arena *arena);

/* A record's hash of all quasi-identifiers and of its subject (0: nobody known); the oldest goes when there is no room. */
void dv_risk_meter_add(struct dv_risk_meter *meter, uint64_t quasi, uint64_t subject);

/* The figures now; `population` as in risk.h. The largest class is not known. */
struct dv_risk dv_risk_meter_read(struct dv_risk_meter *meter, uint64_t population);

#endif
