/* SPDX-License-Identifier: Apache-2.0
 * insights_rows.c - reads the rows of an aggregate, and writes those of insights. */
#include "operators/insights_rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/id.h"

/* ---- the schema ---- */

static const char hint[] = "put it right behind `aggregate`: { op: insights, after: trends }";

static bool need(struct dv_node *node, const struct dv_schema *in, const char *name, enum dv_type type, uint32_t *ret)
{
    int index = dv_schema_find(in, name);
    if (index >= 0 && in->columns[index].type == type) {
        *ret = (uint32_t)index;
        return true;
    }
    (void)dv_refuse(node, NULL, "C210", hint, "the input has no %s column '%s', as the rows of `aggregate` have",
                    dv_type_name(type), name);
    return false;
}

/* Every column must be of groups of k, or public; the smallest k is that of all that is said. */
static dv_rc check_labels(struct dv_node *node, struct dv_insights_columns *columns)
{
    columns->k = UINT16_MAX;
    for (uint32_t i = 0; i < columns->in->column_count; i++) {
        const struct dv_column *column = &columns->in->columns[i];
        bool is_group = column->label.form == DV_FORM_AGGREGATE && column->label.parameter >= DV_K_MIN;
        bool is_window = i == columns->start || i == columns->end;
        if (!is_group && !(is_window && column->label.class == DV_CLASS_PUBLIC)) {
            char text[64];
            return dv_refuse(node, NULL, "P112", hint, "column '%s' is %s: insights are made of groups of k >= %d only",
                             column->name, dv_label_text(column->label, text, sizeof text), DV_K_MIN);
        }
        if (is_group && column->label.parameter < columns->k)
            columns->k = column->label.parameter;
    }
    return DV_OK;
}

/* An aggregate names groups before it counts them, and measures them behind. */
static dv_rc sort_column(struct dv_node *node, struct dv_insights_columns *columns, uint32_t i)
{
    const struct dv_column *column = &columns->in->columns[i];
    if (i == columns->start || i == columns->end || i == columns->count || i == columns->other || i == columns->suppressed)
        return DV_OK;
    if (i < columns->count && columns->by_count < DV_INSIGHTS_BY_MAX) {
        columns->by[columns->by_count++] = i;
        return DV_OK;
    }
    bool is_number = column->type == DV_TYPE_INT || column->type == DV_TYPE_FLOAT;
    if (i < columns->count || !is_number || columns->measure_count == DV_INSIGHTS_MEASURES_MAX)
        return dv_refuse(node, NULL, "C212", "leave columns out by { op: project, drop: [...] }",
                         "column '%s': there can be %d columns that name groups, and %d measures, which are numbers",
                         column->name, DV_INSIGHTS_BY_MAX, DV_INSIGHTS_MEASURES_MAX);
    columns->is_sum[columns->measure_count] = strncmp(column->name, "sum_", 4) == 0;
    columns->measures[columns->measure_count++] = i;
    return DV_OK;
}

static enum dv_class worst(const struct dv_insights_columns *columns, const uint32_t *of, uint32_t count)
{
    uint8_t class = DV_CLASS_PUBLIC;
    for (uint32_t i = 0; i < count; i++)
        if (columns->in->columns[of[i]].label.class > class)
            class = columns->in->columns[of[i]].label.class;
    return (enum dv_class)class;
}

/* False: no memory. */
static bool join_names(struct dv_node *node, const struct dv_insights_columns *columns, const char **ret)
{
    const char *text = columns->by_count == 0 ? NULL : columns->in->columns[columns->by[0]].name;
    for (uint32_t i = 1; i < columns->by_count && text != NULL; i++)
        text = dv_arena_printf(dv_node_arena(node), "%s and %s", text, columns->in->columns[columns->by[i]].name);
    *ret = text;
    return text != NULL || columns->by_count == 0;
}

