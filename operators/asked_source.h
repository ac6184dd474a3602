/* SPDX-License-Identifier: Apache-2.0
 * asked_source.h - a source of one record, given as JSON: for a command that asks a graph in its own process.
 *
 * No graph file can name it: dv_graph_cut() puts it in the place of the source that would take questions. */
#ifndef DV_OPERATORS_ASKED_SOURCE_H
#define DV_OPERATORS_ASKED_SOURCE_H

#include "engine/id.h"
#include "engine/json.h"
#include "engine/operator.h"

/* The state; the caller fills what is above the line, and reads what is below. */
struct dv_asked_source {
    const char *text; /* one object */
    size_t length;
    uint8_t id[DV_UUID_BYTES];
    /* ---- */
    struct dv_json_reader *reader;
    dv_rc rc;           /* why it is no record of the schema, */
    const char *reason; /* a literal, or NULL */
    bool given;
};

extern const struct dv_operator dv_operator_asked;

#endif
