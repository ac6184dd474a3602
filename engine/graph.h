/* SPDX-License-Identifier: Apache-2.0
 * graph.h - a graph file built, checked and run.
 *
 *   dv_graph_load()   YAML → nodes and links, option tables, schemas and labels: everything wrong is in `diags`
 *   dv_graph_check()  the label proof: every exit × column
 *   dv_graph_start()  open() of each node, then the runner works on the loop's idle tick
 *   dv_graph_stop()   sources end, what is in flight is drained, done() is called
 *   dv_graph_free()
 */
#ifndef DV_ENGINE_GRAPH_H
#define DV_ENGINE_GRAPH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/breaker.h"
#include "engine/error.h"
#include "engine/exit_guard.h"
#include "engine/service.h"
#include "engine/stats.h"

struct dv_dead_letters;
struct dv_diags;
struct dv_loop;
struct dv_node;
struct dv_operator;
struct dv_option;
struct dv_schema;
struct dv_yaml;

enum { DV_NODES_MAX = 64, DV_LINKS_MAX = 256, DV_CONFIG_HASH_BYTES = 65 };

/* The settings at the top of a graph file; one option table describes them. */
struct dv_graph_settings {
    const char *name;
    const char *tenant;       /* default "default" */
    const char *listen;       /* "127.0.0.1:8080", or NULL: no server */
    const char *keyring;      /* "file:var/keyring", or NULL */
    const char *passphrase;   /* a secret's reference, or NULL: the keyring's machine key */
    const char *token;        /* a secret's reference: bearer token for /v1, or NULL */
    const char *tls_cert;     /* PEM file, or NULL */
    const char *tls_key;      /* PEM file, or NULL */
    const char *dead_letters; /* file of sealed rejected records */
    int64_t dead_letters_max; /* bytes; the intake stops when the file has reached it */
    const char *state;        /* directory of checkpoints */
    int64_t memory_bytes;     /* the most that batches may use; `check` refuses a graph that could pass it */
    int64_t batch_bytes;      /* the most one batch may use */
    int64_t drain_ms;         /* how long dv_graph_stop() waits before it gives up */
    int64_t stall_ms;         /* how long something may wait while nothing moves; 0: for ever */
    bool stall_exit;          /* a stall ends the run */
    const struct dv_yaml *budget; /* what answers with noise may cost, or NULL; cli/ reads it */
    const struct dv_yaml *graph;
};

struct dv_graph;

/* The option table of the settings above, for the reference page and the JSON Schema. */
const struct dv_option *dv_graph_options(void);

/* Tells the end: `rc` is DV_OK after a drain, else why the run stopped. Called once, from the loop. */
typedef void (*dv_graph_done)(struct dv_graph *graph, dv_rc rc, void *data);

/* Reads and builds `path`. `operators` is the NULL-terminated table that operators/ generates. NULL after any error, all
 * of them in `diags` (whose arena must live as long as the graph). Free with dv_graph_free(). */
struct dv_graph *dv_graph_load(const char *path, const struct dv_operator *const *operators, struct dv_diags *diags);

/* The same from memory; `name` stands for the file, its directory part for where schemas and policies are. */
struct dv_graph *dv_graph_parse(const char *name, const char *text, size_t length,
                                const struct dv_operator *const *operators, struct dv_diags *diags);

/* Gives everything back; the run must be over, or never have begun. Accepts NULL. */
void dv_graph_free(struct dv_graph *graph);

/* The settings at the top of the file; they live as long as the graph. */
const struct dv_graph_settings *dv_graph_settings(const struct dv_graph *graph);

/* Lends a service of the rooms above to all nodes; before dv_graph_start(). */
void dv_graph_provide(struct dv_graph *graph, enum dv_service service, void *object);
void dv_graph_dead_letters(struct dv_graph *graph, struct dv_dead_letters *letters);

/* Proves that every exit receives only labels it is cleared for, and that no two aggregates that are shown can be compared to find
 * a person (overlap.h). DV_E_LEAK with the paths in `diags` otherwise. */
DV_CHECKED dv_rc dv_graph_check(struct dv_graph *graph, struct dv_diags *diags);

/* SHA-256 in hex of what the graph was made from: its file with the variables replaced, the schemas and policies it names,
 * and the program's version. A reload changes it. */
const char *dv_graph_config_hash(const struct dv_graph *graph);

/* The most that records in flight can take, with their receipts: fixed before the start. What operators and connectors
 * keep for themselves (windows of groups, read and write buffers, scratch for one call) has limits of its own. */
