/* SPDX-License-Identifier: Apache-2.0
 * reply.c - nothing of a request is ever repeated in an answer. */
#include "dashboard/server/reply.h"

#include <string.h>

#include "engine/error.h"

enum { JSON_FIRST = 16 * 1024, JSON_MOST = 32 * 1024 * 1024 };

struct phrase {
    int status;
    const char *text;
};

static const struct phrase phrases[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 304, "Not Modified" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 507, "Insufficient Storage" },
};

const char *dv_status_phrase(int status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].text;
    return "Internal Server Error";
}

void dv_reply_header(h2o_req_t *request, const char *name, const char *value)
{
    h2o_add_header_by_str(&request->pool, &request->res.headers, name, strlen(name), 1, NULL, value, strlen(value));
}

void dv_reply_begin(h2o_req_t *request, int status, const char *type)
{
    request->res.status = status;
    request->res.reason = dv_status_phrase(status);
    if (type != NULL)
        dv_reply_header(request, "content-type", type);
    dv_reply_header(request, "x-content-type-options", "nosniff");
    dv_reply_header(request, "referrer-policy", "no-referrer");
    dv_reply_header(request, "cross-origin-resource-policy", "same-origin");
    if (request->input.scheme == &H2O_URL_SCHEME_HTTPS)
        dv_reply_header(request, "strict-transport-security", "max-age=31536000");
}

void dv_reply(h2o_req_t *request, int status, const char *type, const char *body, size_t length)
{
    dv_reply_begin(request, status, type);
    if (status != 304)
        request->res.content_length = length;
    h2o_send_inline(request, body, length);
}

size_t dv_problem_text(char out[DV_PROBLEM_BYTES], const struct dv_problem *problem)
{
    struct dv_json json;
    dv_json_init(&json, out, DV_PROBLEM_BYTES);
    dv_json_open(&json, '{');
    dv_json_key(&json, "type");
    dv_json_string(&json, "about:blank");
    dv_json_key(&json, "title");
    dv_json_string(&json, dv_status_phrase(problem->status));
    dv_json_key(&json, "status");
    dv_json_int(&json, problem->status);
    dv_json_key(&json, "detail");
    dv_json_string(&json, problem->detail);
    if (problem->reason != NULL) {
        dv_json_key(&json, "line");
        dv_json_uint(&json, problem->line);
        dv_json_key(&json, "reason");
        dv_json_string(&json, problem->reason);
    }
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    return dv_json_length(&json);
}

void dv_reply_problem_of(h2o_req_t *request, const struct dv_problem *problem)
{
    char body[DV_PROBLEM_BYTES];
    size_t length = dv_problem_text(body, problem);
    dv_reply_header(request, "cache-control", "no-store");
    dv_reply_header(request, "content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    dv_reply(request, problem->status, "application/problem+json", body, length);
}

void dv_reply_problem(h2o_req_t *request, int status, const char *detail)
{
    dv_reply_problem_of(request, &(struct dv_problem){ .status = status, .detail = detail });
}

static void reply_made(h2o_req_t *request, int status, const char *type, dv_json_maker make, const void *data)
{
    for (size_t size = JSON_FIRST; size <= JSON_MOST; size *= 4) {
        char *buffer = h2o_mem_alloc_pool(&request->pool, size);
        struct dv_json json;
        dv_json_init(&json, buffer, size);
        make(&json, data);
        if (json.full)
            continue;
        dv_reply_header(request, "cache-control", "no-store");
        dv_reply_header(request, "content-security-policy", "default-src 'none'; frame-ancestors 'none'");
        dv_reply(request, status, type, buffer, dv_json_length(&json));
        return;
    }
    dv_reply_problem(request, 503, "The answer is too large.");
}

void dv_reply_json(h2o_req_t *request, int status, dv_json_maker make, const void *data)
{
    reply_made(request, status, "application/json", make, data);
}

void dv_reply_problem_json(h2o_req_t *request, int status, dv_json_maker make, const void *data)
{
    reply_made(request, status, "application/problem+json", make, data);
}
