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

enum { SIM_ENDS_MAX = 512, SIM_RECORDS_MAX = 20000, SIM_EPOCHS_MAX = 12 };

/* The graph between two reloads. What is in flight drains before the next, so each record has one. */
struct sim_epoch {
    struct dv_link links[DV_LINKS_MAX];
    uint32_t link_count;
    const char *operators[DV_NODES_MAX];
};


/* Where a record ended once: the node, and the bits that editing nodes had set in it. */
struct sim_end {
    uint16_t node;
    uint64_t mask;
};

struct sim_record {
    uint32_t origin;   /* node that made it */
    uint32_t epoch;    /* when it left it */
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
    struct sim_epoch epochs[SIM_EPOCHS_MAX];
    uint32_t epoch;
    uint32_t reloads, told; /* begun, and ended */
    uint64_t claimed, settled;
    uint64_t letters;
    uint32_t letters_max; /* that may wait before the gate closes */
    bool stormy;  /* sources fail every other time */
    bool shaky;   /* nodes do not always open */
    bool starved; /* an allocation fails: the run may end with an error, but it must end */
    bool hurried; /* it is stopped twice: what is in flight is given up */
    bool verbose;
    bool done;
    dv_rc rc;
    const char *broken; /* the first invariant that did not hold, or NULL */
};

/* A random graph as its file would say it. `changes` (may be NULL) draws what makes nodes differ from those of another
 * graph that is made with the same `random`. */
struct sim_text {
    char bytes[8192];
    size_t length;
};
void sim_random_graph(struct sim_text *text, struct dv_random *random, struct dv_random *changes);

/* reloads.c: every other seed is reloaded a few times while it runs, with files that differ more or less. */
struct sim_reloads {
    struct dv_random random;
    uint64_t seed;
    uint64_t next_at; /* step of the next one */
    struct sim_text *texts[SIM_EPOCHS_MAX]; /* findings point into them */
    uint32_t count, max;
};
void sim_reloads_start(struct sim_reloads *reloads, struct sim_world *world, uint64_t seed);
void sim_reloads_step(struct sim_reloads *reloads, struct sim_world *world, uint64_t step);
void sim_reloads_end(struct sim_reloads *reloads);

extern const struct dv_operator *const sim_operators[];

/* The world a node lives in. */
struct sim_world *sim_world_of(struct dv_node *node);

/* The ledger. */
uint32_t sim_make(struct sim_world *world, uint32_t origin);
void sim_leaves(struct sim_world *world, uint32_t record, uint32_t origin);
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

uint32_t sim_node_index(struct dv_node *node);

#endif
