/* SPDX-License-Identifier: Apache-2.0
 * llm_config.c - which service a configuration names, and whether it can be asked. */
#include <string.h>

#include "connectors/llm_internal.h"
#include "engine/option.h"

bool dv_llm_is_plain_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length <= DV_LLM_PATH_MAX / 2 && strspn(name, allowed) == length;
}

const struct dv_llm_api *dv_llm_api_of(enum dv_llm_kind kind)
{
    static const struct dv_llm_api *const apis[] = {
        [DV_LLM_OPENAI] = &dv_llm_openai,
        [DV_LLM_GEMINI] = &dv_llm_gemini,
        [DV_LLM_CORTEX] = &dv_llm_cortex,
        [DV_LLM_CORTEX_NATIVE] = &dv_llm_cortex_native,
        [DV_LLM_CORTEX_SQL] = &dv_llm_cortex_sql,
    };
    return apis[kind];
}

dv_rc dv_llm_check(const struct dv_llm_config *config, struct dv_error *error)
{
    const struct dv_llm_api *api = dv_llm_api_of(config->kind);
    const char *url = config->url != NULL ? config->url : api->url;
    if (api->of_snowflake)
        DV_TRY(dv_snowflake_identity_check(&config->identity, error));
    const char *fault = url != NULL ? dv_http_url_fault(url, config->key != NULL || api->of_snowflake) : NULL;
    if (fault != NULL)
        return dv_error_set(error, DV_E_CONFIG, "the model's service: %s", fault);
    if (config->key != NULL && !dv_is_secret_reference(config->key))
        return dv_error_set(error, DV_E_CONFIG, "the key of the model's service must be env:NAME or file:PATH");
    if (config->model == NULL || config->model[0] == '\0' || strlen(config->model) > DV_LLM_PATH_MAX / 2)
        return dv_error_set(error, DV_E_CONFIG, "the model's service needs the name of a model");
    if (config->kind != DV_LLM_OPENAI && !dv_llm_is_plain_name(config->model))
        return dv_error_set(error, DV_E_CONFIG, "the model's name is of letters, digits, dots, underscores and dashes");
    return DV_OK;
}

dv_rc dv_llm_open_identity(struct dv_llm *llm, struct dv_error *error)
{
    const struct dv_llm_config *config = &llm->config;
    if (!llm->api->of_snowflake)
        return DV_OK;
    if (!dv_snowflake_account_url(config->identity.account, llm->account_url, sizeof llm->account_url))
        return dv_error_set(error, DV_E_CONFIG, "the model's service: the account's name is too long");
    if (llm->api->by_statements) /* they show a token of their own */
        return DV_OK;
    return dv_snowflake_token_init(&llm->token, &config->identity, dv_wall_ms(config->loop), error);
}
