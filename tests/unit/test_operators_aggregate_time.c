/* SPDX-License-Identifier: Apache-2.0
 * test_operators_aggregate_time.c - a record counts in the window of its own time, once, whenever and however it comes.
 *
 * Records come five at a time with one time, so that every window shows its count. Windows hold consecutive records of the
 * stream, also the late ones, so how many were told says which.
 * shows: RAG-7 RAG-8 RAG-9 PRV-4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/id.h"
#include "engine/random.h"
#include "engine/stats.h"
#include "tests/unit/operators_world.h"

extern const struct dv_operator dv_operator_aggregate;

enum { K = 5, CLUMPS_MAX = 20000, WINDOWS_MAX = 2000, HOUR = 3600000, SECOND = 1000 };
static const int64_t begun_ms = 1700000000000; /* of the simulated clock */

/* Five records. */
struct clump {
    int64_t at_ms;    /* their own time */
    int64_t comes_ms; /* since the beginning of the run */
};

struct told {
    int64_t start_ms, end_ms, count;
};

static struct {
    struct clump clumps[CLUMPS_MAX];
    unsigned clump_count, next, per_batch;
    struct dv_batch *held;
    struct dv_timer timer;
    unsigned settled;
} stream;

static struct {
    struct told windows[WINDOWS_MAX];
    unsigned count;
    int64_t records;
    int64_t takes_ms; /* for each window; 0: none */
    unsigned fails;   /* so often */
    uint64_t late;    /* the aggregate's figure when the newest window was read */
    struct dv_batch *held;
    struct dv_timer timer;
} reader;

static int64_t now_of(struct dv_node *node)
{
    return dv_wall_ms(dv_node_loop(node)) - begun_ms;
}

/* ---- the source ---- */

static dv_rc stream_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "visit", 2);
    assert_non_null(schema);
    (void)dv_schema_add(schema, "ward", DV_TYPE_TEXT, dv_label(DV_CLASS_SENSITIVE, DV_FORM_PLAIN));
    (void)dv_schema_add(schema, "cost", DV_TYPE_INT, dv_label(DV_CLASS_SENSITIVE, DV_FORM_PLAIN));
    shape->out[0] = schema;
    return DV_OK;
}

static void put_clump(struct dv_batch *batch, const struct clump *clump)
{
    for (unsigned i = 0; i < K; i++) {
        uint32_t row = batch->rows++;
        batch->cells[0][row] = (struct dv_cell){ .text = "A", .length = 1, .present = 1 };
        batch->cells[1][row] = (struct dv_cell){ .integer = 2, .present = 1 };
        batch->row[row].created_ms = clump->at_ms;
        dv_id_make(batch->row[row].id, stream.next, i, 7);
    }
}

static dv_rc fill(struct dv_node *node, struct dv_batch *batch)
{
    unsigned first = stream.next;
    while (stream.next < stream.clump_count && stream.next - first < stream.per_batch && stream.clumps[stream.next].comes_ms <= now_of(node)) {
        put_clump(batch, &stream.clumps[stream.next]);
        stream.next++;
    }
    dv_claim(node, batch, first, stream.next - 1);
    return DV_PASS;
}

static void stream_wakes(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct dv_batch *batch = stream.held;
    stream.held = NULL;
    dv_finish(node, batch, fill(node, batch));
}

static dv_rc stream_open(struct dv_node *node)
{
    dv_timer_init(dv_node_loop(node), &stream.timer, stream_wakes, node);
    return DV_OK;
}

static dv_rc stream_process(struct dv_node *node, struct dv_batch *batch)
{
    if (stream.next == stream.clump_count) {
        dv_end(node);
        return DV_DROP;
    }
    int64_t wait_ms = stream.clumps[stream.next].comes_ms - now_of(node);
    if (wait_ms <= 0)
        return fill(node, batch);
    stream.held = batch;
    dv_timer_start(&stream.timer, (uint64_t)wait_ms);
    return DV_HOLD;
}

