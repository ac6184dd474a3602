/* SPDX-License-Identifier: Apache-2.0
 * node.c - what operators may ask of their node (operator.h). */
#include "engine/node.h"

#include "engine/yaml.h"

void *dv_state(const struct dv_node *node)
{
    return node->state;
}

const char *dv_node_name(const struct dv_node *node)
{
    return node->name;
}

struct dv_loop *dv_node_loop(const struct dv_node *node)
{
    return node->graph->loop;
}

struct dv_arena *dv_node_arena(const struct dv_node *node)
{
    return node->arena;
}

struct dv_arena *dv_node_scratch(struct dv_node *node)
{
    return &node->scratch;
}

int64_t dv_node_batch_bytes(const struct dv_node *node)
{
    return node->graph->settings.batch_bytes;
}

const char *dv_node_tenant(const struct dv_node *node)
{
    return node->graph->settings.tenant;
}

const char *dv_node_graph(const struct dv_node *node)
{
    return node->graph->settings.name;
}

const char *dv_node_directory(const struct dv_node *node)
{
    return node->graph->directory;
}

struct dv_diags *dv_node_diags(struct dv_node *node)
{
    return node->graph->diags;
}

struct dv_node *dv_node_named(const struct dv_node *node, const char *name)
{
    for (uint32_t i = 0; i < dv_graph_node_count(node->graph); i++)
        if (strcmp(dv_node_name(dv_graph_node(node->graph, i)), name) == 0)
            return dv_graph_node(node->graph, i);
    return NULL;
}

void *dv_node_service(struct dv_node *node, enum dv_service service)
{
    DV_ASSERT(service < DV_SERVICE_COUNT);
    node->lent |= 1u << service;
    return node->graph->services[service];
}

uint32_t dv_node_credits(const struct dv_node *node)
{
    if (node->credits != 0)
        return node->credits;
    return node->op->credits != 0 ? node->op->credits : DV_CREDITS_DEFAULT;
}

uint32_t dv_node_held_max(const struct dv_node *node)
{
    if (node->held_most != 0)
        return node->held_most;
    return node->op->held_max != 0 ? node->op->held_max : 1;
}

void dv_hold_at_most(struct dv_node *node, uint32_t batches)
{
    DV_ASSERT(batches > 0 && batches <= dv_node_places(node));
    node->held_most = batches;
}

uint32_t dv_node_places(const struct dv_node *node)
{
    return node->op->held_max > DV_HELD_FEW ? node->op->held_max : DV_HELD_FEW;
}

dv_rc dv_fail(struct dv_node *node, dv_rc code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)dv_error_setv(&node->error, code, format, arguments);
    va_end(arguments);
    return code;
}

/* Where an option stands in the file; the node's name if it is not there. */
static struct dv_place option_place(const struct dv_node *node, const char *option)
{
    const struct dv_yaml *at = option != NULL ? dv_yaml_get(node->yaml, option) : NULL;
    return at != NULL ? at->place : node->yaml->key_place;
}