static dv_rc make_schema(struct dv_node *node, struct dv_insights_columns *columns)
{
    static const struct {
        const char *name;
        enum dv_type type;
        char made_of; /* 'p': public as it is; 'c': counts, 'g': names of groups, 'm': measures, 'a': all of them */
    } made[DV_INSIGHTS_COLUMNS] = {
        { "window_start_ms", DV_TYPE_INT, 'p' }, { "window_end_ms", DV_TYPE_INT, 'p' }, { "kind", DV_TYPE_TEXT, 'a' },
        { "severity", DV_TYPE_TEXT, 'a' },       { "group", DV_TYPE_TEXT, 'g' },        { "measure", DV_TYPE_TEXT, 'c' },
        { "observed", DV_TYPE_FLOAT, 'm' },      { "expected", DV_TYPE_FLOAT, 'm' },    { "effect", DV_TYPE_FLOAT, 'm' },
        { "score", DV_TYPE_FLOAT, 'm' },         { "test", DV_TYPE_TEXT, 'c' },         { "p", DV_TYPE_FLOAT, 'm' },
        { "q", DV_TYPE_FLOAT, 'm' },             { "windows", DV_TYPE_INT, 'c' },       { "sentence", DV_TYPE_TEXT, 'a' },
        { "recommendation", DV_TYPE_TEXT, 'a' }, { "told", DV_TYPE_TEXT, 'a' },
    };
    enum dv_class groups = worst(columns, columns->by, columns->by_count);
    enum dv_class measures = worst(columns, columns->measures, columns->measure_count);
    bool named = join_names(node, columns, &columns->of);
    columns->out = dv_schema_new(dv_node_arena(node), dv_node_name(node), DV_INSIGHTS_COLUMNS);
    if (columns->out == NULL || !named)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    for (uint32_t i = 0; i < DV_INSIGHTS_COLUMNS; i++) {
        char of = made[i].made_of;
        enum dv_class class = of == 'g' ? groups : of == 'm' ? measures : DV_CLASS_PUBLIC;
        class = of == 'a' ? (groups > measures ? groups : measures) : class;
        struct dv_label label = dv_label_with(class, DV_FORM_AGGREGATE, columns->k);
        label = of == 'p' ? dv_label(DV_CLASS_PUBLIC, DV_FORM_PLAIN) : label;
        (void)dv_schema_add(columns->out, made[i].name, made[i].type, label);
    }
    return DV_OK;
}

dv_rc dv_insights_columns(struct dv_node *node, const struct dv_shape *shape, struct dv_insights_columns *ret)
{
    const struct dv_schema *in = shape->in;
    *ret = (struct dv_insights_columns){ .in = in };
    if (!need(node, in, "window_start_ms", DV_TYPE_INT, &ret->start) ||
        !need(node, in, "window_end_ms", DV_TYPE_INT, &ret->end) || !need(node, in, "count", DV_TYPE_INT, &ret->count))
        return DV_E_CONFIG;
    DV_TRY(check_labels(node, ret));
    for (uint32_t i = 0; i < in->column_count; i++) {
        if (strcmp(in->columns[i].name, "total") == 0)
            return dv_refuse(node, NULL, "C210", "take `margins` off, or give insights an aggregate of its own",
                             "rows of totals would be taken for groups");
    }
    if (!need(node, in, "other", DV_TYPE_BOOL, &ret->other) || !need(node, in, "suppressed", DV_TYPE_INT, &ret->suppressed))
        return DV_E_CONFIG;
    for (uint32_t i = 0; i < in->column_count; i++)
        DV_TRY(sort_column(node, ret, i));
    return make_schema(node, ret);
}

/* ---- reading ---- */

static const struct dv_cell *cell_of(const struct dv_batch *batch, uint32_t column, uint32_t row)
{
    return &dv_batch_cells(batch, column)[row];
}

static bool is_text(const struct dv_insights_columns *columns, uint32_t column)
{
    enum dv_type type = columns->in->columns[column].type;
    return type == DV_TYPE_TEXT || type == DV_TYPE_JSON || type == DV_TYPE_BYTES;
}

/* Each value with its length before it, so that no two groups have one key. NULL: no memory. */
static const char *key_of(const struct dv_insights_columns *columns, const struct dv_batch *batch, uint32_t row,
                          struct dv_arena *scratch, uint32_t *ret_length)
{
    size_t length = 0;
    for (uint32_t i = 0; i < columns->by_count; i++)
        length += sizeof(uint64_t) + (is_text(columns, columns->by[i]) ? cell_of(batch, columns->by[i], row)->length : 8);
    char *key = dv_arena_text(scratch, length + 1);
    char *at = key;
    for (uint32_t i = 0; key != NULL && i < columns->by_count; i++) {
        const struct dv_cell *cell = cell_of(batch, columns->by[i], row);
        bool text = is_text(columns, columns->by[i]);
        uint64_t head = !cell->present ? UINT64_MAX : text ? cell->length : 8;
        const void *bytes = text ? (const void *)cell->text : (const void *)&cell->integer;
        memcpy(at, &head, sizeof head);
        at += sizeof head;
        if (!cell->present)
            continue;
        memcpy(at, bytes, head);
        at += head;
    }
    *ret_length = (uint32_t)(at - key);
    return key;
}

