/* SPDX-License-Identifier: Apache-2.0
 * pg_url.c - reads the URL by libpq's own parser and adds what we want to be different. */
#include "connectors/pg_url.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/memory.h"
#include "engine/option.h"

enum { SECRET_MAX = 4096, HOST_MAX = 256 };

static const char *const authority_files[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                               "/etc/ssl/cert.pem" };

const char *dv_pg_params_get(const struct dv_pg_params *params, const char *key)
{
    for (size_t i = 0; i < params->count; i++)
        if (strcmp(params->keys[i], key) == 0)
            return params->values[i];
    return NULL;
}

static const char *keep_text(struct dv_pg_params *params, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size > sizeof params->text - params->used)
        return NULL;
    char *kept = params->text + params->used;
    memcpy(kept, text, size);
    params->used += size;
    return kept;
}

bool dv_pg_params_set(struct dv_pg_params *params, const char *key, const char *value)
{
    const char *kept = keep_text(params, value);
    if (kept == NULL)
        return false;
    for (size_t i = 0; i < params->count; i++) {
        if (strcmp(params->keys[i], key) == 0) {
            params->values[i] = kept;
            return true;
        }
    }
    const char *name = params->count < DV_PG_PARAMS_MAX ? keep_text(params, key) : NULL;
    if (name == NULL)
        return false;
    params->keys[params->count] = name;
    params->values[params->count++] = kept;
    return true;
}

static bool set_number(struct dv_pg_params *params, const char *key, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    return dv_pg_params_set(params, key, text);
}

static bool set_unless_given(struct dv_pg_params *params, const char *key, const char *value)
{
    return dv_pg_params_get(params, key) != NULL || dv_pg_params_set(params, key, value);
}

