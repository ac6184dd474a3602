/* SPDX-License-Identifier: Apache-2.0
 * test_engine_breaker.c - the circuit breaker: its moves, its pauses, and a thousand scripted outages.
 *
 * shows: BCP-2 R12 R18 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/breaker.h"

enum { FIRST_MS = 100, MAX_MS = 2000, FAILURES = 3 };
#define MS UINT64_C(1000000)

static struct dv_breaker made(uint64_t seed)
{
    struct dv_breaker breaker;
    dv_breaker_init(&breaker, FAILURES, (struct dv_backoff){ FIRST_MS, MAX_MS }, seed);
    return breaker;
}

/* Fails until it is open; the time of the last failure is `now`. */
static struct dv_breaker opened(uint64_t now)
{
    struct dv_breaker breaker = made(7);
    for (int i = 0; i < FAILURES; i++)
        (void)dv_breaker_failed(&breaker, now, "down");
    return breaker;
}

static void begins_closed_and_admits(void **state)
{
    (void)state;
    struct dv_breaker breaker = made(1);
    assert_int_equal(breaker.state, DV_BREAKER_CLOSED);
    assert_true(dv_breaker_admits(&breaker, 0));
    assert_true(dv_breaker_admits(&breaker, 0));
    assert_null(breaker.reason);
}

static void opens_after_failures_in_a_row(void **state)
{
    (void)state;
    struct dv_breaker breaker = made(1);
    (void)dv_breaker_failed(&breaker, 1 * MS, "one");
    (void)dv_breaker_failed(&breaker, 2 * MS, "two");
    assert_int_equal(breaker.state, DV_BREAKER_CLOSED);
    assert_int_equal(breaker.opened_total, 0);
    (void)dv_breaker_failed(&breaker, 3 * MS, "three");
    assert_int_equal(breaker.state, DV_BREAKER_OPEN);
    assert_int_equal(breaker.opened_ns, 3 * MS);
    assert_int_equal(breaker.opened_total, 1);
    assert_string_equal(breaker.reason, "three");
}

static void a_success_between_starts_the_count_anew(void **state)
{
    (void)state;
    struct dv_breaker breaker = made(1);
    for (int i = 0; i < 10; i++) {
        (void)dv_breaker_failed(&breaker, 1, "one");
        (void)dv_breaker_failed(&breaker, 1, "two");
        assert_false(dv_breaker_succeeded(&breaker));
        assert_null(breaker.reason);
    }
    assert_int_equal(breaker.state, DV_BREAKER_CLOSED);
    assert_int_equal(breaker.opened_total, 0);
}

static void an_open_one_admits_one_probe_when_the_pause_is_over(void **state)
{
    (void)state;
    struct dv_breaker breaker = opened(5 * MS);
    uint64_t due = breaker.due_ns;
    assert_true(due > 5 * MS);
    assert_false(dv_breaker_admits(&breaker, due - 1));
    assert_int_equal(breaker.state, DV_BREAKER_OPEN);
    assert_true(dv_breaker_admits(&breaker, due));
    assert_int_equal(breaker.state, DV_BREAKER_HALF_OPEN);
    assert_false(dv_breaker_admits(&breaker, due + 1000000 * MS));
    assert_int_equal(dv_breaker_wait_ms(&breaker, due), MAX_MS);
}

static void the_probe_decides(void **state)
{
    (void)state;
    struct dv_breaker breaker = opened(0);
    assert_true(dv_breaker_admits(&breaker, breaker.due_ns));
    uint64_t now = breaker.due_ns + 1;
    (void)dv_breaker_failed(&breaker, now, "still down");
    assert_int_equal(breaker.state, DV_BREAKER_OPEN);
    assert_int_equal(breaker.opened_total, 1); /* the same outage */
    assert_int_equal(breaker.opened_ns, 0);
    assert_true(dv_breaker_admits(&breaker, breaker.due_ns));
    assert_true(dv_breaker_succeeded(&breaker));
    assert_int_equal(breaker.state, DV_BREAKER_CLOSED);
    assert_true(dv_breaker_admits(&breaker, now));
}

static void others_that_fail_while_it_is_open_change_nothing(void **state)
{
    (void)state;
    struct dv_breaker breaker = opened(0);
    uint64_t due = breaker.due_ns;
    uint32_t failures = breaker.failures;
    for (int i = 0; i < 100; i++)
        assert_int_equal(dv_breaker_failed(&breaker, 1 * MS, "another"), (due - 1 * MS) / MS + 1);
    assert_int_equal(breaker.due_ns, due);
    assert_int_equal(breaker.failures, failures);
}

