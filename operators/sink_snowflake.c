/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake.c - rows into a table of Snowflake, each once. */
#include "operators/sink_snowflake.h"

#include <strings.h>

#include "engine/operator.h"
#include "operators/exit_guard.h"
#include "operators/sink_snowflake_unit.h"

/* The sink's state. */
struct sink_snowflake {
    struct dv_snow_options options; /* first: its offsets are the rows' */
    struct dv_snowflake snowflake;
    struct dv_snow_stream *stream; /* NULL: not open */
};

static const struct dv_option options[] = {
    DV_SNOWFLAKE_ACCOUNT_ROWS(struct dv_snow_options, DV_REQUIRED),
    DV_SNOWFLAKE_SERVER_ROWS(struct dv_snow_options),
    { "table", DV_NAME, offsetof(struct dv_snow_options, table), .flags = DV_REQUIRED,
      .help = "Table, as SHOW writes it, with the record's columns and DV_ID and DV_UNIT, both VARCHAR." },
    { "pipe", DV_NAME, offsetof(struct dv_snow_options, pipe), .help = "Pipe into the table; none: the table's own, TABLE-STREAMING." },
    { "channel", DV_NAME, offsetof(struct dv_snow_options, channel), .help = "Channel, of this graph alone; none: GRAPH.NODE." },
    { "journal", DV_STR, offsetof(struct dv_snow_options, journal), .flags = DV_REQUIRED,
      .help = "File that remembers what was sent; it belongs to the channel, and without it the channel cannot be gone on with." },
    { 0 },
};

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    const struct sink_snowflake *sink = dv_state(node);
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        if (strcasecmp(shape->in->columns[i].name, "DV_ID") == 0 || strcasecmp(shape->in->columns[i].name, "DV_UNIT") == 0)
            return dv_refuse(node, NULL, "C252", "rename it", "column '%s' is one of the sink's own", shape->in->columns[i].name);
    DV_TRY(dv_snowflake_server_check(node, &sink->options.snowflake));
    if (sink->options.snowflake.token != NULL)
        return dv_refuse(node, "token", "C254", "user: DV_LOADER, key: \"env:SNOWFLAKE_KEY\"", "a channel is opened with a key pair only");
    return DV_OK;
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_snowflake *sink = dv_state(node);
    return dv_snow_stream_take(sink->stream, batch);
}

static const char *waits(struct dv_node *node)
{
    const struct sink_snowflake *sink = dv_state(node);
    return sink->stream != NULL ? dv_snow_stream_waits(sink->stream) : NULL;
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct sink_snowflake *sink = dv_state(node);
    return index == 0 ? dv_snowflake_breaker(&sink->snowflake) : NULL;
}

static void close_node(struct dv_node *node)
{
    struct sink_snowflake *sink = dv_state(node);
    if (sink->stream != NULL)
        dv_snow_stream_close(sink->stream);
    sink->stream = NULL;
    dv_snowflake_close(&sink->snowflake);
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_snowflake *sink = dv_state(node);
    struct dv_error error = { 0 };
    const struct dv_snowflake_config config = dv_snowflake_server_config(dv_node_loop(node), &sink->options.snowflake);
    dv_rc rc = dv_snowflake_open(&sink->snowflake, &config, &error);
    if (rc != DV_OK)
        return dv_fail(node, rc, "Snowflake: %s", error.text);
    rc = dv_snow_stream_open(node, &sink->options, &sink->snowflake, &sink->stream);
    if (rc != DV_OK)
        close_node(node);
    return rc;
}

const struct dv_operator dv_operator_sink_snowflake = {
    .name = "sink-snowflake",
    .summary = "Streams records into a table of Snowflake, each once.",
    .options = options,
    .size = sizeof(struct sink_snowflake),
    .sink = true,
    .held_max = DV_SNOW_HELD_MAX,
    .exit = DV_EXIT_STORE,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .close = close_node,
};
