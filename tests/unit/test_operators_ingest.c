/* SPDX-License-Identifier: Apache-2.0
 * test_operators_ingest.c - requests that bring records: shared batches, all or nothing, answers when durable, room,
 * draining, cancelling, and ids that a second try meets again.
 *
 * shows: ING-1 ING-5 ING-6 ING-7 BCP-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/id.h"
#include "operators/ingest.h"
#include "tests/unit/operators_world.h"

enum { REQUESTS = 512, HELD = 8 };

/* What became of one push. */
struct push {
    uint64_t ticket;
    unsigned answers;
    struct dv_ingest_answer answer;
};

/* The source, the sink, and what the callbacks were told; one test at a time. */
static struct {
    struct dv_ingest *ingest;
    struct dv_node *gate;
    struct dv_batch *held[HELD];
    unsigned held_count, batches, rows;
    bool open, reject;
    dv_rc verdict; /* of the batches that are let go */
    char text[1 << 22];
    size_t length;
    struct push push[REQUESTS];
    unsigned room_told;
} bench;

/* ---- a source that is nothing but the core ---- */

struct source {
    struct dv_ingest ingest;
};

static const struct dv_option source_options[] = { DV_INGEST_ROWS(struct source), { 0 } };

static void on_room(void *data)
{
    (void)data;
    bench.room_told++;
}

static dv_rc source_open(struct dv_node *node)
{
    bench.ingest = dv_state(node);
    bench.ingest->on_room = on_room;
    return dv_ingest_open(node);
}

static const struct dv_operator source = {
    .name = "source", .from = "requests", .summary = "Takes requests.", .options = source_options,
    .size = sizeof(struct source), .source = true, .makes = true, .credits = HELD, .transfer = dv_ingest_transfer,
    .open = source_open, .process = dv_ingest_process, .settle = dv_ingest_settle, .stop = dv_ingest_stop,
    .close = dv_ingest_close,
};

/* ---- a sink that keeps what it is given until it is told ---- */

static dv_rc gate_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    shape->out[0] = shape->in;
    return DV_OK;
}

static dv_rc gate_open(struct dv_node *node)
{
    bench.gate = node;
    return DV_OK;
}

static dv_rc gate_process(struct dv_node *node, struct dv_batch *batch)
{
    bench.batches++;
    bench.rows += batch->rows;
    for (uint32_t row = 0; row < batch->rows; row++) {
        char *at = bench.text + bench.length;
        assert_true(bench.length + dv_json_record_bound(batch, row) + 64 < sizeof bench.text);
        (void)dv_id_text(at, batch->row[row].id);
        at[DV_UUID_TEXT - 1] = ' ';
        size_t length = dv_json_record(batch, row, at + DV_UUID_TEXT);
        at[DV_UUID_TEXT + length] = '\n';
        at[DV_UUID_TEXT + length + 1] = '\0';
        bench.length += DV_UUID_TEXT + length + 1;
    }
    if (bench.reject)
        dv_reject(node, batch, 0, DV_E_DATA, "not wanted");
    if (bench.open)
        return bench.verdict;
    bench.held[bench.held_count++] = batch;
    return DV_HOLD;
}

static const struct dv_operator gate = {
    .name = "gate", .summary = "Keeps what it is given.", .sink = true, .held_max = HELD, .transfer = gate_transfer,
    .open = gate_open, .process = gate_process,
};

static void let_go(void)
{
    while (bench.held_count > 0)
        dv_finish(bench.gate, bench.held[--bench.held_count], bench.verdict);
}

static void open_gate(struct world *world)
{
    bench.open = true;
    let_go();
    world_steps(world);
}

/* ---- the bench ---- */

static const struct dv_operator *const operators[] = { &source, &gate, NULL };

