/* SPDX-License-Identifier: Apache-2.0
 * test_operators_aggregate_frames.c - attackers who subtract: the numbers of a frame from its totals, and frames from frames.
 *
 * Windows do not overlap, so what two frames differ by is nobody's record: an attacker who takes any two rows of
 * consecutive frames, whose counts differ by one, and claims that their sums differ by one person's amount, is never right. The
 * control is a stream that tells running totals of the same records, groups below k hidden there, too.
 *
 * shows: PRV-4 PRV-15 X4 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/random.h"
#include "tests/unit/operators_world.h"

enum { K = 5, WARDS = 6, FLOORS = 5, FRAMES = 1100, TABLES = 300, OF_FRAME = 120, ROWS_MAX = 64, INPUT = 1 << 23 };

struct visit {
    int ward, floor, id;
    int64_t amount;
};

/* The records of one window. */
struct frame {
    struct visit visits[OF_FRAME];
    int count;
};

/* A row that was shown; -1: the column is missing. */
struct row {
    int ward, floor;
    int64_t count, sum;
    char total[8];
    bool other;
};

static int setup(void **state)
{
    (void)world_setup(state);
    world_file(*state, "schemas/visit.yaml",
               "name: visit\nsubject: id\nfields:\n"
               "  id: { type: int, class: direct-id }\n"
               "  ward: { type: int, class: sensitive }\n"
               "  floor: { type: int, class: sensitive }\n"
               "  amount: { type: int, class: sensitive }\n");
    return 0;
}

static void seed(struct dv_random *random)
{
    const char *given = getenv("DATAVAULT_SEED");
    uint64_t number = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("DATAVAULT_SEED=%llu\n", (unsigned long long)number);
    dv_random_seed(random, number);
}

/* One frame a second; people come again in other frames, and in other groups of the same. */
static char *write_input(const struct frame *frames, int count)
{
    char *input = malloc(INPUT);
    size_t length = 0;
    assert_non_null(input);
    for (int i = 0; i < count; i++) {
        length += (size_t)snprintf(input + length, INPUT - length, "%s@%d\n", i > 0 ? "\n" : "", i);
        for (int j = 0; j < frames[i].count; j++) {
            const struct visit *visit = &frames[i].visits[j];
            length += (size_t)snprintf(input + length, INPUT - length, "{\"id\":%d,\"ward\":%d,\"floor\":%d,\"amount\":%lld}\n",
                                       visit->id, visit->ward, visit->floor, (long long)visit->amount);
        }
        assert_true(length < INPUT);
    }
    return input;
}

static void add_visits(struct frame *frame, struct dv_random *random, int ward, int floor, int count, int people)
{
    for (int i = 0; i < count && frame->count < OF_FRAME; i++)
        frame->visits[frame->count++] = (struct visit){ .ward = ward, .floor = floor,
                                                        .id = (int)dv_random_below(random, (uint64_t)people),
                                                        .amount = (int64_t)(dv_random_u64(random) >> 24) };
}

static int64_t number_of(const char *line, const char *name)
{
    char key[32];
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(line, key);
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : -1;
}

/* The rows of the next frame; *at moves behind it. */
static int read_frame(const char **at, struct row *rows, int64_t *ret_start_ms)
{
    int count = 0;
    *ret_start_ms = number_of(*at, "window_start_ms");
    while (**at != '\0' && number_of(*at, "window_start_ms") == *ret_start_ms) {
        char line[512];
        const char *end = strchr(*at, '\n');
        assert_true(end != NULL && (size_t)(end - *at) < sizeof line && count < ROWS_MAX);
        memcpy(line, *at, (size_t)(end - *at));
        line[end - *at] = '\0';
        *at = end + 1;
        struct row row = { .ward = (int)number_of(line, "ward"), .floor = (int)number_of(line, "floor"),
                           .count = number_of(line, "count"), .sum = number_of(line, "sum_amount"),
                           .other = strstr(line, "\"other\":true") != NULL };
        const char *total = strstr(line, "\"total\":\"");
        if (total != NULL)
            (void)sscanf(total + strlen("\"total\":\""), "%7[a-z]", row.total);
        if (row.count >= 0)
            rows[count++] = row;
    }
    return count;
}

static const char *run(struct world *world, const char *options, const char *input)
{
    char nodes[512];
    (void)snprintf(nodes, sizeof nodes, "  in: { op: source, from: text, schema: visit }\n"
                                        "  t: { op: aggregate, after: in, window: 1s, %s }\n  out: { op: sse, after: t }\n",
                   options);
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
    const char *output = world_run(world, input);
    assert_int_equal(world->rc, DV_OK);
    return output;
}

/* ---- within a frame ---- */

