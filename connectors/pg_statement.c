/* SPDX-License-Identifier: Apache-2.0
 * pg_statement.c - the SQL of the store: what is sent, and what the results say. */
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "connectors/pg_array.h"
#include "connectors/pg_error.h"
#include "connectors/pg_internal.h"
#include "connectors/pg_run.h"
#include "engine/crash.h"
#include "engine/memory.h"

enum { BUFFER_KEPT = 4 * 1024 * 1024, BINARY = 1, LOCK_MS_MAX = 5000 };
enum { OID_INT8 = 20, OID_UUID = 2950, OID_UUIDS = 2951 };
enum { COL_TENANT, COL_SCHEMA, COL_CREATED, COL_HASH, COL_KEY, COL_SUBJECT, COL_NONCE, COL_CIPHERTEXT };

#define PUT_NAME "dv_put"

/* Everything after this finds only what the server brings or what is written in full. A commit that is not on the disk is
 * none, whatever the role's defaults say. A server that hears nothing of us any more must let go of its locks. */
#define SETTINGS                                                                                                       \
    "SET search_path TO pg_catalog; SET statement_timeout TO %lld; SET lock_timeout TO %lld;"                          \
    "SET idle_in_transaction_session_timeout TO 10000; SET tcp_user_timeout TO 10000;"                                 \
    "SET tcp_keepalives_idle TO 10; SET tcp_keepalives_interval TO 5; SET tcp_keepalives_count TO 3;"                  \
    "SELECT CASE WHEN current_setting('synchronous_commit') = 'off'"                                                   \
    " THEN set_config('synchronous_commit', 'on', false) END;"

/* A put comes in one go, so whoever has a transaction open and keeps the server waiting for the rest of it was stopped in
 * between. No time-out of the server's is for that state, and its locks would stay for as long as the process does. */
#define END_STOPPED                                                                                                    \
    "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.usename = session_user AND a.pid IN"           \
    " (SELECT l.pid FROM pg_locks l WHERE l.relation = '%s'::regclass) AND a.pid <> pg_backend_pid()"                  \
    " AND a.application_name = current_setting('application_name') AND a.wait_event = 'ClientRead'"                    \
    " AND a.xact_start < now() - interval '4 s';"

/* To explain a put is to check the right to it, and that `id` is a key. */
#define RIGHTS_TO_PUT "EXPLAIN INSERT INTO %s(id) SELECT NULL::uuid ON CONFLICT (id) DO NOTHING;"

#define RIGHTS_TO_FENCE                                                                                                \
    "SELECT has_table_privilege('%s', 'SELECT') AND has_table_privilege('\"%s\".fences', 'SELECT')"                    \
    " AND has_table_privilege('\"%s\".fences', 'INSERT') AND has_table_privilege('\"%s\".fences', 'UPDATE')"

#define RIGHTS_TO_READ                                                                                                 \
    "SELECT has_table_privilege('%s', 'SELECT') AND has_table_privilege('\"%s\".pending', 'SELECT')"                   \
    " AND has_table_privilege('\"%s\".pending', 'UPDATE') AND has_table_privilege('\"%s\".pending', 'DELETE'),"        \
    " EXISTS (SELECT FROM \"%s\".readers WHERE relation = '%s' AND name = '%s')"

/* The extension's types and operators are found behind the server's own, wherever it was put. A scan goes on until it has enough
 * that the conditions let through. */
#define FIND_VECTORS                                                                                                   \
    "SELECT set_config('search_path', 'pg_catalog, ' || quote_ident(n.nspname), false) FROM pg_extension e"            \
    " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';"                                       \
    "SET hnsw.ef_search TO 200; SET hnsw.iterative_scan TO strict_order;"

#define RIGHTS_TO_VECTORS                                                                                              \
    "SELECT has_table_privilege('%s', 'SELECT') AND has_table_privilege('%s', 'INSERT') AND has_table_privilege('%s', 'UPDATE')"

