/* SPDX-License-Identifier: Apache-2.0
 * pg_reader.c - the SQL of a reader, which works through a table's records until each is done; and many records by their ids.
 *
 * A trigger notes the id of every new record in `pending`, once for each reader, in the transaction that stores it: so
 * nothing is missed that is committed late, and looking for what is new costs what is new, not what is there. Whoever
 * takes a record leases it; rows that others are taking are passed over. */
#include <libpq-fe.h>
#include <string.h>

#include "connectors/pg_internal.h"

enum { COL_ID = 8, BINARY = 1 };

/* The reader's own rows of `pending`. */
#define MINE "p.reader = (SELECT r.number FROM \"%s\".readers r WHERE r.relation = '%s' AND r.name = '%s')"
#define MINE_VALUES(config) (config)->schema, (config)->table, (config)->reader

static int send_take(struct dv_pg_connection *connection)
{
    const struct dv_pg_config *config = &connection->pg->config;
    char sql[DV_PG_SQL_MAX] = "";
    dv_pg_sql_append(sql,
                     "WITH free AS MATERIALIZED (SELECT p.reader, p.id FROM \"%s\".pending p WHERE " MINE
                     " AND p.leased_until < now() ORDER BY p.id LIMIT %u FOR UPDATE SKIP LOCKED), taken AS (UPDATE",
                     config->schema, MINE_VALUES(config), connection->group->count);
    dv_pg_sql_append(sql,
                     " \"%s\".pending p SET leased_until = now() + %lld * interval '1 ms' FROM free"
                     " WHERE p.reader = free.reader AND p.id = free.id RETURNING p.id)"
                     " SELECT " DV_PG_COLUMN_LIST ", taken.id FROM taken LEFT JOIN %s b ON b.id = taken.id",
                     config->schema, (long long)config->lease_ms, connection->pg->relation);
    return PQsendQueryParams(connection->link, sql, 0, NULL, NULL, NULL, NULL, BINARY);
}

static int send_find(struct dv_pg_connection *connection)
{
    char sql[DV_PG_SQL_MAX] = "";
    dv_pg_sql_append(sql, "SELECT " DV_PG_COLUMN_LIST ", b.id FROM %s b WHERE b.id = ANY($1) AND octet_length(b.ciphertext) <= %u",
                     connection->pg->relation, connection->group->longest);
    return dv_pg_send_ids(connection, sql);
}

int dv_pg_send_reader(struct dv_pg_connection *connection)
{
    const struct dv_pg_config *config = &connection->pg->config;
    char sql[DV_PG_SQL_MAX] = "";
    enum dv_store_kind kind = connection->group->kind;
    if (kind == DV_STORE_TAKE)
        return send_take(connection);
    if (kind == DV_STORE_FIND)
        return send_find(connection);
    if (kind == DV_STORE_DONE)
        dv_pg_sql_append(sql, "DELETE FROM \"%s\".pending p", config->schema);
    else
        dv_pg_sql_append(sql, "UPDATE \"%s\".pending p SET leased_until = now() + %lld * interval '1 ms'", config->schema,
                         kind == DV_STORE_KEEP ? (long long)config->lease_ms : -1LL);
    dv_pg_sql_append(sql, " WHERE " MINE " AND p.id = ANY($1)", MINE_VALUES(config));
    return dv_pg_send_ids(connection, sql);
}

dv_rc dv_pg_result_taken(const struct dv_pg_connection *connection, struct dv_store_request *take)
{
    const PGresult *result = connection->result;
    int rows = PQntuples(result);
    if (PQnfields(result) != COL_ID + 1 || rows < 0 || (uint32_t)rows > take->count)
        return DV_E_FAILED;
    for (int i = 0; i < rows; i++) {
        struct dv_store_row *row = &take->taken[i];
        *row = (struct dv_store_row){ 0 };
        if (PQgetlength(result, i, COL_ID) != DV_STORE_ID_BYTES ||
            (!PQgetisnull(result, i, 0) && !dv_pg_result_members(result, i, row)))
            return DV_E_FAILED;
        memcpy(row->id, PQgetvalue(result, i, COL_ID), sizeof row->id);
    }
    take->total = (uint64_t)rows;
    return DV_OK;
}
