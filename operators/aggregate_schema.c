/* SPDX-License-Identifier: Apache-2.0
 * aggregate_schema.c - the columns in one order, for the schema and for the values. */
#include "operators/aggregate_schema.h"

#include <stdlib.h>

#include "operators/aggregate_margins.h"
#include "operators/columns.h"

/* `quantiles: { column: age, of: [0.5, 0.95] }` */
struct quantiles {
    const char *column;
    struct dv_strs of;
};

static const struct dv_option quantile_options[] = {
    { "column", DV_STR, offsetof(struct quantiles, column), .flags = DV_REQUIRED, .help = "An int or float column." },
    { "of", DV_STRS, offsetof(struct quantiles, of), .flags = DV_REQUIRED, .help = "Numbers between 0 and 1." },
    { 0 },
};

static bool is_number(enum dv_type type)
{
    return type == DV_TYPE_INT || type == DV_TYPE_FLOAT;
}

/* The column, or -1 after a finding: none such, or no number. */
static int number_column(struct dv_node *node, const struct dv_shape *shape, const char *option, const char *name)
{
    int column = dv_shape_column(node, shape, option, name);
    if (column < 0 || is_number(shape->in->columns[column].type))
        return column;
    (void)dv_refuse(node, option, "C111", "only int and float columns can be summed and ranked",
                    "column '%s' is of type %s", name, dv_type_name(shape->in->columns[column].type));
    return -1;
}

/* A group of k people who share a name still shows the name. */
static dv_rc check_by(struct dv_node *node, const struct dv_column *column)
{
    if (column->label.class == DV_CLASS_DIRECT_ID || column->label.class == DV_CLASS_FREE_TEXT)
        return dv_refuse(node, "by", "P103", "group by what many people share: a diagnosis, an age band, a region",
                         "column '%s' is %s and cannot name a group", column->name,
                         dv_class_name((enum dv_class)column->label.class));
    if (column->type != DV_TYPE_TEXT && column->type != DV_TYPE_INT && column->type != DV_TYPE_BOOL)
        return dv_refuse(node, "by", "C112", NULL, "column '%s' is of type %s: groups are named by text, int or bool",
                         column->name, dv_type_name(column->type));
    return DV_OK;
}

static dv_rc plan_by(struct dv_node *node, const struct dv_shape *shape, struct dv_aggregate_spec *spec)
{
    if (spec->by.count > DV_WINDOW_BY_MAX)
        return dv_refuse(node, "by", "C113", NULL, "`by` names %zu columns; there can be %d", spec->by.count,
                         DV_WINDOW_BY_MAX);
    spec->plan.by_count = (uint32_t)spec->by.count;
    for (uint32_t i = 0; i < spec->plan.by_count; i++) {
        int column = dv_shape_column(node, shape, "by", spec->by.items[i]);
        if (column < 0)
            return DV_E_CONFIG;
        DV_TRY(check_by(node, &shape->in->columns[column]));
        spec->plan.by[i] = (uint32_t)column;
    }
    return DV_OK;
}

static dv_rc plan_sums(struct dv_node *node, const struct dv_shape *shape, struct dv_aggregate_spec *spec)
{
    if (spec->sums.count > DV_WINDOW_SUMS_MAX)
        return dv_refuse(node, "sums", "C113", NULL, "`sums` names %zu columns; there can be %d", spec->sums.count,
                         DV_WINDOW_SUMS_MAX);
    spec->plan.sum_count = (uint32_t)spec->sums.count;
    for (uint32_t i = 0; i < spec->plan.sum_count; i++) {
        int column = number_column(node, shape, "sums", spec->sums.items[i]);
        if (column < 0)
            return DV_E_CONFIG;
        spec->plan.sums[i] = (uint32_t)column;
    }
    return DV_OK;
}

static dv_rc plan_quantiles(struct dv_node *node, const struct dv_shape *shape, struct dv_aggregate_spec *spec)
{
    struct quantiles quantiles = { 0 };
    spec->plan.quantile = -1;
    spec->q_count = 0;
    if (spec->quantiles == NULL)
        return DV_OK;
    DV_TRY(dv_options_parse(quantile_options, &quantiles, spec->quantiles, NULL, "option 'quantiles'",
                            dv_node_arena(node), dv_node_diags(node)));
    spec->plan.quantile = number_column(node, shape, "quantiles", quantiles.column);
    if (spec->plan.quantile < 0)
        return DV_E_CONFIG;
    if (quantiles.of.count > DV_AGGREGATE_QUANTILES_MAX)
        return dv_refuse(node, "quantiles", "C113", NULL, "`of` names %zu quantiles; there can be %d",
                         quantiles.of.count, DV_AGGREGATE_QUANTILES_MAX);
    for (size_t i = 0; i < quantiles.of.count; i++) {
        char *end = NULL;
        double q = strtod(quantiles.of.items[i], &end);
        if (end == quantiles.of.items[i] || *end != '\0' || !(q > 0 && q < 1))
            return dv_refuse(node, "quantiles", "C114", "the median is 0.5", "a quantile lies between 0 and 1");
        spec->q[spec->q_count++] = q;
    }
    return DV_OK;
}