struct dv_bound {
    uint64_t batches;  /* objects in the pool: credits × copies over the paths, summed over makers */
    uint64_t bytes;
    uint64_t receipts;
};
struct dv_bound dv_graph_bound(const struct dv_graph *graph);

/* A way into the middle of a graph: what the source `op` makes enters node number `at` as if its inputs had sent it; a
 * source that stands there is replaced. `state` is the caller's and stays. */
struct dv_graph_feed {
    uint32_t at;
    const struct dv_operator *op;
    void *state;
};

/* Leaves of a graph only what records can come to from these nodes, each of which is named once; before the start. The
 * feeds become nodes 0 .. count-1. DV_E_LIMIT, DV_E_MEMORY: the graph is not to be used any more. */
DV_CHECKED dv_rc dv_graph_cut(struct dv_graph *graph, const struct dv_graph_feed *feeds, uint32_t count,
                              struct dv_error *error);

/* Opens every node and begins. On failure nothing runs, and *error tells which node and why. */
DV_CHECKED dv_rc dv_graph_start(struct dv_graph *graph, struct dv_loop *loop, dv_graph_done done, void *data,
                                struct dv_error *error);

/* Ends the sources and drains; done() follows. A second call gives up at once. */
void dv_graph_stop(struct dv_graph *graph);

/* Looking at a graph: for the dashboard, `datavault graph` and tests. */
uint32_t dv_graph_node_count(const struct dv_graph *graph);
struct dv_node *dv_graph_node(const struct dv_graph *graph, uint32_t index);
const struct dv_operator *dv_node_operator(const struct dv_node *node);
enum dv_exit dv_node_exit(const struct dv_node *node); /* the operator's, unless nothing leaves with these options */
const struct dv_node_stats *dv_node_stats(const struct dv_node *node);
const struct dv_schema *dv_node_schema_in(const struct dv_node *node);
const struct dv_schema *dv_node_schema_out(const struct dv_node *node, uint32_t output);

/* Why the node waits or failed last, for /readyz and the page: "" if all is well. Never a field's value. */
const char *dv_node_status(struct dv_node *node);

/* The same, or what else is amiss with it while it and all others can go on: for those who look, not for who sends. */
const char *dv_node_trouble(struct dv_node *node);

/* What a node depends on, the worst first. */
struct dv_circuit {
    bool any; /* false: on nothing outside, and the rest is zero */
    enum dv_breaker_state state;
    uint64_t opened_ns;    /* since when it has not been closed, if it is not */
    uint64_t opened_total; /* of all it depends on */
    const char *reason;    /* of the last failure, a literal, or NULL */
};
struct dv_circuit dv_node_circuit(const struct dv_node *node);

/* The node's index-th figure of its own; false behind the last. */
bool dv_node_gauge(const struct dv_node *node, uint32_t index, struct dv_gauge *ret);

/* Alive but stuck: something waits and nothing has been finished for `stall`. */
struct dv_stall {
    const char *node;  /* who holds it up, or "dead_letters"; NULL: all moves or rests */
    uint64_t since_ns; /* the last time that something of it was finished */
    uint64_t total;    /* stalls so far */
};
struct dv_stall dv_graph_stall(const struct dv_graph *graph);

/* What guards an exit, for `check`. */
struct dv_guard_account dv_node_guard(const struct dv_node *node);

/* The name of a type that the guard of an exit counts, and how often it was found; NULL behind the last. */
const char *dv_node_guarded(const struct dv_node *node, uint32_t type, uint64_t *ret_count);

/* Why the run stopped, when done() was given an error. */
const struct dv_error *dv_graph_error(const struct dv_graph *graph);

/* The links: from (node, output) to node. */
struct dv_link {
    uint32_t from, output, to;
};
uint32_t dv_graph_links(const struct dv_graph *graph, const struct dv_link **ret_links);

/* The name of an output ("matched"), or "" for an unnamed one. */
const char *dv_node_output_name(const struct dv_node *node, uint32_t output, char *buffer, size_t size);

/* Time from when a batch was filled until a sink had it durable, over all sinks. */
const struct dv_histogram *dv_graph_latency(const struct dv_graph *graph);

/* Batches of the pool in use now, and their memory in bytes. */
uint32_t dv_graph_batches_live(const struct dv_graph *graph);
uint64_t dv_graph_bytes_held(const struct dv_graph *graph);

#endif