void dv_pg_sql_append(char *sql, const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(sql);
    va_start(arguments, format);
    int more = vsnprintf(sql + length, DV_PG_SQL_MAX - length, format, arguments);
    va_end(arguments);
    DV_ASSERT(more > 0 && (size_t)more < DV_PG_SQL_MAX - length);
}

int dv_pg_send_settings(struct dv_pg_connection *connection)
{
    const struct dv_pg *pg = connection->pg;
    const char *schema = pg->config.schema;
    char sql[DV_PG_SQL_MAX] = "";
    int64_t lock_ms = pg->config.timeout_ms / 2 < LOCK_MS_MAX ? pg->config.timeout_ms / 2 : LOCK_MS_MAX;
    dv_pg_sql_append(sql, SETTINGS, (long long)pg->config.timeout_ms, (long long)lock_ms);
    if (!pg->config.reads_only)
        dv_pg_sql_append(sql, END_STOPPED, pg->relation);
    if (pg->config.vector_width != 0)
        dv_pg_sql_append(sql, FIND_VECTORS);
    else if (!pg->config.reads_only)
        dv_pg_sql_append(sql, RIGHTS_TO_PUT, pg->relation);
    if (pg->config.vector_width != 0 && !pg->config.reads_only)
        dv_pg_sql_append(sql, RIGHTS_TO_VECTORS, pg->relation, pg->relation, pg->relation);
    else if (pg->config.reader != NULL)
        dv_pg_sql_append(sql, RIGHTS_TO_READ, pg->relation, schema, schema, schema, schema, pg->config.table,
                         pg->config.reader);
    else if (pg->config.owner != NULL)
        dv_pg_sql_append(sql, RIGHTS_TO_FENCE, pg->relation, schema, schema, schema);
    else
        dv_pg_sql_append(sql, "SELECT has_table_privilege('%s', 'SELECT')", pg->relation);
    return PQsendQuery(connection->link, sql);
}

int dv_pg_send_fence(struct dv_pg_connection *connection)
{
    const struct dv_pg_config *config = &connection->pg->config;
    char sql[DV_PG_SQL_MAX] = "";
    dv_pg_sql_append(sql,
           "INSERT INTO \"%s\".fences AS f(relation, name, token) VALUES ('%s', '%s', 1) ON CONFLICT (relation, name)"
           " DO UPDATE SET token = f.token + 1, taken_at = now() RETURNING token",
           config->schema, config->table, config->owner);
    return PQsendQueryParams(connection->link, sql, 0, NULL, NULL, NULL, NULL, BINARY);
}

#define PUT                                                                                                            \
    "INSERT INTO %s(id, " DV_PG_COLUMN_LIST ") SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[],"      \
    " $5::bytea[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[])%s ON CONFLICT (id) DO NOTHING"

/* A fenced put locks the fence first: whoever takes the name waits for its end, and whoever comes later finds the new
 * token. */
int dv_pg_send_prepare(struct dv_pg_connection *connection)
{
    const struct dv_pg *pg = connection->pg;
    const struct dv_pg_config *config = &pg->config;
    char sql[DV_PG_SQL_MAX] = "";
    Oid types[DV_PG_COLUMNS + 1] = { [DV_PG_COLUMNS] = OID_INT8 };
    memcpy(types, dv_pg_array_types, sizeof dv_pg_array_types);
    if (config->owner == NULL) {
        dv_pg_sql_append(sql, PUT, pg->relation, "");
        return PQsendPrepare(connection->link, PUT_NAME, sql, DV_PG_COLUMNS, types);
    }
    dv_pg_sql_append(sql,
           "WITH fence AS MATERIALIZED (SELECT 1 FROM \"%s\".fences WHERE relation = '%s' AND name = '%s' AND token = $10"
           " FOR SHARE), put AS (" PUT " RETURNING 1) SELECT count(*), EXISTS (SELECT FROM fence) FROM put",
           config->schema, config->table, config->owner, pg->relation, " WHERE EXISTS (SELECT FROM fence)");
    return PQsendPrepare(connection->link, PUT_NAME, sql, DV_PG_COLUMNS + 1, types);
}

