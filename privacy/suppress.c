/* SPDX-License-Identifier: Apache-2.0
 * suppress.c - Dijkstra's cheapest way back for each small number. */
#include "privacy/suppress.h"

#include <stdlib.h>

#include "engine/arena.h"

static const uint32_t NONE = UINT32_MAX;

/* A node that waits to be looked at. Old entries of a node that was reached cheaper stay until they come up. */
struct waiting {
    uint64_t cost;
    uint32_t node;
};

struct search {
    struct dv_suppress_arc *arcs;
    uint32_t arc_count, node_count;
    uint32_t *first; /* [node_count + 1]: where the arcs of a node begin in `touching` */
    uint32_t *touching; /* [2 * arc_count] */
    uint64_t *cost;     /* [node_count]: of the cheapest way that is known */
    uint32_t *came_by;  /* [node_count]: its last arc */
    struct waiting *heap; /* [2 * arc_count + 1] */
    uint32_t heap_count;
    uint32_t *order; /* [arc_count] */
};

static dv_rc take_memory(struct search *search, struct dv_arena *scratch)
{
    search->first = dv_arena_zeroed(scratch, search->node_count + 2, sizeof *search->first);
    search->touching = dv_arena_zeroed(scratch, 2 * (size_t)search->arc_count, sizeof *search->touching);
    search->cost = dv_arena_zeroed(scratch, search->node_count, sizeof *search->cost);
    search->came_by = dv_arena_zeroed(scratch, search->node_count, sizeof *search->came_by);
    search->heap = dv_arena_zeroed(scratch, 2 * (size_t)search->arc_count + 1, sizeof *search->heap);
    search->order = dv_arena_zeroed(scratch, search->arc_count, sizeof *search->order);
    bool complete = search->first != NULL && search->touching != NULL && search->cost != NULL &&
                    search->came_by != NULL && search->heap != NULL && search->order != NULL;
    return complete ? DV_OK : DV_E_MEMORY;
}

static void index_arcs(struct search *search)
{
    for (uint32_t i = 0; i < search->arc_count; i++) {
        DV_ASSERT(search->arcs[i].tail < search->node_count && search->arcs[i].head < search->node_count);
        search->first[search->arcs[i].tail + 2]++;
        search->first[search->arcs[i].head + 2]++;
    }
    for (uint32_t node = 0; node < search->node_count; node++)
        search->first[node + 2] += search->first[node + 1];
    /* Filling moves each beginning, one place behind, to where the next node's is. */
    for (uint32_t i = 0; i < search->arc_count; i++) {
        search->touching[search->first[search->arcs[i].tail + 1]++] = i;
        search->touching[search->first[search->arcs[i].head + 1]++] = i;
    }
}

static void push(struct search *search, struct waiting entry)
{
    uint32_t at = search->heap_count++;
    for (; at > 0 && search->heap[(at - 1) / 2].cost > entry.cost; at = (at - 1) / 2)
        search->heap[at] = search->heap[(at - 1) / 2];
    search->heap[at] = entry;
}

static struct waiting pop(struct search *search)
{
    struct waiting top = search->heap[0];
    struct waiting last = search->heap[--search->heap_count];
    uint32_t at = 0;
    for (uint32_t child = 1; child < search->heap_count; child = 2 * at + 1) {
        if (child + 1 < search->heap_count && search->heap[child + 1].cost < search->heap[child].cost)
            child++;
        if (search->heap[child].cost >= last.cost)
            break;
        search->heap[at] = search->heap[child];
        at = child;
    }
    search->heap[at] = last;
    return top;
}

/* Looks at every arc of a node, but for the one that is to be protected. */
static void step(struct search *search, uint32_t node, uint32_t spared)
{
    for (uint32_t i = search->first[node]; i < search->first[node + 1]; i++) {
        uint32_t index = search->touching[i];
        const struct dv_suppress_arc *arc = &search->arcs[index];
        bool along = arc->tail == node;
        if (index == spared || (!along && arc->small))
            continue;
        uint32_t next = along ? arc->head : arc->tail;
        uint64_t cost = search->cost[node] + (arc->hidden ? 0 : arc->cost);
        if (cost >= search->cost[next])
            continue;
        search->cost[next] = cost;
        search->came_by[next] = index;
        push(search, (struct waiting){ .cost = cost, .node = next });
    }
}

/* Whether there is a way from the head of an arc to its tail; search->came_by tells it, backwards. */
static bool find_way_back(struct search *search, uint32_t spared)
{
    const struct dv_suppress_arc *arc = &search->arcs[spared];
    for (uint32_t node = 0; node < search->node_count; node++) {
        search->cost[node] = UINT64_MAX;
        search->came_by[node] = NONE;
    }
    search->cost[arc->head] = 0;
    search->heap_count = 0;
    push(search, (struct waiting){ .cost = 0, .node = arc->head });
    while (search->heap_count > 0) {
        struct waiting next = pop(search);
        if (next.node == arc->tail)
            return true;
        if (next.cost == search->cost[next.node])
            step(search, next.node, spared);
    }
    return false;
}

static void hide_way_back(struct search *search, uint32_t spared)
{
    uint32_t node = search->arcs[spared].tail;
    while (node != search->arcs[spared].head) {
        struct dv_suppress_arc *arc = &search->arcs[search->came_by[node]];
        arc->hidden = true;
        node = arc->tail == node ? arc->head : arc->tail;
    }
}

/* A cost and its arc, to sort by. */
static int compare(const void *a, const void *b, void *data)
{
    const struct dv_suppress_arc *arcs = data;
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    if (arcs[left].cost != arcs[right].cost)
        return arcs[left].cost > arcs[right].cost ? -1 : 1;
    return left < right ? -1 : 1;
}

dv_rc dv_suppress(struct dv_suppress_arc *arcs, uint32_t arc_count, uint32_t node_count, struct dv_arena *scratch)
{
    struct search search = { .arcs = arcs, .arc_count = arc_count, .node_count = node_count };
    DV_TRY(take_memory(&search, scratch));
    index_arcs(&search);
    uint32_t small_count = 0;
    for (uint32_t i = 0; i < arc_count; i++) {
        DV_ASSERT(arcs[i].cost > 0);
        arcs[i].hidden = arcs[i].hidden || arcs[i].small;
        if (arcs[i].small)
            search.order[small_count++] = i;
    }
    qsort_r(search.order, small_count, sizeof *search.order, compare, arcs);
    for (uint32_t i = 0; i < small_count; i++) {
        if (!find_way_back(&search, search.order[i]))
            return DV_E_FAILED;
        hide_way_back(&search, search.order[i]);
    }
    return DV_OK;
}
