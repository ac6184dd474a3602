/* SPDX-License-Identifier: Apache-2.0
 * pg_url.h - from a URL, a password's reference and our own defaults to what libpq connects with.
 *
 * The parameters hold the password: they live in locked memory, and only until the connection is begun. */
#ifndef DV_CONNECTORS_PG_URL_H
#define DV_CONNECTORS_PG_URL_H

#include "connectors/pg.h"

enum { DV_PG_PARAMS_MAX = 48, DV_PG_PARAMS_TEXT = 12 * 1024 };

/* Two NULL-terminated lists, as PQconnectStartParams() wants them. */
struct dv_pg_params {
    const char *keys[DV_PG_PARAMS_MAX + 1];
    const char *values[DV_PG_PARAMS_MAX + 1];
    size_t count;
    size_t used;
    char text[DV_PG_PARAMS_TEXT];
};

/* Reads the URL and the secrets. Of several hosts in the URL, number `attempt` (round and round) is taken. DV_E_CONFIG,
 * DV_E_MISSING, DV_E_LIMIT, DV_E_MEMORY; no text holds a part of the URL. Free with dv_pg_params_free(). */
DV_CHECKED dv_rc dv_pg_params_new(struct dv_pg_params **ret, const struct dv_pg_config *config, uint32_t attempt,
                                  struct dv_error *error);

/* Wipes; accepts NULL. */
void dv_pg_params_free(struct dv_pg_params *params);

/* A parameter, or NULL. */
const char *dv_pg_params_get(const struct dv_pg_params *params, const char *key);

/* Sets or replaces one; false if there is no room. */
bool dv_pg_params_set(struct dv_pg_params *params, const char *key, const char *value);

/* The name that must be resolved before connecting; NULL if it is an address already, or a socket's directory. */
const char *dv_pg_params_unresolved(const struct dv_pg_params *params);

/* Whether a host (NULL: none given) is this machine, so that TLS may be left out. */
bool dv_pg_host_is_local(const char *host);

/* Whether a URL has a password in it (a malformed one has none). */
bool dv_pg_url_has_password(const char *url);

/* The check of a configuration that needs no server and no secret. DV_E_CONFIG. */
DV_CHECKED dv_rc dv_pg_config_check(const struct dv_pg_config *config, struct dv_error *error);

#endif
