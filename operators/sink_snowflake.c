/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake.c - rows into a table of Snowflake, each once. */
#include "operators/sink_snowflake.h"

#include <strings.h>

#include "engine/operator.h"
#include "operators/exit_guard.h"
#include "operators/sink_snowflake_keep.h"
#include "operators/sink_snowflake_sql.h"
#include "operators/sink_snowflake_unit.h"

/* The sink's state. */
struct sink_snowflake {
    struct dv_snow_options options; /* first: its offsets are the rows' */
    struct dv_snowflake snowflake;
    const struct dv_schema *columns;
    struct dv_snow_stream *stream; /* of mode streaming; NULL: not open */
    struct dv_snow_sql *sql;       /* of mode sql */
};

static const struct dv_option options[] = {
    DV_SNOWFLAKE_ACCOUNT_ROWS(struct dv_snow_options, DV_REQUIRED),
    DV_SNOWFLAKE_SERVER_ROWS(struct dv_snow_options),
    { "table", DV_NAME, offsetof(struct dv_snow_options, table), .flags = DV_REQUIRED,
      .help = "Table, as SHOW writes it, with the record's columns and DV_ID and DV_UNIT, both VARCHAR." },
    { "mode", DV_ENUM, offsetof(struct dv_snow_options, mode), .initial = "streaming", .values = "streaming|sql",
      .help = "How rows travel: by a channel of Snowpipe Streaming, or by statements, a MERGE on DV_ID." },
    { "pipe", DV_NAME, offsetof(struct dv_snow_options, pipe),
      .help = "With `mode: streaming`: pipe into the table; none: the table's own, TABLE-STREAMING." },
    { "channel", DV_NAME, offsetof(struct dv_snow_options, channel),
      .help = "With `mode: streaming`: channel, of this graph alone; none: GRAPH.NODE." },
    { "journal", DV_STR, offsetof(struct dv_snow_options, journal),
      .help = "With `mode: streaming`, where it must be: file that remembers what was sent; it belongs to the channel, and without it the "
              "channel cannot be gone on with." },
    { "linger", DV_DURATION, offsetof(struct dv_snow_options, linger_ms), .initial = "1s", .max = 600000,
      .help = "With `mode: sql`: how long a row waits for others to travel with." },
    { "rows", DV_INT, offsetof(struct dv_snow_options, rows), .initial = "1024", .min = 1, .max = DV_SNOW_KEEP_ROWS,
      .help = "With `mode: sql`: the most rows of a statement, which is sent when there are so many." },
    { "requests", DV_INT, offsetof(struct dv_snow_options, requests), .initial = "2", .min = 1, .max = DV_SNOW_REQUESTS_MAX,
      .help = "With `mode: sql`: statements at a time; Snowflake carries out one after the other, but the next is there by then." },
    { 0 },
};

/* What belongs to one mode only. */
static dv_rc check_mode(struct dv_node *node, const struct dv_snow_options *given)
{
    if (given->mode == DV_SNOW_STREAMING) {
        if (given->snowflake.token != NULL)
            return dv_refuse(node, "token", "C254", "user: DV_LOADER, key: \"env:SNOWFLAKE_KEY\"", "a channel is opened with a key pair only");
        return given->journal != NULL ? DV_OK
                                        : dv_refuse(node, NULL, "C256", "journal: var/warehouse.journal",
                                                    "'%s' needs a `journal`: what it sent must be known after a crash", dv_node_name(node));
    }
    const char *other = given->pipe != NULL ? "pipe" : given->channel != NULL ? "channel" : given->journal != NULL ? "journal" : NULL;
    if (other != NULL)
        return dv_refuse(node, other, "C257", "mode: streaming", "statements have no `%s`", other);
    return given->snowflake.warehouse != NULL ? DV_OK
                                                : dv_refuse(node, NULL, "C258", "warehouse: DV_WH",
                                                            "'%s' needs a `warehouse`: it is what carries out statements", dv_node_name(node));
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct sink_snowflake *sink = dv_state(node);
    for (uint32_t i = 0; i < shape->in->column_count; i++)
        if (strcasecmp(shape->in->columns[i].name, "DV_ID") == 0 || strcasecmp(shape->in->columns[i].name, "DV_UNIT") == 0)
            return dv_refuse(node, NULL, "C252", "rename it", "column '%s' is one of the sink's own", shape->in->columns[i].name);
    DV_TRY(dv_snowflake_server_check(node, &sink->options.snowflake));
    if (sink->options.mode == DV_SNOW_SQL && shape->in->extra >= 0)
        return dv_refuse(node, NULL, "C259", "put `project` before it", "fields that no schema names have no column in the table");
    sink->columns = shape->in;
    return check_mode(node, &sink->options);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_snowflake *sink = dv_state(node);
    return sink->sql != NULL ? dv_snow_sql_take(sink->sql, batch) : dv_snow_stream_take(sink->stream, batch);
}

static const char *waits(struct dv_node *node)
{
    const struct sink_snowflake *sink = dv_state(node);
    if (sink->sql != NULL)
        return dv_snow_sql_waits(sink->sql);
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
    if (sink->sql != NULL)
        dv_snow_sql_close(sink->sql);
    sink->stream = NULL;
    sink->sql = NULL;
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
    rc = sink->options.mode == DV_SNOW_SQL ? dv_snow_sql_open(node, &sink->options, sink->columns, &sink->snowflake, &sink->sql)
                                           : dv_snow_stream_open(node, &sink->options, &sink->snowflake, &sink->stream);
    if (rc != DV_OK)
        close_node(node);
    return rc;
}

const struct dv_operator dv_operator_sink_snowflake = {
    .name = "sink-snowflake",
    .summary = "Puts records into a table of Snowflake, each once.",
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
