/* SPDX-License-Identifier: Apache-2.0
 * test_operators_insights_scenarios.c - a hundred hospitals and a hundred shops: what was planted is found, and little else.
 *
 * Each scenario is weeks of windows of one hour, as `aggregate` would give them: counts that vary more than Poisson's, a
 * shape of day and week, groups that are now shown and now pooled, and in a shop the sum and the median of what was spent.
 * Of a hundred, 40 have a condition or a category that rises (two to four times, for 6 to 35 hours), 20 a shift of the mix (hospitals) or of what is spent (shops),
 * 20 are decoys with strong seasons and an all-over growth, and 20 are quiet. Found is what is told of the planted group, of
 * the planted kind, while it lasts. A false alarm is anything else but the largest groups.
 * DATAVAULT_SEED=n begins elsewhere; DATAVAULT_LONG=1 makes ten times as many.
 * shows: RAG-7 RAG-8 RAG-9 UI-1 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/id.h"
#include "engine/random.h"
#include "tests/unit/operators_world.h"

extern const struct dv_operator dv_operator_insights;

enum { GROUPS = 14, SMALL = 2, K = 5, HOUR = 3600000, WEEK = 168, COLUMNS = 9 };
enum plant { RISE, SHIFT, DECOY, QUIET };

struct scenario {
    struct dv_random random;
    bool is_shop, is_weekly;
    enum plant plant;
    unsigned hours, begins, lasts, group, other;
    double factor;
    double rate[GROUPS], wider[GROUPS], spend[GROUPS], phase[GROUPS];
    double swing, weekend, growth;
    unsigned hour; /* of the next window */
    bool found, alarmed;
    char alarm[512];
};
static struct scenario scenario;
static unsigned told;

static const char *const names[GROUPS] = { "J06.9", "E11.9", "I10", "M54.5", "F41.1", "K21.9", "J45.9",
                                           "N39.0", "R07.9", "A09",  "L30.9", "G43.9", "B34.9", "T78.4" };

static double between(double low, double high)
{
    return low + (high - low) * dv_random_unit(&scenario.random);
}

static double normal(void)
{
    double u = 1 - dv_random_unit(&scenario.random);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * dv_random_unit(&scenario.random));
}

/* Negative binomial, nearly: a gamma-like rate, and a Poisson count by Cornish and Fisher's expansion or by products. */
static int64_t draw_count(double mean, double wider)
{
    double rate = fmax(mean * (1 + sqrt((wider - 1) / mean) * normal()), mean / 10);
    if (rate > 25) {
        double z = normal();
        return (int64_t)fmax(0, floor(rate + sqrt(rate) * z + (z * z - 1) / 6 + 0.5));
    }
    int64_t count = -1;
    for (double product = 1; product > exp(-rate); count++)
        product *= 1 - dv_random_unit(&scenario.random);
    return count;
}

static void make(uint64_t seed, bool is_shop, unsigned index)
{
    scenario = (struct scenario){ .is_shop = is_shop, .is_weekly = index % 2 == 1 };
    struct scenario *s = &scenario;
    dv_random_seed(&s->random, seed * 1000003 + index * 2 + is_shop);
    unsigned percent = index % 100;
    s->plant = percent < 40 ? RISE : percent < 60 ? SHIFT : percent < 80 ? DECOY : QUIET;
    s->hours = s->is_weekly ? 6 * WEEK : 3 * WEEK;
    s->lasts = 6 + (unsigned)dv_random_below(&s->random, 30);
    s->begins = (s->is_weekly ? 5 : 1) * WEEK + (unsigned)dv_random_below(&s->random, WEEK - s->lasts);
    s->group = (unsigned)dv_random_below(&s->random, GROUPS - SMALL);
    s->other = (s->group + 1 + (unsigned)dv_random_below(&s->random, GROUPS - SMALL - 1)) % (GROUPS - SMALL);
    s->factor = between(2, 4);
    s->swing = s->plant == DECOY ? between(0.6, 0.9) : between(0, 0.5);
    s->weekend = !s->is_weekly ? 1 : s->plant == DECOY ? between(0.2, 0.5) : between(0.5, 1);
    s->growth = s->plant == DECOY ? between(1, 1.02) : 1;
    for (unsigned i = 0; i < GROUPS; i++) {
        s->rate[i] = i < GROUPS - SMALL ? exp(between(log(25), log(250))) : between(3, 8);
        s->wider[i] = between(1, 1.6);
        s->spend[i] = exp(between(log(10), log(800)));
        s->phase[i] = between(-3, 3);
    }
}

static bool is_on(unsigned hour)
{
    return scenario.plant <= SHIFT && hour >= scenario.begins && hour < scenario.begins + scenario.lasts;
}

static double mean_of(unsigned group, unsigned hour)
{
    const struct scenario *s = &scenario;
    double day = 1 + s->swing * sin(6.283185307179586 * (hour % 24 + s->phase[group]) / 24);
    double mean = s->rate[group] * day * (hour / 24 % 7 >= 5 ? s->weekend : 1) * pow(s->growth, hour / 24.0);
    bool on = is_on(hour);
    if (on && s->plant == RISE && group == s->group)
        mean *= s->factor;
    if (on && s->plant == SHIFT && !s->is_shop && group < GROUPS - SMALL)
        mean *= group % 2 == s->group % 2 ? s->factor : 1 / s->factor;
    return fmax(mean, 0.5);
}