bool dv_pg_host_is_local(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (host == NULL || host[0] == '\0' || host[0] == '/' || host[0] == '@' || strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

const char *dv_pg_params_unresolved(const struct dv_pg_params *params)
{
    struct in6_addr any;
    const char *host = dv_pg_params_get(params, "host");
    bool needs_none = host == NULL || host[0] == '/' || host[0] == '@' || dv_pg_params_get(params, "hostaddr") != NULL ||
                      inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
    return needs_none ? NULL : host;
}

/* Of "a,b,c" the item of that number, round and round; false if it is too long. */
static bool pick(const char *list, uint32_t number, char *ret, size_t size)
{
    uint32_t count = 1;
    for (const char *at = list; *at != '\0'; at++)
        count += *at == ',';
    for (number %= count; number > 0; number--)
        list = strchr(list, ',') + 1;
    size_t length = strcspn(list, ",");
    if (length >= size)
        return false;
    memcpy(ret, list, length);
    ret[length] = '\0';
    return true;
}

/* One host of several: we try them ourselves, so that each try has its own time-out and name look-up. */
static bool pick_host(struct dv_pg_params *params, uint32_t attempt)
{
    static const char *const keys[] = { "host", "hostaddr", "port" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char item[HOST_MAX];
        const char *list = dv_pg_params_get(params, keys[i]);
        if (list == NULL || strchr(list, ',') == NULL)
            continue;
        if (!pick(list, attempt, item, sizeof item) || !dv_pg_params_set(params, keys[i], item))
            return false;
    }
    const char *variable = getenv("PGHOST");
    if (dv_pg_params_get(params, "host") == NULL && dv_pg_params_get(params, "hostaddr") == NULL && variable != NULL)
        return strchr(variable, ',') == NULL && dv_pg_params_set(params, "host", variable);
    return true;
}

/* A file of authorities, if neither the URL nor the user's own directory has one: libpq 15 cannot ask the system. */
static bool set_authorities(struct dv_pg_params *params)
{
    char own[HOST_MAX + 32];
    const char *home = getenv("HOME");
    (void)snprintf(own, sizeof own, "%.*s/.postgresql/root.crt", HOST_MAX, home != NULL ? home : "");
    if (dv_pg_params_get(params, "sslrootcert") != NULL || getenv("PGSSLROOTCERT") != NULL || access(own, R_OK) == 0)
        return true;
    for (size_t i = 0; i < sizeof authority_files / sizeof authority_files[0]; i++)
        if (access(authority_files[i], R_OK) == 0)
            return dv_pg_params_set(params, "sslrootcert", authority_files[i]);
    return true;
}

static bool set_tls(struct dv_pg_params *params)
{
    const char *host = dv_pg_params_get(params, "host");
    if (host == NULL)
        host = dv_pg_params_get(params, "hostaddr");
    const char *mode = dv_pg_params_get(params, "sslmode");
    if (mode == NULL && getenv("PGSSLMODE") == NULL) {
        mode = dv_pg_host_is_local(host) ? "prefer" : "verify-full";
        if (!dv_pg_params_set(params, "sslmode", mode))
            return false;
    }
    bool verifies = mode != NULL && strncmp(mode, "verify-", 7) == 0;
    return !verifies || set_authorities(params);
}

static bool set_ours(struct dv_pg_params *params, const struct dv_pg_config *config)
{
    return set_unless_given(params, "application_name", "datavault") && set_unless_given(params, "keepalives", "1") &&
           set_unless_given(params, "keepalives_idle", "10") && set_unless_given(params, "keepalives_interval", "5") &&
           set_unless_given(params, "keepalives_count", "3") &&
           set_number(params, "tcp_user_timeout", config->timeout_ms) &&
           dv_pg_params_set(params, "client_encoding", "UTF8") && dv_pg_params_set(params, "gssencmode", "disable") &&
           set_tls(params);
}

static bool is_url(const char *text)
{
    return strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0;
}

/* Wiped, for one of the values is the password. */
static void free_options(PQconninfoOption *options)
{
    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
        if (option->val != NULL)
            explicit_bzero(option->val, strlen(option->val));
    PQconninfoFree(options);
}

/* libpq's own message would repeat parts of the URL. */
static PQconninfoOption *parse(const char *url)
{
    char *message = NULL;
    PQconninfoOption *options = is_url(url) ? PQconninfoParse(url, &message) : NULL;
    if (message != NULL) {
        explicit_bzero(message, strlen(message));
        PQfreemem(message);
    }
    return options;
}

bool dv_pg_url_has_password(const char *url)
{
    bool found = false;
    PQconninfoOption *options = parse(url);
    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
        found = found || (option->val != NULL && strcmp(option->keyword, "password") == 0);
    free_options(options);
    return found;
}

static dv_rc take_url(struct dv_pg_params *params, const char *url, struct dv_error *error)
{
    PQconninfoOption *options = parse(url);
    if (options == NULL)
        return dv_error_set(error, DV_E_CONFIG, "a PostgreSQL URL looks like postgresql://user@host:5432/database");
    bool fits = true;
    for (PQconninfoOption *option = options; option->keyword != NULL && fits; option++)
        if (option->val != NULL && option->val[0] != '\0')
            fits = dv_pg_params_set(params, option->keyword, option->val);
    free_options(options);
    return fits ? DV_OK : dv_error_set(error, DV_E_LIMIT, "the PostgreSQL URL is too long");
}

/* Calls `take` with the secret behind a reference. */
static dv_rc with_secret(struct dv_pg_params *params, const char *reference,
                         dv_rc (*take)(struct dv_pg_params *, const char *, struct dv_error *), struct dv_error *error)
{
    size_t length = 0;
    char *secret = dv_memory_secret(SECRET_MAX);
    if (secret == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no locked memory for a secret");
    dv_rc rc = dv_secret_read(reference, secret, SECRET_MAX, &length, error);
    if (rc == DV_OK)
        rc = take(params, secret, error);
    dv_memory_secret_free(secret, SECRET_MAX);
    return rc;
}

static dv_rc take_password(struct dv_pg_params *params, const char *password, struct dv_error *error)
{
    bool fits = dv_pg_params_set(params, "password", password);
    return fits ? DV_OK : dv_error_set(error, DV_E_LIMIT, "the password is too long");
}

static dv_rc fill(struct dv_pg_params *params, const struct dv_pg_config *config, uint32_t attempt,
                  struct dv_error *error)
{
    if (dv_is_secret_reference(config->url))
        DV_TRY(with_secret(params, config->url, take_url, error));
    else
        DV_TRY(take_url(params, config->url, error));
    if (config->password != NULL)
        DV_TRY(with_secret(params, config->password, take_password, error));
    if (!pick_host(params, attempt) || !set_ours(params, config))
        return dv_error_set(error, DV_E_LIMIT, "the PostgreSQL URL is too long");
    return DV_OK;
}

dv_rc dv_pg_params_new(struct dv_pg_params **ret, const struct dv_pg_config *config, uint32_t attempt,
                       struct dv_error *error)
{
    struct dv_pg_params *params = dv_memory_secret(sizeof *params);
    if (params == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no locked memory for the connection's parameters");
    memset(params, 0, sizeof *params);
    dv_rc rc = fill(params, config, attempt, error);
    if (rc != DV_OK) {
        dv_pg_params_free(params);
        return rc;
    }
    *ret = params;
    return DV_OK;
}

void dv_pg_params_free(struct dv_pg_params *params)
{
    if (params != NULL)
        dv_memory_secret_free(params, sizeof *params);
}

dv_rc dv_pg_config_check(const struct dv_pg_config *config, struct dv_error *error)
{
    const char *names[] = { config->schema, config->table };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!dv_is_name(names[i]) || strlen(names[i]) > DV_PG_NAME_MAX)
            return dv_error_set(error, DV_E_CONFIG, "schema and table are names of at most %d letters, digits and _.-",
                                DV_PG_NAME_MAX);
    if (config->owner != NULL && (!dv_is_name(config->owner) || strlen(config->owner) > DV_PG_NAME_MAX))
        return dv_error_set(error, DV_E_CONFIG, "an owner is a name of at most %d letters, digits and _.-", DV_PG_NAME_MAX);
    if (config->reader != NULL && (!dv_is_name(config->reader) || strlen(config->reader) > DV_PG_NAME_MAX))
        return dv_error_set(error, DV_E_CONFIG, "a reader is a name of at most %d letters, digits and _.-", DV_PG_NAME_MAX);
    if (config->password != NULL && !dv_is_secret_reference(config->password))
        return dv_error_set(error, DV_E_CONFIG, "the password must be a secret's reference: env:NAME or file:PATH");
    if (dv_is_secret_reference(config->url))
        return DV_OK;
    PQconninfoOption *options = parse(config->url);
    free_options(options);
    if (options == NULL)
        return dv_error_set(error, DV_E_CONFIG, "a PostgreSQL URL looks like postgresql://user@host:5432/database");
    return DV_OK;
}
