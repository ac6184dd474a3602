/* SPDX-License-Identifier: Apache-2.0
 * post.h - one request to a running graph, and its answer: what commands share that talk to a server. */
#ifndef DV_CLI_POST_H
#define DV_CLI_POST_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "connectors/http.h"
#include "engine/error.h"

enum { DV_POST_ANSWER_MAX = 32 * 1024 * 1024, DV_POST_TOKEN_MAX = 4096 };

#define DV_POST_URL "http://127.0.0.1:8080"
#define DV_POST_TOKEN_VARIABLE "DATAVAULT_TOKEN"

/* Where such a command finds its server, as whom, and how it shows the answer. */
struct dv_post_to {
    const char *url, *token, *ca; /* the last two may be NULL */
    bool json;
};

/* The options of getopt_long() that fill it, for a command's table; and one of them: false, if it is another. */
#define DV_POST_OPTIONS                                                                                                \
    { "url", required_argument, NULL, 'u' }, { "token", required_argument, NULL, 't' }, { "ca", required_argument, NULL, 'c' }, \
        { "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }
bool dv_post_takes(struct dv_post_to *to, int option, const char *argument);

/* What the help of such a command says of where and as whom. */
#define DV_POST_HELP                                                                                                   \
    "  --url URL      where the graph listens (default: " DV_POST_URL ")\n"                                            \
    "  --token REF    its token, as env:NAME or file:PATH (default: env:" DV_POST_TOKEN_VARIABLE ", if that is set)\n" \
    "  --ca FILE      certificates to trust (default: the system's)\n"

/* A request and its answer. */
struct dv_post {
    struct dv_post_to to;
    const char *path, *accept;
    const char *method; /* NULL: a POST, or a GET without a body; "DELETE" has none */
    const char *body;
    size_t length;
    void (*came)(struct dv_post *post); /* there is more of the answer, and some may be taken away; or NULL */
    void *data;

    char *answer; /* what has come, and DV_JSON_PADDING more bytes that can be read */
    size_t answer_length;
    struct dv_http_request request; /* its `status`, `rc` and `reason` are the answer's */
    struct dv_http_client client;   /* private, as what follows */
    char bearer[DV_POST_TOKEN_MAX + sizeof "Bearer "];
};

/* Sends it and waits for the end: DV_OK if the request went out, whatever came of it. Free with dv_post_free() after any outcome. */
DV_CHECKED dv_rc dv_post_send(struct dv_post *post, struct dv_error *error);
void dv_post_free(struct dv_post *post);

/* Says why what came is not the answer; gives back the exit code. */
int dv_post_fail(const struct dv_post *post);

#endif
