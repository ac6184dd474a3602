/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp_plan.c - the options below `dp:`, the columns that leave, and the parts of ε. */
#include "operators/aggregate_dp_plan.h"

#include <math.h>
#include <stdlib.h>

#include "engine/yaml.h"
#include "operators/aggregate_schema.h"

_Static_assert((int)DV_TALLY_BY_MAX == (int)DV_WINDOW_BY_MAX, "both kinds of windows take the same columns");
_Static_assert((int)DV_TALLY_NUMBERS_MAX == (int)DV_WINDOW_SUMS_MAX, "both kinds of windows take the same columns");
_Static_assert((int)DV_DP_PLAN_QUANTILES_MAX == (int)DV_AGGREGATE_QUANTILES_MAX, "and the same quantiles");

enum { THOUSANDTHS = 1000, TEST_SHARE = 10 };

static const double epsilon_min = 0.01;
static const double epsilon_max = 10;
static const double delta_max = 0.001;

static const struct dv_option options[] = {
    { "epsilon", DV_FLOAT, offsetof(struct dv_dp_plan, epsilon), .flags = DV_REQUIRED, .min = 0, .max = 10,
      .help = "What a window may tell about one person, 0.01 to 10; all its answers share it." },
    { "delta", DV_FLOAT, offsetof(struct dv_dp_plan, delta), .initial = "0", .min = 0, .max = 1,
      .help = "How likely the promise may fail, below 0.001: for groups that are not listed, and for narrower noise." },
    { "max_groups_per_subject", DV_INT, offsetof(struct dv_dp_plan, groups_per_subject), .initial = "1", .min = 1,
      .max = DV_TALLY_GROUPS_OF_ONE, .help = "In how many groups of a window one person counts." },
    { "max_records_per_subject", DV_INT, offsetof(struct dv_dp_plan, records_per_subject), .initial = "1", .min = 1,
      .max = DV_TALLY_RECORDS_OF_ONE, .help = "How many records of one person count in a window, in all groups." },
    { "subjects", DV_INT, offsetof(struct dv_dp_plan, subjects), .initial = "65536", .min = 16,
      .max = DV_TALLY_SUBJECTS_MAX, .help = "How many people a window can tell apart; further ones do not count." },
    { "groups", DV_TREE, offsetof(struct dv_dp_plan, groups), .help = "The values of each column of `by`." },
    { "means", DV_STRS, offsetof(struct dv_dp_plan, means), .help = "At most 8 number columns." },
    { "histogram", DV_TREE, offsetof(struct dv_dp_plan, histogram), .help = "{ column: age, edges: [18, 65] }." },
    { "continual", DV_BOOL, offsetof(struct dv_dp_plan, continual), .initial = "false",
      .help = "Each window shows the count since the period began; one epsilon covers the whole period." },
    { "period", DV_DURATION, offsetof(struct dv_dp_plan, period_ms), .initial = "1d", .min = 1000,
      .max = INT64_C(31) * 86400000, .help = "After which continual counts begin anew." },
    { "when_spent", DV_ENUM, offsetof(struct dv_dp_plan, when_spent), .initial = "stop", .values = "stop|drop",
      .help = "When the account holds too little: end the run with exit code 6, or drop windows." },
    { 0 },
};

/* `histogram: { column: age, edges: [18, 40, 65] }` */
struct histogram {
    const char *column;
    struct dv_strs edges;
};

static const struct dv_option histogram_options[] = {
    { "column", DV_STR, offsetof(struct histogram, column), .flags = DV_REQUIRED, .help = "An int or float column." },
    { "edges", DV_STRS, offsetof(struct histogram, edges), .flags = DV_REQUIRED, .help = "Ascending numbers." },
    { 0 },
};

static int number_column(struct dv_node *node, const struct dv_shape *shape, const char *name)
{
    int index = dv_shape_column(node, shape, "dp", name);
    if (index < 0)
        return -1;
    const struct dv_column *column = &shape->in->columns[index];
    if (column->type == DV_TYPE_INT || column->type == DV_TYPE_FLOAT)
        return index;
    (void)dv_refuse(node, "dp", "C111", "only int and float columns can be summed and ranked",
                    "column '%s' is of type %s", name, dv_type_name(column->type));
    return -1;
}

static dv_rc check_bounds(struct dv_node *node, const struct dv_column *column)
{
    if (column->bounded)
        return DV_OK;
    return dv_refuse(node, "dp", "C181", "say { type: int, min: 0, max: 130 } in the schema",
                     "column '%s' has no `min` and `max`: noise is measured by them", column->name);
}

