/* SPDX-License-Identifier: Apache-2.0
 * breaker.c - the circuit breaker and its growing, jittered pause. */
#include "engine/breaker.h"

#include <stddef.h>

#include "engine/error.h"

enum { NS_PER_MS = 1000000, DOUBLINGS_MAX = 31 };

uint64_t dv_backoff_ms(struct dv_backoff backoff, uint32_t failures, struct dv_random *random)
{
    uint32_t doublings = failures > 0 ? failures - 1 : 0;
    uint64_t full = (uint64_t)backoff.first_ms << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    if (full > backoff.max_ms)
        full = backoff.max_ms;
    return full / 2 + dv_random_below(random, full / 2 + 1);
}

void dv_breaker_init(struct dv_breaker *breaker, uint32_t failures_max, struct dv_backoff backoff, uint64_t seed)
{
    DV_ASSERT(failures_max > 0 && backoff.first_ms > 0 && backoff.first_ms <= backoff.max_ms);
    *breaker = (struct dv_breaker){ .failures_max = failures_max, .backoff = backoff };
    dv_random_seed(&breaker->random, seed);
}

bool dv_breaker_admits(struct dv_breaker *breaker, uint64_t now_ns)
{
    if (breaker->state == DV_BREAKER_OPEN && now_ns >= breaker->due_ns) {
        breaker->state = DV_BREAKER_HALF_OPEN;
        return true;
    }
    return breaker->state == DV_BREAKER_CLOSED;
}

/* While a probe is under way there is nothing to count down: its end is what others wait for. */
uint64_t dv_breaker_wait_ms(const struct dv_breaker *breaker, uint64_t now_ns)
{
    if (breaker->state == DV_BREAKER_HALF_OPEN)
        return breaker->backoff.max_ms;
    return breaker->due_ns > now_ns ? (breaker->due_ns - now_ns) / NS_PER_MS + 1 : 1;
}

static void pause(struct dv_breaker *breaker, uint64_t now_ns)
{
    uint64_t pause_ms = dv_backoff_ms(breaker->backoff, breaker->failures, &breaker->random);
    breaker->due_ns = now_ns + pause_ms * NS_PER_MS;
}

/* What others report while the circuit is open is the same outage: it makes the pause no longer. */
uint64_t dv_breaker_failed(struct dv_breaker *breaker, uint64_t now_ns, const char *reason)
{
    breaker->reason = reason;
    if (breaker->state == DV_BREAKER_OPEN)
        return dv_breaker_wait_ms(breaker, now_ns);
    if (breaker->failures < UINT32_MAX)
        breaker->failures++;
    pause(breaker, now_ns);
    if (breaker->state == DV_BREAKER_CLOSED && breaker->failures >= breaker->failures_max) {
        breaker->opened_ns = now_ns;
        breaker->opened_total++;
    }
    if (breaker->failures >= breaker->failures_max)
        breaker->state = DV_BREAKER_OPEN;
    return dv_breaker_wait_ms(breaker, now_ns);
}

void dv_breaker_open_for(struct dv_breaker *breaker, uint64_t now_ns, uint64_t pause_ms, const char *reason)
{
    if (breaker->state == DV_BREAKER_CLOSED) {
        breaker->opened_ns = now_ns;
        breaker->opened_total++;
    }
    breaker->state = DV_BREAKER_OPEN;
    if (breaker->failures < breaker->failures_max)
        breaker->failures = breaker->failures_max;
    breaker->due_ns = now_ns + pause_ms * NS_PER_MS;
    breaker->reason = reason;
}

bool dv_breaker_succeeded(struct dv_breaker *breaker)
{
    bool was_closed = breaker->state == DV_BREAKER_CLOSED;
    breaker->state = DV_BREAKER_CLOSED;
    breaker->failures = 0;
    breaker->due_ns = 0;
    breaker->reason = NULL;
    return !was_closed;
}

const char *dv_breaker_word(enum dv_breaker_state state)
{
    static const char *const words[DV_BREAKER_STATES] = { "closed", "open", "half-open" };
    DV_ASSERT(state < DV_BREAKER_STATES);
    return words[state];
}
