/* SPDX-License-Identifier: Apache-2.0
 * sink_store.c - keeps sealed records in an embedded store, each once: a redelivery meets its own id. */
#include "connectors/sqlite.h"
#include "engine/breaker.h"
#include "engine/operator.h"
#include "operators/exit_guard.h"
#include "operators/store_sink.h"

enum { HELD_MAX = 4 };

struct sink_store {
    struct dv_store_sink sink; /* first */
    const char *path;
    struct dv_sqlite sqlite;
};

static const struct dv_option options[] = {
    { "path", DV_STR, offsetof(struct sink_store, path), .flags = DV_REQUIRED,
      .help = "SQLite file of sealed records, made if it is missing." },
    { 0 },
};

static dv_rc process(struct dv_node *node, struct dv_batch *batch)
{
    struct sink_store *state = dv_state(node);
    return dv_store_sink_process(&state->sink, batch);
}

static const char *waits(struct dv_node *node)
{
    const struct sink_store *state = dv_state(node);
    return dv_store_waits(&state->sqlite.store);
}

static const struct dv_breaker *breaker(const struct dv_node *node, uint32_t index)
{
    const struct sink_store *state = dv_state(node);
    return index == 0 ? state->sqlite.store.breaker : NULL;
}

static dv_rc open_node(struct dv_node *node)
{
    struct sink_store *state = dv_state(node);
    struct dv_error error = { 0 };
    DV_TRY(dv_store_sink_open(&state->sink, node, &state->sqlite.store, HELD_MAX));
    dv_rc rc = dv_sqlite_open(&state->sqlite, dv_node_loop(node), state->path, &error);
    return dv_is_error(rc) ? dv_fail(node, rc, "%s", error.text) : DV_OK;
}

static void close_node(struct dv_node *node)
{
    struct sink_store *state = dv_state(node);
    dv_store_close(&state->sqlite.store);
}

const struct dv_operator dv_operator_sink_store = {
    .name = "sink-store",
    .summary = "Keeps sealed records in an embedded SQLite store, each once.",
    .options = options,
    .size = sizeof(struct sink_store),
    .sink = true,
    .held_max = HELD_MAX,
    .exit = DV_EXIT_STORE,
    .guard = &dv_guard_of_texts,
    .transfer = dv_store_sink_transfer,
    .open = open_node,
    .process = process,
    .waits = waits,
    .breaker = breaker,
    .close = close_node,
};
