/* SPDX-License-Identifier: Apache-2.0
 * test_operators_snowflake_settle.c - random schedules of a stream into Snowflake: commits that lag, rows that are refused, a counter of them
 * that is told early, late or in time, a table that shows late, answers that are lost, channels that are opened anew and have lost
 * requests, of which refused rows were counted or were not, looks and questions that fail, and processes that die at any step and begin
 * again with their journal.
 *
 * Whoever is acknowledged is in the table, or in the dead letters if he was refused; at the end each row is there once. Nobody else is in
 * the letters; and no run halts, or stands still.
 *
 * The seeds are the same each time; DV_SEED=n runs that one alone and prints what happens, DATAVAULT_LONG=1 some thousand new ones.
 *
 * shows: SNO-1 SNO-6 */
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/id.h"
#include "operators/schema_option.h"
#include "operators/sink_snowflake.h"
#include "operators/sink_snowflake_stream.h"
#include "operators/sink_snowflake_unit.h"
#include "tests/unit/operators_world.h"
#include "tests/unit/snowflake_play.h"

enum { SCHEDULES = 250, LONG_SCHEDULES = 5000, LIVES_MAX = 8, BATCHES_MAX = 256, BATCH_ROWS = 8, STEPS_MAX = 60000, JOURNAL_MAX = 1 << 20, WRONG_MAX = 10 };

/* What a process is, over its lives. */
static struct bench {
    struct dv_snow_options options;
    struct dv_snowflake snowflake;
    struct dv_snow_stream *stream;
    struct dv_batch *early[DV_SNOW_HELD_MAX]; /* that came before the journal was read */
    uint32_t early_count;
    bool ready;
    char journal[128];

    uint32_t rows, until;           /* all of them; those that this life's source gives */
    bool again;                     /* the source gives what was acknowledged once more, behind what was not */
    uint64_t pause_ms, end_ms;      /* between two batches, at most; before it ends */
    bool acked[PLAY_NUMBERS + 1];
    uint32_t letters[PLAY_NUMBERS + 1], lived[PLAY_NUMBERS + 1]; /* of all lives, and of this one */
    uint32_t next;                  /* row */
    struct { uint32_t count, number[BATCH_ROWS]; } batch[BATCHES_MAX];
    uint32_t batch_count;
    struct { uint64_t lives, deaths, rows, letters; } counts; /* over all schedules */
} bench;

/* ---- a disk that is durable at once ---- */

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

/* ---- a source that gives again what was not acknowledged ---- */

struct numbers {
    const char *schema_name;
    const struct dv_schema *schema;
    struct dv_timer timer;
    struct dv_batch *held;
};

static const struct dv_option source_options[] = {
    { "schema", DV_NAME, offsetof(struct numbers, schema_name), .flags = DV_REQUIRED, .help = "Schema." },
    { 0 },
};

static dv_rc source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct numbers *numbers = dv_state(node);
    numbers->schema = dv_load_schema(node, "schema", numbers->schema_name);
    shape->out[0] = numbers->schema;
    return numbers->schema != NULL ? DV_OK : DV_E_CONFIG;
}

static uint32_t next_row(void)
{
    while (bench.next <= bench.until && bench.acked[bench.next] && !bench.again)
        bench.next++;
    return bench.next <= bench.until ? bench.next++ : 0;
}

static dv_rc fill(struct dv_node *node, struct dv_batch *batch)
{
    struct dv_cell *cells = dv_batch_edit(batch, 0);
    const uint32_t most = 1 + (uint32_t)play_below(BATCH_ROWS), at = bench.batch_count++;
    assert_true(cells != NULL && at < BATCHES_MAX);
    bench.batch[at].count = batch->rows = 0;
    for (uint32_t row = 0; row < most; row++) {
        uint32_t number = next_row();
        if (number == 0)
            break;
        cells[row] = (struct dv_cell){ .integer = number, .present = 1 };
        dv_id_make(batch->row[row].id, number, 0, 7);
        bench.batch[at].number[row] = number;
        bench.batch[at].count = batch->rows = row + 1;
    }
    if (batch->rows == 0) {
        dv_end(node);
        return DV_DROP;
    }
    dv_claim(node, batch, at, at);
    play_say("source: rows %u to %u", bench.batch[at].number[0], bench.batch[at].number[batch->rows - 1]);
    return DV_PASS;
}