static dv_rc plan_number(struct dv_node *node, const struct dv_shape *shape, int index, struct dv_tally_number *ret)
{
    if (index < 0)
        return DV_E_CONFIG;
    const struct dv_column *column = &shape->in->columns[index];
    DV_TRY(check_bounds(node, column));
    ret->column = (uint32_t)index;
    if (!dv_dp_range(column->min, column->max, &ret->range))
        return dv_refuse(node, "dp", "C182", "finite bounds that differ", "the range of column '%s' cannot be measured",
                         column->name);
    return DV_OK;
}

static dv_rc plan_numbers(struct dv_node *node, const struct dv_shape *shape, const struct dv_aggregate_spec *spec,
                          struct dv_dp_plan *plan)
{
    struct dv_tally_plan *tally = &plan->tally;
    tally->sum_count = spec->plan.sum_count;
    for (uint32_t i = 0; i < tally->sum_count; i++)
        DV_TRY(plan_number(node, shape, (int)spec->plan.sums[i], &tally->sums[i]));
    if (plan->means.count > DV_TALLY_NUMBERS_MAX)
        return dv_refuse(node, "dp", "C113", NULL, "`means` names %zu columns; there can be %d", plan->means.count,
                         DV_TALLY_NUMBERS_MAX);
    tally->mean_count = (uint32_t)plan->means.count;
    for (uint32_t i = 0; i < tally->mean_count; i++)
        DV_TRY(plan_number(node, shape, number_column(node, shape, plan->means.items[i]), &tally->means[i]));
    return DV_OK;
}

static dv_rc plan_histogram(struct dv_node *node, const struct dv_shape *shape, struct dv_dp_plan *plan)
{
    struct histogram histogram = { 0 };
    struct dv_tally_plan *tally = &plan->tally;
    tally->histogram = -1;
    tally->edge_count = 0;
    if (plan->histogram == NULL)
        return DV_OK;
    DV_TRY(dv_options_parse(histogram_options, &histogram, plan->histogram, NULL, "option 'histogram'",
                            dv_node_arena(node), dv_node_diags(node)));
    tally->histogram = number_column(node, shape, histogram.column);
    if (tally->histogram < 0)
        return DV_E_CONFIG;
    if (histogram.edges.count == 0 || histogram.edges.count > DV_TALLY_EDGES_MAX)
        return dv_refuse(node, "dp", "C113", NULL, "`edges` has %zu numbers; there can be 1 to %d",
                         histogram.edges.count, DV_TALLY_EDGES_MAX);
    for (size_t i = 0; i < histogram.edges.count; i++) {
        char *end = NULL;
        double edge = strtod(histogram.edges.items[i], &end);
        if (end == histogram.edges.items[i] || *end != '\0' || !isfinite(edge) ||
            (i > 0 && edge <= tally->edges[i - 1]))
            return dv_refuse(node, "dp", "C191", "edges: [18, 40, 65]", "the edges of a histogram are ascending numbers");
        tally->edges[tally->edge_count++] = edge;
    }
    return DV_OK;
}

/* Whole numbers of few values have a bin each. */
static dv_rc plan_quantiles(struct dv_node *node, const struct dv_shape *shape, const struct dv_aggregate_spec *spec,
                            struct dv_dp_plan *plan)
{
    struct dv_tally_plan *tally = &plan->tally;
    tally->quantile = spec->plan.quantile;
    plan->quantile_count = 0;
    if (tally->quantile < 0)
        return DV_OK;
    const struct dv_column *column = &shape->in->columns[tally->quantile];
    DV_TRY(check_bounds(node, column));
    bool is_whole = column->type == DV_TYPE_INT && column->max - column->min < DV_TALLY_RANKS;
    tally->low = is_whole ? ceil(column->min) : column->min;
    tally->high = is_whole ? floor(column->max) + 1 : column->max;
    tally->rank_count = is_whole ? (uint32_t)(tally->high - tally->low) : DV_TALLY_RANKS;
    if (!(tally->high > tally->low) || !isfinite(tally->high - tally->low) || tally->rank_count == 0)
        return dv_refuse(node, "quantiles", "C182", "finite bounds that differ",
                         "the range of column '%s' cannot be measured", column->name);
    for (uint32_t i = 0; i < spec->q_count; i++) {
        double thousandths = round(spec->q[i] * THOUSANDTHS);
        if (fabs(thousandths - spec->q[i] * THOUSANDTHS) > 1e-9 || thousandths < 1 || thousandths >= THOUSANDTHS)
            return dv_refuse(node, "quantiles", "C192", "0.5, 0.95, 0.999", "with `dp`, quantiles are whole thousandths");
        plan->quantiles[plan->quantile_count++] = (struct dv_ratio){ (uint64_t)thousandths, THOUSANDTHS };
    }
    return DV_OK;
}

/* ---- the shares of ε and δ ---- */