static int setup(void **state)
{
    (void)world_setup(state);
    struct world *world = *state;
    world_file(world, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n  id: { type: text, class: direct-id }\n  age: { type: int, class: quasi-id }\n");
    memset(&bench, 0, sizeof bench);
    world->operators = operators;
    return 0;
}

static void begin(struct world *world, const char *options)
{
    char nodes[512];
    (void)snprintf(nodes, sizeof nodes, "  in: { op: source, from: requests, schema: visit%s }\n  out: { op: gate, after: in }\n", options);
    assert_true(world_load(world, nodes));
    world_begin(world, "");
    world_steps(world);
    assert_int_equal(world->rc, DV_OK);
}

static void on_answer(void *data, const struct dv_ingest_answer *answer)
{
    struct push *push = data;
    push->answers++;
    push->answer = *answer;
}

static enum dv_ingest_outcome push_with(unsigned number, const char *key, const char *text)
{
    struct push *push = &bench.push[number];
    const struct dv_ingest_request request = { .text = text, .length = strlen(text), .form = DV_INGEST_LINES, .key = key,
                                               .key_length = key != NULL ? strlen(key) : 0, .callback = on_answer, .data = push };
    return dv_ingest_push(bench.ingest, &request, &push->ticket);
}

static enum dv_ingest_outcome push(unsigned number, const char *text)
{
    return push_with(number, NULL, text);
}

/* `count` lines; number `bad` is not a record of the schema. The text is freed by the caller. */
static char *many(unsigned count, unsigned bad)
{
    char *text = malloc(count * 40 + 1);
    assert_non_null(text);
    size_t at = 0;
    text[0] = '\0';
    for (unsigned i = 1; i <= count; i++)
        at += (size_t)sprintf(text + at, i == bad ? "{\"id\":\"p%u\",\"age\":\"SECRET\"}\n" : "{\"id\":\"p%u\",\"age\":%u}\n", i, i % 90);
    return text;
}

static void assert_answer(unsigned number, enum dv_ingest_outcome outcome, uint32_t records)
{
    assert_int_equal(bench.push[number].answers, 1);
    assert_int_equal(bench.push[number].answer.outcome, outcome);
    assert_int_equal(bench.push[number].answer.records, records);
}

/* ---- tests ---- */

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text, *records; /* joined by '|' */
        enum dv_ingest_form form;
    } cases[] = {
        { "", "", DV_INGEST_LINES }, { "\n\r\n \t\n", "", DV_INGEST_LINES }, { "a\nb", "a|b", DV_INGEST_LINES },
        { "a\r\n\r\nb\r\n", "a|b", DV_INGEST_LINES }, { "\xEF\xBB\xBF a \n", "a", DV_INGEST_LINES },
        { "\xEF\xBB\xBF", "", DV_INGEST_LINES }, { "{\n}\n", "{\n}", DV_INGEST_ONE }, { " \n", "", DV_INGEST_ONE },
        { "\xEF\xBB\n", "\xEF\xBB", DV_INGEST_LINES },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dv_ingest_lines lines = { .text = cases[i].text, .length = strlen(cases[i].text), .form = cases[i].form };
        char joined[64] = "";
        const char *text = NULL;
        size_t length = 0;
        while (dv_ingest_lines_next(&lines, &text, &length))
            (void)sprintf(joined + strlen(joined), "%s%.*s", joined[0] != '\0' ? "|" : "", (int)length, text);
        assert_string_equal(joined, cases[i].records);
    }
}

static void test_answered_when_durable(void **state)
{
    begin(*state, "");
    assert_int_equal(push(0, "{\"id\":\"a\",\"age\":3}\n\n{\"id\":\"b\"}"), DV_INGEST_QUEUED);
    world_steps(*state);
    assert_int_equal(bench.rows, 2);
    assert_int_equal(bench.push[0].answers, 0);
    open_gate(*state);
    assert_answer(0, DV_INGEST_DURABLE, 2);
    uint8_t id[DV_ID_BYTES];
    char text[DV_UUID_TEXT];
    for (uint32_t i = 0; i < 2; i++) {
        dv_ingest_id(&bench.push[0].answer.name, i, id);
        assert_non_null(strstr(bench.text, dv_id_text(text, id)));
    }
    world_end(*state);
}