static void source_wakes(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct numbers *numbers = dv_state(node);
    struct dv_batch *batch = numbers->held;
    numbers->held = NULL;
    dv_finish(node, batch, fill(node, batch));
}

static dv_rc source_open(struct dv_node *node)
{
    struct numbers *numbers = dv_state(node);
    dv_timer_init(dv_node_loop(node), &numbers->timer, source_wakes, node);
    bench.batch_count = 0;
    bench.next = 1;
    while (bench.next <= bench.rows && bench.acked[bench.next])
        bench.next++;
    return DV_OK;
}

static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct numbers *numbers = dv_state(node);
    const uint64_t most = bench.next <= bench.until ? bench.pause_ms : bench.end_ms;
    numbers->held = batch;
    dv_timer_start(&numbers->timer, most > 0 ? play_below(most + 1) : 0);
    return DV_HOLD;
}

/* What is acknowledged must be where it belongs. */
static void source_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    (void)node;
    if (play.dead || receipt->failed || !receipt->claimed)
        return;
    for (uint32_t i = 0; i < bench.batch[receipt->first].count; i++) {
        const uint32_t number = bench.batch[receipt->first].number[i];
        if (play.bad[number] ? bench.letters[number] == 0 : play_copies(number, true) == 0)
            play_wrong("row %u is acknowledged, and nowhere", number);
        bench.acked[number] = true;
        bench.counts.rows++;
    }
    play_say("acknowledged: from row %u", bench.batch[receipt->first].number[0]);
}

static void source_close(struct dv_node *node)
{
    struct numbers *numbers = dv_state(node);
    dv_timer_close(&numbers->timer);
}

static const struct dv_operator source = {
    .name = "source", .from = "numbers", .summary = "Makes numbers.", .options = source_options, .size = sizeof(struct numbers),
    .source = true, .makes = true, .credits = 16, .transfer = source_transfer, .open = source_open, .process = source_process,
    .settle = source_settle, .close = source_close,
};

/* ---- dead letters ---- */

static void put_letter(struct dv_dead_letters *letters, const struct dv_letter *letter, struct dv_receipt *receipt)
{
    char text[256];
    (void)letters;
    (void)receipt;
    if (play.dead)
        return;
    (void)snprintf(text, sizeof text, "%.*s", (int)letter->length, letter->payload);
    const uint32_t number = (uint32_t)strtoul(strstr(text, "\"n\":") + 4, NULL, 10);
    play_say("dead letter: row %u", number);
    bench.counts.letters++;
    bench.letters[number]++;
    if (!play.bad[number])
        play_wrong("row %u is a dead letter, and good", number);
    if (++bench.lived[number] > 1 && !bench.again)
        play_wrong("row %u is a dead letter twice", number);
}

/* ---- a sink that is the stream ---- */

static void on_ready(struct dv_node *node, dv_rc rc)
{
    const uint32_t count = bench.early_count;
    assert_int_equal(rc, DV_OK);
    bench.ready = true;
    bench.early_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        rc = dv_snow_stream_take(bench.stream, bench.early[i]);
        if (rc != DV_HOLD)
            dv_finish(node, bench.early[i], rc);
    }
}

static dv_rc sink_open(struct dv_node *node)
{
    struct dv_error error = { 0 };
    play_live(dv_node_loop(node));
    bench.ready = false;
    bench.early_count = 0;
    assert_int_equal(play_open(&bench.snowflake, dv_node_loop(node), &error), DV_OK);
    assert_int_equal(dv_snow_stream_open(node, &bench.options, &bench.snowflake, on_ready, &bench.stream), DV_HOLD);
    return DV_OK;
}

static dv_rc sink_process(struct dv_node *node, struct dv_batch *batch)
{
    (void)node;
    if (bench.ready)
        return dv_snow_stream_take(bench.stream, batch);
    bench.early[bench.early_count++] = batch;
    return DV_HOLD;
}

