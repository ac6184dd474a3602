/* SPDX-License-Identifier: Apache-2.0
 * snowflake_ring.c - the ring between a source of numbers and a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/id.h"
#include "engine/memory.h"
#include "operators/schema_option.h"
#include "tests/unit/snowflake_ring.h"

struct ring ring;

/* ---- a worker that works when it is told ---- */

void dv_job_init(struct dv_job *job, struct dv_loop *loop, dv_job_function work, dv_job_function done, void *data)
{
    *job = (struct dv_job){ .loop = loop, .work = work, .done = done, .data = data };
}

void dv_job_start(struct dv_job *job)
{
    assert_false(job->busy);
    job->busy = true;
    job->uv.data = NULL;
}

void ring_work(struct dv_job *job)
{
    assert_true(job->busy && job->uv.data == NULL);
    job->work(job);
    job->uv.data = job;
}

void ring_come_home(struct dv_job *job)
{
    assert_true(job->busy && job->uv.data == job);
    job->busy = false;
    job->done(job);
}

bool dv_job_close(struct dv_job *job)
{
    ring.closed++;
    bool begun = job->busy && job->uv.data == NULL && ring.works_at_close;
    if (begun)
        ring_work(job);
    return !job->busy || job->uv.data != NULL;
}

/* ---- a request that takes what the script says ---- */

dv_rc dv_snowflake_rows_init(struct dv_snowflake_rows *rows)
{
    *rows = (struct dv_snowflake_rows){ .bytes = dv_memory_zeroed(1, 16) };
    return rows->bytes != NULL ? DV_OK : DV_E_MEMORY;
}

dv_rc dv_snowflake_rows_add(struct dv_snowflake_rows *rows, const char *row, size_t length)
{
    char text[256], id_text[DV_UUID_TEXT];
    uint8_t id[DV_ID_BYTES];
    const struct dv_snow_pack *pack = (const struct dv_snow_pack *)((const char *)rows - offsetof(struct dv_snow_pack, rows));
    uint32_t number = 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)length, row);
    assert_non_null(strstr(text, "\"n\":"));
    number = (uint32_t)strtoul(strstr(text, "\"n\":") + 4, NULL, 10);
    dv_id_make(id, ring.same[number] != 0 ? ring.same[number] : number, 0, 7);
    assert_non_null(strstr(text, dv_id_text(id_text, id)));
    assert_non_null(strstr(text, pack->token));
    if (ring.unfit[number] != DV_OK)
        return ring.unfit[number];
    if (ring.room > 0 && rows->count == ring.room)
        return DV_E_FULL;
    rows->count++;
    return DV_OK;
}

void dv_snowflake_rows_end(struct dv_snowflake_rows *rows)
{
    rows->used = 1;
}

void dv_snowflake_rows_reset(struct dv_snowflake_rows *rows)
{
    rows->used = rows->count = 0;
}

void dv_snowflake_rows_free(struct dv_snowflake_rows *rows)
{
    dv_memory_free(rows->bytes);
    *rows = (struct dv_snowflake_rows){ 0 };
}

/* ---- a source of numbers ---- */

struct numbers {
    const char *schema_name;
    const struct dv_schema *schema;
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

static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    if (ring.made == ring.batch_count) {
        dv_end(node);
        return DV_DROP;
    }
    uint32_t rows = ring.sizes[ring.made] > 0 ? ring.sizes[ring.made] : 1; /* the sink makes it empty */
    struct dv_cell *cells = dv_batch_edit(batch, 0);
    assert_non_null(cells);
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t number = ring.sizes[ring.made] > 0 ? ++ring.number : 0;
        cells[row] = (struct dv_cell){ .integer = number, .present = 1 };
        dv_id_make(batch->row[row].id, ring.same[number] != 0 ? ring.same[number] : number, 0, 7);
    }
    batch->rows = rows;
    ring.made++;
    dv_claim(node, batch, ring.made, ring.made);
    return DV_PASS;
}

