/* SPDX-License-Identifier: Apache-2.0
 * metrics.c - GET /metrics: the runner's counters, the server's own and the process's. Labels hold names of the
 * configuration and nothing else, so their number is fixed before the start. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "dashboard/server/expo.h"
#include "dashboard/server/process.h"
#include "dashboard/server/reply.h"
#include "dashboard/server/server_internal.h"
#include "engine/operator.h"
#include "engine/reload.h"

enum { FIRST_BYTES = 64 * 1024, MOST_BYTES = 16 * 1024 * 1024, LABELS_BYTES = 400 };

/* A counter of struct dv_node_stats. */
struct node_metric {
    enum dv_expo_kind kind;
    const char *name, *unit, *help;
    size_t offset;
    bool seconds;
};

#define MEMBER(member) offsetof(struct dv_node_stats, member)
static const struct node_metric node_metrics[] = {
    { DV_EXPO_COUNTER, "datavault_node_batches_in", NULL, "Batches offered to the node.", MEMBER(batches_in), false },
    { DV_EXPO_COUNTER, "datavault_node_records_in", NULL, "Records offered to the node.", MEMBER(records_in), false },
    { DV_EXPO_COUNTER, "datavault_node_batches_out", NULL, "Batches the node passed on.", MEMBER(batches_out), false },
    { DV_EXPO_COUNTER, "datavault_node_records_out", NULL, "Records the node passed on.", MEMBER(records_out), false },
    { DV_EXPO_COUNTER, "datavault_node_rejected", NULL, "Records sent to the dead letters.", MEMBER(rejected), false },
    { DV_EXPO_COUNTER, "datavault_node_withheld", NULL, "Answers kept back: the privacy budget is spent.", MEMBER(withheld), false },
    { DV_EXPO_COUNTER, "datavault_node_left_out", NULL, "Records that no noised answer counts.", MEMBER(left_out), false },
    { DV_EXPO_COUNTER, "datavault_node_retries", NULL, "Batches tried again.", MEMBER(retries), false },
    { DV_EXPO_COUNTER, "datavault_node_stalls", NULL, "Times an output had no slot.", MEMBER(stalls), false },
    { DV_EXPO_COUNTER, "datavault_node_busy_seconds", "seconds", "Time inside the node.", MEMBER(busy_ns), true },
    { DV_EXPO_GAUGE, "datavault_node_held", NULL, "Batches the node holds now.", MEMBER(held), false },
    { DV_EXPO_GAUGE, "datavault_node_queued", NULL, "Batches waiting for the node now.", MEMBER(queued), false },
    { DV_EXPO_HISTOGRAM, "datavault_node_process_seconds", "seconds", "Time of one call.", MEMBER(process), false },
    { DV_EXPO_HISTOGRAM, "datavault_node_wait_seconds", "seconds", "Time a batch waited.", MEMBER(wait), false },
    { DV_EXPO_HISTOGRAM, "datavault_node_hold_seconds", "seconds", "Time a batch was held.", MEMBER(hold), false },
};
#undef MEMBER

static const char *labels_of(const struct dv_node *node, char labels[LABELS_BYTES])
{
    const char *op = dv_node_operator(node)->name;
    int length = snprintf(labels, LABELS_BYTES, "node=\"%s\",op=\"%s\"", dv_node_name(node), op);
    DV_ASSERT(length > 0 && length < LABELS_BYTES);
    return labels;
}

static void add_node(struct dv_expo *expo, const struct node_metric *metric, const struct dv_node *node)
{
    char labels[LABELS_BYTES];
    const char *place = (const char *)dv_node_stats(node) + metric->offset;
    labels_of(node, labels);
    if (metric->kind == DV_EXPO_HISTOGRAM)
        dv_expo_histogram(expo, labels, (const struct dv_histogram *)(const void *)place);
    else if (metric->seconds)
        dv_expo_seconds(expo, labels, *(const uint64_t *)(const void *)place);
    else
        dv_expo_uint(expo, labels, *(const uint64_t *)(const void *)place);
}

static void add_nodes(struct dv_expo *expo, const struct dv_graph *graph)
{
    for (size_t i = 0; i < sizeof node_metrics / sizeof node_metrics[0]; i++) {
        const struct node_metric *metric = &node_metrics[i];
        dv_expo_family(expo, metric->kind, metric->name, metric->unit, metric->help);
        for (uint32_t node = 0; node < dv_graph_node_count(graph); node++)
            add_node(expo, metric, dv_graph_node(graph, node));
    }
}

