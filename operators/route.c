/* SPDX-License-Identifier: Apache-2.0
 * route.c - splits records in two by one column: `after: NODE.matched` and `after: NODE.rest`.
 *
 * A record without the column goes to the rest. When all of a batch goes one way it goes as it is, without a copy. That a
 * record is on an output tells something about the column, which the proof follows to each exit. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/operator.h"

enum { MATCHED, REST };

static const double UNBOUNDED = 1e308;

struct route {
    const char *column;
    const char *equals;
    struct dv_strs in;
    double above;
    double below;
    bool present;
    uint32_t index;
    enum dv_type type;
    struct dv_cell *wanted; /* what `equals` and `in` name, in the column's type */
    size_t wanted_count;
    const struct dv_schema *sent;
    bool thinned;              /* `sent` is not what comes in */
    int same[DV_COLUMNS_MAX]; /* column i is column i */
};

static const struct dv_option options[] = {
    { "column", DV_STR, offsetof(struct route, column), .flags = DV_REQUIRED, .help = "Column that decides." },
    { "equals", DV_STR, offsetof(struct route, equals), .help = "Matches this value (text, int or bool)." },
    { "in", DV_STRS, offsetof(struct route, in), .help = "Matches any of these values (text, int or bool)." },
    { "above", DV_FLOAT, offsetof(struct route, above), .initial = "-1e308",
      .help = "Matches numbers greater than this; with `below`, a range. The default is no bound." },
    { "below", DV_FLOAT, offsetof(struct route, below), .initial = "1e308",
      .help = "Matches numbers less than this. The default is no bound." },
    { "present", DV_BOOL, offsetof(struct route, present), .initial = "false",
      .help = "Matches records that have the column at all." },
    { 0 },
};

static bool is_range(const struct route *route)
{
    return route->above > -UNBOUNDED || route->below < UNBOUNDED;
}

/* The value in the column's type; false if the text is none such. */
static bool parse(enum dv_type type, const char *text, struct dv_cell *cell)
{
    char *end = NULL;
    errno = 0;
    switch (type) {
    case DV_TYPE_TEXT:
        cell->text = text;
        cell->length = (uint32_t)strlen(text);
        return true;
    case DV_TYPE_INT:
        cell->integer = strtoll(text, &end, 10);
        return errno == 0 && end != text && *end == '\0';
    case DV_TYPE_BOOL:
        cell->integer = strcmp(text, "true") == 0;
        return cell->integer == 1 || strcmp(text, "false") == 0;
    default:
        return false;
    }
}

