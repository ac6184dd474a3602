/* SPDX-License-Identifier: Apache-2.0
 * test_operators_snowflake_stream.c - the stream into a scripted Snowflake: what comes when it has halted touches no batch any more, and
 * thousands of rows that one commit settles are over in portions.
 *
 * The graph's time and Snowflake's are two, so that a test says which of them goes on.
 *
 * shows: SNO-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/snowflake_channel.h"
#include "operators/sink_snowflake.h"
#include "operators/sink_snowflake_stream.h"
#include "tests/unit/snowflake_ring.h"
#include "tests/unit/snowflake_script.h"

enum { PORTION = 1024, NS_PER_S = 1000000000 };

/* The stream between the ring's source and the script. */
static struct bench {
    struct snow_script script;
    struct snow_reply *rows; /* what an append is answered */
    struct dv_snow_options options;
    struct dv_snow_stream *stream;
    char path[128], looked[512];
    dv_rc opened;
} bench;

/* ---- a sink that is the stream ---- */

static void on_ready(struct dv_node *node, dv_rc rc)
{
    (void)node;
    bench.opened = rc;
}

static struct dv_job *busy_job(void)
{
    struct dv_snow_load *load = bench.stream->load;
    struct dv_job *const jobs[] = { &load->journal.job, &load->packs[0].job, &load->packs[1].job };
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
        if (jobs[i]->busy)
            return jobs[i];
    return NULL;
}

/* All that workers have to do. */
static void work(void)
{
    for (struct dv_job *job = busy_job(); job != NULL; job = busy_job()) {
        ring_work(job);
        ring_come_home(job);
    }
}

static dv_rc open_sink(struct dv_node *node)
{
    assert_int_equal(dv_snow_stream_open(node, &bench.options, &bench.script.snowflake, on_ready, &bench.stream), DV_HOLD);
    assert_int_equal(bench.opened, DV_HOLD);
    work();
    return bench.opened;
}

static dv_rc take(struct dv_node *node, struct dv_batch *batch)
{
    (void)node;
    return dv_snow_stream_take(bench.stream, batch);
}

static void close_sink(struct dv_node *node)
{
    (void)node;
    dv_snow_stream_close(bench.stream);
}

static const struct dv_operator sink = {
    .name = "stream", .summary = "The stream.", .sink = true, .held_max = DV_SNOW_HELD_MAX, .open = open_sink, .process = take, .close = close_sink,
};

static const struct dv_operator *const operators[] = { &ring_source, &sink, NULL };

/* ---- the bench ---- */

#define STATUS(offset) "{\"channel_status_code\":\"SUCCESS\",\"last_committed_offset_token\":" offset ",\"rows_error_count\":0}"

static void script_snowflake(void)
{
    struct snow_script *script = &bench.script;
    snow_reply(script, "/v2/streaming/hostname", 200, "{\"hostname\":\"in_gest.example.com\"}");
    snow_reply(script, "/oauth/token", 200, "{\"token\":\"scoped-1\"}");
    snow_reply(script, "/channels/c?", 200, "{\"next_continuation_token\":\"1_1\",\"channel_status\":" STATUS("null") "}")->times = -1;
    bench.rows = snow_reply(script, "/rows?", 200, "{\"next_continuation_token\":\"1_2\"}");
    bench.rows->never = true;
    snow_open_default(script);
}

/* So many batches of so many rows are held; the first request is on its way if there is an answer to its opening. */
static void begin(struct world *world, uint32_t batches, uint32_t rows)
{
    memset(&bench, 0, sizeof bench);
    bench.opened = DV_HOLD;
    (void)snprintf(bench.path, sizeof bench.path, "%s/journal", world->directory);
    bench.options = (struct dv_snow_options){ .snowflake = { .account = "org-acc", .database = "DB", .schema = "S" }, .table = "T", .channel = "c", .journal = bench.path,
                                              .remember = DV_SNOWFLAKE_JOURNAL_IDS_MIN };
    for (uint32_t i = 0; i < batches; i++)
        ring.sizes[i] = rows;
    ring.batch_count = batches;
    script_snowflake();
    assert_true(world_load(world, "  in: { op: source, from: numbers, schema: count }\n  out: { op: stream, after: in }\n"));
    world_begin(world, "");
    assert_int_equal(world->rc, DV_OK);
    world_steps(world);
    assert_int_equal(ring.made, batches);
}

