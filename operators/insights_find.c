/* SPDX-License-Identifier: Apache-2.0
 * insights_find.c - places for groups, the tests of a window, and what is learnt from it. */
#include "operators/insights_find.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/id.h"
#include "operators/insights_test.h"

enum { ABSENT, TOTAL, FIRST }; /* series of groups that are not shown, of all records, and of the first place */

enum { NOWHERE = -1, BIN_MIN = 5, HOUR_MS = 3600000 };

static const double mad_to_sigma = 1.4826;     /* of a normal distribution */
static const double median_variance = 1.5708;  /* of a median, in variances of a mean: pi / 2 */
static const double freedom_of_mad = 0.367;    /* degrees of freedom that a median of deviations is worth, of each */

/* A tracked group. */
struct dv_insights_place {
    uint64_t hash;
    int64_t seen_ms;
    uint64_t seen_window;
    double count; /* in the window under way */
    uint32_t next; /* of its chain, plus 1 */
    uint32_t key_length;
    char key[DV_INSIGHTS_KEY_MAX];
};

/* A window while it is judged. */
struct judged {
    const struct dv_insights_window *window;
    double exposure;
    double total, usual_total;
    double bound; /* what a group that is not shown had at most */
    uint32_t windows;
    int32_t places[DV_INSIGHTS_ROWS_MAX];
};

size_t dv_insights_plan(struct dv_insights_plan *plan)
{
    plan->baseline.series = (plan->groups + FIRST) * (1 + plan->measures) + 1;
    return dv_baseline_bytes(&plan->baseline) + plan->groups * (sizeof(struct dv_insights_place) + 2 * sizeof(uint32_t));
}

dv_rc dv_insights_init(struct dv_insights *insights, const struct dv_insights_plan *plan, struct dv_arena *arena,
                       uint64_t seed)
{
    uint32_t heads = 1;
    while (heads < plan->groups)
        heads *= 2;
    insights->plan = *plan;
    insights->seed = seed;
    insights->head_mask = heads - 1;
    insights->heads = dv_arena_zeroed(arena, heads, sizeof *insights->heads);
    insights->places = dv_arena_zeroed(arena, plan->groups, sizeof *insights->places);
    if (insights->heads == NULL || insights->places == NULL)
        return DV_E_MEMORY;
    return dv_baseline_init(&insights->baseline, &plan->baseline, arena);
}

/* The series of a group's count; those of its measures follow. */
static uint32_t series_of(const struct dv_insights *insights, uint32_t group)
{
    return group * (1 + insights->plan.measures);
}

static uint32_t drift_series(const struct dv_insights *insights)
{
    return insights->plan.baseline.series - 1;
}

/* ---- places ---- */

static int32_t find_place(const struct dv_insights *insights, const struct dv_insights_row *row, uint64_t hash)
{
    for (uint32_t at = insights->heads[hash & insights->head_mask]; at != 0; at = insights->places[at - 1].next) {
        const struct dv_insights_place *place = &insights->places[at - 1];
        if (place->hash == hash && place->key_length == row->key_length &&
            memcmp(place->key, row->key, row->key_length) == 0)
            return (int32_t)(at - 1);
    }
    return NOWHERE;
}

static void unlink_place(struct dv_insights *insights, uint32_t index)
{
    uint32_t *at = &insights->heads[insights->places[index].hash & insights->head_mask];
    while (*at != index + 1)
        at = &insights->places[*at - 1].next;
    *at = insights->places[index].next;
}

/* Whether a place's whole past is that of a group that is not shown. */
static bool is_forgotten(const struct dv_insights *insights, const struct dv_insights_place *place, int64_t now_ms)
{
    const struct dv_baseline_plan *plan = &insights->baseline.plan;
    if (plan->season == DV_SEASON_NONE)
        return insights->windows - place->seen_window > plan->history;
    return now_ms - place->seen_ms > (int64_t)insights->baseline.slots * plan->history * HOUR_MS;
}

static int32_t free_place(struct dv_insights *insights, int64_t now_ms)
{
    if (insights->place_count < insights->plan.groups)
        return (int32_t)insights->place_count++;
    for (uint32_t i = 0; i < insights->place_count; i++) {
        if (!is_forgotten(insights, &insights->places[i], now_ms))
            continue;
        unlink_place(insights, i);
        return (int32_t)i;
    }
    return NOWHERE;
}

