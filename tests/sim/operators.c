/* SPDX-License-Identifier: Apache-2.0
 * operators.c - scripted operators that are slow, hold, fail, split, reject and make windows, all from one seed. */
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "engine/label.h"
#include "engine/loop.h"
#include "engine/operator.h"
#include "engine/option.h"
#include "engine/receipt.h"
#include "engine/schema.h"
#include "tests/sim/world.h"

enum { COLUMN_RECORD, COLUMN_MASK, HELD_MAX = 8, PENDING_MAX = 4096 };

struct sim_world *sim_world_of(struct dv_node *node)
{
    return dv_node_service(node, DV_SERVICE_FEED);
}

static unsigned chance(struct dv_node *node, unsigned percent)
{
    return (unsigned)dv_random_chance(&sim_world_of(node)->random, percent);
}

static uint32_t below(struct dv_node *node, uint32_t bound)
{
    return (uint32_t)dv_random_below(&sim_world_of(node)->random, bound);
}

/* What a reload may change in any node, and what keeps it from opening. */
struct knobs { int64_t tag; bool broken; };

static const struct dv_option knob_options[] = {
    { "tag", DV_INT, offsetof(struct knobs, tag), .help = "Makes a node differ." },
    { "broken", DV_BOOL, offsetof(struct knobs, broken), .help = "It does not open." },
    { 0 },
};

static dv_rc open_any(struct dv_node *node)
{
    struct sim_world *world = sim_world_of(node);
    const struct knobs *knobs = dv_state(node);
    bool fails = knobs->broken || (world->shaky && chance(node, 20));
    return fails ? dv_fail(node, DV_E_DEPENDENCY, "scripted") : DV_OK;
}

/* Batches that a node holds, each with a timer that ends it. */
struct holder {
    struct knobs knobs;
    struct { struct dv_timer timer; struct dv_batch *batch; dv_rc answer; bool made; } places[HELD_MAX];
    uint32_t count;
    void (*before)(struct dv_node *node, struct dv_batch *batch, dv_rc answer);
};

static void let_go(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct holder *holder = dv_state(node);
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        if (&holder->places[i].timer != timer)
            continue;
        struct dv_batch *batch = holder->places[i].batch;
        holder->places[i].batch = NULL;
        holder->count--;
        if (holder->before != NULL)
            holder->before(node, batch, holder->places[i].answer);
        dv_finish(node, batch, holder->places[i].answer);
        return;
    }
}

static dv_rc hold_for(struct dv_node *node, struct dv_batch *batch, uint32_t delay_ms, dv_rc answer)
{
    struct holder *holder = dv_state(node);
    uint32_t held_max = dv_node_operator(node)->held_max != 0 ? dv_node_operator(node)->held_max : 1;
    if (++holder->count > held_max)
        sim_break(sim_world_of(node), "a node held more than held_max");
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        if (holder->places[i].batch != NULL)
            continue;
        if (!holder->places[i].made)
            dv_timer_init(dv_node_loop(node), &holder->places[i].timer, let_go, node);
        holder->places[i].made = true;
        holder->places[i].batch = batch;
        holder->places[i].answer = answer;
        dv_timer_start(&holder->places[i].timer, delay_ms);
        return DV_HOLD;
    }
    abort();
}

static void close_holder(struct dv_node *node)
{
    struct holder *holder = dv_state(node);
    for (uint32_t i = 0; i < HELD_MAX; i++)
        if (holder->places[i].made)
            dv_timer_close(&holder->places[i].timer);
}

static const struct dv_schema *the_schema(struct dv_node *node)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "sim", 2);
    (void)dv_schema_add(schema, "record", DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    (void)dv_schema_add(schema, "mask", DV_TYPE_INT, dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN));
    return schema;
}

static void put(struct dv_batch *batch, uint32_t row, uint32_t record, uint64_t mask)
{
    batch->cells[COLUMN_RECORD][row] = (struct dv_cell){ .integer = record, .present = 1 };
    batch->cells[COLUMN_MASK][row] = (struct dv_cell){ .integer = (int64_t)mask, .present = 1 };
}

