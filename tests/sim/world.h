/* SPDX-License-Identifier: Apache-2.0
 * world.h - the simulated world: a ledger of every record made, and what the scripted operators share.
 *
 * The ledger is kept outside the engine. A record is made by a source or by a window; it ends at sinks, at rejecting
 * nodes or inside windows. model.c tells from the graph alone where each record must end, and the ledger tells where it
 * did. */
#ifndef DV_TESTS_SIM_WORLD_H
#define DV_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/graph.h"
#include "engine/random.h"
#include "engine/operator.h"

enum { SIM_ENDS_MAX = 512, SIM_RECORDS_MAX = 20000 };

/* Where a record ended once: the node, and the bits that editing nodes had set in it. */
struct sim_end {
    uint16_t node;
    uint64_t mask;
};

struct sim_record {
    uint32_t origin;   /* node that made it */
    uint32_t end_count;
    struct sim_end *ends; /* grown by the ledger */
    uint32_t end_room;
    uint32_t inside_count;
    uint32_t *inside; /* records (of windows) that absorbed it, one for each time */
    uint32_t inside_room;
};

struct sim_world {
    struct dv_random random;
    struct dv_graph *graph;
    struct sim_record *records; /* by id, from 1 */
    uint32_t record_count;
    uint64_t claimed, settled;
    uint64_t letters;
    uint32_t letters_max; /* that may wait before the gate closes */
    bool stormy;  /* sources fail every other time */
    bool starved; /* an allocation fails: the run may end with an error, but it must end */
    bool hurried; /* it is stopped twice: what is in flight is given up */
    bool done;
    dv_rc rc;
    const char *broken; /* the first invariant that did not hold, or NULL */
};

extern const struct dv_operator *const sim_operators[];

/* The world a node lives in. */
struct sim_world *sim_world_of(const struct dv_node *node);

/* The ledger. */
uint32_t sim_make(struct sim_world *world, uint32_t origin);
void sim_ended(struct sim_world *world, uint32_t record, uint32_t node, uint64_t mask);
void sim_absorbed(struct sim_world *world, uint32_t record, uint32_t window_record);
void sim_break(struct sim_world *world, const char *what);
void sim_world_free(struct sim_world *world);

/* model.c: what a record of `origin` must come to. */
bool sim_rejects(uint32_t record);  /* at a rejecting node */
bool sim_poisons(uint32_t record);  /* at a sink */
bool sim_drops(uint32_t record);    /* at a filter; a sink sends it to the dead letters */
uint32_t sim_route(uint32_t record); /* output of a routing node */
bool sim_complete(const struct sim_world *world, uint32_t record);
bool sim_exact(struct sim_world *world);

uint32_t sim_node_index(const struct dv_node *node);

#endif