/* Room for a statement's arrays; what an unusually large one took is given back at the next. */
static bool reserve(struct dv_pg_connection *connection, size_t size)
{
    if (size <= connection->buffer_bytes && connection->buffer_bytes <= BUFFER_KEPT)
        return true;
    dv_memory_free(connection->buffer);
    connection->buffer = dv_memory_alloc(size);
    connection->buffer_bytes = connection->buffer != NULL ? size : 0;
    return connection->buffer != NULL;
}

int dv_pg_send_put(struct dv_pg_connection *connection)
{
    static const int formats[] = { BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY };
    struct dv_pg_arrays arrays;
    const char *values[DV_PG_COLUMNS + 1];
    int lengths[DV_PG_COLUMNS + 1];
    uint64_t token = htobe64((uint64_t)connection->pg->token);
    size_t size = dv_pg_arrays_size(connection->group);
    if (size > INT32_MAX || !reserve(connection, size))
        return 0;
    dv_pg_arrays_encode(connection->group, connection->buffer, &arrays);
    DV_CRASH_POINT("pg.encoded");
    memcpy(values, arrays.values, sizeof arrays.values);
    memcpy(lengths, arrays.lengths, sizeof arrays.lengths);
    values[DV_PG_COLUMNS] = (const char *)&token;
    lengths[DV_PG_COLUMNS] = sizeof token;
    int count = DV_PG_COLUMNS + (connection->pg->config.owner != NULL);
    return PQsendQueryPrepared(connection->link, PUT_NAME, count, values, lengths, formats, BINARY);
}

/* A statement with one binary parameter and a binary result. */
static int send_one(struct dv_pg_connection *connection, const char *sql, Oid type, const char *value, size_t length)
{
    const int lengths[] = { (int)length };
    const int formats[] = { BINARY };
    return PQsendQueryParams(connection->link, sql, 1, &type, &value, lengths, formats, BINARY);
}

int dv_pg_send_ids(struct dv_pg_connection *connection, const char *sql)
{
    size_t size = dv_pg_ids_size(connection->group);
    if (!reserve(connection, size))
        return 0;
    dv_pg_ids_encode(connection->group, connection->buffer);
    return send_one(connection, sql, OID_UUIDS, connection->buffer, size);
}

int dv_pg_send_check(struct dv_pg_connection *connection)
{
    char sql[DV_PG_SQL_MAX] = "";
    dv_pg_sql_append(sql, "SELECT count(*) FROM %s WHERE id = ANY($1)", connection->pg->relation);
    return dv_pg_send_ids(connection, sql);
}

int dv_pg_send_get(struct dv_pg_connection *connection)
{
    const struct dv_store_request *get = connection->group;
    char sql[DV_PG_SQL_MAX] = "";
    dv_pg_sql_append(sql, "SELECT " DV_PG_COLUMN_LIST " FROM %s WHERE id = $1", connection->pg->relation);
    return send_one(connection, sql, OID_UUID, (const char *)get->id, sizeof get->id);
}

int dv_pg_send_run(struct dv_pg_connection *connection)
{
    static const int formats[DV_PG_RUN_PARAMS_MAX] = { BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY,
                                                       BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY };
    const struct dv_pg_run *run = connection->group->run;
    return PQsendQueryParams(connection->link, run->sql, run->count, run->types, run->values, run->lengths, formats, BINARY);
}

int dv_pg_send_count(struct dv_pg_connection *connection)
{
    char sql[DV_PG_SQL_MAX] = "";
    dv_pg_sql_append(sql, "SELECT count(*) FROM %s", connection->pg->relation);
    return PQsendQueryParams(connection->link, sql, 0, NULL, NULL, NULL, NULL, BINARY);
}