static int32_t admit(struct dv_insights *insights, const struct dv_insights_row *row, uint64_t hash, int64_t now_ms)
{
    int32_t index = row->key_length <= DV_INSIGHTS_KEY_MAX ? free_place(insights, now_ms) : NOWHERE;
    if (index == NOWHERE)
        return NOWHERE;
    struct dv_insights_place *place = &insights->places[index];
    uint32_t *head = &insights->heads[hash & insights->head_mask];
    *place = (struct dv_insights_place){ .hash = hash, .next = *head, .key_length = row->key_length };
    memcpy(place->key, row->key, row->key_length);
    *head = (uint32_t)index + 1;
    for (uint32_t i = 0; i <= insights->plan.measures; i++)
        dv_baseline_copy(&insights->baseline, series_of(insights, FIRST + (uint32_t)index) + i, i);
    return index;
}

/* A row whose key another row of the window had already gets no place: it would be learnt twice. */
static int32_t place_of(struct dv_insights *insights, const struct dv_insights_row *row, int64_t now_ms)
{
    uint64_t hash = dv_hash64(row->key, row->key_length, insights->seed);
    int32_t index = find_place(insights, row, hash);
    if (index == NOWHERE)
        index = admit(insights, row, hash, now_ms);
    if (index == NOWHERE || insights->places[index].seen_window == insights->windows)
        return NOWHERE;
    insights->places[index].seen_ms = now_ms;
    insights->places[index].seen_window = insights->windows;
    insights->places[index].count = row->count;
    return index;
}

/* ---- tests ---- */

/* Whether it is tested or not, a figure's deviation is learnt: at once if it is not, else unless it is told (learn_deviations()). */
static void add_test(struct dv_insights *insights, double deviation, struct dv_insight insight)
{
    DV_ASSERT(insights->found_count < sizeof insights->found / sizeof insights->found[0]);
    insights->p[insights->found_count] = insight.p;
    insights->deviations[insights->found_count] = deviation;
    insights->found[insights->found_count++] = insight;
}

/* How much wider than Poisson's or the binomial's variance a series strays; never narrower. */
static double dispersion(const struct dv_insights *insights, uint32_t series)
{
    double sigma = dv_baseline_deviation(&insights->baseline, series) * mad_to_sigma;
    return sigma > 1 ? sigma * sigma : 1;
}

/* The expected count, and its variance if nothing strayed. */
static double expected_count(const struct dv_insights *insights, const struct judged *judged, double usual,
                             double *ret_variance)
{
    double expected = fmax(usual * judged->exposure, 1);
    *ret_variance = expected;
    if (insights->plan.test == DV_INSIGHTS_COUNT || !(judged->usual_total > 0))
        return expected;
    double share = fmin(fmax(usual / judged->usual_total, 1 / fmax(judged->total, 2)), 0.999);
    *ret_variance = fmax(judged->total * share * (1 - share), 1e-3);
    return judged->total * share;
}

static double growth_p(const struct dv_insights *insights, const struct judged *judged, double count, double expected,
                       double wider)
{
    if (insights->plan.test == DV_INSIGHTS_COUNT)
        return dv_tail_negative_binomial(count, expected, expected * wider);
    double rho = judged->total > 1 ? (wider - 1) / (judged->total - 1) : 0;
    return dv_tail_beta_binomial((uint64_t)count, (uint64_t)judged->total, expected / judged->total, rho);
}

static void test_growth(struct dv_insights *insights, const struct judged *judged, uint32_t row)
{
    uint32_t series = series_of(insights, FIRST + (uint32_t)judged->places[row]);
    double usual = dv_baseline_usual(&insights->baseline, series);
    double count = judged->window->rows[row].count;
    if (isnan(usual) || isnan(judged->usual_total))
        return;
    double variance = 0;
    double expected = expected_count(insights, judged, usual, &variance);
    double deviation = (count - expected) / sqrt(variance);
    double wider = dispersion(insights, series) * (1 + median_variance / judged->windows);
    bool known = !isnan(dv_baseline_deviation(&insights->baseline, series));
    if (!known || count < insights->plan.min_count) {
        dv_baseline_deviates(&insights->baseline, series, deviation);
        dv_baseline_deviates(&insights->baseline, ABSENT, deviation);
        return;
    }
    add_test(insights, deviation, (struct dv_insight){
                                     .kind = DV_INSIGHT_EMERGING, .row = (int32_t)row, .measure = -1, .observed = count,
                                     .expected = expected, .effect = count / expected, .score = deviation / sqrt(wider),
                                     .p = growth_p(insights, judged, count, expected, wider), .windows = judged->windows });
}