static void send_first(void)
{
    const struct dv_snow_pack *pack = &bench.stream->load->packs[0];
    snow_run_ms(&bench.script, 1000);
    assert_true(bench.stream->judged);
    assert_true(dv_snow_is_packing(bench.stream->load));
    work();
    snow_run_ms(&bench.script, 1000);
    assert_int_equal(pack->step, DV_SNOW_SENDING);
    assert_int_equal(bench.script.open_count, 1);
}

static void answer(unsigned status, const char *body, dv_rc rc)
{
    bench.rows->status = status;
    bench.rows->body = body;
    bench.rows->rc = rc;
    bench.rows->reason = rc != DV_OK ? "of the connection" : NULL;
    bench.rows->never = false;
    dv_timer_start(&bench.script.timer, 1);
}

static void end(struct world *world)
{
    world_end(world);
    snow_close(&bench.script);
    ring_end(world);
}

/* ---- what comes too late ---- */

static void halt(void)
{
    dv_snow_stream_halt(bench.stream, DV_E_FAILED, "the test says so");
    assert_true(bench.stream->halted);
}

/* No batch is held, nothing is told of any, and the journal knows what it knew. */
static void assert_untouched(struct world *world, uint64_t unit)
{
    const struct dv_snow_load *load = bench.stream->load;
    assert_null(load->first);
    for (uint32_t i = 0; i < DV_SNOW_HELD_MAX; i++) {
        const struct dv_snow_held *held = &load->held[i];
        assert_true(held->batch == NULL && held->resting == 0 && held->left == 0 && held->away[0] == 0 && held->over[0] == 0);
    }
    assert_int_equal(load->journal.unit, unit);
    assert_int_equal(load->journal.settled, 0);
    assert_int_equal(world->letter_count, 0);
    assert_int_equal(ring.settled_count, 0);
}

/* Answers to a request whose batches were given back: all that there can be. Where it was lost the channel opens anew, and tells so. */
static void answers_come_late(void **state)
{
    static const struct late {
        unsigned status;
        const char *body;
        dv_rc rc;
        unsigned opens;
    } late[] = {
        { 200, "{\"next_continuation_token\":\"1_2\"}", DV_OK, 1 },
        { 400, "{\"code\":\"ERR_BAD_ROW\"}", DV_OK, 1 },
        { 413, "", DV_OK, 1 },
        { 0, NULL, DV_E_DEPENDENCY, 2 },
        { 500, "", DV_OK, 2 },
        { 415, "{\"code\":\"ERR_NEW\"}", DV_OK, 1 },
    };
    for (size_t i = 0; i < sizeof late / sizeof late[0]; i++)
        for (uint32_t rows = 1; rows <= 3; rows += 2) {
            begin(*state, 1, rows);
            send_first();
            halt();
            assert_untouched(*state, 1);
            snow_reply(&bench.script, "bulk", 200, "{\"channel_statuses\":{\"c\":" STATUS("null") "}}")->times = -1;
            answer(late[i].status, late[i].body, late[i].rc);
            snow_run_ms(&bench.script, 30000);
            assert_int_equal(snow_count(&bench.script, "/rows?"), 1);
            assert_int_equal(snow_count(&bench.script, "/channels/c?"), late[i].opens);
            assert_untouched(*state, 1);
            end(*state);
        }
}