/* How many people and records of a frame are in a row, -1 standing for any. */
static int people_of(const struct frame *frame, int ward, int floor, int64_t *ret_count)
{
    bool seen[OF_FRAME] = { false };
    int people = 0;
    *ret_count = 0;
    for (int i = 0; i < frame->count; i++) {
        const struct visit *visit = &frame->visits[i];
        if ((ward >= 0 && visit->ward != ward) || (floor >= 0 && visit->floor != floor))
            continue;
        people += !seen[visit->id];
        seen[visit->id] = true;
        ++*ret_count;
    }
    return people;
}

/* Who subtracts what is shown of a line from its total finds nothing, or something with a group of k in it. */
static int thin_rests(const struct frame *frame, bool shown[WARDS + 1][FLOORS + 1], bool naive)
{
    int thin = 0;
    for (int line = 0; line < WARDS + FLOORS + 2; line++) {
        bool is_ward = line <= WARDS;
        int at = is_ward ? line : line - WARDS - 1, length = is_ward ? FLOORS : WARDS;
        bool *total = is_ward ? &shown[at][FLOORS] : &shown[WARDS][at];
        bool small = false, large = false;
        for (int i = 0; i < length; i++) {
            int ward = is_ward ? at : i, floor = is_ward ? i : at;
            int64_t count;
            int people = people_of(frame, ward == WARDS ? -1 : ward, floor == FLOORS ? -1 : floor, &count);
            bool hidden = naive ? people < K : !shown[ward][floor];
            small = small || (hidden && count > 0 && people < K);
            large = large || (hidden && people >= K);
        }
        int64_t count;
        bool is_shown = naive ? people_of(frame, is_ward && at < WARDS ? at : -1, !is_ward && at < FLOORS ? at : -1, &count) >= K
                              : *total;
        thin += is_shown && small && !large;
    }
    return thin;
}

static void check_row(const struct frame *frame, const struct row *row, bool shown[WARDS + 1][FLOORS + 1])
{
    const char *total = row->ward < 0 ? row->floor < 0 ? "all" : "floor" : row->floor < 0 ? "ward" : "";
    int64_t count;
    assert_true(people_of(frame, row->ward, row->floor, &count) >= K);
    assert_int_equal(row->count, count);
    assert_string_equal(row->total, total);
    assert_false(row->other);
    assert_true(row->total[0] == '\0' || row->sum == -1);
    bool *place = &shown[row->ward < 0 ? WARDS : row->ward][row->floor < 0 ? FLOORS : row->floor];
    assert_false(*place);
    *place = true;
}

static void attack_tables(void **state, const char *options)
{
    static struct frame frames[TABLES];
    struct dv_random random;
    seed(&random);
    memset(frames, 0, sizeof frames);
    for (int i = 0; i < TABLES; i++) {
        unsigned full = 20 + (unsigned)dv_random_below(&random, 60);
        for (int cell = 0; cell < WARDS * FLOORS; cell++)
            if (dv_random_chance(&random, full))
                add_visits(&frames[i], &random, cell / FLOORS, cell % FLOORS, 1 + (int)dv_random_below(&random, 12),
                           20 + (int)dv_random_below(&random, OF_FRAME - 20));
        add_visits(&frames[i], &random, 0, 0, 1, OF_FRAME);
    }
    char *input = write_input(frames, TABLES);
    const char *output = run(*state, options, input);
    int rows_shown = 0, thin = 0, read = 0;
    while (*output != '\0') {
        struct row rows[ROWS_MAX];
        bool shown[WARDS + 1][FLOORS + 1] = { { false } };
        int64_t start_ms;
        int count = read_frame(&output, rows, &start_ms);
        const struct frame *frame = &frames[read++];
        for (int i = 0; i < count; i++)
            check_row(frame, &rows[i], shown);
        assert_int_equal(thin_rests(frame, shown, false), 0);
        thin += thin_rests(frame, shown, true);
        rows_shown += count;
    }
    print_message("%d tables: %d rows shown, %d lines whose rest would tell of small groups alone, 0 do\n", read, rows_shown, thin);
    assert_int_equal(read, TABLES);
    assert_true(rows_shown > 5 * TABLES && thin > TABLES);
    free(input);
}

static void test_margins(void **state)
{
    attack_tables(state, "by: [ward, floor], sums: amount, margins: true");
}

static void test_margins_of_the_largest(void **state)
{
    attack_tables(state, "by: [ward, floor], sums: amount, margins: true, top: 16");
}

/* Groups for which there is no room are in no line but their own. */
static void test_margins_without_room(void **state)
{
    static struct frame frame;
    struct dv_random random;
    dv_random_seed(&random, 7);
    memset(&frame, 0, sizeof frame);
    for (int id = 0; id < 40; id++)
        frame.visits[frame.count++] = (struct visit){ .id = id, .ward = id / 10, .floor = 0, .amount = id };
    char *input = write_input(&frame, 1);
    const char *output = run(*state, "by: [ward, floor], margins: true, groups: 3", input);
    assert_non_null(strstr(output, "\"total\":\"all\",\"count\":40,"));
    assert_non_null(strstr(output, "\"ward\":2,\"floor\":0,\"count\":10,"));
    assert_null(strstr(output, "\"ward\":3"));
    assert_non_null(strstr(output, "\"floor\":0,\"total\":\"floor\",\"count\":30,"));
    free(input);
}

