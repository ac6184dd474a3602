/* SPDX-License-Identifier: Apache-2.0
 * source_stdin.c - reads JSON lines from standard input. */
#include "operators/line_source.h"

static const struct dv_option options[] = {
    { "schema", DV_NAME, offsetof(struct dv_line_source, schema), .flags = DV_REQUIRED,
      .help = "Schema of the records: the name of a file in schemas/ beside the graph file." },
    { "max_record", DV_SIZE, offsetof(struct dv_line_source, max_record), .initial = "1MiB", .min = 64,
      .max = DV_FILE_RECORD_MAX, .help = "Longest line; a longer one is rejected without being stored whole." },
    { 0 },
};

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_line_source *source = dv_state(node);
    source->path = "-";
    return dv_line_source_transfer(node, shape);
}

const struct dv_operator dv_operator_source_stdin = {
    .name = "source",
    .from = "stdin",
    .summary = "Reads records from standard input, one JSON object a line.",
    .options = options,
    .size = sizeof(struct dv_line_source),
    .source = true,
    .makes = true,
    .transfer = transfer,
    .open = dv_line_source_open,
    .process = dv_line_source_process,
    .settle = dv_line_source_settle,
    .stop = dv_line_source_stop,
    .waits = dv_line_source_waits,
    .behind = dv_line_source_behind,
    .breaker = dv_line_source_breaker,
    .close = dv_line_source_close,
};
