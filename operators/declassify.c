/* SPDX-License-Identifier: Apache-2.0
 * declassify.c - makes columns public on somebody's responsibility, with a reason that stands in the file.
 *
 * It is the one way past the proof, so it is narrow and says what it does: it may ask that the columns come in a certain
 * form (`from: generalized`), and end on a day (`until:`), after which the graph is refused. The proof's table shows these
 * columns as public, and each start logs every one of them. A field that no schema names cannot be declassified: nobody can
 * answer for it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/log.h"
#include "engine/operator.h"
#include "operators/columns.h"

enum { REASON_MIN = 10 };

struct declassify {
    struct dv_strs names;
    const char *reason;
    int form;
    const char *until;
    struct dv_columns columns;
};

static const struct dv_option options[] = {
    { "columns", DV_STRS, offsetof(struct declassify, names), .flags = DV_REQUIRED,
      .help = "Columns that become public." },
    { "reason", DV_STR, offsetof(struct declassify, reason), .flags = DV_REQUIRED,
      .help = "Why they may: at least 10 characters, for the auditor." },
    { "form", DV_ENUM, offsetof(struct declassify, form), .initial = "any",
      .values = "sealed|noised|aggregate|redacted|generalized|pseudonym|masked|plain|any",
      .help = "The form they must come in: if a node before does less or other than that, the graph is refused." },
    { "until", DV_STR, offsetof(struct declassify, until),
      .help = "The last day it holds, as 2027-06-30 (UTC): a graph that is checked later is refused." },
    { 0 },
};

/* The words of `form` are in the order of enum dv_form, and one more. */
enum { FORM_ANY = DV_FORM_PLAIN + 1 };

static dv_rc check_form(struct dv_node *node, const struct dv_column *column)
{
    const struct declassify *declassify = dv_state(node);
    if (declassify->form == FORM_ANY || declassify->form == column->label.form)
        return DV_OK;
    return dv_refuse(node, "form", "P110", "say what the reason was given for, or ask for it again",
                     "column '%s' comes as %s, and only %s is declassified", column->name,
                     dv_form_name((enum dv_form)column->label.form), dv_form_name((enum dv_form)declassify->form));
}

/* Days are compared as texts, which have one form. */
static dv_rc check_until(struct dv_node *node)
{
    const struct declassify *declassify = dv_state(node);
    char today[16];
    time_t now = time(NULL);
    struct tm parts;
    if (declassify->until == NULL)
        return DV_OK;
    struct tm wanted = { 0 };
    const char *end = strptime(declassify->until, "%Y-%m-%d", &wanted);
    if (end == NULL || *end != '\0' || strlen(declassify->until) != strlen("2027-06-30"))
        return dv_refuse(node, "until", "C109", "write it as 2027-06-30", "`until` is no day");
    if (gmtime_r(&now, &parts) == NULL || strftime(today, sizeof today, "%Y-%m-%d", &parts) == 0 ||
        strcmp(today, declassify->until) > 0)
        return dv_refuse(node, "until", "P111", "ask whoever gave the reason, and say the new day, or anonymize the columns",
                         "what is declassified here was so until %s", declassify->until);
    return DV_OK;
}

static dv_rc publish(struct dv_node *node, const struct dv_shape *shape, const char *name)
{
    struct declassify *declassify = dv_state(node);
    int column = dv_shape_column(node, shape, "columns", name);
    if (column < 0)
        return DV_E_CONFIG;
    if (column == shape->in->extra)
        return dv_refuse(node, "columns", "P101", "name the field in the schema and declassify that",
                         "fields that no schema names cannot be declassified");
    DV_TRY(check_form(node, &shape->in->columns[column]));
    declassify->columns.schema->columns[column].label = dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN);
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct declassify *declassify = dv_state(node);
    dv_rc rc = DV_OK;
    if (strlen(declassify->reason) < REASON_MIN)
        rc = dv_refuse(node, "reason", "P102", "say it so that an auditor understands it without asking",
                       "the reason is shorter than %d characters", REASON_MIN);
    dv_rc in_time = check_until(node);
    rc = dv_is_error(in_time) ? in_time : rc;
    if (!dv_columns_start(&declassify->columns, dv_node_arena(node), shape->in))
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        (void)dv_columns_take(&declassify->columns, shape->in, i);
    for (size_t i = 0; i < declassify->names.count; i++) {
        dv_rc published = publish(node, shape, declassify->names.items[i]);
        rc = dv_is_error(published) ? published : rc;
    }
    shape->out[0] = declassify->columns.schema;
    return rc;
}

static dv_rc open_node(struct dv_node *node)
{
    const struct declassify *declassify = dv_state(node);
    for (size_t i = 0; i < declassify->names.count; i++)
        dv_log(DV_LOG_WARN, "declassified", DV_LOG_NAMED("graph", dv_node_graph(node)),
               DV_LOG_NAMED("node", dv_node_name(node)), DV_LOG_NAMED("column", declassify->names.items[i]));
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct declassify *declassify = dv_state(node);
    return dv_batch_reshape(batch, declassify->columns.schema, declassify->columns.from);
}

const struct dv_operator dv_operator_declassify = {
    .name = "declassify",
    .summary = "Makes columns public, for a reason that stands in the file; each start logs which.",
    .options = options,
    .size = sizeof(struct declassify),
    .edits = true,
    .transfer = transfer,
    .open = open_node,
    .process = process,
};
