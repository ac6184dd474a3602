/* SPDX-License-Identifier: Apache-2.0
 * spending_world.c - programs that spend the same accounts of ε. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/spending_world.h"

enum { TEXT = 2048, MILLI_EPSILON = 1000000, LIMIT_MILLIS = 16000 };

extern const struct dv_operator dv_operator_aggregate;

const char *const spending_names[SPENDING_ACCOUNTS] = { "t", "u" };

void spending_wrong(struct spending_world *world, const char *what)
{
    world->broken = world->broken != NULL ? world->broken : what;
}

bool spending_chance(struct spending_world *world, unsigned percent)
{
    return dv_random_chance(&world->random, percent) != 0;
}

uint64_t spending_below(struct spending_world *world, uint64_t bound)
{
    return dv_random_below(&world->random, bound);
}

static struct spending_program *program_of(struct dv_node *node)
{
    return dv_node_service(node, DV_SERVICE_FEED);
}

bool spending_is_dead(const struct spending_program *program)
{
    return power_disk.programs[program->number].dead;
}

/* ---- the operators around the windows ---- */

struct feed {
    int64_t tag;
    const char *account;
    struct dv_timer timer;
    struct dv_batch *held;
    bool opened;
};

static const struct dv_option options[] = {
    { "tag", DV_INT, offsetof(struct feed, tag), .help = "Makes a node differ." },
    { "account", DV_NAME, offsetof(struct feed, account), .help = "The window before it." },
    { 0 },
};

static dv_rc feed_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "plain", 1);
    if (schema == NULL)
        return DV_E_MEMORY;
    (void)dv_schema_add(schema, "ward", DV_TYPE_INT, dv_label(DV_CLASS_SENSITIVE, DV_FORM_PLAIN));
    shape->out[0] = schema;
    return DV_OK;
}

static void feed_wakes(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct feed *feed = dv_state(node);
    struct spending_program *program = program_of(node);
    struct dv_batch *batch = feed->held;
    feed->held = NULL;
    batch->rows = 1 + (uint32_t)spending_below(program->world, 3);
    for (uint32_t row = 0; row < batch->rows; row++)
        batch->cells[0][row] = (struct dv_cell){ .integer = row, .present = 1 };
    program->claimed++;
    dv_claim(node, batch, program->claimed, program->claimed);
    dv_finish(node, batch, DV_PASS);
}

/* A node that does not open does so sooner or later. */
static dv_rc open_node(struct dv_node *node)
{
    struct feed *feed = dv_state(node);
    struct spending_world *world = program_of(node)->world;
    if (!world->calm && spending_chance(world, world->shaky))
        return dv_fail(node, DV_E_DEPENDENCY, "it is shut");
    feed->opened = true;
    return DV_OK;
}

static dv_rc feed_open(struct dv_node *node)
{
    struct feed *feed = dv_state(node);
    dv_timer_init(dv_node_loop(node), &feed->timer, feed_wakes, node);
    return open_node(node);
}

static dv_rc feed_process(struct dv_node *node, struct dv_batch *batch)
{
    struct feed *feed = dv_state(node);
    feed->held = batch;
    dv_timer_start(&feed->timer, 1 + spending_below(program_of(node)->world, 700));
    return DV_HOLD;
}

static void feed_settle(struct dv_node *node, const struct dv_receipt *receipt)
{
    program_of(node)->settled += receipt->claimed && !receipt->failed;
}

static void feed_stop(struct dv_node *node)
{
    struct feed *feed = dv_state(node);
    struct dv_batch *batch = feed->held;
    feed->held = NULL;
    dv_timer_stop(&feed->timer);
    dv_end(node);
    if (batch != NULL)
        dv_finish(node, batch, DV_DROP);
}

static void close_node(struct dv_node *node)
{
    struct feed *feed = dv_state(node);
    if (feed->opened)
        dv_timer_close(&feed->timer);
}

