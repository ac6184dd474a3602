/* SPDX-License-Identifier: Apache-2.0
 * order.c - `order: key` of a sink: records with equal key never overtake each other on the way into it.
 *
 * A batch is offered only if it shares no key with any batch that the node still has: with the operator, waiting to be
 * tried again, or being halved. Else it waits at the head of the edge, and what is behind it with it. So neither a
 * retry nor several batches in flight can turn two records of a key around; batches without a common key still go
 * side by side. Keys are compared by 64 bits of hash: a collision makes a batch wait, never pass. */
#include <stdlib.h>

#include "engine/id.h"
#include "engine/node.h"
#include "engine/yaml.h"

/* The keys of a batch, sorted. */
struct keys {
    const struct dv_batch *batch;
    uint32_t count;
    uint64_t hash[DV_BATCH_ROWS];
};

struct dv_order {
    uint32_t column;
    uint32_t sets;
    struct keys head;    /* of the batch at the head of the edge, or of none */
    struct keys taken[]; /* of batches that were offered; those that are gone are free */
};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t hash_of(const struct dv_cell *cell, enum dv_type type)
{
    bool text = type == DV_TYPE_TEXT || type == DV_TYPE_BYTES || type == DV_TYPE_JSON;
    return text ? dv_hash64(cell->text, cell->length, 0) : dv_hash64(&cell->integer, sizeof cell->integer, 0);
}

/* A record without a key has no order. */
static void read_keys(struct keys *keys, const struct dv_batch *batch, uint32_t column)
{
    const struct dv_cell *cells = dv_batch_cells(batch, column);
    enum dv_type type = batch->schema->columns[column].type;
    keys->batch = batch;
    keys->count = 0;
    for (uint32_t row = 0; row < batch->rows; row++)
        if (cells[row].present && !dv_batch_rejected(batch, row))
            keys->hash[keys->count++] = hash_of(&cells[row], type);
    qsort(keys->hash, keys->count, sizeof keys->hash[0], by_value);
}

static bool share_a_key(const struct keys *a, const struct keys *b)
{
    for (uint32_t i = 0, j = 0; i < a->count && j < b->count;) {
        if (a->hash[i] == b->hash[j])
            return true;
        if (a->hash[i] < b->hash[j])
            i++;
        else
            j++;
    }
    return false;
}

bool dv_node_has(const struct dv_node *node, const struct dv_batch *batch)
{
    if (batch == NULL || node->bisect.batch == batch)
        return batch != NULL;
    for (uint32_t i = 0; i < dv_node_places(node); i++)
        if (node->held[i].batch == batch)
            return true;
    return false;
}

bool dv_order_admits(const struct dv_node *node)
{
    struct dv_order *order = node->order;
    if (order == NULL)
        return true;
    const struct dv_batch *batch = node->edge.slots[node->edge.head];
    if (order->head.batch != batch)
        read_keys(&order->head, batch, order->column);
    for (uint32_t i = 0; i < order->sets; i++)
        if (dv_node_has(node, order->taken[i].batch) && share_a_key(&order->head, &order->taken[i]))
            return false;
    return true;
}

void dv_order_took(const struct dv_node *node, const struct dv_batch *batch)
{
    struct dv_order *order = node->order;
    if (order == NULL)
        return;
    struct keys *place = NULL; /* that of an earlier batch in the same memory, or a free one */
    for (uint32_t i = 0; i < order->sets; i++)
        if (order->taken[i].batch == batch || (place == NULL && !dv_node_has(node, order->taken[i].batch)))
            place = &order->taken[i];
    DV_ASSERT(place != NULL);
    *place = order->head;
    place->batch = batch;
    order->head.batch = NULL;
}

void dv_order_reset(const struct dv_node *node)
{
    if (node->order == NULL)
        return;
    node->order->head.batch = NULL;
    for (uint32_t i = 0; i < node->order->sets; i++)
        node->order->taken[i].batch = NULL;
}

/* ---- what the file says ---- */

/* Whether what some node sends comes here by more than one way: on one of them it may overtake itself. */
static bool ways_join(const struct dv_graph *graph, const struct dv_node *node)
{
    uint8_t ways[DV_NODES_MAX] = { 0 };
    ways[node->index] = 1;
    for (uint32_t i = node->index; i-- > 0;) {
        const struct dv_node *before = graph->nodes[i];
        uint32_t count = 0;
        for (uint32_t link = 0; link < before->link_count; link++)
            count += ways[graph->links[before->link_first + link].to];
        if (count > 1)
            return true;
        ways[i] = (uint8_t)count;
    }
    return false;
}

static int key_column(struct dv_node *node, const struct dv_yaml *by)
{
    const struct dv_shape shape = { .in = node->in };
    if (by != NULL)
        return dv_shape_column(node, &shape, "order_by", by->kind == DV_YAML_SCALAR ? by->text : "");
    int column = node->in->subject >= 0 ? node->in->subject : dv_schema_find(node->in, "subject_ref");
    if (column < 0)
        (void)dv_refuse(node, "order", "C033", "name a column: order_by: COLUMN",
                        "what reaches '%s' has no key: no subject and no subject_ref", node->name);
    return column;
}

void dv_order_load(struct dv_node *node)
{
    const struct dv_yaml *how = dv_yaml_get(node->yaml, "order");
    const struct dv_yaml *by = dv_yaml_get(node->yaml, "order_by");
    bool scalar = how != NULL && how->kind == DV_YAML_SCALAR;
    bool wanted = scalar && strcmp(how->text, "key") == 0;
    if (how == NULL && by == NULL)
        return;
    if ((how != NULL && !wanted && !(scalar && strcmp(how->text, "none") == 0)) || (by != NULL && !wanted)) {
        (void)dv_refuse(node, how != NULL ? "order" : "order_by", "C034", "write order: key or order: none",
                        "no such order at '%s'", node->name);
    } else if (wanted && !node->op->sink) {
        (void)dv_refuse(node, "order", "C034", "put it at the sink", "'%s' is no sink", node->name);
    } else if (wanted && ways_join(node->graph, node)) {
        (void)dv_refuse(node, "order", "C034", "let each branch have a sink of its own",
                        "records come to '%s' by several ways and may overtake each other on them", node->name);
    } else if (wanted) {
        int column = key_column(node, by);
        uint32_t sets = dv_node_places(node) + 1; /* the one being halved */
        node->order = column >= 0 ? dv_arena_zeroed(node->arena, 1, sizeof *node->order + sets * sizeof(struct keys)) : NULL;
        if (column >= 0 && node->order == NULL)
            (void)dv_refuse(node, "order", "C007", NULL, "no memory for the order of '%s'", node->name);
        if (node->order == NULL)
            return;
        node->order->column = (uint32_t)column;
        node->order->sets = sets;
    }
}
