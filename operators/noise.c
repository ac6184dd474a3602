/* SPDX-License-Identifier: Apache-2.0
 * noise.c - adds noise to the numbers of each record, so that a record tells little about itself (local privacy).
 *
 * Whatever a record's numbers are, what leaves is as likely as from any other numbers within the schema's `min` and
 * `max`, up to a factor of exp(ε). So the noise is as wide as the whole range over ε: single values mean little, and
 * means over many records come near the truth. All columns of a record share its ε. A number that is missing counts as
 * the middle of its range, as its absence would tell something too. Several records of one person add up. */
#include <math.h>

#include "engine/operator.h"
#include "operators/columns.h"
#include "privacy/dp.h"

enum { COLUMNS_MAX = 16, EPSILON_MAX = 10 };

static const double epsilon_min = 0.1;

/* A column that gets noise. */
struct part {
    uint32_t column;
    bool is_whole; /* an int column: a step is 1 */
    struct dv_dp_range range;
};

struct noise {
    struct dv_strs names;
    double epsilon;
    struct dv_columns columns;
    struct part parts[COLUMNS_MAX];
    uint32_t part_count;
    int64_t epsilon_nano; /* of each part */
    struct dv_noise bits;
};

static const struct dv_option options[] = {
    { "columns", DV_STRS, offsetof(struct noise, names), .flags = DV_REQUIRED,
      .help = "At most 16 int or float columns with `min` and `max` in the schema." },
    { "epsilon", DV_FLOAT, offsetof(struct noise, epsilon), .flags = DV_REQUIRED, .min = 0, .max = EPSILON_MAX,
      .help = "How much a record may tell about itself, 0.1 to 10: less is more private; its columns share it." },
    { 0 },
};

/* The steps of an int column are its numbers; false if there are too many, or none between its bounds. */
static bool whole_range(const struct dv_column *column, struct dv_dp_range *ret)
{
    double low = ceil(column->min);
    double high = floor(column->max);
    if (!(fabs(low) < 0x1p52 && fabs(high) < 0x1p52 && low < high && high - low <= (double)DV_DP_SENSITIVITY_MAX))
        return false;
    *ret = (struct dv_dp_range){ .low = (int64_t)low, .high = (int64_t)high };
    return true;
}

static dv_rc check_column(struct dv_node *node, const struct dv_column *column)
{
    if (column->type != DV_TYPE_INT && column->type != DV_TYPE_FLOAT)
        return dv_refuse(node, "columns", "C180", "noise is for int and float columns", "column '%s' is of type %s",
                         column->name, dv_type_name(column->type));
    if (column->label.class == DV_CLASS_DIRECT_ID)
        return dv_refuse(node, "columns", "P107", "drop it, or make a pseudonym of it",
                         "column '%s' is direct-id: noise hides how much, not who", column->name);
    if (!column->bounded)
        return dv_refuse(node, "columns", "C181", "say { type: int, min: 0, max: 130 } in the schema",
                         "column '%s' has no `min` and `max`: noise is measured by them", column->name);
    return DV_OK;
}

static dv_rc add_part(struct dv_node *node, const struct dv_shape *shape, const char *name)
{
    struct noise *noise = dv_state(node);
    int index = dv_shape_column(node, shape, "columns", name);
    if (index < 0)
        return DV_E_CONFIG;
    const struct dv_column *column = &shape->in->columns[index];
    struct part *part = &noise->parts[noise->part_count];
    DV_TRY(check_column(node, column));
    *part = (struct part){ .column = (uint32_t)index, .is_whole = column->type == DV_TYPE_INT };
    if (part->is_whole ? !whole_range(column, &part->range) : !dv_dp_range(column->min, column->max, &part->range))
        return dv_refuse(node, "columns", "C182", "at most 2^32 whole numbers, or finite bounds that differ",
                         "the range of column '%s' cannot be measured", name);
    for (uint32_t i = 0; i < noise->part_count; i++)
        if (noise->parts[i].column == part->column)
            return dv_refuse(node, "columns", "C183", NULL, "column '%s' is named twice", name);
    noise->part_count++;
    return DV_OK;
}

