/* SPDX-License-Identifier: Apache-2.0
 * pg_schema.h - the table of sealed records in PostgreSQL, made and brought up to date in versions.
 *
 *     encrypted_blobs(id uuid PRIMARY KEY, tenant text, schema text, created_at timestamptz, data_hash bytea,
 *                     key_ref text, subject_ref bytea or NULL, nonce bytea, ciphertext bytea)
 *     schema_versions(relation text, version integer, applied_at timestamptz)
 *     fences(relation text, name text, token bigint, taken_at timestamptz)
 *     readers(number bigint, relation text, name text, tenant text, schema text)
 *     pending(reader bigint, id uuid, leased_until timestamptz)
 *
 * A record is processed by a reader when `pending` has no row of it: a trigger on the table makes that row in the
 * transaction that stores the record, and the reader deletes it. */
#ifndef DV_CONNECTORS_PG_SCHEMA_H
#define DV_CONNECTORS_PG_SCHEMA_H

#include "connectors/pg.h"

/* What a migration found and did. */
struct dv_pg_migration {
    int from; /* the version that was there; 0: none */
    int to;
};

/* Somebody who works through the records of one tenant and schema, and is told of each new one. */
struct dv_pg_reader {
    const char *name, *tenant, *schema; /* DV_NAMEs */
};

/* The version that this program makes. */
int dv_pg_schema_version(void);

/* Brings the table to the program's version and makes the reader (may be NULL) known to it, with all that is there already
 * still to be read; in one transaction and one process at a time, and doing it again changes nothing. Blocks: for commands only. DV_E_CONFIG: a later version is there, or a table that was not made by this, or
 * what dv_pg_probe() says; DV_E_DEPENDENCY. */
DV_CHECKED dv_rc dv_pg_migrate(const struct dv_pg_config *config, const struct dv_pg_reader *reader,
                               struct dv_pg_migration *ret, struct dv_error *error);

#endif
