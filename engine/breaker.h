/* SPDX-License-Identifier: Apache-2.0
 * breaker.h - a circuit breaker: whether a dependency is asked now, and how long it is left alone.
 *
 *   CLOSED     it works, or failed fewer than `failures_max` times in a row
 *   OPEN       nobody asks before the pause is over
 *   HALF_OPEN  one probe is under way: its success closes the circuit, any failure opens it again
 *
 * Pauses double from one failure to the next, and half of each is random, so that many who wait do not come back all at
 * once. A pure state machine: whoever asks the dependency owns it, tells how that went, and brings the clock. */
#ifndef DV_ENGINE_BREAKER_H
#define DV_ENGINE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/random.h"

/* The shortest and the longest pause. */
struct dv_backoff {
    uint32_t first_ms, max_ms;
};

/* How long to wait after this many failures in a row (0 counts as 1): half of the doubled time, and up to half more. */
uint64_t dv_backoff_ms(struct dv_backoff backoff, uint32_t failures, struct dv_random *random);

enum dv_breaker_state { DV_BREAKER_CLOSED, DV_BREAKER_OPEN, DV_BREAKER_HALF_OPEN, DV_BREAKER_STATES };

/* A breaker; its owner only calls the functions below. */
struct dv_breaker {
    enum dv_breaker_state state;
    struct dv_backoff backoff;
    uint32_t failures_max;
    uint32_t failures;     /* in a row */
    uint64_t due_ns;       /* end of the pause */
    uint64_t opened_ns;    /* since when the circuit has not been closed */
    uint64_t opened_total; /* how often it went from closed to open */
    const char *reason;    /* of the last failure, a literal; NULL: the last try succeeded */
    struct dv_random random;
};

/* Closed. `failures_max` failures in a row open it; `seed` is for the jitter. */
void dv_breaker_init(struct dv_breaker *breaker, uint32_t failures_max, struct dv_backoff backoff, uint64_t seed);

/* Whether the dependency may be asked now. Yes from an open circuit makes the asker its probe. */
bool dv_breaker_admits(struct dv_breaker *breaker, uint64_t now_ns);

/* How long, in ms and at least 1, until asking admits() again makes sense. */
uint64_t dv_breaker_wait_ms(const struct dv_breaker *breaker, uint64_t now_ns);

/* A try failed; `reason` is a literal. The ms to wait before the next. */
uint64_t dv_breaker_failed(struct dv_breaker *breaker, uint64_t now_ns, const char *reason);

/* A try failed in a way that no other try will heal for so long: open until then, however few failed before. */
void dv_breaker_open_for(struct dv_breaker *breaker, uint64_t now_ns, uint64_t pause_ms, const char *reason);

/* A try succeeded: closed, whatever it was. True if it was not. */
bool dv_breaker_succeeded(struct dv_breaker *breaker);

/* "closed", "open", "half-open". */
const char *dv_breaker_word(enum dv_breaker_state state);

#endif
