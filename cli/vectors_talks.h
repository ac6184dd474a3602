/* SPDX-License-Identifier: Apache-2.0
 * vectors_talks.h - what `datavault vectors forget` does with conversations: the turns go whose answers cite a record that is removed.
 *
 * Which records those are is known as long as their texts are there: so who is to go is noted first, and dropped once before the texts
 * are removed, when a failure has lost nothing yet, and once behind it, for what was answered meanwhile. */
#ifndef DV_CLI_VECTORS_TALKS_H
#define DV_CLI_VECTORS_TALKS_H

#include "connectors/conversations.h"
#include "connectors/vectors.h"

struct dv_vectors_cli;

enum { DV_VECTORS_TALKS_MAX = 8, DV_VECTORS_NOTED_MAX = 1 << 20 };

/* A file of conversations. */
struct dv_vectors_talk {
    const char *node; /* or NULL: it was named by an option */
    const char *path;
    struct dv_conversations store;
    bool opened;  /* false: there is no such file, and so no turn */
    bool failed;  /* it did not answer, and is not asked again */
    bool remains; /* bytes of turns are still in its log */
    uint64_t dropped;
};

/* All of them, and the records noted. Zeroed at first. */
struct dv_vectors_talks {
    struct dv_vectors_talk at[DV_VECTORS_TALKS_MAX];
    uint32_t count;
    uint8_t (*ids)[DV_STORE_ID_BYTES];
    uint32_t noted, room;
};

/* Opens those of the graph's nodes `conversation`, and the one that was named. */
DV_CHECKED dv_rc dv_vectors_talks_open(struct dv_vectors_cli *cli, struct dv_error *error);
void dv_vectors_talks_close(struct dv_vectors_cli *cli);

/* Notes the records of the person that a row names, or the one of its id. DV_E_LIMIT: more than DV_VECTORS_NOTED_MAX. */
DV_CHECKED dv_rc dv_vectors_talks_note(struct dv_vectors_cli *cli, const struct dv_vectors_row *row, struct dv_error *error);

/* Whether there are any conversations. */
bool dv_vectors_talks_any(const struct dv_vectors_cli *cli);

/* So many are noted that they had better be dropped. */
bool dv_vectors_talks_full(const struct dv_vectors_cli *cli);

/* Drops the turns that cite one that is noted; `open_too`: and those whose answers are under way. */
DV_CHECKED dv_rc dv_vectors_talks_drop(struct dv_vectors_cli *cli, bool open_too, struct dv_error *error);

/* Tells the person which records are noted: their texts are gone, and so nobody finds them by a name any more. */
void dv_vectors_talks_tell_noted(const struct dv_vectors_cli *cli);

/* What the logs have of turns that were dropped, now or earlier, goes too. */
DV_CHECKED dv_rc dv_vectors_talks_cut(struct dv_vectors_cli *cli, struct dv_error *error);

/* How many were dropped. */
uint64_t dv_vectors_talks_dropped(const struct dv_vectors_cli *cli);

/* A line for each file; gives back the exit code. */
int dv_vectors_talks_print(const struct dv_vectors_cli *cli);

#endif