static uint32_t record_at(const struct dv_batch *batch, uint32_t row)
{
    return (uint32_t)batch->cells[COLUMN_RECORD][row].integer;
}

static uint64_t mask_at(const struct dv_batch *batch, uint32_t row)
{
    return (uint64_t)batch->cells[COLUMN_MASK][row].integer;
}

/* A source: fills a few rows, sometimes later, sometimes nothing, sometimes fails once. */
struct source { struct holder holder; int64_t count; int64_t made; uint64_t settled; uint64_t *first; };

static const struct dv_option source_options[] = {
    { "count", DV_INT, offsetof(struct source, count), .initial = "10", .max = 100, .help = "Batches to make." },
    { "tag", DV_INT, offsetof(struct knobs, tag), .help = "Makes a node differ." },
    { "broken", DV_BOOL, offsetof(struct knobs, broken), .help = "It does not open." },
    { 0 },
};

static dv_rc source_transfer(struct dv_node *node, struct dv_shape *shape)
{
    shape->out[0] = the_schema(node);
    return DV_OK;
}

/* What was held over a reload goes through the new graph. */
static void source_leaves(struct dv_node *node, struct dv_batch *batch, dv_rc answer)
{
    (void)answer;
    struct sim_world *world = sim_world_of(node);
    for (uint32_t row = 0; row < batch->rows; row++)
        sim_leaves(world, record_at(batch, row), sim_node_index(node));
}

static dv_rc source_open(struct dv_node *node)
{
    ((struct holder *)dv_state(node))->before = source_leaves;
    return open_any(node);
}

static dv_rc source_process(struct dv_node *node, struct dv_batch *batch)
{
    struct source *source = dv_state(node);
    struct sim_world *world = sim_world_of(node);
    if (source->made >= source->count) {
        dv_end(node);
        return DV_DROP;
    }
    if (chance(node, world->stormy ? 50 : 4))
        return dv_fail(node, DV_E_DEPENDENCY, "scripted");
    if (chance(node, 5))
        return DV_DROP;
    uint32_t rows = 1 + below(node, 5);
    uint32_t first = world->record_count + 1;
    for (uint32_t row = 0; row < rows; row++)
        put(batch, row, sim_make(world, sim_node_index(node)), 0);
    batch->rows = rows;
    dv_claim(node, batch, first, first + rows - 1);
    world->claimed++;
    source->made++;
    return chance(node, 30) ? hold_for(node, batch, below(node, 50), DV_PASS) : DV_PASS;
}

static void source_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    struct sim_world *world = sim_world_of(node);
    world->settled++;
    if (receipt->failed && !world->starved)
        sim_break(world, "a receipt settled as failed");
    if (receipt->sequence >= (uint64_t)((struct source *)dv_state(node))->made)
        sim_break(world, "a receipt has a number that was not claimed");
    for (uint64_t record = receipt->first; record <= receipt->last; record++)
        if (!world->starved && !sim_complete(world, (uint32_t)record))
            sim_break(world, "a receipt settled before every branch was durable");
}

static const struct dv_operator sim_source = { .name = "sim-source", .options = source_options,
    .size = sizeof(struct source), .source = true, .makes = true, .credits = 3, .transfer = source_transfer,
    .open = source_open, .process = source_process, .settle = source_settle, .close = close_holder };

static dv_rc same_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    shape->out[0] = shape->in;
    shape->out[1] = shape->in;
    return DV_OK;
}

/* Passes, at once or later. */
static dv_rc pass_process(struct dv_node *node, struct dv_batch *batch)
{
    return chance(node, 40) ? hold_for(node, batch, below(node, 200), DV_PASS) : DV_PASS;
}

static const struct dv_operator sim_pass = { .name = "sim-pass", .size = sizeof(struct holder), .held_max = 3,
    .transfer = same_transfer, .options = knob_options, .open = open_any, .process = pass_process, .close = close_holder };