/* The same columns, but those with noise are labelled so; their values may now pass their bounds. */
static dv_rc make_schema(struct dv_node *node, const struct dv_schema *in)
{
    struct noise *noise = dv_state(node);
    if (!dv_columns_start(&noise->columns, dv_node_arena(node), in))
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < in->column_count; i++)
        (void)dv_columns_take(&noise->columns, in, i);
    for (uint32_t i = 0; i < noise->part_count; i++) {
        struct dv_column *column = &noise->columns.schema->columns[noise->parts[i].column];
        column->label = dv_label((enum dv_class)column->label.class, DV_FORM_NOISED);
        column->label.parameter = (uint16_t)ceil(noise->epsilon * 1000);
        column->bounded = false;
    }
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct noise *noise = dv_state(node);
    dv_rc rc = DV_OK;
    noise->part_count = 0;
    if (!(noise->epsilon >= epsilon_min && noise->epsilon <= EPSILON_MAX))
        rc = dv_refuse(node, "epsilon", "C184", NULL, "`epsilon` is from 0.1 to 10");
    if (noise->names.count == 0 || noise->names.count > COLUMNS_MAX)
        return dv_refuse(node, "columns", "C113", NULL, "`columns` names %zu columns; there can be 1 to %d",
                         noise->names.count, COLUMNS_MAX);
    for (size_t i = 0; i < noise->names.count; i++) {
        dv_rc added = add_part(node, shape, noise->names.items[i]);
        rc = dv_is_error(added) ? added : rc;
    }
    DV_TRY(rc);
    noise->epsilon_nano = llround(noise->epsilon * DV_DP_NANO) / (int64_t)noise->names.count;
    DV_TRY(make_schema(node, shape->in));
    shape->out[0] = noise->columns.schema;
    return DV_OK;
}

static dv_rc open_node(struct dv_node *node)
{
    struct noise *noise = dv_state(node);
    dv_noise_init(&noise->bits);
    return DV_OK;
}

static int64_t steps_of(const struct part *part, const struct dv_cell *cell)
{
    if (!cell->present)
        return part->range.low + (part->range.high - part->range.low) / 2;
    if (!part->is_whole)
        return dv_dp_steps(&part->range, cell->number);
    int64_t value = cell->integer > part->range.low ? cell->integer : part->range.low;
    return value < part->range.high ? value : part->range.high;
}

static dv_rc add_noise(struct noise *noise, const struct part *part, struct dv_cell *cell)
{
    int64_t noised = 0;
    uint64_t reach = (uint64_t)(part->range.high - part->range.low);
    DV_TRY(dv_dp_laplace(&noise->bits, steps_of(part, cell), reach, noise->epsilon_nano, &noised));
    *cell = (struct dv_cell){ .present = 1 };
    if (part->is_whole)
        cell->integer = noised;
    else
        cell->number = dv_dp_number(&part->range, noised);
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct noise *noise = dv_state(node);
    for (uint32_t i = 0; i < noise->part_count; i++) {
        struct dv_cell *cells = dv_batch_edit(batch, noise->parts[i].column);
        if (cells == NULL)
            return dv_fail(node, DV_E_MEMORY, "no memory for column %u", noise->parts[i].column);
        for (uint32_t row = 0; row < batch->rows; row++)
            if (dv_is_error(add_noise(noise, &noise->parts[i], &cells[row])))
                return dv_fail(node, DV_E_FAILED, "the system gives no random bits");
    }
    return dv_batch_reshape(batch, noise->columns.schema, noise->columns.from);
}

static void close_node(struct dv_node *node)
{
    struct noise *noise = dv_state(node);
    dv_noise_wipe(&noise->bits);
}

const struct dv_operator dv_operator_noise = {
    .name = "noise",
    .summary = "Adds noise to the numbers of each record, so that a record tells little about itself.",
    .options = options,
    .size = sizeof(struct noise),
    .edits = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .close = close_node,
};
