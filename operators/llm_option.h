/* SPDX-License-Identifier: Apache-2.0
 * llm_option.h - the options that every operator has which asks a language model's service, and the service they name.
 *
 * An operator's state has a member `service`, its option table has the rows below, its transfer() asks for the check. Which kind of
 * service it is, and how long it may take, the operator says itself. */
#ifndef DV_OPERATORS_LLM_OPTION_H
#define DV_OPERATORS_LLM_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "engine/option.h"

struct dv_breaker;
struct dv_gauge;
struct dv_llm;
struct dv_llm_models;
struct dv_node;

/* The member of an operator's state that the rows fill, and what is open. */
struct dv_llm_service {
    const char *model, *url, *key, *ca;
    const char *account, *user, *passphrase, *token; /* Cortex' */
    int token_kind;
    const char *role, *warehouse; /* of Cortex' statements */
    int api;      /* of Cortex' interfaces, in the order of the operator's values */
    bool guarded; /* Cortex' guard looks at answers */
    int64_t tokens_per_day;
    struct dv_llm *llm; /* NULL: not open */
    struct dv_llm_models *models; /* a look at Cortex' models at the start, or NULL */
};

/* Rows of an option table whose state has a member `service` of the type above. */
#define DV_LLM_SERVICE_ROWS(state)                                                                                     \
    { "model", DV_STR, offsetof(state, service.model),                                                                 \
      .help = "Name of the service's model; without a service there is none." },                                       \
        { "url", DV_STR, offsetof(state, service.url),                                                                 \
          .help = "Where the service is, as http://127.0.0.1:8080: what stands before /v1, /v1beta or /api; its own "  \
                  "if left out." },                                                                                    \
        { "key", DV_SECRET, offsetof(state, service.key),                                                              \
          .help = "The service's key; none is sent if left out. With cortex the private RSA key of the user, in PEM." }, \
        { "account", DV_STR, offsetof(state, service.account),                                                         \
          .help = "With cortex: Snowflake's account, as myorg-account1, or a locator as xy12345.eu-central-1." },      \
        { "user", DV_STR, offsetof(state, service.user),                                                               \
          .help = "With cortex: user whose public key Snowflake knows." },                                             \
        { "passphrase", DV_SECRET, offsetof(state, service.passphrase),                                                \
          .help = "With cortex: passphrase of the key; none: it has none." },                                          \
        { "token", DV_SECRET, offsetof(state, service.token),                                                          \
          .help = "With cortex: a token instead of user and key." },                                                   \
        { "token_kind",                                                                                                \
          DV_ENUM,                                                                                                     \
          offsetof(state, service.token_kind),                                                                         \
          .initial = "pat",                                                                                            \
          .values = "pat|oauth",                                                                                       \
          .help = "With `token`: a programmatic access token, or one of OAuth." },                                     \
        { "ca", DV_STR, offsetof(state, service.ca),                                                                   \
          .help = "PEM file of the certificates that are trusted; those of the system if left out." },                 \
    {                                                                                                                  \
        "tokens_per_day", DV_INT, offsetof(state, service.tokens_per_day),                                             \
            .initial = "0", .min = 0, .max = INT64_C(1) << 40,                                                         \
            .help =                                                                                                    \
                "Tokens that the tenant may spend at the service in a day (UTC), in and out; 0: as many as it likes."  \
    }

/* Rows beside them, of an operator that asks for answers. */
#define DV_LLM_ANSWER_ROWS(state)                                                                                      \
    { "api",                                                                                                           \
      DV_ENUM,                                                                                                         \
      offsetof(state, service.api),                                                                                    \
      .initial = "chat",                                                                                               \
      .values = "chat|complete",                                                                                       \
      .help = "With cortex: chat, its interface in OpenAI's words; or complete, its own, inference:complete." },       \
    {                                                                                                                  \
        "guardrails", DV_BOOL, offsetof(state, service.guarded),                                                       \
            .initial = "false",                                                                                        \
            .help = "With `api: complete`: Cortex Guard looks at answers, which costs tokens, too; what it withholds " \
                    "is no answer."                                                                                    \
    }

/* And of one that asks for vectors. */
#define DV_LLM_VECTOR_ROWS(state)                                                                                      \
    { "api",                                                                                                           \
      DV_ENUM,                                                                                                         \
      offsetof(state, service.api),                                                                                    \
      .initial = "rest",                                                                                               \
      .values = "rest|sql",                                                                                            \
      .help = "With cortex: rest, inference:embed; or sql, AI_EMBED in a statement, which needs a warehouse." },       \
        { "role", DV_NAME, offsetof(state, service.role),                                                              \
          .help = "With `api: sql`: role for statements; none: the user's own." },                                     \
    {                                                                                                                  \
        "warehouse", DV_NAME, offsetof(state, service.warehouse),                                                      \
            .help = "With `api: sql`: warehouse for statements; none: the user's own."                                 \
    }

/* The service of an operator, an enum dv_llm_kind: `which` of openai, gemini and cortex, in this order, and Cortex' interface. */
int dv_llm_service_kind(const struct dv_llm_service *service, int which);

/* During transfer(): what can be checked without asking it; `option` chose the kind, an enum dv_llm_kind. DV_E_CONFIG after a finding. */
DV_CHECKED dv_rc dv_llm_service_check(struct dv_node *node, const struct dv_llm_service *service, int kind,
                                      const char *option);

/* Opens it, for open(): every request ends within `deadline_ms`. Over Cortex' REST its models are looked at meanwhile: where the one that
 * is named is missing, or the role may not ask, the run ends. */
DV_CHECKED dv_rc dv_llm_service_open(struct dv_node *node, struct dv_llm_service *service, int kind,
                                     int64_t deadline_ms);

/* Accepts one that was never opened. */
void dv_llm_service_close(struct dv_llm_service *service);

/* The service of a node that asks Cortex over REST, and whether for vectors; NULL: it asks nobody, another service, or by statements. */
const struct dv_llm_service *dv_llm_service_of(const struct dv_node *node, bool *ret_vectors);

/* Looks at Cortex' models for such a node, without a run; *ret_told: the list names its model. Blocks. DV_OK; DV_E_CONFIG: what is
 * wrong; DV_E_DEPENDENCY: it cannot be told now; and what opening an account says. */
DV_CHECKED dv_rc dv_llm_service_look(const struct dv_node *node, bool *ret_told, struct dv_error *error);

/* For `.waits` and `.breaker` of such an operator; nothing of one that is not open. */
const char *dv_llm_service_waits(const struct dv_llm_service *service);
const struct dv_breaker *dv_llm_service_breaker(const struct dv_llm_service *service, uint32_t index);

/* For `.gauge`: the index-th figure of the service; false behind the last, and of one that is not open. */
bool dv_llm_service_gauge(const struct dv_llm_service *service, uint32_t index, struct dv_gauge *ret);

#endif
