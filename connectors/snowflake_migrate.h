/* SPDX-License-Identifier: Apache-2.0
 * snowflake_migrate.h - makes tables in Snowflake, or brings them up to date: what is there is looked at first, so that
 * doing it again changes nothing and needs no right to make anything. Blocks: for commands only. */
#ifndef DV_CONNECTORS_SNOWFLAKE_MIGRATE_H
#define DV_CONNECTORS_SNOWFLAKE_MIGRATE_H

#include "connectors/snowflake_schema.h"

struct dv_snowflake_config;
struct dv_snowflake_migrator;

/* What a migration found and did. */
struct dv_snowflake_migration {
    int from; /* the version that was there; 0: none, or it does not say */
    int to;
    bool made;        /* there was no such table */
    bool schema_made; /* nor such a schema */
    uint32_t added;   /* columns */
};

/* Opens an account; of the configuration only who and where count, for names are told in full, and no warehouse is needed. What
 * dv_snowflake_open() says, and DV_E_MEMORY. Close it in any case. */
DV_CHECKED dv_rc dv_snowflake_migrator_new(struct dv_snowflake_migrator **ret, const struct dv_snowflake_config *config,
                                           struct dv_error *error);

/* Makes the table, its schema if there is none, or adds the columns that it lacks. DV_E_CONFIG: a column is of another type, a later
 * program made it, or the role may not; DV_E_DEPENDENCY. */
DV_CHECKED dv_rc dv_snowflake_migrate(struct dv_snowflake_migrator *migrator, const struct dv_snowflake_wanted *wanted,
                                      struct dv_snowflake_migration *ret, struct dv_error *error);

/* Runs a statement that brings no rows; `what` is for the error. */
DV_CHECKED dv_rc dv_snowflake_migrator_run(struct dv_snowflake_migrator *migrator, const char *sql, const char *what,
                                           struct dv_error *error);

/* Accepts NULL. */
void dv_snowflake_migrator_free(struct dv_snowflake_migrator *migrator);

#endif