static void a_success_closes_an_open_one(void **state)
{
    (void)state;
    struct dv_breaker breaker = opened(0); /* an answer that was under way when others failed */
    assert_true(dv_breaker_succeeded(&breaker));
    assert_int_equal(breaker.state, DV_BREAKER_CLOSED);
}

static void pauses_double_up_to_the_longest_and_are_half_random(void **state)
{
    (void)state;
    struct dv_random random;
    dv_random_seed(&random, 3);
    const struct dv_backoff backoff = { FIRST_MS, MAX_MS };
    for (uint32_t failures = 0; failures < 100; failures++) {
        uint64_t full = failures < 2 ? FIRST_MS : failures < 7 ? (uint64_t)FIRST_MS << (failures - 1) : MAX_MS;
        full = full < MAX_MS ? full : MAX_MS;
        uint64_t least = UINT64_MAX, most = 0;
        for (int i = 0; i < 2000; i++) {
            uint64_t pause = dv_backoff_ms(backoff, failures, &random);
            least = pause < least ? pause : least;
            most = pause > most ? pause : most;
        }
        assert_in_range(least, full / 2, full / 2 + full / 20);
        assert_in_range(most, full - full / 20, full);
    }
    assert_in_range(dv_backoff_ms(backoff, UINT32_MAX, &random), MAX_MS / 2, MAX_MS);
}

static void wait_is_what_is_left_and_never_nothing(void **state)
{
    (void)state;
    struct dv_breaker breaker = opened(0);
    assert_int_equal(dv_breaker_wait_ms(&breaker, breaker.due_ns), 1);
    assert_int_equal(dv_breaker_wait_ms(&breaker, breaker.due_ns + 5 * MS), 1);
    assert_int_equal(dv_breaker_wait_ms(&breaker, breaker.due_ns - 5 * MS), 6);
    assert_true(dv_breaker_admits(&breaker, dv_breaker_wait_ms(&breaker, 0) * MS));
}

/* Many askers of one dependency that is down for a while: at most one at a time asks once the circuit is open, the tries
 * are few, and all is well soon after the outage. */
static void an_outage_costs_few_tries_and_ends_soon(void **state)
{
    (void)state;
    enum { ASKERS = 8, OUTAGE_MS = 60000 };
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct dv_breaker breaker = made(seed);
        uint64_t due[ASKERS] = { 0 };
        unsigned tries = 0, tries_when_open = 0;
        uint64_t healed = 0;
        for (uint64_t now = 0; now < OUTAGE_MS + 4 * MAX_MS && healed == 0; now++) {
            for (int i = 0; i < ASKERS && healed == 0; i++) {
                if (now < due[i])
                    continue;
                bool was_open = breaker.state != DV_BREAKER_CLOSED;
                if (!dv_breaker_admits(&breaker, now * MS)) {
                    due[i] = now + dv_breaker_wait_ms(&breaker, now * MS);
                    continue;
                }
                tries++;
                tries_when_open += was_open;
                if (now < OUTAGE_MS)
                    due[i] = now + dv_breaker_failed(&breaker, now * MS, "down");
                else
                    healed = dv_breaker_succeeded(&breaker) ? now : 0;
            }
        }
        assert_in_range(healed, OUTAGE_MS, OUTAGE_MS + 2 * MAX_MS);
        assert_in_range(tries_when_open, OUTAGE_MS / MAX_MS - 5, 2 * OUTAGE_MS / MAX_MS + 10);
        assert_true(tries - tries_when_open <= FAILURES);
        assert_int_equal(breaker.opened_total, 1);
    }
}

static void states_have_words(void **state)
{
    (void)state;
    assert_string_equal(dv_breaker_word(DV_BREAKER_CLOSED), "closed");
    assert_string_equal(dv_breaker_word(DV_BREAKER_OPEN), "open");
    assert_string_equal(dv_breaker_word(DV_BREAKER_HALF_OPEN), "half-open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_closed_and_admits),
        cmocka_unit_test(opens_after_failures_in_a_row),
        cmocka_unit_test(a_success_between_starts_the_count_anew),
        cmocka_unit_test(an_open_one_admits_one_probe_when_the_pause_is_over),
        cmocka_unit_test(the_probe_decides),
        cmocka_unit_test(others_that_fail_while_it_is_open_change_nothing),
        cmocka_unit_test(a_success_closes_an_open_one),
        cmocka_unit_test(pauses_double_up_to_the_longest_and_are_half_random),
        cmocka_unit_test(wait_is_what_is_left_and_never_nothing),
        cmocka_unit_test(an_outage_costs_few_tries_and_ends_soon),
        cmocka_unit_test(states_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