/* The first error of a statement counts; of results without one, the last. */
static void take_result(struct dv_pg_connection *connection, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    bool fine = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (fine && connection->outcome.rc == DV_OK) {
        PQclear(connection->result);
        connection->result = result;
        return;
    }
    if (!fine && connection->outcome.rc == DV_OK)
        connection->outcome = dv_pg_outcome_of(PQresultErrorField(result, PG_DIAG_SQLSTATE));
    PQclear(result);
}

bool dv_pg_take_results(struct dv_pg_connection *connection)
{
    while (!PQisBusy(connection->link)) {
        PGresult *result = PQgetResult(connection->link);
        if (result == NULL)
            return true;
        take_result(connection, result);
    }
    return false;
}

bool dv_pg_result_grants(const struct dv_pg_connection *connection)
{
    const PGresult *result = connection->result;
    return PQntuples(result) == 1 && PQnfields(result) >= 1 && PQgetvalue(result, 0, 0)[0] == 't';
}

bool dv_pg_result_has_reader(const struct dv_pg_connection *connection)
{
    const PGresult *result = connection->result;
    return connection->pg->config.reader == NULL || (PQnfields(result) == 2 && PQgetvalue(result, 0, 1)[0] == 't');
}

/* A decimal number as the server tells it; libpq's text for "none" is empty. */
static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (uint64_t)(*text - '0');
    return number;
}

bool dv_pg_result_fenced(const struct dv_pg_connection *connection)
{
    const PGresult *result = connection->result;
    return connection->task == DV_PG_TASK_PUT && connection->pg->config.owner != NULL &&
           !(PQntuples(result) == 1 && PQnfields(result) == 2 && PQgetvalue(result, 0, 1)[0] == 1);
}

uint64_t dv_pg_result_total(const struct dv_pg_connection *connection)
{
    PGresult *result = connection->result;
    if (connection->task == DV_PG_TASK_PUT && connection->pg->config.owner == NULL)
        return number_of(PQcmdTuples(result));
    if (PQntuples(result) != 1 || PQgetlength(result, 0, 0) != 8)
        return 0;
    return (uint64_t)dv_pg_read_int64(PQgetvalue(result, 0, 0));
}

static struct dv_store_bytes bytes_of(const PGresult *result, int index, int column)
{
    if (PQgetisnull(result, index, column))
        return (struct dv_store_bytes){ 0 };
    return (struct dv_store_bytes){ PQgetvalue(result, index, column), (size_t)PQgetlength(result, index, column) };
}

bool dv_pg_result_members(const PGresult *result, int index, struct dv_store_row *ret)
{
    if (PQnfields(result) <= COL_CIPHERTEXT || PQgetlength(result, index, COL_CREATED) != 8)
        return false;
    ret->tenant = bytes_of(result, index, COL_TENANT);
    ret->schema = bytes_of(result, index, COL_SCHEMA);
    ret->created_ms = dv_pg_time_to_ms(dv_pg_read_int64(PQgetvalue(result, index, COL_CREATED)));
    ret->data_hash = bytes_of(result, index, COL_HASH);
    ret->key_ref = bytes_of(result, index, COL_KEY);
    ret->subject_ref = bytes_of(result, index, COL_SUBJECT);
    ret->nonce = bytes_of(result, index, COL_NONCE);
    ret->ciphertext = bytes_of(result, index, COL_CIPHERTEXT);
    return true;
}

dv_rc dv_pg_result_row(const struct dv_pg_connection *connection, struct dv_store_row *ret)
{
    const PGresult *result = connection->result;
    if (PQntuples(result) == 0)
        return DV_E_MISSING;
    return dv_pg_result_members(result, 0, ret) ? DV_OK : DV_E_FAILED;
}