/* How far a figure is from the usual one, as a ratio: amounts stray by factors, so their logarithms are even-handed. */
static double strays(double value, double usual)
{
    return value / usual > 0 ? log(value / usual) : (value - usual) / fabs(usual);
}

/* A mean or median over n records strays by one over the root of n. */
static void test_measure(struct dv_insights *insights, const struct judged *judged, uint32_t row, uint32_t measure)
{
    uint32_t series = series_of(insights, FIRST + (uint32_t)judged->places[row]) + 1 + measure;
    double usual = dv_baseline_usual(&insights->baseline, series);
    double value = judged->window->rows[row].measures[measure];
    double count = judged->window->rows[row].count;
    if (isnan(usual) || isnan(value) || usual == 0)
        return;
    double deviation = strays(value, usual) * sqrt(count);
    double spread = dv_baseline_deviation(&insights->baseline, series) * mad_to_sigma;
    uint32_t known = insights->baseline.series[series].deviation_count;
    if (isnan(spread) || !(spread > 0) || count < insights->plan.min_count) {
        dv_baseline_deviates(&insights->baseline, series, deviation);
        return;
    }
    double z = deviation / spread; /* learnt from deviations from medians, so their own error is in it */
    double freedom = freedom_of_mad * fmin(known, DV_BASELINE_DEVIATIONS);
    add_test(insights, deviation, (struct dv_insight){
                                 .kind = DV_INSIGHT_ANOMALY, .row = (int32_t)row, .measure = (int32_t)measure,
                                 .observed = value, .expected = usual, .effect = value / usual, .score = z,
                                 .p = dv_tail_student(z, freedom), .windows = judged->windows });
}

/* The shares of the groups, before and now, in bins that were expected to hold enough. */
struct bins {
    double before[DV_INSIGHTS_ROWS_MAX + 1], now[DV_INSIGHTS_ROWS_MAX + 1];
    uint32_t count;
    double records; /* of all bins, now */
};

static void add_bin(struct bins *bins, double before, double now)
{
    bins->before[bins->count] = before;
    bins->now[bins->count++] = now;
    bins->records += now;
}

/* The usual counts of the groups need not add up to the usual total, as medians do not. */
static void fill_bins(const struct dv_insights *insights, const struct judged *judged, struct bins *bins)
{
    double left = judged->usual_total;
    double left_now = judged->total;
    for (uint32_t row = 0; row < judged->window->row_count; row++) {
        if (judged->places[row] == NOWHERE)
            continue;
        double usual = dv_baseline_usual(&insights->baseline, series_of(insights, FIRST + (uint32_t)judged->places[row]));
        if (isnan(usual) || usual * judged->exposure < BIN_MIN)
            continue;
        add_bin(bins, usual, judged->window->rows[row].count);
        left -= usual;
        left_now -= judged->window->rows[row].count;
    }
    if (left * judged->exposure >= BIN_MIN && left_now >= BIN_MIN)
        add_bin(bins, left, left_now);
    double sum = 0;
    for (uint32_t i = 0; i < bins->count; i++)
        sum += bins->before[i];
    for (uint32_t i = 0; i < bins->count; i++) {
        bins->before[i] /= sum;
        bins->now[i] /= bins->records;
    }
}

