/* SPDX-License-Identifier: Apache-2.0
 * test_operators_aggregate_dp_schedules.c - random schedules of noised windows: two programs on the same accounts of ε, limits
 * raised and lowered, graphs reloaded, disks that fail, programs killed at any change of the disk, and power cut.
 *
 * After every step what of an account is durable covers what has left the windows, to the billionth; every charge is the ε
 * of the node that made it, and within the limit; and every reload and every stop comes to an end. Where nothing failed,
 * what was spent is what left.
 *
 * DV_SEED=n begins with schedule n; DATAVAULT_LONG=1 runs 10,000 of them.
 *
 * shows: PRV-3 X4 MIS-3 BCP-2 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/operators_world.h"
#include "tests/unit/spending_world.h"

enum { SCHEDULES = 300, LONG_SCHEDULES = 10000, ACTIONS_MAX = 60, STEPS_MAX = 60, END_STEPS = 20000, LIVES_MAX = 12 };

/* What happened in all schedules: each of these must have. */
static struct spending_counts counts;
static uint64_t deaths, cuts, exact, steps_done, steps_most;

/* ---- what must hold ---- */

static unsigned account_of(const struct power_file *file)
{
    return strstr(file->path, "/u.budget") != NULL ? 1 : 0;
}

/* A charge is the ε of the node that asks for it, once, and within the limit. */
static void charged(const struct power_file *file, const struct power_bytes *next, void *data)
{
    struct spending_world *world = data;
    unsigned at = account_of(file);
    const struct spending_account *account = &world->accounts[at];
    struct dv_budget was = { 0 };
    struct dv_budget is = { 0 };
    int64_t epsilon = 0;
    if (power_disk.running == SPENDING_CLERK)
        return;
    if (!dv_ledger_parse(&account->id, file->seen.text, file->seen.length, &was) ||
        !dv_ledger_parse(&account->id, next->text, next->length, &is)) {
        spending_wrong(world, "an account is damaged");
        return;
    }
    counts.charges++;
    const struct spending_program *program = &world->programs[power_disk.running];
    const struct dv_node *node = dv_node_named(dv_graph_node(program->graph, 0), spending_names[at]);
    if (!spending_costs(node, &epsilon) || is.spent_nano - was.spent_nano != epsilon || is.charges != was.charges + 1)
        spending_wrong(world, "a charge is not the node's");
    if (is.limit_nano != account->limit || is.spent_nano > is.limit_nano)
        spending_wrong(world, "an account is overdrawn");
}

static void check(struct spending_world *world)
{
    for (unsigned i = 0; i < power_disk.file_count; i++) {
        const struct power_file *file = &power_disk.files[i];
        const struct spending_account *account = &world->accounts[account_of(file)];
        struct dv_budget budget = { 0 };
        if (!file->durable.whole ||
            !dv_ledger_parse(&account->id, file->durable.text, file->durable.length, &budget))
            spending_wrong(world, "what is durable of an account is damaged");
        else if (budget.spent_nano < account->released)
            spending_wrong(world, "more was released than is durably spent");
    }
}

static void check_the_end(struct spending_world *world)
{
    for (unsigned i = 0; i < SPENDING_ACCOUNTS; i++) {
        struct dv_budget budget = { 0 };
        struct dv_error error = { 0 };
        power_disk.running = SPENDING_CLERK;
        if (dv_ledger_read(&world->accounts[i].id, &budget, &error) != DV_OK)
            spending_wrong(world, "an account cannot be read at the end");
        if (!world->uncertain && budget.spent_nano != world->accounts[i].released)
            spending_wrong(world, "what was spent is not what was released");
    }
    exact += !world->uncertain;
}

/* ---- actions ---- */

static void reap(struct spending_world *world)
{
    for (unsigned i = 0; i < SPENDING_PROGRAMS; i++) {
        struct spending_program *program = &world->programs[i];
        if (program->graph != NULL && spending_is_dead(program)) {
            deaths++;
            spending_bury(program);
        } else if (program->graph != NULL && program->ended) {
            spending_ended(program);
        }
    }
    check(world);
}

static void run_program(struct spending_program *program, uint64_t steps)
{
    for (; program->graph != NULL && steps > 0 && program->world->broken == NULL; steps--) {
        power_disk.running = program->number;
        (void)dv_loop_sim_step(&program->loop);
        program->world->uncertain |= power_disk.programs[program->number].failed > 0;
        reap(program->world);
        steps_done++;
    }
}

static void cut_power(struct spending_world *world)
{
    power_disk_cut();
    cuts++;
    world->uncertain = true;
    reap(world);
    power_disk_start(SPENDING_CLERK, 0);
}

/* The program dies now, or at one of the disk's next changes. */
static void kill_program(struct spending_program *program)
{
    struct power_program *life = &power_disk.programs[program->number];
    life->life = (int64_t)spending_below(program->world, LIVES_MAX);
    life->dead = spending_chance(program->world, 30);
}

static void act(struct spending_world *world, bool mortal)
{
    struct spending_program *program = &world->programs[spending_below(world, SPENDING_PROGRAMS)];
    unsigned account = (unsigned)spending_below(world, SPENDING_ACCOUNTS);
    unsigned drawn = (unsigned)spending_below(world, 100);
    bool runs = program->graph != NULL;
    if (drawn < 4)
        spending_limit(world, account, 0);
    else if (drawn < 10)
        spending_limit(world, account, world->accounts[account].limit);
    else if (mortal && drawn < 12)
        cut_power(world);
    else if (mortal && runs && drawn < 16)
        kill_program(program);
    else if (runs && drawn < 18)
        dv_graph_stop(program->graph);
    else if (runs && drawn < 50)
        spending_reload(program);
    else if (!runs && drawn < 40)
        spending_start(program);
    run_program(program, spending_below(world, STEPS_MAX));
    reap(world);
}

