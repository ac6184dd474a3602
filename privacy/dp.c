/* SPDX-License-Identifier: Apache-2.0
 * dp.c - integers with noise, and what is made of them afterwards. */
#include "privacy/dp.h"

#include <math.h>

static bool epsilon_is_sound(int64_t epsilon_nano)
{
    return epsilon_nano >= DV_DP_EPSILON_MIN && epsilon_nano <= DV_DP_EPSILON_MAX;
}

static bool sensitivity_is_sound(dv_wide sensitivity)
{
    return sensitivity > 0 && sensitivity <= DV_DP_SENSITIVITY_MAX;
}

static int64_t add_saturated(int64_t value, int64_t noise)
{
    int64_t sum = 0;
    if (!__builtin_add_overflow(value, noise, &sum))
        return sum;
    return noise > 0 ? INT64_MAX : INT64_MIN;
}

dv_rc dv_dp_laplace(struct dv_noise *noise, int64_t value, uint64_t sensitivity, int64_t epsilon_nano, int64_t *ret)
{
    int64_t drawn = 0;
    if (!sensitivity_is_sound(sensitivity) || !epsilon_is_sound(epsilon_nano))
        return DV_E_LIMIT;
    struct dv_ratio scale = { sensitivity * DV_DP_NANO, (uint64_t)epsilon_nano };
    DV_TRY(dv_noise_laplace(noise, scale, &drawn));
    *ret = add_saturated(value, drawn);
    return DV_OK;
}

/* sensitivity² / 2ρ, rounded up to thousandths where those fit and else to wholes; {0, 0}: too wide. */
static struct dv_ratio variance_of(uint64_t sensitivity, int64_t rho_nano)
{
    dv_wide over = (dv_wide)sensitivity * sensitivity * DV_DP_NANO;
    dv_wide under = (dv_wide)2 * (dv_wide)rho_nano;
    for (uint64_t fineness = 1024; fineness != 0; fineness = fineness == 1024) {
        dv_wide parts = (over * fineness + under - 1) / under;
        if (parts < (dv_wide)1 << 50)
            return (struct dv_ratio){ (uint64_t)parts, fineness };
    }
    return (struct dv_ratio){ 0, 0 };
}

dv_rc dv_dp_gaussian(struct dv_noise *noise, int64_t value, uint64_t sensitivity, int64_t rho_nano, int64_t *ret)
{
    int64_t drawn = 0;
    if (!sensitivity_is_sound(sensitivity) || rho_nano <= 0)
        return DV_E_LIMIT;
    DV_TRY(dv_noise_gaussian(noise, variance_of(sensitivity, rho_nano), &drawn));
    *ret = add_saturated(value, drawn);
    return DV_OK;
}

dv_rc dv_dp_histogram(struct dv_noise *noise, const int64_t *bins, uint32_t count, uint32_t contributions,
                      int64_t epsilon_nano, int64_t *ret)
{
    for (uint32_t i = 0; i < count; i++)
        DV_TRY(dv_dp_laplace(noise, bins[i], contributions, epsilon_nano, &ret[i]));
    return DV_OK;
}

bool dv_dp_range(double min, double max, struct dv_dp_range *ret)
{
    if (!isfinite(min) || !isfinite(max) || !(min < max))
        return false;
    int exponent = 0;
    (void)frexp(fmax(fabs(min), fabs(max)), &exponent);
    struct dv_dp_range range = { .exponent = exponent - DV_DP_RANGE_BITS };
    range.low = llround(ldexp(min, -range.exponent));
    range.high = llround(ldexp(max, -range.exponent));
    if (range.low >= range.high)
        return false;
    *ret = range;
    return true;
}

int64_t dv_dp_steps(const struct dv_dp_range *range, double value)
{
    double steps = ldexp(value, -range->exponent);
    if (!(steps > (double)range->low))
        return range->low;
    return steps < (double)range->high ? llround(steps) : range->high;
}

double dv_dp_number(const struct dv_dp_range *range, int64_t steps)
{
    return ldexp((double)steps, range->exponent);
}

/* What one record changes at most in a sum of steps counted from `middle`. */
static uint64_t reach_of(const struct dv_dp_range *range, int64_t middle)
{
    int64_t up = range->high - middle;
    int64_t down = middle - range->low;
    return (uint64_t)(up > down ? up : down);
}

dv_rc dv_dp_sum(struct dv_noise *noise, const struct dv_dp_range *range, int64_t steps, uint32_t contributions,
                int64_t epsilon_nano, double *ret)
{
    int64_t noised = 0;
    uint64_t up = range->high > 0 ? (uint64_t)range->high : 0;
    uint64_t down = range->low < 0 ? (uint64_t)-range->low : 0;
    DV_TRY(dv_dp_laplace(noise, steps, (up > down ? up : down) * contributions, epsilon_nano, &noised));
    *ret = dv_dp_number(range, noised);
    return DV_OK;
}

dv_rc dv_dp_mean(struct dv_noise *noise, const struct dv_dp_range *range, int64_t steps, int64_t count,
                 uint32_t contributions, int64_t epsilon_nano, double *ret)
{
    int64_t noised_sum = 0;
    int64_t noised_count = 0;
    int64_t middle = (range->low + range->high) / 2;
    int64_t half = epsilon_nano / 2;
    if (count < 0 || count >= (int64_t)1 << 40)
        return DV_E_LIMIT;
    DV_TRY(dv_dp_laplace(noise, steps - middle * count, reach_of(range, middle) * contributions, half, &noised_sum));
    DV_TRY(dv_dp_laplace(noise, count, contributions, epsilon_nano - half, &noised_count));
    double apart = (double)noised_sum / (double)(noised_count > 1 ? noised_count : 1);
    double mean = (double)middle + apart;
    *ret = ldexp(fmin(fmax(mean, (double)range->low), (double)range->high), range->exponent);
    return DV_OK;
}

