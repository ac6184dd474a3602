/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_source.h - a source of dead letters: what was rejected comes again, with the id it had.
 *
 * No graph file can name it: dv_graph_cut() puts it before the node that rejected the records. A letter is marked as
 * replayed once every branch behind that node has its record durable, or has rejected it into a letter of its own; so a
 * crash at any time leaves it open, and the next replay meets its id. A letter that cannot even be read at the node's
 * schema stays as it is. Files are read on the loop, on which nothing else waits: the loop is a command's own. */
#ifndef DV_OPERATORS_DEAD_LETTER_SOURCE_H
#define DV_OPERATORS_DEAD_LETTER_SOURCE_H

#include "engine/json.h"
#include "engine/operator.h"
#include "operators/dead_letter_marker.h"
#include "operators/dead_letter_scan.h"

/* What several sources of one replay share; the caller's, who reads the counts afterwards. */
struct dv_letter_replay {
    const char *path; /* of the letters */
    struct dv_keyring *keyring;
    struct dv_marker *marker;                                        /* open */
    bool (*wanted)(void *data, const struct dv_letter_view *letter); /* of letters that opened */
    void *data;
    struct dv_marks fed_ids; /* records that were fed, by id and node */
    uint64_t fed;            /* records that were given to a node */
    uint64_t doubled;        /* letters of a record that was fed already: a crash made two of it */
    uint64_t unfit;          /* letters that could not be read at the node's schema */
    uint64_t unmarked;       /* letters that were replayed, but the mark could not be written */
};

struct dv_letter_group; /* the letters of one batch */

/* The state of one source; the caller fills the first two. */
struct dv_letter_source {
    struct dv_letter_replay *replay;
    const char *rejected_by; /* only letters of this node; NULL: of all */
    struct dv_letter_scan scan;
    struct dv_letter_view letter;
    bool kept; /* `letter` found no room in the last batch */
    struct dv_json_reader *json;
    size_t json_bytes;
    struct dv_letter_group *groups; /* not settled yet, newest first */
    uint64_t group_number;
    bool ended;
};

extern const struct dv_operator dv_operator_dead_letters;

#endif