/* ---- schedules ---- */

/* All that was begun ends, once nothing is in its way. */
static void end_program(struct spending_program *program)
{
    uint64_t before = steps_done;
    power_disk.programs[program->number].life = -1;
    power_disk.programs[program->number].faults = 0;
    for (unsigned i = 0; i < END_STEPS && program->graph != NULL && !dv_graph_can_reload(program->graph); i++)
        run_program(program, 1);
    if (program->graph != NULL && !dv_graph_can_reload(program->graph))
        spending_wrong(program->world, "a reload or a stop does not end");
    if (program->graph != NULL)
        dv_graph_stop(program->graph);
    run_program(program, END_STEPS);
    if (program->graph != NULL)
        spending_wrong(program->world, "a graph that was stopped does not end");
    steps_most = steps_done - before > steps_most ? steps_done - before : steps_most;
}

static void run_schedule(const struct world *world, uint64_t seed, unsigned number)
{
    static struct spending_world spending;
    char state[128];
    (void)snprintf(state, sizeof state, "%s/%u", world->directory, number);
    power_disk_begin(~seed);
    spending_begin(&spending, state, seed, &counts);
    power_disk.changed = charged;
    power_disk.data = &spending;
    bool mortal = spending_chance(&spending, 60);
    for (uint64_t left = 10 + spending_below(&spending, ACTIONS_MAX); left > 0 && spending.broken == NULL; left--)
        act(&spending, mortal);
    spending.calm = true;
    for (unsigned i = 0; i < SPENDING_PROGRAMS; i++)
        end_program(&spending.programs[i]);
    check_the_end(&spending);
    if (spending.broken != NULL)
        fail_msg("DV_SEED=%llu: %s", (unsigned long long)seed, spending.broken);
}

static void print_counts(unsigned schedules)
{
    print_message("%u schedules, %llu exact to the end: %llu steps, the longest end %llu\n", schedules,
                  (unsigned long long)exact, (unsigned long long)steps_done, (unsigned long long)steps_most);
    print_message("%llu charges, %llu windows withheld, %llu runs ended spent and %llu by the disk, %llu killed, %llu cuts of power\n",
                  (unsigned long long)counts.charges, (unsigned long long)counts.withheld,
                  (unsigned long long)counts.spent_ends, (unsigned long long)counts.failed_ends,
                  (unsigned long long)deaths, (unsigned long long)cuts);
    for (unsigned i = 0; i < DV_RELOAD_RESULTS; i++)
        print_message("%llu reloads %s\n", (unsigned long long)counts.reloads[i], dv_reload_result_name(i));
}

static void test_no_schedule_overdraws_or_hangs(void **state)
{
    const char *given = getenv("DV_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)uv_hrtime();
    unsigned schedules = getenv("DATAVAULT_LONG") != NULL ? LONG_SCHEDULES : SCHEDULES;
    print_message("seed: DV_SEED=%llu\n", (unsigned long long)seed);
    counts = (struct spending_counts){ 0 };
    for (unsigned i = 0; i < schedules; i++)
        run_schedule(*state, seed + i, i);
    print_counts(schedules);
    for (unsigned i = 0; i < DV_RELOAD_RESULTS; i++)
        assert_true(counts.reloads[i] > 0);
    assert_true(counts.charges > schedules && counts.withheld > 0 && counts.spent_ends > 0);
    assert_true(deaths > 0 && cuts > 0 && exact > 0);
}

/* The new window cannot be paid for once the old one has said what it had, nor can the old one begin again. */
static void test_a_reload_that_goes_back_to_a_spent_account_ends_the_run(void **state)
{
    static struct spending_world spending;
    struct spending_program *program = &spending.programs[0];
    struct dv_budget budget = { 0 };
    struct dv_error error = { 0 };
    counts = (struct spending_counts){ 0 };
    power_disk_begin(1);
    spending_begin(&spending, ((struct world *)*state)->directory, 1, &counts);
    spending.calm = true;
    spending.faults = 0;
    program->shape = (struct spending_shape){ .node = { { .there = true, .epsilon = 500, .window_s = 1 } } };
    assert_int_equal(dv_ledger_set(&spending.accounts[0].id, 900000000, -1, &budget, &error), DV_OK);
    spending_start(program);
    struct spending_shape next = program->shape;
    next.node[0].window_s = 2;
    spending_reload_to(program, &next, false);
    for (unsigned i = 0; i < END_STEPS && !program->ended; i++)
        (void)dv_loop_sim_step(&program->loop);
    assert_true(program->ended);
    assert_int_equal(program->rc, DV_E_BUDGET);
    assert_int_equal(counts.reloads[DV_RELOAD_ROLLED_BACK], 1);
    assert_non_null(strstr(dv_graph_error(program->graph)->text, "t of dataset plain is spent: 0.5 of 0.9"));
    assert_true(spending.accounts[0].released == 500000000);
    spending_ended(program);
    assert_null(spending.broken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_reload_that_goes_back_to_a_spent_account_ends_the_run, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_no_schedule_overdraws_or_hangs, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