/* With one record a person, the count that chooses a group is also the count that is shown. */
static bool chooses_apart(const struct dv_dp_plan *plan)
{
    return plan->tally.is_open && plan->tally.records_max > 1;
}

uint32_t dv_dp_plan_parts(const struct dv_dp_plan *plan)
{
    const struct dv_tally_plan *tally = &plan->tally;
    return 1 + chooses_apart(plan) + tally->sum_count + tally->mean_count + (tally->histogram >= 0) +
           plan->quantile_count;
}

/* A tenth of ε and half of δ, or all of it, for the question whether the table was full. */
static void share_test(struct dv_dp_plan *plan)
{
    double delta = plan->tally.is_open ? plan->delta / 2 : plan->delta;
    plan->test_nano = 0;
    if (!dv_tally_has_table(&plan->tally) || !(delta > 0) || plan->continual)
        return;
    int64_t test_nano = plan->epsilon_nano / TEST_SHARE;
    double margin = ceil(-log(delta) / ((double)test_nano / DV_DP_NANO)) + 1;
    if (margin > (double)plan->tally.subjects_max / 2)
        return;
    plan->test_nano = test_nano;
    plan->test_margin = (int64_t)margin;
    plan->choice_delta = plan->delta - delta;
}

static dv_rc share(struct dv_node *node, struct dv_dp_plan *plan)
{
    plan->epsilon_nano = llround(plan->epsilon * DV_DP_NANO);
    plan->choice_delta = plan->delta;
    share_test(plan);
    plan->part_nano = (plan->epsilon_nano - plan->test_nano) / dv_dp_plan_parts(plan);
    if (plan->part_nano < DV_DP_EPSILON_MIN || (plan->test_nano != 0 && plan->test_nano < DV_DP_EPSILON_MIN))
        return dv_refuse(node, "dp", "C193", "ask for fewer answers, or spend more",
                         "%u answers share an epsilon that leaves each less than 0.001", dv_dp_plan_parts(plan));
    return DV_OK;
}

/* ---- the columns that leave ---- */

static struct dv_label noised(const struct dv_dp_plan *plan, uint8_t class)
{
    struct dv_label label = dv_label((enum dv_class)class, DV_FORM_NOISED);
    label.parameter = (uint16_t)ceil(plan->epsilon * THOUSANDTHS);
    return label;
}

static dv_rc add(struct dv_node *node, struct dv_schema *schema, const char *name, enum dv_type type,
                 struct dv_label label)
{
    if (name == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    if (schema->column_count == DV_COLUMNS_MAX)
        return dv_refuse(node, NULL, "C113", NULL, "more than %d columns would leave", DV_COLUMNS_MAX);
    if (dv_schema_find(schema, name) >= 0)
        return dv_refuse(node, NULL, "C115", "rename it in the schema", "two columns would be named '%s'", name);
    (void)dv_schema_add(schema, name, type, label);
    return DV_OK;
}

static dv_rc add_numbers(struct dv_node *node, struct dv_dp_plan *plan, const char *word,
                         const struct dv_tally_number *numbers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct dv_column *column = &plan->tally.schema->columns[numbers[i].column];
        DV_TRY(add(node, plan->schema, dv_arena_printf(dv_node_arena(node), "%s_%s", word, column->name), DV_TYPE_FLOAT,
                   noised(plan, column->label.class)));
    }
    return DV_OK;
}

static dv_rc add_bins(struct dv_node *node, struct dv_dp_plan *plan)
{
    if (plan->tally.histogram < 0)
        return DV_OK;
    const struct dv_column *column = &plan->tally.schema->columns[plan->tally.histogram];
    for (uint32_t i = 0; i <= plan->tally.edge_count; i++)
        DV_TRY(add(node, plan->schema, dv_arena_printf(dv_node_arena(node), "hist_%s_%u", column->name, i), DV_TYPE_INT,
                   noised(plan, column->label.class)));
    return DV_OK;
}

static dv_rc add_quantiles(struct dv_node *node, struct dv_dp_plan *plan, const struct dv_aggregate_spec *spec)
{
    for (uint32_t i = 0; i < plan->quantile_count; i++) {
        const struct dv_column *column = &plan->tally.schema->columns[plan->tally.quantile];
        DV_TRY(add(node, plan->schema, dv_aggregate_quantile_name(dv_node_arena(node), spec->q[i], column->name),
                   DV_TYPE_FLOAT, noised(plan, column->label.class)));
    }
    return DV_OK;
}