static void source_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    size_t length = strlen(ring.settled);
    (void)node;
    if (receipt->failed)
        return;
    ring.settled_count++;
    if (length + 16 < RING_TEXT)
        (void)snprintf(ring.settled + length, RING_TEXT - length, "%s%d", length > 0 ? " " : "", (int)receipt->first);
}

const struct dv_operator ring_source = {
    .name = "source", .from = "numbers", .summary = "Makes numbers.", .options = source_options, .size = sizeof(struct numbers),
    .source = true, .makes = true, .credits = RING_CREDITS, .transfer = source_transfer, .process = source_process, .settle = source_settle,
};

/* ---- a sink that is the ring, and does nothing by itself ---- */

static void on_packed(struct dv_snow_pack *pack)
{
    dv_rc rc = DV_OK;
    ring.ended = dv_snow_pack_end(pack, &rc);
    assert_int_equal(rc, DV_OK);
}

static void on_read(struct dv_snowflake_journal *journal, dv_rc rc, const struct dv_error *error)
{
    (void)journal;
    (void)error;
    ring.read = rc;
}

static void on_saved(void *data)
{
    (void)data;
}

static dv_rc sink_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    shape->out[0] = shape->in;
    return DV_OK;
}

dv_rc ring_open_journal(struct dv_snowflake_journal *journal, const struct world *world, struct dv_loop *loop)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/journal", world->directory);
    const struct dv_snowflake_journal_options options = { .loop = loop, .sys = &world->sys, .path = path, .channel = 7,
                                                          .remember = DV_SNOWFLAKE_JOURNAL_IDS_MIN, .read = on_read, .saved = on_saved };
    dv_snowflake_journal_open(journal, &options);
    ring_work(&journal->job);
    ring_come_home(&journal->job);
    return ring.read;
}

static dv_rc sink_open(struct dv_node *node)
{
    ring.node = node;
    ring.load.packed = on_packed;
    DV_TRY(dv_snow_load_open(&ring.load, node));
    DV_TRY(ring_open_journal(&ring.load.journal, dv_node_service(node, DV_SERVICE_FEED), dv_node_loop(node)));
    ring.load.done = ring.load.journal.settled;
    return DV_OK;
}

static uint32_t number_of(const struct dv_batch *batch, uint32_t row)
{
    return (uint32_t)dv_batch_cells(batch, 0)[row].integer;
}

static dv_rc sink_process(struct dv_node *node, struct dv_batch *batch)
{
    if (number_of(batch, 0) == 0)
        batch->rows = 0;
    for (uint32_t row = 0; row < batch->rows; row++)
        if (ring.early[number_of(batch, row)])
            dv_reject(node, batch, row, DV_E_DATA, "early");
    dv_snow_hold(&ring.load, batch);
    return DV_HOLD;
}

static void sink_close(struct dv_node *node)
{
    (void)node;
    dv_snow_load_close(&ring.load);
}

static const struct dv_operator sink = {
    .name = "ring", .summary = "Is told what to do.", .sink = true, .held_max = DV_SNOW_HELD_MAX, .transfer = sink_transfer,
    .open = sink_open, .process = sink_process, .close = sink_close,
};

/* ---- the bench ---- */

static const struct dv_operator *const operators[] = { &ring_source, &sink, NULL };

int ring_setup(void **state)
{
    (void)world_setup(state);
    struct world *world = *state;
    world_file(world, "schemas/count.yaml", "name: count\nfields:\n  n: { type: int, class: public }\n");
    world->operators = operators;
    memset(&ring, 0, sizeof ring);
    return 0;
}

/* The sizes are there already. */
static uint32_t all_of_them(void)
{
    uint32_t count = 0;
    while (count < RING_BATCHES && ring.sizes[count] > 0)
        count++;
    return count;
}

void ring_begin_with(struct world *world, uint32_t unit_most, const uint32_t *sizes)
{
    const uint32_t count = sizes[0];
    memcpy(ring.sizes, sizes + 1, count * sizeof *sizes);
    ring.batch_count = count > 0 ? count : all_of_them();
    assert_true(world_load(world, "  in: { op: source, from: numbers, schema: count }\n  out: { op: ring, after: in }\n"));
    world_begin(world, "");
    assert_int_equal(world->rc, DV_OK);
    world_steps(world);
    assert_int_equal(ring.load.unit_most, DV_SNOW_UNIT_ROWS);
    ring.load.unit_most = unit_most;
}

