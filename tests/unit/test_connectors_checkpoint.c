/* SPDX-License-Identifier: Apache-2.0
 * test_connectors_checkpoint.c - checkpoints are replaced whole, survive every fault of the disk, and are never trusted
 * when a bit of them has changed.
 * shows: STO-1 ING-13 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

#include "connectors/checkpoint.h"
#include "engine/random.h"
#include "tests/unit/connectors_world.h"

static const struct dv_checkpoint sample = {
    .source = 0x0123456789abcdefu, .offset = 123456, .line = 789, .records = 780
};

static struct dv_checkpoint_options options_of(struct world *world)
{
    return (struct dv_checkpoint_options){
        .loop = &world->loop.base, .sys = &faulty_sys, .directory = world_path(world, "state/deep"), .name = "patients"
    };
}

/* Opens, and tells what was found. */
static bool open_one(struct world *world, struct dv_checkpoints *checkpoints, struct dv_checkpoint *found)
{
    bool is_there = false;
    struct dv_error error = { 0 };
    struct dv_checkpoint_options options = options_of(world);
    assert_int_equal(dv_checkpoint_open(checkpoints, &options, found, &is_there, &error), DV_OK);
    return is_there;
}

/* Closes, and runs the loop dry, so that the memory may be used again. */
static dv_rc close_one(struct world *world, struct dv_checkpoints *checkpoints)
{
    dv_rc rc = dv_checkpoint_close(checkpoints);
    world_run_dry(world);
    return rc;
}

static void assert_same(const struct dv_checkpoint *a, const struct dv_checkpoint *b)
{
    assert_true(a->source == b->source && a->offset == b->offset && a->line == b->line && a->records == b->records);
}

