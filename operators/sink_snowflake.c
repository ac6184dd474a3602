/* SPDX-License-Identifier: Apache-2.0
 * sink_snowflake.c - rows into a table of Snowflake, each once. */
#include "operators/sink_snowflake.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/graph.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "operators/exit_guard.h"
#include "operators/sink_snowflake_keep.h"
#include "operators/sink_snowflake_preflight.h"
#include "operators/sink_snowflake_sql.h"
#include "operators/sink_snowflake_unit.h"

extern const struct dv_operator dv_operator_sink_snowflake;

/* The sink's state. */
struct sink_snowflake {
    struct dv_snow_options options; /* first: its offsets are the rows' */
    struct dv_snowflake snowflake;
    const struct dv_schema *columns;
    struct dv_snow_stream *stream; /* of mode streaming; NULL: not open */
    struct dv_snow_sql *sql;       /* of mode sql */
    struct dv_snow_preflight preflight;
    struct dv_batch *early[DV_SNOW_HELD_MAX]; /* that came before it was over */
    uint32_t early_count;
    bool ready; /* the mode is open */
    dv_rc rc;   /* why nothing is taken; DV_OK: it is */
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
    { "remember", DV_INT, offsetof(struct dv_snow_options, remember), .initial = "1048576",
      .min = DV_SNOWFLAKE_JOURNAL_IDS_MIN, .max = DV_SNOWFLAKE_JOURNAL_IDS_MAX,
      .help = "With `mode: streaming`: how many of the records sent last the journal knows, 32 bytes of memory each: more than can be under way." },
    { "linger", DV_DURATION, offsetof(struct dv_snow_options, linger_ms), .initial = "1s", .max = 600000,
      .help = "With `mode: sql`: how long a row waits for others to travel with." },
    { "rows", DV_INT, offsetof(struct dv_snow_options, rows), .initial = "1024", .min = 1, .max = DV_SNOW_TAKEN_MAX,
      .help = "With `mode: sql`: the most rows of a statement, which is sent when there are so many." },
    { "requests", DV_INT, offsetof(struct dv_snow_options, requests), .initial = "2", .min = 1, .max = DV_SNOW_REQUESTS_MAX,
      .help = "With `mode: sql`: statements at a time; Snowflake carries out one after the other, but the next is there by then." },
    { 0 },
};

/* What comes again after a crash must be known, or it is there twice. */
static dv_rc check_remember(struct dv_node *node, const struct dv_snow_options *given)
{
    char help[64];
    const uint64_t most = dv_records_under_way(node);
    if (most <= (uint64_t)given->remember)
        return DV_OK;
    (void)snprintf(help, sizeof help, "remember: %llu", (unsigned long long)most);
    return dv_refuse(node, "remember", "C260", dv_arena_copy(dv_node_arena(node), help, strlen(help)),
                     "%llu records can be under way, which come again after a crash, and the journal remembers %lld",
                     (unsigned long long)most, (long long)given->remember);
}

