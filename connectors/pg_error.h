/* SPDX-License-Identifier: Apache-2.0
 * pg_error.h - what an SQLSTATE or a failed connection of PostgreSQL means here. */
#ifndef DV_CONNECTORS_PG_ERROR_H
#define DV_CONNECTORS_PG_ERROR_H

#include "connectors/pg.h"

/* The meaning of an SQLSTATE; unknown or malformed ones are DV_E_IO, NULL is a lost connection. */
struct dv_pg_outcome dv_pg_outcome_of(const char *sqlstate);

/* The meaning of libpq's message for a connection that was not made; with verbosity SQLSTATE it ends in that. */
struct dv_pg_outcome dv_pg_outcome_of_message(const char *message);

/* An outcome of our own. */
struct dv_pg_outcome dv_pg_outcome_make(dv_rc rc, const char *reason);

/* Fills *error with the reason and the SQLSTATE, if there is one; gives back the outcome's rc. */
dv_rc dv_pg_outcome_error(const struct dv_pg_outcome *outcome, struct dv_error *error);

#endif