/* What is settled may be forgotten: all of it must have been told. */
static void stream_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    (void)node;
    assert_false(receipt->failed);
    assert_true(reader.records >= (int64_t)(receipt->last + 1) * K);
    stream.settled += (unsigned)(receipt->last - receipt->first + 1);
}

static void stream_close(struct dv_node *node)
{
    (void)node;
    dv_timer_close(&stream.timer);
}

static const struct dv_operator stream_source = {
    .name = "source", .from = "stream", .summary = "Records with a time of their own.", .source = true, .makes = true,
    .options = (const struct dv_option[]){ { 0 } }, .size = 1, .transfer = stream_transfer, .open = stream_open,
    .process = stream_process, .settle = stream_settle, .close = stream_close,
};

/* ---- who reads the windows ---- */

static int64_t number(const struct dv_batch *batch, const char *column)
{
    struct dv_cell cell = dv_batch_cells(batch, (uint32_t)dv_schema_find(batch->schema, column))[0];
    assert_true(cell.present);
    return cell.integer;
}

static dv_rc note(const struct dv_node *node, const struct dv_batch *batch)
{
    struct dv_gauge gauge = { 0 };
    if (strcmp(batch->schema->name, "t") != 0)
        return DV_PASS;
    assert_true(dv_node_gauge(dv_node_named(node, "t"), 0, &gauge));
    assert_string_equal(gauge.name, "late");
    reader.late = (uint64_t)gauge.value;
    assert_int_equal(batch->rows, 1);
    assert_true(reader.count < WINDOWS_MAX);
    struct told *told = &reader.windows[reader.count++];
    *told = (struct told){ number(batch, "window_start_ms"), number(batch, "window_end_ms"), number(batch, "count") };
    assert_int_equal(number(batch, "sum_cost"), 2 * told->count);
    assert_int_equal(batch->row[0].created_ms, told->end_ms - 1);
    reader.records += told->count;
    return DV_PASS;
}

static void reader_wakes(struct dv_timer *timer)
{
    struct dv_batch *batch = reader.held;
    reader.held = NULL;
    dv_finish(timer->data, batch, note(timer->data, batch));
}

static dv_rc reader_open(struct dv_node *node)
{
    dv_timer_init(dv_node_loop(node), &reader.timer, reader_wakes, node);
    return DV_OK;
}

static dv_rc reader_process(struct dv_node *node, struct dv_batch *batch)
{
    if (reader.fails > 0) {
        reader.fails--;
        return dv_fail(node, DV_E_DEPENDENCY, "down");
    }
    if (reader.takes_ms == 0)
        return note(node, batch);
    reader.held = batch;
    dv_timer_start(&reader.timer, (uint64_t)reader.takes_ms);
    return DV_HOLD;
}

static void reader_close(struct dv_node *node)
{
    (void)node;
    dv_timer_close(&reader.timer);
}

static const struct dv_operator window_reader = {
    .name = "reader", .summary = "Notes the windows.", .sink = true, .options = (const struct dv_option[]){ { 0 } },
    .size = 1, .open = reader_open, .process = reader_process, .close = reader_close,
};

/* ---- a run ---- */

static int setup(void **state)
{
    static const struct dv_operator *const mine[] = { &stream_source, &window_reader, &dv_operator_aggregate, NULL };
    (void)world_setup(state);
    memset(&stream, 0, sizeof stream);
    memset(&reader, 0, sizeof reader);
    stream.per_batch = DV_BATCH_ROWS / K;
    ((struct world *)*state)->operators = mine;
    return 0;
}

/* At a time before the run, or after its beginning. */
static void comes(int64_t at_ms, int64_t comes_ms)
{
    assert_true(stream.clump_count < CLUMPS_MAX);
    stream.clumps[stream.clump_count++] = (struct clump){ at_ms, comes_ms };
}

