/* SPDX-License-Identifier: Apache-2.0
 * pg_schema.h - the table of sealed records in PostgreSQL, made and brought up to date in versions.
 *
 *     encrypted_blobs(id uuid PRIMARY KEY, tenant text, schema text, created_at timestamptz, data_hash bytea,
 *                     key_ref text, subject_ref bytea or NULL, nonce bytea, ciphertext bytea,
 *                     processed_at timestamptz or NULL)
 *     schema_versions(relation text, version integer, applied_at timestamptz)
 *     fences(relation text, name text, token bigint, taken_at timestamptz)
 *
 * `processed_at` is for readers that work through the records; a put leaves it NULL. */
#ifndef DV_CONNECTORS_PG_SCHEMA_H
#define DV_CONNECTORS_PG_SCHEMA_H

#include "connectors/pg.h"

/* What a migration found and did. */
struct dv_pg_migration {
    int from; /* the version that was there; 0: none */
    int to;
};

/* The version that this program makes. */
int dv_pg_schema_version(void);

/* Brings the table to the program's version, in one transaction and one process at a time; doing it again changes
 * nothing. Blocks: for commands only. DV_E_CONFIG: a later version is there, or a table that was not made by this, or
 * what dv_pg_probe() says; DV_E_DEPENDENCY. */
DV_CHECKED dv_rc dv_pg_migrate(const struct dv_pg_config *config, struct dv_pg_migration *ret, struct dv_error *error);

#endif
