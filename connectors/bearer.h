/* SPDX-License-Identifier: Apache-2.0
 * bearer.h - the token that a client must show (`Authorization: Bearer ...`): only a digest of it is kept. */
#ifndef DV_CONNECTORS_BEARER_H
#define DV_CONNECTORS_BEARER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

enum { DV_TOKEN_MIN = 16, DV_TOKEN_MAX = 512, DV_TOKEN_DIGEST = 32 };

/* What is needed to recognise a token. Zero: none is configured. */
struct dv_bearer {
    bool is_set;
    uint8_t digest[DV_TOKEN_DIGEST];
};

/* Reads the token behind `reference` (NULL: none is configured); `option` names it in errors. DV_E_CONFIG if it is weak. */
DV_CHECKED dv_rc dv_bearer_init(struct dv_bearer *bearer, const char *option, const char *reference,
                                struct dv_error *error);

/* Whether the value of an Authorization header (NULL: there was none) shows the token, which is set. */
bool dv_bearer_shown(const struct dv_bearer *bearer, const char *header, size_t length);

#endif