dv_rc dv_refuse(struct dv_node *node, const char *option, const char *code, const char *help, const char *format, ...)
{
    char text[DV_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dv_diags_add(node->graph->diags, option_place(node, option), code, NULL, help, "%s", text);
    return DV_E_CONFIG;
}

/* A word of an option, as a message may show it. */
static const char *shown(const struct dv_node *node, const char *option, const char *word)
{
    const struct dv_yaml *value = dv_yaml_get(node->yaml, option);
    const struct dv_yaml *item = value != NULL && value->kind != DV_YAML_SCALAR ? value->first : value;
    for (; item != NULL; item = item->next)
        if (item->kind == DV_YAML_SCALAR && strcmp(item->text, word) == 0)
            return dv_yaml_shown(item);
    return word;
}

int dv_shape_column(struct dv_node *node, const struct dv_shape *shape, const char *option, const char *column)
{
    int index = dv_schema_find(shape->in, column);
    if (index >= 0)
        return index;
    const char *names[DV_COLUMNS_MAX];
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        names[i] = shape->in->columns[i].name;
    const char *help = dv_diags_suggest(node->graph->diags, column, names, shape->in->column_count);
    (void)dv_refuse(node, option, "C020", help, "no column '%s' reaches node '%s'", shown(node, option, column),
                    node->name);
    return -1;
}

void dv_emit(struct dv_node *node, uint32_t output, struct dv_batch *batch)
{
    DV_ASSERT(node->in_process && output < node->output_count);
    DV_ASSERT(((node->emitted >> output) & 1u) == 0);
    if (batch->rows == 0) {
        dv_batch_unref(batch);
        return;
    }
    node->emitted |= 1u << output;
    dv_slots_send(node, output, batch);
}

struct dv_batch *dv_select(struct dv_node *node, struct dv_batch *batch, const uint16_t *rows, uint32_t count)
{
    DV_ASSERT(node->in_process && node->op->outputs != NULL);
    return dv_pool_select(batch, rows, count);
}

void dv_want(struct dv_node *node)
{
    DV_ASSERT(node->op->makes);
    node->wants = true;
    dv_graph_wake(node->graph);
}

void dv_halt(struct dv_node *node, dv_rc rc)
{
    DV_ASSERT(!node->in_process && dv_is_error(rc));
    dv_graph_fail(node->graph, node, rc);
}

static bool may_send(const struct dv_node *source)
{
    return !source->ended && !source->stopping && !source->graph->pauses;
}

/* A source that holds a batch waits for the world outside; one that does not is waited for by someone behind it, unless it
 * waits for a window to be told, which may be the one that asks. */
static bool has_input(const struct dv_node *node)
{
    if (node->op->source)
        return may_send(node) && node->held_count == 0 && !dv_receipts_full(node);
    return node->edge.count > 0 || node->retry_count > 0 || node->held_count > 0;
}

static bool leads_to(const struct dv_node *node, const bool marked[])
{
    bool found = false;
    for (uint32_t link = 0; link < node->link_count; link++)
        found = found || marked[node->graph->links[node->link_first + link].to];
    return found;
}

static bool is_starved(const struct dv_node *node)
{
    return node->op->source && may_send(node) && dv_receipts_full(node);
}

/* Whether `is` holds for the node or one that leads to it, leaving out one. */
static bool any_before(const struct dv_node *node, bool (*is)(const struct dv_node *), const struct dv_node *but)
{
    const struct dv_graph *graph = node->graph;
    bool before[DV_NODES_MAX] = { false };
    bool any = false;
    for (uint32_t i = graph->node_count; i-- > 0;) { /* who sends stands above who receives */
        before[i] = graph->nodes[i] == node || leads_to(graph->nodes[i], before);
        any = any || (before[i] && graph->nodes[i] != but && is(graph->nodes[i]));
    }
    return any;
}

bool dv_input_waits(const struct dv_node *node)
{
    return !dv_links_full(node->graph) && any_before(node, has_input, NULL);
}

bool dv_input_starves(const struct dv_node *node)
{
    return dv_links_full(node->graph) || any_before(node, is_starved, NULL);
}

/* Whether it has something to send on, or may make it, as it is now. */
static bool may_bring(const struct dv_node *node)
{
    bool makes = node->op->source ? may_send(node) : node->op->makes && !node->finished;
    return node->edge.count > 0 || node->retry_count > 0 || node->held_count > 0 ||
           (makes && node->credits_left > 0 && !dv_receipts_full(node));
}

bool dv_input_rests(const struct dv_node *node)
{
    return node->graph->pauses || (node->edge.count == 0 && node->retry_count == 0 && !any_before(node, may_bring, node));
}

void dv_end(struct dv_node *node)
{
    DV_ASSERT(node->op->source);
    node->ended = true;
    dv_graph_wake(node->graph);
}

void dv_claim(struct dv_node *node, struct dv_batch *batch, uint64_t first, uint64_t last)
{
    DV_ASSERT(batch->maker == node && first <= last);
    if (!batch->receipt->claimed)
        batch->receipt->sequence = node->sequence++;
    batch->receipt->claimed = true;
    batch->receipt->first = first;
    batch->receipt->last = last;
}

enum dv_exit dv_node_exit(const struct dv_node *node)
{
    bool stays = node->op->leaves != NULL && !node->op->leaves(node);
    return stays ? DV_EXIT_NONE : node->op->exit;
}

const struct dv_operator *dv_node_operator(const struct dv_node *node)
{
    return node->op;
}

const struct dv_node_stats *dv_node_stats(const struct dv_node *node)
{
    return &node->stats;
}

const struct dv_schema *dv_node_schema_in(const struct dv_node *node)
{
    return node->in;
}

const struct dv_schema *dv_node_schema_out(const struct dv_node *node, uint32_t output)
{
    DV_ASSERT(output < DV_OUTPUTS_MAX);
    return node->out[output];
}

const char *dv_node_status(struct dv_node *node)
{
    bool closed = !node->opened && node->graph->state == DV_GRAPH_RUNNING;
    if (closed)
        return node->error.text[0] != '\0' ? node->error.text : "it is opened again";
    const char *waits = node->opened && node->op->waits != NULL ? node->op->waits(node) : NULL;
    if (waits != NULL)
        return waits;
    if (node->retry_count > 0 || node->retry_timer.active)
        return node->error.text[0] != '\0' ? node->error.text : "a batch failed and is tried again";
    return "";
}

const char *dv_node_trouble(struct dv_node *node)
{
    const char *status = dv_node_status(node);
    const char *trouble = status[0] == '\0' && node->opened && node->op->troubles != NULL ? node->op->troubles(node) : NULL;
    return trouble != NULL ? trouble : status;
}

static unsigned badness(enum dv_breaker_state state)
{
    return state == DV_BREAKER_OPEN ? 2 : state == DV_BREAKER_HALF_OPEN ? 1 : 0;
}

struct dv_circuit dv_node_circuit(const struct dv_node *node)
{
    struct dv_circuit circuit = { 0 };
    const struct dv_breaker *breaker = NULL;
    if (!node->opened || node->op->breaker == NULL)
        return circuit;
    for (uint32_t i = 0; (breaker = node->op->breaker(node, i)) != NULL; i++) {
        circuit.opened_total += breaker->opened_total;
        if (circuit.any && badness(breaker->state) <= badness(circuit.state))
            continue;
        circuit.any = true;
        circuit.state = breaker->state;
        circuit.opened_ns = breaker->opened_ns;
        circuit.reason = breaker->reason;
    }
    return circuit;
}

bool dv_node_gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret)
{
    return node->opened && node->op->gauge != NULL && node->op->gauge(node, index, ret);
}