/* Sets its own bit in every record: a reader of a shared batch would see it. */
static dv_rc edit_process(struct dv_node *node, struct dv_batch *batch)
{
    if (chance(node, 3))
        return dv_fail(node, DV_E_IO, "scripted");
    struct dv_cell *masks = dv_batch_edit(batch, COLUMN_MASK);
    if (masks == NULL)
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < batch->rows; row++)
        masks[row].integer |= INT64_C(1) << sim_node_index(node);
    return chance(node, 20) ? hold_for(node, batch, below(node, 100), DV_PASS) : DV_PASS;
}

static const struct dv_operator sim_edit = { .name = "sim-edit", .size = sizeof(struct holder), .edits = true,
    .held_max = 2, .transfer = same_transfer, .options = knob_options, .open = open_any, .process = edit_process, .close = close_holder };

static dv_rc reject_process(struct dv_node *node, struct dv_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (!sim_rejects(record_at(batch, row)))
            continue;
        sim_ended(sim_world_of(node), record_at(batch, row), sim_node_index(node), mask_at(batch, row));
        dv_reject(node, batch, row, DV_E_DATA, "scripted");
    }
    return DV_PASS;
}

static const struct dv_operator sim_reject = { .name = "sim-reject", .size = sizeof(struct holder), .edits = true,
    .transfer = same_transfer, .options = knob_options, .open = open_any, .process = reject_process };

static dv_rc route_process(struct dv_node *node, struct dv_batch *batch)
{
    for (uint32_t output = 0; output < 2; output++) {
        uint16_t rows[DV_BATCH_ROWS];
        uint32_t count = 0;
        for (uint32_t row = 0; row < batch->rows; row++)
            if (sim_route(record_at(batch, row)) == output)
                rows[count++] = (uint16_t)row;
        struct dv_batch *part = dv_select(node, batch, rows, count);
        if (part == NULL)
            return DV_E_MEMORY;
        dv_emit(node, output, part);
    }
    return DV_DROP;
}

static const struct dv_operator sim_route_op = { .name = "sim-route", .size = sizeof(struct holder),
    .outputs = "even|odd", .transfer = same_transfer, .options = knob_options, .open = open_any, .process = route_process };

/* Lets some records through; a batch without any is dropped. */
static dv_rc filter_process(struct dv_node *node, struct dv_batch *batch)
{
    uint16_t rows[DV_BATCH_ROWS];
    uint32_t count = 0;
    for (uint32_t row = 0; row < batch->rows; row++)
        if (!sim_drops(record_at(batch, row)))
            rows[count++] = (uint16_t)row;
    struct dv_batch *part = dv_select(node, batch, rows, count);
    if (part == NULL)
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < batch->rows; row++)
        if (sim_drops(record_at(batch, row)))
            sim_ended(sim_world_of(node), record_at(batch, row), sim_node_index(node), mask_at(batch, row));
    dv_emit(node, 0, part);
    return DV_DROP;
}

static const struct dv_operator sim_filter = { .name = "sim-filter", .size = sizeof(struct holder), .outputs = "kept",
    .transfer = same_transfer, .options = knob_options, .open = open_any, .process = filter_process };

/* A window: absorbs until its timer, then makes one record that stands for all, sometimes after one that
 * stands for nothing, and sometimes not at the first try. */
struct window {
    struct knobs knobs;
    struct dv_timer timer;
    bool again;
    struct dv_keep keep;
    uint32_t pending[PENDING_MAX], count;
};

static void window_due(struct dv_timer *timer)
{
    struct window *window = dv_state(timer->data);
    if (window->count > 0)
        dv_want(timer->data);
}