static void add_breaker_family(struct dv_expo *expo, const struct dv_graph *graph, bool state)
{
    char labels[LABELS_BYTES];
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        const struct dv_circuit circuit = dv_node_circuit(node);
        if (circuit.any)
            dv_expo_uint(expo, labels_of(node, labels), state ? (uint64_t)circuit.state : circuit.opened_total);
    }
}

static void add_breakers(struct dv_expo *expo, const struct dv_graph *graph)
{
    dv_expo_family(expo, DV_EXPO_GAUGE, "datavault_breaker_state", NULL,
                   "Circuit breaker of what the node depends on: 0 closed, 1 open, 2 half-open.");
    add_breaker_family(expo, graph, true);
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_breaker_opened", NULL, "Times the circuit opened.");
    add_breaker_family(expo, graph, false);
}

/* Figures of the operators' own: one family, since their names are theirs. */
static void add_gauges(struct dv_expo *expo, const struct dv_graph *graph)
{
    struct dv_gauge found;
    dv_expo_family(expo, DV_EXPO_GAUGE, "datavault_node_figure", NULL, "A figure of the node's own, by its name.");
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        for (uint32_t index = 0; dv_node_gauge(node, index, &found); index++) {
            char labels[LABELS_BYTES];
            size_t length = strlen(labels_of(node, labels));
            int added = snprintf(labels + length, sizeof labels - length, ",figure=\"%s\"", found.name);
            DV_ASSERT(added > 0 && (size_t)added < sizeof labels - length);
            dv_expo_float(expo, labels, found.value);
        }
    }
}

/* What was rejected and why. A code that a node never gave has no sample. */
static void add_letters(struct dv_expo *expo, const struct dv_graph *graph)
{
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_dead_letters", NULL, "Records rejected, by node and code.");
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        for (int code = DV_DROP + 1; code < DV_RC_COUNT; code++) {
            char labels[LABELS_BYTES];
            uint64_t count = dv_node_stats(node)->rejected_for[code];
            if (count == 0)
                continue;
            (void)snprintf(labels, sizeof labels, "node=\"%s\",code=\"%s\"", dv_node_name(node),
                           dv_rc_name((dv_rc)code));
            dv_expo_uint(expo, labels, count);
        }
    }
}

/* What the guards of exits found. A type that none found has no sample. */
static void add_guards(struct dv_expo *expo, const struct dv_graph *graph)
{
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_guard_findings", NULL, "Personal data that an exit's guard found, by node and type.");
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        char labels[LABELS_BYTES];
        uint64_t count = 0;
        const char *name = NULL;
        for (uint32_t type = 0; (name = dv_node_guarded(node, type, &count)) != NULL; type++) {
            if (count == 0)
                continue;
            (void)snprintf(labels, sizeof labels, "node=\"%s\",type=\"%s\"", dv_node_name(node), name);
            dv_expo_uint(expo, labels, count);
        }
    }
}

static void gauge(struct dv_expo *expo, const char *name, const char *unit, const char *help, uint64_t value)
{
    dv_expo_family(expo, DV_EXPO_GAUGE, name, unit, help);
    dv_expo_uint(expo, "", value);
}

static void add_graph(struct dv_expo *expo, const struct dv_server *server)
{
    const struct dv_graph *graph = server->graph;
    struct dv_bound bound = dv_graph_bound(graph);
    dv_expo_family(expo, DV_EXPO_INFO, "datavault_build", NULL, "The running version.");
    dv_expo_uint(expo, "version=\"" DV_VERSION "\"", 1);
    gauge(expo, "datavault_ready", NULL, "Whether every node and the dead letters can go on.", dv_health_ready(server));
    gauge(expo, "datavault_stalled", NULL, "Whether something waits and nothing moves.", dv_graph_stall(graph).node != NULL);
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_stalls", NULL, "Stalls of the whole graph.");
    dv_expo_uint(expo, "", dv_graph_stall(graph).total);
    dv_expo_family(expo, DV_EXPO_HISTOGRAM, "datavault_batch_seconds", "seconds", "From filling to settling a batch.");
    dv_expo_histogram(expo, "", dv_graph_latency(graph));
    gauge(expo, "datavault_batches_live", NULL, "Batches of the pool in use.", dv_graph_batches_live(graph));
    gauge(expo, "datavault_batches_bound", NULL, "The most batches there can be.", bound.batches);
    gauge(expo, "datavault_memory_bytes", "bytes", "Memory of the batches now.", dv_graph_bytes_held(graph));
    gauge(expo, "datavault_memory_bound_bytes", "bytes", "The most memory batches can take.", bound.bytes);
}