static void sink_close(struct dv_node *node)
{
    (void)node;
    dv_snow_stream_close(bench.stream);
    dv_snowflake_close(&bench.snowflake);
}

static const struct dv_operator sink = {
    .name = "stream", .summary = "The stream.", .sink = true, .held_max = DV_SNOW_HELD_MAX, .open = sink_open, .process = sink_process, .close = sink_close,
};

static const struct dv_operator *const operators[] = { &source, &sink, NULL };

/* ---- lives ---- */

static size_t read_journal(char *out)
{
    int fd = open(bench.journal, O_RDONLY);
    ssize_t length = fd >= 0 ? read(fd, out, JOURNAL_MAX) : 0;
    if (fd >= 0)
        (void)close(fd);
    assert_in_range(length, 0, JOURNAL_MAX - 1);
    return (size_t)length;
}

static void write_journal(const char *bytes, size_t length)
{
    int fd = open(bench.journal, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    (void)close(fd);
}

/* What it has not written by now it never does. */
static void kill_process(struct world *world)
{
    static char bytes[JOURNAL_MAX];
    const size_t length = read_journal(bytes);
    play_die();
    bench.counts.deaths++;
    for (int i = 0; i < 2 && !world->done; i++)
        dv_graph_stop(world->graph);
    for (int i = 0; i < STEPS_MAX && !world->done; i++)
        (void)dv_loop_sim_step(&world->loop);
    assert_true(world->done);
    world->running = false;
    dv_graph_free(world->graph);
    world->graph = NULL;
    if (length > 0)
        write_journal(bytes, length);
    else
        (void)unlink(bench.journal);
}

static void end_process(struct world *world)
{
    if (world->rc != DV_OK)
        play_wrong("the run has halted: %s", bench.stream->reason != NULL ? bench.stream->reason : dv_graph_error(world->graph)->text);
    for (uint32_t number = 1; number <= bench.until && play.wrong[0] == '\0'; number++)
        if (!bench.acked[number])
            play_wrong("row %u is not acknowledged", number);
    play_die();
    world->running = false;
    dv_graph_free(world->graph);
    world->graph = NULL;
}

/* A process, which dies after so many steps. */
static void live(struct world *world, uint64_t steps)
{
    bench.counts.lives++;
    memset(bench.lived, 0, sizeof bench.lived);
    assert_true(world_load(world, "  in: { op: source, from: numbers, schema: count }\n  out: { op: stream, after: in }\n"));
    world_begin(world, "");
    assert_int_equal(world->rc, DV_OK);
    for (uint64_t step = 0; step < steps && !world->done && play.wrong[0] == '\0'; step++)
        (void)dv_loop_sim_step(&world->loop);
    if (!world->done && steps == STEPS_MAX)
        play_wrong("the run stands still");
    if (world->done)
        end_process(world);
    else
        kill_process(world);
}

/* ---- schedules ---- */

static uint64_t one_of(const uint32_t *values, size_t count)
{
    return values[play_below(count)];
}

#define ONE_OF(...) one_of((const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* No counter is later than the time for which a commit is held, and no table than two questions; nor are many records refused in a row, as by a
 * table that is not for them. */
static void throw_rules(void)
{
    play.rules = (struct play_rules){
        .commit_ms = ONE_OF(0, 300, 2000, 10000), .late_ms = ONE_OF(0, 0, 900), .table_ms = ONE_OF(0, 900, 1900), .ghost_ms = ONE_OF(0, 1500, 20000),
        .answer_ms = ONE_OF(0, 20, 300), .work_ms = ONE_OF(0, 5, 500), .early = (unsigned)ONE_OF(0, 0, 50, 100),
        .lost = (unsigned)ONE_OF(0, 0, 20), .opened = (unsigned)ONE_OF(0, 0, 10), .taken_away = (unsigned)ONE_OF(0, 50, 100),
        .ghosts = (unsigned)ONE_OF(0, 50, 100), .broken = (unsigned)ONE_OF(0, 0, 10), .rows = (uint32_t)(1 + play_below(PLAY_REQUEST_ROWS)),
    };
    bench.again = play_chance(30);
    bench.rows = 5 + (uint32_t)play_below(60);
    const unsigned bad = (unsigned)ONE_OF(0, 5, 20, 50);
    for (uint32_t number = 1; number <= bench.rows; number++)
        play.bad[number] = play_chance(bad) && !(number > 2 && play.bad[number - 1] && play.bad[number - 2]);
}

static void check_the_end(void)
{
    for (uint32_t number = 1; number <= bench.rows; number++) {
        const uint32_t copies = play_copies(number, false);
        if (!play.bad[number] && copies != 1)
            play_wrong("row %u is in the table %u times", number, copies);
        if (play.bad[number] && bench.letters[number] == 0)
            play_wrong("row %u is no dead letter, and refused", number);
    }
}

static void throw_life(bool last)
{
    bench.until = last ? bench.rows : 1 + (uint32_t)play_below(bench.rows);
    bench.pause_ms = ONE_OF(0, 100, 1000, 5000);
    bench.end_ms = ONE_OF(0, 0, 0, 40000);
}

static bool run_schedule(uint64_t seed, bool told)
{
    struct world *world = NULL;
    memset(bench.acked, 0, sizeof bench.acked);
    memset(bench.letters, 0, sizeof bench.letters);
    (void)world_setup((void **)&world);
    world->operators = operators;
    world->letters.put = put_letter;
    world_file(world, "schemas/count.yaml", "name: count\nfields:\n  n: { type: int, class: public }\n");
    (void)snprintf(bench.journal, sizeof bench.journal, "%s/journal", world->directory);
    bench.options = (struct dv_snow_options){ .snowflake = { .account = "org-acc", .database = "DB", .schema = "S" }, .table = "T", .channel = "c",
                                              .journal = bench.journal, .remember = DV_SNOWFLAKE_JOURNAL_IDS_MIN };
    play_begin(seed);
    throw_rules();
    for (uint64_t left = play_below(LIVES_MAX); left > 0 && play.wrong[0] == '\0'; left--) {
        throw_life(false);
        live(world, play_chance(70) ? play_below(ONE_OF(30, 150, 600)) : STEPS_MAX);
    }
    if (play.wrong[0] == '\0') {
        throw_life(true);
        live(world, STEPS_MAX);
    }
    check_the_end();
    if (told)
        (void)fputs(play.text, stdout); /* longer than cmocka prints */
    if (play.wrong[0] != '\0')
        print_message("DV_SEED=%" PRIu64 ": %s\n", seed, play.wrong);
    void *state = world;
    (void)world_teardown(&state);
    return play.wrong[0] == '\0';
}

static void test_each_row_is_told_once(void **state)
{
    const char *given = getenv("DV_SEED"), *many = getenv("DATAVAULT_LONG");
    const uint64_t first = given != NULL ? strtoull(given, NULL, 0) : many != NULL ? (uint64_t)uv_hrtime() : 1;
    const unsigned schedules = given != NULL ? 1 : many != NULL ? LONG_SCHEDULES : SCHEDULES;
    unsigned wrong = 0;
    (void)state;
    for (unsigned i = 0; i < schedules && wrong < WRONG_MAX; i++)
        wrong += !run_schedule(first + i, given != NULL);
    print_message("%u schedules: %" PRIu64 " lives, %" PRIu64 " deaths, %" PRIu64 " rows, %" PRIu64 " letters\n", schedules, bench.counts.lives, bench.counts.deaths,
                  bench.counts.rows, bench.counts.letters);
    print_message("%" PRIu64 " requests, %" PRIu64 " answers lost, %" PRIu64 " openings, %" PRIu64 " requests taken away, %" PRIu64 " rows of theirs counted, %" PRIu64 " questions, %" PRIu64 " failed\n",
                  play.counts.requests, play.counts.lost, play.counts.openings, play.counts.taken_away, play.counts.ghosts, play.counts.asked, play.counts.broken);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_each_row_is_told_once) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
