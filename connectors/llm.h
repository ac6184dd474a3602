/* SPDX-License-Identifier: Apache-2.0
 * llm.h - a language model behind HTTP: asked with a prompt, it answers with a stream of text; and texts become vectors.
 *
 * A caller embeds requests in its own state. What a request points to is lent until `on_end`, which comes from the loop,
 * once, and never inside ask(), which must have been DV_OK; after cancel() or close() nothing comes any more. Nothing that a prompt, an answer or a
 * server's error says ever enters a log or an error: reasons are literals.
 *
 * A request that failed is tried again, four times in all and within its deadline, as long as it may heal and nothing of
 * its answer was handed out. Behind failures in a row the circuit opens, and requests end at once with DV_E_DEPENDENCY;
 * a quota that is used up opens it until it will be given again. Answers are kept, by what was asked, in bounded memory,
 * so that the same question costs nothing the second time. */
#ifndef DV_CONNECTORS_LLM_H
#define DV_CONNECTORS_LLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connectors/http.h"
#include "connectors/llm_budget.h"
#include "connectors/llm_shelf.h"
#include "connectors/snowflake_sign.h"
#include "engine/breaker.h"

enum dv_llm_kind {
    DV_LLM_OPENAI, /* and whoever speaks like it: llama.cpp, vLLM */
    DV_LLM_GEMINI,
    DV_LLM_CORTEX,        /* Snowflake's, in OpenAI's words */
    DV_LLM_CORTEX_NATIVE, /* and in its own: inference:complete. Vectors are the same */
    DV_LLM_CORTEX_SQL,    /* vectors by AI_EMBED in a statement; no answers */
};

/* How an answer ended. */
enum dv_llm_finish {
    DV_LLM_COMPLETE,
    DV_LLM_TRUNCATED, /* at `max_tokens`: JSON is cut off */
    DV_LLM_BLOCKED,   /* the service would not answer, or not to the end: what was handed out is not to be used */
    DV_LLM_PERSONAL,  /* the service saw personal data: an alarm, and not to be used */
    DV_LLM_FAILED,    /* no answer; `rc` tells why */
};

/* Somebody else's text; `at` may be NULL if there is none. */
struct dv_llm_text {
    const char *at;
    size_t length;
};

struct dv_llm_talk;
struct dv_llm_request;
struct dv_snowflake;

/* A prompt and its answer. Zero-initialise. */
struct dv_llm_request {
    struct dv_llm_text system, prompt; /* instructions, and what is asked; UTF-8 */
    const char *tenant;                /* whose tokens it costs: a DV_NAME */
    uint32_t max_tokens;               /* of the answer; 0: 512 */
    const char *json_schema;           /* the answer is JSON of this schema; NULL: free text */
    /* Text of the answer as it comes: whole characters of UTF-8. It may cancel requests. */
    void (*on_text)(struct dv_llm_request *request, const char *bytes, size_t length);
    void (*on_end)(struct dv_llm_request *request);
    void *data; /* the caller's */

    dv_rc
        rc; /* of FAILED: DV_E_DEPENDENCY (may heal), DV_E_CONFIG (key, model, certificate), DV_E_LIMIT (too long, or the
               * tokens of the day are spent), DV_E_DATA (what came is no answer), DV_E_MEMORY; else DV_OK */
    enum dv_llm_finish finish;
    const char *reason;             /* a literal; NULL if COMPLETE */
    uint32_t tokens_in, tokens_out; /* as the service counts them; 0 if it does not say */
    bool kept;                      /* the answer is one that was kept: it cost nothing */

    struct dv_llm_talk *talk; /* the connector's */
};

enum dv_llm_task { DV_LLM_DOCUMENT, DV_LLM_QUERY };

struct dv_llm_embedding;

/* Texts to be made vectors. Zero-initialise. */
struct dv_llm_embedding {
    const struct dv_llm_text *texts; /* UTF-8 */
    uint32_t count;                  /* 1 .. DV_LLM_TEXTS_MAX */
    uint32_t dims;                   /* of each vector; an answer with others is refused */
    enum dv_llm_task task;           /* gemini's two sides must differ */
    const char *tenant;
    float *rows; /* to fill: [count][dims], each of length 1 */
    bool well;   /* a plain word was taken a moment ago: what is refused for no known reason is so for its texts */
    void (*on_end)(struct dv_llm_embedding *embedding);
    void *data; /* the caller's */

    dv_rc rc; /* DV_OK, or as of a prompt */
    const char *reason;
    uint32_t tokens_in;
    bool doubtful;    /* of DV_E_DEPENDENCY: refused for no known reason, so a text may be at fault, or the service */
    bool spent;       /* of DV_E_LIMIT: the tokens of the day are, whatever the texts */
    bool other_width; /* of DV_E_DATA: vectors of other dimensions came, which is the model's and not the texts' */

    struct dv_llm_talk *talk; /* the connector's */
};

