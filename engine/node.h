/* SPDX-License-Identifier: Apache-2.0
 * node.h - the inside of graphs and nodes; only the files of engine/ include it.
 *
 * A node's edge is the queue in front of it. Before a node is called, a slot is reserved in the edge of every node its
 * outputs lead to; the reservation stays while the node holds the batch. So a batch that is passed on always finds
 * its slot, and no operator needs code for "full". */
#ifndef DV_ENGINE_NODE_H
#define DV_ENGINE_NODE_H

#include "engine/breaker.h"
#include "engine/dead_letter.h"
#include "engine/diag.h"
#include "engine/exit_guard.h"
#include "engine/fact.h"
#include "engine/graph.h"
#include "engine/operator.h"
#include "engine/pool.h"
#include "engine/random.h"
#include "engine/reload.h"

enum {
    DV_EDGE_SLOTS = DV_OUTPUTS_MAX, /* all outputs of a node may lead to one edge and need their slots at once */
    DV_HELD_FEW = 8, /* places for held batches that every node has */
    DV_CREDITS_DEFAULT = 4,
    DV_TRIES_MAX = 5,
    DV_BACKOFF_FIRST_MS = 50,
    DV_BACKOFF_MAX_MS = 5000,
    DV_TICK_BUDGET_NS = 2000000,
    DV_SCRATCH_BYTES = 64 * 1024 * 1024,
    DV_NODE_BYTES = 256 * 1024 * 1024, /* of what one node keeps */
    DV_STATUS_MAX = 160,
};

/* The bounded queue in front of a node: a ring. */
struct dv_edge {
    struct dv_batch *slots[DV_EDGE_SLOTS];
    uint32_t head, count;
    uint32_t reserved; /* slots promised to nodes that are working */
};

/* A batch that its node has not answered for yet, or that waits to be tried again. */
struct dv_held {
    struct dv_batch *batch;
    uint64_t since_ns;
    uint64_t answers; /* of the node, when it was taken */
    uint32_t tries;
    bool waits; /* for another try; else with the operator */
    bool ready; /* its back-off is over */
    bool blocks; /* the error is the node's, not the batch's: no other batch would fare better */
    uint64_t due_ns;
};

/* The halving of a batch that failed as a whole: ranges still to try, newest last. */
struct dv_bisect {
    struct dv_batch *batch; /* NULL: none under way */
    uint64_t due_ns;        /* the next half, after an error that may heal */
    struct dv_batch *view;  /* the range that is with the operator, or NULL */
    struct { uint16_t from, to; } todo[12];
    uint32_t count;
    uint16_t from, to; /* of the view */
    uint32_t tries;    /* failures of the batch and its parts that might have passed by themselves */
};

/* What the watchdog saw at its last look. */
struct dv_watch {
    bool pending;      /* there was something to do */
    uint64_t done;     /* the count of what was finished */
    uint64_t since_ns; /* when it began to stand still */
};

struct dv_watchdog {
    struct dv_timer timer;
    struct dv_watch letters;
    struct dv_stall stall;
    char name[128]; /* of the node, in `stall` */
};

struct dv_node {
    const struct dv_operator *op;
    const char *name;
    struct dv_graph *graph;
    uint32_t index;
    void *state;                /* until open() what the file says; then a copy of it, so that it can be opened again */
    void *blank;                /* what the file says: options, and what transfer() found */
    struct dv_arena *arena;     /* of the file until open(), then `memory` */
    struct dv_arena memory;     /* what open() and later calls ask for; ends with the node */
    const struct dv_yaml *yaml; /* its map in the file */
    uint64_t files;             /* hash of the files that transfer() read */
    uint32_t lent;              /* services it has asked for, as bits */
    struct dv_generation *generation; /* what it was loaded with, after a reload; NULL: with the graph itself */
    struct dv_node *next_closed;

    const struct dv_schema *in;
    const struct dv_schema *out[DV_OUTPUTS_MAX];
    const struct dv_schema *cleared;
    const struct dv_schema *shown; /* what another kind of exit will show, or NULL */
    enum dv_exit shown_at;
    const struct dv_fact *told;                 /* what it tells about a record that it came in */
    const struct dv_fact *tells[DV_OUTPUTS_MAX]; /* and that it went out */
    struct dv_counts counts;                    /* an aggregate: what it tells of what comes in */
    uint32_t output_count;
    uint32_t link_first, link_count; /* its outgoing links in graph->links, by output */
    uint32_t upstream_open;          /* nodes before it that may still send */

