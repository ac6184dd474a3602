/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_ledger.c - a privacy budget is never overdrawn: not by damage, not by faults of the disk, not by two at
 * a time, and not by being killed. What was released is counted apart, and never exceeds what the ledger says is spent.
 *
 * shows: PRV-3 X4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connectors/ledger.h"
#include "engine/random.h"
#include "tests/unit/connectors_world.h"

enum { UNIT = 1000, SCHEDULES = 10000, KILLS = 40, EXIT_KILLED = 137 };

static char state_path[PATH_MAX];
static char file_path[PATH_MAX + 64];
static struct dv_error error;

static struct dv_account account_in(const struct dv_sys *sys, const char *directory)
{
    (void)snprintf(state_path, sizeof state_path, "%s/state", directory);
    (void)snprintf(file_path, sizeof file_path, "%s/budgets/hospital/healthcare/by-diagnosis.budget", state_path);
    return (struct dv_account){
        .sys = sys, .state = state_path, .tenant = "hospital", .dataset = "healthcare", .operator= "by-diagnosis"
    };
}

static struct dv_account account_of(const struct world *world)
{
    return account_in(&faulty_sys, world->directory);
}

static struct dv_budget budget_of(const struct dv_account *account)
{
    struct dv_budget budget = { -1, -1, 0 };
    assert_int_equal(dv_ledger_read(account, &budget, &error), DV_OK);
    return budget;
}

static void open_with(const struct dv_account *account, int64_t limit_nano)
{
    struct dv_budget budget;
    assert_int_equal(dv_ledger_set(account, limit_nano, -1, &budget, &error), DV_OK);
    assert_true(budget.limit_nano == limit_nano);
}

static void test_spends_and_refuses(void **state)
{
    struct dv_account account = account_of(*state);
    struct dv_budget budget;
    assert_int_equal(dv_ledger_charge(&account, UNIT, NULL, &error), DV_E_MISSING);
    assert_non_null(strstr(error.text, "datavault budget set"));
    assert_int_equal(world_size(file_path), -1);
    open_with(&account, 3 * UNIT);
    assert_int_equal(dv_ledger_charge(&account, UNIT, &budget, &error), DV_OK);
    assert_int_equal(dv_ledger_charge(&account, 2 * UNIT + 1, &budget, &error), DV_E_BUDGET);
    assert_int_equal(dv_ledger_charge(&account, INT64_MAX, &budget, &error), DV_E_BUDGET);
    assert_int_equal(dv_ledger_charge(&account, 2 * UNIT, &budget, &error), DV_OK);
    assert_true(budget.spent_nano == 3 * UNIT && budget.limit_nano == 3 * UNIT && budget.charges == 2);
    assert_int_equal(dv_ledger_charge(&account, 1, NULL, &error), DV_E_BUDGET);
    assert_int_equal(dv_rc_exit(DV_E_BUDGET), 6);
    assert_non_null(strstr(error.text, "0.000003 of 0.000003, and 0.000000001 more"));
    open_with(&account, 2 * UNIT); /* lowered below what is spent: nothing more, and nothing forgotten */
    assert_int_equal(dv_ledger_charge(&account, 1, NULL, &error), DV_E_BUDGET);
    assert_true(budget_of(&account).spent_nano == 3 * UNIT);
    open_with(&account, 4 * UNIT);
    assert_int_equal(dv_ledger_charge(&account, UNIT, NULL, &error), DV_OK);
}