/* The mean of lognormal amounts is nearly lognormal (Fenton and Wilkinson). */
static double spend_of(unsigned group, unsigned hour, int64_t count, double variation)
{
    double factor = is_on(hour) && scenario.plant == SHIFT && group == scenario.group ? scenario.factor : 1;
    double variance = log1p(variation * variation / (double)(count > 0 ? count : 1));
    return scenario.spend[group] * factor * exp(sqrt(variance) * normal() - variance / 2);
}

/* ---- the source of windows ---- */

static struct dv_label of_group(enum dv_class class)
{
    struct dv_label label = dv_label(class, DV_FORM_AGGREGATE);
    label.parameter = K;
    return label;
}

static dv_rc frames_transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_schema *schema = dv_schema_new(dv_node_arena(node), "frames", COLUMNS);
    struct dv_label public = dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN);
    assert_non_null(schema);
    (void)dv_schema_add(schema, "window_start_ms", DV_TYPE_INT, public);
    (void)dv_schema_add(schema, "window_end_ms", DV_TYPE_INT, public);
    (void)dv_schema_add(schema, "name", DV_TYPE_TEXT, of_group(DV_CLASS_SENSITIVE));
    (void)dv_schema_add(schema, "count", DV_TYPE_INT, of_group(DV_CLASS_PUBLIC));
    if (scenario.is_shop) {
        (void)dv_schema_add(schema, "sum_amount", DV_TYPE_FLOAT, of_group(DV_CLASS_SENSITIVE));
        (void)dv_schema_add(schema, "p50_amount", DV_TYPE_FLOAT, of_group(DV_CLASS_SENSITIVE));
    }
    (void)dv_schema_add(schema, "other", DV_TYPE_BOOL, of_group(DV_CLASS_PUBLIC));
    (void)dv_schema_add(schema, "suppressed", DV_TYPE_INT, of_group(DV_CLASS_PUBLIC));
    shape->out[0] = schema;
    return DV_OK;
}

static void put(struct dv_batch *batch, const char *column, uint32_t row, struct dv_cell cell)
{
    cell.present = 1;
    batch->cells[dv_schema_find(batch->schema, column)][row] = cell;
}

static void put_row(struct dv_batch *batch, const char *name, int64_t count, unsigned group)
{
    uint32_t row = batch->rows++;
    unsigned hour = scenario.hour;
    int64_t start = (int64_t)(hour + 17 * WEEK * 12 + 96) * HOUR; /* a Monday at 0:00 */
    put(batch, "window_start_ms", row, (struct dv_cell){ .integer = start });
    put(batch, "window_end_ms", row, (struct dv_cell){ .integer = start + HOUR });
    if (name != NULL)
        put(batch, "name", row, (struct dv_cell){ .text = name, .length = (uint32_t)strlen(name) });
    put(batch, "count", row, (struct dv_cell){ .integer = count });
    put(batch, "other", row, (struct dv_cell){ .integer = name == NULL });
    put(batch, "suppressed", row, (struct dv_cell){ .integer = 1 });
    dv_id_make(batch->row[row].id, hour, row, 7);
    if (!scenario.is_shop || name == NULL)
        return;
    put(batch, "sum_amount", row, (struct dv_cell){ .number = (double)count * spend_of(group, hour, count, 0.9) });
    put(batch, "p50_amount", row, (struct dv_cell){ .number = spend_of(group, hour, count, 1.1) });
}

/* As an aggregate does: groups below k are pooled, and the pool takes the smallest other if it is below k itself. */
static dv_rc frames_process(struct dv_node *node, struct dv_batch *batch)
{
    int64_t count[GROUPS];
    int64_t pool = 0;
    if (scenario.hour == scenario.hours) {
        dv_end(node);
        return DV_DROP;
    }
    unsigned least = 0;
    for (unsigned i = 0; i < GROUPS; i++) {
        count[i] = draw_count(mean_of(i, scenario.hour), scenario.wider[i]);
        pool += count[i] < K ? count[i] : 0;
        least = count[i] >= K && (count[least] < K || count[i] < count[least]) ? i : least;
    }
    bool takes = pool > 0 && pool < K;
    pool += takes ? count[least] : 0;
    for (unsigned i = 0; i < GROUPS; i++)
        if (count[i] >= K && !(takes && i == least))
            put_row(batch, names[i], count[i], i);
    if (pool > 0)
        put_row(batch, NULL, pool, 0);
    scenario.hour++;
    dv_claim(node, batch, scenario.hour, scenario.hour);
    return DV_PASS;
}

static const struct dv_operator frames = {
    .name = "source", .from = "frames", .summary = "Windows of a scenario.", .source = true, .makes = true,
    .options = (const struct dv_option[]){ { 0 } }, .size = 1, .transfer = frames_transfer, .process = frames_process,
};

/* ---- the judge ---- */

