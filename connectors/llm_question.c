/* SPDX-License-Identifier: Apache-2.0
 * llm_question.c - what is asked: whose it is, how much it is, and how it is told from others. */
#include <openssl/evp.h>
#include <string.h>

#include "connectors/llm_internal.h"

enum {
    BYTES_PER_TOKEN = 3, /* rather too few: what is taken beforehand is too much */
    FRAME_TOKENS = 32
};

uint64_t dv_llm_bytes(const struct dv_llm_talk *talk)
{
    uint64_t bytes = 0;
    if (talk->request != NULL)
        return talk->request->system.length + talk->request->prompt.length;
    for (uint32_t i = 0; i < talk->embedding->count; i++)
        bytes += talk->embedding->texts[i].length;
    return bytes;
}

const char *dv_llm_tenant(const struct dv_llm_talk *talk)
{
    return talk->request != NULL ? talk->request->tenant : talk->embedding->tenant;
}

uint64_t dv_llm_tokens(uint64_t bytes)
{
    return bytes / BYTES_PER_TOKEN + FRAME_TOKENS;
}

/* Each part with its length: no two questions look alike. */
static bool hash_part(EVP_MD_CTX *context, const char *text, size_t length)
{
    uint64_t head = text != NULL ? length + 1 : 0;
    return EVP_DigestUpdate(context, &head, sizeof head) == 1 &&
           (length == 0 || EVP_DigestUpdate(context, text, length) == 1);
}

static bool hash_text(EVP_MD_CTX *context, const char *text)
{
    return hash_part(context, text, text != NULL ? strlen(text) : 0);
}

/* The tenant is part of it: nobody can tell by the time it takes what another one asked. */
bool dv_llm_hash(struct dv_llm_talk *talk)
{
    const struct dv_llm_request *request = talk->request;
    const struct dv_llm_config *config = &talk->llm->config;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool made = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                hash_text(context, config->model) && hash_text(context, request->tenant) &&
                hash_part(context, (const char *)&request->max_tokens, sizeof request->max_tokens) &&
                hash_text(context, request->json_schema) &&
                hash_part(context, request->system.at, request->system.length) &&
                hash_part(context, request->prompt.at, request->prompt.length) &&
                EVP_DigestFinal_ex(context, talk->hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    return made;
}
