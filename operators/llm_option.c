/* SPDX-License-Identifier: Apache-2.0
 * llm_option.c - from an operator's options to an open connector of a language model. */
#include "operators/llm_option.h"

#include <string.h>

#include "connectors/llm_models.h"
#include "connectors/snowflake_alone.h"
#include "engine/graph.h"
#include "engine/memory.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "operators/snowflake_option.h"

int dv_llm_service_kind(const struct dv_llm_service *service, int which)
{
    return which < DV_LLM_CORTEX ? which : DV_LLM_CORTEX + service->api;
}

static struct dv_snowflake_server server_of(const struct dv_llm_service *service)
{
    return (struct dv_snowflake_server){ .account = service->account,
                                         .url = service->url,
                                         .user = service->user,
                                         .key = service->key,
                                         .passphrase = service->passphrase,
                                         .token = service->token,
                                         .token_kind = service->token_kind,
                                         .ca = service->ca };
}

static struct dv_llm_config config_of(const struct dv_llm_service *service, int kind)
{
    const struct dv_snowflake_server server = server_of(service);
    bool cortex = kind >= DV_LLM_CORTEX;
    return (struct dv_llm_config){ .kind = (enum dv_llm_kind)kind,
                                   .url = service->url,
                                   .key = cortex ? NULL : service->key,
                                   .identity = dv_snowflake_server_config(NULL, &server).identity,
                                   .role = service->role,
                                   .warehouse = service->warehouse,
                                   .model = service->model,
                                   .ca = service->ca,
                                   .guarded = service->guarded,
                                   .tokens_per_day = (uint64_t)service->tokens_per_day };
}

/* Whose it is, of Cortex; and nobody's, of the others. */
static dv_rc check_account(struct dv_node *node, const struct dv_llm_service *service, int kind, const char *option)
{
    const struct dv_snowflake_server server = server_of(service);
    bool named = service->account != NULL || service->user != NULL || service->passphrase != NULL || service->token != NULL ||
                 service->role != NULL || service->warehouse != NULL;
    if (kind < DV_LLM_CORTEX && (named || service->api != 0 || service->guarded))
        return dv_refuse(node, option, "C237", NULL,
                         "`account` and what goes with it, `api` and `guardrails` are Cortex', and `%s` is another service",
                         option);
    if (kind < DV_LLM_CORTEX)
        return DV_OK;
    if (service->account == NULL)
        return dv_refuse(node, option, "C238", "as in account: myorg-account1", "Cortex needs the `account` that it is of");
    if (service->guarded && kind != DV_LLM_CORTEX_NATIVE)
        return dv_refuse(node, "guardrails", "C237", "say api: complete", "`guardrails` are of `api: complete` alone");
    if ((service->role != NULL || service->warehouse != NULL) && kind != DV_LLM_CORTEX_SQL)
        return dv_refuse(node, option, "C237", "say api: sql", "`role` and `warehouse` are of `api: sql` alone");
    return dv_snowflake_server_check(node, &server);
}

dv_rc dv_llm_service_check(struct dv_node *node, const struct dv_llm_service *service, int kind, const char *option)
{
    const struct dv_llm_config config = config_of(service, kind);
    struct dv_error error = { 0 };
    if (service->model == NULL)
        return dv_refuse(node, option, "C231", "as in model: llama-3.2-3b",
                         "`%s` is a service that must be told which `model`", option);
    DV_TRY(check_account(node, service, kind, option));
    if (dv_llm_check(&config, &error) == DV_OK)
        return DV_OK;
    return dv_refuse(node, option, "C235", "see the operator's page in `datavault docs`", "%s", error.text);
}

/* ---- Cortex' models ---- */

