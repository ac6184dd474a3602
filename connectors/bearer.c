/* SPDX-License-Identifier: Apache-2.0
 * bearer.c - tokens are compared by digest, in the same time whatever they hold. */
#include "connectors/bearer.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "engine/option.h"

static bool digest_of(const char *text, size_t length, uint8_t digest[DV_TOKEN_DIGEST])
{
    size_t written = 0;
    return EVP_Q_digest(NULL, "SHA256", NULL, text, length, digest, &written) == 1 && written == DV_TOKEN_DIGEST;
}

static bool is_bearer_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-._~+/=", c) != NULL);
}

static dv_rc check_token(const char *option, const char *token, size_t length, struct dv_error *error)
{
    if (length < DV_TOKEN_MIN)
        return dv_error_set(error, DV_E_CONFIG, "%s: shorter than %d characters; make one with `openssl rand -hex 32`",
                            option, DV_TOKEN_MIN);
    for (size_t i = 0; i < length; i++)
        if (!is_bearer_char(token[i]))
            return dv_error_set(error, DV_E_CONFIG,
                                "%s: only letters, digits and -._~+/= can be sent; make one with "
                                "`openssl rand -hex 32`",
                                option);
    return DV_OK;
}

dv_rc dv_bearer_init(struct dv_bearer *bearer, const char *option, const char *reference, struct dv_error *error)
{
    *bearer = (struct dv_bearer){ 0 };
    if (reference == NULL)
        return DV_OK;
    char token[DV_TOKEN_MAX];
    size_t length = 0;
    DV_TRY(dv_secret_read(reference, token, sizeof token, &length, error));
    dv_rc rc = check_token(option, token, length, error);
    if (rc == DV_OK && !digest_of(token, length, bearer->digest))
        rc = dv_error_set(error, DV_E_FAILED, "%s: SHA-256 is not available", option);
    explicit_bzero(token, sizeof token);
    bearer->is_set = rc == DV_OK;
    return rc;
}

bool dv_bearer_shown(const struct dv_bearer *bearer, const char *header, size_t length)
{
    static const char scheme[] = "Bearer ";
    const size_t skip = sizeof scheme - 1;
    DV_ASSERT(bearer->is_set);
    if (header == NULL || length <= skip || strncasecmp(header, scheme, skip) != 0)
        return false;
    uint8_t digest[DV_TOKEN_DIGEST];
    return digest_of(header + skip, length - skip, digest) && CRYPTO_memcmp(digest, bearer->digest, sizeof digest) == 0;
}
