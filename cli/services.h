/* SPDX-License-Identifier: Apache-2.0
 * services.h - what a running graph is lent: keyring, feed, dead letters, state directory, privacy budgets. */
#ifndef DV_CLI_SERVICES_H
#define DV_CLI_SERVICES_H

#include "cli/load.h"
#include "connectors/purse.h"
#include "engine/feed.h"
#include "engine/graph.h"
#include "engine/replies.h"
#include "operators/dead_letter_file.h"
#include "vault/keyring.h"

enum { DV_STATE_PATH_MAX = 1024 };

/* All of them; zero-initialise. */
struct dv_services {
    struct dv_keyring *keyring;
    struct dv_feed *feed;
    struct dv_replies *replies;
    struct dv_dead_letter_file *letters; /* NULL without a keyring: rejected records are then counted and logged only */
    struct dv_bank bank;
    bool without_letters;      /* set before the open: rejected records are counted and logged only */
    const char *letters_again; /* set before the open: rejected records go to this file instead of the graph's */
    char letters_path[DV_LETTERS_FILE_MAX];
    char state[DV_STATE_PATH_MAX];       /* <state>/<graph>: two graphs never share a checkpoint */
};

/* The file of a graph's dead letters. DV_E_CONFIG if its path is too long. */
DV_CHECKED dv_rc dv_letters_path(const struct dv_graph_settings *settings, char *ret, size_t size,
                                 struct dv_error *error);

/* Opens what the graph's settings name and lends it. Only a pipe (`once`), whose exit code tells of rejected records,
 * may do without a keyring: DV_E_CONFIG. On an error what was opened stays for dv_services_free(). */
DV_CHECKED dv_rc dv_services_open(struct dv_services *services, struct dv_graph *graph, struct dv_loop *loop, bool once,
                                  struct dv_error *error);

/* Closes the dead letters; before the loop runs dry. */
void dv_services_close(struct dv_services *services);

/* Gives everything back; after the loop has run dry. */
void dv_services_free(struct dv_services *services);

#endif
