/* SPDX-License-Identifier: Apache-2.0
 * proof.h - the label proof as rows, and as a certificate for machines.
 *
 * The certificate is one JSON object in one line, with sorted keys, and the same bytes for the same configuration:
 *
 *   config_sha256  of the graph file with its variables replaced, its schemas, its policies and the program's version
 *   exits          each with its fields: class, form, parameter, label, path and rule; and what conditions tell there
 *   nodes          each transform with its options as the file has them (k, epsilon, policy, reason, ...)
 *
 * `datavault check --certificate` makes it again and compares; a running graph shows the same hash. */
#ifndef DV_ENGINE_PROOF_H
#define DV_ENGINE_PROOF_H

#include <stddef.h>
#include <stdint.h>

#include "engine/label.h"

struct dv_arena;
struct dv_fact;
struct dv_graph;
struct dv_node;

/* One thing that leaves at an exit: a column, or what a condition tells of one. */
struct dv_proof_row {
    const struct dv_node *node; /* the exit */
    enum dv_exit kind;
    const char *field;
    struct dv_label label;
    const char *why;            /* the rule, a literal */
    const struct dv_fact *fact; /* NULL: the column itself leaves */
};

/* The rows of a graph, exits in the file's order, columns in their schema's; NULL: the arena is full. */
const struct dv_proof_row *dv_proof_rows(const struct dv_graph *graph, struct dv_arena *arena, uint32_t *ret_count);

/* The node whose condition tells it, or NULL if the column itself leaves. */
const char *dv_proof_teller(const struct dv_proof_row *row);

/* Names of the nodes from the source to the exit into `names`, which has room for DV_NODES_MAX; returns how many. */
uint32_t dv_proof_path(const struct dv_proof_row *row, const char **names);

/* The certificate, without a newline, in the arena; NULL: the arena is full. */
const char *dv_certificate(const struct dv_graph *graph, struct dv_arena *arena, size_t *ret_length);

#endif