static void test_text_there_and_back(void **state)
{
    (void)state;
    char text[DV_CHECKPOINT_BYTES];
    const struct dv_checkpoint extremes[] = { sample, { 0 }, { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
    for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++) {
        struct dv_checkpoint read = { 1, 2, 3, 4 };
        size_t length = dv_checkpoint_print(&extremes[i], text);
        assert_true(dv_checkpoint_parse(&read, text, length));
        assert_same(&read, &extremes[i]);
    }
}

static void test_any_single_change_is_seen(void **state)
{
    (void)state;
    char text[DV_CHECKPOINT_BYTES];
    char changed[DV_CHECKPOINT_BYTES + 1];
    struct dv_checkpoint read;
    size_t length = dv_checkpoint_print(&sample, text);
    for (size_t cut = 0; cut < length; cut++)
        assert_false(dv_checkpoint_parse(&read, text, cut));
    for (size_t bit = 0; bit < 8 * length; bit++) {
        memcpy(changed, text, length);
        changed[bit / 8] = (char)(changed[bit / 8] ^ (1 << bit % 8));
        assert_false(dv_checkpoint_parse(&read, changed, length));
    }
    memcpy(changed, text, length);
    changed[length] = '\n';
    assert_false(dv_checkpoint_parse(&read, changed, length + 1));
}

static void test_nothing_then_saved_then_found(void **state)
{
    struct world *world = *state;
    struct dv_checkpoints checkpoints;
    struct dv_checkpoint found;
    assert_false(open_one(world, &checkpoints, &found));
    assert_false(checkpoints.quarantined);
    dv_checkpoint_save(&checkpoints, &sample);
    assert_int_equal(close_one(world, &checkpoints), DV_OK);
    struct stat about;
    assert_int_equal(stat(world_path(world, "state/deep/patients.checkpoint"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(stat(world_path(world, "state"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    assert_true(open_one(world, &checkpoints, &found));
    assert_same(&found, &sample);
    assert_int_equal(close_one(world, &checkpoints), DV_OK);
}

static void test_saves_are_few_and_the_last_one_counts(void **state)
{
    struct world *world = *state;
    struct dv_checkpoints checkpoints;
    struct dv_checkpoint found;
    struct dv_checkpoint next = sample;
    (void)open_one(world, &checkpoints, &found);
    uint64_t begun_ns = uv_hrtime();
    for (int i = 0; i < 100 || __atomic_load_n(&faults()->syncs, __ATOMIC_SEQ_CST) < 2; i++) {
        assert_true(i < 2000);
        next.offset++;
        dv_checkpoint_save(&checkpoints, &next);
        world_run_ms(world, 5);
    }
    /* One save in 200 ms, however long it was, and one at each end; each is of one file and one directory sync. */
    uint64_t saves = (uv_hrtime() - begun_ns) / 200000000 + 2;
    assert_in_range(__atomic_load_n(&faults()->syncs, __ATOMIC_SEQ_CST), 2, 2 * saves);
    assert_int_equal(close_one(world, &checkpoints), DV_OK);
    assert_true(open_one(world, &checkpoints, &found));
    assert_same(&found, &next);
    assert_int_equal(close_one(world, &checkpoints), DV_OK);
}

static void set_flag(void *data)
{
    *(bool *)data = true;
}

static void run_until_told(struct world *world, const struct dv_checkpoints *checkpoints, bool waits)
{
    for (int i = 0; i < 2000 && (dv_checkpoint_waits(checkpoints) != NULL) != waits; i++)
        world_run_ms(world, 10);
    assert_int_equal(dv_checkpoint_waits(checkpoints) != NULL, waits);
}

static void test_no_space_is_told_and_healed(void **state)
{
    struct world *world = *state;
    bool resumed = false;
    bool there = false;
    struct dv_checkpoints checkpoints;
    struct dv_checkpoint found;
    struct dv_error error = { 0 };
    struct dv_checkpoint_options options = options_of(world);
    options.resumed = set_flag;
    options.data = &resumed;
    assert_int_equal(dv_checkpoint_open(&checkpoints, &options, &found, &there, &error), DV_OK);
    __atomic_store_n(&faults()->write_error, ENOSPC, __ATOMIC_SEQ_CST);
    dv_checkpoint_save(&checkpoints, &sample);
    run_until_told(world, &checkpoints, true);
    assert_string_equal(dv_checkpoint_waits(&checkpoints), "no space left on device");
    assert_false(resumed);
    __atomic_store_n(&faults()->write_error, 0, __ATOMIC_SEQ_CST);
    world_run_until(world, &resumed);
    assert_null(dv_checkpoint_waits(&checkpoints));
    assert_int_equal(close_one(world, &checkpoints), DV_OK);
    assert_true(open_one(world, &checkpoints, &found));
    assert_same(&found, &sample);
    assert_int_equal(close_one(world, &checkpoints), DV_OK);
}

/* Whatever step fails, the old state stays readable and a later save succeeds. */
static void test_every_failing_sync_leaves_old_or_new(void **state)
{
    struct world *world = *state;
    struct dv_checkpoint old = sample;
    struct dv_checkpoint found;
    struct dv_checkpoints checkpoints;
    for (unsigned nth = 1; nth <= 2; nth++) {
        struct dv_checkpoint next = old;
        next.offset += 1000;
        *faults() = (struct faults){ 0 };
        (void)open_one(world, &checkpoints, &found);
        dv_checkpoint_save(&checkpoints, &old);
        assert_int_equal(close_one(world, &checkpoints), DV_OK);
        (void)open_one(world, &checkpoints, &found);
        *faults() = (struct faults){ .sync_fails_at = nth };
        dv_checkpoint_save(&checkpoints, &next);
        run_until_told(world, &checkpoints, true);
        struct dv_checkpoints other;
        assert_true(open_one(world, &other, &found));
        assert_true(found.offset == old.offset || found.offset == next.offset);
        assert_int_equal(close_one(world, &other), DV_OK);
        run_until_told(world, &checkpoints, false);
        assert_int_equal(close_one(world, &checkpoints), DV_OK);
    }
}

static void test_a_failed_close_says_so(void **state)
{
    struct world *world = *state;
    struct dv_checkpoints checkpoints;
    struct dv_checkpoint found;
    (void)open_one(world, &checkpoints, &found);
    faults()->rename_error = EACCES;
    dv_checkpoint_save(&checkpoints, &sample);
    assert_int_equal(close_one(world, &checkpoints), DV_E_IO);
    assert_int_equal(world_size(world_path(world, "state/deep/patients.checkpoint.new")), -1);
}

/* One random damage: bits flipped, bytes cut, bytes added, or zeros. Never the text itself. */
static size_t damage(struct dv_random *random, char *text, size_t length, size_t size)
{
    switch (dv_random_below(random, 4)) {
    case 0:
        for (uint64_t flips = 1 + dv_random_below(random, 3); flips > 0; flips--) {
            uint64_t bit = dv_random_below(random, 8 * length / 3);
            text[bit / 8 + (flips - 1) * (length / 3)] ^= (char)(1 << bit % 8);
        }
        return length;
    case 1: return (size_t)dv_random_below(random, length);
    case 2:
        for (uint64_t more = 1 + dv_random_below(random, size - length); more > 0; more--)
            text[length++] = (char)dv_random_u64(random);
        return length;
    default: memset(text + dv_random_below(random, length), 0, 1); return length;
    }
}

static void test_200_damaged_files(void **state)
{
    struct world *world = *state;
    const char *given = getenv("DV_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)uv_hrtime();
    struct dv_random random;
    dv_random_seed(&random, seed);
    print_message("seed: DV_SEED=%llu\n", (unsigned long long)seed);
    for (int round = 0; round < 200; round++) {
        char text[4096];
        struct dv_checkpoint found;
        struct dv_checkpoints checkpoints;
        size_t length = dv_checkpoint_print(&sample, text);
        length = damage(&random, text, length, sizeof text);
        (void)open_one(world, &checkpoints, &found);
        assert_int_equal(close_one(world, &checkpoints), DV_OK);
        world_write(world_path(world, "state/deep/patients.checkpoint"), text, length);
        assert_false(open_one(world, &checkpoints, &found));
        assert_true(checkpoints.quarantined);
        assert_int_equal(world_size(world_path(world, "state/deep/patients.checkpoint.corrupt")), (long)length);
        dv_checkpoint_save(&checkpoints, &sample);
        assert_int_equal(close_one(world, &checkpoints), DV_OK);
        assert_true(open_one(world, &checkpoints, &found));
        assert_int_equal(close_one(world, &checkpoints), DV_OK);
        (void)remove(world_path(world, "state/deep/patients.checkpoint"));
        world_run_ms(world, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_there_and_back),
        cmocka_unit_test(test_any_single_change_is_seen),
        cmocka_unit_test_setup_teardown(test_nothing_then_saved_then_found, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_saves_are_few_and_the_last_one_counts, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_no_space_is_told_and_healed, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_every_failing_sync_leaves_old_or_new, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_close_says_so, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_200_damaged_files, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
