/* SPDX-License-Identifier: Apache-2.0
 * post.c - a request on a loop of its own, which runs until the answer has come. */
#include "cli/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask_print.h"
#include "cli/command.h"
#include "engine/json.h"
#include "engine/memory.h"
#include "engine/option.h"

enum { WAIT_MS = 600000 };

static bool on_piece(struct dv_http_request *request, const char *bytes, size_t length)
{
    struct dv_post *post = request->data;
    if (length > DV_POST_ANSWER_MAX - post->answer_length)
        return false;
    memcpy(post->answer + post->answer_length, bytes, length);
    post->answer_length += length;
    if (post->came != NULL)
        post->came(post);
    return true;
}

static void on_end(struct dv_http_request *request)
{
    struct dv_post *post = request->data;
    dv_http_close(&post->client.base);
}

static dv_rc read_token(struct dv_post *post, struct dv_error *error)
{
    static const char word[] = "Bearer ";
    const char *token = post->to.token;
    size_t length = 0;
    if (token == NULL && getenv(DV_POST_TOKEN_VARIABLE) != NULL)
        token = "env:" DV_POST_TOKEN_VARIABLE;
    if (token == NULL)
        return DV_OK;
    memcpy(post->bearer, word, sizeof word);
    dv_rc rc = dv_secret_read(token, post->bearer + sizeof word - 1, DV_POST_TOKEN_MAX, &length, error);
    if (rc != DV_OK)
        post->bearer[0] = '\0';
    return rc;
}

static dv_rc begin(struct dv_post *post, struct dv_loop *loop, struct dv_error *error)
{
    const struct dv_http_config config = {
        .loop = loop,
        .url = post->to.url,
        .ca = post->to.ca,
        .deadlines = { .first_byte_ms = WAIT_MS, .idle_ms = WAIT_MS, .total_ms = WAIT_MS },
        .answer_max = DV_POST_ANSWER_MAX,
    };
    DV_TRY(read_token(post, error));
    const char *fault = dv_http_url_fault(post->to.url, post->bearer[0] != '\0');
    if (fault != NULL)
        return dv_error_set(error, DV_E_USAGE, "--url: %s", fault);
    return dv_http_open(&post->client, &config, error);
}

/* Asks and waits for the end. */
static dv_rc talk(struct dv_post *post, struct dv_error *error)
{
    uv_loop_t uv;
    struct dv_loop_real loop;
    const struct dv_http_header headers[] = {
        { "Content-Type", "application/json" }, { "Accept", post->accept }, { "Authorization", post->bearer }
    };
    int failed = uv_loop_init(&uv);
    DV_ASSERT(failed == 0);
    dv_rc rc = dv_loop_real_init(&loop, &uv);
    DV_ASSERT(rc == DV_OK);
    rc = begin(post, &loop.base, error);
    if (rc == DV_OK) {
        post->request = (struct dv_http_request){
            .path = post->path, .headers = headers, .header_count = post->bearer[0] != '\0' ? 3 : 2,
            .body = post->body, .length = post->length, .method = post->method, .piece = on_piece, .end = on_end, .data = post,
        };
        dv_http_request(&post->client.base, &post->request);
        (void)uv_run(&uv, UV_RUN_DEFAULT);
    }
    dv_loop_real_close(&loop);
    (void)uv_run(&uv, UV_RUN_DEFAULT);
    failed = uv_loop_close(&uv);
    DV_ASSERT(failed == 0);
    return rc;
}

bool dv_post_takes(struct dv_post_to *to, int option, const char *argument)
{
    switch (option) {
    case 'u': to->url = argument; return true;
    case 't': to->token = argument; return true;
    case 'c': to->ca = argument; return true;
    case 'j': to->json = true; return true;
    default: return false;
    }
}

dv_rc dv_post_send(struct dv_post *post, struct dv_error *error)
{
    post->answer = dv_memory_zeroed(1, DV_POST_ANSWER_MAX + DV_JSON_PADDING);
    if (post->answer == NULL)
        return dv_error_set(error, DV_E_MEMORY, "no memory for the answer");
    return talk(post, error);
}

void dv_post_free(struct dv_post *post)
{
    explicit_bzero(post->bearer, sizeof post->bearer);
    dv_memory_free(post->answer);
    post->answer = NULL;
}

int dv_post_fail(const struct dv_post *post)
{
    struct dv_error error = { 0 };
    const struct dv_http_request *request = &post->request;
    if (request->status >= 300)
        return dv_ask_print_problem(post->answer, post->answer_length, request->status);
    dv_rc rc = request->rc != DV_OK ? request->rc : DV_E_DEPENDENCY;
    const char *reason = request->reason != NULL ? request->reason : "the answer broke off";
    int code = dv_say_error(rc, (dv_error_set(&error, rc, "%s: %s", post->to.url, reason), &error));
    if (request->status == 0 && rc == DV_E_DEPENDENCY)
        (void)fputs("datavault: start a graph that answers, as in `make demo` or `datavault run conf/ask.yaml`, or say where one listens: --url URL\n",
                    stderr);
    return code;
}