static void test_small_ones_share_a_batch(void **state)
{
    begin(*state, "");
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(push(i, "{\"id\":\"a\"}"), DV_INGEST_QUEUED);
    assert_int_equal(push(100, "{\"id\":1}"), DV_INGEST_QUEUED);
    assert_int_equal(push(101, "{\"id\":\"z\"}"), DV_INGEST_QUEUED);
    world_steps(*state);
    assert_int_equal(bench.batches, 1);
    assert_answer(100, DV_INGEST_REFUSED, 0);
    open_gate(*state);
    for (unsigned i = 0; i < 102; i++)
        assert_answer(i, i == 100 ? DV_INGEST_REFUSED : DV_INGEST_DURABLE, i != 100);
    world_end(*state);
}

static void test_large_one_spans_batches(void **state)
{
    char *text = many(2000, 0);
    begin(*state, "");
    assert_int_equal(push(0, text), DV_INGEST_QUEUED);
    world_steps(*state);
    assert_true(bench.held_count > 6);
    bench.verdict = DV_PASS;
    dv_finish(bench.gate, bench.held[--bench.held_count], DV_PASS);
    world_steps(*state);
    assert_int_equal(bench.push[0].answers, 0);
    open_gate(*state);
    assert_answer(0, DV_INGEST_DURABLE, 2000);
    assert_int_equal(bench.rows, 2000);
    assert_non_null(strstr(bench.text, "\"p2000\""));
    world_end(*state);
    free(text);
}

static void test_all_or_nothing(void **state)
{
    char *text = many(2000, 1500);
    begin(*state, "");
    bench.open = true;
    assert_int_equal(push(0, text), DV_INGEST_QUEUED);
    assert_int_equal(push(1, "{\"id\":\"a\"}\n{\"id\""), DV_INGEST_QUEUED);
    assert_int_equal(push(2, " \n"), DV_INGEST_QUEUED);
    world_steps(*state);
    assert_answer(0, DV_INGEST_REFUSED, 0);
    assert_int_equal(bench.push[0].answer.line, 1500);
    assert_int_equal(bench.push[0].answer.code, DV_E_DATA);
    assert_null(strstr(bench.push[0].answer.reason, "SECRET"));
    assert_answer(1, DV_INGEST_REFUSED, 0);
    assert_int_equal(bench.push[1].answer.line, 2);
    assert_int_equal(bench.push[1].answer.code, DV_E_SYNTAX);
    assert_answer(2, DV_INGEST_REFUSED, 0);
    assert_int_equal(bench.rows, 0);
    world_end(*state);
    free(text);
}

static void test_room(void **state)
{
    begin(*state, ", max_record: 1KiB, max_body: 2KiB, queue_bytes: 4KiB, queue_requests: 16");
    char *text = many(70, 0);
    assert_true(strlen(text) > 1100 && strlen(text) < 1800);
    assert_int_equal(dv_ingest_room(bench.ingest), 2048);
    assert_int_equal(push(0, text), DV_INGEST_QUEUED);
    assert_int_equal(push(1, text), DV_INGEST_QUEUED);
    assert_int_equal(push(2, text), DV_INGEST_FULL);
    size_t room = dv_ingest_room(bench.ingest);
    assert_true(room > 0 && room < strlen(text));
    char *large = many(150, 0);
    assert_int_equal(push(3, large), DV_INGEST_LARGE);
    assert_int_equal(bench.room_told, 0);
    world_steps(*state);
    assert_int_equal(bench.room_told, 1);
    assert_int_equal(dv_ingest_room(bench.ingest), 2048);
    for (unsigned i = 4; i < 18; i++)
        assert_int_equal(push(i, "{\"id\":\"a\"}"), DV_INGEST_QUEUED);
    world_steps(*state);
    assert_int_equal(push(18, "{\"id\":\"a\"}"), DV_INGEST_FULL);
    assert_int_equal(dv_ingest_room(bench.ingest), 0);
    open_gate(*state);
    assert_int_equal(bench.room_told, 2);
    assert_int_equal(push(18, "{\"id\":\"a\"}"), DV_INGEST_QUEUED);
    world_steps(*state);
    assert_answer(18, DV_INGEST_DURABLE, 1);
    world_end(*state);
    free(text);
    free(large);
}