static dv_rc make_schema(struct dv_node *node, struct dv_dp_plan *plan, const struct dv_aggregate_spec *spec)
{
    const struct dv_tally_plan *tally = &plan->tally;
    struct dv_label public = dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN);
    plan->schema = dv_schema_new(dv_node_arena(node), dv_node_name(node), DV_COLUMNS_MAX);
    if (plan->schema == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    DV_TRY(add(node, plan->schema, "window_start_ms", DV_TYPE_INT, public));
    DV_TRY(add(node, plan->schema, "window_end_ms", DV_TYPE_INT, public));
    for (uint32_t i = 0; i < tally->by_count; i++) {
        const struct dv_column *column = &tally->schema->columns[tally->by[i]];
        DV_TRY(add(node, plan->schema, column->name, column->type, noised(plan, column->label.class)));
    }
    DV_TRY(add(node, plan->schema, "count", DV_TYPE_INT, noised(plan, DV_CLASS_PUBLIC)));
    DV_TRY(add_numbers(node, plan, "sum", tally->sums, tally->sum_count));
    DV_TRY(add_numbers(node, plan, "mean", tally->means, tally->mean_count));
    DV_TRY(add_bins(node, plan));
    return add_quantiles(node, plan, spec);
}

/* ---- all of it ---- */

static dv_rc check_options(struct dv_node *node, const struct dv_dp_plan *plan)
{
    if (!(plan->epsilon >= epsilon_min && plan->epsilon <= epsilon_max))
        return dv_refuse(node, "dp", "C184", NULL, "`epsilon` is from 0.01 to 10");
    if (!(plan->delta >= 0 && plan->delta <= delta_max))
        return dv_refuse(node, "dp", "C194", "say less than one in as many as there are people: 1e-9",
                         "`delta` is from 0 to 0.001");
    return DV_OK;
}

static dv_rc plan_people(struct dv_node *node, struct dv_dp_plan *plan)
{
    struct dv_tally_plan *tally = &plan->tally;
    bool has_subject = tally->subject >= 0;
    tally->records_max = has_subject ? (uint32_t)plan->records_per_subject : 1;
    tally->groups_of_one = has_subject ? (uint32_t)plan->groups_per_subject : 1;
    if (tally->groups_of_one > tally->records_max)
        tally->groups_of_one = tally->records_max;
    tally->subjects_max = (uint32_t)plan->subjects;
    tally->groups_max = tally->is_open ? tally->subjects_max * tally->groups_of_one : plan->listed_count;
    if (tally->is_open && !(plan->delta > 0))
        return dv_refuse(node, "dp", "C195", "list the values: groups: { COLUMN: [value, value] }, or say delta: 1e-9",
                         "groups that are not listed are chosen by a noised count, which needs a `delta`");
    dv_tally_lay_out(tally);
    if (dv_tally_bytes(tally) > DV_TALLY_BYTES_MAX)
        return dv_refuse(node, "dp", "C196", "list the groups, ask for fewer answers, or lower `subjects`",
                         "a window could need %zu MiB; it may have %d", dv_tally_bytes(tally) >> 20,
                         DV_TALLY_BYTES_MAX >> 20);
    return DV_OK;
}

static dv_rc check_continual(struct dv_node *node, struct dv_dp_plan *plan, int64_t window_ms)
{
    if (!plan->continual)
        return DV_OK;
    if (plan->tally.is_open || dv_dp_plan_parts(plan) > 1)
        return dv_refuse(node, "dp", "C197", "list the groups, and use another aggregate for the rest",
                         "continual counts are of listed groups, and nothing else beside them");
    if (plan->period_ms % window_ms != 0)
        return dv_refuse(node, "dp", "C198", NULL, "`period` must be a multiple of `window`");
    plan->steps = (uint32_t)(plan->period_ms / window_ms) + 1;
    return DV_OK;
}

dv_rc dv_dp_plan(struct dv_node *node, const struct dv_shape *shape, const struct dv_yaml *dp,
                 const struct dv_aggregate_spec *spec, int64_t window_ms, struct dv_dp_plan *plan)
{
    *plan = (struct dv_dp_plan){ .top = spec->plan.top, .dataset = shape->in->name, .window_ms = window_ms };
    DV_TRY(dv_options_parse(options, plan, dp, NULL, "option 'dp'", dv_node_arena(node), dv_node_diags(node)));
    DV_TRY(check_options(node, plan));
    plan->tally.schema = shape->in;
    plan->tally.subject = shape->in->subject;
    plan->tally.by_count = spec->plan.by_count;
    memcpy(plan->tally.by, spec->plan.by, sizeof plan->tally.by);
    DV_TRY(plan_numbers(node, shape, spec, plan));
    DV_TRY(plan_histogram(node, shape, plan));
    DV_TRY(plan_quantiles(node, shape, spec, plan));
    if (!dv_dp_plan_groups(node, plan))
        return DV_E_CONFIG;
    DV_TRY(plan_people(node, plan));
    DV_TRY(check_continual(node, plan, window_ms));
    DV_TRY(share(node, plan));
    return make_schema(node, plan, spec);
}
