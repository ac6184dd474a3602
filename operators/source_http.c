/* SPDX-License-Identifier: Apache-2.0
 * source_http.c - takes records that clients send to the graph's own HTTP server. */
#include "operators/source_http.h"

#include "engine/graph.h"
#include "engine/operator.h"

static const struct dv_option options[] = {
    DV_INGEST_ROWS(struct dv_source_http),
    { "asker", DV_STR, offsetof(struct dv_source_http, ingest.asker),
      .help = "Bytes column that is given a digest of who sends a record, for `conversation`; what the record says there itself counts for "
              "nothing." },
    { "answer_within", DV_DURATION, offsetof(struct dv_source_http, answer_within), .initial = "30s", .min = 1000,
      .max = 600000,
      .help = "A client whose records are not durable by then is told to send them again, with the same key." },
    { 0 },
};

static dv_rc open_node(struct dv_node *node)
{
    if (dv_node_service(node, DV_SERVICE_SERVER) == NULL)
        return dv_fail(node, DV_E_CONFIG, "no server runs that could be sent anything: add `listen: 127.0.0.1:8080` to "
                                          "the graph file, and run it without --once");
    return dv_ingest_open(node);
}

const struct dv_operator dv_operator_source_http = {
    .name = "source",
    .from = "http",
    .summary = "Takes records by POST /v1/ingest, and answers when they are durable.",
    .options = options,
    .size = sizeof(struct dv_source_http),
    .source = true,
    .makes = true,
    .credits = 8,
    .transfer = dv_ingest_transfer,
    .open = open_node,
    .process = dv_ingest_process,
    .settle = dv_ingest_settle,
    .stop = dv_ingest_stop,
    .close = dv_ingest_close,
};

struct dv_source_http *dv_source_http_of(const struct dv_node *node)
{
    return dv_node_operator(node) == &dv_operator_source_http ? dv_state(node) : NULL;
}
