/* SPDX-License-Identifier: Apache-2.0
 * pg_schema.c - the versions of the table, and how one becomes the next. */
#include "connectors/pg_schema.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/pg_error.h"
#include "connectors/pg_url.h"
#include "engine/crash.h"

enum { SQL_MAX = 2048 };

/* Version i+1 is made from version i; "@R" is the table. Ciphertext does not compress: the server need not try. */
static const char *const versions[] = {
    "CREATE TABLE @R(id uuid PRIMARY KEY, tenant text NOT NULL, schema text NOT NULL, created_at timestamptz NOT NULL,"
    " data_hash bytea NOT NULL, key_ref text NOT NULL, subject_ref bytea, nonce bytea NOT NULL,"
    " ciphertext bytea NOT NULL, processed_at timestamptz);"
    "ALTER TABLE @R ALTER COLUMN ciphertext SET STORAGE EXTERNAL",
    "ALTER TABLE @R DROP COLUMN processed_at", /* each reader has its own rows of `pending` instead */
};

/* Likewise of a table of vectors; "@W" is how many numbers each has. */
static const char *const vector_versions[] = {
    "CREATE TABLE @R(tenant text NOT NULL, id uuid NOT NULL, schema text NOT NULL, created_at timestamptz NOT NULL, model text,"
    " text text NOT NULL, subject_ref bytea, subjects integer NOT NULL, hash bytea NOT NULL, vector vector(@W),"
    " words tsvector GENERATED ALWAYS AS (to_tsvector('pg_catalog.english', text)) STORED, PRIMARY KEY (tenant, id),"
    " CHECK ((vector IS NULL) = (model IS NULL)));"
    "CREATE INDEX ON @R(tenant, model) WHERE model IS NOT NULL;"
    "CREATE INDEX ON @R(tenant, subject_ref) WHERE subject_ref IS NOT NULL;"
    "CREATE INDEX ON @R USING gin (words);"
    "CREATE INDEX ON @R USING hnsw (vector vector_cosine_ops) WITH (m = 16, ef_construction = 128)",
    "CREATE INDEX ON @R(tenant, schema, created_at)", /* what is kept for a time only is let go by it */
};

/* The tables of a kind. */
struct tables {
    const char *const *versions;
    int count;
};

static struct tables tables_of(const struct dv_pg_config *config)
{
    if (config->vector_width != 0)
        return (struct tables){ vector_versions, sizeof vector_versions / sizeof vector_versions[0] };
    return (struct tables){ versions, sizeof versions / sizeof versions[0] };
}

/* One migration under way. */
struct work {
    const struct dv_pg_config *config;
    const struct dv_pg_reader *reader;
    PGconn *link;
    struct dv_error *error;
};

int dv_pg_schema_version(void)
{
    return sizeof versions / sizeof versions[0];
}

static void ignore_notice(void *data, const PGresult *result)
{
    (void)data;
    (void)result;
}

static dv_rc refused(const struct work *work, struct dv_pg_outcome outcome)
{
    if (strcmp(outcome.sqlstate, "42P07") == 0)
        outcome.reason = "a table of this name is there that `datavault migrate` did not make: choose another by table:";
    else if (work->config->vector_width != 0 && (strcmp(outcome.sqlstate, "0A000") == 0 || strcmp(outcome.sqlstate, "58P01") == 0))
        outcome.reason = "the server has no pgvector: install it there, as the package postgresql-NN-pgvector";
    else if (strcmp(outcome.sqlstate, "42501") == 0)
        outcome.reason = "permission denied: the role must own the schema, or be allowed to create it in the database";
    return dv_pg_outcome_error(&outcome, work->error);
}

/* Waits until the socket is ready for the next step of connecting; false after the time-out. */
static bool wait_for(const struct work *work, PostgresPollingStatusType step)
{
    struct pollfd fd = { .fd = PQsocket(work->link), .events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT };
    return poll(&fd, 1, (int)work->config->connect_timeout_ms) > 0;
}

static dv_rc connect_link(struct work *work)
{
    struct dv_pg_params *params = NULL;
    DV_TRY(dv_pg_params_new(&params, work->config, 0, work->error));
    work->link = PQconnectStartParams(params->keys, params->values, 0);
    dv_pg_params_free(params);
    (void)PQsetErrorVerbosity(work->link, PQERRORS_SQLSTATE);
    (void)PQsetNoticeReceiver(work->link, ignore_notice, NULL);
    PostgresPollingStatusType step = PQstatus(work->link) != CONNECTION_BAD ? PGRES_POLLING_WRITING : PGRES_POLLING_FAILED;
    while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
        if (!wait_for(work, step))
            return refused(work, dv_pg_outcome_make(DV_E_DEPENDENCY, "the server did not answer in time"));
        step = PQconnectPoll(work->link);
    }
    if (step == PGRES_POLLING_OK)
        return DV_OK;
    if (PQconnectionNeedsPassword(work->link))
        return refused(work, dv_pg_outcome_make(DV_E_CONFIG, "the server asks for a password, and there is none"));
    return refused(work, dv_pg_outcome_of_message(PQerrorMessage(work->link)));
}

