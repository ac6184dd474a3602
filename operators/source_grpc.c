/* SPDX-License-Identifier: Apache-2.0
 * source_grpc.c - takes records by gRPC (datavault.v1.Ingest): OK means that the record is durable. */
#include "connectors/tls.h"
#include "engine/log.h"
#include "engine/operator.h"
#include "operators/grpc_source.h"

enum { METHODS = 4 };

static const struct dv_option options[] = {
    DV_INGEST_ROWS_BESIDE_BODY(struct dv_grpc_source),
    { "max_message", DV_SIZE, offsetof(struct dv_grpc_source, ingest.max_body), .initial = "4MiB", .min = 64,
      .max = DV_INGEST_BODY_MAX, .help = "Longest message; a longer one is RESOURCE_EXHAUSTED." },
    { "listen", DV_STR, offsetof(struct dv_grpc_source, listen), .initial = "127.0.0.1:50051",
      .help = "Where to listen; an address that others can reach needs TLS, and a token or client_ca." },
    { "token", DV_SECRET, offsetof(struct dv_grpc_source, token),
      .help = "Token that clients must show as `authorization: Bearer ...`; none: any client may call." },
    { "tls_cert", DV_STR, offsetof(struct dv_grpc_source, tls_cert), .help = "PEM certificate chain; none: no TLS." },
    { "tls_key", DV_STR, offsetof(struct dv_grpc_source, tls_key), .help = "PEM key of the certificate." },
    { "client_ca", DV_STR, offsetof(struct dv_grpc_source, client_ca),
      .help = "PEM certificates that may sign the clients' own, which then are asked for (mTLS)." },
    { "retrieve", DV_NAME, offsetof(struct dv_grpc_source, retrieve),
      .help = "Node sink-store or sink-pg of this graph whose records datavault.v1.Retrieve opens; none: it is not "
              "served." },
    { "retrieve_token", DV_SECRET, offsetof(struct dv_grpc_source, retrieve_token),
      .help = "Token for Retrieve, which `retrieve` needs; another one than `token`." },
    { "reflection", DV_BOOL, offsetof(struct dv_grpc_source, reflection), .initial = "false",
      .help = "Whether tools may ask what is served; they must show `token`." },
    { "max_connections", DV_INT, offsetof(struct dv_grpc_source, max_connections), .initial = "256", .min = 1,
      .max = 65536, .help = "Connections at a time; more are closed at once." },
    { "max_streams", DV_INT, offsetof(struct dv_grpc_source, max_streams), .initial = "128", .min = 1, .max = 10000,
      .help = "Calls at a time on one connection." },
    { "buffer_bytes", DV_SIZE, offsetof(struct dv_grpc_source, buffer_bytes), .initial = "64MiB", .min = 65536,
      .max = 1 << 30, .help = "Memory for messages that are not whole yet, and for answers that are not taken." },
    { "stall_timeout", DV_DURATION, offsetof(struct dv_grpc_source, stall_timeout), .initial = "30s", .min = 1000,
      .max = 3600000, .help = "How long a client may leave an answer unread before the call is reset." },
    { "keepalive", DV_DURATION, offsetof(struct dv_grpc_source, keepalive), .initial = "60s", .min = 1000,
      .max = 3600000, .help = "A connection that is silent for so long is asked for a sign of life." },
    { 0 },
};

/* ---- the configuration ---- */

static dv_rc check_listen(struct dv_node *node, struct dv_grpc_source *source)
{
    struct dv_error error = { 0 };
    bool known = source->token != NULL || source->client_ca != NULL;
    dv_rc rc = dv_listen_parse(source->listen, &source->where, &error);
    if (rc == DV_OK)
        rc = dv_listen_rule(&source->where, source->listen, known, source->tls_cert != NULL, &error);
    return rc == DV_OK ? DV_OK : dv_refuse(node, "listen", "C170", NULL, "%s", error.text);
}

static dv_rc transfer(struct dv_node *node, struct dv_shape *shape)
{
    struct dv_grpc_source *source = dv_state(node);
    dv_rc rc = check_listen(node, source);
    if ((source->tls_cert == NULL) != (source->tls_key == NULL))
        rc = dv_refuse(node, "tls_cert", "C171", NULL, "tls_cert and tls_key: set both or neither");
    if (source->client_ca != NULL && source->tls_cert == NULL)
        rc = dv_refuse(node, "client_ca", "C171", "set `tls_cert` and `tls_key`",
                       "without TLS no client shows a certificate");
    if ((source->retrieve == NULL) != (source->retrieve_token == NULL))
        rc = dv_refuse(node, source->retrieve != NULL ? "retrieve" : "retrieve_token", "C172",
                       "{ retrieve: blobs, retrieve_token: file:var/retrieve-token }",
                       "retrieve and retrieve_token: set both or neither");
    if (source->reflection && source->token == NULL && !source->where.loopback)
        rc = dv_refuse(node, "reflection", "C173", "set `token`", "others could ask what is served");
    dv_rc taken = dv_ingest_transfer(node, shape);
    return rc == DV_OK ? taken : DV_E_CONFIG;
}