static void run_nodes(struct world *world, const char *nodes)
{
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
    (void)world_run(world, "");
    assert_int_equal(world->rc, DV_OK);
    assert_false(world->stalled);
    assert_int_equal(reader.records, stream.clump_count * K);
    assert_int_equal(stream.settled, stream.clump_count);
}

static void run(struct world *world, const char *options)
{
    char nodes[256];
    (void)snprintf(nodes, sizeof nodes,
                   "  in: { op: source, from: stream }\n  t: { op: aggregate, after: in, by: ward, sums: cost, time: record, %s }\n"
                   "  out: { op: reader, after: t }\n", options);
    run_nodes(world, nodes);
}

static void expect(unsigned index, int64_t start_ms, int64_t length_ms, int64_t count)
{
    assert_true(index < reader.count);
    assert_int_equal(reader.windows[index].start_ms, start_ms);
    assert_int_equal(reader.windows[index].end_ms, start_ms + length_ms);
    assert_int_equal(reader.windows[index].count, count);
}

static const int64_t hour_ms = begun_ms - begun_ms % HOUR; /* the one in which the run begins */

/* ---- the tests ---- */

static void test_a_backlog_falls_into_its_windows(void **state)
{
    for (int64_t hour = 0; hour < 100; hour++)
        for (int64_t i = 0; i <= hour % 3; i++)
            comes(hour_ms - (100 - hour) * HOUR + i * HOUR / 3, 0);
    run(*state, "window: 1h");
    assert_int_equal(reader.count, 100);
    for (unsigned hour = 0; hour < 100; hour++)
        expect(hour, hour_ms - (100 - hour) * HOUR, HOUR, K * (hour % 3 + 1));
    assert_int_equal(reader.late, 0);
}

/* As long as records come, nothing but a later one ends a window, however long that takes. */
static void test_one_window_however_slowly_it_comes(void **state)
{
    for (int64_t i = 0; i < 100; i++)
        comes(hour_ms - HOUR + i, i * 900);
    comes(hour_ms, 100 * 900);
    run(*state, "window: 1h, lateness: 1s");
    assert_int_equal(reader.count, 2);
    expect(0, hour_ms - HOUR, HOUR, 100 * K);
}

static int64_t told_after_ms;

static void when_told(struct world *world, unsigned count)
{
    while (reader.count < count && dv_loop_sim_step(&world->loop))
        ;
    told_after_ms = dv_wall_ms(&world->loop.base) - begun_ms;
}

/* The clock ends a window that nothing comes to: `lateness` after its end, or after its last record. */
static void test_silence_ends_a_window(void **state)
{
    static const char nodes[] = "  in: { op: source, from: stream }\n"
                                "  t: { op: aggregate, after: in, by: ward, sums: cost, time: record, window: 10s, lateness: 3s }\n"
                                "  out: { op: reader, after: t }\n";
    struct world *world = *state;
    int64_t ten_ms = begun_ms - begun_ms % (10 * SECOND);
    comes(ten_ms - 20 * SECOND, 0); /* long past */
    comes(ten_ms + 14 * SECOND, 14 * SECOND);
    comes(ten_ms + 100 * SECOND, 100 * SECOND);
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
    world_begin(world, "");
    when_told(world, 1);
    assert_int_equal(told_after_ms, 3 * SECOND);
    when_told(world, 2);
    assert_int_equal(told_after_ms, ten_ms - begun_ms + 23 * SECOND);
    world_steps(world);
    world_end(world);
    assert_int_equal(reader.count, 3);
    expect(0, ten_ms - 20 * SECOND, 10 * SECOND, K);
    expect(1, ten_ms + 10 * SECOND, 10 * SECOND, K);
    expect(2, ten_ms + 100 * SECOND, 10 * SECOND, K);
}

