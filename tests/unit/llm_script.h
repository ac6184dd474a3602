/* SPDX-License-Identifier: Apache-2.0
 * llm_script.h - a service of language models that says what a test wrote, in a simulated world. */
#ifndef DV_TESTS_LLM_SCRIPT_H
#define DV_TESTS_LLM_SCRIPT_H

#include "connectors/llm.h"

enum { SCRIPT_REPLIES_MAX = 128, SCRIPT_BODY_MAX = 16384, SCRIPT_TEXT_MAX = 8192 };

/* What the service answers to one request. */
struct reply {
    unsigned status; /* 0: none */
    const char *body;
    dv_rc rc; /* how the connection ends */
    const char *reason;
    uint32_t retry_after_s;
    size_t piece; /* bytes that come at a time; 0: all */
    bool unsent;  /* the request does not get there */
    bool never;   /* no answer: until it is cancelled */
};

/* The service, the world, and what was asked last. Zero-initialise. */
struct script {
    struct dv_http base;
    struct dv_loop_sim loop;
    struct dv_llm llm;
    struct dv_timer timer;
    struct reply replies[SCRIPT_REPLIES_MAX]; /* in turn; the last one again and again */
    uint32_t reply_count, next;
    struct dv_http_request *open[DV_HTTP_REQUESTS_MAX]; /* under way, in order */
    uint32_t open_count, open_most, asked, cancelled;
    char path[256], key[256], headers[1024], body[SCRIPT_BODY_MAX]; /* key: the header that has it; headers: a line each */
    uint64_t asked_ms[SCRIPT_REPLIES_MAX];
};

/* An answer as it came. */
struct answer {
    struct script *script;
    struct dv_llm_request request;
    char text[SCRIPT_TEXT_MAX];
    size_t length;
    unsigned pieces, ends;
    unsigned cancel_at; /* at this piece; 0: never */
};

/* cmocka's: a script in *state, and its end. */
int script_setup(void **state);
int script_teardown(void **state);

/* A connector of Cortex, by a token. */
struct dv_llm_config script_cortex(enum dv_llm_kind kind);

/* Opens the connector in a world where it is `wall_ms` after the epoch's day of the simulation. */
void script_open(struct script *script, const struct dv_llm_config *config);
void script_close(struct script *script);

/* Adds a reply. */
void script_reply(struct script *script, unsigned status, const char *body);

/* Begins to ask, and runs the world until nothing happens any more. */
void script_begin(struct script *script, struct answer *answer, const char *prompt);
void script_run(struct script *script);

/* Both. */
void script_ask(struct script *script, struct answer *answer, const char *prompt);

#endif
