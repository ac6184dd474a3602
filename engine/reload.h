/* SPDX-License-Identifier: Apache-2.0
 * reload.h - reads a running graph's file again and changes what is different, while the rest goes on.
 *
 * The new file is built and proved beside the running graph. If anything is wrong with it, nothing has happened. Then the
 * sources pause, what is in flight drains, and the nodes that differ are closed and opened anew; a node that is the same -
 * operator, options, the files it names, what reaches it - keeps its state, its connections and its counters. If a new
 * node does not open, the old ones are opened again and the graph goes on as before. An old one whose privacy budget has
 * been spent meanwhile does not open again: then the run ends.
 *
 * A window that differs, or that keeps receipts of a source or window that does, says first what it has absorbed, as at
 * the end of input. Every other window keeps it. */
#ifndef DV_ENGINE_RELOAD_H
#define DV_ENGINE_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct dv_diags;
struct dv_graph;

enum { DV_RELOAD_NAMES_MAX = 64 };

/* How a reload ended. */
enum dv_reload_result {
    DV_RELOAD_DONE,
    DV_RELOAD_INVALID,     /* the file is wrong, would leak, or needs a restart: `diags` */
    DV_RELOAD_BUSY,        /* what was in flight did not drain in time: nothing was changed */
    DV_RELOAD_ROLLED_BACK, /* a new node did not open: the old ones go on */
    DV_RELOAD_STOPPED,     /* the run ended meanwhile */
    DV_RELOAD_RESULTS
};

/* Names of nodes; they live during the call that gets them. */
struct dv_reload_names {
    const char *names[DV_RELOAD_NAMES_MAX];
    uint32_t count;
};

/* What is told at the end. */
struct dv_reload_report {
    enum dv_reload_result result;
    const struct dv_diags *diags; /* of DV_RELOAD_INVALID */
    struct dv_error error;        /* why it did not come to be, in one line */
    struct dv_reload_names changed, added, removed;
    uint32_t unchanged;
    uint64_t took_ns;
};

/* Called once for each reload that began, from the loop or from inside dv_graph_reload(). */
typedef void (*dv_reload_done)(struct dv_graph *graph, const struct dv_reload_report *report, void *data);

/* What to load. */
struct dv_reload_request {
    const char *path; /* of the graph file */
    const char *text; /* its content; NULL: it is read */
    size_t length;
    uint32_t renewed; /* bits of enum dv_service: nodes that use one of these are opened anew even if they are the same */
    dv_rc (*approve)(const struct dv_graph *to, struct dv_diags *diags); /* one check more, with findings; or NULL */
    dv_reload_done done;
    void *data;
};

/* Begins. DV_E_USAGE: the graph does not run, or another reload is under way; then `done` is not called. */
DV_CHECKED dv_rc dv_graph_reload(struct dv_graph *graph, const struct dv_reload_request *request);

/* Whether one can begin now. */
bool dv_graph_can_reload(const struct dv_graph *graph);

/* How many ended in each way, by enum dv_reload_result. */
const uint64_t *dv_graph_reloads(const struct dv_graph *graph);

/* "done", "invalid", "busy", "rolled-back", "stopped". */
const char *dv_reload_result_name(enum dv_reload_result result);

#endif
