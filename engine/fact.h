/* SPDX-License-Identifier: Apache-2.0
 * fact.h - what it tells about a record that it is here at all: the implicit flows of the label proof.
 *
 * Who finds a record behind `route: { column: age, above: 65 }` knows something of its age, whatever was done to the record
 * since: sealing and dropping columns do not hide where it went. So each output of a node carries facts beside its columns.
 * The engine hands them on from node to node, an operator cannot lose them; it only says what it adds (struct dv_told) and of
 * how many subjects at least each record is that it sends (struct dv_shape). */
#ifndef DV_ENGINE_FACT_H
#define DV_ENGINE_FACT_H

#include <stdint.h>

#include "engine/label.h"

struct dv_arena;
struct dv_graph;
struct dv_node;
struct dv_shape;

/* One fact: `node` sent the record to `output` for what `column` held. Immutable; lists share their tails. */
struct dv_fact {
    const struct dv_node *node;
    uint32_t output;
    uint32_t outputs; /* how many the node has */
    const char *column;
    struct dv_label label; /* of what is told, not of the column */
    const struct dv_fact *next;
};

/* What a condition tells about a column of this label. `exact`: the value itself, or next to it. A comparison is a coarser
 * value of one bit; of what names a person, or of text, even that is taken for the value. */
struct dv_label dv_fact_label(struct dv_label column, bool exact);

/* Fills the facts of a node from those of its inputs and from its shape, after transfer(); false: out of memory. */
bool dv_facts_load(struct dv_graph *graph, struct dv_node *node, const struct dv_shape *shape);

/* Whether an exit may receive records of which this is told. A store is asked as a file: its values are sealed in case it
 * is stolen, but where records went is no value. */
bool dv_fact_cleared(enum dv_exit exit, struct dv_label label, const char **ret_why);

#endif
