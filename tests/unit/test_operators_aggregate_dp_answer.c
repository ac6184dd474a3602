/* SPDX-License-Identifier: Apache-2.0
 * test_operators_aggregate_dp_answer.c - a large answer is drawn a part at a time: how large a part is, that as many come
 * whatever is in the window, and that the rows are those of one.
 *
 * shows: PRV-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "operators/aggregate_dp_answer.h"
#include "operators/aggregate_dp_plan.h"

enum { PLACES = 50000, PART = 4096, PART_ROWS = 16, TOP = 100, LARGE = 300, SPAN_COLUMNS = 2 };

/* A window of people in wards, and the batch that it is answered in. */
struct window {
    struct dv_arena arena;
    struct dv_schema *schema, *answers;
    struct dv_dp_plan plan;
    struct dv_tally tally;
    struct dv_noise noise;
    struct dv_cell cells[4][DV_BATCH_ROWS];
    struct dv_row row[DV_BATCH_ROWS];
    struct dv_batch batch;
    struct dv_dp_draft draft;
};

static int setup(void **state)
{
    struct window *window = calloc(1, sizeof *window);
    assert_non_null(window);
    dv_arena_init(&window->arena, 256u << 20);
    dv_noise_init(&window->noise);
    window->schema = dv_schema_new(&window->arena, "x", 2);
    (void)dv_schema_add(window->schema, "person", DV_TYPE_INT, dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN));
    (void)dv_schema_add(window->schema, "ward", DV_TYPE_INT, dv_label(DV_CLASS_SENSITIVE, DV_FORM_PLAIN));
    window->answers = dv_schema_new(&window->arena, "y", 4);
    static const char *const columns[] = { "window_start_ms", "window_end_ms", "ward", "count" };
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        (void)dv_schema_add(window->answers, columns[i], DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    window->plan = (struct dv_dp_plan){
        .epsilon = 1, .delta = 1e-9, .choice_delta = 1e-9, .epsilon_nano = DV_DP_NANO, .part_nano = DV_DP_NANO, .top = TOP,
        .tally = { .schema = window->schema, .by = { 1 }, .by_count = 1, .records_max = 1, .groups_of_one = 1,
                   .subjects_max = PLACES, .groups_max = PLACES, .is_open = true, .histogram = -1, .quantile = -1 },
    };
    *state = window;
    return 0;
}

static int teardown(void **state)
{
    struct window *window = *state;
    dv_tally_free(&window->tally);
    dv_noise_wipe(&window->noise);
    dv_arena_free(&window->batch.arena);
    dv_arena_free(&window->arena);
    free(window);
    return 0;
}

static void begin(struct window *window)
{
    const uint64_t seeds[3] = { 1, 2, 3 };
    dv_tally_lay_out(&window->plan.tally);
    assert_int_equal(dv_tally_init(&window->tally, &window->plan.tally, &window->arena, seeds), DV_OK);
    dv_arena_init(&window->batch.arena, 1u << 20);
}

static void add(struct window *window, int64_t person, int64_t ward)
{
    static struct dv_row row[1];
    struct dv_batch batch = { .schema = window->schema, .rows = 1, .row = row, .cells = { window->cells[0], window->cells[1] } };
    window->cells[0][0] = (struct dv_cell){ .integer = person, .present = 1 };
    window->cells[1][0] = (struct dv_cell){ .integer = ward, .present = 1 };
    assert_int_equal(dv_tally_add(&window->tally, &batch), DV_OK);
}

/* The parts that an answer takes, none of which is larger than it may be. */
static unsigned draw(struct window *window)
{
    dv_rc rc = DV_HOLD;
    unsigned parts = 0;
    struct dv_dp_draft *draft = &window->draft;
    window->batch.schema = window->answers;
    window->batch.row = window->row;
    window->batch.rows = 0;
    for (uint32_t column = 0; column < 4; column++)
        window->batch.cells[column] = window->cells[column];
    dv_dp_draft_begin(draft, &window->plan, &window->tally, &window->noise, (struct dv_aggregate_span){ 5, 7 },
                      &window->batch);
    for (; rc == DV_HOLD; parts++) {
        uint32_t looked_at = draft->looked_at;
        uint32_t row = draft->row;
        assert_int_equal(window->batch.rows, 0); /* nothing to see before all is there */
        rc = dv_dp_draft_go_on(draft);
        assert_true(draft->looked_at - looked_at <= PART && draft->row - row <= PART_ROWS);
    }
    assert_int_equal(rc, DV_OK);
    return parts;
}

static unsigned parts_of(unsigned groups, unsigned rows)
{
    return (groups + PART - 1) / PART + (rows + PART_ROWS - 1) / PART_ROWS - 1;
}

/* Wards of one person each, as many as there is room for, among them larger ones: the largest come, the larger first. */
static void test_groups_that_are_found(void **state)
{
    struct window *window = *state;
    begin(window);
    int64_t person = 0;
    for (int64_t ward = 0; ward < LARGE; ward++)
        for (int64_t i = 0; i < 50 + ward * 50 % LARGE / 5; i++)
            add(window, person++, ward);
    for (int64_t ward = LARGE; window->tally.group_count < PLACES && ward < PLACES; ward++)
        add(window, person++, ward);
    assert_int_equal(draw(window), parts_of(PLACES, TOP));
    assert_int_equal(window->batch.rows, TOP);
    for (uint32_t row = 0; row < TOP; row++) {
        assert_int_equal(window->cells[0][row].integer, 5);
        assert_int_equal(window->cells[1][row].integer, 7);
        assert_in_range(window->cells[SPAN_COLUMNS][row].integer, 0, LARGE - 1);
        assert_true(row == 0 || window->cells[3][row].integer <= window->cells[3][row - 1].integer);
    }
    assert_true(window->cells[3][TOP - 1].integer >= 50);
}

/* An observer with a clock does not learn how many groups there were. */
static void test_nothing_found_takes_as_many_parts(void **state)
{
    struct window *window = *state;
    begin(window);
    add(window, 1, 1);
    assert_int_equal(draw(window), parts_of(PLACES, 1));
    assert_int_equal(window->batch.rows, 1);
    assert_int_equal(window->cells[1][0].integer, 7);
}

static void test_groups_that_are_listed(void **state)
{
    struct window *window = *state;
    window->plan.tally.is_open = false;
    window->plan.tally.subject = -1;
    window->plan.tally.groups_max = DV_BATCH_ROWS;
    begin(window);
    for (int64_t ward = 0; ward < DV_BATCH_ROWS; ward++) {
        const struct dv_cell by[DV_TALLY_BY_MAX] = { { .integer = ward, .present = 1 } };
        assert_true(dv_tally_list(&window->tally, by, &window->arena));
    }
    for (int64_t i = 0; i < 1000; i++)
        add(window, i, 77);
    assert_int_equal(draw(window), DV_BATCH_ROWS / PART_ROWS);
    assert_int_equal(window->batch.rows, DV_BATCH_ROWS);
    for (uint32_t row = 0; row < DV_BATCH_ROWS; row++) {
        assert_int_equal(window->cells[SPAN_COLUMNS][row].integer, row);
        assert_true(llabs((long long)window->cells[3][row].integer - (row == 77 ? 1000 : 0)) < 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_groups_that_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_found_takes_as_many_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups_that_are_listed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
