/* SPDX-License-Identifier: Apache-2.0
 * llm_models.h - asks Cortex which models there are for this account and user, before anything else is asked.
 *
 * The list need not tell everything: what it is for is documented, what is in it is not. So a model counts as missing only where the
 * list is one that can be read, and for vectors only where it names a model of vectors at all; where there is no such list, or it
 * cannot be had now, nothing is wrong. */
#ifndef DV_CONNECTORS_LLM_MODELS_H
#define DV_CONNECTORS_LLM_MODELS_H

#include "connectors/http.h"
#include "connectors/llm.h"
#include "connectors/sse_read.h"

enum { DV_LLM_MODELS_HEADERS = 3, DV_LLM_MODELS_MAX = 256 * 1024 /* bytes of a list */ };

/* A look. Zero-initialise. */
struct dv_llm_models {
    void (*on_end)(struct dv_llm_models *models);
    void *data; /* the caller's */

    dv_rc rc; /* DV_OK: nothing speaks against it; DV_E_CONFIG: token, role or model; DV_E_DEPENDENCY: down or busy; DV_E_MEMORY */
    bool vectors;   /* what was asked for */
    bool told;      /* of DV_OK: the list names the model */
    bool forbidden; /* of DV_E_CONFIG: the role may not see the list; one that may only make vectors may be such a role */
    struct dv_error error;

    struct dv_llm *llm; /* private, as what follows */
    bool renewed, asking;
    struct dv_http_request http;
    struct dv_http_header headers[DV_LLM_MODELS_HEADERS];
    char *bearer;
    struct dv_sse_text body;
};

/* Asks over an open connector of Cortex' REST; `vectors`: its model makes those. The end comes from the loop, once, unless it is closed
 * before. DV_E_MEMORY or DV_E_CONFIG with a text in `error`: then nothing comes. */
DV_CHECKED dv_rc dv_llm_models_look(struct dv_llm_models *models, struct dv_llm *llm, bool vectors);

/* Before the connector is closed; accepts a zeroed one. */
void dv_llm_models_close(struct dv_llm_models *models);

#endif