/* How far a bin is from holding the quantile, in records times `under`; 0: it does. One record more or less changes
 * this by at most max(over, under - over). */
static int64_t distance(struct dv_ratio quantile, int64_t before, int64_t in, int64_t all)
{
    int64_t target = (int64_t)quantile.over * all;
    int64_t above = (int64_t)quantile.under * before - target;
    int64_t below = target - (int64_t)quantile.under * (before + in);
    int64_t worst = above > below ? above : below;
    return worst > 0 ? worst : 0;
}

static dv_rc count_all(const int64_t *bins, uint32_t count, int64_t *ret)
{
    int64_t all = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (bins[i] < 0 || bins[i] >= (int64_t)1 << 40)
            return DV_E_LIMIT;
        all += bins[i];
    }
    *ret = all;
    return all < (int64_t)1 << 40 ? DV_OK : DV_E_LIMIT;
}

/* Fills the bins' distances less the least of them. */
static void rank(const int64_t *bins, uint32_t count, struct dv_ratio quantile, int64_t all, int64_t *ret)
{
    int64_t before = 0;
    int64_t best = INT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        ret[i] = distance(quantile, before, bins[i], all);
        best = ret[i] < best ? ret[i] : best;
        before += bins[i];
    }
    for (uint32_t i = 0; i < count; i++)
        ret[i] -= best;
}

dv_rc dv_dp_quantile(struct dv_noise *noise, const int64_t *bins, uint32_t count, struct dv_ratio quantile,
                     uint32_t contributions, int64_t epsilon_nano, uint32_t *ret)
{
    int64_t gaps[DV_DP_BINS_MAX] DV_UNINITIALIZED;
    uint16_t order[DV_DP_BINS_MAX] DV_UNINITIALIZED;
    int64_t all = 0;
    if (count == 0 || count > DV_DP_BINS_MAX || quantile.under > DV_DP_QUANTILE_MAX || quantile.over == 0 ||
        quantile.over >= quantile.under || contributions == 0 || !epsilon_is_sound(epsilon_nano))
        return DV_E_LIMIT;
    DV_TRY(count_all(bins, count, &all));
    rank(bins, count, quantile, all, gaps);
    uint64_t other = quantile.under - quantile.over;
    dv_wide per = (dv_wide)2 * DV_DP_NANO * contributions * (quantile.over > other ? quantile.over : other);
    for (uint32_t i = 0; i < count; i++)
        order[i] = (uint16_t)i;
    for (uint32_t left = count; left > 0; left--) {
        dv_wide pick = 0;
        bool taken = false;
        DV_TRY(dv_noise_below(noise, left, &pick));
        uint16_t bin = order[pick];
        order[pick] = order[left - 1];
        DV_TRY(dv_noise_exp(noise, (dv_wide)gaps[bin] * (dv_wide)epsilon_nano, per, &taken));
        if (taken) {
            *ret = bin;
            return DV_OK;
        }
    }
    return DV_E_FAILED; /* not reached: the best bin's coin always shows heads */
}

dv_rc dv_dp_tree_begin(struct dv_dp_tree *tree, uint32_t steps_max, uint32_t contributions, int64_t epsilon_nano)
{
    if (steps_max == 0 || steps_max > INT32_MAX || !epsilon_is_sound(epsilon_nano))
        return DV_E_LIMIT;
    uint32_t levels = 32 - (uint32_t)__builtin_clz(steps_max);
    if (!sensitivity_is_sound((dv_wide)levels * contributions))
        return DV_E_LIMIT;
    *tree = (struct dv_dp_tree){
        .levels = levels, .steps_max = steps_max, .contributions = contributions, .epsilon_nano = epsilon_nano
    };
    return DV_OK;
}

/* A record is in one node of each level at most, so that a node may spend ε / levels. Step t closes the node of as many
 * levels as t has zeros at its end; the nodes of the ones in t are all there is. */
dv_rc dv_dp_tree_next(struct dv_dp_tree *tree, struct dv_noise *noise, int64_t count, int64_t *ret)
{
    if (tree->step >= tree->steps_max)
        return DV_E_BUDGET;
    uint32_t step = tree->step + 1;
    uint32_t closed = (uint32_t)__builtin_ctz(step);
    tree->step = tree->steps_max; /* until this step is whole */
    if (count < 0 || count > INT64_C(1) << 32)
        return DV_E_LIMIT;
    int64_t exact = count;
    for (uint32_t level = 0; level < closed; level++)
        exact += tree->exact[level];
    tree->exact[closed] = exact;
    DV_TRY(dv_dp_laplace(noise, exact, (uint64_t)tree->levels * tree->contributions, tree->epsilon_nano,
                         &tree->noised[closed]));
    int64_t sum = 0;
    for (uint32_t level = 0; level < tree->levels; level++)
        if ((step >> level & 1u) != 0)
            sum = add_saturated(sum, tree->noised[level]);
    tree->step = step;
    *ret = sum;
    return DV_OK;
}
