/* SPDX-License-Identifier: Apache-2.0
 * kanonymize_plan.c - options, columns and labels.
 *
 * What leaves: the quasi-identifiers as text, generalized(k), and whatever is sensitive or public. Direct identifiers, the
 * subject, free text and `_extra` stay behind: each of them tells the members of a class apart. */
#include "operators/kanonymize_plan.h"

#include <math.h>
#include <string.h>

enum { ROWS_LEAST = 256 };

const struct dv_option dv_kanonymize_options[] = {
    { "window", DV_DURATION, offsetof(struct dv_kanonymize_plan, window_ms), .initial = "10s", .min = 100, .max = 86400000,
      .help = "How long records are kept before they are passed on together; windows end at multiples of it." },
    { "k", DV_INT, offsetof(struct dv_kanonymize_plan, k), .initial = "5", .min = 2, .max = 1000,
      .help = "How many different subjects (records, where the schema has no subject) share what is shown." },
    { "quasi", DV_STRS, offsetof(struct dv_kanonymize_plan, names),
      .help = "The columns to coarsen, at most 16 of text, int, float or bool; without it all that the schema calls quasi-id." },
    { "prefixes", DV_STRS, offsetof(struct dv_kanonymize_plan, prefixes),
      .help = "Text columns of these that are shown by what their values begin with, 981**, and not as a set, 98101|98115." },
    { "of", DV_STR, offsetof(struct dv_kanonymize_plan, of), .help = "The sensitive column that `l` and `t` are about." },
    { "l", DV_FLOAT, offsetof(struct dv_kanonymize_plan, l), .initial = "0", .min = 0, .max = 1000,
      .help = "How diverse the sensitive values of a class are; 0: no matter." },
    { "diversity", DV_ENUM, offsetof(struct dv_kanonymize_plan, diversity), .initial = "distinct",
      .values = "distinct|entropy|recursive",
      .help = "What `l` counts: different values, exp of their entropy, or with `c` that none is too frequent." },
    { "c", DV_FLOAT, offsetof(struct dv_kanonymize_plan, c), .initial = "2", .min = 0, .max = 1000,
      .help = "Recursive diversity: the most frequent value is less than c times all from the l-th most frequent on." },
    { "t", DV_FLOAT, offsetof(struct dv_kanonymize_plan, t), .initial = "1", .min = 0, .max = 1,
      .help = "How far the sensitive values of a class may be spread otherwise than the window's (earth mover's distance)." },
    { "method", DV_ENUM, offsetof(struct dv_kanonymize_plan, method), .initial = "strict", .values = "strict|relaxed",
      .help = "Whether equal values stay in one class (strict), or may part for smaller ones (relaxed)." },
    { "suppress_max", DV_FLOAT, offsetof(struct dv_kanonymize_plan, suppress_max), .initial = "0", .min = 0, .max = 1,
      .help = "Share of a window's records, at most 0.5, that may be left out so that a few outliers do not stretch a class." },
    { "leftover", DV_ENUM, offsetof(struct dv_kanonymize_plan, leftover), .initial = "drop", .values = "drop|carry",
      .help = "What becomes of records that fit no class: left out for good, or kept for one more window." },
    { "rows_max", DV_INT, offsetof(struct dv_kanonymize_plan, rows_max), .initial = "4096", .min = ROWS_LEAST, .max = 65536,
      .help = "How many records a window keeps; with more it ends early." },
    { "bytes_max", DV_SIZE, offsetof(struct dv_kanonymize_plan, bytes_max), .initial = "16MiB", .min = 65536,
      .max = 1 << 30, .help = "How many bytes of text a window keeps; at half of it the window ends early." },
    { 0 },
};

static bool may_be_coarsened(const struct dv_column *column)
{
    return column->type == DV_TYPE_TEXT || column->type == DV_TYPE_INT || column->type == DV_TYPE_FLOAT ||
           column->type == DV_TYPE_BOOL;
}

/* What tells the members of a class apart, or nobody can vouch for. */
static bool stays_behind(const struct dv_schema *in, uint32_t index)
{
    uint8_t class = in->columns[index].label.class;
    return class == DV_CLASS_DIRECT_ID || class == DV_CLASS_FREE_TEXT || in->subject == (int32_t)index ||
           in->extra == (int32_t)index;
}