/* Appends a column, unless its name is taken. */
static dv_rc add(struct dv_node *node, struct dv_schema *schema, const char *name, enum dv_type type,
                 struct dv_label label)
{
    if (name == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    if (dv_schema_find(schema, name) >= 0)
        return dv_refuse(node, NULL, "C115", "rename it in the schema", "two columns would be named '%s'", name);
    (void)dv_schema_add(schema, name, type, label);
    return DV_OK;
}

static struct dv_label aggregate(const struct dv_aggregate_spec *spec, uint8_t class)
{
    struct dv_label label = dv_label((enum dv_class)class, DV_FORM_AGGREGATE);
    label.parameter = (uint16_t)spec->k;
    return label;
}

const char *dv_aggregate_quantile_name(struct dv_arena *arena, double q, const char *column)
{
    char *name = dv_arena_printf(arena, "p%g_%s", q * 100, column);
    char *point = name != NULL ? strchr(name, '.') : NULL;
    if (point != NULL && point < strchr(name, '_'))
        *point = '_';
    return name;
}

static dv_rc add_measures(struct dv_node *node, const struct dv_schema *in, struct dv_aggregate_spec *spec)
{
    struct dv_arena *arena = dv_node_arena(node);
    struct dv_label count = aggregate(spec, DV_CLASS_PUBLIC);
    DV_TRY(add(node, spec->schema, "count", DV_TYPE_INT, count));
    for (uint32_t i = 0; i < spec->plan.sum_count; i++) {
        const struct dv_column *column = &in->columns[spec->plan.sums[i]];
        DV_TRY(add(node, spec->schema, dv_arena_printf(arena, "sum_%s", column->name), column->type,
                   aggregate(spec, column->label.class)));
    }
    for (uint32_t i = 0; i < spec->q_count; i++) {
        const struct dv_column *column = &in->columns[spec->plan.quantile];
        DV_TRY(add(node, spec->schema, dv_aggregate_quantile_name(arena, spec->q[i], column->name), DV_TYPE_FLOAT,
                   aggregate(spec, column->label.class)));
    }
    DV_TRY(add(node, spec->schema, "other", DV_TYPE_BOOL, count));
    return add(node, spec->schema, "suppressed", DV_TYPE_INT, count);
}

static dv_rc make_schema(struct dv_node *node, const struct dv_schema *in, struct dv_aggregate_spec *spec)
{
    struct dv_label public = dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN);
    spec->schema = dv_schema_new(dv_node_arena(node), dv_node_name(node), DV_COLUMNS_MAX);
    if (spec->schema == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    DV_TRY(add(node, spec->schema, "window_start_ms", DV_TYPE_INT, public));
    DV_TRY(add(node, spec->schema, "window_end_ms", DV_TYPE_INT, public));
    for (uint32_t i = 0; i < spec->plan.by_count; i++) {
        const struct dv_column *column = &in->columns[spec->plan.by[i]];
        DV_TRY(add(node, spec->schema, column->name, column->type, aggregate(spec, column->label.class)));
    }
    if (spec->margins)
        DV_TRY(add(node, spec->schema, "total", DV_TYPE_TEXT, aggregate(spec, DV_CLASS_PUBLIC)));
    return add_measures(node, in, spec);
}

static dv_rc plan_margins(struct dv_node *node, struct dv_aggregate_spec *spec)
{
    spec->plan.margins = spec->margins;
    if (!spec->margins)
        return DV_OK;
    if (spec->plan.by_count != DV_WINDOW_BY_MAX)
        return dv_refuse(node, "margins", "C113", "name two columns in `by`, or leave `margins` out",
                         "a table with totals has two columns, and `by` names %u", spec->plan.by_count);
    if (spec->plan.groups_max > DV_MARGINS_CELLS_MAX)
        spec->plan.groups_max = DV_MARGINS_CELLS_MAX;
    return DV_OK;
}

dv_rc dv_aggregate_read(struct dv_node *node, const struct dv_shape *shape, struct dv_aggregate_spec *spec)
{
    DV_ASSERT(spec->k >= DV_K_MIN && spec->k <= UINT16_MAX && spec->top <= DV_WINDOW_TOP_MAX);
    spec->plan.schema = shape->in;
    spec->plan.subject = shape->in->subject;
    spec->plan.k = (uint32_t)spec->k;
    spec->plan.top = (uint32_t)spec->top;
    spec->plan.groups_max = (uint32_t)spec->groups;
    DV_TRY(dv_columns_tell_people(node, shape->in, "a group"));
    dv_rc by = plan_by(node, shape, spec);
    dv_rc sums = plan_sums(node, shape, spec);
    DV_TRY(plan_quantiles(node, shape, spec));
    DV_TRY(by);
    DV_TRY(plan_margins(node, spec));
    return sums;
}

dv_rc dv_aggregate_plan(struct dv_node *node, const struct dv_shape *shape, struct dv_aggregate_spec *spec)
{
    DV_TRY(dv_aggregate_read(node, shape, spec));
    return make_schema(node, shape->in, spec);
}

/* Where the next value of a row goes. */
struct cursor {
    struct dv_batch *batch;
    uint32_t row;
    uint32_t column;
};

static struct dv_cell *next(struct cursor *cursor)
{
    DV_ASSERT(cursor->column < cursor->batch->schema->column_count);
    return &cursor->batch->cells[cursor->column++][cursor->row];
}

static void put_int(struct cursor *cursor, int64_t value)
{
    *next(cursor) = (struct dv_cell){ .integer = value, .present = 1 };
}

/* A value of a group's name, or nothing. */
static dv_rc put_value(struct cursor *cursor, struct dv_cell *cell, const struct dv_cell *value, enum dv_type type)
{
    *cell = *value;
    if (!value->present || type != DV_TYPE_TEXT)
        return DV_OK;
    cell->text = dv_arena_copy(&cursor->batch->arena, value->text, value->length);
    return cell->text != NULL ? DV_OK : DV_E_MEMORY;
}

static dv_rc put_by(struct cursor *cursor, const struct dv_window *window, const struct dv_group *group)
{
    for (uint32_t i = 0; i < window->plan->by_count; i++) {
        struct dv_cell *cell = next(cursor);
        if (group == &window->pool)
            continue;
        enum dv_type type = window->plan->schema->columns[window->plan->by[i]].type;
        DV_TRY(put_value(cursor, cell, &group->by[i], type));
    }
    return DV_OK;
}

static void put_measures(struct cursor *cursor, const struct dv_aggregate_spec *spec, const struct dv_window *window,
                         const struct dv_group *group)
{
    put_int(cursor, (int64_t)group->count);
    for (uint32_t i = 0; i < spec->plan.sum_count; i++) {
        const struct dv_sum *sum = &group->sums[i];
        struct dv_cell *cell = next(cursor);
        if (!dv_group_shows_sum(window, group, i))
            continue;
        cell->present = 1;
        if (spec->plan.schema->columns[spec->plan.sums[i]].type == DV_TYPE_INT)
            cell->integer = sum->integer;
        else
            cell->number = sum->number;
    }
    for (uint32_t i = 0; i < spec->q_count; i++) {
        struct dv_cell *cell = next(cursor);
        if (dv_group_shows_quantile(window, group, spec->q[i]))
            *cell = (struct dv_cell){ .number = dv_sketch_quantile(group->sketch, spec->q[i]), .present = 1 };
    }
}

/* The value that names a line, and of which column it is. */
static dv_rc put_total(struct cursor *cursor, const struct dv_window *window, const struct dv_total *total)
{
    const struct dv_column *columns = window->plan->schema->columns;
    for (uint32_t i = 0; i < window->plan->by_count; i++) {
        struct dv_cell *cell = next(cursor);
        if (i == total->axis)
            DV_TRY(put_value(cursor, cell, &total->value, columns[window->plan->by[i]].type));
    }
    const char *name = total->axis < window->plan->by_count ? columns[window->plan->by[total->axis]].name : "all";
    struct dv_cell said = { .text = name, .length = (uint32_t)strlen(name), .present = 1 };
    DV_TRY(put_value(cursor, next(cursor), &said, DV_TYPE_TEXT));
    put_int(cursor, (int64_t)total->count);
    return DV_OK;
}

static dv_rc put_what(struct cursor *cursor, const struct dv_aggregate_spec *spec, const struct dv_window *window,
                      struct dv_window_report report)
{
    uint32_t groups = report.shown + report.pooled;
    if (cursor->row >= groups)
        return report.totals > 0 ? put_total(cursor, window, window->totals[cursor->row - groups]) : DV_OK;
    const struct dv_group *group = cursor->row < report.shown ? window->groups[cursor->row] : &window->pool;
    DV_TRY(put_by(cursor, window, group));
    cursor->column += window->plan->margins;
    put_measures(cursor, spec, window, group);
    return DV_OK;
}

dv_rc dv_aggregate_fill(const struct dv_aggregate_spec *spec, const struct dv_window *window,
                        struct dv_window_report report, struct dv_aggregate_span span, struct dv_batch *batch)
{
    uint32_t rows = report.shown + report.pooled + report.totals;
    batch->rows = rows > 0 ? rows : 1;
    DV_ASSERT(batch->rows <= DV_BATCH_ROWS && batch->schema->column_count == spec->schema->column_count);
    for (uint32_t row = 0; row < batch->rows; row++) {
        struct cursor cursor = { .batch = batch, .row = row };
        put_int(&cursor, span.start_ms);
        put_int(&cursor, span.end_ms);
        DV_TRY(put_what(&cursor, spec, window, report));
        cursor.column = spec->schema->column_count - 2;
        put_int(&cursor, row == report.shown && report.pooled);
        put_int(&cursor, report.suppressed);
    }
    return DV_OK;
}