static void test_drains(void **state)
{
    struct world *world = *state;
    char *text = many(3000, 0);
    begin(world, "");
    assert_int_equal(push(0, text), DV_INGEST_QUEUED);
    world_steps(world);
    assert_int_equal(push(1, "{\"id\":\"late\"}"), DV_INGEST_QUEUED);
    dv_graph_stop(world->graph);
    assert_int_equal(push(2, "{\"id\":\"a\"}"), DV_INGEST_DRAINING);
    assert_true(dv_ingest_is_draining(bench.ingest));
    open_gate(world);
    assert_answer(0, DV_INGEST_DURABLE, 3000);
    assert_answer(1, DV_INGEST_DURABLE, 1);
    assert_true(world->done && world->rc == DV_OK);
    assert_int_equal(push(2, "{\"id\":\"a\"}"), DV_INGEST_DRAINING);
    world_end(world);
    free(text);
}

static void test_cancel(void **state)
{
    begin(*state, "");
    assert_int_equal(push(0, "{\"id\":\"goes-on\"}"), DV_INGEST_QUEUED);
    world_steps(*state);
    assert_int_equal(push(1, "{\"id\":\"forgotten\"}"), DV_INGEST_QUEUED);
    assert_int_equal(push(2, "{\"id\":\"stays\"}"), DV_INGEST_QUEUED);
    dv_ingest_cancel(bench.ingest, bench.push[0].ticket);
    dv_ingest_cancel(bench.ingest, bench.push[1].ticket);
    world_steps(*state);
    open_gate(*state);
    assert_int_equal(bench.push[0].answers + bench.push[1].answers, 0);
    assert_answer(2, DV_INGEST_DURABLE, 1);
    dv_ingest_cancel(bench.ingest, bench.push[2].ticket);
    assert_non_null(strstr(bench.text, "goes-on"));
    assert_null(strstr(bench.text, "forgotten"));
    world_end(*state);
}

static void test_ids(void **state)
{
    static const char v7[] = "018f2c5e-1234-7abc-8def-0123456789ab";
    begin(*state, "");
    bench.open = true;
    const char *keys[] = { "a", "a", "b", NULL, NULL, v7, v7 };
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(push_with(i, keys[i], "{\"id\":\"x\"}\n{\"id\":\"y\"}"), DV_INGEST_QUEUED);
    world_steps(*state);
    uint8_t id[7][2][DV_ID_BYTES];
    for (unsigned i = 0; i < 7; i++)
        for (uint32_t j = 0; j < 2; j++)
            dv_ingest_id(&bench.push[i].answer.name, j, id[i][j]);
    assert_memory_equal(id[0], id[1], sizeof id[0]);
    assert_memory_not_equal(id[0], id[2], sizeof id[0]);
    assert_memory_not_equal(id[0][0], id[0][1], DV_ID_BYTES);
    assert_memory_not_equal(id[3], id[4], sizeof id[3]);
    assert_memory_equal(id[5], id[6], sizeof id[5]);
    assert_memory_equal(id[5][0], "\x01\x8f\x2c\x5e\x12\x34", 6);
    struct dv_ingest_name later = bench.push[0].answer.name;
    later.index = 1;
    uint8_t second[DV_ID_BYTES];
    dv_ingest_id(&later, 0, second);
    assert_memory_equal(second, id[0][1], DV_ID_BYTES);
    world_end(*state);
}

