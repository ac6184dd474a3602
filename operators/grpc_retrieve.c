/* SPDX-License-Identifier: Apache-2.0
 * grpc_retrieve.c - datavault.v1.Retrieve: one sealed record, opened for whoever has the token. */
#include <string.h>

#include "connectors/protobuf.h"
#include "engine/id.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "operators/blob_row.h"
#include "operators/grpc_source.h"
#include "operators/store_sink.h"
#include "proto/datavault/v1/datavault.pb-c.h"
#include "vault/keyring.h"

enum { LOOKUPS_MAX = 64, SCHEMA_MAX = 128 };

/* A question to the store, in the graph's arena: the store may have it for longer than there is a call or a server. */
struct dv_grpc_lookup {
    struct dv_store_request request;
    struct dv_grpc_source *source;
    struct dv_grpc_call *call; /* one reference; NULL: nobody waits any more */
    bool asked;                /* the store has it */
};

dv_rc dv_grpc_retrieve_check(struct dv_grpc_source *source)
{
    struct dv_node *node = source->node;
    if (source->retrieve == NULL)
        return DV_OK;
    if (dv_node_service(node, DV_SERVICE_KEYRING) == NULL)
        return dv_fail(node, DV_E_CONFIG, "retrieve: the graph has no `keyring` to open records with");
    const struct dv_node *sink = dv_node_named(node, source->retrieve);
    if (sink == NULL || !dv_node_keeps_blobs(sink))
        return dv_fail(node, DV_E_CONFIG, "retrieve: '%s' is no node sink-store or sink-pg of this graph",
                       source->retrieve);
    source->lookups = dv_arena_zeroed(dv_node_arena(node), LOOKUPS_MAX, sizeof *source->lookups);
    return source->lookups != NULL ? DV_OK : dv_fail(node, DV_E_FAILED, "no memory for questions to the store");
}

static struct dv_grpc_lookup *free_lookup(const struct dv_grpc_source *source)
{
    for (uint32_t i = 0; i < LOOKUPS_MAX; i++)
        if (!source->lookups[i].asked)
            return &source->lookups[i];
    return NULL;
}

void dv_grpc_retrieve_close(struct dv_grpc_source *source)
{
    for (uint32_t i = 0; i < LOOKUPS_MAX && source->lookups != NULL; i++) {
        struct dv_grpc_call *call = source->lookups[i].call;
        source->lookups[i].call = NULL;
        if (call != NULL) {
            dv_grpc_finish(call, DV_GRPC_UNAVAILABLE, "the server is shutting down");
            dv_grpc_unref(call);
        }
    }
}

/* The plaintext is in locked memory; the copy on its way to the client is wiped when it is sent. */
static void send_record(struct dv_grpc_call *call, const struct dv_blob *blob, uint8_t *plaintext, size_t length)
{
    Datavault__V1__RetrieveReply reply;
    char id[DV_UUID_TEXT], schema[SCHEMA_MAX + 1] = "";
    datavault__v1__retrieve_reply__init(&reply);
    reply.id = (char *)(uintptr_t)dv_id_text(id, blob->id);
    memcpy(schema, blob->schema.at, blob->schema.length <= SCHEMA_MAX ? blob->schema.length : SCHEMA_MAX);
    reply.schema = schema;
    reply.created_ms = blob->created_ms;
    reply.record = (ProtobufCBinaryData){ .len = length, .data = plaintext };
    size_t size = datavault__v1__retrieve_reply__get_packed_size(&reply);
    uint8_t *bytes = dv_memory_secret(size);
    if (bytes == NULL) {
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "no locked memory for the record now");
        return;
    }
    (void)dv_grpc_send(call, bytes, datavault__v1__retrieve_reply__pack(&reply, bytes));
    dv_memory_secret_free(bytes, size);
    dv_grpc_finish(call, DV_GRPC_OK, NULL);
}

static void open_record(struct dv_grpc_lookup *lookup, struct dv_grpc_call *call)
{
    struct dv_keyring *keyring = dv_node_service(lookup->source->node, DV_SERVICE_KEYRING);
    struct dv_error error = { 0 };
    struct dv_blob blob;
    if (!dv_blob_of_store(&lookup->request.row, &blob)) {
        dv_grpc_finish(call, DV_GRPC_DATA_LOSS, "the stored record was altered");
        return;
    }
    size_t length = blob.ciphertext.length - DV_TAG_BYTES;
    uint8_t *plaintext = dv_memory_secret(length + 1);
    if (plaintext == NULL) {
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "no locked memory for the record now");
        return;
    }
    dv_rc rc = dv_keyring_open_blob(keyring, &blob, plaintext, &error);
    if (rc == DV_OK)
        send_record(call, &blob, plaintext, length);
    else if (rc == DV_E_KEY)
        dv_grpc_finish(call, DV_GRPC_NOT_FOUND, "the record's key is not there");
    else
        dv_grpc_finish(call, DV_GRPC_DATA_LOSS, "the stored record was altered");
    dv_memory_secret_free(plaintext, length + 1);
}

static void on_found(struct dv_store_request *request)
{
    struct dv_grpc_lookup *lookup = request->data;
    struct dv_grpc_call *call = lookup->call;
    lookup->asked = false;
    lookup->call = NULL;
    if (call == NULL)
        return;
    if (request->rc == DV_OK)
        open_record(lookup, call);
    else if (request->rc == DV_E_MISSING)
        dv_grpc_finish(call, DV_GRPC_NOT_FOUND, "the store has no record with this id");
    else
        dv_grpc_finish(call, DV_GRPC_UNAVAILABLE, "the store does not answer now");
    dv_grpc_unref(call);
}

static void ask(struct dv_grpc_source *source, struct dv_grpc_call *call, const char *id)
{
    const struct dv_node *sink = dv_node_named(source->node, source->retrieve);
    uint8_t bytes[DV_ID_BYTES];
    if (!dv_id_parse(id, strlen(id), bytes)) {
        dv_grpc_finish(call, DV_GRPC_INVALID_ARGUMENT, "an id looks like 018f2c5e-0000-8000-8000-000000000000");
        return;
    }
    struct dv_store *store = sink != NULL ? dv_store_of_node(sink) : NULL;
    struct dv_grpc_lookup *lookup = free_lookup(source);
    if (store == NULL || lookup == NULL) {
        dv_grpc_finish(call, DV_GRPC_RESOURCE_EXHAUSTED, "the store cannot be asked now: try again later");
        return;
    }
    *lookup = (struct dv_grpc_lookup){ .source = source, .call = dv_grpc_ref(call), .asked = true };
    lookup->request = (struct dv_store_request){ .kind = DV_STORE_GET, .callback = on_found, .data = lookup };
    memcpy(lookup->request.id, bytes, sizeof bytes);
    dv_store_request(store, &lookup->request);
}

enum dv_grpc_taken dv_grpc_retrieve_one(struct dv_grpc_call *call, const uint8_t *message, size_t length)
{
    struct dv_grpc_source *source = dv_grpc_server_data(call);
    ProtobufCAllocator allocator = dv_protobuf_allocator(&source->scratch);
    const Datavault__V1__RetrieveRequest *request =
        datavault__v1__retrieve_request__unpack(&allocator, length, message);
    if (request == NULL)
        dv_grpc_finish(call, DV_GRPC_INVALID_ARGUMENT, "the message is not a RetrieveRequest");
    else
        ask(source, call, request->id);
    dv_arena_reset(&source->scratch);
    return DV_GRPC_TAKEN;
}