static double number_of(const struct dv_insights_columns *columns, const struct dv_batch *batch, uint32_t measure,
                        uint32_t row, double count)
{
    const struct dv_cell *cell = cell_of(batch, columns->measures[measure], row);
    if (!cell->present || !(count > 0))
        return NAN;
    bool whole = columns->in->columns[columns->measures[measure]].type == DV_TYPE_INT;
    double number = whole ? (double)cell->integer : cell->number;
    number = columns->is_sum[measure] ? number / count : number;
    return isfinite(number) ? number : NAN;
}

/* False: no memory. Rows without a count say only that nothing may be shown. */
static bool read_row(const struct dv_insights_columns *columns, const struct dv_batch *batch, uint32_t row,
                     struct dv_insights_window *window, struct dv_insights_row *ret, struct dv_arena *scratch)
{
    const struct dv_cell *count = cell_of(batch, columns->count, row);
    window->suppressed |= cell_of(batch, columns->suppressed, row)->integer > 0;
    if (!count->present)
        return true;
    if (cell_of(batch, columns->other, row)->integer != 0) {
        window->pool = (double)count->integer;
        return true;
    }
    ret->count = (double)count->integer;
    ret->key = key_of(columns, batch, row, scratch, &ret->key_length);
    for (uint32_t measure = 0; measure < columns->measure_count; measure++)
        ret->measures[measure] = number_of(columns, batch, measure, row, ret->count);
    window->row_count++;
    return ret->key != NULL;
}

struct dv_insights_window *dv_insights_read(const struct dv_insights_columns *columns, const struct dv_batch *batch,
                                            struct dv_arena *scratch, uint32_t ret_row[DV_INSIGHTS_ROWS_MAX])
{
    struct dv_insights_window *window = dv_arena_zeroed(scratch, 1, sizeof *window);
    struct dv_insights_row *rows = dv_arena_zeroed(scratch, batch->rows, sizeof *rows);
    if (window == NULL || rows == NULL)
        return NULL;
    window->rows = rows;
    window->pool = NAN;
    window->start_ms = cell_of(batch, columns->start, 0)->integer;
    window->end_ms = cell_of(batch, columns->end, 0)->integer;
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (dv_batch_rejected(batch, row))
            continue;
        ret_row[window->row_count < DV_INSIGHTS_ROWS_MAX ? window->row_count : 0] = row;
        if (!read_row(columns, batch, row, window, &rows[window->row_count], scratch))
            return NULL;
    }
    return window;
}

/* ---- writing ---- */

/* Appends as much as there is room for, whole characters only. */
static uint32_t append(char *buffer, uint32_t at, const char *text, uint32_t length)
{
    uint32_t room = DV_INSIGHTS_KEY_MAX - 1 - at;
    uint32_t fits = length < room ? length : room;
    while (fits < length && fits > 0 && ((unsigned char)text[fits] & 0xC0u) == 0x80u)
        fits--;
    memcpy(buffer + at, text, fits);
    buffer[at + fits] = '\0';
    return at + fits;
}

static void name_group(const struct dv_insights_columns *columns, const struct dv_batch *batch, uint32_t row, char *buffer)
{
    uint32_t at = append(buffer, 0, columns->by_count == 0 ? "all records" : "", columns->by_count == 0 ? 11 : 0);
    for (uint32_t i = 0; i < columns->by_count; i++) {
        const struct dv_cell *cell = cell_of(batch, columns->by[i], row);
        char number[32];
        const char *text = cell->integer != 0 ? "true" : "false";
        uint32_t length = cell->integer != 0 ? 4 : 5;
        at = i > 0 ? append(buffer, at, " / ", 3) : at;
        if (columns->in->columns[columns->by[i]].type == DV_TYPE_INT) {
            length = (uint32_t)snprintf(number, sizeof number, "%" PRId64, cell->integer);
            text = number;
        }
        if (is_text(columns, columns->by[i])) {
            text = cell->text;
            length = cell->length;
        }
        at = cell->present ? append(buffer, at, text, length) : append(buffer, at, "(none)", 6);
    }
}

