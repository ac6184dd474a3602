/* SPDX-License-Identifier: Apache-2.0
 * test_operators_surge.c - what is planted into invented records: there while it surges, and nothing is changed otherwise.
 *
 * shows: SYN-2 RAG-8 RAG-9 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "operators/generator.h"

/* Record `number` of a domain, NUL-terminated. */
static const char *make(enum dv_domain domain, uint64_t number, const struct dv_surge *surge, char text[DV_GENERATE_MAX + 1])
{
    struct dv_generator generator;
    dv_generator_init(&generator, domain, 5);
    generator.next = number;
    generator.surge = *surge;
    text[dv_generate(&generator, text, DV_GENERATE_MAX)] = '\0';
    return text;
}

/* How many of 50 records have asthma. */
static int count(const struct dv_surge *surge, uint64_t from)
{
    int met = 0;
    for (uint64_t number = from; number < from + 50; number++) {
        char text[DV_GENERATE_MAX + 1];
        met += strstr(make(DV_DOMAIN_HEALTHCARE, number, surge, text), "\"diagnosis\":\"Asthma\"") != NULL;
    }
    return met;
}

static void a_diagnosis_surges(void **state)
{
    (void)state;
    static const struct dv_surge none = { .value = NULL };
    static const struct dv_surge again = { .value = "Asthma", .factor = 20, .after = 100, .length = 50, .every = 200 };
    static const struct dv_surge once = { .value = "Asthma", .factor = 20, .after = 100, .length = 50 };
    for (uint64_t at = 0; at < 600; at += 50) {
        int usual = count(&none, at);
        int surged = count(&again, at);
        int single = count(&once, at);
        if (at % 200 == 100)
            assert_true(surged > 15 && surged > 2 * usual);
        else
            assert_int_equal(surged, usual);
        assert_int_equal(single, at == 100 ? surged : usual);
    }
}

static double amount_of(const char *text)
{
    const char *at = strstr(text, "\"amount\":");
    assert_non_null(at);
    return strtod(at + strlen("\"amount\":"), NULL);
}

static void amounts_surge(void **state)
{
    (void)state;
    static const struct dv_surge none = { .value = NULL };
    static const struct dv_surge surge = { .value = "Travel", .factor = 4, .after = 0, .length = 300 };
    int met = 0;
    for (uint64_t number = 0; number < 400; number++) {
        char usual[DV_GENERATE_MAX + 1];
        char text[DV_GENERATE_MAX + 1];
        make(DV_DOMAIN_FINANCE, number, &none, usual);
        make(DV_DOMAIN_FINANCE, number, &surge, text);
        bool travels = number < 300 && strstr(text, "\"merchant_category\":\"Travel\"") != NULL;
        double factor = amount_of(text) / amount_of(usual);
        assert_true(travels ? factor > 3.9 && factor < 4.1 : strcmp(text, usual) == 0);
        met += travels;
    }
    assert_true(met > 5);
}

static void knows_what_there_is(void **state)
{
    (void)state;
    assert_true(dv_domain_has(DV_DOMAIN_HEALTHCARE, "Influenza A") && dv_domain_has(DV_DOMAIN_FINANCE, "Online retail"));
    assert_false(dv_domain_has(DV_DOMAIN_HEALTHCARE, "Influenza") || dv_domain_has(DV_DOMAIN_HEALTHCARE, "Travel"));
    assert_false(dv_domain_has(DV_DOMAIN_FINANCE, "Asthma") || dv_domain_has(DV_DOMAIN_FINANCE, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_diagnosis_surges),
        cmocka_unit_test(amounts_surge),
        cmocka_unit_test(knows_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