/* The worker reads the batches: they are given back when it is home, and its request is nobody's. */
static void a_worker_comes_home_late(void **state)
{
    struct world *world = *state;
    begin(world, 2, 2);
    snow_run_ms(&bench.script, 1000);
    struct dv_job *job = busy_job();
    assert_true(job != NULL && dv_snow_is_packing(bench.stream->load));
    halt();
    assert_non_null(bench.stream->load->first);
    ring_work(job);
    assert_non_null(bench.stream->load->first);
    ring_come_home(job);
    assert_untouched(world, 1);
    work();
    snow_run_ms(&bench.script, 5000);
    assert_int_equal(snow_count(&bench.script, "/rows?"), 0);
    assert_untouched(world, 1);
    end(world);
}

/* What is durable after the halt is told to nobody. */
static void the_journal_is_saved_late(void **state)
{
    struct world *world = *state;
    begin(world, 1, 2);
    snow_run_ms(&bench.script, 1000);
    struct dv_job *job = busy_job();
    ring_work(job);
    ring_come_home(job);
    job = busy_job();
    assert_ptr_equal(job, &bench.stream->load->journal.job);
    halt();
    assert_untouched(world, 1);
    work();
    assert_true(dv_snowflake_journal_is_durable(&bench.stream->load->journal, bench.stream->load->journal.ticket));
    snow_run_ms(&bench.script, 5000);
    assert_int_equal(snow_count(&bench.script, "/rows?"), 0);
    assert_untouched(world, 1);
    end(world);
}

/* ---- what is settled ---- */

/* Until one look more would not change anything. */
static void settle(struct world *world)
{
    char token[DV_SNOWFLAKE_TOKEN];
    dv_snowflake_journal_token(&bench.stream->load->journal, 1, token);
    (void)snprintf(bench.looked, sizeof bench.looked, "{\"channel_statuses\":{\"c\":" STATUS("\"%s\"") "}}", token);
    snow_reply(&bench.script, "bulk", 200, bench.looked)->times = -1;
    answer(200, "{\"next_continuation_token\":\"1_2\"}", DV_OK);
    for (unsigned i = 0; i < 10 && !bench.stream->settling; i++) {
        world->loop.now_ns += NS_PER_S;
        snow_run_ms(&bench.script, 5000);
    }
    assert_true(bench.stream->settling);
}

/* Each turn of the loop takes some, whatever else happens in it, and nobody is told before his last row. */
static void settled_in_portions(void **state)
{
    struct world *world = *state;
    const struct dv_snow_load *load = NULL;
    begin(world, 10, DV_BATCH_ROWS);
    send_first();
    load = bench.stream->load;
    assert_int_equal(load->away_count, 10 * DV_BATCH_ROWS);
    settle(world);
    assert_int_equal(load->away_count, 10 * DV_BATCH_ROWS);
    assert_int_equal(ring.settled_count, 0);
    work(); /* it is durable */
    for (uint32_t portion = 1; portion <= 2; portion++) {
        assert_int_equal(load->away_count, 10 * DV_BATCH_ROWS - portion * PORTION);
        assert_true(bench.stream->settling && bench.stream->again.active);
        assert_int_equal(ring.settled_count, portion * PORTION / DV_BATCH_ROWS);
        dv_snow_stream_go_on(bench.stream);
        assert_int_equal(load->away_count, 10 * DV_BATCH_ROWS - portion * PORTION);
        while (load->away_count == 10 * DV_BATCH_ROWS - portion * PORTION)
            assert_true(dv_loop_sim_step(&world->loop));
    }
    assert_int_equal(load->away_count, 0);
    assert_false(bench.stream->settling);
    assert_int_equal(load->done, 1);
    world_steps(world);
    assert_int_equal(ring.settled_count, 10);
    end(world);
    assert_int_equal(world->rc, DV_OK);
}

static int setup(void **state)
{
    (void)ring_setup(state);
    ((struct world *)*state)->operators = operators;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_come_late, setup, world_teardown),
        cmocka_unit_test_setup_teardown(a_worker_comes_home_late, setup, world_teardown),
        cmocka_unit_test_setup_teardown(the_journal_is_saved_late, setup, world_teardown),
        cmocka_unit_test_setup_teardown(settled_in_portions, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