/* What says nothing about a person by itself, although it is a quasi-identifier. */
static bool is_hidden(const struct dv_column *column)
{
    return column->label.form == DV_FORM_SEALED || column->label.form == DV_FORM_NOISED ||
           column->label.form == DV_FORM_AGGREGATE;
}

static dv_rc mark_quasi(struct dv_node *node, const struct dv_shape *shape, const char *name, bool *is_quasi)
{
    int index = dv_shape_column(node, shape, "quasi", name);
    if (index < 0)
        return DV_E_CONFIG;
    const struct dv_column *column = &shape->in->columns[index];
    if (stays_behind(shape->in, (uint32_t)index))
        return dv_refuse(node, "quasi", "P110", "it does not leave this node; name what many people share",
                         "column '%s' is %s: no range of it is shared", name,
                         shape->in->subject == index ? "the subject" : dv_class_name((enum dv_class)column->label.class));
    if (!may_be_coarsened(column))
        return dv_refuse(node, "quasi", "C190", NULL, "column '%s' is of type %s: only text, int, float and bool have ranges",
                         name, dv_type_name(column->type));
    if (is_quasi[index])
        return dv_refuse(node, "quasi", "C183", NULL, "column '%s' is named twice", name);
    is_quasi[index] = true;
    return DV_OK;
}

/* A quasi-identifier that is left as it is would tell the members of a class apart. */
static dv_rc check_unnamed(struct dv_node *node, const struct dv_schema *in, const bool *is_quasi)
{
    dv_rc rc = DV_OK;
    for (uint32_t i = 0; i < in->column_count; i++) {
        const struct dv_column *column = &in->columns[i];
        if (is_quasi[i] || stays_behind(in, i) || column->label.class != DV_CLASS_QUASI_ID || is_hidden(column))
            continue;
        rc = dv_refuse(node, "quasi", "P111", "name it, too, or drop it before: { op: project, drop: [...] }",
                       "column '%s' is a quasi-id that `quasi` does not name: it would tell the %s apart", column->name,
                       "members of a class");
    }
    return rc;
}

static dv_rc find_quasi(struct dv_node *node, const struct dv_shape *shape, const struct dv_kanonymize_plan *plan,
                        bool *is_quasi)
{
    dv_rc rc = DV_OK;
    uint32_t count = 0;
    for (size_t i = 0; i < plan->names.count; i++) {
        dv_rc marked = mark_quasi(node, shape, plan->names.items[i], is_quasi);
        rc = dv_is_error(marked) ? marked : rc;
    }
    for (uint32_t i = 0; plan->names.count == 0 && i < shape->in->column_count; i++) {
        const struct dv_column *column = &shape->in->columns[i];
        is_quasi[i] = column->label.class == DV_CLASS_QUASI_ID && !stays_behind(shape->in, i) && !is_hidden(column) &&
                      may_be_coarsened(column);
    }
    DV_TRY(rc);
    DV_TRY(check_unnamed(node, shape->in, is_quasi));
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        count += is_quasi[i];
    if (count == 0 || count > DV_KANON_QUASI_MAX)
        return dv_refuse(node, "quasi", "C191", "name the columns by which a person could be known",
                         "there are %u quasi-identifiers; there can be 1 to %d", count, DV_KANON_QUASI_MAX);
    return DV_OK;
}

static void take_quasi(struct dv_kanonymize_plan *plan, struct dv_column *column)
{
    uint32_t at = plan->columns.schema->column_count - 1;
    plan->quasi_of[at] = (int)plan->quasi_count;
    plan->quasi[plan->quasi_count++] = (struct dv_kanonymize_quasi){ .column = at, .type = column->type };
    column->type = DV_TYPE_TEXT;
    column->required = false;
    column->bounded = false;
    column->label = dv_label_with((enum dv_class)column->label.class, DV_FORM_GENERALIZED, (uint64_t)plan->k);
}

