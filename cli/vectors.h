/* SPDX-License-Identifier: Apache-2.0
 * vectors.h - what the verbs of `datavault vectors` share: the places of a graph, open on a loop of the command's own. */
#ifndef DV_CLI_VECTORS_H
#define DV_CLI_VECTORS_H

#include "cli/load.h"
#include "cli/vectors_talks.h"
#include "connectors/vectors.h"
#include "engine/loop.h"

enum {
    DV_VECTORS_PLACES_MAX = 32,
    DV_VECTORS_PLACE_TEXT = 160,
    DV_VECTORS_LINE_BYTES = 6 * 4096 + 2048 /* of JSON, with the longest path, of which a byte may become six */
};

struct dv_command;
struct dv_vectors_place;

/* One place, and what became of it. */
struct dv_vectors_at {
    struct dv_node *node;
    const struct dv_vectors_place *place;
    struct dv_vectors *vectors; /* NULL: not open */
    uint64_t met, removed;
    bool remains;
};

/* What was asked for, and where. */
struct dv_vectors_cli {
    const struct dv_command *self;
    const char *file, *node;
    const char *schema, *key; /* forget: whose names, and the policy's own key; or NULL */
    const char *talks_path;   /* forget: a file of conversations of another graph's, or NULL */
    bool as_sealed, json;
    uint8_t (*ids)[DV_STORE_ID_BYTES]; /* forget: records */
    uint32_t id_count;
    struct dv_loaded loaded;
    struct dv_vectors_at at[DV_VECTORS_PLACES_MAX];
    uint32_t count;
    struct dv_vectors_talks talks;
    uv_loop_t uv;
    struct dv_loop_real loop;
};

/* Hands the request to a place and waits for the answer; *error tells what it says. */
DV_CHECKED dv_rc dv_vectors_cli_ask(struct dv_vectors_cli *cli, struct dv_vectors_at *at, struct dv_vectors_request *request,
                                    struct dv_error *error);

/* The path, or the table; never a url. */
const char *dv_vectors_cli_place(const struct dv_vectors_at *at, char text[DV_VECTORS_PLACE_TEXT]);

/* Removes people or records from all places, and the turns that cite them; gives back the exit code. */
int dv_vectors_forget(struct dv_vectors_cli *cli);

#endif