/* What follows a silence within its window is told as one more of the same span, not as growth of the next one. */
static void test_a_window_goes_on_after_a_silence(void **state)
{
    comes(hour_ms - HOUR, 0);
    comes(hour_ms - HOUR + 1, 5 * SECOND);
    comes(hour_ms - HOUR + 2, 5 * SECOND);
    comes(hour_ms, 5 * SECOND);
    run(*state, "window: 1h, lateness: 1s");
    assert_int_equal(reader.count, 3);
    expect(0, hour_ms - HOUR, HOUR, K);
    expect(1, hour_ms - HOUR, HOUR, 2 * K);
    expect(2, hour_ms, HOUR, K);
    assert_int_equal(reader.late, 0);
}

static void test_late_records_are_counted_in_the_open_window(void **state)
{
    comes(hour_ms - 3 * HOUR, 0);
    comes(hour_ms - HOUR, 0);
    comes(hour_ms - 2 * HOUR, 0);     /* its window is not open any more */
    comes(hour_ms - 30 * HOUR, 0);
    comes(hour_ms - HOUR / 2, 0);
    comes(hour_ms - 5 * HOUR, 5 * SECOND); /* none is open: the next one, not one before those that were told */
    run(*state, "window: 1h, lateness: 1s");
    assert_int_equal(reader.count, 3);
    expect(0, hour_ms - 3 * HOUR, HOUR, K);
    expect(1, hour_ms - HOUR, HOUR, 4 * K);
    expect(2, hour_ms, HOUR, K);
    assert_int_equal(reader.late, 3 * K);
}

/* A clock that is wrong, or a hostile one, moves no window: what is of the future is of now. */
static void test_the_future_is_now(void **state)
{
    comes(hour_ms, 0);
    comes(begun_ms + 230 * 365 * INT64_C(24) * HOUR, 0);
    comes(INT64_MAX, 0);
    comes(begun_ms, 0);
    comes(INT64_MIN, 0);
    comes(hour_ms + HOUR, hour_ms + HOUR - begun_ms);
    run(*state, "window: 1h");
    assert_int_equal(reader.count, 2);
    expect(0, hour_ms, HOUR, 5 * K);
    expect(1, hour_ms + HOUR, HOUR, K);
    assert_int_equal(reader.late, K);
}

static void test_before_1970_is_1970(void **state)
{
    comes(-HOUR / 2, 0);
    comes(HOUR / 2, 0);
    comes(HOUR, 0);
    run(*state, "window: 1h");
    assert_int_equal(reader.count, 2);
    expect(0, 0, HOUR, 2 * K);
    expect(1, HOUR, HOUR, K);
}

/* As `window ends` says, from the stream alone: no silence in between. Checked against all that is told. */
static unsigned expected_windows(struct told *ret, int64_t length_ms, unsigned *ret_late)
{
    unsigned count = 0;
    *ret_late = 0;
    for (unsigned i = 0; i < stream.clump_count; i++) {
        int64_t at_ms = stream.clumps[i].at_ms;
        int64_t start_ms = at_ms / length_ms * length_ms;
        if (count == 0 || start_ms > ret[count - 1].start_ms)
            ret[count++] = (struct told){ start_ms, start_ms + length_ms, 0 };
        else if (start_ms < ret[count - 1].start_ms)
            *ret_late += K;
        ret[count - 1].count += K;
    }
    return count;
}

static void random_stream(struct dv_random *random)
{
    int64_t at_ms = begun_ms - 2000 * INT64_C(60000);
    stream.clump_count = stream.next = stream.settled = 0;
    stream.per_batch = 1 + (unsigned)dv_random_below(random, DV_BATCH_ROWS / K);
    reader.count = 0;
    reader.records = 0;
    for (unsigned left = 100 + (unsigned)dv_random_below(random, 500); left > 0; left--) {
        int64_t skew_ms = dv_random_chance(random, 20) ? (int64_t)dv_random_below(random, 300000) - 250000 : 0;
        at_ms += (int64_t)dv_random_below(random, dv_random_chance(random, 5) ? 600000 : 60000);
        comes(at_ms + skew_ms, 0);
    }
}

