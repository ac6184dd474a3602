/* SPDX-License-Identifier: Apache-2.0
 * vectors_pg_sql.h - the statements of vectors in PostgreSQL; each %s is the table. For vectors_pg.c alone. */
#ifndef DV_CONNECTORS_VECTORS_PG_SQL_H
#define DV_CONNECTORS_VECTORS_PG_SQL_H

/* Another model is looked for in the index, before and behind this one. A text that is there stays, and gets its vector if it
 * had none. xmax tells a new row from an old one. */
#define PUT                                                                                                            \
    "WITH other AS (SELECT EXISTS (SELECT FROM %s e WHERE e.tenant = $11 AND e.model < $12)"                           \
    " OR EXISTS (SELECT FROM %s e WHERE e.tenant = $11 AND e.model > $12) AS it),"                                     \
    " new AS (SELECT DISTINCT ON (u.tenant, u.id) u.*, CASE WHEN u.model IS NOT NULL"                                  \
    " THEN ($10::real[])[(u.n - 1) * %u + 1 : u.n * %u]::vector END AS vector FROM unnest($1::uuid[], $2::text[],"     \
    " $3::text[], $4::timestamptz[], $5::bytea[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[]) WITH ORDINALITY"  \
    " AS u(id, tenant, schema, created_at, hash, model, subject_ref, subjects, text, n)),"                             \
    " put AS (INSERT INTO %s AS e(tenant, id, schema, created_at, model, text, subject_ref, subjects, hash, vector)"   \
    " SELECT tenant, id, schema, created_at, model, convert_from(text, 'UTF8'), subject_ref,"                          \
    " convert_from(subjects, 'UTF8')::integer, hash, vector FROM new WHERE NOT (SELECT it FROM other)"                 \
    " ON CONFLICT (tenant, id) DO UPDATE SET model = excluded.model, vector = excluded.vector"                         \
    " WHERE e.vector IS NULL AND excluded.vector IS NOT NULL RETURNING (e.xmax = 0) AS is_new)"                        \
    " SELECT (SELECT it FROM other), count(*) FILTER (WHERE is_new) FROM put"

/* $1 tenant, $2 vector, $3 model, $4 schema, $5 from, $6 to, $7 words, $8 top, $9 floor. A word is any word of the question's. */
#define SEARCH                                                                                                         \
    "WITH status AS (SELECT EXISTS (SELECT FROM %s e WHERE e.tenant = $1 AND e.model < $3) OR EXISTS (SELECT FROM"     \
    " %s e WHERE e.tenant = $1 AND e.model > $3) AS other, $3::text IS NOT NULL AND EXISTS (SELECT FROM %s e"          \
    " WHERE e.tenant = $1 AND e.model = $3) AS fits),"                                                                \
    " near AS (SELECT id, row_number() OVER (ORDER BY far, id) AS rank FROM (SELECT e.id, e.vector <=> $2::vector AS far FROM %s e" \
    " WHERE e.tenant = $1 AND ($4::text IS NULL OR e.schema = $4) AND e.created_at >= $5 AND e.created_at < $6"        \
    " AND $2::real[] IS NOT NULL AND e.vector IS NOT NULL ORDER BY e.vector <=> $2::vector LIMIT %d) n"                \
    " WHERE 1 - far >= $9),"                                                                                           \
    " asked AS MATERIALIZED (SELECT replace(plainto_tsquery('pg_catalog.english', $7)::text, ' & ', ' | ')::tsquery AS query)," \
    " said AS (SELECT e.id, row_number() OVER (ORDER BY ts_rank_cd(e.words, a.query) DESC, e.id) AS rank"              \
    " FROM %s e, asked a WHERE e.tenant = $1 AND ($4::text IS NULL OR e.schema = $4) AND e.created_at >= $5"           \
    " AND e.created_at < $6 AND e.words @@ a.query ORDER BY rank LIMIT %d),"

#define FUSE                                                                                                           \
    " joined AS (SELECT id, min(v) AS v, min(l) AS l FROM (SELECT id, rank AS v, NULL::bigint AS l FROM near"          \
    " UNION ALL SELECT id, NULL, rank FROM said) r GROUP BY id),"                                                      \
    " found AS (SELECT e.id, e.schema, e.created_at, e.text, e.subject_ref, e.subjects::bigint, e.hash,"               \
    " (coalesce(1.0::float8 / (60 + j.v), 0) + coalesce(1.0::float8 / (60 + j.l), 0)) * 61"                            \
    " / (SELECT CASE WHEN fits THEN 2 ELSE 1 END FROM status) AS score, j.l, j.v, 1 - (e.vector <=> $2::vector) AS cosine" \
    " FROM joined j JOIN %s e ON e.tenant = $1 AND e.id = j.id"                                                        \
    " WHERE (e.vector <=> $2::vector) IS NULL OR 1 - (e.vector <=> $2::vector) >= $9"                                  \
    " ORDER BY score DESC, j.v NULLS LAST, e.id LIMIT $8)"                                                             \
    " SELECT s.other, s.fits, f.id, f.schema, f.created_at, f.text, f.subject_ref, f.subjects, f.hash, f.score, f.l, f.cosine" \
    " FROM status s LEFT JOIN found f ON NOT s.other ORDER BY f.score DESC, f.v NULLS LAST, f.id"

/* $1 tenant, $2 people or ids. */
#define REMOVE                                                                                                         \
    "WITH gone AS (DELETE FROM %s WHERE tenant = $1 AND %s RETURNING %s AS name)"                                      \
    " SELECT false, count(*), count(DISTINCT name) FROM gone"

/* $1 tenant, $2 whom, $3 behind which id, $4 how many. */
#define LIST_IDS                                                                                                       \
    "SELECT id FROM %s WHERE tenant = $1 AND subject_ref = $2 AND id > $3 ORDER BY id LIMIT $4"

/* $1 tenant, $2 schema, $3 before when, $4 how many. */
#define EXPIRE                                                                                                         \
    "WITH gone AS (DELETE FROM %s WHERE ctid IN (SELECT ctid FROM %s WHERE tenant = $1 AND schema = $2"                \
    " AND created_at < $3 ORDER BY created_at LIMIT $4) RETURNING 1) SELECT false, count(*) FROM gone"

#endif
