/* SPDX-License-Identifier: Apache-2.0
 * grpc_source.h - the parts of `source from: grpc`: the operator (source_grpc.c), records in (grpc_ingest.c), and records
 * out again (grpc_retrieve.c). */
#ifndef DV_OPERATORS_GRPC_SOURCE_H
#define DV_OPERATORS_GRPC_SOURCE_H

#include "connectors/grpc.h"
#include "operators/ingest.h"

struct dv_grpc_pending;
struct dv_grpc_lookup;
struct ssl_ctx_st;

/* The state of the operator; the option table fills the first part. */
struct dv_grpc_source {
    struct dv_ingest ingest; /* first: its functions are the operator's */
    const char *listen;
    const char *token;
    const char *tls_cert, *tls_key, *client_ca;
    const char *retrieve, *retrieve_token;
    bool reflection;
    int64_t max_connections, max_streams;
    int64_t buffer_bytes;
    int64_t stall_timeout, keepalive;

    struct dv_node *node;
    struct dv_listen where;
    struct dv_bearer bearer, retrieve_bearer;
    struct ssl_ctx_st *tls;
    struct dv_grpc_server *server;
    struct dv_arena scratch;              /* for one message */
    struct dv_grpc_pending *free_pending; /* of as many as the ingest takes requests */
    struct dv_grpc_call *waiting;         /* calls that found no room */
    struct dv_grpc_lookup *lookups;       /* Retrieve: questions to the store */
};

/* Takes the memory for requests under way. */
DV_CHECKED dv_rc dv_grpc_ingest_open(struct dv_grpc_source *source);
/* After the ingest is closed: forgets the calls that wait. */
void dv_grpc_ingest_close(struct dv_grpc_source *source);

/* The methods of datavault.v1.Ingest. */
enum dv_grpc_taken dv_grpc_ingest_one(struct dv_grpc_call *call, const uint8_t *message, size_t length);
enum dv_grpc_taken dv_grpc_ingest_stream(struct dv_grpc_call *call, const uint8_t *message, size_t length);
enum dv_grpc_taken dv_grpc_ingest_acks(struct dv_grpc_call *call, const uint8_t *message, size_t length);
void dv_grpc_ingest_sent_all(struct dv_grpc_call *call);
void dv_grpc_ingest_ended(struct dv_grpc_call *call);
/* The queue has room again. */
void dv_grpc_ingest_room(void *data);

/* datavault.v1.Retrieve: whether it is configured soundly, and the method. */
DV_CHECKED dv_rc dv_grpc_retrieve_check(struct dv_grpc_source *source);
enum dv_grpc_taken dv_grpc_retrieve_one(struct dv_grpc_call *call, const uint8_t *message, size_t length);
/* Nobody waits for the store any more. */
void dv_grpc_retrieve_close(struct dv_grpc_source *source);

#endif