static void test_margins_of_nobody(void **state)
{
    static struct frame frame;
    memset(&frame, 0, sizeof frame);
    for (int id = 0; id < 4; id++)
        frame.visits[frame.count++] = (struct visit){ .id = id, .ward = id, .floor = 0, .amount = id };
    char *input = write_input(&frame, 1);
    assert_string_equal(run(*state, "by: [ward, floor], margins: true", input),
                        "out.t {\"window_start_ms\":1700000000000,\"window_end_ms\":1700000001000,\"other\":false,"
                        "\"suppressed\":4}\n");
    free(input);
}

/* ---- between frames ---- */

static bool is_amount(const struct frame *frame, int64_t amount)
{
    for (int i = 0; i < frame->count; i++)
        if (frame->visits[i].amount == amount)
            return true;
    return false;
}

/* How many people two frames tell apart, by any two of their rows or all of them together. */
static int isolated(const struct frame *frames, const struct row *old, int old_count, const struct row *new, int new_count,
                    int *claims)
{
    int right = 0;
    for (int i = 0; i < old_count; i++) {
        for (int j = 0; j < new_count; j++) {
            int64_t more = new[j].count - old[i].count;
            int64_t amount = more == 1 ? new[j].sum - old[i].sum : old[i].sum - new[j].sum;
            if ((more != 1 && more != -1) || new[j].sum < 0 || old[i].sum < 0)
                continue;
            ++*claims;
            right += is_amount(&frames[0], amount) || is_amount(&frames[1], amount);
        }
    }
    return right;
}

static struct row all_of(const struct row *rows, int count)
{
    struct row all = { .ward = -1, .floor = -1 };
    for (int i = 0; i < count; i++) {
        all.count += rows[i].count;
        all.sum += rows[i].sum;
    }
    return all;
}

/* What a stream of running totals would show. */
static int running_totals(const struct frame *frames, int index, struct row *totals, struct row *rows)
{
    int count = 0;
    for (int i = 0; i < frames[index].count; i++) {
        struct row *total = &totals[frames[index].visits[i].ward];
        total->ward = frames[index].visits[i].ward;
        total->count++;
        total->sum += frames[index].visits[i].amount;
    }
    for (int ward = 0; ward < WARDS; ward++)
        if (totals[ward].count >= K)
            rows[count++] = totals[ward];
    return count;
}

static void make_frames(struct frame *frames)
{
    struct dv_random random;
    seed(&random);
    memset(frames, 0, FRAMES * sizeof *frames);
    for (int i = 0; i < FRAMES; i++) {
        for (int ward = 0; ward < WARDS; ward++)
            add_visits(&frames[i], &random, ward, 0, (int)dv_random_below(&random, 12), OF_FRAME);
        add_visits(&frames[i], &random, 0, 0, frames[i].count == 0, OF_FRAME);
    }
}

static void test_frames(void **state)
{
    static struct frame frames[FRAMES];
    make_frames(frames);
    char *input = write_input(frames, FRAMES);
    const char *output = run(*state, "by: ward, sums: amount", input);
    struct row rows[2][ROWS_MAX] = { 0 }, naive[2][ROWS_MAX] = { 0 }, totals[WARDS] = { 0 };
    int count[2] = { 0 }, naive_count[2] = { 0 }, read = 0, right = 0, claims = 0, naive_right = 0, naive_claims = 0;
    for (; *output != '\0'; read++) {
        int64_t start_ms;
        int now = read % 2, before = 1 - now;
        count[now] = read_frame(&output, rows[now], &start_ms);
        assert_int_equal(start_ms, INT64_C(1700000000000) + 1000 * (int64_t)read);
        rows[now][count[now]] = all_of(rows[now], count[now]);
        count[now]++;
        naive_count[now] = running_totals(frames, read, totals, naive[now]);
        if (read == 0)
            continue;
        right += isolated(&frames[read - 1], rows[before], count[before], rows[now], count[now], &claims);
        naive_right += isolated(&frames[read - 1], naive[before], naive_count[before], naive[now], naive_count[now],
                                &naive_claims);
    }
    print_message("%d frames: %d claims, %d of them right; on running totals %d claims, %d right\n", read, claims, right,
                  naive_claims, naive_right);
    assert_int_equal(read, FRAMES);
    assert_true(claims > FRAMES);
    assert_int_equal(right, 0);
    assert_true(naive_right > FRAMES / 4);
    free(input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_margins, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_margins_of_the_largest, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_margins_without_room, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_margins_of_nobody, setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_frames, setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