/* Runs statements; *ret (may be NULL) gets the number in the last one's only value, 0 if it has none. */
static dv_rc run(const struct work *work, const char *sql, int *ret)
{
    PGresult *result = PQexec(work->link, sql);
    ExecStatusType status = PQresultStatus(result);
    dv_rc rc = DV_OK;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        rc = refused(work, dv_pg_outcome_of(PQresultErrorField(result, PG_DIAG_SQLSTATE)));
    else if (ret != NULL)
        *ret = PQntuples(result) == 1 ? (int)strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return rc;
}

static const char *name_of(const struct work *work, char letter)
{
    switch (letter) {
    case 'S': return work->config->schema;
    case 'T': return work->config->table;
    case 'A': return work->reader->name;
    case 'B': return work->reader->tenant;
    case 'C': return work->reader->schema;
    default: DV_ASSERT(!"a letter that stands for a name"); return NULL;
    }
}

/* The same with the names put in: "@S" is the schema, "@T" the table, "@R" both with quotes, "@N" a number, "@A" the
 * reader, "@B" and "@C" its tenant and schema. Names have no character that SQL or quotes could mind. */
static dv_rc run_named(const struct work *work, const char *with_names, int number, int *ret)
{
    char sql[SQL_MAX];
    size_t length = 0;
    for (const char *at = with_names; *at != '\0'; at++) {
        size_t room = sizeof sql - length;
        int written = 1;
        if (*at != '@')
            sql[length] = *at;
        else if (*++at == 'R')
            written = snprintf(sql + length, room, "\"%s\".\"%s\"", work->config->schema, work->config->table);
        else if (*at == 'N')
            written = snprintf(sql + length, room, "%d", number);
        else if (*at == 'W')
            written = snprintf(sql + length, room, "%d", (int)work->config->vector_width);
        else
            written = snprintf(sql + length, room, "%s", name_of(work, *at));
        DV_ASSERT(written > 0 && (size_t)written + 1 < room);
        length += (size_t)written;
    }
    sql[length] = '\0';
    return run(work, sql, ret);
}

#define FIND_TABLE(name) "SELECT count(*) FROM pg_tables WHERE schemaname = '@S' AND tablename = '" name "'"

/* What all tables of a schema share, and how to find out whether it is there. Checked first: "IF NOT EXISTS" alone asks
 * for the right to create even where nothing is to be created. */
static const struct {
    const char *find, *make;
} shared[] = {
    { "SELECT count(*) FROM pg_namespace WHERE nspname = '@S'", "CREATE SCHEMA \"@S\"" },
    { FIND_TABLE("schema_versions"),
      "CREATE TABLE \"@S\".schema_versions(relation text, version integer, applied_at timestamptz NOT NULL DEFAULT now(),"
      " PRIMARY KEY (relation, version))" },
    { FIND_TABLE("fences"),
      "CREATE TABLE \"@S\".fences(relation text, name text, token bigint NOT NULL,"
      " taken_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (relation, name))" },
    { FIND_TABLE("readers"),
      "CREATE TABLE \"@S\".readers(number bigint GENERATED ALWAYS AS IDENTITY UNIQUE, relation text, name text,"
      " tenant text NOT NULL, schema text NOT NULL, PRIMARY KEY (relation, name))" },
    /* Rows come, are leased and go: room for new versions beside the old keeps the index out of it. */
    { FIND_TABLE("pending"),
      "CREATE TABLE \"@S\".pending(reader bigint, id uuid, leased_until timestamptz NOT NULL DEFAULT '-infinity',"
      " PRIMARY KEY (reader, id)) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02)" },
    { "SELECT count(*) FROM pg_proc WHERE proname = 'note_pending' AND pronamespace = '\"@S\"'::regnamespace",
      "CREATE FUNCTION \"@S\".note_pending() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
      " SET search_path = pg_catalog, pg_temp AS $$BEGIN INSERT INTO \"@S\".pending(reader, id)"
      " SELECT r.number, n.id FROM stored n JOIN \"@S\".readers r ON r.relation = TG_TABLE_NAME AND r.tenant = n.tenant"
      " AND r.schema = n.schema; RETURN NULL; END$$" },
};