static dv_rc same(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    shape->out[0] = shape->in;
    return DV_OK;
}

bool spending_costs(const struct dv_node *node, int64_t *ret)
{
    struct dv_spending spending = { 0 };
    const struct dv_operator *op = node != NULL ? dv_node_operator(node) : NULL;
    bool does = op != NULL && op->spends != NULL && op->spends(node, &spending);
    *ret = spending.epsilon_nano;
    return does;
}

/* Stands right behind the windows, and knows what has left them. What is of the same count over time is paid for once. */
static dv_rc tap_process(struct dv_node *node, struct dv_batch *batch)
{
    const struct feed *tap = dv_state(node);
    struct spending_program *program = program_of(node);
    unsigned account = strcmp(tap->account, spending_names[0]) == 0 ? 0 : 1;
    const struct dv_node *window = dv_node_named(node, tap->account);
    int64_t start_ms = batch->cells[0][0].integer;
    int64_t epsilon = 0;
    bool goes_on = program->last[account].node == window && program->last[account].start_ms == start_ms;
    program->last[account].node = window;
    program->last[account].start_ms = start_ms;
    if (!spending_costs(window, &epsilon))
        spending_wrong(program->world, "an answer of a node that charges nothing");
    if (!goes_on && !spending_is_dead(program))
        program->world->accounts[account].released += epsilon;
    return DV_PASS;
}

static void out_wakes(struct dv_timer *timer)
{
    struct dv_node *node = timer->data;
    struct feed *out = dv_state(node);
    struct dv_batch *batch = out->held;
    out->held = NULL;
    dv_finish(node, batch, DV_PASS);
}

static dv_rc out_open(struct dv_node *node)
{
    struct feed *out = dv_state(node);
    dv_timer_init(dv_node_loop(node), &out->timer, out_wakes, node);
    return open_node(node);
}

static dv_rc out_process(struct dv_node *node, struct dv_batch *batch)
{
    struct feed *out = dv_state(node);
    struct spending_world *world = program_of(node)->world;
    if (!world->calm && spending_chance(world, world->shaky))
        return dv_fail(node, DV_E_DEPENDENCY, "it is away");
    if (spending_chance(world, 50))
        return DV_PASS;
    out->held = batch;
    dv_timer_start(&out->timer, spending_below(world, world->calm ? 300 : 3000));
    return DV_HOLD;
}

static const struct dv_operator feed = { .name = "source", .from = "feed", .options = options, .size = sizeof(struct feed), .source = true,
    .makes = true, .transfer = feed_transfer, .open = feed_open, .process = feed_process, .settle = feed_settle,
    .stop = feed_stop, .close = close_node };
static const struct dv_operator tap = { .name = "tap", .options = options, .size = sizeof(struct feed), .transfer = same,
    .process = tap_process };
static const struct dv_operator out = { .name = "out", .options = options, .size = sizeof(struct feed), .sink = true,
    .exit = DV_EXIT_FILE, .open = out_open, .process = out_process, .close = close_node };
static const struct dv_operator *const operators[] = { &feed, &tap, &out, &dv_operator_aggregate, NULL };

/* ---- graph files ---- */

static void draw_node(struct spending_world *world, struct spending_shape *shape, unsigned i)
{
    shape->node[i].epsilon = 10 + (unsigned)spending_below(world, 1500);
    shape->node[i].window_s = 1 + (unsigned)spending_below(world, 3);
    shape->node[i].drops = spending_chance(world, 60);
    shape->node[i].continual = spending_chance(world, 20);
    shape->node[i].wide = spending_chance(world, 30);
}

/* A file that differs from another here and there. */
static struct spending_shape changed(struct spending_world *world, struct spending_shape shape)
{
    shape.feed_tag += spending_chance(world, 15);
    shape.out_tag += spending_chance(world, 40);
    for (unsigned i = 0; i < SPENDING_ACCOUNTS; i++) {
        if (spending_chance(world, 40))
            draw_node(world, &shape, i);
        shape.node[i].there ^= spending_chance(world, 15);
    }
    shape.node[0].there |= !shape.node[1].there;
    return shape;
}