/* The run with all that is left of it; then the world is as it was before ring_begin(). */
void ring_end(struct world *world)
{
    char name[128];
    world_end(world);
    (void)snprintf(name, sizeof name, "%s/journal", world->directory);
    (void)unlink(name);
    memset(&ring, 0, sizeof ring);
}

static void say(uint32_t number)
{
    size_t length = strlen(ring.text);
    assert_true(length + 16 < RING_TEXT);
    (void)snprintf(ring.text + length, RING_TEXT - length, "%s%u", length > 0 ? " " : "", number);
}

static uint32_t number_at(struct dv_snow_row at)
{
    return number_of(ring.load.held[at.held].batch, at.row);
}

const char *ring_rows_in(const struct dv_snow_pack *pack)
{
    ring.text[0] = '\0';
    for (uint32_t i = 0; i < pack->packed; i++)
        say(number_at(pack->list[i]));
    return ring.text;
}

static struct dv_snow_row away_at(uint32_t i)
{
    return ring.load.away[(ring.load.away_first + i) % DV_SNOW_ROWS_MAX];
}

const char *ring_away(void)
{
    ring.text[0] = '\0';
    for (uint32_t i = 0; i < ring.load.away_count; i++)
        say(number_at(away_at(i)));
    return ring.text;
}

uint32_t ring_first_away(void)
{
    return number_at(away_at(0));
}

static bool has(const uint64_t *bits, uint32_t row)
{
    return (bits[row / 64] >> row % 64 & 1) != 0;
}

const char *ring_resting(void)
{
    ring.text[0] = '\0';
    for (const struct dv_snow_held *held = ring.load.first; held != NULL; held = held->next)
        for (uint32_t row = 0; row < held->batch->rows; row++)
            if (!has(held->away, row) && !has(held->over, row))
                say(number_of(held->batch, row));
    return ring.text;
}

const char *ring_letters(const struct world *world)
{
    ring.text[0] = '\0';
    for (unsigned i = 0; i < world->letter_count; i++)
        say((uint32_t)strtoul(strstr(world->letter[i].payload, "\"n\":") + 4, NULL, 10));
    return ring.text;
}

static uint32_t rows_of(const struct dv_snow_pack *pack)
{
    return pack->count + (pack->job.uv.data == &pack->job ? pack->unfit_count : 0); /* which the worker takes off the list */
}

void ring_assert_sound(void)
{
    const struct dv_snow_load *load = &ring.load;
    uint32_t rows_away = 0, counted = 0, packing = 0, places = 0;
    for (const struct dv_snow_held *held = load->first; held != NULL; held = held->next, places++) {
        uint32_t rest = 0, left = 0;
        for (uint32_t row = 0; row < held->batch->rows; row++) {
            assert_false(has(held->away, row) && has(held->over, row));
            rows_away += has(held->away, row);
            rest += !has(held->away, row) && !has(held->over, row);
            left += !has(held->over, row);
        }
        assert_int_equal(held->resting, rest);
        assert_int_equal(held->left, left);
    }
    for (const struct dv_snow_held *held = load->free; held != NULL; held = held->next)
        places++;
    assert_int_equal(places, DV_SNOW_HELD_MAX);
    for (uint64_t unit = load->done + 1; unit <= load->journal.unit; unit++)
        counted += load->counts[unit % DV_SNOWFLAKE_UNITS_MAX];
    for (uint32_t i = 0; i < DV_SNOW_PACKS; i++)
        packing += load->packs[i].step == DV_SNOW_PACKING ? rows_of(&load->packs[i]) : 0;
    assert_int_equal(counted, load->away_count);
    assert_int_equal(rows_away, load->away_count + packing);
    for (uint32_t i = 0; i < load->away_count; i++)
        assert_true(has(load->held[away_at(i).held].away, away_at(i).row));
}