static struct dv_cell cell_of(const struct dv_batch *batch, const char *column, uint32_t row)
{
    return dv_batch_cells(batch, (uint32_t)dv_schema_find(batch->schema, column))[row];
}

static bool is_text(struct dv_cell cell, const char *text)
{
    return cell.present && cell.length == strlen(text) && memcmp(cell.text, text, cell.length) == 0;
}

/* What follows from what was planted: the mix changes when one group rises, and those that gain in a shift do rise. */
static bool is_planted(struct dv_cell kind, struct dv_cell group)
{
    const struct scenario *s = &scenario;
    if (s->plant == RISE)
        return is_text(kind, "drift") || (is_text(kind, "emerging") && is_text(group, names[s->group]));
    if (s->is_shop)
        return is_text(kind, "anomaly") && is_text(group, names[s->group]);
    bool gains = false;
    for (unsigned i = s->group % 2; i < GROUPS - SMALL; i += 2)
        gains = gains || is_text(group, names[i]);
    return is_text(kind, "drift") || (is_text(kind, "emerging") && gains);
}

static bool is_the_find(struct dv_cell kind, struct dv_cell group)
{
    const struct scenario *s = &scenario;
    const char *wanted = s->plant == RISE ? "emerging" : s->is_shop ? "anomaly" : "drift";
    return is_text(kind, wanted) && (is_text(kind, "drift") || is_text(group, names[s->group]));
}

static dv_rc judge(struct dv_node *node, struct dv_batch *batch)
{
    (void)node;
    for (uint32_t row = 0; row < batch->rows; row++) {
        struct dv_cell kind = cell_of(batch, "kind", row);
        struct dv_cell group = cell_of(batch, "group", row);
        struct dv_cell sentence = cell_of(batch, "sentence", row);
        told++;
        assert_true(sentence.present && sentence.length > 10);
        if (is_text(kind, "top"))
            continue;
        int64_t start = cell_of(batch, "window_start_ms", row).integer;
        unsigned hour = (unsigned)(start / HOUR - 17 * WEEK * 12 - 96);
        assert_true(cell_of(batch, "q", row).number <= 0.0001);
        if (is_on(hour) && is_planted(kind, group)) {
            scenario.found = scenario.found || is_the_find(kind, group);
            continue;
        }
        if (!scenario.alarmed)
            (void)snprintf(scenario.alarm, sizeof scenario.alarm, "hour %u: %.*s", hour, (int)sentence.length, sentence.text);
        scenario.alarmed = true;
    }
    return DV_PASS;
}

static dv_rc any_columns(struct dv_node *node, struct dv_shape *shape)
{
    (void)node;
    (void)shape;
    return DV_OK;
}

static const struct dv_operator judging = {
    .name = "judge", .summary = "Compares with what was planted.", .sink = true, .exit = DV_EXIT_SSE,
    .options = (const struct dv_option[]){ { 0 } }, .size = 1, .transfer = any_columns, .process = judge,
};

static void run(struct world *world)
{
    char nodes[256];
    (void)snprintf(nodes, sizeof nodes,
                   "  in: { op: source, from: frames }\n  say: { op: insights, after: in, season: %s }\n"
                   "  out: { op: judge, after: say }\n", scenario.is_weekly ? "week" : "day");
    if (!world_load(world, nodes))
        fail_msg("%s", world->findings);
    (void)world_run(world, "");
    assert_int_equal(world->rc, DV_OK);
    assert_int_equal(scenario.hour, scenario.hours);
}

static void run_all(struct world *world, bool is_shop, uint64_t seed)
{
    unsigned count = getenv("DATAVAULT_LONG") != NULL ? 1000 : 100;
    unsigned planted = 0, found = 0, alarmed = 0;
    for (unsigned i = 0; i < count; i++) {
        make(seed, is_shop, i);
        run(world);
        planted += scenario.plant <= SHIFT;
        found += scenario.found;
        alarmed += scenario.alarmed;
        if (scenario.plant <= SHIFT && !scenario.found)
            print_message("not found in %u: plant %u, x%.2f, of %.0f an hour, for %u h\n", i, scenario.plant,
                          scenario.factor, scenario.rate[scenario.group], scenario.lasts);
        if (scenario.alarmed)
            print_message("false alarm in %u (plant %u): %s\n", i, scenario.plant, scenario.alarm);
    }
    print_message("%s, seed %llu: %u of %u planted found, a false alarm in %u of %u scenarios\n",
                  is_shop ? "shops" : "hospitals", (unsigned long long)seed, found, planted, alarmed, count);
    assert_true(found * 100 >= planted * 95);
    assert_true(alarmed * 100 <= count * 5);
}

static void test_scenarios(void **state)
{
    static const struct dv_operator *const mine[] = { &frames, &judging, &dv_operator_insights, NULL };
    struct world *world = *state;
    const char *wish = getenv("DATAVAULT_SEED");
    uint64_t seed = wish != NULL ? strtoull(wish, NULL, 10) : 20240229;
    world->operators = mine;
    run_all(world, false, seed);
    run_all(world, true, seed);
    assert_true(told > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_scenarios, world_setup, world_teardown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
