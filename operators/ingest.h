/* SPDX-License-Identifier: Apache-2.0
 * ingest.h - requests that bring records: what `source from: http` and `source from: grpc` share.
 *
 * A front (the HTTP server, the gRPC server) hands in requests with dv_ingest_push(); the text is copied, into a ring of
 * fixed size. The source node turns it into rows: many small requests share a batch, a large one spans several. A
 * request is all or nothing: it is parsed to its end, in slices, before the first of its rows is passed on, so a refused
 * one leaves no trace. The callback is told once, when the last of its rows is durable (or a dead letter, which is
 * durable, too), or why that will not be.
 *
 * The ids of a request's records are made of graph, node, idempotency key and their place in the request; neither clock
 * nor process have a part in them. So what is sent again with the same key meets its own primary keys. A key that is a
 * UUIDv7 gives its time to the ids, which then sort by it. Keys are chosen by clients and show in no log. Without a key
 * one is made up, and a request that is sent again is another one.
 *
 * Back-pressure: a push that finds no room answers DV_INGEST_FULL, and the front is called by `on_room` when there is
 * room again. Everything is on the loop; a callback may push and cancel, but dv_ingest_push() never calls back. */
#ifndef DV_OPERATORS_INGEST_H
#define DV_OPERATORS_INGEST_H

#include "engine/batch.h"
#include "engine/json.h"
#include "engine/loop.h"
#include "engine/random.h"
#include "operators/ingest_lines.h"
#include "operators/ingest_outcome.h"
#include "operators/ingest_ring.h"

enum { DV_INGEST_BODY_MAX = 64 * 1024 * 1024, DV_INGEST_KEY_MAX = 128, DV_INGEST_RECORDS_MAX = 65536, DV_INGEST_ASKER = 16 };

/* What names the records of a request. */
struct dv_ingest_name {
    uint64_t order; /* ids sort by it */
    uint64_t hash;
    uint32_t index; /* of the request's first record among those of the key */
};

/* The id of the request's record number `record`, from 0. */
void dv_ingest_id(const struct dv_ingest_name *name, uint32_t record, uint8_t id[DV_ID_BYTES]);

/* What the callback is told. */
struct dv_ingest_answer {
    enum dv_ingest_outcome outcome; /* DURABLE, REFUSED, FAILED */
    uint32_t records;               /* DURABLE: how many; their ids by dv_ingest_id() */
    struct dv_ingest_name name;
    uint64_t line;                  /* REFUSED: of the first wrong record, from 1 */
    dv_rc code;                     /* DV_E_SYNTAX, DV_E_DATA, DV_E_LIMIT */
    const char *reason;             /* a literal; no value of the record */
};

typedef void (*dv_ingest_callback)(void *data, const struct dv_ingest_answer *answer);

/* A request, lent for the call of dv_ingest_push(). */
struct dv_ingest_request {
    const char *text;
    size_t length;
    enum dv_ingest_form form;
    const char *key; /* of at most DV_INGEST_KEY_MAX bytes, or NULL */
    size_t key_length;
    uint32_t index;  /* a stream of several requests under one key: records of it that came before */
    const uint8_t *asker; /* who sends it, DV_INGEST_ASKER bytes; NULL: nobody known */
    dv_ingest_callback callback;
    void *data;
};

struct dv_ingest_slot;
struct dv_receipt;
struct dv_shape;

/* The state of the source, or the first member of it; the option table fills the first part. */
struct dv_ingest {
    const char *schema;
    int64_t max_record;
    int64_t max_body;
    int64_t queue_bytes;
    int64_t queue_requests;
    const char *asker; /* column that is given who sends a record, whatever the record says; NULL: none */

    void (*on_room)(void *data); /* set by the front, or NULL */
    void *on_room_data;

