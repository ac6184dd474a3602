/* SPDX-License-Identifier: Apache-2.0
 * model.c - where every record must end, told from the graph alone and compared with the ledger. */
#include <stdlib.h>
#include <string.h>

#include "engine/operator.h"
#include "tests/sim/world.h"

bool sim_rejects(uint32_t record)
{
    return record % 17 == 0;
}

bool sim_poisons(uint32_t record)
{
    return record % 29 == 0;
}

bool sim_drops(uint32_t record)
{
    return record % 13 == 0;
}

uint32_t sim_route(uint32_t record)
{
    return record % 2;
}

uint32_t sim_node_index(struct dv_node *node)
{
    struct dv_graph *graph = sim_world_of(node)->graph;
    uint32_t index = 0;
    while (dv_graph_node(graph, index) != node)
        index++;
    return index;
}

/* The ends a record must come to: bags, in any order. */
struct expected {
    struct sim_end ends[SIM_ENDS_MAX];
    uint32_t count;
    uint32_t absorbed;
    bool overflow;
};

static void expect(struct expected *expected, uint32_t node, uint64_t mask)
{
    if (expected->count == SIM_ENDS_MAX)
        expected->overflow = true;
    else
        expected->ends[expected->count++] = (struct sim_end){ .node = (uint16_t)node, .mask = mask };
}

static void arrive(const struct sim_world *world, uint32_t record, uint32_t node, uint64_t mask, struct expected *out);

static void leave(const struct sim_world *world, uint32_t record, uint32_t node, uint32_t output, uint64_t mask,
                  struct expected *out)
{
    const struct sim_epoch *epoch = &world->epochs[world->records[record].epoch];
    for (uint32_t i = 0; i < epoch->link_count && !out->overflow; i++)
        if (epoch->links[i].from == node && epoch->links[i].output == output)
            arrive(world, record, epoch->links[i].to, mask, out);
}

static void arrive(const struct sim_world *world, uint32_t record, uint32_t node, uint64_t mask, struct expected *out)
{
    const char *op = world->epochs[world->records[record].epoch].operators[node];
    if (strcmp(op, "sim-sink") == 0)
        expect(out, node, mask);
    else if (strcmp(op, "sim-window") == 0)
        out->absorbed++;
    else if (strcmp(op, "sim-reject") == 0 && sim_rejects(record))
        expect(out, node, mask);
    else if (strcmp(op, "sim-filter") == 0 && sim_drops(record))
        expect(out, node, mask);
    else if (strcmp(op, "sim-route") == 0)
        leave(world, record, node, sim_route(record), mask, out);
    else if (strcmp(op, "sim-edit") == 0)
        leave(world, record, node, 0, mask | UINT64_C(1) << node, out);
    else
        leave(world, record, node, 0, mask, out);
}

static int by_place(const void *a, const void *b)
{
    const struct sim_end *x = a;
    const struct sim_end *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return x->mask < y->mask ? -1 : x->mask > y->mask;
}

static bool same_ends(struct expected *expected, const struct sim_record *record)
{
    if (expected->count != record->end_count || expected->absorbed != record->inside_count)
        return false;
    qsort(expected->ends, expected->count, sizeof *expected->ends, by_place);
    qsort(record->ends, record->end_count, sizeof *record->ends, by_place);
    for (uint32_t i = 0; i < expected->count; i++)
        if (by_place(&expected->ends[i], &record->ends[i]) != 0)
            return false;
    return true;
}

static struct expected *expectation(const struct sim_world *world, uint32_t record)
{
    struct expected *expected = calloc(1, sizeof *expected);
    leave(world, record, world->records[record].origin, 0, 0, expected);
    return expected;
}

/* Whether the record, and every window's record that absorbed it, has come to all its ends: what a settled receipt
 * promises. */
bool sim_complete(const struct sim_world *world, uint32_t record)
{
    const struct sim_record *entry = &world->records[record];
    struct expected *expected = expectation(world, record);
    bool complete = expected->overflow ||
                    (entry->end_count == expected->count && entry->inside_count == expected->absorbed);
    free(expected);
    for (uint32_t i = 0; complete && i < entry->inside_count; i++)
        complete = entry->inside[i] != 0 && sim_complete(world, entry->inside[i]);
    return complete;
}

bool sim_exact(struct sim_world *world)
{
    bool exact = true;
    for (uint32_t record = 1; exact && record <= world->record_count; record++) {
        struct expected *expected = expectation(world, record);
        exact = expected->overflow || same_ends(expected, &world->records[record]);
        free(expected);
    }
    return exact;
}