    struct dv_edge edge;
    uint32_t held_count; /* with the operator */
    uint32_t retry_count;
    struct dv_bisect bisect;
    struct dv_timer retry_timer;
    uint32_t held_most; /* as it says itself; 0: as its operator does */
    uint32_t credits;   /* as the file says; 0: as the operator does */
    uint32_t credits_left;
    uint32_t maker_tries;     /* failed calls in a row with an empty batch */
    uint32_t receipts_spared; /* those it leaves to the windows behind it, so that it cannot starve them */
    uint64_t sequence; /* of its next receipt */
    uint32_t receipts_live; /* of its receipts, those that are not settled */
    bool flushing; /* a reload wants to hear what it has absorbed */
    uint64_t answers;  /* batches finished or rejected, and a source's that were settled */
    struct dv_watch watch;
    struct dv_order *order; /* a sink with `order: key`, or NULL */
    void *guard_blank;      /* of its guard, what the file says; NULL: it has none */
    void *guard;            /* the same at work; NULL: there is nothing to look at */
    const struct dv_batch *guard_seen; /* the batch it has looked at, at the head of the edge; or NULL */
    const struct dv_batch *guard_copy; /* what it changed last, as long as the node has it */
    bool guard_hit; /* there was something in guard_seen */
    bool opened, wants, ended, flushed, finished, stopping;
    bool spent; /* dv_note_spent() */
    bool in_process;
    uint32_t emitted; /* outputs that dv_emit() served in this call */

    struct dv_arena scratch;
    struct dv_node_stats stats;
    char status[DV_STATUS_MAX];
    struct dv_error error;
    struct dv_held held[]; /* dv_node_places() of them */
};

/* What one reading of the file made; it lives as long as a node of it does. */
struct dv_generation {
    struct dv_arena arena;
    struct dv_diags diags;
    uint32_t references;
};

enum dv_graph_state { DV_GRAPH_BUILT, DV_GRAPH_RUNNING, DV_GRAPH_DRAINING, DV_GRAPH_FAILING, DV_GRAPH_DONE };

struct dv_graph {
    struct dv_graph_settings settings;
    const char *directory;
    const struct dv_yaml *root;
    struct dv_arena *arena;
    struct dv_diags *diags; /* while loading */
    struct dv_node **nodes; /* each allocated by itself: operators and timers keep pointers to theirs */
    uint32_t node_count;
    struct dv_link *links; /* sorted by from, then output */
    uint32_t link_count;
    const struct dv_operator *const *operators;
    void *services[DV_SERVICE_COUNT];
    struct dv_dead_letters *letters;
    struct dv_bound bound;
    char config_hash[DV_CONFIG_HASH_BYTES];

    struct dv_loop *loop;
    struct dv_pool pool;
    struct dv_receipts receipts;
    struct dv_timer drain_timer;
    struct dv_watchdog watchdog;
    struct dv_random random;
    struct dv_histogram latency;
    struct dv_reload *reload;  /* while one is under way */
    bool pauses;               /* sources get no empty batches, but those that are stopping */
    uint64_t reloads[DV_RELOAD_RESULTS];
    struct dv_node *closed;    /* nodes that a reload closed and the loop may still know */
    struct dv_timer reap_timer, reload_timer;
    enum dv_graph_state state;
    bool woken; /* something changed since the pass began */
    dv_rc rc;
    struct dv_error error;
    dv_graph_done done;
    void *done_data;
};

/* graph.c: lets go of a generation; the last frees it. */
void dv_generation_unref(struct dv_generation *generation);

/* graph.c: memory for a node of this kind, zeroed; NULL: there is none. */
struct dv_node *dv_node_new(const struct dv_operator *op);

/* graph.c: a node's memory; it must be closed, and the loop must have seen the end of its handles. */
void dv_node_free(struct dv_node *node);

/* runner.c: lets the loop call the runner soon. */
void dv_graph_wake(struct dv_graph *graph);

/* graph.c: open(), stop() of a source, and close() of one node. */
DV_CHECKED dv_rc dv_node_open(struct dv_node *node, struct dv_error *error);
void dv_node_stop(struct dv_node *node);
void dv_node_close(struct dv_node *node);

/* reload.c: goes on with a reload when nothing else is to do; ends it because the run ends. */
void dv_reload_step(struct dv_graph *graph);
void dv_reload_abort(struct dv_graph *graph);
void dv_reload_timer(struct dv_timer *timer);

/* reopen.c: frees what was closed. */
void dv_reopen_reap(struct dv_timer *timer);

