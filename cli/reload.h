/* SPDX-License-Identifier: Apache-2.0
 * reload.h - reloads a running graph and its keyring: what SIGHUP and POST /v1/reload have in common. */
#ifndef DV_CLI_RELOAD_H
#define DV_CLI_RELOAD_H

#include <stdbool.h>

#include "engine/reload.h"

struct dv_services;

/* What is reloaded, and for whom. */
struct dv_reloader {
    struct dv_graph *graph;
    struct dv_services *services;
    const char *path;
    bool json;           /* how findings are printed */
    uint64_t generation; /* of the keyring that all nodes know */
    dv_reload_done done; /* of the reload under way, or NULL */
    void *data;
};

/* After dv_graph_start(). All that is given is lent. */
void dv_reloader_init(struct dv_reloader *reloader, struct dv_graph *graph, struct dv_services *services,
                      const char *path, bool json);

/* Reads the keyring and the graph file again. Findings and the outcome are logged; `done` (may be NULL) is told, too.
 * DV_E_USAGE: another one is under way, or the run ends; DV_E_KEY, DV_E_TAMPER, DV_E_IO …: the keyring cannot be read. */
DV_CHECKED dv_rc dv_reloader_begin(struct dv_reloader *reloader, dv_reload_done done, void *data);

#endif