static dv_rc window_emit(struct dv_node *node, struct window *window, struct dv_batch *batch)
{
    struct sim_world *world = sim_world_of(node);
    if (chance(node, 5))
        return dv_fail(node, DV_E_DEPENDENCY, "scripted");
    uint32_t record = sim_make(world, sim_node_index(node));
    put(batch, 0, record, 0);
    batch->rows = 1;
    window->again = !window->again && chance(node, 30);
    if (window->again) {
        dv_want(node);
        return DV_PASS;
    }
    for (uint32_t i = 0; i < window->count; i++)
        sim_absorbed(world, window->pending[i], record);
    window->count = 0;
    dv_give_receipts(node, &window->keep, batch);
    return DV_PASS;
}

static dv_rc window_process(struct dv_node *node, struct dv_batch *batch)
{
    struct window *window = dv_state(node);
    if (batch != NULL && batch->rows == 0)
        return window_emit(node, window, batch);
    if (batch == NULL) {
        if (window->count > 0)
            dv_want(node);
        return DV_OK;
    }
    dv_rc rc = dv_keep_receipt(node, &window->keep, batch);
    if (dv_is_error(rc))
        return rc;
    for (uint32_t row = 0; row < batch->rows && window->count < PENDING_MAX; row++)
        window->pending[window->count++] = record_at(batch, row);
    if (!window->timer.active)
        dv_timer_start(&window->timer, 1 + below(node, 300));
    return DV_DROP;
}

static dv_rc window_open(struct dv_node *node)
{
    struct window *window = dv_state(node);
    dv_timer_init(dv_node_loop(node), &window->timer, window_due, node);
    return open_any(node);
}

static void window_close(struct dv_node *node)
{
    dv_timer_close(&((struct window *)dv_state(node))->timer);
}

static const struct dv_operator sim_window = { .name = "sim-window", .size = sizeof(struct window), .makes = true,
    .credits = 2, .transfer = same_transfer, .options = knob_options, .open = window_open, .process = window_process, .close = window_close };

/* A sink: durable at once or later, fails in ways that heal, and refuses batches with a poisonous record. */
static bool poisoned(const struct dv_batch *batch)
{
    for (uint32_t row = 0; row < batch->rows; row++)
        if (!dv_batch_rejected(batch, row) && sim_poisons(record_at(batch, row)))
            return true;
    return false;
}

static void deliver(struct dv_node *node, struct dv_batch *batch, dv_rc answer)
{
    bool alone = batch->rows - batch->rejected_count == 1 && dv_rc_policy(answer) == DV_POLICY_REJECT;
    for (uint32_t row = 0; row < batch->rows; row++) {
        if ((answer != DV_PASS && !alone) || dv_batch_rejected(batch, row))
            continue;
        sim_ended(sim_world_of(node), record_at(batch, row), sim_node_index(node), mask_at(batch, row));
        if (answer == DV_PASS && sim_drops(record_at(batch, row)))
            dv_reject(node, batch, row, DV_E_DATA, "scripted");
    }
}

static dv_rc sink_open(struct dv_node *node)
{
    ((struct holder *)dv_state(node))->before = deliver;
    return open_any(node);
}

static dv_rc sink_process(struct dv_node *node, struct dv_batch *batch)
{
    dv_rc answer = poisoned(batch) ? DV_E_DATA : DV_PASS;
    if (chance(node, 10))
        answer = chance(node, 50) ? DV_E_DEPENDENCY : DV_E_FULL;
    if (chance(node, 60))
        return hold_for(node, batch, below(node, chance(node, 10) ? 5000 : 100), answer);
    deliver(node, batch, answer);
    return dv_is_error(answer) ? dv_fail(node, answer, "scripted") : answer;
}

static dv_rc sink_transfer(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

static const struct dv_operator sim_sink = { .name = "sim-sink", .size = sizeof(struct holder), .sink = true,
    .held_max = 3, .exit = DV_EXIT_FILE, .transfer = sink_transfer, .options = knob_options, .open = sink_open, .process = sink_process,
    .close = close_holder };

const struct dv_operator *const sim_operators[] = { &sim_source,   &sim_pass,   &sim_edit,   &sim_reject,
                                                    &sim_route_op, &sim_filter, &sim_window, &sim_sink, NULL };
