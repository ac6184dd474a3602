/* SPDX-License-Identifier: Apache-2.0
 * line_source.h - a source of JSON lines, from a file or from standard input.
 *
 * Each line is one record. Lines are copied once, into the arena of the batch they become part of, and parsed there.
 * What cannot be parsed goes to the dead letters with its line and offset, and the run goes on; of a line longer than
 * `max_record` only the beginning is kept, the rest is passed over without being stored. Blank lines, a byte-order mark
 * and carriage returns before a newline are passed over, too. The last line needs no newline if it is whole.
 *
 * A record's id is made from the file (its name, inode, time of birth and first line) and the record's offset, so what
 * is read again after a crash has the ids it had before. */
#ifndef DV_OPERATORS_LINE_SOURCE_H
#define DV_OPERATORS_LINE_SOURCE_H

#include "connectors/checkpoint.h"
#include "connectors/file.h"
#include "engine/json.h"
#include "engine/operator.h"
#include "operators/claims.h"

enum {
    DV_LINE_BATCH_BYTES = 256 * 1024, /* input of one batch, but for its last record */
    DV_LINE_KEPT_BYTES = 64 * 1024,   /* of a line that is too long */
    DV_LINE_NAMING_BYTES = 4096,      /* of the first line, to name the file */
};

/* The state of both sources; the option tables fill the first part. */
struct dv_line_source {
    const char *path; /* "-": standard input */
    const char *schema;
    bool follow;
    bool checkpoint;
    int64_t max_record;

    const struct dv_schema *shape; /* what `schema` names */
    struct dv_node *node;
    struct dv_reader reader;
    struct dv_json_reader *json;
    struct dv_checkpoints checkpoints;
    struct dv_claims claims;
    struct dv_batch *held; /* empty, while there is nothing to read */
    uint64_t source_seed;  /* hash of what is known before the first line */
    uint64_t source;       /* hash that names the file */
    uint64_t lines;        /* before the next one to read */
    uint64_t records;      /* of these */
    uint64_t long_line;    /* offset of the line being passed over */
    size_t scanned;        /* unread bytes that hold no newline */
    bool passing;          /* a line that is too long is being passed over */
    bool ended;
};

/* The functions of the operators. */
dv_rc dv_line_source_transfer(struct dv_node *node, struct dv_shape *shape);
dv_rc dv_line_source_open(struct dv_node *node);
dv_rc dv_line_source_process(struct dv_node *node, struct dv_batch *batch);
void dv_line_source_settle(struct dv_node *node, const struct dv_receipt *receipt);
void dv_line_source_stop(struct dv_node *node);
const char *dv_line_source_waits(struct dv_node *node);
bool dv_line_source_behind(const struct dv_node *node);
const struct dv_breaker *dv_line_source_breaker(const struct dv_node *node, uint32_t index);
void dv_line_source_close(struct dv_node *node);

#endif
