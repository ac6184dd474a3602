/* SPDX-License-Identifier: Apache-2.0
 * load.h - a graph file, loaded and proved, with its findings printed. */
#ifndef DV_CLI_LOAD_H
#define DV_CLI_LOAD_H

#include "engine/arena.h"
#include "engine/diag.h"
#include "engine/graph.h"

enum { DV_LETTERS_FILE_MAX = 1100 };

/* A loaded graph and the memory it lives in. Free with dv_loaded_free(). */
struct dv_loaded {
    struct dv_arena arena;
    struct dv_diags diags;
    struct dv_graph *graph; /* NULL if it could not be built */
};

/* Loads `path` and checks its labels; prints what is wrong (`json`: as JSON on standard output). The exit code: 0, 3 or
 * 4. The graph is kept for looking at if only the labels are wrong. */
int dv_loaded_init(struct dv_loaded *loaded, const char *path, bool json);
void dv_loaded_free(struct dv_loaded *loaded);

#endif