static dv_rc make_columns(struct dv_node *node, struct dv_kanonymize_plan *plan, const bool *is_quasi)
{
    plan->quasi_count = 0;
    if (!dv_columns_start(&plan->columns, dv_node_arena(node), plan->in))
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < plan->in->column_count; i++) {
        if (stays_behind(plan->in, i))
            continue;
        struct dv_column *column = dv_columns_take(&plan->columns, plan->in, i);
        plan->quasi_of[plan->columns.schema->column_count - 1] = -1;
        if (is_quasi[i])
            take_quasi(plan, column);
    }
    return DV_OK;
}

static dv_rc plan_prefixes(struct dv_node *node, const struct dv_shape *shape, struct dv_kanonymize_plan *plan)
{
    for (size_t i = 0; i < plan->prefixes.count; i++) {
        const char *name = plan->prefixes.items[i];
        if (dv_shape_column(node, shape, "prefixes", name) < 0)
            return DV_E_CONFIG;
        int column = dv_schema_find(plan->columns.schema, name);
        int quasi = column >= 0 ? plan->quasi_of[column] : -1;
        if (quasi < 0 || plan->quasi[quasi].type != DV_TYPE_TEXT)
            return dv_refuse(node, "prefixes", "C192", NULL, "column '%s' is no quasi-identifier of type text", name);
        plan->quasi[quasi].is_prefix = true;
    }
    return DV_OK;
}

static dv_rc check_rules(struct dv_node *node, const struct dv_kanonymize_plan *plan)
{
    bool asks = plan->l > 0 || plan->t < 1;
    if (plan->of == NULL && asks)
        return dv_refuse(node, plan->l > 0 ? "l" : "t", "C193", "say which: { l: 2, of: diagnosis }",
                         "`l` and `t` are about the sensitive column that `of` names");
    if (plan->of != NULL && !asks)
        return dv_refuse(node, "of", "C194", "say { l: 2 } or { t: 0.3 }", "`of` does nothing without `l` or `t`");
    if (plan->diversity == DV_DIVERSITY_RECURSIVE && plan->l > 0 && (plan->l < 2 || plan->l != floor(plan->l)))
        return dv_refuse(node, "l", "C195", NULL, "recursive diversity takes a whole `l` of 2 or more");
    if (!(plan->suppress_max >= 0 && plan->suppress_max <= 0.5) || !(plan->t >= 0) || !(plan->l >= 0) || !(plan->c > 0))
        return dv_refuse(node, "suppress_max", "C196", NULL, "`suppress_max` is from 0 to 0.5, and `c` more than 0");
    return DV_OK;
}

static dv_rc plan_sensitive(struct dv_node *node, const struct dv_shape *shape, struct dv_kanonymize_plan *plan)
{
    plan->sensitive = -1;
    if (plan->of == NULL)
        return DV_OK;
    int index = dv_shape_column(node, shape, "of", plan->of);
    if (index < 0)
        return DV_E_CONFIG;
    plan->sensitive = dv_schema_find(plan->columns.schema, plan->of);
    plan->sensitive_type = shape->in->columns[index].type;
    if (plan->sensitive < 0 || plan->quasi_of[plan->sensitive] >= 0 || !may_be_coarsened(&shape->in->columns[index]))
        return dv_refuse(node, "of", "C197", "name a sensitive or public column of text, int, float or bool",
                         "column '%s' cannot be the sensitive one", plan->of);
    return DV_OK;
}

dv_rc dv_kanonymize_plan(struct dv_node *node, const struct dv_shape *shape, struct dv_kanonymize_plan *plan)
{
    bool is_quasi[DV_COLUMNS_MAX] = { false };
    plan->in = shape->in;
    DV_TRY(dv_columns_tell_people(node, shape->in, "a class"));
    DV_TRY(check_rules(node, plan));
    DV_TRY(find_quasi(node, shape, plan, is_quasi));
    DV_TRY(make_columns(node, plan, is_quasi));
    DV_TRY(plan_prefixes(node, shape, plan));
    DV_TRY(plan_sensitive(node, shape, plan));
    plan->rules = (struct dv_kanon_rules){ .k = (uint32_t)plan->k, .is_relaxed = plan->method == 1, .l = plan->l,
                                           .c = plan->c, .t = plan->t,
                                           .diversity = (enum dv_diversity_kind)plan->diversity };
    return DV_OK;
}
