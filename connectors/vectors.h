/* SPDX-License-Identifier: Apache-2.0
 * vectors.h - a place that keeps texts with their vectors and finds those that are like a question, whatever it is: an
 * embedded file or a server.
 *
 * A caller embeds requests in its own state, as with store.h: what a request points to is lent until its callback, which
 * comes from the loop, once, and never inside request(); after close() it does not come any more.
 *
 * Every search names its tenant, and finds nothing of another's. A tenant's vectors are all of one model: who puts or asks
 * with another gets DV_E_CONFIG, and nothing is compared. A search ranks by cosine and by words, each for itself, and joins
 * the two ranks (reciprocal rank fusion); without a vector, or where none is kept, words alone decide. A question is no
 * syntax: its words are looked for, whatever else stands in it (vectors_words.h). */
#ifndef DV_CONNECTORS_VECTORS_H
#define DV_CONNECTORS_VECTORS_H

#include <stdbool.h>

#include "connectors/store.h"

enum {
    DV_VECTORS_PUT_MAX = 256,   /* rows of a put, or of a removal */
    DV_VECTORS_TOP_MAX = 64,    /* hits of a search */
    DV_VECTORS_EXPIRE_MAX = 256, /* texts that one request lets go */
    DV_VECTORS_IDS_MAX = 256,   /* ids that one request tells */
    DV_VECTORS_RANKED_MAX = 256, /* of each of the two lists that are joined */
    DV_VECTORS_WIDTH_MAX = 4096,
    DV_VECTORS_TEXT_MAX = 64 * 1024, /* bytes of a text that is kept; what is behind is not */
};

/* A text that is kept. Every member of a hit is lent for the callback. */
struct dv_vectors_row {
    uint8_t id[DV_STORE_ID_BYTES]; /* of the record it was made of */
    int64_t created_ms;
    struct dv_store_bytes tenant, schema, text;
    struct dv_store_bytes model;       /* empty if there is no vector */
    struct dv_store_bytes vector;      /* float32, little-endian, of length 1; or NULL: found by words only */
    struct dv_store_bytes hash;        /* what a citation proves itself by */
    struct dv_store_bytes subject_ref; /* whom it is about, or NULL */
    uint32_t subjects;                 /* how many people it is about at least */
};

/* What is looked for. */
struct dv_vectors_query {
    struct dv_store_bytes tenant;
    struct dv_store_bytes schema;  /* NULL: any */
    struct dv_store_bytes text;    /* the question */
    struct dv_store_bytes vector;  /* NULL: by words only */
    struct dv_store_bytes model;   /* of the vector */
    int64_t from_ms, to_ms;        /* from ≤ created < to */
    uint32_t top;                  /* at most DV_VECTORS_TOP_MAX */
    double floor;                  /* no hit is less like the question, if that can be told */
};

/* A hit, best first. */
struct dv_vectors_hit {
    struct dv_vectors_row row; /* without its vector and model */
    bool compared;             /* `cosine` is known */
    double cosine;
    uint32_t lexical_rank; /* from 1; 0: none of the question's words is in it, or too many others are before it */
    double score;          /* 1 is the best there can be */
};

enum dv_vectors_kind {
    DV_VECTORS_PUT,    /* rows[0 .. count-1] of one tenant and model, all or nothing; one that is there stays, but gets its vector
                        * if it had none; `total`: how many were new */
    DV_VECTORS_SEARCH, /* query → hits[0 .. total-1] */
    DV_VECTORS_REMOVE, /* of query.tenant, for good: all about the people that rows[0 .. count-1] name by their subject_ref, or, where
                        * these have none, the texts with their ids; `total`: how many texts there were, `met`: of how many rows */
    DV_VECTORS_EXPIRE, /* the oldest of query.tenant and query.schema from before query.to_ms, at most DV_VECTORS_EXPIRE_MAX; `total`: how many.
                        * They are not found any more; their bytes go as room is needed, unlike those of a removal */
    DV_VECTORS_IDS,    /* of query.tenant, the ids of the texts about the person that rows[0] names by its subject_ref, those behind rows[0].id
                        * in order → ids[0 .. total-1], at most DV_VECTORS_IDS_MAX */
    DV_VECTORS_COUNT,  /* `total`: the texts of query.tenant, or of all if it is NULL */
};

struct dv_vectors_request;
typedef void (*dv_vectors_callback)(struct dv_vectors_request *request);

/* A request and its answer. */
struct dv_vectors_request {
    enum dv_vectors_kind kind;
    const struct dv_vectors_row *rows;
    uint32_t count;
    struct dv_vectors_query query;
    uint8_t (*ids)[DV_STORE_ID_BYTES]; /* lent room for DV_VECTORS_IDS_MAX */
    dv_vectors_callback callback;
    void *data;

    dv_rc rc;           /* DV_OK, DV_E_CONFIG (another model), DV_E_FULL, DV_E_IO, DV_E_DEPENDENCY, DV_E_DATA, DV_E_FAILED … */
    const char *reason; /* a literal, or NULL */
    uint64_t total, met;
    bool remains; /* after a removal: bytes of the texts are still on the disk, until who reads there is done or a server has cleaned up */
    const struct dv_vectors_hit *hits; /* the store's, valid during the callback */
    bool lexical;                      /* no vector was compared */
    struct dv_vectors_request *next;   /* the store's */
};

struct dv_breaker;
struct dv_vectors;

struct dv_vectors_ops {
    void (*request)(struct dv_vectors *vectors, struct dv_vectors_request *request);
    /* Why nothing is kept or found now, a literal, or NULL. */
    const char *(*waits)(const struct dv_vectors *vectors);
    /* Ends what is under way, which may block, and closes. */
    void (*close)(struct dv_vectors *vectors);
};

/* The base of every such place. */
struct dv_vectors {
    const struct dv_vectors_ops *ops;
    const struct dv_breaker *breaker;
};

/* What is kept of a row's text: whole characters, at most DV_VECTORS_TEXT_MAX bytes. */
struct dv_store_bytes dv_vectors_kept_text(const struct dv_vectors_row *row);

/* The first row of a put that has a vector, or NULL; and why the put does not fit a table of this width, a literal, or NULL. */
const struct dv_vectors_row *dv_vectors_first_embedded(const struct dv_vectors_request *put);
const char *dv_vectors_put_fault(const struct dv_vectors_request *put, uint32_t width);

#define DV_VECTORS_OTHER_MODEL "the vectors there are of another model: embed with that one, or name another place and embed all again"

#define DV_VECTORS_OTHER_WIDTH "the vectors are not as wide as those of the table: give `dimensions` of the embedder, and migrate a table for them"

/* Hands a request over; its callback tells the answer. */
static inline void dv_vectors_request(struct dv_vectors *vectors, struct dv_vectors_request *request)
{
    vectors->ops->request(vectors, request);
}

/* Why nothing is kept or found now, a literal, or NULL. */
static inline const char *dv_vectors_waits(const struct dv_vectors *vectors)
{
    return vectors->ops != NULL ? vectors->ops->waits(vectors) : NULL;
}

/* Accepts one that was never opened. */
static inline void dv_vectors_close(struct dv_vectors *vectors)
{
    if (vectors->ops != NULL)
        vectors->ops->close(vectors);
}

#endif