static void test_files_are_ours_alone(void **state)
{
    struct dv_account account = account_of(*state);
    struct stat facts;
    open_with(&account, UNIT);
    assert_int_equal(stat(file_path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
}

/* ---- damage ---- */

/* Whatever the file says now, it must release nothing, and say how to mend it. */
static void refuses(const struct dv_account *account, const char *text, size_t length)
{
    world_write(file_path, text, length);
    struct dv_budget budget;
    assert_int_equal(dv_ledger_charge(account, 1, NULL, &error), DV_E_TAMPER);
    assert_non_null(strstr(error.text, "--spent"));
    assert_int_equal(dv_ledger_set(account, INT64_MAX, -1, &budget, &error), DV_E_TAMPER);
}

static void test_damage_at_every_byte(void **state)
{
    struct dv_account account = account_of(*state);
    char text[DV_LEDGER_BYTES];
    char bad[DV_LEDGER_BYTES];
    open_with(&account, 9 * UNIT);
    assert_int_equal(dv_ledger_charge(&account, UNIT, NULL, &error), DV_OK);
    size_t length = world_read(file_path, text, sizeof text);
    for (size_t at = 0; at < length; at++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, text, length);
            bad[at] = (char)(bad[at] ^ 1 << bit);
            refuses(&account, bad, length);
        }
        refuses(&account, text, at);
        memset(bad, 0, sizeof bad);
        memcpy(bad, text, at);
        refuses(&account, bad, length);
    }
    memcpy(bad, text, length);
    bad[length] = '\n';
    refuses(&account, bad, length + 1);
    memset(bad, 'x', sizeof bad);
    refuses(&account, bad, sizeof bad);

    struct dv_budget budget;
    assert_int_equal(dv_ledger_set(&account, 9 * UNIT, 8 * UNIT, &budget, &error), DV_OK);
    assert_int_equal(dv_ledger_charge(&account, UNIT, NULL, &error), DV_OK);
    assert_int_equal(dv_ledger_charge(&account, 1, NULL, &error), DV_E_BUDGET);
}

static void test_another_accounts_file(void **state)
{
    struct dv_account account = account_of(*state);
    struct dv_account other = account;
    char text[DV_LEDGER_BYTES];
    open_with(&account, UNIT);
    other.tenant = "clinic";
    struct dv_budget budget = { UNIT, 0, 0 };
    refuses(&account, text, dv_ledger_print(&other, &budget, text));
    other = account;
    other.operator= "by-age";
    refuses(&account, text, dv_ledger_print(&other, &budget, text));
    budget.spent_nano = -1;
    refuses(&account, text, dv_ledger_print(&account, &budget, text));
}

/* ---- faults of the disk ---- */

/* Each call fails once at a time; what could not be made durable was not released. */
static void test_faults(void **state)
{
    struct dv_account account = account_of(*state);
    open_with(&account, 100 * UNIT);
    int64_t released = 0;
    for (int fault = 0; fault < 6; fault++) {
        *faults() = (struct faults){ 0 };
        faults()->write_error = fault == 0 ? ENOSPC : 0;
        faults()->write_short = fault == 1 ? 3 : 0;
        faults()->sync_fails_at = fault == 2 ? 1 : fault == 3 ? 2 : 0;
        faults()->rename_error = fault == 4 ? EIO : 0;
        faults()->read_error = fault == 5 ? EIO : 0;
        dv_rc rc = dv_ledger_charge(&account, UNIT, NULL, &error);
        assert_int_equal(rc, fault == 0 ? DV_E_FULL : fault == 1 ? DV_OK : DV_E_IO);
        released += rc == DV_OK ? UNIT : 0;
        *faults() = (struct faults){ 0 };
        assert_true(budget_of(&account).spent_nano >= released);
    }
    assert_true(budget_of(&account).spent_nano == 2 * UNIT); /* the short writes, and the directory that did not sync */
    faults()->open_error = EROFS;
    assert_int_equal(dv_ledger_charge(&account, UNIT, NULL, &error), DV_E_IO);
}

/* ---- random schedules ---- */

static int sync_nothing(int fd)
{
    (void)fd;
    return 0;
}

/* Faults at random, at the price of no disk. */
static struct dv_random chance;

static int sync_or_not(int fd)
{
    (void)fd;
    errno = EIO;
    return dv_random_chance(&chance, 10) ? -1 : 0;
}

