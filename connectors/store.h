/* SPDX-License-Identifier: Apache-2.0
 * store.h - a place that keeps sealed records by id, whatever it is: an embedded file, a server, or a test's script.
 *
 * A caller embeds requests in its own state. What a request points to is lent until its callback, which comes from the
 * loop, once, and never inside request(); after close() it does not come any more. A put is all or nothing: after DV_OK
 * every row is durable, and a row whose id was there already was left as it is. */
#ifndef DV_CONNECTORS_STORE_H
#define DV_CONNECTORS_STORE_H

#include <stdint.h>

#include "engine/error.h"

enum { DV_STORE_ID_BYTES = 16 };

/* A run of bytes of somebody else's. */
struct dv_store_bytes {
    const void *at;
    size_t length;
};

/* One sealed record. */
struct dv_store_row {
    uint8_t id[DV_STORE_ID_BYTES];
    int64_t created_ms;
    struct dv_store_bytes tenant, schema, data_hash, key_ref;
    struct dv_store_bytes subject_ref; /* `at` is NULL if the record has no subject */
    struct dv_store_bytes nonce, ciphertext;
};

enum dv_store_kind {
    DV_STORE_PUT,   /* rows[0 .. count-1]; `total`: how many of them were new */
    DV_STORE_GET,   /* id → row, valid during the callback; DV_E_MISSING */
    DV_STORE_COUNT, /* `total`: the records of the store */
    /* Of a store that was opened for a reader: */
    DV_STORE_TAKE, /* at most `count` records that nobody works on → taken[0 .. total-1], valid during the callback */
    DV_STORE_KEEP, /* ids[0 .. count-1] are still worked on: nobody else is given them for another lease */
    DV_STORE_FREE, /* they are not any more: whoever asks next is given them */
    DV_STORE_DONE, /* they are done for ever */
    /* Of a store in PostgreSQL: */
    DV_STORE_RUN,  /* `run`, a statement of the caller's own (pg_run.h) */
    DV_STORE_FIND, /* of ids[0 .. count-1] those that are there, and no longer than `longest` → taken[0 .. total-1], valid during the callback */
};

struct dv_breaker;
struct dv_pg_run;
struct dv_store_request;
typedef void (*dv_store_callback)(struct dv_store_request *request);

/* A request and its answer. */
struct dv_store_request {
    enum dv_store_kind kind;
    const struct dv_store_row *rows;
    const uint8_t (*ids)[DV_STORE_ID_BYTES];
    uint32_t count;
    uint8_t id[DV_STORE_ID_BYTES];
    uint32_t longest; /* bytes of ciphertext */
    struct dv_pg_run *run;
    dv_store_callback callback;
    void *data;

    dv_rc rc;           /* the answer: DV_OK, DV_E_FULL, DV_E_IO, DV_E_DEPENDENCY (busy), DV_E_FAILED (for good) … */
    const char *reason; /* a literal for the state it is in, or NULL */
    uint64_t total;
    struct dv_store_row row;
    struct dv_store_row *taken; /* lent room for `count`; a record that is gone has no tenant */
    struct dv_store_request *next; /* the store's */
};

struct dv_store;

struct dv_store_ops {
    void (*request)(struct dv_store *store, struct dv_store_request *request);
    /* Why nothing is stored now, a literal, or NULL. */
    const char *(*waits)(const struct dv_store *store);
    /* Ends what is under way, which may block, and closes. */
    void (*close)(struct dv_store *store);
};

/* The base of every store. */
struct dv_store {
    const struct dv_store_ops *ops;
    const struct dv_breaker *breaker; /* of what keeps the records, or NULL: a script has none */
};

/* Hands a request to the store; its callback tells the answer. */
static inline void dv_store_request(struct dv_store *store, struct dv_store_request *request)
{
    store->ops->request(store, request);
}

/* Why nothing is stored now, a literal, or NULL. */
static inline const char *dv_store_waits(const struct dv_store *store)
{
    return store->ops->waits(store);
}

/* Accepts a store that was never opened. */
static inline void dv_store_close(struct dv_store *store)
{
    if (store->ops != NULL)
        store->ops->close(store);
}

#endif