struct dv_snow_pack *ring_start(void)
{
    struct dv_snow_pack *pack = ring.load.packs[0].step == DV_SNOW_FREE ? &ring.load.packs[0] : &ring.load.packs[1];
    bool started = dv_snow_pack_start(&ring.load, pack);
    assert_int_equal(pack->step, started ? DV_SNOW_PACKING : DV_SNOW_FREE);
    assert_int_equal(dv_snow_is_packing(&ring.load), started);
    assert_int_equal(ring.load.journal.begun, started);
    return started ? pack : NULL;
}

/* A request with these rows, which is sent and answered. */
void ring_send(const char *rows)
{
    const uint64_t unit = ring.load.journal.unit;
    struct dv_snow_pack *pack = ring_start();
    assert_non_null(pack);
    ring_work(&pack->job);
    for (size_t i = 0; i < pack->text_size; i++)
        assert_int_equal(pack->text[i], 0); /* what was made of a row is wiped */
    ring_come_home(&pack->job);
    assert_int_equal(pack->rows.count, pack->packed);
    assert_int_equal(pack->rows.used, 1);
    assert_true(ring.ended && pack->step == DV_SNOW_READY && pack->unit == unit + 1 && pack->ticket == ring.load.journal.ticket);
    assert_int_equal(dv_snowflake_journal_number(&ring.load.journal, pack->token), unit + 1);
    if (rows != NULL)
        assert_string_equal(ring_rows_in(pack), rows);
    ring_assert_sound();
    dv_snow_pack_free(pack);
    assert_int_equal(pack->step, DV_SNOW_FREE);
    assert_int_equal(pack->rows.count, 0);
}

static int by_id(const void *one, const void *other)
{
    return memcmp(one, other, DV_ID_BYTES);
}

static const uint8_t (*missing(void))[DV_SNOWFLAKE_JOURNAL_ID]
{
    return (const uint8_t(*)[DV_SNOWFLAKE_JOURNAL_ID])ring.missing;
}

void ring_note_settled(uint64_t unit, const uint32_t *refused)
{
    uint32_t count = 0, rows = 0;
    for (; refused != NULL && refused[count] != 0; count++)
        dv_id_make(ring.missing[count], refused[count], 0, 7);
    qsort(ring.missing, count, sizeof *ring.missing, by_id);
    ring.missing_count = count;
    for (uint64_t i = ring.load.done + 1; i <= unit; i++)
        rows += ring.load.counts[i % DV_SNOWFLAKE_UNITS_MAX];
    for (uint32_t i = 0; i < rows; i++)
        ring.over[number_at(away_at(i))]++;
    assert_int_equal(dv_snowflake_journal_settle(&ring.load.journal, unit, 0, missing(), count), DV_OK);
}

bool ring_over(uint32_t most)
{
    const uint64_t unit = ring.load.journal.settled;
    const uint32_t before = ring.load.away_count;
    bool all = dv_snow_rows_over(&ring.load, unit, missing(), ring.missing_count, most);
    assert_int_equal(ring.load.done == unit, all);
    assert_true(all || before - ring.load.away_count == most);
    ring_assert_sound();
    return all;
}

void ring_settle(uint64_t unit, const uint32_t *refused)
{
    ring_note_settled(unit, refused);
    while (!ring_over(ring.portion > 0 ? ring.portion : UINT32_MAX))
        ;
}

void ring_finish(const char *settled)
{
    dv_snow_finish_batches(&ring.load);
    ring_assert_sound();
    assert_string_equal(ring.settled, settled);
}

uint64_t ring_remembered(uint32_t number)
{
    uint8_t id[DV_ID_BYTES];
    dv_id_make(id, number, 0, 7);
    return dv_snowflake_ids_find(&ring.load.journal.ids, id);
}

void ring_take_back(uint64_t unit)
{
    assert_int_equal(dv_snow_take_back(&ring.load, unit), DV_OK);
    assert_int_equal(ring.load.journal.unit, unit);
    assert_false(ring.load.journal.begun);
    ring_assert_sound();
}

const char *ring_join(uint32_t from, uint32_t to)
{
    ring.text[0] = '\0';
    for (uint32_t number = from; number <= to; number++)
        say(number);
    return ring.text;
}
