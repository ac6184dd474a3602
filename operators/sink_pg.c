/* SPDX-License-Identifier: Apache-2.0
 * sink_pg.c - keeps sealed records in a PostgreSQL table, each once: a redelivery meets its own id. */
#include "operators/sink_pg.h"

#include "engine/breaker.h"
#include "operators/exit_guard.h"
#include "operators/pg_option.h"
#include "operators/store_sink.h"

enum { HELD_MAX = DV_STORE_SINK_HELD_MAX };

struct sink_pg {
    struct dv_store_sink sink; /* first */
    struct dv_pg_server server;
    const char *owner;
    int64_t connections;
    struct dv_pg pg;
};

static const struct dv_option options[] = {
    DV_PG_SERVER_ROWS(struct sink_pg),
    { "owner", DV_NAME, offsetof(struct sink_pg, owner),
      .help = "Name of the writer: when another process takes the same name, this one may write no more and ends (exit code "
              "7); none: processes are equals, and each record is kept once by its id." },
    { "connections", DV_INT, offsetof(struct sink_pg, connections), .initial = "2", .min = 1,
      .max = DV_PG_CONNECTIONS_MAX, .help = "How many connections are kept; each has one statement under way." },
    { 0 },
};

struct dv_pg_config dv_sink_pg_config(const struct dv_node *node)
{
    const struct sink_pg *state = dv_state(node);
    struct dv_pg_config config = dv_pg_server_config(node, &state->server);
    config.owner = state->owner;
    config.connections = state->connections;
    return config;
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    const struct dv_pg_config config = dv_sink_pg_config(node);
    DV_TRY(dv_pg_server_check(node, &config));
    return dv_store_sink_transfer(node, shape);
}

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_pg *state = dv_state(node);
    return dv_store_sink_process(&state->sink, batch);
}

static const char *waits(struct dv_node *node)
{
    const struct sink_pg *state = dv_state(node);
    return dv_store_waits(&state->pg.store);
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct sink_pg *state = dv_state(node);
    return index == 0 ? state->pg.store.breaker : NULL;
}

/* What would never work stops the start; a server that is down does not. */
static dv_rc open_node(struct dv_node *node)
{
    struct sink_pg *state = dv_state(node);
    struct dv_error error = { 0 };
    const struct dv_pg_config config = dv_sink_pg_config(node);
    dv_rc rc = dv_pg_probe(&config, &error);
    if (dv_is_error(rc) && rc != DV_E_DEPENDENCY)
        return dv_fail(node, rc, "%s", error.text);
    DV_TRY(dv_store_sink_open(&state->sink, node, &state->pg.store, HELD_MAX));
    rc = dv_pg_open(&state->pg, dv_node_loop(node), &config, &error);
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

static void close_node(struct dv_node *node)
{
    struct sink_pg *state = dv_state(node);
    dv_store_close(&state->pg.store);
}

const struct dv_operator dv_operator_sink_pg = {
    .name = "sink-pg",
    .summary = "Keeps sealed records in a PostgreSQL table, each once.",
    .options = options,
    .size = sizeof(struct sink_pg),
    .sink = true,
    .held_max = HELD_MAX,
    .exit = DV_EXIT_STORE,
    .guard = &dv_guard_of_texts,
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .close = close_node,
};