static void add_reloads(struct dv_expo *expo, const struct dv_graph *graph)
{
    char label[64];
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_reloads", NULL, "Reloads of the graph file by how they ended.");
    for (unsigned result = 0; result < DV_RELOAD_RESULTS; result++) {
        (void)snprintf(label, sizeof label, "result=\"%s\"", dv_reload_result_name((enum dv_reload_result)result));
        dv_expo_uint(expo, label, dv_graph_reloads(graph)[result]);
    }
}

static void add_streams(struct dv_expo *expo, const struct dv_hub *hub)
{
    gauge(expo, "datavault_streams", NULL, "Clients of the live stream now.", hub->live);
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_streams_opened", NULL, "Clients of the live stream so far.");
    dv_expo_uint(expo, "", hub->opened);
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_streams_dropped", NULL, "Clients that were refused or cut off.");
    dv_expo_uint(expo, "reason=\"budget\"", hub->refused);
    dv_expo_uint(expo, "reason=\"lag\"", hub->lagged);
    dv_expo_uint(expo, "reason=\"stall\"", hub->stalled);
}

static void add_http(struct dv_expo *expo, const struct dv_server *server)
{
    static const char *const classes[DV_STATUS_CLASSES] = { NULL,           NULL,           "class=\"2xx\"",
                                                            "class=\"3xx\"", "class=\"4xx\"", "class=\"5xx\"" };
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_http_responses", NULL, "Answers by class of status.");
    for (unsigned class = 2; class < DV_STATUS_CLASSES; class++)
        dv_expo_uint(expo, classes[class], server->responses[class]);
    gauge(expo, "datavault_http_connections", NULL, "Connections now.", server->connection_count);
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_http_connections_dropped", NULL, "Connections refused or ended.");
    dv_expo_uint(expo, "reason=\"budget\"", server->connections_refused);
    dv_expo_uint(expo, "reason=\"stall\"", server->connections_stalled);
    dv_expo_family(expo, DV_EXPO_HISTOGRAM, "datavault_loop_lag_seconds", "seconds", "How late each ms would be.");
    dv_expo_histogram_fine(expo, "", &server->loop->lag);
}

static void add_reviews(struct dv_expo *expo, const struct dv_reviews *reviews)
{
    dv_expo_family(expo, DV_EXPO_COUNTER, "datavault_reviews", NULL, "Reviews of answers by their verdict.");
    dv_expo_uint(expo, "verdict=\"good\"", reviews->total[DV_REVIEW_GOOD]);
    dv_expo_uint(expo, "verdict=\"bad\"", reviews->total[DV_REVIEW_BAD]);
}

static void add_process(struct dv_expo *expo)
{
    struct dv_process process;
    dv_process_read(&process);
    dv_expo_family(expo, DV_EXPO_COUNTER, "process_cpu_seconds", "seconds", "User and system CPU time.");
    dv_expo_seconds(expo, "", process.cpu_ns);
    gauge(expo, "process_resident_memory_bytes", "bytes", "Resident memory.", process.resident_bytes);
    gauge(expo, "process_virtual_memory_bytes", "bytes", "Virtual memory.", process.virtual_bytes);
    gauge(expo, "process_open_fds", NULL, "Open file descriptors.", process.open_fds);
    gauge(expo, "process_max_fds", NULL, "The most file descriptors.", process.max_fds);
    dv_expo_family(expo, DV_EXPO_GAUGE, "process_start_time_seconds", "seconds", "When the process began, since 1970.");
    dv_expo_seconds(expo, "", process.started_ns);
}

static void write_all(struct dv_expo *expo, const struct dv_server *server)
{
    add_graph(expo, server);
    add_reloads(expo, server->graph);
    add_nodes(expo, server->graph);
    add_breakers(expo, server->graph);
    add_gauges(expo, server->graph);
    add_letters(expo, server->graph);
    add_guards(expo, server->graph);
    add_http(expo, server);
    add_streams(expo, &server->hub);
    add_reviews(expo, &server->reviews);
    add_process(expo);
    dv_expo_finish(expo);
}

void dv_metrics_reply(const struct dv_server *server, h2o_req_t *request, const struct dv_head *head)
{
    bool open_metrics = dv_expo_negotiate(head->accept);
    const char *type = open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                    : "text/plain; version=0.0.4; charset=utf-8";
    for (size_t size = FIRST_BYTES; size <= MOST_BYTES; size *= 4) {
        struct dv_expo expo;
        dv_expo_init(&expo, h2o_mem_alloc_pool(&request->pool, size), size, open_metrics);
        write_all(&expo, server);
        if (expo.full)
            continue;
        dv_reply_header(request, "cache-control", "no-store");
        dv_reply_header(request, "vary", "accept");
        dv_reply(request, 200, type, expo.start, (size_t)(expo.at - expo.start));
        return;
    }
    dv_reply_problem(request, 503, "The answer is too large.");
}