/* The table takes no records meanwhile, so that each is either here already or noted by the trigger. */
static const char make_reader[] =
    "LOCK TABLE @R IN SHARE ROW EXCLUSIVE MODE;"
    "INSERT INTO \"@S\".readers(relation, name, tenant, schema) VALUES ('@T', '@A', '@B', '@C');"
    "INSERT INTO \"@S\".pending(reader, id) SELECT r.number, b.id FROM @R b, \"@S\".readers r"
    " WHERE r.relation = '@T' AND r.name = '@A' AND b.tenant = '@B' AND b.schema = '@C'";

static dv_rc add_reader(const struct work *work)
{
    int found = 0;
    DV_TRY(run_named(work, "SELECT count(*) FROM \"@S\".readers WHERE relation = '@T' AND name = '@A'", 0, &found));
    if (found > 0) {
        DV_TRY(run_named(work, "SELECT count(*) FROM \"@S\".readers WHERE relation = '@T' AND name = '@A' AND tenant = '@B'"
                         " AND schema = '@C'", 0, &found));
        return found > 0 ? DV_OK : dv_error_set(work->error, DV_E_CONFIG, "the table has a reader '%s' of another tenant or"
                                                " schema: choose another name by reader:", work->reader->name);
    }
    DV_TRY(run_named(work, "SELECT count(*) FROM pg_trigger WHERE tgname = 'note_pending' AND tgrelid = '@R'::regclass", 0,
                     &found));
    if (found == 0)
        DV_TRY(run_named(work, "CREATE TRIGGER note_pending AFTER INSERT ON @R REFERENCING NEW TABLE AS stored"
                         " FOR EACH STATEMENT EXECUTE FUNCTION \"@S\".note_pending()", 0, NULL));
    return run_named(work, make_reader, 0, NULL);
}

static dv_rc make_shared(const struct work *work)
{
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        int found = 0;
        DV_TRY(run_named(work, shared[i].find, 0, &found));
        if (found == 0)
            DV_TRY(run_named(work, shared[i].make, 0, NULL));
    }
    return DV_OK;
}

static dv_rc apply(const struct work *work, int version)
{
    DV_TRY(run_named(work, tables_of(work->config).versions[version - 1], version, NULL));
    DV_CRASH_POINT("migrate.table-made");
    return run_named(work, "INSERT INTO \"@S\".schema_versions(relation, version) VALUES ('@T', @N)", version, NULL);
}

/* Wherever the extension is, or else in the schema: its types are found behind the server's own. */
static dv_rc find_vectors(const struct work *work)
{
    int found = 0;
    DV_TRY(run_named(work, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'", 0, &found));
    if (found == 0)
        DV_TRY(run_named(work, "CREATE EXTENSION vector WITH SCHEMA \"@S\"", 0, NULL));
    return run_named(work, "SELECT length(set_config('search_path', 'pg_catalog, ' || quote_ident(n.nspname), false)) FROM pg_extension e"
                     " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'", 0, &found);
}

static dv_rc migrate(const struct work *work, struct dv_pg_migration *ret)
{
    const int count = tables_of(work->config).count;
    int found = 0;
    DV_CRASH_POINT("migrate.connected");
    DV_TRY(run(work, "SET search_path TO pg_catalog; SET lock_timeout TO '30s'; BEGIN;"
                     "SELECT pg_advisory_xact_lock(1146508114)", NULL));
    DV_CRASH_POINT("migrate.locked");
    DV_TRY(make_shared(work));
    if (work->config->vector_width != 0)
        DV_TRY(find_vectors(work));
    DV_CRASH_POINT("migrate.schema-made");
    DV_TRY(run_named(work, "SELECT coalesce(max(version), 0) FROM \"@S\".schema_versions WHERE relation = '@T'", 0,
                     &found));
    if (found > count)
        return dv_error_set(work->error, DV_E_CONFIG, "the table was made by a later version (%d, this program knows %d);"
                            " upgrade the program first", found, count);
    for (int version = found + 1; version <= count; version++)
        DV_TRY(apply(work, version));
    if (work->reader != NULL)
        DV_TRY(add_reader(work));
    DV_CRASH_POINT("migrate.before-commit");
    DV_TRY(run(work, "COMMIT", NULL));
    DV_CRASH_POINT("migrate.committed");
    *ret = (struct dv_pg_migration){ .from = found, .to = count };
    return DV_OK;
}

dv_rc dv_pg_migrate(const struct dv_pg_config *config, const struct dv_pg_reader *reader, struct dv_pg_migration *ret,
                    struct dv_error *error)
{
    struct work work = { .config = config, .reader = reader, .error = error };
    DV_TRY(dv_pg_config_check(config, error));
    dv_rc rc = connect_link(&work);
    if (rc == DV_OK)
        rc = migrate(&work, ret);
    PQfinish(work.link); /* undoes what was not committed */
    return rc;
}