static dv_rc parse_wanted(struct dv_node *node)
{
    struct route *route = dv_state(node);
    const char *option = route->equals != NULL ? "equals" : "in";
    const char *const *texts = route->equals != NULL ? (const char *const *)&route->equals : route->in.items;
    route->wanted_count = route->equals != NULL ? 1 : route->in.count;
    route->wanted = dv_arena_zeroed(dv_node_arena(node), route->wanted_count, sizeof *route->wanted);
    if (route->wanted == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the values of `%s`", option);
    for (size_t i = 0; i < route->wanted_count; i++) {
        if (!parse(route->type, texts[i], &route->wanted[i]))
            return dv_refuse(node, option, "C104", "text, int and bool columns can be compared with a value",
                             "column '%s' is of type %s and can never equal this", route->column,
                             dv_type_name(route->type));
    }
    return DV_OK;
}

/* Whether the matched records all have one value: it is wanted alone, or no other whole number is between the bounds. */
static bool matches_one_value(const struct route *route)
{
    if (!is_range(route))
        return route->wanted_count == 1;
    return route->type == DV_TYPE_INT && ceil(route->below) - floor(route->above) <= 2;
}

/* A record of the rest of one bool has the other. */
static void tell(const struct route *route, struct dv_shape *shape)
{
    bool one = matches_one_value(route);
    shape->told[MATCHED] = (struct dv_told){ .any = true, .exact = one, .column = route->index };
    shape->told[REST] = (struct dv_told){ .any = true, .exact = one && route->type == DV_TYPE_BOOL, .column = route->index };
}

static dv_rc send_schema(struct dv_node *node, struct dv_shape *shape)
{
    struct route *route = dv_state(node);
    route->sent = dv_schema_thinned(dv_node_arena(node), shape->in, route->index);
    if (route->sent == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for the schema");
    route->thinned = route->sent != shape->in;
    for (int i = 0; i < DV_COLUMNS_MAX; i++)
        route->same[i] = i;
    shape->out[MATCHED] = route->sent;
    shape->out[REST] = route->sent;
    tell(route, shape);
    return DV_OK;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct route *route = dv_state(node);
    int index = dv_shape_column(node, shape, "column", route->column);
    if (index < 0)
        return DV_E_CONFIG;
    route->index = (uint32_t)index;
    route->type = shape->in->columns[index].type;
    if ((route->equals != NULL) + (route->in.count != 0) + is_range(route) + route->present != 1)
        return dv_refuse(node, NULL, "C103", "{ op: route, column: amount, above: 1000 }",
                         "`route` needs exactly one of `equals`, `in`, `above`/`below` and `present`");
    if (is_range(route) && route->type != DV_TYPE_INT && route->type != DV_TYPE_FLOAT)
        return dv_refuse(node, "column", "C105", NULL, "column '%s' is of type %s: only int and float have an order",
                         route->column, dv_type_name(route->type));
    if (route->equals != NULL || route->in.count != 0)
        DV_TRY(parse_wanted(node));
    return send_schema(node, shape);
}

static bool is_wanted(const struct route *route, const struct dv_cell *cell)
{
    for (size_t i = 0; i < route->wanted_count; i++) {
        const struct dv_cell *wanted = &route->wanted[i];
        bool same = route->type != DV_TYPE_TEXT
                        ? cell->integer == wanted->integer
                        : cell->length == wanted->length && memcmp(cell->text, wanted->text, cell->length) == 0;
        if (same)
            return true;
    }
    return false;
}

static bool matches(const struct route *route, const struct dv_cell *cell)
{
    if (!cell->present || route->present)
        return cell->present != 0;
    if (!is_range(route))
        return is_wanted(route, cell);
    double value = route->type == DV_TYPE_INT ? (double)cell->integer : cell->number;
    return value > route->above && value < route->below;
}

/* A batch of the rows that go one way, or NULL. */
static struct dv_batch *part(struct dv_node *node, struct dv_batch *batch, const uint16_t *rows, uint32_t count)
{
    const struct route *route = dv_state(node);
    struct dv_batch *made = dv_select(node, batch, rows, count);
    if (made == NULL || !route->thinned || dv_batch_reshape(made, route->sent, route->same) == DV_OK)
        return made;
    dv_batch_unref(made);
    return NULL;
}

static dv_rc split(struct dv_node *node, struct dv_batch *batch, const uint16_t rows[2][DV_BATCH_ROWS],
                   const uint32_t counts[2])
{
    struct dv_batch *parts[2] = { NULL, NULL };
    bool made = true;
    for (unsigned side = MATCHED; side <= REST; side++) {
        parts[side] = counts[side] != 0 ? part(node, batch, rows[side], counts[side]) : NULL;
        made = made && (parts[side] != NULL || counts[side] == 0);
    }
    for (unsigned side = MATCHED; side <= REST; side++) {
        if (parts[side] != NULL && made)
            dv_emit(node, side, parts[side]);
        else if (parts[side] != NULL)
            dv_batch_unref(parts[side]);
    }
    return made ? DV_DROP : dv_fail(node, DV_E_MEMORY, "no memory to split a batch");
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    const struct route *route = dv_state(node);
    const struct dv_cell *cells = dv_batch_cells(batch, route->index);
    uint16_t rows[2][DV_BATCH_ROWS];
    uint32_t counts[2] = { 0, 0 };
    for (uint32_t row = 0; row < batch->rows; row++) {
        unsigned side = matches(route, &cells[row]) ? MATCHED : REST;
        rows[side][counts[side]++] = (uint16_t)row;
    }
    DV_ASSERT(counts[MATCHED] + counts[REST] == batch->rows);
    if (route->thinned || (counts[MATCHED] != 0 && counts[REST] != 0))
        return split(node, batch, rows, counts);
    dv_emit(node, counts[MATCHED] != 0 ? MATCHED : REST, dv_batch_ref(batch));
    return DV_DROP;
}

const struct dv_operator dv_operator_route = {
    .name = "route",
    .summary = "Splits records in two by the value of a column.",
    .options = options,
    .size = sizeof(struct route),
    .outputs = "matched|rest",
    .transfer = transfer,
    .process = process,
};
