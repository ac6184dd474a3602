/* SPDX-License-Identifier: Apache-2.0
 * stats_json.c - the body of /v1/stats, and of the `stats` event of every second. */
#include "dashboard/server/server_internal.h"
#include "engine/operator.h"
#include "engine/reload.h"

static void number(struct dv_json *json, const char *key, uint64_t value)
{
    dv_json_key(json, key);
    dv_json_uint(json, value);
}

void dv_circuit_json(struct dv_json *json, const struct dv_server *server, const struct dv_node *node)
{
    const struct dv_circuit circuit = dv_node_circuit(node);
    if (!circuit.any)
        return;
    dv_json_key(json, "breaker");
    dv_json_string(json, dv_breaker_word(circuit.state));
    number(json, "breaker_opened_total", circuit.opened_total);
    if (circuit.state == DV_BREAKER_CLOSED)
        return;
    uint64_t ago_ms = (dv_now_ns(server->loop) - circuit.opened_ns) / 1000000;
    dv_json_key(json, "breaker_since_ms");
    dv_json_int(json, dv_wall_ms(server->loop) - (int64_t)ago_ms);
    dv_json_key(json, "breaker_reason");
    dv_json_string(json, circuit.reason != NULL ? circuit.reason : "");
}

/* The operator's own figures, if it has any. */
static void write_gauges(struct dv_json *json, const struct dv_node *node)
{
    struct dv_gauge found;
    if (!dv_node_gauge(node, 0, &found))
        return;
    dv_json_key(json, "figures");
    dv_json_open(json, '{');
    for (uint32_t index = 0; dv_node_gauge(node, index, &found); index++) {
        dv_json_key(json, found.name);
        dv_json_float(json, found.value);
    }
    dv_json_close(json, '}');
}

/* Findings of an exit's guard, by type; those it never had are left out. */
static void write_guard(struct dv_json *json, const struct dv_node *node)
{
    const char *name = NULL;
    uint64_t count = 0;
    if (dv_node_exit(node) == DV_EXIT_NONE || dv_node_operator(node)->guard == NULL)
        return;
    dv_json_key(json, "guard");
    dv_json_open(json, '{');
    dv_json_key(json, "do");
    dv_json_string(json, dv_node_guard(node).word);
    for (uint32_t type = 0; (name = dv_node_guarded(node, type, &count)) != NULL; type++)
        if (count > 0)
            number(json, name, count);
    dv_json_close(json, '}');
}

static void write_node(struct dv_json *json, const struct dv_server *server, struct dv_node *node)
{
    const struct dv_node_stats *stats = dv_node_stats(node);
    dv_json_open(json, '{');
    dv_json_key(json, "name");
    dv_json_string(json, dv_node_name(node));
    dv_json_key(json, "status");
    dv_json_string(json, dv_health_trouble(server, node));
    number(json, "batches_in", stats->batches_in);
    number(json, "records_in", stats->records_in);
    number(json, "batches_out", stats->batches_out);
    number(json, "records_out", stats->records_out);
    number(json, "rejected", stats->rejected);
    number(json, "retries", stats->retries);
    number(json, "stalls", stats->stalls);
    number(json, "held", stats->held);
    number(json, "queued", stats->queued);
    number(json, "busy_ns", stats->busy_ns);
    number(json, "process_p50_ns", dv_histogram_percentile(&stats->process, 50));
    number(json, "process_p99_ns", dv_histogram_percentile(&stats->process, 99));
    number(json, "wait_p99_ns", dv_histogram_percentile(&stats->wait, 99));
    number(json, "hold_p99_ns", dv_histogram_percentile(&stats->hold, 99));
    dv_circuit_json(json, server, node);
    write_gauges(json, node);
    write_guard(json, node);
    dv_json_close(json, '}');
}

static void write_histogram(struct dv_json *json, const struct dv_histogram *histogram)
{
    dv_json_open(json, '{');
    number(json, "count", histogram->count);
    number(json, "p50_ns", dv_histogram_percentile(histogram, 50));
    number(json, "p99_ns", dv_histogram_percentile(histogram, 99));
    number(json, "max_ns", histogram->max_ns);
    dv_json_close(json, '}');
}

static void write_reloads(struct dv_json *json, const struct dv_graph *graph)
{
    dv_json_key(json, "reloads");
    dv_json_open(json, '{');
    for (unsigned result = 0; result < DV_RELOAD_RESULTS; result++)
        number(json, dv_reload_result_name((enum dv_reload_result)result), dv_graph_reloads(graph)[result]);
    dv_json_close(json, '}');
}

static void write_reviews(struct dv_json *json, const struct dv_reviews *reviews)
{
    dv_json_key(json, "reviews");
    dv_json_open(json, '{');
    number(json, "good", reviews->total[DV_REVIEW_GOOD]);
    number(json, "bad", reviews->total[DV_REVIEW_BAD]);
    dv_json_close(json, '}');
}

void dv_stats_json(struct dv_json *json, const void *data)
{
    const struct dv_server *server = data;
    const struct dv_graph *graph = server->graph;
    dv_json_open(json, '{');
    dv_json_key(json, "time_ms");
    dv_json_int(json, dv_wall_ms(server->loop));
    number(json, "uptime_ms", (dv_now_ns(server->loop) - server->started_ns) / 1000000);
    dv_json_key(json, "config_sha256");
    dv_json_string(json, dv_graph_config_hash(graph));
    dv_json_key(json, "ready");
    dv_json_bool(json, dv_health_ready(server));
    dv_json_key(json, "stall");
    dv_stall_json(json, server);
    dv_json_key(json, "latency");
    write_histogram(json, dv_graph_latency(graph));
    dv_json_key(json, "loop_lag");
    write_histogram(json, &server->loop->lag);
    number(json, "batches_live", dv_graph_batches_live(graph));
    number(json, "bytes_held", dv_graph_bytes_held(graph));
    write_reloads(json, graph);
    number(json, "streams", server->hub.live);
    write_reviews(json, &server->reviews);
    dv_json_key(json, "nodes");
    dv_json_open(json, '[');
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++)
        write_node(json, server, dv_graph_node(graph, i));
    dv_json_close(json, ']');
    dv_json_close(json, '}');
}