static int rename_or_not(const char *from, const char *to)
{
    errno = EIO;
    return dv_random_chance(&chance, 10) ? -1 : rename(from, to);
}

/* Charges of random size from three operators, faults and changes of the limit: at each moment the ledger says at least
 * what was released, and what was released stays within the greatest limit there ever was. */
static void schedule(struct dv_account *account, struct dv_random *random)
{
    int64_t limit = (int64_t)dv_random_below(random, 50) * UNIT;
    int64_t released = 0;
    struct dv_budget budget;
    struct dv_sys reliable = *account->sys;
    reliable.fdatasync = reliable.fsync = sync_nothing;
    reliable.rename = rename;
    struct dv_account calm = *account;
    calm.sys = &reliable;
    assert_int_equal(dv_ledger_set(&calm, limit, 0, &budget, &error), DV_OK);
    for (uint64_t i = dv_random_below(random, 12) + 3; i > 0; i--) {
        int64_t before = budget_of(&calm).spent_nano;
        int64_t epsilon = 1 + (int64_t)dv_random_below(random, 15 * UNIT);
        dv_rc rc = dv_ledger_charge(account, epsilon, NULL, &error);
        released += rc == DV_OK ? epsilon : 0;
        budget = budget_of(&calm);
        assert_true(rc == DV_OK || rc == DV_E_BUDGET || rc == DV_E_IO);
        assert_true((rc == DV_E_BUDGET) == (before + epsilon > budget.limit_nano));
        assert_true(budget.spent_nano >= released && released <= limit && budget.spent_nano <= limit);
        if (!dv_random_chance(random, 10))
            continue;
        int64_t changed = (int64_t)dv_random_below(random, 50) * UNIT;
        assert_int_equal(dv_ledger_set(&calm, changed, -1, &budget, &error), DV_OK);
        limit = changed > limit ? changed : limit;
    }
}

static void test_ten_thousand_schedules(void **state)
{
    struct dv_account account = account_of(*state);
    struct dv_sys sys = dv_sys_real;
    sys.fdatasync = sys.fsync = sync_or_not;
    sys.rename = rename_or_not;
    account.sys = &sys;
    struct dv_random random;
    dv_random_seed(&random, 40);
    dv_random_seed(&chance, 41);
    for (int i = 0; i < SCHEDULES; i++)
        schedule(&account, &random);
}

/* ---- several processes, and death ---- */

/* Charges until it is refused, and releases: a byte into the pipe for each. */
static void spend_all(const struct dv_account *account, int pipe_end)
{
    while (dv_ledger_charge(account, UNIT, NULL, &error) == DV_OK)
        if (write(pipe_end, "r", 1) != 1)
            _exit(1);
    _exit(error.code == DV_E_BUDGET ? 0 : 1);
}

static pid_t start(const struct dv_account *account, int ends[2])
{
    if (ends[0] < 0)
        assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        spend_all(account, ends[1]);
    return child;
}

/* Bytes that came through the pipe until its last writer had gone. */
static int64_t released_through(int ends[2])
{
    char byte;
    int64_t count = 0;
    (void)close(ends[1]);
    while (read(ends[0], &byte, 1) == 1)
        count++;
    (void)close(ends[0]);
    return count * UNIT;
}

static void test_two_at_a_time(void **state)
{
    struct dv_account account = account_of(*state);
    account.sys = &dv_sys_real;
    open_with(&account, 150 * UNIT + UNIT / 2);
    int ends[2] = { -1, -1 };
    pid_t children[3];
    for (int i = 0; i < 3; i++)
        children[i] = start(&account, ends);
    assert_true(released_through(ends) == 150 * UNIT);
    for (int i = 0; i < 3; i++) {
        int status = -1;
        assert_true(waitpid(children[i], &status, 0) == children[i] && status == 0);
    }
    assert_true(budget_of(&account).spent_nano == 150 * UNIT);
}

