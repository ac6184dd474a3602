/* SPDX-License-Identifier: Apache-2.0
 * dead_letter_file.h - the dead letters of a graph: sealed, in one file, one blob after the other.
 *
 * The file is a stream of blobs (vault/blob.h) of the schema "dead-letter" under the tenant's dataset of that name.
 * What is sealed is one JSON object:
 *
 *     { "node": "…", "code": "DV_E_SYNTAX", "reason": "…", "offset": 12, "line": 3, "raw": "<base64>" }
 *     { …, "schema": "…", "record": { … } }        a record that was parsed already
 *     { …, "notice": true, "raw": "…" }            tells of a loss: there is no record in it
 *
 * A file that has reached `bytes_max` is let go of, so that `datavault dlq drop` can compact it, and looked at every
 * second: once it has room it is opened again and the intake goes on.
 *
 * Letters that come while a write is under way share the next fdatasync. Each keeps its receipt until it is on the
 * disk; when more than DV_DEAD_LETTER_QUEUE_BYTES wait, full() stops the graph's intake. */
#ifndef DV_OPERATORS_DEAD_LETTER_FILE_H
#define DV_OPERATORS_DEAD_LETTER_FILE_H

#include "connectors/file.h"
#include "engine/dead_letter.h"
#include "vault/keyring.h"

#define DV_DEAD_LETTER_DATASET "dead-letter"

enum {
    DV_DEAD_LETTER_LOOK_MS = 1000,
    DV_DEAD_LETTER_QUEUE_BYTES = 1024 * 1024,
    DV_DEAD_LETTER_KEPT_BYTES = 1024 * 1024
};

struct dv_dead_letter_options {
    struct dv_loop *loop;
    const struct dv_sys *sys; /* &dv_sys_real */
    const char *path;         /* stays until the close */
    uint64_t bytes_max;       /* of the file; what comes at once may pass it by a batch */
    const char *tenant;
    struct dv_keyring *keyring; /* gets the dataset if it has none */
};

struct dv_dead_letter_file;

/* Opens the file, to be closed and then freed. Errors: those of dv_appender_open() and of the keyring. */
DV_CHECKED dv_rc dv_dead_letter_file_open(struct dv_dead_letter_file **ret,
                                          const struct dv_dead_letter_options *options, struct dv_error *error);

/* What the graph is given; NULL for NULL. */
struct dv_dead_letters *dv_dead_letter_file_base(struct dv_dead_letter_file *file);

/* Waits for a running write and closes; accepts NULL. After the graph has ended: receipts that still wait are dropped
 * with it, so that their sources deliver again. */
void dv_dead_letter_file_close(struct dv_dead_letter_file *file);

/* Gives the memory back, after the loop has run dry; accepts NULL. */
void dv_dead_letter_file_free(struct dv_dead_letter_file *file);

#endif
