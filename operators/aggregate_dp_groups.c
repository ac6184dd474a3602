/* SPDX-License-Identifier: Apache-2.0
 * aggregate_dp_groups.c - the groups that are known before any record is: every combination of the listed values. */
#include <errno.h>
#include <stdlib.h>

#include "engine/yaml.h"
#include "operators/aggregate_dp_plan.h"

/* The values of one column. */
struct values {
    struct dv_cell cells[DV_BATCH_ROWS];
    uint32_t count;
};

static bool refuse(struct dv_node *node, const char *column, const char *why)
{
    (void)dv_refuse(node, "dp", "C190", "groups: { COLUMN: [value, value] }, at most 256 groups in all",
                    "dp.groups: column '%s': %s", column, why);
    return false;
}

static bool parse_value(const struct dv_yaml *scalar, enum dv_type type, struct dv_cell *ret)
{
    char *end = NULL;
    *ret = (struct dv_cell){ .present = 1 };
    if (type == DV_TYPE_TEXT) {
        ret->text = scalar->text;
        ret->length = (uint32_t)scalar->length;
        return scalar->length <= DV_TALLY_NAME_MAX;
    }
    if (type == DV_TYPE_BOOL) {
        ret->integer = strcmp(scalar->text, "true") == 0;
        return ret->integer != 0 || strcmp(scalar->text, "false") == 0;
    }
    errno = 0;
    ret->integer = strtoll(scalar->text, &end, 10);
    return errno == 0 && end != scalar->text && *end == '\0';
}

static bool is_same(const struct dv_cell *a, const struct dv_cell *b, enum dv_type type)
{
    if (type != DV_TYPE_TEXT)
        return a->integer == b->integer;
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

static bool add_value(struct dv_node *node, const struct dv_column *column, const struct dv_yaml *value,
                      struct values *ret)
{
    if (value->kind != DV_YAML_SCALAR || dv_yaml_is_none(value))
        return refuse(node, column->name, "it lists something that is no value");
    if (ret->count == DV_BATCH_ROWS)
        return refuse(node, column->name, "it lists too many values");
    if (!parse_value(value, column->type, &ret->cells[ret->count]))
        return refuse(node, column->name, "it lists a value that is not of the column's type, or too long");
    for (uint32_t i = 0; i < ret->count; i++)
        if (is_same(&ret->cells[i], &ret->cells[ret->count], column->type))
            return refuse(node, column->name, "it lists a value twice");
    ret->count++;
    return true;
}

/* The listed values; of a bool column both, whether they are listed or not; none: *ret is empty. */
static bool read_values(struct dv_node *node, const struct dv_dp_plan *plan, uint32_t by, struct values *ret)
{
    const struct dv_column *column = &plan->tally.schema->columns[plan->tally.by[by]];
    const struct dv_yaml *list = dv_yaml_get(plan->groups, column->name);
    ret->count = 0;
    if (list == NULL && column->type == DV_TYPE_BOOL) {
        ret->cells[0] = (struct dv_cell){ .integer = 0, .present = 1 };
        ret->cells[1] = (struct dv_cell){ .integer = 1, .present = 1 };
        ret->count = 2;
    }
    if (list == NULL)
        return true;
    if (list->kind != DV_YAML_LIST || list->count == 0)
        return refuse(node, column->name, "say its values as a list");
    for (const struct dv_yaml *value = list->first; value != NULL; value = value->next)
        if (!add_value(node, column, value, ret))
            return false;
    return true;
}

static bool names_by_columns(struct dv_node *node, const struct dv_dp_plan *plan)
{
    if (plan->groups == NULL)
        return true;
    if (plan->groups->kind != DV_YAML_MAP)
        return refuse(node, "?", "`groups` is a map of columns to lists of values");
    for (const struct dv_yaml *item = plan->groups->first; item != NULL; item = item->next) {
        bool found = false;
        for (uint32_t i = 0; i < plan->tally.by_count; i++)
            found = found || strcmp(plan->tally.schema->columns[plan->tally.by[i]].name, item->key) == 0;
        if (!found)
            return refuse(node, item->key, "it is not one of `by`");
    }
    return true;
}

static bool combine(struct dv_node *node, struct dv_dp_plan *plan, const struct values values[DV_TALLY_BY_MAX])
{
    uint32_t second = plan->tally.by_count == 2 ? values[1].count : 1;
    plan->listed_count = values[0].count * second;
    if (plan->listed_count > DV_BATCH_ROWS)
        return refuse(node, "by", "the lists come to more than 256 groups");
    plan->listed = dv_arena_zeroed(dv_node_arena(node), plan->listed_count, sizeof *plan->listed);
    if (plan->listed == NULL)
        return refuse(node, "by", "no memory for the list");
    for (uint32_t i = 0; i < plan->listed_count; i++) {
        plan->listed[i][0] = values[0].cells[i / second];
        if (plan->tally.by_count == 2)
            plan->listed[i][1] = values[1].cells[i % second];
    }
    return true;
}

bool dv_dp_plan_groups(struct dv_node *node, struct dv_dp_plan *plan)
{
    struct values *values = dv_arena_zeroed(dv_node_arena(node), DV_TALLY_BY_MAX, sizeof *values);
    uint32_t listed = 0;
    if (values == NULL)
        return refuse(node, "by", "no memory for the list");
    if (!names_by_columns(node, plan))
        return false;
    values[0].count = 1; /* without `by` one group of no name */
    for (uint32_t i = 0; i < plan->tally.by_count; i++) {
        if (!read_values(node, plan, i, &values[i]))
            return false;
        listed += values[i].count > 0;
    }
    plan->tally.is_open = listed < plan->tally.by_count;
    if (plan->groups != NULL && plan->tally.is_open)
        return refuse(node, "by", "list the values of every column of `by`, or of none");
    return plan->tally.is_open || combine(node, plan, values);
}