enum {
    DV_LLM_TRIES_MAX = 4,
    DV_LLM_TEXTS_MAX = 256,
    DV_LLM_TALKS_MAX = 64,               /* requests under way and waiting; more are refused */
    DV_LLM_PROMPT_MAX = 4 * 1024 * 1024, /* bytes of a request's texts */
    DV_LLM_KEY_MAX = 4096
};

/* What a connector is made of; its texts must stay as long as it is open. */
struct dv_llm_config {
    struct dv_loop *loop;
    enum dv_llm_kind kind;
    const char *url;   /* what stands before "/v1/…", "/v1beta/…" or "/api/…"; NULL: the service's or the account's own */
    const char *key;   /* a secret's reference, read anew for each request; NULL: none is sent. Not Cortex' */
    struct dv_snowflake_identity identity; /* Cortex' */
    const char *role, *warehouse;          /* of Cortex' statements; NULL: the user's own */
    struct dv_snowflake *snowflake;        /* zeroed room for what they go through, to stay as long as the connector */
    const char *model; /* of answers or of vectors, as it is used */
    const char *ca;    /* a file of trusted certificates; NULL: the system's */
    struct dv_http_deadlines deadlines;
    uint32_t pause_ms;       /* before the second try; 0: 1000. It doubles up to a minute, and half of it is random */
    uint32_t at_a_time;      /* requests under way; 0: 4. Others wait their turn */
    uint64_t tokens_per_day; /* of a tenant, by UTC; 0: as many as it likes */
    size_t kept_bytes;       /* of answers; 0: 8 MiB */
    bool keeps_none;         /* every question is asked */
    bool base64;             /* vectors of openai come as base64: a third of the bytes, but not every server can */
    bool guarded;            /* Cortex' own words: its guard looks at answers, and what it withholds is BLOCKED */
    struct dv_http *http;    /* instead of a client of its own: a test's script, which the connector closes */
};

/* What was counted since open(). */
struct dv_llm_figures {
    uint64_t asked, failed, retries, kept, refused; /* `refused`: for the tokens of the day */
    uint64_t blocked, personal;                     /* answers that the service would not give; of them alarms */
    uint64_t tokens_in, tokens_out;
};

struct dv_llm_api;

/* The connector. Lives in memory of the owner's that must stay until the loop has run dry after close(); private. */
struct dv_llm {
    struct dv_llm_config config;
    const struct dv_llm_api *api; /* the service's own words */
    char account_url[DV_SNOWFLAKE_URL_MAX + 1];
    struct dv_snowflake_token token; /* of Cortex */
    struct dv_snowflake_signer signer;
    struct dv_http_client client;
    struct dv_http *http; /* the client, or a script */
    struct dv_breaker breaker;
    struct dv_llm_budget budget;
    struct dv_llm_shelf shelf; /* answers that are kept */
    struct dv_timer timer;
    struct dv_llm_talk *first, *last; /* in the order they were asked */
    uint32_t count, asking;
    struct dv_llm_figures figures;
    bool opened;
};

/* Whether a connector can be made of this, without its loop. DV_E_CONFIG as dv_llm_open(). */
DV_CHECKED dv_rc dv_llm_check(const struct dv_llm_config *config, struct dv_error *error);

/* Opens a connector; nothing is connected yet. DV_E_CONFIG with a text: a URL that cannot be used, a key in plain http to
 * another host, a model's name that no URL can hold. Close with dv_llm_close(). */
DV_CHECKED dv_rc dv_llm_open(struct dv_llm *llm, const struct dv_llm_config *config, struct dv_error *error);

/* Asks; the request's answer is cleared first. DV_E_LIMIT: DV_LLM_TALKS_MAX wait already, or the texts are longer than
 * DV_LLM_PROMPT_MAX; DV_E_MEMORY: then nothing comes. */
DV_CHECKED dv_rc dv_llm_ask(struct dv_llm *llm, struct dv_llm_request *request);
DV_CHECKED dv_rc dv_llm_embed(struct dv_llm *llm, struct dv_llm_embedding *embedding);

/* Ends a request of which nothing more is wanted; accepts one that is over. */
void dv_llm_cancel(struct dv_llm *llm, struct dv_llm_request *request);
void dv_llm_embed_cancel(struct dv_llm *llm, struct dv_llm_embedding *embedding);

/* Ends everything at once and wipes what was kept; accepts a zeroed one. Not from inside `on_text`. */
void dv_llm_close(struct dv_llm *llm);

/* How many numbers the vectors of a service's model have, where that is known; else 0. */
uint32_t dv_llm_width(enum dv_llm_kind kind, const char *model);

/* Why no request gets through now, a literal; or NULL. */
const char *dv_llm_waits(const struct dv_llm *llm);

/* The circuit breaker of the service. */
const struct dv_breaker *dv_llm_breaker(const struct dv_llm *llm);

/* What was counted since open(). */
const struct dv_llm_figures *dv_llm_figures(const struct dv_llm *llm);

#endif
