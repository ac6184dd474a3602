/* SPDX-License-Identifier: Apache-2.0
 * llm_models.c - GET /api/v2/cortex/models, and whether the model is there. Names come plain, or each as the `name` of an object. */
#include "connectors/llm_models.h"

#include <string.h>
#include <strings.h>

#include "connectors/llm_internal.h"
#include "engine/memory.h"

enum { NAMES_MAX = 256 /* bytes of those that are told */ };

/* What a list came to. */
struct listed {
    uint32_t count; /* of all names */
    bool vectors;   /* one of them is of a model that makes vectors */
    bool found;
    char names[NAMES_MAX]; /* the first ones, with commas */
};

static void wipe(struct dv_llm_models *models)
{
    if (models->bearer != NULL)
        explicit_bzero(models->bearer, DV_SNOWFLAKE_BEARER_MAX);
    dv_memory_free(models->bearer);
    models->bearer = NULL;
}

static void end(struct dv_llm_models *models, dv_rc rc)
{
    dv_sse_text_free(&models->body);
    models->asking = false;
    models->rc = rc;
    models->on_end(models);
}

/* ---- the list ---- */

/* As long as there is room; a name that is no plain one is somebody's mistake, and not shown. */
static void tell(struct listed *listed, const char *name)
{
    size_t used = strlen(listed->names), length = strlen(name);
    if (used + length + 3 > sizeof listed->names)
        return;
    if (used > 0) {
        memcpy(listed->names + used, ", ", 3);
        used += 2;
    }
    memcpy(listed->names + used, name, length + 1);
}

static void take_name(struct listed *listed, const struct dv_llm_config *config, const char *text, size_t length)
{
    char name[DV_LLM_PATH_MAX / 2 + 1];
    if (length >= sizeof name || memchr(text, '\0', length) != NULL)
        return;
    memcpy(name, text, length);
    name[length] = '\0';
    if (!dv_llm_is_plain_name(name))
        return;
    listed->count++;
    listed->found = listed->found || strcasecmp(name, config->model) == 0;
    listed->vectors = listed->vectors || dv_llm_width(DV_LLM_CORTEX_SQL, name) > 0;
    tell(listed, name);
}

static struct listed read_list(const struct dv_llm_models *models, struct dv_doc *doc)
{
    struct listed listed = { 0 };
    dv_doc_at list = dv_doc_in(doc, dv_doc_root(doc), "models");
    for (dv_doc_at one = dv_doc_first(doc, list); one != NULL; one = dv_doc_next(doc, one)) {
        const char *text = NULL;
        size_t length = 0;
        if (dv_doc_text(doc, one, &text, &length) || dv_doc_text(doc, dv_doc_in(doc, one, "name"), &text, &length))
            take_name(&listed, &models->llm->config, text, length);
    }
    return listed;
}

static dv_rc judge_list(struct dv_llm_models *models)
{
    struct dv_doc doc = { 0 };
    if (dv_doc_init(&doc, DV_LLM_MODELS_MAX) != DV_OK)
        return dv_error_set(&models->error, DV_E_MEMORY, "no memory for the list of Cortex' models");
    struct listed listed = { 0 };
    if (dv_doc_read(&doc, models->body.bytes, models->body.used) == DV_OK)
        listed = read_list(models, &doc);
    dv_doc_free(&doc);
    models->told = listed.found;
    if (listed.found || listed.count == 0 || (models->vectors && !listed.vectors))
        return DV_OK;
    return dv_error_set(&models->error, DV_E_CONFIG,
                        "Cortex has no model '%s' for this account, region and user: is its name right, or is"
                        " CORTEX_ENABLED_CROSS_REGION needed? It has %s",
                        models->llm->config.model, listed.names);
}

/* ---- the answer ---- */

static dv_rc judge(struct dv_llm_models *models)
{
    const struct dv_http_request *http = &models->http;
    if (http->rc == DV_E_DATA) /* no list is so long */
        return DV_OK;
    if (http->rc != DV_OK)
        return dv_error_set(&models->error, http->rc, "%s", http->reason);
    if (http->status == 200)
        return judge_list(models);
    if (http->status == 401)
        return dv_error_set(&models->error, DV_E_CONFIG, "%s", dv_llm_cortex_refused_token(models->llm, http->date_s));
    models->forbidden = http->status == 403;
    if (models->forbidden)
        return dv_error_set(&models->error, DV_E_CONFIG, "%s", DV_LLM_CORTEX_FORBIDDEN);
    bool busy = http->status == 408 || http->status == 429 || (http->status >= 500 && http->status != 501);
    return busy ? dv_error_set(&models->error, DV_E_DEPENDENCY, "Cortex is busy or down") : DV_OK;
}

static dv_rc ask(struct dv_llm_models *models);

static void on_end(struct dv_http_request *http)
{
    struct dv_llm_models *models = http->data;
    wipe(models);
    if (http->rc == DV_OK && http->status == 401 && !models->renewed) {
        models->renewed = true;
        dv_snowflake_token_drop(&models->llm->token);
        dv_rc rc = ask(models);
        if (rc != DV_OK)
            end(models, rc);
        return;
    }
    end(models, judge(models));
}

static bool on_piece(struct dv_http_request *http, const char *bytes, size_t length)
{
    struct dv_llm_models *models = http->data;
    return models->body.used + length <= DV_LLM_MODELS_MAX && dv_sse_text_add(&models->body, bytes, length);
}

/* ---- the question ---- */

static dv_rc ask(struct dv_llm_models *models)
{
    struct dv_llm *llm = models->llm;
    const char *reason = NULL;
    models->bearer = dv_memory_zeroed(1, DV_SNOWFLAKE_BEARER_MAX);
    if (models->bearer == NULL)
        return dv_error_set(&models->error, DV_E_MEMORY, "no memory for a request");
    dv_rc rc = dv_snowflake_token_show(&llm->token, dv_wall_ms(llm->config.loop), models->bearer, &reason);
    if (rc != DV_OK) {
        wipe(models);
        return dv_error_set(&models->error, rc, "%s", reason);
    }
    dv_sse_text_free(&models->body);
    models->headers[0] = (struct dv_http_header){ "Authorization", models->bearer };
    models->headers[1] = (struct dv_http_header){ "X-Snowflake-Authorization-Token-Type",
                                                  dv_snowflake_proof_word(llm->config.identity.proof) };
    models->headers[2] = (struct dv_http_header){ "Accept", "application/json" };
    models->http = (struct dv_http_request){ .path = "/api/v2/cortex/models",
                                             .headers = models->headers,
                                             .header_count = DV_LLM_MODELS_HEADERS,
                                             .piece = on_piece,
                                             .end = on_end,
                                             .data = models };
    models->asking = true;
    dv_http_request(llm->http, &models->http);
    return DV_OK;
}

dv_rc dv_llm_models_look(struct dv_llm_models *models, struct dv_llm *llm, bool vectors)
{
    models->llm = llm;
    models->vectors = vectors;
    models->renewed = models->told = models->forbidden = false;
    models->error = (struct dv_error){ 0 };
    return ask(models);
}

void dv_llm_models_close(struct dv_llm_models *models)
{
    if (models->asking)
        dv_http_cancel(models->llm->http, &models->http);
    models->asking = false;
    wipe(models);
    dv_sse_text_free(&models->body);
}
