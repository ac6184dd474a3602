/* SPDX-License-Identifier: Apache-2.0
 * operators_world.h - operators under test between a source that reads lines from a text and a sink that writes lines.
 *
 * A graph file in a string names the nodes; `{ op: source, from: text, schema: NAME }` reads the world's input as JSON
 * lines, one batch for each paragraph, and `{ op: lines, after: NODE }` writes "NODE.schema {json}" lines to the
 * world's output. Time is simulated: a paragraph that begins with "@SECONDS" is read then. Schemas and policies are
 * files in a directory of the world's own, which is also where its keyring is. */
#ifndef DV_TESTS_OPERATORS_WORLD_H
#define DV_TESTS_OPERATORS_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include "connectors/purse.h"
#include "engine/graph.h"
#include "engine/arena.h"
#include "engine/batch.h"
#include "engine/dead_letter.h"
#include "engine/diag.h"
#include "engine/loop.h"
#include "engine/operator.h"

enum { WORLD_TEXT = 1 << 22, WORLD_LETTERS = 300, WORLD_LINE = 1 << 18 };

/* A rejected record. */
struct world_letter {
    char node[32];
    dv_rc code;
    const char *reason;
    char payload[1024];
};

/* One test's world; big, so it is kept on the heap by cmocka's state. */
struct world {
    char directory[64];
    char name[128];
    char text[8192];
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_loop_sim loop;
    struct dv_graph *graph; /* NULL after findings */
    struct dv_keyring *keyring;
    struct dv_sys sys; /* the real one without syncs: under the accounts of the bank, which are below the directory */
    struct dv_bank bank;
    struct dv_dead_letters letters;
    struct world_letter letter[WORLD_LETTERS];
    unsigned letter_count;
    struct dv_error error;
    bool running, done;
    bool stalled; /* nothing was left to happen before the end: the run had to be stopped */
    dv_rc rc; /* how the run ended */
    unsigned claimed, settled;
    const char *input; /* what is left of it */
    char findings[8192];
    size_t output_length;
    char output[WORLD_TEXT];
    const struct dv_operator *const *operators; /* a test's own, or NULL */
    void (*tamper)(struct dv_batch *batch); /* what node `{ op: tamper }` does to each batch */
};

/* cmocka's setup and teardown: *state is a struct world. */
int world_setup(void **state);
int world_teardown(void **state);

/* Writes a file below the world's directory: "schemas/x.yaml", "policies/x.yaml". */
void world_file(struct world *world, const char *path, const char *text);

/* Opens a keyring in the world's directory and lends it to the graphs loaded later. */
void world_keyring(struct world *world);

/* Sets the limit of an account of ε, in billionths, and reads it. */
void world_budget(struct world *world, const char *dataset, const char *node, int64_t limit_nano);
struct dv_budget world_spent(struct world *world, const char *dataset, const char *node);

/* Loads the nodes (YAML, one line each) and proves them; findings are printed to world->findings. False if any. */
bool world_load(struct world *world, const char *nodes);

/* Runs the loaded graph on `input` to its end and gives back the output. */
const char *world_run(struct world *world, const char *input);

/* The same in three parts: starts; runs until nothing is left to happen; stops what still runs. */
void world_begin(struct world *world, const char *input);
void world_steps(struct world *world);
void world_end(struct world *world);

/* The label of a column of the schema that enters `node`, as text; "-" if there is no such column. */
const char *world_label(struct world *world, const char *node, const char *column);

/* A column's type there, or "-". */
const char *world_type(struct world *world, const char *node, const char *column);

#endif