dv_rc dv_insights_room(struct dv_batch *batch, struct dv_insights_room *ret)
{
    for (uint32_t i = 0; i < DV_INSIGHTS_COLUMNS; i++) {
        ret->cells[i] = dv_batch_new_cells(batch);
        if (ret->cells[i] == NULL)
            return DV_E_MEMORY;
    }
    ret->rows = dv_arena_zeroed(&batch->arena, DV_BATCH_ROWS, sizeof *ret->rows);
    ret->groups = dv_arena_zeroed(&batch->arena, DV_INSIGHTS_SAID_MAX, sizeof *ret->groups);
    ret->sentences = dv_arena_zeroed(&batch->arena, DV_INSIGHTS_SAID_MAX, sizeof *ret->sentences);
    ret->told = dv_arena_zeroed(&batch->arena, DV_INSIGHTS_SAID_MAX, sizeof *ret->told);
    if (ret->rows == NULL || ret->groups == NULL || ret->sentences == NULL || ret->told == NULL)
        return DV_E_MEMORY;
    return DV_OK;
}

static struct dv_cell text_cell(const char *text)
{
    return (struct dv_cell){ .text = text, .length = (uint32_t)strlen(text), .present = text[0] != '\0' };
}

static struct dv_cell number_cell(double number)
{
    return (struct dv_cell){ .number = isfinite(number) ? number : 0, .present = isfinite(number) };
}

static struct dv_cell whole_cell(int64_t number)
{
    return (struct dv_cell){ .integer = number, .present = 1 };
}

static void write_row(const struct dv_insights_columns *columns, const struct dv_insights_said *said, uint32_t i,
                      uint32_t rank, const struct dv_insights_room *room, const struct dv_batch *batch)
{
    const struct dv_insight *insight = &said->insights[i];
    const struct dv_insights_rule *rule = dv_insights_rule(said->rules, insight);
    char *group = room->groups[i];
    const char *measure = insight->measure >= 0 ? columns->in->columns[columns->measures[insight->measure]].name : "count";
    char named[DV_INSIGHTS_KEY_MAX];
    if (insight->row >= 0)
        name_group(columns, batch, said->rows[insight->row], group);
    const struct dv_insight_names names = { group, columns->of, dv_insight_measure(measure, named), rank, said->window->start_ms, said->window->end_ms };
    (void)dv_insight_sentence(said->plan, insight, &names, room->sentences[i]);
    (void)dv_insight_told(said->plan, insight, &names, rule != NULL ? rule->say : "", room->told[i]);
    const struct dv_cell cells[DV_INSIGHTS_COLUMNS] = {
        whole_cell(said->window->start_ms),
        whole_cell(said->window->end_ms),
        text_cell(dv_insight_kind_name(insight->kind)),
        text_cell(dv_insight_severity_name(rule != NULL ? rule->severity : 0)),
        text_cell(group),
        text_cell(measure),
        number_cell(insight->observed),
        number_cell(insight->expected),
        number_cell(insight->effect),
        number_cell(insight->score),
        text_cell(dv_insight_test_name(said->plan, insight)),
        number_cell(insight->p),
        number_cell(insight->q),
        whole_cell(insight->windows),
        text_cell(room->sentences[i]),
        text_cell(rule != NULL ? rule->say : ""),
        text_cell(room->told[i]),
    };
    for (uint32_t column = 0; column < DV_INSIGHTS_COLUMNS; column++)
        room->cells[column][i] = cells[column];
}

dv_rc dv_insights_write(const struct dv_insights_columns *columns, const struct dv_insights_said *said,
                        const struct dv_insights_room *room, struct dv_batch *batch)
{
    int map[DV_COLUMNS_MAX];
    memset(map, -1, sizeof map);
    uint32_t rank = 0;
    for (uint32_t i = 0; i < said->count; i++) {
        rank += said->insights[i].kind == DV_INSIGHT_TOP;
        write_row(columns, said, i, rank, room, batch);
        room->rows[i] = (struct dv_row){ .created_ms = said->window->end_ms };
        dv_id_make(room->rows[i].id, (uint64_t)said->window->start_ms, i, said->origin);
    }
    batch->rows = said->count;
    batch->row = room->rows;
    batch->rejected_count = 0;
    memset(batch->rejected, 0, sizeof batch->rejected);
    return dv_batch_reshape_with(batch, columns->out, map, room->cells);
}
