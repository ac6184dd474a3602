/* SPDX-License-Identifier: Apache-2.0
 * source_file.c - reads JSON lines from a file, and goes on where the last run came to. */
#include "operators/line_source.h"

static const struct dv_option options[] = {
    { "path", DV_STR, offsetof(struct dv_line_source, path), .flags = DV_REQUIRED,
      .help = "File of JSON lines; also a named pipe." },
    { "schema", DV_NAME, offsetof(struct dv_line_source, schema), .flags = DV_REQUIRED,
      .help = "Schema of the records: the name of a file in schemas/ beside the graph file." },
    { "follow", DV_BOOL, offsetof(struct dv_line_source, follow), .initial = "false",
      .help = "Waits for more at the end of the file; starts again when the file is replaced or cut." },
    { "checkpoint", DV_BOOL, offsetof(struct dv_line_source, checkpoint), .initial = "true",
      .help = "Remembers in the state directory how far the file was read, and goes on there after a restart." },
    { "max_record", DV_SIZE, offsetof(struct dv_line_source, max_record), .initial = "1MiB", .min = 64,
      .max = DV_FILE_RECORD_MAX, .help = "Longest line; a longer one is rejected without being stored whole." },
    { 0 },
};

const struct dv_operator dv_operator_source_file = {
    .name = "source",
    .from = "file",
    .summary = "Reads records from a file of JSON lines.",
    .options = options,
    .size = sizeof(struct dv_line_source),
    .source = true,
    .makes = true,
    .transfer = dv_line_source_transfer,
    .open = dv_line_source_open,
    .process = dv_line_source_process,
    .settle = dv_line_source_settle,
    .stop = dv_line_source_stop,
    .waits = dv_line_source_waits,
    .behind = dv_line_source_behind,
    .breaker = dv_line_source_breaker,
    .close = dv_line_source_close,
};
