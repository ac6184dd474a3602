/* SPDX-License-Identifier: Apache-2.0
 * score_read.h - lines of {"id", "source", "text", "spans": [{"start", "end", "type", "score"}]} out of JSON. */
#ifndef DV_CLI_SCORE_READ_H
#define DV_CLI_SCORE_READ_H

#include "cli/score_marks.h"
#include "engine/batch.h"
#include "engine/pool.h"

struct dv_json_reader;

/* Reads one line after the other; zero-initialise, close it in any case. Members are private. */
struct dv_score_reader {
    struct dv_arena schemas;
    struct dv_pool pool;
    struct dv_json_reader *lines, *spans;
    const struct dv_schema *line_schema, *span_schema;
};

/* A line. Everything lives in `batch`, to which the caller has a reference. */
struct dv_score_line {
    struct dv_batch *batch;
    const struct dv_cell *id, *text, *source;
    struct dv_mark *marks;
    size_t count;
};

/* Makes a reader; DV_E_MEMORY. Close it with dv_score_reader_close(), which accepts a zeroed one. */
DV_CHECKED dv_rc dv_score_reader_open(struct dv_score_reader *reader);

/* Gives back what the reader took; its lines are gone with it. */
void dv_score_reader_close(struct dv_score_reader *reader);

/* Reads line[0..length), behind which DV_JSON_PADDING bytes can be read. After an error *ret_reason is a literal that says
 * why, and there is no batch. */
DV_CHECKED dv_rc dv_score_read(struct dv_score_reader *reader, const char *line, size_t length, struct dv_score_line *ret_line,
                               const char **ret_reason);

#endif