/* What belongs to one mode only. */
static dv_rc check_mode(struct dv_node *node, const struct dv_snow_options *given)
{
    if (given->mode == DV_SNOW_STREAMING) {
        if (given->snowflake.token != NULL)
            return dv_refuse(node, "token", "C254", "user: DV_LOADER, key: \"env:SNOWFLAKE_KEY\"", "a channel is opened with a key pair only");
        return given->journal != NULL ? check_remember(node, given)
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

static dv_rc check_names(struct dv_node *node, const struct dv_schema *in)
{
    for (uint32_t i = 0; i < in->column_count; i++) {
        const char *name = in->columns[i].name;
        if (strcasecmp(name, "DV_ID") == 0 || strcasecmp(name, "DV_UNIT") == 0)
            return dv_refuse(node, NULL, "C252", "rename it", "column '%s' is one of the sink's own", name);
        for (uint32_t other = 0; other < i; other++)
            if (strcasecmp(name, in->columns[other].name) == 0)
                return dv_refuse(node, NULL, "C255", "keep one of them back, as with `project`",
                                 "columns '%s' and '%s' would be one: Snowflake matches names whatever their case",
                                 in->columns[other].name, name);
    }
    return DV_OK;
}

const struct dv_snow_options *dv_sink_snowflake_options(const struct dv_node *node)
{
    const struct sink_snowflake *sink = dv_state(node);
    DV_ASSERT(dv_node_operator(node) == &dv_operator_sink_snowflake);
    return &sink->options;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct sink_snowflake *sink = dv_state(node);
    DV_TRY(check_names(node, shape->in));
    DV_TRY(dv_snowflake_server_check(node, &sink->options.snowflake));
    if (sink->options.mode == DV_SNOW_SQL && shape->in->extra >= 0)
        return dv_refuse(node, NULL, "C259", "put `project` before it", "fields that no schema names have no column in the table");
    sink->columns = shape->in;
    return check_mode(node, &sink->options);
}

static dv_rc take(struct sink_snowflake *sink, struct dv_batch *batch)
{
    return sink->sql != NULL ? dv_snow_sql_take(sink->sql, batch) : dv_snow_stream_take(sink->stream, batch);
}

/* ---- before the first row ---- */

/* No record is at fault when a journal is damaged or memory is used up: none may be a dead letter for it. */
static dv_rc of_no_record(dv_rc rc)
{
    return dv_rc_policy(rc) == DV_POLICY_REJECT ? DV_E_FAILED : rc;
}

/* What failed has its text already, and every batch that is held has it, too. */
static void refuse_all(struct dv_node *node, dv_rc rc)
{
    struct sink_snowflake *sink = dv_state(node);
    uint32_t count = sink->early_count;
    sink->rc = of_no_record(rc);
    sink->early_count = 0;
    dv_log(DV_LOG_ERROR, "snowflake.refused", DV_LOG_NAMED("node", dv_node_name(node)), DV_LOG_REASON("why", rc));
    dv_halt(node, sink->rc);
    for (uint32_t i = 0; i < count; i++)
        dv_finish(node, sink->early[i], sink->rc);
}

static void take_early(struct dv_node *node)
{
    struct sink_snowflake *sink = dv_state(node);
    uint32_t count = sink->early_count;
    sink->early_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        dv_rc rc = take(sink, sink->early[i]);
        if (rc != DV_HOLD)
            dv_finish(node, sink->early[i], rc);
    }
}

static void on_ready(struct dv_node *node, dv_rc rc)
{
    struct sink_snowflake *sink = dv_state(node);
    sink->ready = rc == DV_OK;
    if (rc == DV_OK)
        take_early(node);
    else
        refuse_all(node, rc);
}

static dv_rc open_mode(struct dv_node *node)
{
    struct sink_snowflake *sink = dv_state(node);
    if (sink->options.mode == DV_SNOW_SQL)
        return dv_snow_sql_open(node, &sink->options, sink->columns, &sink->snowflake, &sink->sql);
    return dv_snow_stream_open(node, &sink->options, &sink->snowflake, on_ready, &sink->stream);
}

static void on_preflight(struct dv_snow_preflight *preflight)
{
    struct dv_node *node = preflight->data;
    dv_rc rc = preflight->rc;
    if (rc == DV_OK)
        rc = open_mode(node);
    else
        rc = dv_fail(node, rc, "Snowflake: %s", preflight->error.text);
    dv_snow_preflight_close(preflight);
    if (rc != DV_HOLD)
        on_ready(node, rc);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_snowflake *sink = dv_state(node);
    if (sink->rc != DV_OK)
        return sink->rc;
    if (sink->ready)
        return take(sink, batch);
    DV_ASSERT(sink->early_count < DV_SNOW_HELD_MAX);
    sink->early[sink->early_count++] = batch;
    return DV_HOLD;
}

static const char *waits(struct dv_node *node)
{
    const struct sink_snowflake *sink = dv_state(node);
    const char *waits = dv_snowflake_waits(&sink->snowflake);
    if (sink->rc != DV_OK)
        return dv_rc_text(sink->rc);
    if (!sink->ready)
        return waits != NULL ? waits : sink->stream != NULL ? "the journal is being read" : "the table is being looked at";
    return sink->sql != NULL ? dv_snow_sql_waits(sink->sql) : dv_snow_stream_waits(sink->stream);
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
    dv_snow_preflight_close(&sink->preflight);
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
    if (sink->options.mode == DV_SNOW_SQL)
        dv_hold_at_most(node, DV_SNOW_KEEP_MAX);
    sink->preflight = (struct dv_snow_preflight){ .options = &sink->options, .schema = sink->columns, .on_end = on_preflight,
                                                  .data = node };
    dv_snow_preflight_start(&sink->preflight, &sink->snowflake);
    return DV_OK;
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