/* ---- the beginning and the end ---- */

static dv_rc read_secrets(struct dv_grpc_source *source, struct dv_error *error)
{
    const struct dv_tls_server tls = {
        .cert = source->tls_cert, .key = source->tls_key, .client_ca = source->client_ca, .protocol = DV_TLS_H2
    };
    DV_TRY(dv_bearer_init(&source->bearer, "token", source->token, error));
    DV_TRY(dv_bearer_init(&source->retrieve_bearer, "retrieve_token", source->retrieve_token, error));
    return source->tls_cert != NULL ? dv_tls_server(&source->tls, &tls, error) : DV_OK;
}

/* Retrieve comes last: without its options it is no method. */
static uint32_t fill_methods(const struct dv_grpc_source *source, struct dv_grpc_method methods[METHODS])
{
    const struct dv_grpc_method all[METHODS] = {
        { .path = "/datavault.v1.Ingest/Ingest",
          .token = &source->bearer,
          .take = dv_grpc_ingest_one,
          .ended = dv_grpc_ingest_ended },
        { .path = "/datavault.v1.Ingest/IngestStream",
          .client_streams = true,
          .token = &source->bearer,
          .take = dv_grpc_ingest_stream,
          .half_closed = dv_grpc_ingest_sent_all,
          .ended = dv_grpc_ingest_ended },
        { .path = "/datavault.v1.Ingest/IngestAcks",
          .client_streams = true,
          .token = &source->bearer,
          .take = dv_grpc_ingest_acks,
          .half_closed = dv_grpc_ingest_sent_all,
          .ended = dv_grpc_ingest_ended },
        { .path = "/datavault.v1.Retrieve/Retrieve", .token = &source->retrieve_bearer, .take = dv_grpc_retrieve_one },
    };
    memcpy(methods, all, sizeof all);
    return source->retrieve != NULL ? METHODS : METHODS - 1;
}

static dv_rc listen_now(struct dv_grpc_source *source, struct dv_error *error)
{
    struct dv_grpc_method methods[METHODS];
    const struct dv_grpc_config config = {
        .loop = dv_node_loop(source->node),
        .name = dv_node_name(source->node),
        .listen = source->listen,
        .where = source->where,
        .tls = source->tls,
        .methods = methods,
        .method_count = fill_methods(source, methods),
        .token = &source->bearer,
        .reflection = source->reflection,
        .connections_max = (uint32_t)source->max_connections,
        .streams_max = (uint32_t)source->max_streams,
        .message_max = (size_t)source->ingest.max_body,
        .buffer_max = (size_t)source->buffer_bytes,
        .stall_ms = (uint64_t)source->stall_timeout,
        .keepalive_ms = (uint64_t)source->keepalive,
        .data = source,
    };
    return dv_grpc_open(&source->server, &config, error);
}

static dv_rc open_node(struct dv_node *node)
{
    struct dv_grpc_source *source = dv_state(node);
    struct dv_error error = { 0 };
    source->node = node;
    source->ingest.on_room = dv_grpc_ingest_room;
    source->ingest.on_room_data = source;
    DV_TRY(dv_ingest_open(node));
    DV_TRY(dv_grpc_ingest_open(source));
    DV_TRY(dv_grpc_retrieve_check(source));
    dv_rc rc = read_secrets(source, &error);
    if (rc == DV_OK)
        rc = listen_now(source, &error);
    if (rc != DV_OK)
        return dv_fail(node, rc, "%s", error.text);
    dv_log(DV_LOG_INFO, "grpc.listening", DV_LOG_NAMED("node", dv_node_name(node)),
           DV_LOG_NUMBER("port", dv_grpc_port(source->server)), DV_LOG_NUMBER("tls", source->tls != NULL));
    return DV_OK;
}

static void stop(struct dv_node *node)
{
    struct dv_grpc_source *source = dv_state(node);
    dv_grpc_drain(source->server);
    dv_ingest_stop(node);
}

/* The ingest first: those who still wait get their answers while there are connections. */
static void close_node(struct dv_node *node)
{
    struct dv_grpc_source *source = dv_state(node);
    dv_ingest_close(node);
    dv_grpc_retrieve_close(source);
    dv_grpc_ingest_close(source);
    dv_grpc_close(source->server);
    source->server = NULL;
    dv_tls_context_free(source->tls);
    source->tls = NULL;
}

const struct dv_operator dv_operator_source_grpc = {
    .name = "source",
    .from = "grpc",
    .summary = "Takes records by gRPC and answers when they are durable.",
    .options = options,
    .size = sizeof(struct dv_grpc_source),
    .source = true,
    .makes = true,
    .credits = 8,
    .transfer = transfer,
    .open = open_node,
    .process = dv_ingest_process,
    .settle = dv_ingest_settle,
    .stop = stop,
    .close = close_node,
};