    /* The rest is private. */
    const struct dv_schema *shape;
    int asker_column; /* -1: none */
    struct dv_node *node;
    struct dv_json_reader *json;
    struct dv_batch *held;        /* empty, while there is nothing to fill it with */
    struct dv_timer wake;
    bool timed;
    struct dv_ingest_slot *slots; /* by a request's number */
    uint32_t slot_count;          /* a power of two */
    uint64_t oldest;              /* the first request that is not over */
    uint64_t head;                /* the first whose rows are not all passed on */
    uint64_t next;                /* the number of the next one */
    struct dv_ingest_ring ring;   /* texts of head .. next-1 */
    struct dv_batch trial;        /* one row, for looking at records */
    struct dv_random random;
    uint64_t source;              /* stands for graph and node in ids */
    bool starved;                 /* somebody found no room */
    bool stopping, ended;
};

/* Rows of an option table whose state has a member `ingest` of the type above. The option of `max_body`, the longest
 * request, is named by the front as its protocol has it. */
#define DV_INGEST_ROWS_BESIDE_BODY(state)                                                                              \
    { "schema", DV_NAME, offsetof(state, ingest.schema), .flags = DV_REQUIRED,                                         \
      .help = "Schema of the records: the name of a file in schemas/ beside the graph file." },                        \
    { "max_record", DV_SIZE, offsetof(state, ingest.max_record), .initial = "1MiB", .min = 64,                         \
      .max = DV_INGEST_BODY_MAX, .help = "Longest record; a request with a longer one is refused." },                  \
    { "queue_bytes", DV_SIZE, offsetof(state, ingest.queue_bytes), .initial = "32MiB", .min = 4096, .max = 1 << 30,    \
      .help = "Memory for requests that wait to become rows; when it is used up clients are told to come later." },    \
    { "queue_requests", DV_INT, offsetof(state, ingest.queue_requests), .initial = "4096", .min = 1, .max = 1 << 20,   \
      .help = "How many requests may be under way, waiting to become rows or to become durable." }

#define DV_INGEST_ROWS(state)                                                                                          \
    DV_INGEST_ROWS_BESIDE_BODY(state),                                                                                 \
    { "max_body", DV_SIZE, offsetof(state, ingest.max_body), .initial = "16MiB", .min = 64,                            \
      .max = DV_INGEST_BODY_MAX, .help = "Longest request; a longer one is refused." }

/* ---- for the front ---- */

/* Takes a request: DV_INGEST_QUEUED with a ticket, or FULL, LARGE or DRAINING, and then nothing was taken. */
enum dv_ingest_outcome dv_ingest_push(struct dv_ingest *ingest, const struct dv_ingest_request *request,
                                      uint64_t *ret_ticket);

/* The id that record number `record` of a request under way will have; false: the ticket is over. */
bool dv_ingest_record_id(const struct dv_ingest *ingest, uint64_t ticket, uint32_t record, uint8_t id[DV_ID_BYTES]);

/* Nobody waits for the answer any more: the callback will not be called. What became rows already goes on, what did not
 * is forgotten. A ticket that is over is ignored. */
void dv_ingest_cancel(struct dv_ingest *ingest, uint64_t ticket);

/* The longest request that there is room for now; 0: none at all. Who finds too little is told by `on_room`. */
size_t dv_ingest_room(struct dv_ingest *ingest);

/* Whether the run is about to end. */
bool dv_ingest_is_draining(const struct dv_ingest *ingest);

/* ---- for the operator ---- */

/* The functions of the source, whose state begins with a struct dv_ingest. */
dv_rc dv_ingest_transfer(struct dv_node *node, struct dv_shape *shape);
dv_rc dv_ingest_open(struct dv_node *node);
dv_rc dv_ingest_process(struct dv_node *node, struct dv_batch *batch);
void dv_ingest_settle(struct dv_node *node, const struct dv_receipt *receipt);
void dv_ingest_stop(struct dv_node *node);
void dv_ingest_close(struct dv_node *node);

#endif