static const char *print_shape(struct spending_program *program, const struct spending_shape *shape)
{
    char *text = dv_arena_alloc(&program->arena, TEXT);
    assert_non_null(text);
    int at = snprintf(text, TEXT, "name: test\nbatch_bytes: 256KiB\nstall: 0s\ndrain: 5s\ngraph:\n  in: { op: source, from: feed, tag: %u }\n", shape->feed_tag);
    for (unsigned i = 0; i < SPENDING_ACCOUNTS; i++) {
        unsigned window_s = shape->node[i].window_s;
        if (!shape->node[i].there)
            continue;
        at += snprintf(text + at, (size_t)(TEXT - at),
                       "  %s: { op: aggregate, after: in, by: ward, window: %us, dp: { epsilon: %u.%03u, when_spent: %s, "
                       "groups: { ward: [%s] }", spending_names[i], window_s, shape->node[i].epsilon / 1000,
                       shape->node[i].epsilon % 1000, shape->node[i].drops ? "drop" : "stop",
                       shape->node[i].wide ? "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20" : "1");
        if (shape->node[i].continual)
            at += snprintf(text + at, (size_t)(TEXT - at), ", continual: true, period: %us", window_s * 4);
        at += snprintf(text + at, (size_t)(TEXT - at),
                       " } }\n  tap-%s: { op: tap, after: %s, account: %s }\n  out-%s: { op: out, after: tap-%s, tag: %u }\n",
                       spending_names[i], spending_names[i], spending_names[i], spending_names[i], spending_names[i], shape->out_tag);
    }
    assert_true(at < TEXT);
    return text;
}

/* ---- programs ---- */

static void ended(struct dv_graph *graph, dv_rc rc, void *data)
{
    struct spending_program *program = data;
    (void)graph;
    program->ended = true;
    program->rc = rc;
}

static void free_program(struct spending_program *program)
{
    for (unsigned i = 0; i < dv_graph_node_count(program->graph); i++)
        program->world->counts->withheld += dv_node_stats(dv_graph_node(program->graph, i))->withheld;
    dv_graph_free(program->graph);
    program->graph = NULL;
    dv_arena_free(&program->arena);
}

void spending_start(struct spending_program *program)
{
    struct spending_world *world = program->world;
    uint64_t now_ns = program->loop.now_ns;
    power_disk_start(program->number, world->faults);
    power_disk.running = program->number;
    dv_arena_init(&program->arena, 64u << 20);
    dv_diags_init(&program->diags, &program->arena);
    dv_loop_sim_init(&program->loop);
    program->loop.now_ns = now_ns;
    program->ended = false;
    program->claimed = program->settled = 0;
    memset(program->last, 0, sizeof program->last);
    const char *text = print_shape(program, &program->shape);
    program->graph = dv_graph_parse("t.yaml", text, strlen(text), operators, &program->diags);
    if (program->graph == NULL || dv_graph_check(program->graph, &program->diags) != DV_OK) {
        dv_diags_print(&program->diags, stderr, false);
        fail_msg("the graph is wrong");
    }
    dv_graph_provide(program->graph, DV_SERVICE_FEED, program);
    dv_graph_provide(program->graph, DV_SERVICE_BANK, &program->bank);
    program->rc = dv_graph_start(program->graph, &program->loop.base, ended, program, &program->error);
    if (program->rc == DV_OK)
        return;
    if (program->rc != DV_E_BUDGET && program->rc != DV_E_DEPENDENCY)
        spending_wrong(world, "a graph does not start");
    world->counts->spent_ends += program->rc == DV_E_BUDGET;
    free_program(program);
}