/* graph_load.c: whether all that differs in the settings may change while the graph runs; what may not is in the diags of
 * `to`. */
bool dv_settings_can_change(struct dv_graph *from, const struct dv_graph *to);
void dv_settings_change(struct dv_graph *from, const struct dv_graph *to);

/* runner.c: ends the run with an error; what is held is waited for, nothing new begins. */
void dv_graph_fail(struct dv_graph *graph, struct dv_node *node, dv_rc rc);

/* config_hash.c: fills graph->config_hash after loading; empty if the library fails. */
void dv_config_hash(struct dv_graph *graph);

/* owner.c: a finding for two nodes that would write to one place under one name. */
void dv_owners_check(struct dv_graph *graph);

/* slots.c: one slot in the edge behind every link of the node, all or none; and back. */
bool dv_slots_reserve(struct dv_node *node);
void dv_slots_release(struct dv_node *node, uint32_t served_outputs);
void dv_slots_send(struct dv_node *node, uint32_t output, struct dv_batch *batch);
struct dv_batch *dv_edge_pop(struct dv_edge *edge);

/* retry.c: what becomes of a batch whose node answered with an error. Takes over the batch's reference. */
void dv_retry_failed(struct dv_node *node, struct dv_batch *batch, uint32_t tries, dv_rc rc);
bool dv_retry_is_view(const struct dv_node *node, const struct dv_batch *batch);
void dv_retry_view_done(struct dv_node *node, dv_rc rc);
struct dv_batch *dv_retry_next(struct dv_node *node, uint32_t *ret_tries);
bool dv_retry_pending(const struct dv_node *node);
bool dv_retry_blocks(const struct dv_node *node);
void dv_retry_timer(struct dv_timer *timer);
uint64_t dv_retry_backoff_ms(struct dv_node *node, uint32_t tries);

/* reject.c: all rows of a batch to the dead letters. */
void dv_reject_all(struct dv_node *node, struct dv_batch *batch, dv_rc rc);

/* order.c: what the file says of the order of keys, after transfer(); whether the batch at the head of the edge may be
 * offered; that it was, as `batch`; that nothing is here yet; and whether the node still has to answer for a batch. */
void dv_order_load(struct dv_node *node);
bool dv_order_admits(const struct dv_node *node);
void dv_order_reset(const struct dv_node *node);
bool dv_node_has(const struct dv_node *node, const struct dv_batch *batch);
void dv_order_took(const struct dv_node *node, const struct dv_batch *batch);

/* exit_guard.c: what the file says of an exit's guard, after transfer(); its start and end; whether it may change batches;
 * whether the batch at the head of the edge may be offered now; and that batch as the exit may have it, perhaps a copy,
 * perhaps empty. */
void dv_exit_guard_load(struct dv_node *node);
DV_CHECKED dv_rc dv_exit_guard_open(struct dv_node *node);
void dv_exit_guard_close(struct dv_node *node);
bool dv_exit_guard_edits(const struct dv_node *node);
bool dv_exit_guard_admits(struct dv_node *node);
struct dv_batch *dv_exit_guard_pass(struct dv_node *node, struct dv_batch *batch);

/* watchdog.c: looks on while there is something to see; wake() after anything has happened. */
void dv_watchdog_init(struct dv_graph *graph);
void dv_watchdog_wake(struct dv_graph *graph);
void dv_watchdog_close(struct dv_graph *graph);

/* receipt.c */
DV_CHECKED dv_rc dv_receipts_init(struct dv_receipts *receipts, uint32_t capacity);
void dv_receipts_free(struct dv_receipts *receipts);
struct dv_receipt *dv_receipt_take(struct dv_receipts *receipts, struct dv_node *source);

/* receipt.c: whether a maker finds no receipt, as windows keep them; and whether windows find no link to keep one more. */
bool dv_receipts_full(const struct dv_node *maker);
bool dv_links_full(const struct dv_graph *graph);

/* graph_load.c: sorts the links and tells each node which are its own. */
void dv_graph_index_links(struct dv_graph *graph);

/* bound.c: the pool's size from credits over paths; false if it cannot be counted in 64 bits. */
bool dv_graph_count_bound(struct dv_graph *graph);
uint32_t dv_node_credits(const struct dv_node *node);
uint32_t dv_node_held_max(const struct dv_node *node);
uint32_t dv_node_places(const struct dv_node *node);

/* bound.c: what a source's `credits` says; a finding if it is nonsense. */
void dv_credits_load(struct dv_node *node);

#endif
