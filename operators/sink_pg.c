/* SPDX-License-Identifier: Apache-2.0
 * sink_pg.c - keeps sealed records in a PostgreSQL table, each once: a redelivery meets its own id. */
#include "operators/sink_pg.h"

#include "connectors/pg_url.h"
#include "operators/store_sink.h"

enum { HELD_MAX = DV_STORE_SINK_HELD_MAX };

struct sink_pg {
    const char *url, *password;
    const char *schema, *table;
    const char *owner;
    int64_t connections;
    int64_t connect_timeout_ms, timeout_ms;
    struct dv_pg pg;
    struct dv_store_sink sink;
};

static const struct dv_option options[] = {
    { "url", DV_STR, offsetof(struct sink_pg, url), .flags = DV_REQUIRED,
      .help = "Server, as postgresql://user@host:5432/database, or a secret's reference to it; TLS is verified (sslmode="
              "verify-full) unless the host is this machine or the URL says otherwise." },
    { "password", DV_SECRET, offsetof(struct sink_pg, password), .help = "Password; none: the URL's, or no password." },
    { "schema", DV_NAME, offsetof(struct sink_pg, schema), .initial = "datavault", .help = "Schema of the table." },
    { "table", DV_NAME, offsetof(struct sink_pg, table), .initial = "encrypted_blobs",
      .help = "Table of sealed records; `datavault migrate` makes it." },
    { "owner", DV_NAME, offsetof(struct sink_pg, owner),
      .help = "Name of the writer: when another process takes the same name, this one may write no more and ends (exit code "
              "7); none: processes are equals, and each record is kept once by its id." },
    { "connections", DV_INT, offsetof(struct sink_pg, connections), .initial = "2", .min = 1,
      .max = DV_PG_CONNECTIONS_MAX, .help = "How many connections are kept; each has one statement under way." },
    { "connect_timeout", DV_DURATION, offsetof(struct sink_pg, connect_timeout_ms), .initial = "5s", .min = 100,
      .max = 60000, .help = "How long one try to connect may take." },
    { "timeout", DV_DURATION, offsetof(struct sink_pg, timeout_ms), .initial = "10s", .min = 100, .max = 600000,
      .help = "How long a statement may take, on both sides." },
    { 0 },
};

struct dv_pg_config dv_sink_pg_config(const struct dv_node *node)
{
    const struct sink_pg *state = dv_state(node);
    return (struct dv_pg_config){ .name = dv_node_name(node), .url = state->url, .password = state->password,
                                  .schema = state->schema, .table = state->table, .owner = state->owner, .connections = state->connections,
                                  .connect_timeout_ms = state->connect_timeout_ms, .timeout_ms = state->timeout_ms };
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_error error = { 0 };
    const struct dv_pg_config config = dv_sink_pg_config(node);
    if (dv_pg_config_check(&config, &error) != DV_OK)
        return dv_refuse(node, NULL, "C151", "see `datavault docs sink-pg`", "%s", error.text);
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
    .transfer = transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .close = close_node,
};