static void test_drift(struct dv_insights *insights, const struct judged *judged)
{
    struct bins bins = { .count = 0 };
    if (isnan(judged->usual_total) || judged->total < insights->plan.min_count)
        return;
    fill_bins(insights, judged, &bins);
    if (bins.count < 2)
        return;
    double square = 0;
    for (uint32_t i = 0; i < bins.count; i++)
        square += (bins.now[i] - bins.before[i]) * (bins.now[i] - bins.before[i]) / bins.before[i] * bins.records;
    double freedom = bins.count - 1;
    double wider = dv_baseline_deviation(&insights->baseline, drift_series(insights));
    double deviation = square / freedom;
    if (isnan(wider)) {
        dv_baseline_deviates(&insights->baseline, drift_series(insights), deviation);
        return;
    }
    double middle = pow(1 - 2 / (9 * freedom), 3); /* the median of chi-square, over its mean */
    square /= fmax(wider / middle, 1) * (1 + median_variance / judged->windows);
    add_test(insights, deviation, (struct dv_insight){
                                 .kind = DV_INSIGHT_DRIFT, .row = -1, .measure = -1, .observed = judged->total,
                                 .expected = judged->usual_total * judged->exposure, .score = square,
                                 .effect = dv_stability_index(bins.before, bins.now, bins.count),
                                 .p = dv_tail_chi_square(square, freedom), .windows = judged->windows });
}

/* ---- what is said ---- */

double dv_insight_size(const struct dv_insight *insight)
{
    bool is_ratio = insight->kind == DV_INSIGHT_EMERGING || insight->kind == DV_INSIGHT_ANOMALY;
    if (!is_ratio || insight->effect >= 1)
        return insight->effect;
    return insight->effect > 0 ? 1 / insight->effect : INFINITY;
}

static bool is_large(const struct dv_insights *insights, const struct dv_insight *insight)
{
    switch (insight->kind) {
    case DV_INSIGHT_EMERGING:
        return insight->effect >= insights->plan.growth && insight->observed - insight->expected >= insights->plan.k;
    case DV_INSIGHT_ANOMALY:
        return dv_insight_size(insight) >= insights->plan.shift;
    default:
        return insight->effect >= insights->plan.drift;
    }
}

static bool is_told(const struct dv_insights *insights, const struct dv_insight *insight)
{
    return insight->q <= insights->plan.alpha && is_large(insights, insight);
}

static uint32_t say_found(struct dv_insights *insights, struct dv_insight *ret, uint32_t room)
{
    uint32_t said = 0;
    dv_false_discovery(insights->p, insights->q, insights->order, insights->found_count);
    for (uint32_t i = 0; i < insights->found_count; i++) {
        struct dv_insight *insight = &insights->found[insights->order[i]];
        insight->q = insights->q[insights->order[i]];
        if (said < room && is_told(insights, insight))
            ret[said++] = *insight;
    }
    return said;
}

/* What is told as unusual says nothing of how far the usual strays: learnt, it would silence itself while it still lasts. */
static void learn_deviations(struct dv_insights *insights, const struct judged *judged)
{
    for (uint32_t i = 0; i < insights->found_count; i++) {
        const struct dv_insight *insight = &insights->found[i];
        uint32_t series = drift_series(insights);
        if (is_told(insights, insight))
            continue;
        if (insight->kind != DV_INSIGHT_DRIFT)
            series = series_of(insights, FIRST + (uint32_t)judged->places[insight->row]) + (uint32_t)(insight->measure + 1);
        dv_baseline_deviates(&insights->baseline, series, insights->deviations[i]);
        if (insight->kind == DV_INSIGHT_EMERGING)
            dv_baseline_deviates(&insights->baseline, ABSENT, insights->deviations[i]);
    }
}

static int by_count(const void *a, const void *b, void *data)
{
    const struct dv_insights_row *rows = data;
    uint32_t first = *(const uint32_t *)a;
    uint32_t second = *(const uint32_t *)b;
    if (rows[first].count != rows[second].count)
        return rows[first].count < rows[second].count ? 1 : -1;
    return (first > second) - (first < second);
}