static void test_killed_at_any_time(void **state)
{
    struct dv_account account = account_of(*state);
    account.sys = &dv_sys_real;
    struct dv_random random;
    dv_random_seed(&random, 42);
    open_with(&account, INT64_MAX);
    int64_t released = 0;
    for (int64_t kill_number = 1; kill_number <= KILLS; kill_number++) {
        int ends[2] = { -1, -1 };
        pid_t child = start(&account, ends);
        (void)usleep((useconds_t)dv_random_below(&random, 20000));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_true(waitpid(child, NULL, 0) == child);
        released += released_through(ends);
        int64_t spent = budget_of(&account).spent_nano;
        assert_true(spent >= released && spent <= released + kill_number * UNIT);
    }
    assert_true(released > 0);
}

/* The same at each labelled point: this program again, as the one that spends. */
static void test_killed_at_each_point(void **state)
{
    static const char *const points[] = { "replace.opened", "replace.written", "replace.synced", "replace.renamed" };
    struct dv_account account = account_of(*state);
    account.sys = &dv_sys_real;
    struct world *world = *state;
    int64_t deaths = 0;
    int64_t released = 0;
    open_with(&account, INT64_MAX);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        for (int nth = 1; nth <= 3; nth++) {
            char at[64];
            char end[16];
            int ends[2];
            int status = 0;
            assert_int_equal(pipe(ends), 0);
            (void)snprintf(at, sizeof at, "%s:%d", points[i], nth);
            (void)snprintf(end, sizeof end, "%d", ends[1]);
            pid_t child = fork();
            if (child == 0) {
                (void)setenv("DV_CRASH_AT", at, 1);
                (void)execl("/proc/self/exe", "ledger", world->directory, end, (char *)NULL);
                _exit(1);
            }
            int64_t now = released_through(ends);
            assert_true(waitpid(child, &status, 0) == child);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_KILLED);
            assert_true(now == (nth - 1) * UNIT);
            released += now;
            deaths++;
            int64_t spent = budget_of(&account).spent_nano;
            assert_true(spent >= released && spent <= released + deaths * UNIT);
        }
    }
}

/* ---- the list ---- */

static void test_list(void **state)
{
    struct dv_account account = account_of(*state);
    struct dv_account_name names[3];
    uint32_t count = 77;
    assert_int_equal(dv_ledger_list(&account, names, 3, &count, &error), DV_OK);
    assert_int_equal(count, 0);
    static const char *const pairs[][2] = { { "payments", "a" }, { "healthcare", "z" }, { "healthcare", "a.budget" } };
    for (int i = 0; i < 3; i++) {
        account.dataset = pairs[i][0];
        account.operator= pairs[i][1];
        open_with(&account, UNIT);
    }
    assert_int_equal(dv_ledger_list(&account, names, 3, &count, &error), DV_OK);
    assert_int_equal(count, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(names[i].dataset, pairs[2 - i][0]);
        assert_string_equal(names[i].operator, pairs[2 - i][1]);
    }
    assert_int_equal(dv_ledger_list(&account, names, 2, &count, &error), DV_E_LIMIT);
    account.tenant = "nobody";
    assert_int_equal(dv_ledger_list(&account, names, 3, &count, &error), DV_OK);
    assert_int_equal(count, 0);
}

int main(int argc, char **argv)
{
    if (argc == 3) { /* a child of test_killed_at_each_point() */
        struct dv_account account = account_in(&dv_sys_real, argv[1]);
        spend_all(&account, (int)strtol(argv[2], NULL, 10));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spends_and_refuses, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_files_are_ours_alone, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_damage_at_every_byte, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_another_accounts_file, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_faults, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_ten_thousand_schedules, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_two_at_a_time, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_killed_at_any_time, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_killed_at_each_point, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_list, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