static const struct dv_option *row_of(const struct dv_node *node, const char *name)
{
    for (const struct dv_option *row = dv_node_operator(node)->options; row != NULL && row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

const struct dv_llm_service *dv_llm_service_of(const struct dv_node *node, bool *ret_vectors)
{
    const struct dv_option *row = row_of(node, "tokens_per_day");
    if (row == NULL)
        return NULL;
    const char *at = (const char *)dv_state(node) + row->offset - offsetof(struct dv_llm_service, tokens_per_day);
    const struct dv_llm_service *service = (const void *)at;
    *ret_vectors = row_of(node, "embedder") != NULL;
    bool by_statements = *ret_vectors && service->api != 0;
    return service->account != NULL && !by_statements ? service : NULL;
}

/* What cannot be told now is told by the requests, as is whether a role that may not see the list may make vectors. */
static void on_models(struct dv_llm_models *models)
{
    struct dv_node *node = models->data;
    if (models->rc != DV_E_CONFIG || (models->forbidden && models->vectors))
        return;
    (void)dv_fail(node, DV_E_CONFIG, "%s", models->error.text);
    dv_halt(node, DV_E_CONFIG);
}

static dv_rc look_at_models(struct dv_node *node, struct dv_llm_service *service)
{
    bool vectors = false;
    if (dv_llm_service_of(node, &vectors) == NULL)
        return DV_OK;
    service->models = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *service->models);
    if (service->models == NULL)
        return dv_fail(node, DV_E_MEMORY, "no memory for a language model's service");
    service->models->on_end = on_models;
    service->models->data = node;
    dv_rc rc = dv_llm_models_look(service->models, service->llm, vectors);
    return rc == DV_OK ? DV_OK : dv_fail(node, rc, "%s", service->models->error.text);
}

dv_rc dv_llm_service_open(struct dv_node *node, struct dv_llm_service *service, int kind, int64_t deadline_ms)
{
    struct dv_llm_config config = config_of(service, kind);
    struct dv_error error = { 0 };
    uint32_t longest = (uint32_t)deadline_ms;
    config.loop = dv_node_loop(node);
    config.deadlines = (struct dv_http_deadlines){ .first_byte_ms = longest, .idle_ms = longest, .total_ms = longest };
    struct dv_llm *llm = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *llm);
    if (kind == DV_LLM_CORTEX_SQL)
        config.snowflake = dv_arena_zeroed(dv_node_arena(node), 1, sizeof *config.snowflake);
    if (llm == NULL || (kind == DV_LLM_CORTEX_SQL && config.snowflake == NULL))
        return dv_fail(node, DV_E_MEMORY, "no memory for a language model's service");
    dv_rc rc = dv_llm_open(llm, &config, &error);
    if (dv_is_error(rc))
        return dv_fail(node, rc, "%s", error.text);
    service->llm = llm;
    return look_at_models(node, service);
}

/* ---- a look without a run ---- */

enum { PATIENCE_MS = 10000 };

/* A loop, a connector and what it asks. */
struct looking {
    struct dv_snowflake_alone alone;
    struct dv_llm llm;
    struct dv_llm_models models;
    bool over;
};

static void on_looked(struct dv_llm_models *models)
{
    struct looking *looking = models->data;
    looking->over = true;
}

static dv_rc look(struct looking *looking, const struct dv_llm_service *service, bool vectors, struct dv_error *error)
{
    const struct dv_snowflake_server server = server_of(service);
    const struct dv_snowflake_config account = dv_snowflake_server_config(NULL, &server);
    struct dv_llm_config config = config_of(service, DV_LLM_CORTEX);
    config.deadlines = (struct dv_http_deadlines){ .total_ms = PATIENCE_MS };
    DV_TRY(dv_snowflake_alone_open(&looking->alone, &account, error));
    config.loop = &looking->alone.loop.base;
    DV_TRY(dv_llm_open(&looking->llm, &config, error));
    looking->models = (struct dv_llm_models){ .on_end = on_looked, .data = looking };
    dv_rc rc = dv_llm_models_look(&looking->models, &looking->llm, vectors);
    if (rc == DV_OK) {
        dv_snowflake_alone_wait(&looking->alone, &looking->over);
        rc = looking->models.rc;
    }
    *error = looking->models.error;
    return rc;
}

dv_rc dv_llm_service_look(const struct dv_node *node, bool *ret_told, struct dv_error *error)
{
    bool vectors = false;
    const struct dv_llm_service *service = dv_llm_service_of(node, &vectors);
    struct looking *looking = dv_memory_zeroed(1, sizeof *looking);
    if (looking == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for a connection");
    dv_rc rc = look(looking, service, vectors, error);
    *ret_told = looking->models.told;
    dv_llm_models_close(&looking->models);
    dv_llm_close(&looking->llm);
    dv_snowflake_alone_close(&looking->alone);
    dv_memory_free(looking);
    return rc;
}

void dv_llm_service_close(struct dv_llm_service *service)
{
    if (service->models != NULL)
        dv_llm_models_close(service->models);
    if (service->llm != NULL)
        dv_llm_close(service->llm);
    service->llm = NULL;
    service->models = NULL;
}

const char *dv_llm_service_waits(const struct dv_llm_service *service)
{
    return service->llm != NULL ? dv_llm_waits(service->llm) : NULL;
}

const struct dv_breaker *dv_llm_service_breaker(const struct dv_llm_service *service, uint32_t index)
{
    return service->llm != NULL && index == 0 ? dv_llm_breaker(service->llm) : NULL;
}

bool dv_llm_service_gauge(const struct dv_llm_service *service, uint32_t index, struct dv_gauge *ret)
{
    if (service->llm == NULL)
        return false;
    const struct dv_llm_figures *figures = dv_llm_figures(service->llm);
    const struct dv_gauge gauges[] = {
        { "llm_requests", (double)figures->asked },      { "llm_cache_hits", (double)figures->kept },
        { "llm_retries", (double)figures->retries },     { "llm_failed", (double)figures->failed },
        { "llm_over_budget", (double)figures->refused }, { "llm_blocked", (double)figures->blocked },
        { "llm_personal", (double)figures->personal },   { "llm_circuit", (double)dv_llm_breaker(service->llm)->state },
        { "tokens_in", (double)figures->tokens_in },     { "tokens_out", (double)figures->tokens_out },
    };
    if (index >= sizeof gauges / sizeof gauges[0])
        return false;
    *ret = gauges[index];
    return true;
}