/* Whatever the order of times, the batches, and how slow and faulty who reads is. */
static void test_any_stream(void **state)
{
    static struct told expected[CLUMPS_MAX];
    struct dv_random random;
    unsigned several = 0, late_streams = 0;
    dv_random_seed(&random, 20261123);
    for (unsigned round = 0; round < 60; round++) {
        unsigned late = 0;
        random_stream(&random);
        reader.takes_ms = dv_random_chance(&random, 50) ? (int64_t)dv_random_below(&random, 5000) : 0;
        reader.fails = (unsigned)dv_random_below(&random, 4);
        unsigned count = expected_windows(expected, 60000, &late);
        run(*state, "window: 1m, lateness: 1h");
        assert_int_equal(reader.count, count);
        assert_memory_equal(reader.windows, expected, count * sizeof *expected);
        assert_int_equal(reader.late, late);
        several += count > 50;
        late_streams += late > 0;
    }
    assert_true(several > 30 && late_streams > 30); /* controls */
}

#define BESIDE_OTHERS(u, v)                                                                                       \
    "  in: { op: source, from: stream }\n"                                                                        \
    "  t: { op: aggregate, after: in, by: ward, sums: cost, time: record, window: 1h, lateness: 1s }\n"           \
    "  u: { op: aggregate, after: in, by: ward, sums: cost, time: record, window: " u " }\n"                      \
    "  v: { op: aggregate, after: in, by: ward, sums: cost, time: record, window: " v " }\n"                      \
    "  out: { op: reader, after: [t, u, v] }\n"

/* The reader is slow, others fill the way to it, and silence is shorter than that: what waits in the graph is no silence. */
static void test_a_slow_reader_is_no_silence(void **state)
{
    for (int64_t i = 0; i < 600; i++)
        comes(hour_ms - 20 * HOUR + i * HOUR / 30, 0);
    stream.per_batch = 7;
    reader.takes_ms = 4 * SECOND;
    run_nodes(*state, BESIDE_OTHERS("5m", "6m"));
    assert_int_equal(reader.count, 20);
    for (unsigned hour = 0; hour < 20; hour++)
        expect(hour, hour_ms - (20 - (int64_t)hour) * HOUR, HOUR, 30 * K);
}

/* A batch for each clump, and more of them than there are receipts: the window is told before its time, and goes on. */
static void test_more_batches_than_receipts(void **state)
{
    stream.per_batch = 1;
    for (int64_t i = 0; i < 17000; i++)
        comes(hour_ms - HOUR + i, 0);
    run(*state, "window: 1h");
    assert_int_equal(reader.count, 2);
    expect(0, hour_ms - HOUR, HOUR, reader.windows[0].count);
    expect(1, hour_ms - HOUR, HOUR, 17000 * K - reader.windows[0].count);
}

/* Three windows keep them: the links run out first, and all is told all the same. */
static void test_more_batches_than_links(void **state)
{
    stream.per_batch = 1;
    for (int64_t i = 0; i < 12000; i++)
        comes(hour_ms - HOUR + i, 0);
    run_nodes(*state, BESIDE_OTHERS("2h", "3h"));
}

static void test_noise_is_charged_by_the_clock(void **state)
{
    struct world *world = *state;
    assert_false(world_load(world, "  in: { op: source, from: stream }\n"
                                   "  t: { op: aggregate, after: in, time: record, dp: { epsilon: 1 } }\n"
                                   "  out: { op: reader, after: t }\n"));
    assert_non_null(strstr(world->findings, "C113"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_backlog_falls_into_its_windows, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_one_window_however_slowly_it_comes, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_silence_ends_a_window, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_window_goes_on_after_a_silence, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_late_records_are_counted_in_the_open_window, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_the_future_is_now, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_before_1970_is_1970, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_any_stream, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_slow_reader_is_no_silence, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_more_batches_than_receipts, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_more_batches_than_links, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_noise_is_charged_by_the_clock, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
