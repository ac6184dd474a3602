/* SPDX-License-Identifier: Apache-2.0
 * vectors_pg.h - vectors in a PostgreSQL table with pgvector, over the pool of connections of pg.h.
 *
 *     embeddings(tenant text, id uuid, schema text, created_at timestamptz, model text or NULL, text text, subject_ref bytea or NULL,
 *                subjects integer, hash bytea, vector vector(N) or NULL, words tsvector; (tenant, id) is the key)
 *
 * `datavault migrate` makes it with its indexes: HNSW by cosine, GIN of the words, tenant and model, tenant and person, tenant
 * and age. A put is
 * one statement for all of its rows; a search is one, too, which ranks by vector and by words and joins the ranks. Every value
 * is a bound parameter. HNSW is approximate: it looks at 200 candidates, and on until enough are the tenant's. */
#ifndef DV_CONNECTORS_VECTORS_PG_H
#define DV_CONNECTORS_VECTORS_PG_H

#include "connectors/pg.h"
#include "connectors/vectors.h"

enum {
    DV_VECTORS_PG_RANKED = 64, /* of each list that is joined */
    DV_VECTORS_PG_WORKS = 8,   /* requests under way; others wait */
};

struct dv_vectors_pg_work;

/* Lives in memory of the owner's that must stay until the loop has run dry after close(). */
struct dv_vectors_pg {
    struct dv_vectors vectors;
    struct dv_pg pg;
    struct dv_vectors_pg_work *works; /* [DV_VECTORS_PG_WORKS] */
    struct dv_vectors_request *first, *last; /* waiting */
    struct dv_vectors_hit hits[DV_VECTORS_TOP_MAX];
};

/* Begins to connect; as dv_pg_open(). `config->vector_width` is that of the table. */
DV_CHECKED dv_rc dv_vectors_pg_open(struct dv_vectors_pg *place, struct dv_loop *loop, const struct dv_pg_config *config, struct dv_error *error);

/* As dv_pg_probe(): whether it can work like this. */
DV_CHECKED dv_rc dv_vectors_pg_probe(const struct dv_pg_config *config, struct dv_error *error);

#endif