const char *dv_node_output_name(const struct dv_node *node, uint32_t output, char *buffer, size_t size)
{
    DV_ASSERT(size > 0);
    const char *at = node->op->outputs != NULL ? node->op->outputs : "";
    for (uint32_t skip = output; skip > 0 && at != NULL; skip--) {
        at = strchr(at, '|');
        at = at != NULL ? at + 1 : NULL;
    }
    size_t length = at != NULL ? strcspn(at, "|") : 0;
    length = length < size ? length : size - 1;
    if (length > 0)
        memcpy(buffer, at, length);
    buffer[length] = '\0';
    return buffer;
}

void dv_note_spent(struct dv_node *node, bool spent)
{
    node->spent = spent;
}

void dv_note_withheld(struct dv_node *node)
{
    node->stats.withheld++;
}

void dv_note_left_out(struct dv_node *node, uint64_t records)
{
    node->stats.left_out += records;
}

/* Links go from lower to higher nodes only, so one look at each in order is enough: a node is reached unless every node
 * before it is spent or not reached. */
bool dv_leads_nowhere(const struct dv_node *source)
{
    const struct dv_graph *graph = source->graph;
    bool reached[DV_NODES_MAX] = { 0 };
    reached[source->index] = true;
    for (uint32_t i = source->index; i < graph->node_count; i++) {
        const struct dv_node *node = graph->nodes[i];
        if (!reached[i] || node->spent)
            continue;
        if (node->op->sink)
            return false;
        for (uint32_t link = 0; link < node->link_count; link++)
            reached[graph->links[node->link_first + link].to] = true;
    }
    return true;
}
