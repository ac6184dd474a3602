/* SPDX-License-Identifier: Apache-2.0
 * spending_world.h - programs that spend the same accounts of ε: each runs one graph of noised windows after the other under
 * its own simulated clock, on a disk whose power can go (power_disk.h).
 *
 * A node behind each window knows what has left it. The source reads at random times, the sinks take a while. */
#ifndef DV_TESTS_SPENDING_WORLD_H
#define DV_TESTS_SPENDING_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "connectors/purse.h"
#include "engine/diag.h"
#include "engine/graph.h"
#include "engine/loop.h"
#include "engine/operator.h"
#include "engine/random.h"
#include "engine/reload.h"
#include "tests/unit/power_disk.h"

enum { SPENDING_PROGRAMS = 2, SPENDING_ACCOUNTS = 2, SPENDING_CLERK = SPENDING_PROGRAMS /* who sets the limits */ };

/* What a graph file says. */
struct spending_shape {
    unsigned feed_tag, out_tag;
    struct {
        bool there, drops, continual, wide; /* wide: with more rows than are written at once */
        unsigned epsilon, window_s; /* ε in thousandths */
    } node[SPENDING_ACCOUNTS];
};

struct spending_world;

/* One run of a graph after the other. */
struct spending_program {
    struct spending_world *world;
    unsigned number;
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph; /* NULL: it does not run */
    struct dv_error error;
    struct dv_bank bank;
    struct spending_shape shape, next; /* of its file, and of the one it is to take over */
    bool ended;
    dv_rc rc;
    uint64_t claimed, settled;
    struct {
        const struct dv_node *node;
        int64_t start_ms;
    } last[SPENDING_ACCOUNTS]; /* what left a window last */
};

struct spending_account {
    struct dv_account id;
    int64_t limit, released;
};

/* How often what happened. */
struct spending_counts {
    uint64_t charges, spent_ends, failed_ends, withheld, reloads[DV_RELOAD_RESULTS];
};

struct spending_world {
    struct dv_random random;
    char state[128];
    struct spending_program programs[SPENDING_PROGRAMS];
    struct spending_account accounts[SPENDING_ACCOUNTS];
    unsigned faults, shaky; /* of a hundred calls */
    bool uncertain;         /* something may have been paid for that did not come out */
    bool calm;              /* nothing fails any more */
    const char *broken;     /* the first thing that was wrong, or NULL */
    struct spending_counts *counts;
};

extern const char *const spending_names[SPENDING_ACCOUNTS];

void spending_wrong(struct spending_world *world, const char *what);
bool spending_chance(struct spending_world *world, unsigned percent);
uint64_t spending_below(struct spending_world *world, uint64_t bound);

/* Accounts with random limits in an empty directory, and programs that do not run yet. */
void spending_begin(struct spending_world *world, const char *state, uint64_t seed, struct spending_counts *counts);

/* Sets an account's limit: at least so much, and a random rest. */
void spending_limit(struct spending_world *world, unsigned account, int64_t least);

/* Starts the program's graph; it does not run after this if a budget is spent or a node is shut. */
void spending_start(struct spending_program *program);

/* Begins a reload with a file that differs here and there, if one can begin; or with a file of the test's, which may be
 * refused as one that could cost too much. */
void spending_reload(struct spending_program *program);
void spending_reload_to(struct spending_program *program, const struct spending_shape *next, bool refused);

/* Whether it was killed; what becomes of a program that was, and of one whose run is over by itself. */
bool spending_is_dead(const struct spending_program *program);
void spending_bury(struct spending_program *program);
void spending_ended(struct spending_program *program);

/* The window of that account in the graph as it is now: whether there is one, and what its answers cost. */
bool spending_costs(const struct dv_node *node, int64_t *ret_nano);

#endif