/* It was killed: what it would still have done is not done. */
void spending_bury(struct spending_program *program)
{
    for (int i = 0; i < 2 && !program->ended; i++)
        dv_graph_stop(program->graph);
    if (!program->ended)
        spending_wrong(program->world, "a graph that is stopped twice goes on");
    program->world->uncertain = true;
    free_program(program);
}

/* The run is over by itself. */
void spending_ended(struct spending_program *program)
{
    if (program->rc == DV_OK && program->settled != program->claimed)
        spending_wrong(program->world, "not all that was read is settled");
    if (program->rc != DV_OK) {
        program->world->counts->spent_ends += program->rc == DV_E_BUDGET;
        program->world->counts->failed_ends += program->rc != DV_E_BUDGET;
        program->world->uncertain = true;
    }
    if (program->rc != DV_OK && program->rc != DV_E_BUDGET && program->rc != DV_E_IO && program->rc != DV_E_FAILED)
        spending_wrong(program->world, "a run ends with an error that nothing has brought about");
    free_program(program);
}

static void told(struct dv_graph *graph, const struct dv_reload_report *report, void *data)
{
    struct spending_program *program = data;
    (void)graph;
    program->world->counts->reloads[report->result]++;
    if (report->result == DV_RELOAD_DONE)
        program->shape = program->next;
}

static dv_rc refuse(const struct dv_graph *to, struct dv_diags *diags)
{
    (void)to;
    dv_diags_add(diags, (struct dv_place){ .file = "t.yaml" }, "P108", NULL, NULL, "it would cost too much");
    return DV_E_LEAK;
}

void spending_reload_to(struct spending_program *program, const struct spending_shape *next, bool refused)
{
    const char *text = print_shape(program, next);
    const struct dv_reload_request request = { .path = "t.yaml", .text = text, .length = strlen(text), .done = told,
                                               .data = program, .approve = refused ? refuse : NULL };
    program->next = *next;
    if (dv_graph_reload(program->graph, &request) != DV_OK)
        spending_wrong(program->world, "a reload does not begin");
}

void spending_reload(struct spending_program *program)
{
    if (!dv_graph_can_reload(program->graph))
        return;
    struct spending_shape next = changed(program->world, program->shape);
    spending_reload_to(program, &next, spending_chance(program->world, 10));
}

/* ---- the beginning ---- */

void spending_limit(struct spending_world *world, unsigned at, int64_t least)
{
    struct spending_account *account = &world->accounts[at];
    struct dv_budget budget = { 0 };
    struct dv_error error = { 0 };
    power_disk.running = SPENDING_CLERK;
    int64_t limit = least + (int64_t)spending_below(world, LIMIT_MILLIS) * MILLI_EPSILON + (int64_t)spending_below(world, 3);
    if (dv_ledger_set(&account->id, limit, -1, &budget, &error) != DV_OK)
        spending_wrong(world, "a limit cannot be set");
    account->limit = limit;
}

void spending_begin(struct spending_world *world, const char *state, uint64_t seed, struct spending_counts *counts)
{
    *world = (struct spending_world){ .counts = counts };
    dv_random_seed(&world->random, seed);
    (void)snprintf(world->state, sizeof world->state, "%s", state);
    world->faults = spending_chance(world, 30) ? 15 : 0;
    world->shaky = spending_chance(world, 50) ? 20 : 0;
    for (unsigned i = 0; i < SPENDING_ACCOUNTS; i++) {
        world->accounts[i].id = (struct dv_account){ &power_disk.sys, world->state, "default", "plain", spending_names[i] };
        spending_limit(world, i, 0);
    }
    for (unsigned i = 0; i < SPENDING_PROGRAMS; i++) {
        struct spending_program *program = &world->programs[i];
        program->world = world;
        program->number = i;
        program->bank = (struct dv_bank){ .sys = &power_disk.sys, .state = world->state, .in_place = true };
        program->shape.node[spending_chance(world, 50)].there = true;
        for (unsigned j = 0; j < SPENDING_ACCOUNTS; j++)
            draw_node(world, &program->shape, j);
    }
}
