/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake.h - between the files of the sink into Snowflake: its options, and its modes. */
#ifndef DV_OPERATORS_SINK_SNOWFLAKE_H
#define DV_OPERATORS_SINK_SNOWFLAKE_H

#include "connectors/snowflake.h"
#include "operators/snowflake_option.h"

struct dv_batch;
struct dv_snow_stream;

/* As `mode` has them. */
enum dv_snow_mode { DV_SNOW_STREAMING, DV_SNOW_SQL };

/* What its file says. */
struct dv_snow_options {
    struct dv_snowflake_server snowflake;
    int mode;
    const char *table, *pipe, *channel, *journal;
    int64_t remember;                  /* ids, of mode streaming */
    int64_t linger_ms, rows, requests; /* of mode sql */
};

/* The options of a node of this kind, for commands. */
const struct dv_snow_options *dv_sink_snowflake_options(const struct dv_node *node);

/* sink_snowflake_look.c: the preflight of a node, without a run. Blocks. DV_OK; DV_E_CONFIG: what is wrong; DV_E_DEPENDENCY: it cannot be
 * told now; and what opening an account says. */
DV_CHECKED dv_rc dv_sink_snowflake_look(const struct dv_node *node, struct dv_error *error);

/* sink_snowflake_stream.c: opens a stream over an account. DV_HOLD: its journal is being read, after which `ready` comes, with DV_OK or what
 * the node has failed with; nothing may be taken before. *ret is in the node's arena, and to be closed, also after an error unless it is
 * still NULL. Close it before the account. */
DV_CHECKED dv_rc dv_snow_stream_open(struct dv_node *node, const struct dv_snow_options *options, struct dv_snowflake *snowflake,
                                     void (*ready)(struct dv_node *node, dv_rc rc), struct dv_snow_stream **ret);
void dv_snow_stream_close(struct dv_snow_stream *stream);

/* For `.process` and `.waits`. */
DV_CHECKED dv_rc dv_snow_stream_take(struct dv_snow_stream *stream, struct dv_batch *batch);
const char *dv_snow_stream_waits(const struct dv_snow_stream *stream);

#endif