static uint32_t say_top(struct dv_insights *insights, const struct judged *judged, struct dv_insight *ret)
{
    const struct dv_insights_window *window = judged->window;
    uint32_t said = insights->plan.top < window->row_count ? insights->plan.top : window->row_count;
    for (uint32_t i = 0; i < window->row_count; i++)
        insights->order[i] = i;
    qsort_r(insights->order, window->row_count, sizeof insights->order[0], by_count, (void *)(uintptr_t)window->rows);
    for (uint32_t i = 0; i < said; i++) {
        uint32_t row = insights->order[i];
        int32_t place = judged->places[row];
        double usual = place == NOWHERE ? NAN : dv_baseline_usual(&insights->baseline, series_of(insights, FIRST + (uint32_t)place));
        ret[i] = (struct dv_insight){ .kind = DV_INSIGHT_TOP, .row = (int32_t)row, .measure = -1,
                                      .observed = window->rows[row].count, .expected = usual * judged->exposure,
                                      .effect = window->rows[row].count / judged->total,
                                      .score = NAN, .p = NAN, .q = NAN,
                                      .windows = isnan(usual) ? 0 : judged->windows };
    }
    return said;
}

/* ---- a window ---- */

static double bound_of(const struct dv_insights *insights, const struct dv_insights_window *window)
{
    double least = window->pool;
    for (uint32_t row = 0; row < window->row_count && !isnan(window->pool); row++)
        least = fmin(least, window->rows[row].count);
    return !isnan(least) ? least : window->suppressed ? insights->plan.k - 1 : 0;
}

static void begin(struct dv_insights *insights, const struct dv_insights_window *window, struct judged *judged)
{
    int64_t length_ms = window->end_ms > window->start_ms ? window->end_ms - window->start_ms : 1;
    insights->windows++;
    insights->found_count = 0;
    if (insights->usual_ms == 0)
        insights->usual_ms = length_ms;
    dv_baseline_window(&insights->baseline, window->start_ms);
    *judged = (struct judged){ .window = window, .exposure = (double)length_ms / (double)insights->usual_ms };
    judged->total = isnan(window->pool) ? 0 : window->pool;
    for (uint32_t row = 0; row < window->row_count; row++) {
        judged->total += window->rows[row].count;
        judged->places[row] = place_of(insights, &window->rows[row], window->start_ms);
        insights->untracked += judged->places[row] == NOWHERE;
    }
    judged->usual_total = dv_baseline_usual(&insights->baseline, series_of(insights, TOTAL));
    judged->bound = bound_of(insights, window);
    judged->windows = dv_baseline_windows(&insights->baseline);
}

static void learn(struct dv_insights *insights, const struct judged *judged)
{
    const struct dv_insights_window *window = judged->window;
    struct dv_baseline *baseline = &insights->baseline;
    dv_baseline_learn(baseline, series_of(insights, ABSENT), judged->bound / judged->exposure);
    dv_baseline_learn(baseline, series_of(insights, TOTAL), judged->total / judged->exposure);
    for (uint32_t i = 0; i < insights->place_count; i++) {
        const struct dv_insights_place *place = &insights->places[i];
        double count = place->seen_window == insights->windows ? place->count : judged->bound;
        dv_baseline_learn(baseline, series_of(insights, FIRST + i), count / judged->exposure);
    }
    for (uint32_t row = 0; row < window->row_count; row++)
        for (uint32_t measure = 0; measure < insights->plan.measures && judged->places[row] != NOWHERE; measure++)
            dv_baseline_learn(baseline, series_of(insights, FIRST + (uint32_t)judged->places[row]) + 1 + measure,
                              window->rows[row].measures[measure]);
}

uint32_t dv_insights_window(struct dv_insights *insights, const struct dv_insights_window *window,
                            struct dv_insight ret[DV_INSIGHTS_SAID_MAX])
{
    struct judged judged;
    DV_ASSERT(window->row_count <= DV_INSIGHTS_ROWS_MAX && insights->plan.top < DV_INSIGHTS_SAID_MAX);
    begin(insights, window, &judged);
    for (uint32_t row = 0; row < window->row_count; row++) {
        if (judged.places[row] == NOWHERE)
            continue;
        test_growth(insights, &judged, row);
        for (uint32_t measure = 0; measure < insights->plan.measures; measure++)
            test_measure(insights, &judged, row, measure);
    }
    test_drift(insights, &judged);
    uint32_t said = say_found(insights, ret, DV_INSIGHTS_SAID_MAX - insights->plan.top);
    said += say_top(insights, &judged, ret + said);
    learn_deviations(insights, &judged);
    learn(insights, &judged);
    return said;
}