static void test_dead_letters_are_durable(void **state)
{
    struct world *world = *state;
    begin(world, "");
    bench.open = bench.reject = true;
    assert_int_equal(push(0, "{\"id\":\"x\"}\n{\"id\":\"y\"}"), DV_INGEST_QUEUED);
    world_steps(world);
    assert_answer(0, DV_INGEST_DURABLE, 2);
    assert_int_equal(world->letter_count, 1);
    world_end(world);
}

static void test_the_run_fails(void **state)
{
    struct world *world = *state;
    begin(world, "");
    assert_int_equal(push(0, "{\"id\":\"x\"}"), DV_INGEST_QUEUED);
    world_steps(world);
    assert_int_equal(push(1, "{\"id\":\"y\"}"), DV_INGEST_QUEUED);
    bench.verdict = DV_E_KEY;
    open_gate(world);
    assert_true(world->done && world->rc == DV_E_KEY);
    assert_answer(0, DV_INGEST_FAILED, 0);
    assert_answer(1, DV_INGEST_FAILED, 0);
    world_end(world);
}

static void test_options(void **state)
{
    struct world *world = *state;
    assert_false(world_load(world, "  in: { op: source, from: requests, schema: visit, max_body: 32MiB }\n  out: { op: gate, after: in }\n"));
    assert_non_null(strstr(world->findings, "C161"));
    assert_false(world_load(world, "  in: { op: source, from: requests, schema: visit, max_body: 1KiB }\n  out: { op: gate, after: in }\n"));
    assert_non_null(strstr(world->findings, "C162"));
}

/* Random requests, cancels and moments of standstill: each is answered once, and what was refused left no row. */
static void random_run(struct world *world, uint64_t seed)
{
    struct dv_random random;
    unsigned durable = 0;
    unsigned rows = 0;
    bool cancelled[REQUESTS] = { false };
    bool queued[REQUESTS] = { false };
    dv_random_seed(&random, seed);
    memset(&bench, 0, sizeof bench);
    begin(world, ", max_record: 1KiB, max_body: 16KiB, queue_bytes: 20KiB, queue_requests: 32");
    for (unsigned i = 0; i < 300; i++) {
        unsigned count = (unsigned)dv_random_below(&random, dv_random_chance(&random, 20) ? 600 : 5);
        char *text = many(count, dv_random_chance(&random, 20) ? count : 0);
        queued[i] = push(i, text) == DV_INGEST_QUEUED;
        free(text);
        if (dv_random_chance(&random, 10)) {
            unsigned other = (unsigned)dv_random_below(&random, i + 1);
            cancelled[other] = cancelled[other] || (queued[other] && bench.push[other].answers == 0);
            if (queued[other])
                dv_ingest_cancel(bench.ingest, bench.push[other].ticket);
        }
        bench.open = dv_random_chance(&random, 50);
        if (dv_random_chance(&random, 40))
            let_go();
        for (uint64_t turns = dv_random_below(&random, 6); turns > 0; turns--)
            (void)dv_loop_sim_step(&world->loop);
    }
    open_gate(world);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(bench.push[i].answers, queued[i] && !cancelled[i]);
        durable += bench.push[i].answers && bench.push[i].answer.outcome == DV_INGEST_DURABLE;
        rows += bench.push[i].answer.records;
    }
    assert_true(durable > 20 && rows <= bench.rows);
    assert_null(strstr(bench.text, "SECRET"));
    world_end(world);
}

static void test_random(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        random_run(*state, seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test_setup_teardown(test_answered_when_durable, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_small_ones_share_a_batch, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_large_one_spans_batches, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_all_or_nothing, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_room, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_drains, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_ids, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_dead_letters_are_durable, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_the_run_fails, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_options, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_random, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
