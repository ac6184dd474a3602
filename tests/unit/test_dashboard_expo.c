/* SPDX-License-Identifier: Apache-2.0
 * test_dashboard_expo.c - both text forms of metrics, and which of them a client gets.
 *
 * shows: OBS-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dashboard/server/expo.h"
#include "dashboard/server/process.h"

enum { TEXT_BYTES = 16 * 1024 };

static const char *text_of(struct dv_expo *expo)
{
    assert_false(expo->full);
    *expo->at = '\0';
    return expo->start;
}

static void writes_counters(void **state)
{
    (void)state;
    char buffer[TEXT_BYTES];
    struct dv_expo expo;
    dv_expo_init(&expo, buffer, sizeof buffer, true);
    dv_expo_family(&expo, DV_EXPO_COUNTER, "busy_seconds", "seconds", "Time.");
    dv_expo_seconds(&expo, "node=\"a\"", 1500000000);
    dv_expo_finish(&expo);
    assert_string_equal(text_of(&expo), "# TYPE busy_seconds counter\n# UNIT busy_seconds seconds\n"
                                        "# HELP busy_seconds Time.\nbusy_seconds_total{node=\"a\"} 1.5\n# EOF\n");
    dv_expo_init(&expo, buffer, sizeof buffer, false);
    dv_expo_family(&expo, DV_EXPO_COUNTER, "busy_seconds", "seconds", "Time.");
    dv_expo_seconds(&expo, "", 3000000001);
    dv_expo_finish(&expo);
    assert_string_equal(text_of(&expo), "# TYPE busy_seconds_total counter\n# HELP busy_seconds_total Time.\n"
                                        "busy_seconds_total 3.000000001\n");
}

static void writes_info_as_each_form_knows_it(void **state)
{
    (void)state;
    char buffer[TEXT_BYTES];
    struct dv_expo expo;
    for (int open = 0; open <= 1; open++) {
        dv_expo_init(&expo, buffer, sizeof buffer, open);
        dv_expo_family(&expo, DV_EXPO_INFO, "build", NULL, "Version.");
        dv_expo_uint(&expo, "version=\"1\"", 1);
        assert_non_null(strstr(text_of(&expo), open ? "# TYPE build info\n" : "# TYPE build_info gauge\n"));
        assert_non_null(strstr(text_of(&expo), "\nbuild_info{version=\"1\"} 1\n"));
    }
}

static void writes_histograms(void **state)
{
    (void)state;
    char buffer[TEXT_BYTES];
    struct dv_expo expo;
    struct dv_histogram histogram = { 0 };
    dv_histogram_add(&histogram, 1000);
    dv_histogram_add(&histogram, 1000000);
    dv_histogram_add(&histogram, UINT64_C(100000000000));
    dv_expo_init(&expo, buffer, sizeof buffer, true);
    dv_expo_family(&expo, DV_EXPO_HISTOGRAM, "x_seconds", "seconds", "X.");
    dv_expo_histogram(&expo, "a=\"b\"", &histogram);
    const char *text = text_of(&expo);
    assert_non_null(strstr(text, "x_seconds_bucket{a=\"b\",le=\"0.000001024\"} 1\n"));
    assert_non_null(strstr(text, "x_seconds_bucket{a=\"b\",le=\"0.001048576\"} 2\n"));
    assert_non_null(strstr(text, "x_seconds_bucket{a=\"b\",le=\"68.719476736\"} 2\n"));
    assert_non_null(strstr(text, "x_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "x_seconds_sum{a=\"b\"} 100.001001\n"));
    assert_non_null(strstr(text, "x_seconds_count{a=\"b\"} 3\n"));
}

static void stops_at_the_end_of_the_buffer(void **state)
{
    (void)state;
    char buffer[TEXT_BYTES];
    struct dv_histogram histogram = { 0 };
    size_t whole = 0;
    for (size_t size = 1200; size > 0; size--) {
        struct dv_expo expo;
        memset(buffer, '#', sizeof buffer);
        dv_expo_init(&expo, buffer, size, false);
        dv_expo_family(&expo, DV_EXPO_HISTOGRAM, "x_seconds", "seconds", "X.");
        dv_expo_histogram(&expo, "", &histogram);
        dv_expo_finish(&expo);
        assert_true(expo.at <= expo.end);
        assert_int_equal(buffer[size], '#');
        if (size == 1200)
            whole = (size_t)(expo.at - expo.start);
        assert_int_equal(expo.full, size <= whole);
    }
}

struct accept {
    const char *text;
    bool open_metrics;
};

static void negotiates(void **state)
{
    (void)state;
    static const struct accept cases[] = {
        { NULL, false },
        { "", false },
        { "*/*", false },
        { "text/plain", false },
        { "application/openmetrics-text", true },
        { "Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", true },
        { "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
          "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
          true },
        { "application/openmetrics-text;version=0.0.1", false },
        { "application/openmetrics-text;q=0", false },
        { "application/openmetrics-text;q=0.3, text/plain;q=0.7", false },
        { "text/plain;q=0.299, application/openmetrics-text ; q=0.3", true },
        { "application/openmetrics-text;q=2", false },
        { "application/openmetrics-text;q=x", false },
        { "application/openmetrics-text;q=", false },
        { ",;,=;q=", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dv_span span = { cases[i].text, cases[i].text != NULL ? strlen(cases[i].text) : 0 };
        if (dv_expo_negotiate(span) != cases[i].open_metrics)
            fail_msg("case %zu", i);
    }
}

static void knows_its_process(void **state)
{
    (void)state;
    struct dv_process process;
    dv_process_read(&process);
    assert_true(process.resident_bytes > 0 && process.virtual_bytes >= process.resident_bytes);
    assert_true(process.open_fds >= 3 && process.open_fds <= process.max_fds);
    assert_true(process.started_ns > UINT64_C(1600000000000000000));
    struct dv_process again;
    dv_process_read(&again);
    assert_true(again.started_ns == process.started_ns);
    assert_true(again.cpu_ns >= process.cpu_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_counters),   cmocka_unit_test(writes_info_as_each_form_knows_it),
        cmocka_unit_test(writes_histograms), cmocka_unit_test(stops_at_the_end_of_the_buffer),
        cmocka_unit_test(negotiates),        cmocka_unit_test(knows_its_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
