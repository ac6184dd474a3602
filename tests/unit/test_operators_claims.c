/* SPDX-License-Identifier: Apache-2.0
 * test_operators_claims.c - receipts settle in any order; a checkpoint moves over the unbroken row of settled ones only.
 * shows: ING-13 SYN-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/memory.h"
#include "engine/random.h"
#include "operators/claims.h"

enum { CLAIMS = 5000 };

static void add(struct dv_claims *claims, uint64_t number)
{
    struct dv_checkpoint after = { .source = 7, .offset = 100 * number, .line = number, .records = number };
    assert_int_equal(dv_claims_reserve(claims), DV_OK);
    dv_claims_add(claims, &after);
}

static void test_in_order(void **state)
{
    (void)state;
    struct dv_claims claims = { 0 };
    for (uint64_t i = 0; i < 200; i++) {
        struct dv_checkpoint reached = { 0 };
        add(&claims, i + 1);
        assert_true(dv_claims_settle(&claims, i, false, &reached));
        assert_int_equal(reached.offset, 100 * (i + 1));
    }
    assert_int_equal(claims.capacity, 64);
    dv_claims_free(&claims);
}

/* The model: a flag for each claim. Some thousand are out at a time, as with a window behind the source. */
static void test_in_any_order(void **state)
{
    (void)state;
    static bool settled[CLAIMS];
    uint64_t seed = getenv("DV_SEED") != NULL ? strtoull(getenv("DV_SEED"), NULL, 0) : (uint64_t)time(NULL);
    struct dv_claims claims = { 0 };
    struct dv_random random;
    uint64_t prefix = 0;
    uint64_t out = 0;
    print_message("seed: DV_SEED=%llu\n", (unsigned long long)seed);
    dv_random_seed(&random, seed);
    while (prefix < CLAIMS) {
        if (out < CLAIMS && dv_random_chance(&random, 51))
            add(&claims, ++out);
        uint64_t pick = out > prefix ? prefix + dv_random_below(&random, out - prefix) : CLAIMS;
        if (pick == CLAIMS || settled[pick])
            continue;
        struct dv_checkpoint reached = { 0 };
        uint64_t before = prefix;
        settled[pick] = true;
        while (prefix < out && settled[prefix])
            prefix++;
        assert_int_equal(dv_claims_settle(&claims, pick, false, &reached), prefix != before);
        assert_int_equal(reached.line, prefix != before ? prefix : 0);
    }
    assert_int_equal(claims.first, claims.next);
    dv_claims_free(&claims);
}

static void test_a_failed_claim_stops_the_row_for_ever(void **state)
{
    (void)state;
    struct dv_claims claims = { 0 };
    struct dv_checkpoint reached = { 0 };
    for (uint64_t i = 1; i <= 4; i++)
        add(&claims, i);
    assert_false(dv_claims_settle(&claims, 1, true, &reached));
    assert_true(dv_claims_settle(&claims, 0, false, &reached));
    assert_int_equal(reached.line, 1);
    assert_false(dv_claims_settle(&claims, 2, false, &reached));
    assert_false(dv_claims_settle(&claims, 3, false, &reached));
    assert_true(claims.failed);
    assert_int_equal(reached.line, 1);
    dv_claims_free(&claims);
}

static void test_no_memory_for_more(void **state)
{
    (void)state;
    struct dv_claims claims = { 0 };
    struct dv_checkpoint reached = { 0 };
    dv_memory_fail_at(1);
    assert_int_equal(dv_claims_reserve(&claims), DV_E_MEMORY);
    for (uint64_t i = 1; i <= 64; i++)
        add(&claims, i);
    dv_memory_fail_at(1);
    assert_int_equal(dv_claims_reserve(&claims), DV_E_MEMORY);
    assert_true(dv_claims_settle(&claims, 0, false, &reached));
    assert_int_equal(dv_claims_reserve(&claims), DV_OK);
    dv_claims_free(&claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_in_any_order),
        cmocka_unit_test(test_a_failed_claim_stops_the_row_for_ever),
        cmocka_unit_test(test_no_memory_for_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
